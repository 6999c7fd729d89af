"""What is to be done about a function's group: pure; from the decision, and from the group as it is now.

`reconcile` carries it out. A sweep asks first, with groups that it has listed, and leaves what is as wanted alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from profiling_groups import groups, tags
from profiling_groups.decision import Provision, Skip, objection_to_deleting
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from profiling_groups.groups import Group
    from profiling_groups.policy import Policy
    from profiling_groups.tags import DroppedTag, TagChange

_NOTHING = tags.TagChange(remove=(), put={}, dropped=())


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do about one group, and what it will come to.

    Attributes:
        action: `created`, `updated` and `deleted` are to be done; by any other, nothing is.
        group: Name of the group; None where there is none to speak of.
        reason: Why, where the action alone does not tell.
        detail: A sentence for a person.
        tags: What is to be written about its tags.
        dropped: Tags that the group does not get.
    """

    action: Action
    group: str | None
    reason: Reason | None = None
    detail: str | None = None
    tags: TagChange = _NOTHING
    dropped: tuple[DroppedTag, ...] = ()


def plan(  # noqa: PLR0913 - what it follows from, all by keyword
    decision: Provision | Skip,
    group: Group | None,
    *,
    policy: Policy,
    untagged: Collection[str],
    last_needed: datetime,
    now: datetime,
) -> Plan:
    """Tell what is to be done.

    Args:
        decision: What the function should have.
        group: The group that the decision names, as it is; None where there is none.
        policy: What may become of it.
        untagged: Keys of tags that the function is known to have lost.
        last_needed: When the function was last known to need its group.
        now: The present.
    """
    match decision:
        case Provision():
            return _provide(decision, group, policy=policy, untagged=untagged)
        case Skip():
            return _leave_over(decision, group, policy=policy, last_needed=last_needed, now=now)


def _provide(wanted: Provision, group: Group | None, *, policy: Policy, untagged: Collection[str]) -> Plan:
    if group is None:
        change = tags.change({}, wanted.tags)
        action = Action.CREATED
    elif group.compute_platform != groups.COMPUTE_PLATFORM:
        return Plan(
            action=Action.EXISTS,
            group=wanted.group,
            reason=Reason.COMPUTE_PLATFORM_MISMATCH,
            detail=f"the group is not for {groups.COMPUTE_PLATFORM} and was left as it is",
            dropped=wanted.dropped,
        )
    else:
        change = _drift(group, wanted, policy=policy, untagged=untagged)
        action = Action.UPDATED if change.remove or change.put else Action.EXISTS
    return Plan(
        action=action, group=wanted.group, detail=wanted.caveat, tags=change, dropped=wanted.dropped + change.dropped
    )


def _drift(group: Group, wanted: Provision, *, policy: Policy, untagged: Collection[str]) -> TagChange:
    if policy.lifecycle.keep_tags_in_step:
        return tags.change(group.tags, wanted.tags, untagged=tags.passed_on(untagged, policy.tags.inherit))
    return _NOTHING if tags.adopted(group.tags, wanted.tags) else tags.change(group.tags, wanted.tags)


def _leave_over(skip: Skip, group: Group | None, *, policy: Policy, last_needed: datetime, now: datetime) -> Plan:
    if group is None or group.compute_platform != groups.COMPUTE_PLATFORM:
        return Plan(action=Action.SKIPPED, group=None, reason=skip.reason, detail=str(skip))
    objection = objection_to_deleting(group, policy, last_needed=last_needed, now=now)
    if objection is None:
        return Plan(action=Action.DELETED, group=skip.leftover, reason=skip.reason, detail=str(skip))
    return Plan(
        action=Action.ORPHANED if policy.lifecycle.deletes else Action.SKIPPED,
        group=skip.leftover,
        reason=skip.reason,
        detail=f"{skip}; its group stays: {objection}",
    )
