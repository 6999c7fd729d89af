"""What is to be done about a function's group: pure; from the decision, and from the group as it is now.

`reconcile` carries it out. A backfill asks first, with groups that it has listed, and makes no call about those that
are as wanted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from profiling_groups import tags
from profiling_groups.outcomes import Action, Reason
from profiling_groups.ownership import (
    ADOPTED_FOR,
    COMPUTE_PLATFORM,
    CREATED_FOR,
    Ownership,
    is_adoptable,
    read_ownership,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from profiling_groups.decision import Provision
    from profiling_groups.functions import FunctionArn
    from profiling_groups.groups import Group
    from profiling_groups.policy import Policy
    from profiling_groups.tags import DroppedTag, TagChange

_NOTHING = tags.TagChange(remove=(), put={}, dropped=())


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do about one group, and what it will come to.

    Attributes:
        action: `created` and `updated` are to be done; by any other, nothing is.
        group: Name of the group.
        reason: Why, where the action alone does not tell.
        detail: A sentence for a person.
        tags: What is to be written about its tags.
        dropped: Tags that the group does not get.
    """

    action: Action
    group: str
    reason: Reason | None = None
    detail: str | None = None
    tags: TagChange = _NOTHING
    dropped: tuple[DroppedTag, ...] = ()


def plan(
    wanted: Provision, group: Group | None, *, function: FunctionArn, policy: Policy, untagged: Collection[str] = ()
) -> Plan:
    """Return what is to be done.

    Args:
        wanted: What the function should have.
        group: The group of that name, as it is; None where there is none.
        function: The function.
        policy: What may become of the group.
        untagged: Keys of tags that the function is known to have lost.
    """
    mark = {ADOPTED_FOR: str(function)}
    if group is None:
        change = tags.change({}, replace(wanted.tags, mark={CREATED_FOR: str(function)}))
        return _planned(Action.CREATED, wanted, change)
    if group.compute_platform != COMPUTE_PLATFORM:
        detail = f"the group is not for {COMPUTE_PLATFORM} and was left as it is"
        return _unchanged(wanted, Reason.COMPUTE_PLATFORM_MISMATCH, detail)
    match read_ownership(group, function):
        case Ownership.EXTERNAL if is_adoptable(group, policy.lifecycle.adopt_existing_groups):
            change = tags.change(group.tags, replace(wanted.tags, mark=mark))
            return _planned(Action.UPDATED, wanted, change, "the existing group is adopted")
        case Ownership.EXTERNAL:
            return _unchanged(wanted, Reason.OWNED_ELSEWHERE, "somebody else manages the group; it was left as it is")
        case _ if not policy.lifecycle.keep_tags_in_step:
            change = _NOTHING
        case owned:
            kept = replace(wanted.tags, mark=mark) if owned is Ownership.ADOPTED else wanted.tags
            change = tags.change(group.tags, kept, untagged=tags.passed_on(untagged, policy.tags.inherit))
    return _planned(Action.UPDATED if change.remove or change.put else Action.EXISTS, wanted, change)


def _planned(action: Action, wanted: Provision, change: TagChange, detail: str | None = None) -> Plan:
    return Plan(
        action=action,
        group=wanted.group,
        detail="; ".join(filter(None, (detail, wanted.caveat))) or None,
        tags=change,
        dropped=wanted.dropped + change.dropped,
    )


def _unchanged(wanted: Provision, reason: Reason, detail: str) -> Plan:
    return Plan(action=Action.EXISTS, group=wanted.group, reason=reason, detail=detail, dropped=wanted.dropped)
