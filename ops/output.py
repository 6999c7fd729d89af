"""What a command prints: JSON for programs; for a person tables, folded to a terminal's width.

Anywhere but on a terminal, a table's row is a plain line. What AWS or a file says is shown as text: nothing in it is
markup, or moves the cursor.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_GAP: Final = 2
"""Blanks between columns."""
_ROWS_AT_ONCE: Final = 500
"""Rows laid out together: a longer table comes in pieces that line up, and is never held whole."""


def say(text: str = "") -> None:
    """Print a line."""
    click.echo(clean(text))


def warn(text: str) -> None:
    """Print a line about what is wrong, to standard error."""
    click.echo(clean(text), err=True)


def clean(text: str) -> str:
    """Return the text with the code of every character in it that a terminal would obey, or could not print."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", widths: Sequence[int] | None = None
) -> None:
    """Print a table.

    Args:
        headings: Names of the columns; empty for a table without.
        rows: Its rows.
        title: What stands above it.
        widths: How wide each column has to be, headings apart, if the rows are too many to be looked at beforehand.
    """
    if widths is None:
        rows = list(rows)
        widths = widest(rows)
    if title:
        say(title)
    console = Console(highlight=False, emoji=False)
    columns = [max(width, len(heading)) for width, heading in zip(widths, headings or [""] * len(widths), strict=False)]
    if not console.is_terminal:
        for row in chain([headings] if headings else [], rows):
            cells = (clean(cell).ljust(width) for cell, width in zip(row, columns, strict=False))
            say("  ".join(cells).rstrip())
        return
    columns = _fitted(columns, console.width)
    rows = iter(rows)
    while piece := list(islice(rows, _ROWS_AT_ONCE)):
        shown = Table(box=None, padding=(0, _GAP, 0, 0), show_header=bool(headings), header_style="bold")
        for heading, width in zip(headings or [""] * len(columns), columns, strict=False):
            shown.add_column(heading, overflow="fold", width=width)
        for row in piece:
            shown.add_row(*(Text(clean(cell)) for cell in row))
        console.print(shown)
        headings = ()


def _fitted(widths: Sequence[int], room: int) -> list[int]:
    """Take from the widest columns what there is no room for; rich would rather give up a narrow one altogether."""
    fitted = list(widths)
    excess = sum(fitted) + _GAP * len(fitted) - room
    for _ in range(excess):
        fitted[fitted.index(max(fitted))] -= 1
    return [max(1, width) for width in fitted]


def widest(rows: Iterable[Sequence[str]]) -> list[int]:
    """Return how wide each column has to be."""
    widths: list[int] = []
    for row in rows:
        widths = wider(widths, row)
    return widths


def wider(widths: Sequence[int], row: Sequence[str]) -> list[int]:
    """Return the widths for one row more."""
    before = widths or [0] * len(row)
    return [max(width, len(clean(cell))) for width, cell in zip(before, row, strict=True)]


def print_json(document: Mapping[str, Any]) -> None:
    """Print an object, for programs."""
    click.echo(json.dumps(document, indent=2))


def stream_json(facts: Mapping[str, Any], **lists: Iterable[str]) -> None:
    """Print an object of facts and lists, for programs: an item of a list at a time, so that no list is held whole.

    Args:
        facts: The object's other values; not empty.
        **lists: The items of each list, as JSON.
    """
    click.echo(json.dumps(facts, indent=2).removesuffix("\n}"), nl=False)
    for key, items in lists.items():
        click.echo(f',\n  "{key}": [', nl=False)
        end = "]"
        for number, item in enumerate(items):
            click.echo(f"{',' if number else ''}\n    {item}", nl=False)
            end = "\n  ]"
        click.echo(end, nl=False)
    click.echo("\n}")


@contextmanager
def progress(what: str, *, total: int) -> Iterator[Callable[[int], object]]:
    """Show how many of so many bytes are done, on standard error, if that is a terminal.

    Yields:
        What is to be told how many more are.
    """
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(escape(what), total=total)
        yield partial(bar.advance, task)
