"""Whose a profiling group is: two tags that name the function it is for, and what they allow. Pure.

A group that this project created carries `created-for`, from its creation on. A group that it found without any tags
and took over carries `adopted-for`. Every other group is external, and is never written to or deleted.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from profiling_groups.functions import FunctionArn
from profiling_groups.policy import AdoptExistingGroups
from profiling_groups.tags import MAX_TAGS, RESERVED_PREFIX

if TYPE_CHECKING:
    from profiling_groups.groups import Group

COMPUTE_PLATFORM: Final = "AWSLambda"
"""The compute platform of the groups that this project creates; a group of any other is external."""
CREATED_FOR: Final = f"{RESERVED_PREFIX}created-for"
"""Key of the tag that CreateProfilingGroup sets, and nothing else ever writes."""
ADOPTED_FOR: Final = f"{RESERVED_PREFIX}adopted-for"
"""Key of the tag that marks an adopted group; it takes precedence over `CREATED_FOR`."""

_CLOUDFORMATION = re.compile(r"aws:cloudformation:", re.IGNORECASE)


class Ownership(Enum):
    """Whose a group is, as seen by one function."""

    CREATED = auto()
    """Created by this project for the function: kept in step, and deleted by a backfill if the policy says so."""
    ADOPTED = auto()
    """Adopted for the function: kept in step, never deleted."""
    EXTERNAL = auto()
    """Everything else: never touched."""


def read_ownership(group: Group, function: FunctionArn) -> Ownership:
    """Return whose a group is; its marks count only if they name this function."""
    if marked_function(group) != function:
        return Ownership.EXTERNAL
    return Ownership.ADOPTED if ADOPTED_FOR in group.tags else Ownership.CREATED


def marked_function(group: Group) -> FunctionArn | None:
    """Return the function that a group's mark names; None if the group has no valid mark.

    A mark is valid only in the partition, account and region of the function that it names, and neither on a group of
    another compute platform nor on one that CloudFormation manages.
    """
    mark = group.tags.get(ADOPTED_FOR, group.tags.get(CREATED_FOR))
    if mark is None or group.compute_platform != COMPUTE_PLATFORM or _is_managed_by_cloudformation(group):
        return None
    _, partition, _, region, account, _ = group.arn.split(":", 5)
    prefix = f"arn:{partition}:lambda:{region}:{account}:function:"
    name = mark.removeprefix(prefix)
    if name == mark or not name or ":" in name:
        return None
    return FunctionArn(account=account, region=region, name=name)


def is_adoptable(group: Group, adopt: AdoptExistingGroups) -> bool:
    """Return whether an external group may be adopted, by the tags that it has.

    The caller must have read them with ListTagsForResource: other answers may leave them out.
    """
    if group.compute_platform != COMPUTE_PLATFORM:
        return False
    match adopt:
        case AdoptExistingGroups.NONE:
            return False
        case AdoptExistingGroups.UNTAGGED:
            return not group.tags
        case AdoptExistingGroups.ALL:
            has_room = len(group.tags) < MAX_TAGS or ADOPTED_FOR in group.tags
            return has_room and marked_function(group) is None and not _is_managed_by_cloudformation(group)


def _is_managed_by_cloudformation(group: Group) -> bool:
    return any(map(_CLOUDFORMATION.match, group.tags))
