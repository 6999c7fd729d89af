"""``python -m bench [PART ...]``: measure, and print each result with its limit.

Exit status 1 if a result is beyond its limit.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from bench import backfill, event_path, organization_cost, policy_simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.benchmark_result import BenchmarkResult

_PARTS: Final[dict[str, Callable[[Console], list[BenchmarkResult]]]] = {
    "event": event_path.measure,
    "rates": backfill.measure_rates,
    "compliant": backfill.measure_compliant,
    "comparison": backfill.measure_comparison,
    "simulate": policy_simulation.measure,
    "organization": organization_cost.measure,
}


def main() -> int:
    """Measure the parts that were named, or all, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Run benchmarks.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure (default: all): {', '.join(_PARTS)}")
    parts = parser.parse_args().parts or list(_PARTS)
    if unknown := [part for part in parts if part not in _PARTS]:
        parser.error(f"{unknown[0]} is not a valid part; expected one of {', '.join(_PARTS)}")
    console = Console(highlight=False)
    results = []
    for part in parts:
        console.print(f"[bold]{part} …[/]")
        results += _PARTS[part](console)
    table = Table("", "measured", "limit", "")
    for result in results:
        measured, limit = (result.number_format.format(value) for value in (result.measured, result.limit))
        bound = f"{'≥' if result.is_minimum else '≤'} {limit}"
        table.add_row(result.name, measured, bound, "[green]passed[/]" if result.passed else "[red]failed[/]")
    if results:
        console.print(table)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
