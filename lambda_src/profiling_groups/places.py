"""Sweeps of places, of which many are governed from one: an account and region, or an account with all its regions.

`requested` asks. A place that is not to be helped from here, or cannot be, is no failure: an outcome says so, and the
sweep is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from profiling_groups.aws import Failure, explain
from profiling_groups.cursors import AccountCursor, read_account
from profiling_groups.decision import PROFILER_REGIONS, Skip
from profiling_groups.functions import Place
from profiling_groups.inventory import InventoryError, RegionUnsupportedError
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.reach import let_be
from profiling_groups.reconcile import reconcile
from profiling_groups.requests import Backfill
from profiling_groups.runs import AccountRun, Run, Tally, Totals
from profiling_groups.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from profiling_groups.events import FunctionChanged
    from profiling_groups.reach import Reach
    from profiling_groups.requests import BackfillAccount
    from profiling_groups.workers import Watcher


def reconcile_there(change: FunctionChanged, *, reach: Reach, dry_run: bool) -> Outcome:
    """Give a function what the policy of its place says, as `reconcile` does; nothing is raised."""
    place = Place(account=change.function.account, region=change.function.region)
    policy = reach.governing(place)
    if isinstance(policy, Skip | Failure):
        return let_be(policy, place=place, function=change.function, dry_run=dry_run)
    return reconcile(change, clients=lambda _: reach.clients(place), policy=policy, dry_run=dry_run)


def sweep_place(  # noqa: PLR0913 - all by keyword
    request: Backfill,
    *,
    place: Place,
    organization_path: str | None,
    reach: Reach,
    now: datetime,
    stop: Callable[[], bool],
    watcher: Watcher,
) -> Run:
    """Sweep a place by the policy that governs it, if any does and it can be.

    Args:
        request: What was asked for.
        place: Account and region.
        organization_path: Where the account is in its organization; None where the caller does not know.
        reach: What is governed.
        now: The present.
        stop: Asked before each function; once it says so, no more is begun.
        watcher: Is told what happens.

    Raises:
        InvalidRequestError: The cursor is none, or that of another sweep.
        StaleCursorError: The cursor is too old, or the policy is another one since.
        InventoryError: The functions could not be listed.
    """

    def nothing(why: Skip | Failure) -> Run:
        return _spared(request, let_be(why, place=place, dry_run=request.dry_run), now=now, watcher=watcher)

    policy = reach.governing(place, organization_path=organization_path)
    match policy:
        case Failure(action=Action.FAILED):
            raise InventoryError(f"{policy.reason}: {policy}")
        case Skip() | Failure():
            return nothing(policy)
    if place.region not in PROFILER_REGIONS:
        detail = f"CodeGuru Profiler is not offered in {place.region}"
        return nothing(Skip(reason=Reason.REGION_UNSUPPORTED, detail=detail))
    try:
        clients = reach.sweep_clients(place)
    except Exception as error:
        failure = explain(error, function="*", group=None)
        if failure.action is Action.FAILED:
            raise InventoryError(f"{failure.reason}: {failure}") from error
        return nothing(failure)
    try:
        return sweep(request, place=place, clients=clients, policy=policy, now=now, stop=stop, watcher=watcher)
    except RegionUnsupportedError as error:
        return nothing(Skip(reason=Reason.REGION_UNSUPPORTED, detail=str(error)))


def sweep_account(
    request: BackfillAccount, *, sweep: Callable[[Backfill, Place], Run], now: datetime, stop: Callable[[], bool]
) -> AccountRun:
    """Sweep the regions of an account, one after the other, so that its role is assumed once for all of them.

    Args:
        request: What was asked for.
        sweep: Sweeps one place.
        now: The present.
        stop: Asked before each region but the first; once it says so, no more is begun.

    Raises:
        InvalidRequestError: The cursor is none, or that of another sweep.
        StaleCursorError: The cursor is too old, or the policy is another one since.
        InventoryError: The functions of a region could not be listed.
    """
    start = AccountCursor(account=request.account, regions=request.regions, dry_run=request.dry_run, began=now)
    if request.cursor is not None:
        start = read_account(
            request.cursor, account=request.account, regions=request.regions, dry_run=request.dry_run, now=now
        )
    done, within, room = list(start.done), start.within, request.max_outcomes
    runs = [*done]
    for region in request.regions[len(done) :]:
        if len(runs) > len(start.done) and stop():
            break
        asked = Backfill(dry_run=request.dry_run, cursor=within, max_outcomes=max(0, room))
        run = sweep(asked, Place(account=request.account, region=region))
        room -= len(run.outcomes)
        runs.append(run.to_result())
        if not run.complete:
            within = run.cursor
            break
        within = None
        done.append(run.without_outcomes().to_result())
    complete = len(done) == len(request.regions)
    cursor = AccountCursor(
        account=request.account,
        regions=request.regions,
        dry_run=request.dry_run,
        began=start.began,
        done=tuple(done),
        within=within,
    )
    return AccountRun(
        account=request.account,
        regions=request.regions,
        organization_path=request.organization_path,
        dry_run=request.dry_run,
        complete=complete,
        cursor=None if complete else str(cursor),
        runs=tuple(runs),
    )


def _spared(request: Backfill, outcome: Outcome, *, now: datetime, watcher: Watcher) -> Run:
    """Return the run about a place in which nothing was tried."""
    watcher.outcome(outcome)
    tally = Tally()
    tally.add(outcome, expected=outcome.action)
    return Run(
        action="backfill",
        place=Place(account=str(outcome.account), region=str(outcome.region)),
        dry_run=request.dry_run,
        complete=True,
        cursor=None,
        counts=tally.counts,
        # Whatever there is room for: nothing else tells why.
        outcomes=(outcome,),
        truncated=False,
        totals=Totals(
            sweep=None,
            began=now,
            functions=0,
            eligible=0,
            covered=0,
            counts=tally.counts,
            groups=None,
            quota=None,
        ),
    )
