"""What a policy would have done with a creation, going by CloudTrail's record of it. Pure.

The record is read and judged by the very functions that Lambda runs. Only the function itself comes from the record, in
place of a fresh read: as it was when it was created, and without its environment, which CloudTrail leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from ops import descriptions
from ops.descriptions import NotAFunctionError
from ops.verdicts import laid_out
from profiling_groups import events
from profiling_groups.decision import Skip, decide, rule_out, rule_out_place
from profiling_groups.events import InvalidEventError
from profiling_groups.outcomes import Action, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.records import Record
    from profiling_groups.events import Envelope
    from profiling_groups.functions import FunctionArn, LambdaFunction
    from profiling_groups.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What would have become of a creation.

    Attributes:
        outcome: The outcome; `created` where the function gets a group, as nothing is known of groups that were there.
        time: When the function was created, as the record has it.
        rule: The key of the policy that decided against it; None where no policy could say otherwise.
        tags: The tags of its group.
        overrides: Numbers of the overrides that apply to it, from 0 on.
    """

    outcome: Outcome
    time: str | None
    rule: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return all as JSON values."""
        more = {"rule": self.rule, "tags": dict(self.tags), "overrides": list(self.overrides)}
        return {"time": self.time, **self.outcome.to_log(), **more}


class _Place(TypedDict):
    account: str
    region: str
    organization_path: str | None


def is_creation(record: Record) -> bool:
    """Whether a record tells of a function's creation, or of an attempt at one."""
    return record["eventName"] == events.CREATE_FUNCTION and record.get("eventSource") == events.EVENT_SOURCE


def simulate(record: Record, policy: Policy, path: Callable[[str], str | None] = lambda _: None) -> Simulated:
    """Tell what a policy would have done with a creation.

    Args:
        record: CloudTrail's.
        policy: The policy of all places.
        path: Tells where an account is in its organization; asked once for each record.

    Raises:
        NotAFunctionError: The record does not tell enough of the function.
        Exception: Whatever `path` raises.
    """
    account, region, time = (_text(record, key) for key in ("recipientAccountId", "awsRegion", "eventTime"))
    outcome = partial(Outcome, account=account, region=region, dry_run=True)

    def refused(error: InvalidEventError) -> Simulated:
        invalid = outcome(function=None, action=Action.FAILED, reason=Reason.INVALID, detail=str(error))
        return Simulated(outcome=invalid, time=time)

    try:
        envelope = events.read(_envelope(record))
    except InvalidEventError as error:
        return refused(error)
    place = _Place(account=envelope.account, region=envelope.region, organization_path=path(envelope.account))
    if turned_away := rule_out_place(policy, **place):
        function, detail = _named(envelope, policy), str(turned_away)
        ignored = outcome(function=function, action=Action.SKIPPED, reason=turned_away.reason, detail=detail)
        return Simulated(outcome=ignored, time=time, rule=turned_away.rule)
    governed = policy.governing(**place)
    try:
        happened = events.changed(envelope, governed.policy)
    except InvalidEventError as error:
        return refused(error)
    if isinstance(happened, events.Ignored):
        function = str(happened.function) if happened.function else None
        ignored = outcome(function=function, action=Action.SKIPPED, reason=happened.reason, detail=happened.detail)
        return Simulated(outcome=ignored, time=time)
    arn = happened.function
    decision = rule_out(arn, governed.policy) or decide(_created(record, arn), governed.policy)
    found = laid_out(decision, arn, governed.policy)
    decided = outcome(
        function=found.function,
        group=found.group,
        action=Action.CREATED if found.group else Action.SKIPPED,
        reason=found.reason,
        detail=str(decision) if isinstance(decision, Skip) else found.detail,
        dropped_tags=found.dropped_tags,
    )
    return Simulated(outcome=decided, time=time, rule=found.rule, tags=found.tags, overrides=governed.overrides)


def _named(envelope: Envelope, policy: Policy) -> str | None:
    """Return the function that a record names, whatever else is wrong with it."""
    try:
        function = events.changed(envelope, policy).function
    except InvalidEventError:
        return None
    return str(function) if function else None


def _envelope(record: Record) -> dict[str, object]:
    """Wrap a record as EventBridge delivers it."""
    return {
        "id": record.get("eventID"),
        "source": events.SOURCE,
        "detail-type": events.DETAIL_TYPE,
        "account": record.get("recipientAccountId"),
        "region": record.get("awsRegion"),
        "detail": record,
    }


def _created(record: Record, arn: FunctionArn) -> LambdaFunction:
    """Return the function that a record describes.

    What the answer says goes before what was asked for. The tags stand in the request only.

    Raises:
        NotAFunctionError: The record does not tell enough; beyond 100 KB CloudTrail cuts both down.
    """
    asked = record.get("requestParameters")
    if not isinstance(asked, dict) or "functionName" not in asked:
        raise NotAFunctionError("requestParameters were left out of the record, so the function's tags are not known")
    answer = record.get("responseElements")
    told = {**asked, **answer} if isinstance(answer, dict) else asked
    code = asked.get("code")
    of_an_image = isinstance(code, dict) and "imageUri" in code
    return descriptions.function(
        {
            "FunctionArn": str(arn),
            "Runtime": told.get("runtime"),
            "PackageType": "Image" if of_an_image else told.get("packageType"),
            "Architectures": told.get("architectures"),
            "Role": told.get("role"),
            "Tags": asked.get("tags"),
        }
    )


def _text(record: Record, key: str) -> str | None:
    value = record.get(key)
    return value if isinstance(value, str) else None
