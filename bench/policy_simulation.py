"""`policy simulate`: the memory that 100 times the records take, and the time as a ratio to parsing the records.

``python -m bench.policy_simulation simulate|parse FOLDER`` is the process that is measured; it prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from math import nan
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import ijson  # type: ignore[import-untyped]  # it has no types

from bench.benchmark_result import BenchmarkResult
from embedded_aws.execution.memory import peak_memory
from ops.__main__ import commands

if TYPE_CHECKING:
    from rich.console import Console

_ROOT: Final = Path(__file__).resolve().parent.parent
_EVENT: Final = _ROOT / "events" / "create-function.json"
_FEW: Final = 1_000
_MANY: Final = 100_000
_RUNS: Final = 3
# One record in two shows the memory that creations take; one in fifty, more than a real trail has, the time of others.
_MANY_CREATIONS: Final = 2
_FEW_CREATIONS: Final = 50


def measure(_: Console) -> list[BenchmarkResult]:
    """Measure, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        few, many, typical = (Path(folder, name) for name in ("few", "many", "typical"))
        _write(few, records=_FEW, one_in=_MANY_CREATIONS)
        _write(many, records=_MANY, one_in=_MANY_CREATIONS)
        _write(typical, records=_MANY, one_in=_FEW_CREATIONS)
        # Alternately, so that other load on the machine affects both.
        ratios = [
            _measure("simulate", typical)["seconds"] / _measure("parse", typical)["seconds"] for _ in range(_RUNS)
        ]
        memory = _measure("simulate", many)["peak_memory"] / _measure("simulate", few)["peak_memory"]
    return [
        BenchmarkResult(
            "policy simulate: memory for 100 times the records, as a ratio", memory, 1.25, number_format="{:.2f}"
        ),
        # With room for other load. Wrapping every record as an event, not only creations, would exceed it.
        BenchmarkResult("policy simulate: time, as a ratio to parsing", median(ratios), 1.5, number_format="{:.2f}"),
    ]


def _write(folder: Path, *, records: int, one_in: int) -> None:
    """Write a CloudTrail file in which one record in `one_in` is a creation."""
    folder.mkdir()
    creation = json.dumps(json.loads(_EVENT.read_text())["detail"], separators=(",", ":"))
    other = creation.replace("CreateFunction20150331", "UpdateFunctionCode20150331v2")
    with (folder / "records.json").open("w") as file:
        for number in range(records):
            record = (other if number % one_in else creation).replace("invoice-renderer", f"function-{number}")
            file.write(("," if number else '{"Records":[') + record)
        file.write("]}")


def _measure(command: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(  # noqa: S603 - this module
        [sys.executable, "-m", "bench.policy_simulation", command, str(folder)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    measurement: dict[str, float] = json.loads(done.stdout)
    return measurement


def _run(command: str, folder: str) -> None:
    """Run the command once, and print its time and memory."""
    # After the imports, which both commands share.
    started_at = time.process_time()
    if command == "parse":
        for path in Path(folder).iterdir():
            with path.open("rb") as file:
                for _ in ijson.items(file, "Records.item"):
                    pass
    else:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            policy = str(_ROOT / "policy.yaml")
            commands.main(["policy", "simulate", folder, "--policy", policy, "--json"], standalone_mode=False)
    seconds = time.process_time() - started_at
    peak = peak_memory(os.getpid())
    print(json.dumps({"seconds": seconds, "peak_memory": nan if peak is None else peak}))  # noqa: T201 - the answer


if __name__ == "__main__":
    _run(*sys.argv[1:])
