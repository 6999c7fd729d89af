"""What a policy would have done with a creation, going by CloudTrail's record of it. Pure.

The record is read and judged by the very functions that Lambda runs. Only the function itself comes from the record, in
place of a fresh read: as it was when it was created, and without its environment, which CloudTrail leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ops import descriptions
from ops.descriptions import NotAFunctionError
from ops.verdicts import laid_out
from profiling_groups import events
from profiling_groups.decision import Skip, decide, rule_out
from profiling_groups.events import InvalidEventError
from profiling_groups.outcomes import Action, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.records import Record
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
    """

    outcome: Outcome
    time: str | None
    rule: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return all as JSON values."""
        return {"time": self.time, **self.outcome.to_log(), "rule": self.rule, "tags": dict(self.tags)}


def is_creation(record: Record) -> bool:
    """Whether a record tells of a function's creation, or of an attempt at one."""
    return record["eventName"] == events.CREATE_FUNCTION and record.get("eventSource") == events.EVENT_SOURCE


def simulate(record: Record, policy: Policy) -> Simulated:
    """Tell what a policy would have done with a creation.

    Raises:
        NotAFunctionError: The record does not tell enough of the function.
    """
    account, region, time = (_text(record, key) for key in ("recipientAccountId", "awsRegion", "eventTime"))
    outcome = partial(Outcome, account=account, region=region, dry_run=True)
    try:
        happened = events.changed(events.read(_envelope(record)), policy)
    except InvalidEventError as error:
        refused = outcome(function=None, action=Action.FAILED, reason=Reason.INVALID, detail=str(error))
        return Simulated(outcome=refused, time=time)
    if isinstance(happened, events.Ignored):
        function = str(happened.function) if happened.function else None
        ignored = outcome(function=function, action=Action.SKIPPED, reason=happened.reason, detail=happened.detail)
        return Simulated(outcome=ignored, time=time)
    arn = happened.function
    decision = rule_out(arn, policy) or decide(_created(record, arn), policy)
    found = laid_out(decision, arn, policy)
    decided = outcome(
        function=found.function,
        group=found.group,
        action=Action.CREATED if found.group else Action.SKIPPED,
        reason=found.reason,
        detail=str(decision) if isinstance(decision, Skip) else found.detail,
        dropped_tags=found.dropped_tags,
    )
    return Simulated(outcome=decided, time=time, rule=found.rule, tags=found.tags)


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
