"""Whose a group is, in the deployed stack: what others own is not touched, and what was adopted is not deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.e2e import aws_cli
from tests.e2e.deployment import ACCOUNT, REGION, adopted_for, created_for, function_arn, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.deployment import Deployment
    from tests.e2e.governed import Governed
    from tests.records import Json

MARKS = "profiling-group-provisioner:"
WRITES = {"TagResource", "UntagResource", "DeleteProfilingGroup", "PutPermission"}
DELETES = {"lifecycle.when_function_is_deleted": "delete", "lifecycle.orphan_grace_days": 0}


@pytest.fixture
def deleting(governed: Governed) -> Deployment:
    """The stack under a policy by which a backfill deletes at once, in an account without other functions."""
    deployment = governed.obey(DELETES)
    deployment.empty()
    for group in deployment.groups(""):
        deployment.account.profiler.delete_profiling_group(profilingGroupName=group)
    return deployment


def writes(deployment: Deployment, since: int) -> list[Json]:
    """Return the calls of the stack's functions by which a group was changed."""
    calls = deployment.sandbox.calls(since=since)
    return [
        call
        for call in calls
        if call["principal"] and call["service"] == "codeguruprofiler" and call["operation"] in WRITES
    ]


def latest_call(deployment: Deployment) -> int:
    """Return the number of the latest call."""
    return max((call["seq"] for call in deployment.sandbox.calls()), default=0)


EXTERNAL = {
    "with tags of another owner": {"team": "infra", "managed-by": "terraform-cloud"},
    "with our managed-by": {"managed-by": "profiling-group-provisioner"},
    "created for another function": {f"{MARKS}created-for": function_arn("another")},
}
"""Groups that are not ours, by what their tags say."""


@pytest.mark.parametrize("tags", EXTERNAL.values(), ids=EXTERNAL)
def test_a_group_of_another_owner_is_never_touched(deleting: Deployment, tags: Mapping[str, str]) -> None:
    """Neither by its function's events nor by a backfill, and not after its function has gone."""
    name, group = "renderer", "aws-lambda-renderer"
    deleting.create_function("another")
    tags = {key: value.format(name=name) for key, value in tags.items()}
    deleting.make_group(group, tags=tags)
    before = latest_call(deleting)
    earlier = len(deleting.outcomes(name))

    deleting.create_function(name, Tags={"team": "shop", "managed-by": "sam"})
    deleting.tag(name, team="fulfilment")
    deleting.untag(name, "managed-by")
    assert deleting.outcomes(name)[earlier:] == [("exists", "owned_elsewhere")] * 3
    run = deleting.backfill()
    assert (run["totals"]["eligible"], run["totals"]["covered"]) == (2, 2)
    assert outcome(run, name) == ("exists", "owned_elsewhere")

    deleting.tag(name, **{"codeguru-profiler": "off"})
    assert outcome(deleting.backfill(), name) == ("skipped", "opted_out")
    deleting.delete_function(name)
    deleting.backfill()
    assert writes(deleting, before) == []
    assert deleting.tags(group) == tags


def test_a_person_releases_a_group_by_removing_its_mark(deleting: Deployment) -> None:
    """As it still has tags, it is external from then on."""
    name = deleting.create_function("released", Tags={"team": "shop"})
    group = deleting.account.profiler.describe_profiling_group(profilingGroupName=f"aws-lambda-{name}")
    arn = group["profilingGroup"]["arn"]
    deleting.account.profiler.untag_resource(resourceArn=arn, tagKeys=[f"{MARKS}created-for"])
    deleting.tag(name, team="fulfilment")
    assert deleting.outcomes(name)[-1] == ("exists", "owned_elsewhere")
    deleting.delete_function(name)
    deleting.backfill()
    tags = created_for(name) | {"team": "shop"}
    del tags[f"{MARKS}created-for"]
    assert deleting.tags(f"aws-lambda-{name}") == tags


