"""What came of a sweep, and what the coverage is, as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ops import output
from ops.report import Status
from profiling_groups.functions import FunctionReference
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ops.report import Report

_OUTCOME: Final = ("function", "action", "reason", "group", "detail")
_ENTRY: Final = ("status", "function", "group", "reason", "detail")


def print_run(run: Mapping[str, Any]) -> None:
    """Print what came of a run.

    Of functions that were named, everything; of a backfill, what is neither skipped nor managed by others.

    Args:
        run: As JSON values.
    """
    if run["dry_run"]:
        output.say("Nothing was written: it was a dry run, and this is what would be done.")
    outcomes = run["outcomes"]
    if totals := run.get("totals"):
        counts = totals["counts"]
        looked_at = "" if run["complete"] else f" {sum(counts.values()):,} looked at so far:"
        output.say(
            f"{run['account']} in {run['region']}: {totals['functions']:,} functions.{looked_at}"
            f" {totals['covered']:,} of {totals['eligible']:,} that should have a group have it."
        )
        if counts:
            output.say()
            output.table(("action", "functions"), [(action, f"{count:,}") for action, count in counts.items()])
        outcomes = [each for each in outcomes if not _is_on_purpose(each)]
        if outcomes:
            output.say()
    elif found := run["counts"].get(Action.EXISTS):
        output.say(f"{found:,} already have their group, as it should be.")
    if outcomes:
        output.table(_OUTCOME, [_cells(each, _OUTCOME) for each in outcomes])
    if run["truncated"]:
        output.say()
        output.say("That is not all of them; each is in the log of the function.")


def _is_on_purpose(outcome: Mapping[str, str | None]) -> bool:
    return outcome["action"] == Action.SKIPPED or outcome["reason"] == Reason.OWNED_ELSEWHERE


def print_runs(runs: Iterable[Mapping[str, Any]]) -> None:
    """Print what came of several."""
    for number, run in enumerate(runs):
        if number:
            output.say()
        print_run(run)


def print_report(report: Report, *, policy: str, everything: bool) -> None:
    """Print the coverage: problems first.

    Args:
        report: The coverage.
        policy: The policy file.
        everything: Whether to list the covered functions, too.
    """
    totals = report.totals()
    output.say(
        f"{report.place.account} in {report.place.region}, by {policy}: {totals['covered_percent']} % covered,"
        f" {totals['covered']:,} of {totals['eligible']:,} functions that should have a group."
    )
    if external := sum(entry.reason is Reason.OWNED_ELSEWHERE for entry in report.entries):
        output.say(f"{external:,} of these have a group that others manage ({Reason.OWNED_ELSEWHERE}).")
    output.say()
    output.table(("status", "count"), [(status, f"{count:,}") for status, count in totals["counts"].items() if count])
    listed = [entry for entry in report.entries if everything or entry.status is not Status.COVERED]
    if listed:
        output.say()
        rows = [{column: getattr(entry, column) for column in _ENTRY} for entry in listed]
        output.table(_ENTRY, [_cells(row, _ENTRY) for row in rows])


def _cells(row: Mapping[str, Any], columns: tuple[str, ...]) -> tuple[str, ...]:
    name = FunctionReference.parse(row["function"] or "")
    cells = {**row, "function": name and name.name}
    return tuple(cells[column] or "" for column in columns)
