"""What a page about the coverage says, whoever has looked: figures of all and of its parts, and the functions. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.coverage import Scope
from ops.report import Status, eligible, percent, status_after
from profiling_groups.functions import FunctionArn, FunctionReference
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ops.coverage import Row
    from ops.report import Entry, Report
    from profiling_groups.functions import Place

IMAGE: Final = "container image"
_NO_RUNTIMES: Final = "By runtime nothing can be told: what a sweep leaves in the report bucket does not name them."
_NO_FUNCTIONS: Final = (
    "Functions are not listed: the file has the figures only. For a page that lists some, let --organization read the"
    " execution itself."
)
_SOME_FUNCTIONS: Final = (
    "Not every function is listed: of each account the report bucket has all figures, but only so many outcomes, those"
    " that failed first, and none of functions that were covered already. The function's log has them all."
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """How a part of what there is stands: an account, a region, a runtime, a unit; or all of it.

    Attributes:
        name: What it is called.
        context: What else tells which it is; empty where the name does.
        counts: How many functions, or groups that no function needs, there are of each status.
        eligible: Functions that should have a group.
        known: Whether it was looked at at all.
        remarks: What was not looked at, and why.
    """

    name: str
    context: str = ""
    counts: Mapping[Status, int]
    eligible: int
    known: bool = True
    remarks: tuple[str, ...] = ()

    @property
    def covered(self) -> int:
        """How many functions have their group, as it should be."""
        return self.counts.get(Status.COVERED, 0)

    @property
    def percent(self) -> float | None:
        """How many percent of those that should have a group that is; None where nothing is known of any."""
        return percent(self.covered, self.eligible) if self.known else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of the table: an entry of a report, and where it is.

    Attributes:
        status: How it stands.
        account: Account id.
        region: Region code.
        function: ARN of the function; None for a group whose function nothing tells.
        group: Name of the group; None where there is none to speak of.
        runtime: What the function runs on; None where nothing tells.
        reason: Why, where the status alone does not tell.
        detail: A sentence for a person.
    """

    status: Status
    account: str
    region: str
    function: str | None
    group: str | None
    runtime: str | None
    reason: Reason | None
    detail: str | None

    @property
    def name(self) -> str | None:
        """Name of the function; None where nothing tells."""
        found = FunctionReference.parse(self.function or "")
        return found.name if found else self.function

    @property
    def arn(self) -> FunctionArn | None:
        """The function, if there is one to look at."""
        name = self.name
        if name is None or self.status is Status.ORPHANED or self.reason is Reason.FUNCTION_GONE:
            return None
        return FunctionArn(account=self.account, region=self.region, name=name)

    @property
    def existing_group(self) -> str | None:
        """Name of the group, if there is one to look at, and not only the name that it will have."""
        is_to_be = self.status is Status.MISSING and self.reason is not Reason.COMPUTE_PLATFORM_MISMATCH
        return None if is_to_be or self.status is Status.FAILED else self.group


@dataclass(frozen=True, kw_only=True)
class Page:
    """What the page says.

    Attributes:
        title: What it is about.
        source: Where it comes from: names and values.
        remarks: What a reader has to know of it.
        total: All of it.
        parts: What it is made of, the worst first, by what they are.
        lines: The functions, and groups that no function needs, by status and name; None where they are not listed.
    """

    title: str
    source: Mapping[str, str]
    remarks: tuple[str, ...]
    total: Part
    parts: Mapping[str, Sequence[Part]]
    lines: Sequence[Line] | None

    @property
    def several_places(self) -> bool:
        """Whether the lines are about more than one account and region."""
        return len({(line.account, line.region) for line in self.lines or ()}) > 1


def of_accounts(reports: Sequence[Report], *, source: Mapping[str, str]) -> Page:
    """Return the page about one account and region, or several.

    Args:
        reports: One of each; at least one.
        source: Where they come from.
    """
    places = [report.place for report in reports]
    lines = in_order(_line(entry, report.place) for report in reports for entry in report.entries)
    accounts, regions = sorted({place.account for place in places}), sorted({place.region for place in places})
    if len(places) == 1:
        title = f"{accounts[0]} in {regions[0]}"
    else:
        title = f"{_several('account', accounts)} in {_several('region', regions)}"
    functions = [line for line in lines if line.runtime is not None]
    return Page(
        title=title,
        source=source,
        remarks=(),
        total=_part("All", lines),
        parts={
            "account": _parts(lines, "account", accounts),
            "region": _parts(lines, "region", regions),
            "runtime": _parts(functions, "runtime", {line.runtime or "" for line in functions}),
        },
        lines=lines,
    )


