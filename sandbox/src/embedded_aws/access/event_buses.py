"""Whom an event bus lets in: its owner's account, and whom its resource policy names.

`embedded_aws.events.eventbridge` asks before it hands an event to another bus, the server before each call of
EventBridge that names the bus of another account. What the caller's own policies say is for `authorization` to say.
Sources: EventBridge user guide, "Permissions for event buses"; service authorization reference, "Amazon EventBridge".
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moto.events.models import EventBus, events_backends
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from embedded_aws.access.organization import principal_context
from embedded_aws.access.policies import AccessRequest, Decision, UnsupportedConditionError, evaluate
from embedded_aws.http_responses import ApiError, access_denied_code
from embedded_aws.request_router import ApiCall

_LOG: Final = logging.getLogger(__name__)
_PARTITION: Final = "aws"
_BUS_ARN: Final = re.compile(r"arn:aws:events:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):event-bus/(?P<name>.+)")


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who wants something of a bus.

    Attributes:
        account: whose principal it is.
        arn: of the principal; of its session, where it is a role.
        principal_arn: for aws:PrincipalArn: the same, but of a session its role's.
    """

    account: str
    arn: str
    principal_arn: str


@dataclass(frozen=True, kw_only=True)
class PutEventsRequest:
    """A request to put an event on a bus, or another call on it.

    Attributes:
        bus: its ARN.
        action: as policies write it.
        source: of the event.
        detail_type: of the event.
        from_a_rule: whether a rule sends the event; otherwise it is an API call.
    """

    bus: str
    action: str
    source: str
    detail_type: str
    from_a_rule: bool


def bus_arn(bus: str | None, *, account: str, region: str) -> str:
    """The ARN of a bus that is given by name, by ARN, or not at all (the default one)."""
    if bus and bus.startswith("arn:"):
        return bus
    return f"arn:{_PARTITION}:events:{region}:{account}:event-bus/{bus or 'default'}"


def find_bus(arn: str) -> EventBus | None:
    """The bus with that ARN."""
    found = _BUS_ARN.fullmatch(arn)
    if found is None or found["region"] not in events_backends[found["account"]]:
        return None
    return events_backends[found["account"]][found["region"]].event_buses.get(found["name"])


def buses_asked_for(call: ApiCall) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The ARN of each bus that a call of EventBridge names, with the entry that PutEvents is to put there."""
    if call.operation == "PutEvents":
        entries = call.parameters.get("Entries") or []
        asked = [(entry.get("EventBusName"), entry) for entry in entries]
    else:
        is_of_buses = call.operation in {"DescribeEventBus", "UpdateEventBus", "DeleteEventBus", "CreateEventBus"}
        asked = [(call.parameters.get("Name" if is_of_buses else "EventBusName"), {})]
    for bus, entry in asked:
        yield bus_arn(bus, account=call.account, region=call.region), entry


def refusal(call: ApiCall) -> ApiError | None:
    """Why a bus that the call names does not let the caller in, in AWS's words; None where all do.

    The sandbox lets events over to another account's bus and nothing else: no rules are made there.
    """
    sender, action = _sender(call), f"events:{call.operation}"
    for arn, entry in buses_asked_for(call):
        source, detail_type = str(entry.get("Source", "")), str(entry.get("DetailType", ""))
        wish = PutEventsRequest(bus=arn, action=action, source=source, detail_type=detail_type, from_a_rule=False)
        why = why_not(sender, wish)
        if why is None and _account(arn) != call.account and call.operation != "PutEvents":
            why = "because the sandbox lets nothing but events over to the bus of another account"
        if why is not None:
            message = f"User: {sender.arn} is not authorized to perform: {action} on resource: {arn} {why}"
            return ApiError(code=access_denied_code(call.protocol), message=message)
    return None


def why_not(sender: Sender, wish: PutEventsRequest) -> str | None:
    """Why the bus does not let the sender in; None where it does."""
    is_own = sender.account == _account(wish.bus)
    if is_own and find_bus(wish.bus) is None:
        return None  # there is nothing to protect, and who owns the place may hear so
    counts_as = {sender.account, f"arn:{_PARTITION}:iam::{sender.account}:root", sender.arn, sender.principal_arn}
    request = AccessRequest(
        action=wish.action,
        resource=wish.bus,
        context={
            "aws:principalaccount": sender.account,
            "aws:principalarn": sender.principal_arn,
            "aws:securetransport": "true",
            # An array, by the service authorization reference; detail-type is a string.
            "events:source": (wish.source,),
            "events:detail-type": wish.detail_type,
            "events:eventbusinvocation": str(wish.from_a_rule).lower(),
            **principal_context(sender.account),
        },
        principals=frozenset(("AWS", name) for name in counts_as),
    )
    match _decision(wish.bus, request):
        case Decision.DENIED:
            return "with an explicit deny in a resource-based policy"
        case Decision.NOT_ALLOWED if not is_own:
            return f"because no resource-based policy allows the {wish.action} action"
        case _:
            return None


def _decision(arn: str, request: AccessRequest) -> Decision:
    bus = find_bus(arn)
    if bus is None or bus.policy is None:
        return Decision.NOT_ALLOWED
    try:
        return evaluate([json.loads(bus.policy)], request)
    except UnsupportedConditionError:
        _LOG.exception("the policy of %s cannot be evaluated", arn)
        return Decision.DENIED


def _sender(call: ApiCall) -> Sender:
    """Return who signed the call; an unknown key counts as the account's root user."""
    session = sts_backends[call.account][_PARTITION].get_assumed_role_from_access_key(call.access_key_id)
    if session is not None:
        return Sender(account=call.account, arn=session.arn, principal_arn=session.role_arn)
    user = iam_backends[call.account][_PARTITION].get_user_from_access_key_id(call.access_key_id)
    arn = str(user.arn) if user else f"arn:{_PARTITION}:iam::{call.account}:root"
    return Sender(account=call.account, arn=arn, principal_arn=arn)


def _account(arn: str) -> str:
    return arn.split(":")[4]
