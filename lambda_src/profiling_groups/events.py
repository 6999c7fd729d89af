"""What came in: the EventBridge envelope of a CloudTrail record → what changed, about which function. Pure.

`handler` asks. An event is only a hint that something changed. Of what it says about the function, nothing is believed
but its name, that it is new, and which tags it lost (no read can tell).
Shapes: EventBridge user guide, "AWS service events delivered via AWS CloudTrail"; CloudTrail record contents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from profiling_groups.functions import ACCOUNT, REGION, FunctionArn, FunctionReference
from profiling_groups.outcomes import Reason
from profiling_groups.text import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from profiling_groups.policy import Policy

DETAIL_TYPE = "AWS API Call via CloudTrail"
SOURCE = "aws.lambda"
EVENT_SOURCE = "lambda.amazonaws.com"
# CloudTrail's names for Lambda's operations; the bare ones never occur.
CREATE_FUNCTION = "CreateFunction20150331"
UPDATE_FUNCTION_CONFIGURATION = "UpdateFunctionConfiguration20150331v2"
TAG_RESOURCE = "TagResource20170331v2"
UNTAG_RESOURCE = "UntagResource20170331v2"

_CLIENT_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Where a record names its function; what comes later is preferred. (TagResource and UntagResource speak of a resource.)
_NAMED_IN = (
    ("responseElements", "functionArn"),
    ("requestParameters", "resource"),
    ("requestParameters", "functionName"),
)
_KEYS = 5
"""Keys of a stranger's event that it repeats."""


class InvalidEventError(ValueError):
    """What came in is nothing that this function accepts; the message names the key and what is wrong with it."""


class ForgedEventError(InvalidEventError):
    """The record is about another place than its envelope, which EventBridge itself vouches for."""


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """An EventBridge event, as far as it matters here.

    Attributes:
        id: EventBridge's id of the event; None where it has none.
        account: Account that the event is about.
        region: Region that the event is about.
        source: Whose event it is; None where the envelope does not say.
        detail_type: Kind of event.
        detail: The CloudTrail record, for events of that kind.
    """

    id: str | None
    account: str
    region: str
    source: str | None
    detail_type: str
    detail: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class FunctionChanged:
    """Something about a function has changed, if the record is to be believed.

    Attributes:
        function: Which one.
        client_token: The same for every delivery of the same record; fit for CreateProfilingGroup's clientToken.
        is_creation: Whether it was just created, so that it may not be readable yet.
        untagged: Keys of tags that were taken off it.
    """

    function: FunctionArn
    client_token: str
    is_creation: bool = False
    untagged: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """Nothing that the policy would act on happened.

    Attributes:
        function: The function that the record names; None where it names none.
        reason: `not_a_trigger` or `api_call_failed`.
        detail: What was seen that says so.
    """

    function: FunctionArn | None
    reason: Reason
    detail: str


def read(event: object) -> Envelope:
    """Read an EventBridge envelope.

    Raises:
        InvalidEventError: `event` is none.
    """
    if not isinstance(event, dict):
        raise InvalidEventError(f"the event is {quote(event)}, not an EventBridge event (a JSON object)")
    if "detail" not in event:
        keys = ", ".join(quote(key) for key in islice(event, _KEYS)) or "no keys"
        raise InvalidEventError(
            f"'detail' is missing: an EventBridge event has one, and a request has an 'action'; this has {keys}"
        )
    detail = event["detail"]
    if not isinstance(detail, dict):
        raise InvalidEventError(f"'detail' is {quote(detail)}, not a JSON object")
    source = event.get("source")
    if not isinstance(source, str | None):
        raise InvalidEventError(f"'source' is {quote(source)}, not a string")
    return Envelope(
        id=envelope_id(event),
        account=_matching(event, "account", ACCOUNT, "an account id of 12 digits"),
        region=_matching(event, "region", REGION, "a region"),
        source=source,
        detail_type=_matching(event, "detail-type", re.compile(r".+", re.DOTALL), "the kind of event"),
        detail=detail,
    )


def envelope_id(event: object) -> str | None:
    """Return EventBridge's id of an event, whatever else may be wrong with it; None where it has none."""
    found = event.get("id") if isinstance(event, dict) else None
    return found if isinstance(found, str) and _CLIENT_TOKEN.fullmatch(found) else None


def triggers(policy: Policy) -> tuple[str, ...]:
    """Return the event names that a policy acts on: what the rule lets through, and what `changed` heeds.

    With overrides, those that it acts on in one place or another.
    """
    anywhere = policy.variants()
    tags_matter = any(each.lifecycle.keep_tags_in_step or each.functions.tags.require for each in anywhere)
    return (
        CREATE_FUNCTION,
        *[TAG_RESOURCE, UNTAG_RESOURCE] * tags_matter,
        *[UPDATE_FUNCTION_CONFIGURATION] * any(each.lifecycle.follow_configuration for each in anywhere),
    )