def test_no_tag_of_a_function_becomes_a_mark_and_no_event_removes_one(deleting: Deployment) -> None:
    """Keys that begin as the marks do are not inherited; the record says so."""
    name = deleting.create_function("marked", Tags={f"{MARKS}adopted-for": function_arn("marked"), "team": "shop"})
    tags = {"team": "shop"} | created_for(name)
    assert deleting.tags(f"aws-lambda-{name}") == tags
    (record,) = (
        each for each in deleting.account.outcomes(deleting.function) if each["function"] == function_arn(name)
    )
    assert [each["key"] for each in record["dropped_tags"]] == [f"{MARKS}adopted-for"]
    deleting.untag(name, f"{MARKS}adopted-for")
    deleting.untag(name, f"{MARKS}created-for")
    assert deleting.tags(f"aws-lambda-{name}") == tags


def test_an_adopted_group_is_orphaned_and_its_owner_deletes_it(deleting: Deployment) -> None:
    """By the command in the detail."""
    deleting.make_group("aws-lambda-adopted")
    name = deleting.create_function("adopted")
    deleting.delete_function(name)
    run = deleting.backfill()
    assert outcome(run, name) == ("orphaned", "function_gone")
    assert deleting.tags(f"aws-lambda-{name}") == adopted_for(name)
    (detail,) = (each["detail"] for each in run["outcomes"] if each["function"] == function_arn(name))
    command = detail[detail.index("aws codeguruprofiler ") :]
    aws_cli.run(command, client=lambda service, **_: deleting.account.client(service), other=list)
    assert deleting.tags(f"aws-lambda-{name}") is None


def names_it(deployment: Deployment) -> None:
    """Another function's environment names the group."""
    named = {"Variables": {"AWS_CODEGURU_PROFILER_GROUP_NAME": "aws-lambda-leaving"}}
    deployment.create_function("user", Environment=named)


def names_its_arn(deployment: Deployment) -> None:
    """Another function's environment names it by its ARN, which wins, beside the name of yet another group."""
    arn = f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/aws-lambda-leaving"
    named = {"AWS_CODEGURU_PROFILER_GROUP_ARN": arn, "AWS_CODEGURU_PROFILER_GROUP_NAME": "other"}
    deployment.create_function("user", Environment={"Variables": named})


@pytest.mark.parametrize("need", [names_it, names_its_arn])
@pytest.mark.parametrize("leave", ["deleted", "opted out"])
def test_a_group_that_another_function_needs_is_kept(
    deleting: Deployment, need: Callable[[Deployment], None], leave: str
) -> None:
    """Whichever way its own function leaves it."""
    name = deleting.create_function("leaving")
    need(deleting)
    if leave == "deleted":
        deleting.delete_function(name)
    else:
        deleting.tag(name, **{"codeguru-profiler": "off"})
    run = deleting.backfill()
    assert outcome(run, name) == ("orphaned", "function_gone" if leave == "deleted" else "opted_out")
    (detail,) = (each["detail"] for each in run["outcomes"] if each["function"] == function_arn(name))
    assert "the function user needs it" in detail
    assert deleting.tags(f"aws-lambda-{name}") == created_for(name)
    deleting.delete_function("user")
    assert outcome(deleting.backfill(), name) == ("deleted", "function_gone" if leave == "deleted" else "opted_out")
    assert deleting.tags(f"aws-lambda-{name}") is None


def test_events_delete_nothing(deleting: Deployment) -> None:
    """Not even where the policy deletes at once: a deletion is not heard of, and an opt-out leaves the group."""
    gone, out = deleting.create_function(f"gone-{uuid4().hex[:8]}"), deleting.create_function(f"out-{uuid4().hex[:8]}")
    invocations = len(deleting.sandbox.invocations())
    deleting.delete_function(gone)
    assert len(deleting.sandbox.invocations()) == invocations
    deleting.tag(out, **{"codeguru-profiler": "off"})
    assert deleting.outcomes(out) == [("created", None), ("skipped", "opted_out")]
    assert (deleting.tags(f"aws-lambda-{gone}"), deleting.tags(f"aws-lambda-{out}")) == (
        created_for(gone),
        created_for(out),
    )


def test_marks_are_trusted_whoever_set_them(deleting: Deployment) -> None:
    """So docs/security.md says who may tag groups can have them deleted."""
    deleting.make_group("aws-lambda-forged", tags={f"{MARKS}created-for": function_arn("never-there")})
    assert outcome(deleting.backfill(), "never-there") == ("deleted", "function_gone")
    assert deleting.tags("aws-lambda-forged") is None
