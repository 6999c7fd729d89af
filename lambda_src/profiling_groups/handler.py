"""The Lambda entry point: what came in → which function below → what it returns, and what is recorded of it."""

from __future__ import annotations

import gc

# What the imports allocate stays for good: to look through it for garbage, now and at every later collection, would be
# a sixth of a cold start.
gc.disable()

import json
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiling_groups import aws, events, policy, requests
from profiling_groups.observability import logger, publish, record
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.reconcile import reconcile

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

gc.freeze()
gc.enable()

# Written at synth; see `infra.bundling`.
_POLICY_FILE = Path(__file__).with_name("policy.json")
_LONGEST_ENDING = 90.0
"""Seconds that a sweep gets for what is in flight once it takes no new work: a throttled call may wait for 30."""


class ProvisioningError(Exception):
    """A function has not got its group. Raised so that Lambda tries again, and in the end keeps the event for us."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Reconcile the function that an event is about, or the functions that somebody asks for.

    Args:
        event: An EventBridge envelope of a CloudTrail record, or a request (`requests`).
        context: Lambda's own.

    Returns:
        The outcome, or the run, as JSON values.

    Raises:
        InvalidEventError: `event` is nothing that this function accepts. No AWS call was made.
        InvalidRequestError: It is a request with something wrong in it. No AWS call was made.
        StaleCursorError: Its cursor is out of date. No AWS call was made.
        InventoryError: The functions could not be listed.
        ProvisioningError: The outcome of an event is `failed`; the message says why.
    """
    try:
        return _run(event, context) if requests.is_request(event) else _event(event)
    finally:
        publish()


def _event(event: object) -> dict[str, Any]:
    logger.set_correlation_id(events.envelope_id(event))
    envelope = None
    try:
        envelope = events.read(event)
        outcome = _reconcile(envelope)
    except events.InvalidEventError as error:
        account, region = (envelope.account, envelope.region) if envelope else (None, None)
        refused = Outcome(
            function=None,
            action=Action.FAILED,
            account=account,
            region=region,
            reason=Reason.INVALID,
            detail=str(error),
        )
        record(refused)
        raise
    record(outcome)
    if outcome.action is Action.FAILED:
        raise ProvisioningError(f"{outcome.reason}: {outcome.detail}")
    return outcome.to_response()


def _run(payload: Any, context: LambdaContext) -> dict[str, Any]:  # noqa: ANN401 - JSON
    # Not for every cold start: an event needs none of it.
    from profiling_groups.functions import Place  # noqa: PLC0415
    from profiling_groups.recorder import Recorder  # noqa: PLC0415
    from profiling_groups.sweep import provision, sweep  # noqa: PLC0415

    began = time.monotonic()
    _, _, _, region, account, *_ = context.invoked_function_arn.split(":")
    place = Place(account=account, region=region)
    request = requests.read(payload, place=place)
    recorder = Recorder(place, dry_run=request.dry_run)
    left = context.get_remaining_time_in_millis() / 1000
    until = began + left - min(_LONGEST_ENDING, left / 5)
    match request:
        case requests.Provision():
            run = provision(
                request,
                place=place,
                clients=aws.sweep_clients(region),
                policy=_policy(),
                now=datetime.now(UTC),
                stop=lambda: time.monotonic() >= until,
                watcher=recorder,
            )
        case requests.Backfill(time_budget_seconds=budget):
            until = until if budget is None else min(until, began + budget)
            run = sweep(
                request,
                place=place,
                clients=aws.sweep_clients(region),
                policy=_policy(),
                now=datetime.now(UTC),
                stop=lambda: time.monotonic() >= until,
                watcher=recorder,
            )
    recorder.finish(run, now=datetime.now(UTC))
    return run.to_response()


@cache
def _policy() -> policy.Policy:
    """Read the policy that this bundle was built with."""
    return policy.load(json.loads(_POLICY_FILE.read_bytes()))


def _reconcile(envelope: events.Envelope) -> Outcome:
    match events.changed(envelope, _policy()):
        case events.FunctionChanged() as change:
            return reconcile(change, clients=aws.clients, policy=_policy(), now=datetime.now(UTC))
        case events.Ignored(function=function, reason=reason, detail=detail):
            return Outcome(
                function=str(function) if function else None,
                action=Action.SKIPPED,
                account=envelope.account,
                region=envelope.region,
                reason=reason,
                detail=detail,
            )