def of_organization(
    total: Row, rows: Mapping[Scope, Sequence[Row]], *, lines: Sequence[Line] | None, source: Mapping[str, str]
) -> Page:
    """Return the page about an organization.

    Args:
        total: The figures of all of it.
        rows: The figures of its parts, the worst first.
        lines: What is listed of its functions; None for nothing.
        source: Where they come from.
    """
    covered = [row for row in rows[Scope.PLACE] if not _is_problem(row)]
    return Page(
        title=_title(total, rows),
        source=source,
        remarks=(_NO_FUNCTIONS if lines is None else _SOME_FUNCTIONS, _NO_RUNTIMES),
        total=_of_row(total),
        parts={
            "organizational unit": [_of_row(row) for row in rows[Scope.OU]],
            "account": [_of_row(row) for row in rows[Scope.ACCOUNT]],
            "region": [_of_row(row) for row in rows[Scope.REGION]],
            f"account and region ({len(covered):,} are not shown, as there is nothing to do)": [
                _of_row(row) for row in rows[Scope.PLACE] if _is_problem(row)
            ],
        },
        lines=lines,
    )


def _title(total: Row, rows: Mapping[Scope, Sequence[Row]]) -> str:
    path = next((row.organization_path for scope in rows for row in rows[scope] if row.organization_path), None)
    if path is None and len(rows[Scope.PLACE]) == 1:
        (place,) = rows[Scope.PLACE]
        return f"{place.account} in {place.region}"
    name = path.partition("/")[0] if path else "The organization"
    return f"{name}: {total.accounts:,} accounts, {len(rows[Scope.REGION]):,} regions"


def lines_of(run: Mapping[str, Any]) -> Iterable[Line]:
    """Yield what a run lists of its functions, and groups that no function needs.

    Args:
        run: As JSON values, as `ops.results` reads it.
    """
    for each in run["outcomes"]:
        if each["function"] is None and each["group"] is None:
            continue  # It is about the place.
        reason = each["reason"] and Reason(each["reason"])
        if status := status_after(Action(each["action"]), reason, dry_run=run["dry_run"]):
            yield Line(
                status=status,
                account=run["account"],
                region=run["region"],
                function=each["function"],
                group=each["group"],
                runtime=None,
                reason=reason,
                detail=each["detail"],
            )


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Return lines by status, and by name."""
    order = {status: number for number, status in enumerate(Status)}
    return sorted(lines, key=lambda line: (order[line.status], line.function or "", line.group or ""))


def _line(entry: Entry, place: Place) -> Line:
    is_function = entry.function is not None and entry.status is not Status.ORPHANED
    return Line(
        status=entry.status,
        account=place.account,
        region=place.region,
        function=entry.function,
        group=entry.group,
        runtime=entry.runtime or IMAGE if is_function else None,
        reason=entry.reason,
        detail=entry.detail,
    )


def _parts(lines: Sequence[Line], key: str, names: Iterable[str]) -> list[Part]:
    """Return the parts that have these names for a key, the worst first; one of which nothing is listed is one too."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[getattr(line, key)].append(line)
    return sorted((_part(name, found[name]) for name in names), key=_badness)


def _part(name: str, lines: Sequence[Line]) -> Part:
    counts = Counter(line.status for line in lines)
    return Part(name=name, counts=counts, eligible=eligible(counts))


def _badness(part: Part) -> tuple[Any, ...]:
    """Sort by percent, then by how many are not covered; last what has nothing that should have a group."""
    return not part.eligible, part.percent, part.covered - part.eligible, part.name


def _of_row(row: Row) -> Part:
    match row.scope:
        case Scope.OU:
            *above, name = (row.organization_path or "").strip("/").split("/")
            context = "/".join(above[1:])
        case Scope.ACCOUNT:
            name, context = row.account or "unknown", (row.organization_path or "").strip("/").rpartition("/")[2]
        case Scope.PLACE:
            name, context = row.account or "unknown", row.region or ""
        case _:
            name, context = row.region or "All", ""
    places = {"unfinished": row.unfinished, "unreachable": row.unreachable, "unsupported": row.unsupported}
    if row.scope is Scope.PLACE:
        remarks = [standing for standing, count in places.items() if count]
    else:
        remarks = [f"{count:,} of {row.places:,} places {standing}" for standing, count in places.items() if count]
    return Part(
        name=name,
        context=context,
        counts={status: getattr(row, status) for status in Status},
        eligible=row.eligible,
        known=row.covered_percent is not None,
        remarks=(*remarks, *([row.detail] if row.detail else [])),
    )


def _is_problem(row: Row) -> bool:
    return not row.is_covered or bool(row.not_swept)


def _several(what: str, names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names):,} {what}s"
