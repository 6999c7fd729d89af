"""What a demo says while it runs: the step that is under way, and at the end whether all came as expected."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from demo.table import Row

# Into a file or a pipe goes a table that need not be folded.
console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 180)


def accept_any_name() -> None:
    """Let standard output take names that are no valid Unicode, as somebody's records may have them."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    """Show that a step is under way, its latest line, and how long it took."""
    began = time.monotonic()
    if not console.is_terminal:
        console.print(f"… {escape(what)}")
    with console.status(f"{escape(what)} …") as status:
        yield lambda line: status.update(f"{escape(what)} … [dim]{escape(line[: console.width - len(what) - 8])}[/]")
    console.print(f"✓ {escape(what)} ({time.monotonic() - began:.0f} s)")


def conclude(rows: Sequence[Row], problems: Sequence[str] = ()) -> int:
    """Say how much came as expected, and return the exit status."""
    for problem in problems:
        console.print(f"[red]left out:[/] {escape(problem)}")
    surprises = sum(not row.as_expected for row in rows)
    told = [f"{len(rows) - surprises} of {len(rows)} came as expected"]
    told += [f"{surprises} did not"] * bool(surprises) + [f"{len(problems)} left out, see above"] * bool(problems)
    console.print(f"[{'red' if len(told) > 1 else 'green'}]{', '.join(told)}.[/]")
    return 1 if surprises or problems else 0
