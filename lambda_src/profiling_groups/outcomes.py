"""The vocabulary of results: what was done about a function, why, and the record of it.

Return values, log records, metrics, reports and the docs all use these words. No boto3 here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from profiling_groups.tags import DroppedTag


MAX_DETAIL_BYTES: Final = 1_000
"""What an outcome's detail takes in an answer at most: a hundred of them must pass through a state machine, of which
each state carries 256 KiB (Step Functions, quotas)."""


class LogType(StrEnum):
    """What a log record that is to be found again is about: its field `log_type`."""

    OUTCOME = "outcome"
    """What became of one function, or of one event."""
    PROGRESS = "progress"
    """How far a run is."""
    SECURITY = "security"
    """An event contradicts its own origin."""


class Action(StrEnum):
    """What became of a function's profiling group."""

    CREATED = "created"
    """The group is new."""
    EXISTS = "exists"
    """The group was there already, as wanted."""
    UPDATED = "updated"
    """The group was there already; its tags, or who may report to it, were put right."""
    DELETED = "deleted"
    """The group is gone, as no function needs it any more."""
    ORPHANED = "orphaned"
    """No function needs the group any more, and it is spared."""
    SKIPPED = "skipped"
    """Nothing to do, on purpose."""
    FAILED = "failed"
    """It should have worked."""


class Reason(StrEnum):
    """Why an action was taken; `created` and `updated` need none."""

    # exists
    COMPUTE_PLATFORM_MISMATCH = "compute_platform_mismatch"
    """A group of that name is there, but not for AWSLambda, which cannot be changed; it is left alone."""
    OWNED_ELSEWHERE = "owned_elsewhere"
    """A group of that name is there, and somebody else manages it; it is left untouched, and counts as covered."""
    # skipped: what came in asks for nothing
    NOT_A_TRIGGER = "not_a_trigger"
    API_CALL_FAILED = "api_call_failed"
    REGION_UNSUPPORTED = "region_unsupported"
    """There is no CodeGuru Profiler in its region, or the region is disabled or forbidden for its account."""
    ACCOUNT_UNREACHABLE = "account_unreachable"
    """The role in its account cannot be assumed."""
    # skipped: the function needs nothing
    FUNCTION_GONE = "function_gone"
    EDGE_REPLICA = "edge_replica"
    UNSUPPORTED_RUNTIME = "unsupported_runtime"
    OWN_GROUP = "own_group"
    """Its environment names another group than the policy's."""
    REPORTS_TO_OTHER_REGION = "reports_to_other_region"
    """Its environment sends its profiles to another region."""
    EXCLUDED_BY_POLICY = "excluded_by_policy"
    OPTED_OUT = "opted_out"
    # failed
    QUOTA_EXCEEDED = "quota_exceeded"
    ACCESS_DENIED = "access_denied"
    THROTTLED = "throttled"
    INVALID = "invalid"
    SERVICE_ERROR = "service_error"
    CONCURRENT_CHANGE = "concurrent_change"
    """The function or its group was changed by somebody else at the same time; a retry resolves it."""
    # orphaned
    SUPERSEDED = "superseded"
    """The function has a group of another name by now."""


_NO_GROUP_NEEDED: Final = (Reason.FUNCTION_GONE, Reason.OPTED_OUT, Reason.EXCLUDED_BY_POLICY)

REASONS: Final[Mapping[Action, tuple[Reason, ...]]] = {
    Action.CREATED: (),
    Action.EXISTS: (Reason.COMPUTE_PLATFORM_MISMATCH, Reason.OWNED_ELSEWHERE),
    Action.UPDATED: (),
    Action.DELETED: _NO_GROUP_NEEDED,
    Action.ORPHANED: (*_NO_GROUP_NEEDED, Reason.SUPERSEDED),
    Action.SKIPPED: (
        Reason.UNSUPPORTED_RUNTIME,
        Reason.OWN_GROUP,
        Reason.REPORTS_TO_OTHER_REGION,
        Reason.EXCLUDED_BY_POLICY,
        Reason.OPTED_OUT,
        Reason.FUNCTION_GONE,
        Reason.EDGE_REPLICA,
        Reason.REGION_UNSUPPORTED,
        Reason.ACCOUNT_UNREACHABLE,
        Reason.API_CALL_FAILED,
        Reason.NOT_A_TRIGGER,
    ),
    Action.FAILED: (
        Reason.QUOTA_EXCEEDED,
        Reason.ACCESS_DENIED,
        Reason.THROTTLED,
        Reason.INVALID,
        Reason.SERVICE_ERROR,
        Reason.CONCURRENT_CHANGE,
    ),
}
"""The reasons that each action may have; besides, any may have none."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result for one function (or for one event that is about no function at all).

    Attributes:
        function: ARN of the function, unqualified; None where the event does not tell.
        group: Name of the profiling group; None where none was decided on. For `skipped`, one that is left.
        action: What was done.
        reason: Why, where the action alone does not tell.
        detail: A sentence for a person, where there is more to say.
        account: Account of the function, 12 digits; None where the event does not tell.
        region: Region of the function; None where the event does not tell.
        error_code: The error code as AWS gave it, for `failed`. In the log record only.
        dry_run: True where nothing was written because the caller asked so.
        dropped_tags: Tags of the function that the group does not carry, each with what stands against it. In the log
            record only.
    """

    function: str | None
    action: Action
    account: str | None
    region: str | None
    group: str | None = None
    reason: Reason | None = None
    detail: str | None = None
    error_code: str | None = None
    dry_run: bool = False
    dropped_tags: tuple[DroppedTag, ...] = ()

    def to_response(self) -> dict[str, str | bool | None]:
        """Return the fields that callers get, as JSON values; a long detail is cut, which the log record has whole."""
        return {
            "function": self.function,
            "group": self.group,
            "action": self.action,
            "reason": self.reason,
            "detail": _cut(self.detail),
            "account": self.account,
            "region": self.region,
            "dry_run": self.dry_run,
        }

    def to_log(self) -> dict[str, object]:
        """Return all fields as JSON values, for the one log record that every outcome leaves."""
        dropped = [{"key": tag.key, "why": tag.why} for tag in self.dropped_tags]
        return {**self.to_response(), "detail": self.detail, "error_code": self.error_code, "dropped_tags": dropped}


def _cut(detail: str | None) -> str | None:
    """Return as much of a detail as takes `MAX_DETAIL_BYTES` in JSON."""
    if detail is None:
        return None
    kept = detail[:MAX_DETAIL_BYTES]
    while len(json.dumps(kept)) > MAX_DETAIL_BYTES:
        kept = kept[: len(kept) * 3 // 4]
    return kept if kept == detail else f"{kept}…"
