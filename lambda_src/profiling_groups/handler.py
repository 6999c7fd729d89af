"""The Lambda entry point: what came in → which function below → what it returns, and what is recorded of it."""

from __future__ import annotations

import gc

# What the imports allocate stays for good: to look through it for garbage, now and at every later collection, would be
# a sixth of a cold start.
gc.disable()

import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from profiling_groups import deadline, events, organization, policy, requests
from profiling_groups.aws import Failure
from profiling_groups.decision import Skip
from profiling_groups.functions import Place, partition
from profiling_groups.observability import logger, publish, record
from profiling_groups.outcomes import Action, LogType, Outcome, Reason
from profiling_groups.reach import Reach, let_be, of_a_hub, of_its_own
from profiling_groups.reconcile import reconcile
from profiling_groups.text import encodable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

gc.freeze()
gc.enable()

# Written at synth; see `infra.bundling`.
_POLICY_FILE = Path(__file__).with_name("policy.json")


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
        InvalidRequestError: It is a request with something wrong in it. Nothing was done.
        StaleCursorError: Its cursor is out of date. No AWS call was made.
        InventoryError: The functions could not be listed, or Organizations could not be asked.
        MembersUnreachableError: The role of no member of the organization can be assumed.
        ProvisioningError: The outcome of an event is `failed`; the message says why.
        DeadlineError: A request took longer than Lambda lets the function run. What was done is done.

    In a hub an event that no retry can help is not raised: a member could fill the hub's dead-letter queue.
    """
    _, _, _, region, account, *_ = context.invoked_function_arn.split(":")
    own = Place(account=account, region=region)
    try:
        with deadline.limit(context.get_remaining_time_in_millis() / 1000):
            answer = _request(event, context, own) if requests.is_request(event) else _event(event, own)
        return cast("dict[str, Any]", encodable(answer))
    except deadline.Interrupted:
        raise _late(event) from None
    except Exception as error:
        error.args = tuple(encodable(error.args))
        raise
    finally:
        publish()


def _late(event: object) -> Exception:
    """Return the error of an invocation that ran out of time; one about an event leaves its record, too."""
    late = deadline.DeadlineError("the invocation ran out of time; what it did is done, and it can be repeated")
    if requests.is_request(event):
        return late
    envelope = events.read(event)
    function = events.named_function(envelope)
    outcome = Outcome(
        function=str(function) if function else None,
        action=Action.FAILED,
        account=envelope.account,
        region=envelope.region,
        reason=Reason.SERVICE_ERROR,
        detail=str(late),
        error_code=type(late).__name__,
    )
    record(outcome)
    return ProvisioningError(f"{outcome.reason}: {outcome.detail}")


def _event(event: object, own: Place) -> dict[str, Any]:
    logger.set_correlation_id(events.envelope_id(event))
    envelope = None
    try:
        envelope = events.read(event)
        outcome = _reconcile(envelope, own)
    except events.InvalidEventError as error:
        account, region = (envelope.account, envelope.region) if envelope else (None, None)
        outcome = Outcome(
            function=None,
            action=Action.FAILED,
            account=account,
            region=region,
            reason=Reason.INVALID,
            detail=str(error),
        )
        record(outcome)
        if isinstance(error, events.ForgedEventError):
            logger.warning("an event contradicts its origin", extra={"log_type": LogType.SECURITY, **_blamed(outcome)})
        if _reach().hub is None:
            raise
        return outcome.to_response()
    record(outcome)
    if outcome.action is Action.FAILED and not _is_members_failure(outcome, own):
        raise ProvisioningError(f"{outcome.reason}: {outcome.detail}")
    return outcome.to_response()


def _is_members_failure(outcome: Outcome, own: Place) -> bool:
    """Whether a failure lies with a member of the organization, so that no retry by the hub can help."""
    return (
        _reach().hub is not None
        and outcome.account != own.account
        and outcome.reason in (Reason.ACCESS_DENIED, Reason.INVALID)
        # Without a function it is the hub that failed: it could not ask where the account is.
        and outcome.function is not None
    )


def _blamed(outcome: Outcome) -> dict[str, str | None]:
    return {"account": outcome.account, "region": outcome.region, "detail": outcome.detail}


def _reconcile(envelope: events.Envelope, own: Place) -> Outcome:
    place = Place(account=envelope.account, region=envelope.region)
    if why := _reach().foreign_event_reason(place, own=own):
        # CodeGuru Profiler is in one partition only.
        supported = partition(place.region) == partition(own.region)
        reason = Reason.NOT_A_TRIGGER if supported else Reason.REGION_UNSUPPORTED
        return let_be(Skip(reason=reason, detail=why), place=place)
    governing = _reach().governing(place)
    if isinstance(governing, Skip | Failure):
        return let_be(governing, place=place)
    match events.changed(envelope, governing):
        case events.FunctionChanged() as change:
            clients = _reach().clients
            return reconcile(change, clients=lambda _: clients(place), policy=governing)
        case events.Ignored(function=function, reason=reason, detail=detail):
            return let_be(Skip(reason=reason, detail=detail), place=place, function=function)


def _request(payload: Any, context: LambdaContext, own: Place) -> dict[str, Any]:  # noqa: ANN401 - JSON
    # Not for every cold start: an event needs none of it.
    from profiling_groups.requested import answer  # noqa: PLC0415

    return answer(
        payload,
        here=own,
        reach=_reach(),
        seconds=context.get_remaining_time_in_millis() / 1000,
    )


@cache
def _reach() -> Reach:
    """Read the policy that this bundle was built with, and what this function was told of an organization, if any."""
    obeyed = policy.load(json.loads(_POLICY_FILE.read_bytes()))
    hub = organization.hub(os.environ)
    return of_a_hub(hub, obeyed, region=os.environ["AWS_REGION"]) if hub else of_its_own(obeyed)
