"""The coverage of an organization: of its units, accounts, regions and places, from what a sweep of it came to."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ops.report import Status, percent, status_after
from ops.swept import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ops.swept import Swept


class Scope(StrEnum):
    """What a row is about."""

    OU = "ou"
    """An organizational unit, or the root: all accounts in it or anywhere below, as the policy means its `ous`."""
    ACCOUNT = "account"
    REGION = "region"
    PLACE = "place"
    """An account in a region."""
    ALL = "all"


_NOT_SWEPT: Final = (Standing.UNFINISHED, Standing.UNREACHABLE, Standing.UNSUPPORTED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The coverage of a part of the organization.

    Attributes:
        scope: What it is about.
        organization_path: Of the unit, or of the unit that the account is in; as in `aws:PrincipalOrgPaths`.
        account: Account id, of an account or place.
        region: Region code, of a region or place.
        accounts: How many accounts there are.
        places: How many places.
        functions: Functions in those that were swept.
        eligible: Functions that should have a group.
        covered: Those that have it, as it should be.
        covered_percent: How many percent that is, rounded down to a tenth; None where no place was swept.
        missing: Functions without a group, or with one of no use.
        drifted: Functions whose group is not as it should be.
        failed: Functions, or groups, that could not be looked at or put right.
        skipped: Functions that are to have no group.
        orphaned: Groups of ours that no function needs; counted where the policy cleans up.
        unfinished: Places whose sweep failed.
        unreachable: Places in accounts whose role cannot be assumed.
        unsupported: Places in regions without CodeGuru Profiler, or that are disabled or forbidden.
        detail: Of a place: why it was not swept, or why the first function failed.
    """

    scope: Scope
    organization_path: str | None
    account: str | None
    region: str | None
    accounts: int
    places: int
    functions: int
    eligible: int
    covered: int
    covered_percent: float | None
    missing: int
    drifted: int
    failed: int
    skipped: int
    orphaned: int
    unfinished: int
    unreachable: int
    unsupported: int
    detail: str | None

    @property
    def not_swept(self) -> int:
        """How many of its places were not swept."""
        return self.unfinished + self.unreachable + self.unsupported

    @property
    def is_covered(self) -> bool:
        """Whether all is as it should be, as far as that can be known from here."""
        return self.covered == self.eligible and not self.unfinished


class Coverage:
    """The coverage of an organization.

    Args:
        places: What a sweep came to; those that the policy leaves out do not count.
    """

    def __init__(self, places: Iterable[Swept]) -> None:
        self._sums: dict[_Part, Counter[str]] = defaultdict(Counter)
        self._accounts: dict[_Part, set[str]] = defaultdict(set)
        self._details: dict[_Part, str] = {}
        for place in places:
            if place.standing is not Standing.UNGOVERNED:
                self._add(place)

    def _add(self, place: Swept) -> None:
        figures = _figures(place)
        for part in _parts(place):
            self._sums[part].update(figures)
            if place.account:
                self._accounts[part].add(place.account)
            if part.scope is Scope.PLACE and place.detail:
                self._details[part] = place.detail

    def total(self) -> Row:
        """Return the row about the whole."""
        return self._row(_Part(Scope.ALL))

    def rows(self, scope: Scope) -> list[Row]:
        """Return the rows about one kind of part, the worst first: those of which nothing is known, then by percent."""
        return sorted((self._row(part) for part in self._sums if part.scope is scope), key=_badness)

    def _row(self, part: _Part) -> Row:
        sums = self._sums[part]
        swept = sums["places"] - sum(sums[standing] for standing in _NOT_SWEPT)
        nothing = part.scope is Scope.ALL and not sums["places"]
        return Row(
            scope=part.scope,
            organization_path=part.organization_path,
            account=part.account,
            region=part.region,
            accounts=len(self._accounts[part]),
            covered_percent=percent(sums["covered"], sums["eligible"]) if swept or nothing else None,
            detail=self._details.get(part),
            **{name: sums[name] for name in ("places", "functions", "eligible", *_STATUSES, *_NOT_SWEPT)},
        )


@dataclass(frozen=True, slots=True)
class _Part:
    scope: Scope
    organization_path: str | None = None
    account: str | None = None
    region: str | None = None


_STATUSES: Final = tuple(status.value for status in Status)


def _parts(place: Swept) -> Iterator[_Part]:
    """Yield what a place is a part of."""
    path = place.organization_path
    yield _Part(Scope.ALL)
    if path:
        organization, *units = path.rstrip("/").split("/")
        above = organization
        for unit in units:
            above = f"{above}/{unit}"
            yield _Part(Scope.OU, f"{above}/")
    yield _Part(Scope.ACCOUNT, path, place.account)
    if place.region:
        yield _Part(Scope.REGION, region=place.region)
        yield _Part(Scope.PLACE, path, place.account, place.region)


def _figures(place: Swept) -> dict[str, int]:
    """Return what a place adds to each row that it is a part of."""
    found: Counter[str] = Counter()
    for action, count in place.counts.items():
        if status := status_after(action, None, dry_run=place.dry_run):
            found[status] += count
    # A group that is there and of no use: the counts by action do not tell it, and what is covered does.
    found[Status.MISSING] += found[Status.COVERED] - place.covered
    found[Status.COVERED] = place.covered
    found["places"] = 1
    found["functions"] = place.functions
    found["eligible"] = place.eligible
    if place.standing is not Standing.SWEPT:
        found[place.standing] = 1
    return found


def _badness(row: Row) -> tuple[Any, ...]:
    if row.covered_percent is not None:
        rank = 2
    elif row.unfinished or row.unreachable:
        rank = 0 if row.unfinished else 1
    else:
        # There is nothing that anybody should do.
        rank = 3
    uncovered = row.eligible - row.covered
    where = (row.organization_path or "", row.account or "", row.region or "")
    return rank, row.covered_percent or 0.0, -uncovered, *where
