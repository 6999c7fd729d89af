"""What somebody asks of the function, done: a request → the run that answers it, and what is recorded of it.

`handler` asks, for what is no event.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from profiling_groups import aws, organization, places, requests
from profiling_groups.functions import Place
from profiling_groups.inventory import InventoryDeniedError, InventoryError
from profiling_groups.outcomes import Reason
from profiling_groups.recorder import Recorder
from profiling_groups.requests import InvalidRequestError
from profiling_groups.sweep import provision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from profiling_groups.organization import Hub
    from profiling_groups.reach import Reach
    from profiling_groups.runs import Run

TARGETS_PREFIX: Final = "targets"
"""Where in the report bucket the lists of targets lie."""

_PROBED_MEMBERS: Final = 5
"""Accounts whose role is tried before a backfill of all: enough to tell the hub's own failure from an account's."""

_LONGEST_ENDING = 90.0
"""Seconds that a sweep gets for what is in flight once it takes no new work: a throttled call may wait for 30."""


class MembersUnreachableError(Exception):
    """The role of no member that was tried can be assumed; the message names them and says why."""


def answer(payload: Mapping[str, Any], *, here: Place, reach: Reach, seconds: float) -> dict[str, Any]:
    """Do what is asked for.

    Args:
        payload: The request.
        here: The function's own account and region.
        reach: What is governed.
        seconds: How much time there is.

    Returns:
        The answer, as JSON values.

    Raises:
        InvalidRequestError: Something is wrong in it, or it is about an account or region that is not governed.
            Nothing was done; at most Organizations was asked where an account is.
        StaleCursorError: Its cursor is out of date. No AWS call was made.
        InventoryError: The functions, or the organization's accounts, could not be listed.
        MembersUnreachableError: The role of no member can be assumed: that is the hub's failure, not the accounts'.
    """
    began = time.monotonic()
    until = began + seconds - min(_LONGEST_ENDING, seconds / 5)

    def stop(budget: float | None) -> Callable[[], bool]:
        last = until if budget is None else min(until, began + budget)
        return lambda: time.monotonic() >= last

    request = requests.read(payload, place=here, organization=reach.hub is not None)
    if reach.hub is not None:
        _refuse_ungoverned(request, reach.hub, own=here, reach=reach)
    # Unlike events, of which there may be many in a row, it comes because somebody wants to know now.
    if getattr(request, "cursor", None) is None:
        reach.forget_refusals()
    match request:
        case requests.Provision():
            return _provision(request, here=here, reach=reach, stop=stop(None)).to_response()
        case requests.Backfill(place=place, time_budget_seconds=budget):
            run = _sweep(request, place or here, reach=reach, organization_path=None, stop=stop(budget))
            return run.to_response()
        case requests.BackfillAccount(organization_path=path, time_budget_seconds=budget):
            sweep = partial(_sweep, reach=reach, organization_path=path, stop=stop(budget))
            done = places.sweep_account(request, sweep=sweep, now=datetime.now(UTC), stop=stop(budget))
            return done.to_response()
        case requests.Targets():
            return _list_targets(request, reach, region=here.region)


def _refuse_ungoverned(request: requests.Request, hub: Hub, *, own: Place, reach: Reach) -> None:
    """Refuse a request about an account or region that the hub does not govern; its own account always is.

    Raises:
        InvalidRequestError: It is; the message names the key.
        InventoryError: Organizations could not be asked where an account is.
    """
    path: str | None = None
    keys = ("account", "region")
    match request:
        case requests.Provision():
            asked = [Place(account=each.account, region=each.region) for each in request.functions]
            keys = ("functions", "functions")
        case requests.Backfill():
            asked = [request.place or own]
        case requests.BackfillAccount():
            asked = [Place(account=request.account, region=each) for each in request.regions]
            path = request.organization_path
            keys = ("account", "regions")
        case requests.Targets():
            # It lists nothing but what is governed.
            return
    for region in (each.region for each in asked):
        if region not in hub.regions:
            allowed = ", ".join(hub.regions)
            raise InvalidRequestError(f"{keys[1]!r} names {region}, which is not governed; governed are {allowed}")
    for account in dict.fromkeys(each.account for each in asked):
        if account not in (own.account, *hub.accounts) and not _is_in_units(account, path, hub, reach):
            units = ", ".join(hub.ous)
            raise InvalidRequestError(f"{keys[0]!r} names {account}, which is not in a governed unit ({units})")


def _is_in_units(account: str, path: str | None, hub: Hub, reach: Reach) -> bool:
    try:
        return hub.has_unit_above(path or reach.organization_path(account) or "")
    except Exception as error:
        failure = aws.explain(error, function=account, group=None)
        if failure.reason is Reason.ACCOUNT_UNREACHABLE:
            # It is not in the organization.
            return False
        raise InventoryError(f"{failure.reason}: {failure}") from error


def _provision(request: requests.Provision, *, here: Place, reach: Reach, stop: Callable[[], bool]) -> Run:
    # At a pace, which all that are in one place share.
    paced = replace(reach, clients=cache(reach.sweep_clients))
    recorder = Recorder(here, dry_run=request.dry_run)
    reconcile = partial(places.reconcile_there, reach=paced, dry_run=request.dry_run)
    run = provision(request, place=here, reconcile=reconcile, stop=stop, watcher=recorder)
    recorder.finish(run, now=datetime.now(UTC))
    return run


def _sweep(
    request: requests.Backfill, place: Place, *, reach: Reach, organization_path: str | None, stop: Callable[[], bool]
) -> Run:
    recorder = Recorder(place, dry_run=request.dry_run, count_dead_letters=reach.count_dead_letters)
    run = places.sweep_place(
        request,
        place=place,
        organization_path=organization_path,
        reach=reach,
        now=datetime.now(UTC),
        stop=stop,
        watcher=recorder,
    )
    recorder.finish(run, now=datetime.now(UTC))
    return run


def _list_targets(request: requests.Targets, reach: Reach, *, region: str) -> dict[str, Any]:
    """Write the targets into the report bucket: for thousands of accounts no answer has room."""
    if (hub := reach.hub) is None:
        raise InvalidRequestError("'action' is 'targets', and there is no organization")
    key = f"{TARGETS_PREFIX}/{uuid4()}.json"
    try:
        client = aws.client("organizations", region=region)
        only = {"accounts": request.accounts, "regions": request.regions}
        found = list(organization.targets(client, hub, reach.policy, **only))
        _require_a_reachable_member(found, reach)
        body = json.dumps([asdict(target) for target in found], separators=(",", ":")).encode()
        storage = aws.client("s3", region=region)
        storage.put_object(Bucket=str(hub.report_bucket), Key=key, Body=body, ContentType="application/json")
    except MembersUnreachableError:
        raise
    except Exception as error:
        failure = aws.explain(error, function=hub.organization, group=None)
        denied = failure.reason is Reason.ACCESS_DENIED
        raise (InventoryDeniedError if denied else InventoryError)(f"{failure.reason}: {failure.detail}") from error
    return {
        "bucket": hub.report_bucket,
        "key": key,
        "accounts": len(found),
        "targets": sum(len(target.regions) for target in found),
    }


def _require_a_reachable_member(targets: Sequence[organization.Target], reach: Reach) -> None:
    """Assume the role of a few members, spread over the list, until one lets the hub in.

    Raises:
        MembersUnreachableError: All refuse.
    """
    tried = min(_PROBED_MEMBERS, len(targets))
    refusals = []
    for target in (targets[number * len(targets) // tried] for number in range(tried)):
        try:
            reach.clients(Place(account=target.account, region=target.regions[0]))
        except Exception as error:  # noqa: BLE001 - an answer that makes no sense is no refusal either
            failure = aws.explain(error, function=target.account, group=None)
            if failure.reason is not Reason.ACCOUNT_UNREACHABLE:
                # STS itself is in trouble; the backfill of each account finds out, and is retried.
                return
            refusals.append(f"{target.account}: {failure}")
        else:
            return
    if refusals:
        raise MembersUnreachableError(
            f"the members' role cannot be assumed in any account tried ({'; '.join(refusals)})"
        )
