"""Whose a group is, by its tags alone, and what may be done about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from profiling_groups.decision import deletion_blocker
from profiling_groups.functions import FunctionArn
from profiling_groups.groups import Group
from profiling_groups.ownership import Ownership, is_adoptable, read_ownership
from profiling_groups.policy import AdoptExistingGroups, Lifecycle, Policy, WhenDeleted

FUNCTION = FunctionArn(account="444455556666", region="eu-west-1", name="renderer")
CREATED = "profiling-group-provisioner:created-for"
ADOPTED = "profiling-group-provisioner:adopted-for"
OTHER = f"{FUNCTION}-2"
COMMAND = "aws codeguruprofiler delete-profiling-group --profiling-group-name aws-lambda-renderer --region eu-west-1"
NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


def group(tags: dict[str, str], *, platform: str = "AWSLambda", active: int | None = 31) -> Group:
    """Return the function's group with these tags, active so many days ago."""
    return Group(
        arn="arn:aws:codeguru-profiler:eu-west-1:444455556666:profilingGroup/aws-lambda-renderer",
        compute_platform=platform,
        tags=tags,
        last_active=None if active is None else NOW - timedelta(days=active),
    )


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({CREATED: str(FUNCTION), "team": "a"}, Ownership.CREATED),
        ({ADOPTED: str(FUNCTION)}, Ownership.ADOPTED),
        ({ADOPTED: str(FUNCTION), CREATED: str(FUNCTION)}, Ownership.ADOPTED),
        ({ADOPTED: str(FUNCTION), CREATED: OTHER}, Ownership.ADOPTED),
        ({ADOPTED: OTHER, CREATED: str(FUNCTION)}, Ownership.EXTERNAL),
        ({}, Ownership.EXTERNAL),
        ({"team": "a"}, Ownership.EXTERNAL),
        ({"managed-by": "profiling-group-provisioner"}, Ownership.EXTERNAL),
        ({CREATED: OTHER}, Ownership.EXTERNAL),
        ({CREATED: ""}, Ownership.EXTERNAL),
        ({CREATED: "renderer"}, Ownership.EXTERNAL),
        ({CREATED: f"{FUNCTION}:1"}, Ownership.EXTERNAL),
        ({CREATED: str(FUNCTION).replace("444455556666", "444455556667")}, Ownership.EXTERNAL),
        ({CREATED: str(FUNCTION).replace("eu-west-1", "eu-west-2")}, Ownership.EXTERNAL),
        ({CREATED: str(FUNCTION).replace("arn:aws:", "arn:aws-cn:")}, Ownership.EXTERNAL),
        ({CREATED.upper(): str(FUNCTION)}, Ownership.EXTERNAL),
        ({CREATED: str(FUNCTION), "aws:cloudformation:stack-name": "s"}, Ownership.EXTERNAL),
        ({ADOPTED: str(FUNCTION), "aws:cloudformation:logical-id": "g"}, Ownership.EXTERNAL),
    ],
)
def test_ownership_is_read_from_marks_that_name_the_function(tags: dict[str, str], expected: Ownership) -> None:
    """A mark counts in its own partition, account and region only, and never beside CloudFormation's tags."""
    assert read_ownership(group(tags), FUNCTION) is expected
    assert read_ownership(group(tags, platform="Default"), FUNCTION) is Ownership.EXTERNAL


@pytest.mark.parametrize(
    ("adopt", "tags", "expected"),
    [
        (AdoptExistingGroups.UNTAGGED, {}, True),
        (AdoptExistingGroups.UNTAGGED, {"team": "a"}, False),
        (AdoptExistingGroups.UNTAGGED, {"aws:cloudformation:stack-name": "s"}, False),
        (AdoptExistingGroups.NONE, {}, False),
        (AdoptExistingGroups.ALL, {}, True),
        (AdoptExistingGroups.ALL, {"managed-by": "terraform"}, True),
        (AdoptExistingGroups.ALL, {CREATED: "arn:aws:lambda:us-east-1:111122223333:function:renderer"}, True),
        (AdoptExistingGroups.ALL, {CREATED: OTHER}, False),
        (AdoptExistingGroups.ALL, {"aws:cloudformation:stack-name": "s"}, False),
        (AdoptExistingGroups.ALL, {f"k{number}": "v" for number in range(49)}, True),
        (AdoptExistingGroups.ALL, {f"k{number}": "v" for number in range(50)}, False),
    ],
)
def test_adoption_follows_the_policy_and_needs_room_for_the_mark(
    adopt: AdoptExistingGroups, tags: dict[str, str], *, expected: bool
) -> None:
    """A group of CloudFormation's, of another function or of another compute platform is never adopted."""
    assert is_adoptable(group(tags), adopt) is expected
    assert not is_adoptable(group(tags, platform="Default"), adopt)


def deleting(days: int) -> Policy:
    """Return a policy that deletes, with this grace."""
    return Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=days))


@pytest.mark.parametrize(
    ("policy", "tags", "active", "blocker"),
    [
        (deleting(30), {CREATED: str(FUNCTION)}, 31, None),
        (deleting(30), {CREATED: str(FUNCTION)}, 30, None),
        (deleting(30), {CREATED: str(FUNCTION)}, 29, "it is kept until 2026-04-01 12:00 UTC"),
        (deleting(30), {CREATED: str(FUNCTION)}, None, "its age is unknown"),
        (deleting(0), {CREATED: str(FUNCTION)}, None, None),
        # AWS's clock may be ahead.
        (deleting(0), {CREATED: str(FUNCTION)}, -1, None),
        (deleting(0), {"managed-by": "profiling-group-provisioner"}, 31, "it is managed by somebody else"),
        (deleting(0), {CREATED: OTHER}, 31, "it is managed by somebody else"),
        (deleting(0), {}, 31, "it is managed by somebody else"),
        (
            deleting(0),
            {ADOPTED: str(FUNCTION)},
            31,
            f"it was adopted, and only its owner deletes it: {COMMAND}",
        ),
        (Policy(), {CREATED: str(FUNCTION)}, 99, "the policy keeps it"),
    ],
)
def test_deletion_is_blocked_by_policy_owner_and_grace(
    policy: Policy, tags: dict[str, str], active: int | None, blocker: str | None
) -> None:
    """What the group itself says; `cleanup` knows the rest."""
    found = deletion_blocker(group(tags, active=active), FUNCTION, policy, now=NOW)
    assert found is None if blocker is None else found is not None and found.startswith(blocker)
