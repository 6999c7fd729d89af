"""The table that the demo prints: what happened, what became of it, and whether that was to be expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOT_MATCHED = "not matched"
"""In place of an action: the rule did not let the event through."""
NO_OUTCOME = "no outcome"
"""In place of an action: the event went through, and the function has left no record about it."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of an event.

    Attributes:
        action: The outcome's action; `NOT_MATCHED` or `NO_OUTCOME` where there is none.
        reason: The outcome's reason.
        group: Name of the profiling group that there is now.
        tags: The tags that it has now, without the mark.
        mark: Key of the tag that says whose the group is, without its prefix; None if there is none.
    """

    action: str
    reason: str | None = None
    group: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    mark: str | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One event.

    Attributes:
        function: The function that it is about.
        what: What happened.
        result: What became of it.
        expected: What should have, one of these.
        where: Account and region, where there are several.
    """

    function: str
    what: str
    result: Result
    expected: Sequence[Result]
    where: str | None = None

    @property
    def as_expected(self) -> bool:
        """Whether it came as expected."""
        return self.result in self.expected


def table(rows: Sequence[Row], *, title: str) -> Table:
    """Lay out the rows."""
    found = Table(title=title, show_lines=True)
    several = any(row.where is not None for row in rows)
    headings = ("function", "what happened", "action", "reason", "group", "tags", "mark", "expected")
    for heading in (*["where"] * several, *headings):
        found.add_column(heading, overflow="fold")
    for row in rows:
        result = row.result
        group = (result.group or "", _tags(result.tags), result.mark or "")
        cells = (row.function, row.what, result.action, result.reason or "", *group)
        verdict = (
            Text("as expected", style="green")
            if row.as_expected
            else Text(f"expected {' or '.join(map(_said, row.expected))}", style="red")
        )
        # As text: what looks like markup in somebody's tag is none.
        found.add_row(*map(Text, [row.where or ""] * several), *map(Text, cells), verdict)
    return found


def _said(result: Result) -> str:
    parts = (result.action, result.reason, result.group, _tags(result.tags).replace("\n", ", "), result.mark)
    return " · ".join(part for part in parts if part)


def _tags(tags: Mapping[str, str]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in sorted(tags.items()))
