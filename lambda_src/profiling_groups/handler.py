"""The Lambda entry point: what came in → which function below → its outcome, returned and recorded."""

from __future__ import annotations

import gc

# What the imports allocate stays for good: to look through it for garbage, now and at every later collection, would be
# a sixth of a cold start.
gc.disable()

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from profiling_groups import aws, events, policy
from profiling_groups.observability import logger, metrics, record
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.reconcile import reconcile

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

gc.freeze()
gc.enable()

# Written at synth; see `infra.bundling`.
_POLICY_FILE = Path(__file__).with_name("policy.json")


class ProvisioningError(Exception):
    """A function has not got its group. Raised so that Lambda tries again, and in the end keeps the event for us."""


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: object, _context: LambdaContext) -> dict[str, str | bool | None]:
    """Reconcile the function that an EventBridge event is about.

    Args:
        event: An EventBridge envelope of a CloudTrail record.

    Returns:
        The outcome, as JSON values.

    Raises:
        InvalidEventError: `event` is nothing that this function accepts. No AWS call was made.
        ProvisioningError: The outcome is `failed`; the message says why.
    """
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
