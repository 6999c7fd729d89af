"""CloudFormation's events on the default bus: that the status of a stack has changed.

moto changes a stack within the call that asks for it, and keeps the events of its statuses. The server asks for them
before and after such a call, and puts what is new on the bus once all is done. Shape: CloudFormation User Guide, "Stack
Status Change event detail". A rollback is not among them, as moto knows none.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Final
from uuid import uuid4

from moto.cloudformation.models import Event, cloudformation_backends

from embedded_aws.request_router import ApiCall

DETAIL_TYPE: Final = "CloudFormation Stack Status Change"
_STACK: Final = "AWS::CloudFormation::Stack"
# moto goes straight from one to the other.
_BEFORE: Final[Mapping[str, str]] = {"UPDATE_COMPLETE": "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}


def events_of(call: ApiCall) -> list[Event]:
    """The status events of all stacks of the call's account and region, deleted ones among them."""
    backend = cloudformation_backends[call.account][call.region]
    stacks = [*backend.stacks.values(), *backend.deleted_stacks.values()]
    return [event for stack in stacks for event in stack.events if event.resource_type == _STACK]


def envelopes(call: ApiCall, *, before: list[Event]) -> Iterator[dict[str, Any]]:
    """The EventBridge events that follow from the call, in order; `before` is `events_of` that call before it."""
    known = {event.event_id for event in before}
    for event in events_of(call):
        if event.event_id not in known:
            for status in (_BEFORE.get(event.resource_status), event.resource_status):
                if status is not None:
                    yield _envelope(call, event, status)


def _envelope(call: ApiCall, event: Event, status: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": "aws.cloudformation",
        "account": call.account,
        "time": event.timestamp.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": call.region,
        "resources": [event.stack_id],
        "detail": {
            "stack-id": event.stack_id,
            "status-details": {"status": status, "status-reason": event.resource_status_reason or ""},
            "client-request-token": str(call.parameters.get("ClientRequestToken") or ""),
        },
    }
