"""What came in: the EventBridge envelope of a CloudTrail record → what changed, about which function. Pure.

`handler` asks. An event is only a hint that something changed: nothing it says about the function but its name is used.
Shapes: EventBridge user guide, "AWS service events delivered via AWS CloudTrail"; CloudTrail record contents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from profiling_groups.functions import FunctionArn, FunctionReference
from profiling_groups.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

DETAIL_TYPE = "AWS API Call via CloudTrail"
SOURCE = "aws.lambda"
EVENT_SOURCE = "lambda.amazonaws.com"
CREATE_FUNCTION = "CreateFunction20150331"
"""CloudTrail's name for Lambda's CreateFunction; the bare name never occurs."""

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]{2,12}){1,3}-[0-9]{1,2}")
_CLIENT_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_QUOTED = 80
"""Characters of a stranger's value that an error message repeats."""
_KEYS = 5
"""Keys of a stranger's event that it repeats."""


class InvalidEventError(ValueError):
    """What came in is nothing that this function accepts; the message names the key and what is wrong with it."""


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
class FunctionCreated:
    """A function was created, if the record is to be believed.

    Attributes:
        function: Which one.
        client_token: The same for every delivery of the same record; fit for CreateProfilingGroup's clientToken.
    """

    function: FunctionArn
    client_token: str


@dataclass(frozen=True, kw_only=True)
class Ignored:
    """Nothing that would call for a profiling group happened.

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
        raise InvalidEventError(f"the event is {_kind(event)}, not an EventBridge event (a JSON object)")
    if "detail" not in event:
        keys = ", ".join(_quote(key) for key in list(event)[:_KEYS]) or "none"
        raise InvalidEventError(f"'detail' is missing: an EventBridge event has one; the keys of this one: {keys}")
    detail = event["detail"]
    if not isinstance(detail, dict):
        raise InvalidEventError(f"'detail' is {_kind(detail)}, not a JSON object")
    source = event.get("source")
    if not isinstance(source, str | None):
        raise InvalidEventError(f"'source' is {_kind(source)}, not a string")
    return Envelope(
        id=envelope_id(event),
        account=_matching(event, "account", _ACCOUNT, "an account id of 12 digits"),
        region=_matching(event, "region", _REGION, "a region"),
        source=source,
        detail_type=_matching(event, "detail-type", re.compile(r".+", re.DOTALL), "the kind of event"),
        detail=detail,
    )


def envelope_id(event: object) -> str | None:
    """Return EventBridge's id of an event, whatever else may be wrong with it; None where it has none."""
    found = event.get("id") if isinstance(event, dict) else None
    return found if isinstance(found, str) and _CLIENT_TOKEN.fullmatch(found) else None


def changed(envelope: Envelope) -> FunctionCreated | Ignored:
    """Tell what happened, about which function.

    Raises:
        InvalidEventError: The record of a creation contradicts its envelope, or names no function.
    """
    detail = envelope.detail
    if envelope.detail_type != DETAIL_TYPE:
        return Ignored(
            function=None, reason=Reason.NOT_A_TRIGGER, detail=f"detail-type is {_quote(envelope.detail_type)}"
        )
    if envelope.source not in (SOURCE, None) or detail.get("eventSource") != EVENT_SOURCE:
        return Ignored(
            function=None,
            reason=Reason.NOT_A_TRIGGER,
            detail=f"an event of {_quote(detail.get('eventSource'))} by way of {_quote(envelope.source)}",
        )
    event_name, error_code = detail.get("eventName"), detail.get("errorCode")
    if event_name == CREATE_FUNCTION and error_code is None:
        return _created(envelope)
    try:
        function = _function(envelope)
    except InvalidEventError:
        function = None
    if event_name != CREATE_FUNCTION:
        return Ignored(function=function, reason=Reason.NOT_A_TRIGGER, detail=f"eventName is {_quote(event_name)}")
    return Ignored(function=function, reason=Reason.API_CALL_FAILED, detail=f"errorCode is {_quote(error_code)}")


def _created(envelope: Envelope) -> FunctionCreated:
    _agree(envelope)
    function = _function(envelope)
    if function is None:
        raise InvalidEventError(
            "'detail.requestParameters.functionName' names no function, nor does 'detail.responseElements.functionArn'"
        )
    return FunctionCreated(function=function, client_token=_client_token(envelope, function))


def _agree(envelope: Envelope) -> None:
    """Refuse a record about another place than its envelope's: only the envelope's is vouched for by EventBridge."""
    for key, said in (("recipientAccountId", envelope.account), ("awsRegion", envelope.region)):
        if envelope.detail.get(key) not in (None, said):
            raise InvalidEventError(f"'detail.{key}' is {_quote(envelope.detail[key])} in an event of {said}")


def _function(envelope: Envelope) -> FunctionArn | None:
    """Return the function that the record names, if any. What is said of its place must agree with the envelope."""
    function = None
    # Either may be null, or cut short (beyond 100 KB). Both name the same function.
    for block, key in (("responseElements", "functionArn"), ("requestParameters", "functionName")):
        elements = envelope.detail.get(block)
        text = elements.get(key) if isinstance(elements, dict) else None
        if not isinstance(text, str) or (reference := FunctionReference.parse(text)) is None:
            continue
        for said, place in ((reference.account, envelope.account), (reference.region, envelope.region)):
            if said not in (None, place):
                raise InvalidEventError(f"'detail.{block}.{key}' is {_quote(text)} in an event of {place}")
        function = FunctionArn(account=envelope.account, region=envelope.region, name=reference.name)
    return function


def _client_token(envelope: Envelope, function: FunctionArn) -> str:
    event_id = envelope.detail.get("eventID")
    if isinstance(event_id, str) and _CLIENT_TOKEN.fullmatch(event_id):
        return event_id
    return str(uuid5(NAMESPACE_URL, f"{envelope.id}/{function}"))


def _matching(event: Mapping[str, object], key: str, pattern: re.Pattern[str], what: str) -> str:
    value = event.get(key)
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise InvalidEventError(
        f"{key!r} is {_quote(value)}, not {what}" if key in event else f"{key!r} is missing: {what}"
    )


def _kind(value: object) -> str:
    names = {dict: "a JSON object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _quote(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | None) else _kind(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}… ({len(text)} characters)"