def changed(envelope: Envelope, policy: Policy) -> FunctionChanged | Ignored:
    """Tell what happened, about which function.

    Args:
        envelope: What came in.
        policy: The one that governs the envelope's account and region.

    Raises:
        InvalidEventError: The policy acts on such a record, and it names no function.
        ForgedEventError: The policy acts on such a record, and it contradicts its envelope.
    """
    detail = envelope.detail
    if envelope.detail_type != DETAIL_TYPE:
        return Ignored(
            function=None, reason=Reason.NOT_A_TRIGGER, detail=f"detail-type is {quote(envelope.detail_type)}"
        )
    if envelope.source not in (SOURCE, None) or detail.get("eventSource") != EVENT_SOURCE:
        return Ignored(
            function=None,
            reason=Reason.NOT_A_TRIGGER,
            detail=f"an event of {quote(detail.get('eventSource'))} by way of {quote(envelope.source)}",
        )
    event_name, error_code = detail.get("eventName"), detail.get("errorCode")
    heeded = event_name in triggers(policy)
    if heeded and error_code is None:
        return _function_changed(envelope)
    function = named_function(envelope)
    if not heeded:
        return Ignored(function=function, reason=Reason.NOT_A_TRIGGER, detail=f"eventName is {quote(event_name)}")
    return Ignored(function=function, reason=Reason.API_CALL_FAILED, detail=f"errorCode is {quote(error_code)}")


def check_origin(envelope: Envelope) -> None:
    """Refuse a record that is about another account or region than its envelope, whatever it says happened.

    Raises:
        ForgedEventError: It is.
    """
    _agree(envelope)
    _function(envelope)


def named_function(envelope: Envelope) -> FunctionArn | None:
    """Return the function that a record names; None if it names none, or contradicts its envelope."""
    try:
        return _function(envelope)
    except InvalidEventError:
        return None


def _function_changed(envelope: Envelope) -> FunctionChanged | Ignored:
    _agree(envelope)
    parameters = envelope.detail.get("requestParameters")
    resource = parameters.get("resource") if isinstance(parameters, dict) else None
    if isinstance(resource, str) and resource.startswith("arn:") and ":function:" not in resource:
        return Ignored(function=None, reason=Reason.NOT_A_TRIGGER, detail=f"the tags of {quote(resource)}")
    if owner := _owner_of_called_function(envelope):
        return Ignored(
            function=None,
            reason=Reason.NOT_A_TRIGGER,
            detail=f"the caller's copy of a cross-account call; the function is in account {owner}",
        )
    function = _function(envelope)
    if function is None:
        places = " nor ".join(f"'detail.{block}.{key}'" for block, key in reversed(_NAMED_IN))
        raise InvalidEventError(f"neither {places} names a function")
    return FunctionChanged(
        function=function,
        client_token=_client_token(envelope, function),
        is_creation=envelope.detail["eventName"] == CREATE_FUNCTION,
        untagged=_untagged(envelope),
    )


def _untagged(envelope: Envelope) -> frozenset[str]:
    if envelope.detail["eventName"] != UNTAG_RESOURCE:
        return frozenset()
    parameters = envelope.detail.get("requestParameters")
    keys = parameters.get("tagKeys") if isinstance(parameters, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InvalidEventError(f"'detail.requestParameters.tagKeys' is {quote(keys)}, not a list of tag keys")
    return frozenset(keys)


def _agree(envelope: Envelope) -> None:
    """Refuse a record about another place than its envelope's: only the envelope's is vouched for by EventBridge."""
    for key, said in (("recipientAccountId", envelope.account), ("awsRegion", envelope.region)):
        if envelope.detail.get(key) not in (None, said):
            raise ForgedEventError(f"'detail.{key}' is {quote(envelope.detail[key])} in an event of {said}")


def _function(envelope: Envelope) -> FunctionArn | None:
    """Return the function that the record names, if any. What is said of its place must agree with the envelope."""
    function = None
    for key, text, reference in _references(envelope):
        for said, place in ((reference.account, envelope.account), (reference.region, envelope.region)):
            if said not in (None, place):
                raise ForgedEventError(f"'detail.{key}' is {quote(text)} in an event of {place}")
        function = FunctionArn(account=envelope.account, region=envelope.region, name=reference.name)
    return function


def _owner_of_called_function(envelope: Envelope) -> str | None:
    """Return the function's account if the record is the caller's copy of a cross-account call; None otherwise.

    CloudTrail records such a call in both accounts under one `sharedEventID`. The owner's copy is the one to act on.
    """
    detail = envelope.detail
    if not isinstance(detail.get("sharedEventID"), str) or detail.get("recipientAccountId") != envelope.account:
        return None
    references = [reference for _, _, reference in _references(envelope)]
    owners = {reference.account for reference in references if reference.account}
    if len(owners) != 1 or any(reference.region not in (None, envelope.region) for reference in references):
        return None
    (owner,) = owners
    return None if owner == envelope.account else owner


def _references(envelope: Envelope) -> Iterator[tuple[str, str, FunctionReference]]:
    """Yield where in the record a function is named, the text there, and what it says."""
    # Either may be null, or cut short (beyond 100 KB). All name the same function.
    for block, key in _NAMED_IN:
        elements = envelope.detail.get(block)
        text = elements.get(key) if isinstance(elements, dict) else None
        if isinstance(text, str) and (reference := FunctionReference.parse(text)) is not None:
            yield f"{block}.{key}", text, reference


def _client_token(envelope: Envelope, function: FunctionArn) -> str:
    event_id = envelope.detail.get("eventID")
    if isinstance(event_id, str) and _CLIENT_TOKEN.fullmatch(event_id):
        return event_id
    return str(uuid5(NAMESPACE_URL, f"{envelope.id}/{function}"))


def _matching(event: Mapping[str, object], key: str, pattern: re.Pattern[str], what: str) -> str:
    value = event.get(key)
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise InvalidEventError(f"{key!r} is {quote(value)}, not {what}" if key in event else f"{key!r} is missing: {what}")
