"""Dead letters: events that could not be delivered, or not be worked on, and why. Pure; `letter_queue` receives them.

Two write to the queue. EventBridge leaves what a rule could not hand to its target, with its error in RULE_ARN,
TARGET_ARN, ERROR_CODE, ERROR_MESSAGE and, after retries, EXHAUSTED_RETRY_CONDITION and RETRY_ATTEMPTS. Lambda leaves
what the function has failed at three times, with RequestID, ErrorCode (an HTTP status) and ErrorMessage, of at most a
KB. Either way the body is the event, untouched.
Sources: EventBridge user guide, "Using dead-letter queues to process undelivered events"; Lambda developer guide,
"Adding a dead-letter queue".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from profiling_groups import events, requests
from profiling_groups.outcomes import Reason
from profiling_groups.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from profiling_groups.functions import FunctionArn, FunctionReference, Place

_ACTIONS: Final = frozenset({"provision", "backfill", "targets"})
_REASONS: Final = frozenset(map(str, Reason))
_THROTTLED: Final = 429
_LONGEST_DETAIL: Final = 160
"""Characters of an error message by which letters are told apart."""
_MOST_GROUPS: Final = 200
"""Groups that are told apart: whatever error messages there may be, so much is remembered and no more."""
# Whatever it acts on: the function that a record names is read all the same.
_ANY: Final = Policy()

# How `aws.explain` names the call that failed.
_CALL = re.compile(r"(?P<action>[a-z-]+:[A-Za-z]+) on ")
_ERROR = re.compile(r"(?P<error>[A-Za-z]+) about ")
_TIMED_OUT = re.compile(r"Task timed out after")
_CRASHED = re.compile(r"Runtime exited|Process exited|signal: killed|OutOfMemory", re.IGNORECASE)
# What is another one in each letter, in messages that mean the same.
_OF_ITS_OWN = re.compile(
    r"arn:[\w-]+:[^\s'\",]+"
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+Z?"
    r"|'[^']*'|\"[^\"]*\""
    r"|\b\d+(?:\.\d+)?\b"
)


class Origin(StrEnum):
    """Who has left a letter."""

    RULE = "rule"
    """EventBridge: the rule could not hand the event to its target."""
    FUNCTION = "function"
    """Lambda: the function has failed at the event for good."""
    OTHER = "other"
    """Somebody else, or about something else: not ours."""


class Failed(StrEnum):
    """Why a function has failed, where it did not come to say it itself."""

    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    ERROR = "error"
    """It raised something; the detail tells what."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why an event became a letter; letters of the same cause are told together.

    Attributes:
        origin: Who says so.
        reason: In a word: an outcome's reason or `Failed`; from EventBridge its error code, in small letters.
        detail: What differs between causes of the same reason: the call that failed, which for `access_denied` and
            `no_permissions` is the permission that is lacking, or the error message without names and numbers.
        code: The error code as it was written; None where there was none.
    """

    origin: Origin
    reason: str
    detail: str
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message of the queue.

    Attributes:
        id: The message's id.
        sent: When it was left there.
        cause: Why.
        message: The error message, whole.
        body: The event, as it is to be given to the function.
        account: Account that the event is about; None for a request, and for no event at all.
        region: Region that it is about; likewise.
        function: The function that the event is about; None where it names none.
        target: ARN of what the rule could not deliver to; None for a letter of the function's.
    """

    id: str
    sent: datetime
    cause: Cause
    message: str
    body: str
    account: str | None = None
    region: str | None = None
    function: FunctionArn | None = None
    target: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the function would know what to do with it."""
        return self.cause.origin is not Origin.OTHER

    def is_about(self, reference: FunctionReference) -> bool:
        """Whether it is about a function that somebody named; what they left out may be any."""
        return (
            self.function is not None
            and reference.name == self.function.name
            and reference.account in (None, self.function.account)
            and reference.region in (None, self.function.region)
        )


@dataclass(kw_only=True)
class Group:
    """Letters of the same cause, account and region.

    Attributes:
        cause: The cause.
        account: The account that they are about; None where it is none, or not kept.
        region: The region; likewise.
        letters: How many.
        oldest: When the oldest was left in the queue.
        newest: When the newest was.
        example: One of them, preferably one that names a function; without its body.
    """

    cause: Cause
    account: str | None
    region: str | None
    letters: int
    oldest: datetime
    newest: datetime
    example: Letter

    @property
    def is_ours(self) -> bool:
        """Whether they are."""
        return self.cause.origin is not Origin.OTHER

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "origin": self.cause.origin,
            "reason": self.cause.reason,
            "detail": self.cause.detail,
            "code": self.cause.code,
            "account": self.account,
            "region": self.region,
            "letters": self.letters,
            "oldest": self.oldest.isoformat(timespec="seconds"),
            "newest": self.newest.isoformat(timespec="seconds"),
            "example": {
                "message_id": self.example.id,
                "function": str(self.example.function) if self.example.function else None,
                "message": self.example.message,
            },
        }


@dataclass
class Tally:
    """Letters by their cause, account and region, however many: none is kept but an example of each."""

    _groups: dict[tuple[Cause, str | None, str | None], Group] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        """Count a letter."""
        cause, account, region = letter.cause, letter.account, letter.region
        if (cause, account, region) not in self._groups and len(self._groups) >= _MOST_GROUPS:
            cause, account, region = replace(cause, detail="(other messages)", code=None), None, None
        group = self._groups.get((cause, account, region))
        if group is None:
            self._groups[cause, account, region] = Group(
                cause=cause,
                account=account,
                region=region,
                letters=1,
                oldest=letter.sent,
                newest=letter.sent,
                example=replace(letter, body=""),
            )
            return
        group.letters += 1
        group.oldest = min(group.oldest, letter.sent)
        group.newest = max(group.newest, letter.sent)
        if group.example.function is None and letter.function:
            group.example = replace(letter, body="")

    def groups(self) -> list[Group]:
        """Return the groups: ours first, and those of many letters first."""
        return sorted(
            self._groups.values(),
            key=lambda each: (not each.is_ours, -each.letters, each.cause.reason),
        )

    @property
    def all(self) -> int:
        """How many letters there are."""
        return sum(group.letters for group in self._groups.values())

    @property
    def not_ours(self) -> int:
        """How many of them are not ours."""
        return sum(group.letters for group in self._groups.values() if not group.is_ours)


def read(message: MessageTypeDef, *, only: Place | None = None) -> Letter:
    """Read a message of the queue.

    Args:
        message: As SQS gives it, with all its attributes.
        only: Account and region that it has to be an event of. For a queue that others may write to: neither what the
            body says of itself nor any attribute is vouched for there, so a request is not ours, nor is an event of
            another account or region.
    """
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    body = message.get("Body", "")
    about = _about(body, only)
    problem = about.problem
    if {"RULE_ARN", "TARGET_ARN"} <= attributes.keys():
        text = attributes.get("ERROR_MESSAGE", "")
        cause = _of_rule(attributes)
    elif {"RequestID", "ErrorCode"} <= attributes.keys():
        text = attributes.get("ErrorMessage", "")
        cause = of_function(text, code=attributes["ErrorCode"])
    else:
        text, problem = "", problem or "nothing tells why it is here"
        cause = Cause(origin=Origin.OTHER, reason="", detail="")
    if problem:
        cause = Cause(origin=Origin.OTHER, reason="not_ours", detail=problem)
    return Letter(
        id=message["MessageId"],
        sent=datetime.fromtimestamp(int(message.get("Attributes", {}).get("SentTimestamp", 0)) / 1000, UTC),
        cause=cause,
        message=text,
        body=body,
        account=about.account,
        region=about.region,
        function=about.function,
        target=attributes.get("TARGET_ARN"),
    )


def not_ours(letter: Letter, why: str) -> Letter:
    """Return a letter as one that is left alone."""
    return replace(letter, cause=Cause(origin=Origin.OTHER, reason="not_ours", detail=why))


def of_function(message: str, *, code: str | None = None) -> Cause:
    """Read the error message of a function that has failed.

    Args:
        message: The message.
        code: The error code beside it.
    """

    def cause(reason: str, detail: str) -> Cause:
        return Cause(origin=Origin.FUNCTION, reason=reason, detail=detail, code=code)

    reason, _, detail = message.partition(": ")
    if reason in _REASONS:
        for pattern in (_CALL, _ERROR):
            if found := pattern.match(detail):
                return cause(reason, found[1])
        return cause(reason, generalized(detail))
    if code == str(_THROTTLED):
        return cause(Reason.THROTTLED, generalized(message))
    if _TIMED_OUT.search(message):
        return cause(Failed.TIMED_OUT, generalized(message))
    if _CRASHED.search(message):
        return cause(Failed.CRASHED, generalized(message))
    return cause(Failed.ERROR, generalized(message))


def _of_rule(attributes: Mapping[str, str]) -> Cause:
    code, target = attributes.get("ERROR_CODE", ""), attributes["TARGET_ARN"]
    detail = generalized(attributes.get("ERROR_MESSAGE", ""))
    if code == "NO_PERMISSIONS":
        detail = "events:PutEvents" if ":event-bus/" in target else "lambda:InvokeFunction"
    return Cause(origin=Origin.RULE, reason=code.lower() or "unknown", detail=detail, code=code or None)


def generalized(message: str) -> str:
    """Return an error message without what differs from letter to letter: ARNs, ids, times, quotations, numbers."""
    text = _OF_ITS_OWN.sub("…", " ".join(message.split()))
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}…"


@dataclass(frozen=True, kw_only=True)
class _About:
    """What a body is about; `problem` says why it is nothing that is meant for the function."""

    account: str | None = None
    region: str | None = None
    function: FunctionArn | None = None
    problem: str | None = None


def _about(body: str, only: Place | None) -> _About:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return _About(problem="no event: its body is no JSON")
    if requests.is_request(event):
        if only:
            return _About(problem="a request; requests are taken from the stack's own queue only")
        return _About(problem=None if event["action"] in _ACTIONS else "a request for something else")
    try:
        envelope = events.read(event)
    except events.InvalidEventError as error:
        return _About(problem=f"no event: {error}")
    function, problem = _event(envelope, only)
    return _About(account=envelope.account, region=envelope.region, function=function, problem=problem)


def _event(envelope: events.Envelope, only: Place | None) -> tuple[FunctionArn | None, str | None]:
    """Return the function that an event is about, if it names one; or why the event is none that is meant for ours."""
    # Another source's is answered with `not_a_trigger`, which would be taken for done.
    if envelope.detail_type != events.DETAIL_TYPE or envelope.source not in (events.SOURCE, None):
        return None, f"an event of {envelope.source or 'nobody'}: {envelope.detail_type}"
    if only and (problem := _foreign(envelope, only)):
        return None, problem
    try:
        return events.changed(envelope, _ANY).function, None
    except events.InvalidEventError:
        return None, None


def _foreign(envelope: events.Envelope, only: Place) -> str | None:
    """Return why an event cannot have come from this account and region, by way of EventBridge; None where it can."""
    if envelope.source is None or envelope.detail.get("eventSource") != events.EVENT_SOURCE:
        return "an event that is not CloudTrail's record of a call to Lambda"
    if (envelope.account, envelope.region) != (only.account, only.region):
        return f"an event of another account or region than the queue's, which is {only.account} in {only.region}"
    try:
        events.check_origin(envelope)
    except events.ForgedEventError:
        return "an event whose record contradicts its own account or region"
    return None
