"""The report of an organization: the deployed machine looks, as it alone may act in the accounts, in a dry run.

And of whatever an execution has looked at before, which may be one account and region.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import deque
from dataclasses import asdict, dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Final

from ops import following, organization_tables, output, pages, swept
from ops.connection import connect, reachable
from ops.coverage import Coverage, Row, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ops.executions import Ended
    from ops.pages import Line, Page
    from ops.swept import Swept

_COMMAND: Final = ("profiling-groups", "report")
_COLUMNS: Final = tuple(field.name for field in fields(Row))
_LISTS: Final = {"ous": Scope.OU, "accounts": Scope.ACCOUNT, "regions": Scope.REGION, "places": Scope.PLACE}


@dataclass(frozen=True, kw_only=True)
class OrganizationReport:
    """What an execution found.

    Attributes:
        ended: The execution.
        places: What it found, of those that were asked for.
        left_out: Accounts and regions that were asked for, and that it did not look at.
        lines: Functions in those places, as far as it lists them; none, unless they were asked for.
    """

    ended: Ended
    places: Sequence[Swept]
    left_out: Sequence[str]
    lines: Sequence[Line] = ()

    @property
    def exit_status(self) -> int:
        """What the command says of it."""
        return 0 if Coverage(self.places).total().is_covered and not self.left_out else 1


def take(
    part: Mapping[str, Sequence[str] | None],
    *,
    stack: str,
    organization: bool,
    execution: str | None,
    functions: bool = False,
) -> OrganizationReport | None:
    """Take stock of an organization, or read what an execution has found, and tell what stood in the way.

    Args:
        part: `accounts` and `regions` that are asked for; null for all.
        stack: Name of the stack.
        organization: Whether an organization was asked for.
        execution: One that has been there already, be it a dry run or not; None to start one.
        functions: Whether to keep what is listed of functions, too.

    Returns:
        What it found; None where it did not get to the end.

    Raises:
        CannotWorkError: AWS cannot be asked, or the deployment governs no organization.
    """
    places: list[Swept] = []
    lines: list[Line] = []
    with reachable():
        machine = following.find(connect(), stack, organization=organization, execution=execution, command=_COMMAND)
        if execution:
            ended = machine.follow(execution, what="Reading")
        else:
            ended = machine.carry_out({"dry_run": True, **part}, what="Looking")
        noted = swept.noted(ended, places)
        for run in noted.runs:
            if functions and _is_in(places[-1], part):
                lines.extend(pages.lines_of(run))
        if ended.status != following.SUCCEEDED:
            following.warn_of_failures(noted)
            machine.explain(ended)
            return None
        deque(noted.failures, maxlen=0)
    places = [place for place in places if _is_in(place, part)]
    asked = {key: part[key] or ended.request.get(key) for key in part}
    return OrganizationReport(ended=ended, places=places, left_out=swept.left_out(places, asked), lines=lines)


def _is_in(place: Swept, part: Mapping[str, Sequence[str] | None]) -> bool:
    accounts, regions = part["accounts"], part["regions"]
    return (accounts is None or place.account in accounts) and (regions is None or place.region in (None, *regions))


def page(report: OrganizationReport) -> Page:
    """Return a report as a page."""
    coverage = Coverage(report.places)
    return pages.of_organization(
        coverage.total(),
        {scope: coverage.rows(scope) for scope in _LISTS.values()},
        lines=pages.in_order(report.lines),
        source=source(report.ended.execution, dry_run=report.ended.request.get("dry_run", False)),
    )


def source(execution: str, *, dry_run: bool) -> dict[str, str]:
    """Return where the figures of an execution come from, for a person."""
    return {"Execution": execution, "Shows": "what there was, by a dry run" if dry_run else "what there was afterwards"}


def tell(report: OrganizationReport, *, everything: bool, as_json: bool, as_csv: bool) -> None:
    """Print a report.

    Args:
        report: The report.
        everything: Whether to list for a person what is covered, too, and however much it is.
        as_json: For programs.
        as_csv: For spreadsheets.
    """
    coverage = Coverage(report.places)
    if as_json:
        total = {key: value for key, value in asdict(coverage.total()).items() if value is not None}
        facts = {"execution": report.ended.execution, "dry_run": report.ended.request.get("dry_run", False)}
        lists = {key: (json.dumps(asdict(row)) for row in coverage.rows(scope)) for key, scope in _LISTS.items()}
        output.stream_json({**facts, "totals": total}, **lists)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for row in chain.from_iterable(coverage.rows(scope) for scope in _LISTS.values()):
            writer.writerow("" if value is None else value for value in asdict(row).values())
    else:
        organization_tables.print_coverage(coverage, report.places, everything=everything)
