"""What came of an organization's sweep, and what its coverage is, as a person reads it: the worst first."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from ops import output
from ops.coverage import Scope
from ops.report import Status
from ops.swept import Standing
from profiling_groups.outcomes import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ops.coverage import Coverage, Row
    from ops.swept import Swept

MOST_ROWS: Final = 20
"""Rows of a table, unless all are asked for."""
_NAMED: Final = 3
"""As many accounts or regions are named one by one."""

_NOT_SWEPT: Final = (Standing.UNFINISHED, Standing.UNREACHABLE, Standing.UNSUPPORTED, Standing.UNGOVERNED)
_FIGURES: Final = ("covered", "functions", "missing", "drifted", "failed", "orphaned", "skipped", "not swept")
_HEADINGS: Final = {
    Scope.OU: ("organizational unit", "accounts"),
    Scope.ACCOUNT: ("account", "in"),
    Scope.REGION: ("region", "accounts"),
    Scope.PLACE: ("account", "region"),
}


def print_swept(places: Sequence[Swept], *, dry_run: bool, everything: bool) -> None:
    """Print what a sweep came to: all of it in figures, then what failed, then what was not swept.

    Args:
        places: What it came to.
        dry_run: Whether nothing was written.
        everything: Whether to list all that failed or was not swept.
    """
    if not places:
        output.say("Nothing that was asked for is governed, so nothing was swept.")
        return
    if dry_run:
        output.say("Nothing was written: it was a dry run, and this is what would be done.")
    swept = [place for place in places if place.standing is Standing.SWEPT]
    functions, covered, eligible = (
        sum(getattr(place, figure) for place in swept) for figure in ("functions", "covered", "eligible")
    )
    output.say(
        f"{_organization(places)}: {_several('account', {place.account for place in swept})} in"
        f" {_several('region', {place.region for place in swept})}, {functions:,} functions."
        f" {covered:,} of {eligible:,} that should have a group have it."
    )
    counts: Counter[Action] = Counter()
    for place in swept:
        counts.update(place.counts)
    if counts:
        output.say()
        rows = [(action, f"{counts[action]:,}") for action in Action if counts[action]]
        output.table(("action", "functions"), rows)
    failed = sorted(
        (place for place in swept if place.counts.get(Action.FAILED)), key=lambda place: -place.counts[Action.FAILED]
    )
    _table(
        ("account", "region", "failed", "the first of them"),
        [
            (place.account or "", place.region or "", f"{place.counts[Action.FAILED]:,}", place.detail or "")
            for place in failed
        ],
        everything=everything,
        title="Where functions failed",
    )
    _print_not_swept(places, everything=everything)


def print_coverage(coverage: Coverage, places: Sequence[Swept], *, everything: bool) -> None:
    """Print the coverage of an organization.

    Args:
        coverage: The coverage.
        places: What it was made of.
        everything: Whether to list all parts, the covered ones too.
    """
    if not places:
        output.say("Nothing that was asked for is governed, so there is nothing to tell.")
        return
    total = coverage.total()
    percent = "nothing is known" if total.covered_percent is None else f"{total.covered_percent} % covered"
    swept = [place for place in places if place.standing is Standing.SWEPT]
    output.say(
        f"{_organization(places)}: {percent}, {total.covered:,} of {total.eligible:,} functions that should have a"
        f" group, in {_several('account', {place.account for place in swept})} and"
        f" {_several('region', {place.region for place in swept})}."
    )
    counts = [(status, getattr(total, status)) for status in Status]
    if any(count for _, count in counts):
        output.say()
        output.table(("status", "count"), [(status, f"{count:,}") for status, count in counts if count])
    for scope, headings in _HEADINGS.items():
        rows = [row for row in coverage.rows(scope) if row.covered_percent is not None]
        left_out = 0
        if scope in (Scope.ACCOUNT, Scope.PLACE) and not everything:
            problems = [row for row in rows if not row.is_covered]
            left_out = len(rows) - len(problems)
            rows = problems
        _table(
            (*headings, *_FIGURES),
            [_cells(row) for row in rows],
            everything=everything,
            title=f"By {headings[0] if scope is not Scope.PLACE else 'account and region'}"
            + (f", {left_out:,} left out as all is covered there" if left_out else ""),
        )
    _print_not_swept(places, everything=everything)


def _cells(row: Row) -> tuple[str, ...]:
    match row.scope:
        case Scope.OU:
            first = (row.organization_path or "", f"{row.accounts:,}")
        case Scope.REGION:
            first = (row.region or "", f"{row.accounts:,}")
        case Scope.ACCOUNT:
            # The whole path is in the other table.
            first = (row.account or "", (row.organization_path or "").rstrip("/").rpartition("/")[2])
        case _:
            first = (row.account or "", row.region or "")
    counted = (row.missing, row.drifted, row.failed, row.orphaned, row.skipped, row.not_swept)
    return (
        *first,
        f"{row.covered_percent} %",
        f"{row.covered:,} of {row.eligible:,}",
        *(f"{count:,}" for count in counted),
    )


def _print_not_swept(places: Iterable[Swept], *, everything: bool) -> None:
    """Print the accounts that could not be swept, and the regions: a line for all places with the same cause."""
    causes: dict[tuple[Standing, str | None], list[Swept]] = defaultdict(list)
    for place in places:
        if place.standing is not Standing.SWEPT:
            cause = place.region if place.standing is Standing.UNSUPPORTED else place.account
            causes[place.standing, cause].append(place)
    rows = [
        (
            standing,
            _named("account", {place.account for place in found}),
            _named("region", {place.region for place in found}),
            found[0].detail or "",
        )
        for (standing, _), found in causes.items()
    ]
    rows.sort(key=lambda row: (_NOT_SWEPT.index(row[0]), *row[1:]))
    _table(("standing", "account", "region", "why"), rows, everything=everything, title="What was not swept")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, everything: bool, title: str) -> None:
    """Print as much of a table as a person wants to read, if there is anything in it."""
    if not rows:
        return
    shown = rows if everything else rows[:MOST_ROWS]
    output.say()
    output.table(headings, shown, title=f"{title}:")
    if more := len(rows) - len(shown):
        output.say(f"And {more:,} more; --all lists them all.")


def _organization(places: Sequence[Swept]) -> str:
    """Return the organization's id, which its paths begin with; an account's, where there is but one and no path."""
    path = next((place.organization_path for place in places if place.organization_path), None)
    if path:
        return path.partition("/")[0]
    accounts = {place.account for place in places if place.account}
    return accounts.pop() if len(accounts) == 1 else "The organization"


def _several(what: str, names: set[str | None]) -> str:
    return f"{len(names):,} {what}{'' if len(names) == 1 else 's'}"


def _named(what: str, names: set[str | None]) -> str:
    return ", ".join(sorted(name or "?" for name in names)) if len(names) <= _NAMED else _several(what, names)
