"""A whole account and region, or functions that somebody names: many reconciliations in one run.

`handler` runs them for people and for the state machine, the command line on an operator's machine. A sweep takes the
functions in the order of their names and can stop after any of them; whoever goes on from its cursor lists everything
anew, and trusts only what is there then. Where the policy deletes, the groups that are left over come last.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from profiling_groups import aws, cursors, inventory
from profiling_groups.cleanup import orphaned_groups
from profiling_groups.comparison import Comparison
from profiling_groups.cursors import Cursor
from profiling_groups.events import FunctionChanged
from profiling_groups.outcomes import Action, Outcome
from profiling_groups.runs import Run, Tally, Totals
from profiling_groups.workers import Work, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from profiling_groups.aws import SweepClients
    from profiling_groups.functions import Place
    from profiling_groups.inventory import Inventory
    from profiling_groups.policy import Policy
    from profiling_groups.requests import Backfill, Provision
    from profiling_groups.workers import Watcher

DEFAULT_QUOTA: Final = 500
"""Groups that an account may have in a region unless it was granted more (Service Quotas, CodeGuru Profiler)."""


def sweep(  # noqa: PLR0913 - all by keyword
    request: Backfill,
    *,
    place: Place,
    clients: SweepClients,
    policy: Policy,
    now: datetime,
    stop: Callable[[], bool],
    watcher: Watcher,
) -> Run:
    """Give every function of an account and region what the policy says it should have.

    Costs one call for each 50 functions, each 100 with tags and each 1,000 groups; then two for each group that is
    missing, four for each that has drifted (five to adopt one), and up to four for each that is deleted.

    Args:
        request: What was asked for.
        place: Account and region.
        clients: Clients made for this sweep.
        policy: What the functions should have.
        now: The present.
        stop: Asked before each function; once it says so, no more is begun. (One is, always.)
        watcher: Is told what happens.

    Raises:
        InvalidRequestError: The cursor is none, or that of another sweep.
        StaleCursorError: The cursor is too old, or the policy is another one since.
        InventoryError: The functions could not be listed.
        RegionUnsupportedError: The region is disabled, or forbidden to the account.
    """
    start = _start(request, place=place, policy=policy, now=now)
    stock = inventory.take(clients, place=place, now=now)
    for warning in stock.warnings:
        watcher.warning(warning)
    names = stock.functions()
    watcher.inventoried(functions=len(names), before=start.tally, sweep=start.sweep)
    compare = Comparison.of(
        stock,
        clients=clients,
        policy=policy,
        backfill=start.sweep,
        deleted_before=start.tally.counts[Action.DELETED],
        now=now,
        dry_run=request.dry_run,
    )
    last, complete = start, True
    with Workers(start.tally, watcher=watcher, most_outcomes=request.max_outcomes) as workers:
        for step in _steps(start, names, stock=stock, policy=policy):
            if last is not start and stop():
                complete = False
                break
            workers.take(compare.cleanup.orphan(step.after) if step.functions_done else compare.function(step.after))
            last = step
    total = workers.total
    return Run(
        action="backfill",
        place=place,
        dry_run=request.dry_run,
        complete=complete,
        cursor=None if complete else str(replace(last, tally=total)),
        counts=workers.run.counts,
        outcomes=workers.told(),
        truncated=workers.truncated,
        totals=Totals(
            sweep=start.sweep,
            began=start.began,
            functions=len(names),
            eligible=total.eligible,
            covered=total.covered,
            counts=total.counts,
            groups=_groups_now(stock, workers.run, dry_run=request.dry_run),
            quota=_quota(clients, watcher) if complete else None,
        ),
    )


def provision(
    request: Provision,
    *,
    place: Place,
    reconcile: Callable[[FunctionChanged], Outcome],
    stop: Callable[[], bool],
    watcher: Watcher,
) -> Run:
    """Give the functions that are named what the policy says they should have.

    Args:
        request: What was asked for.
        place: Account and region of who was asked.
        reconcile: Gives a function what it should have, and raises nothing.
        stop: Asked before each function; once it says so, no more is begun, and the run is not complete.
        watcher: Is told what happens.
    """
    run = uuid4()
    complete = True
    watcher.inventoried(functions=len(request.functions), before=Tally(), sweep=str(run))
    with Workers(Tally(), watcher=watcher, most_outcomes=len(request.functions)) as workers:
        for arn in request.functions:
            if stop():
                complete = False
                break
            change = FunctionChanged(function=arn, client_token=cursors.client_token(str(run), arn))
            expected = Outcome(
                function=str(arn),
                action=Action.EXISTS,
                account=arn.account,
                region=arn.region,
                dry_run=request.dry_run,
            )
            workers.take(Work(expected=expected, do=partial(reconcile, change)))
    return Run(
        action="provision",
        place=place,
        dry_run=request.dry_run,
        complete=complete,
        cursor=None,
        counts=workers.run.counts,
        outcomes=workers.told(),
        truncated=workers.truncated,
    )


def _start(request: Backfill, *, place: Place, policy: Policy, now: datetime) -> Cursor:
    if request.cursor is not None:
        return cursors.read(request.cursor, place=place, policy=policy, dry_run=request.dry_run, now=now)
    return Cursor(sweep=str(uuid4()), place=place, policy=cursors.digest(policy), dry_run=request.dry_run, began=now)


def _steps(start: Cursor, names: list[str], *, stock: Inventory, policy: Policy) -> Iterator[Cursor]:
    """Yield where the sweep stands after each thing that is still to be looked at."""
    if not start.functions_done:
        yield from (replace(start, after=name) for name in names if name > start.after)
    if policy.lifecycle.deletes:
        after = start.after if start.functions_done else ""
        yield from (
            replace(start, functions_done=True, after=name) for name in orphaned_groups(stock, policy) if name > after
        )


def _groups_now(stock: Inventory, run: Tally, *, dry_run: bool) -> int | None:
    """Return how many groups there are after a run; None where not all could be listed."""
    if not stock.groups_known:
        return None
    changed = 0 if dry_run else run.counts[Action.CREATED] - run.counts[Action.DELETED]
    return len(stock.groups()) + changed


def _quota(clients: SweepClients, watcher: Watcher) -> int:
    try:
        answer = clients.quotas.get_service_quota(ServiceCode="codeguru-profiler", QuotaCode=aws.QUOTA_CODE)
        return int(answer["Quota"]["Value"])
    except Exception as error:  # noqa: BLE001 - there is a number to go by
        failure = aws.explain(error, function=f"codeguru-profiler/{aws.QUOTA_CODE}", group=None)
        why = f"{failure.reason}: {failure.detail}"
        watcher.warning(f"the quota of groups could not be read, so {DEFAULT_QUOTA} is assumed ({why})")
        return DEFAULT_QUOTA
