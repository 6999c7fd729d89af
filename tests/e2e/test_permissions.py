"""The role's policy: every action that it allows is needed, and what is needed is missed when it is taken away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.e2e.deployment import created_for, function_arn, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.deployment import Deployment
    from tests.e2e.governed import Governed


def fails_a_creation(action: str) -> Callable[[Deployment], None]:
    """The function cannot do its work; the dead letter names the action."""

    def check(deployment: Deployment) -> None:
        name = deployment.create_function(Tags={"team": "billing"})
        assert deployment.tags(f"aws-lambda-{name}") is None
        (letter,) = deployment.letters()
        error = letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
        assert "access_denied: " in error
        assert action in error

    return check


def fails_an_adoption(action: str) -> Callable[[Deployment], None]:
    """A group that the agent made first keeps lacking its tags; the dead letter names the action."""

    def check(deployment: Deployment) -> None:
        group = "aws-lambda-adopted"
        deployment.make_group(group)
        try:
            deployment.create_function("adopted", Tags={"team": "billing"})
            assert deployment.tags(group) == {}
            (letter,) = deployment.letters()
            assert action in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
        finally:
            deployment.account.profiler.delete_profiling_group(profilingGroupName=group)
            deployment.account.awslambda.delete_function(FunctionName="adopted")

    return check


def leaves_a_tag(action: str) -> Callable[[Deployment], None]:
    """A tag that the function loses stays on the group; the dead letter names the action."""

    def check(deployment: Deployment) -> None:
        name = deployment.create_function(Tags={"team": "billing"})
        deployment.untag(name, "team")
        assert deployment.tags(f"aws-lambda-{name}") == {"team": "billing"} | created_for(name)
        (letter,) = deployment.letters()
        assert action in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]

    return check


def leaves_the_agent_out(action: str) -> Callable[[Deployment], None]:
    """The function's role may not report to its group; the dead letter names the action."""

    def check(deployment: Deployment) -> None:
        name = deployment.create_function()
        assert deployment.agents(f"aws-lambda-{name}") == []
        (letter,) = deployment.letters()
        assert action in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]

    return check


def leaves_the_group(action: str) -> Callable[[Deployment], None]:
    """A group outlives its function and the next backfill, whose outcome names the action."""

    def check(deployment: Deployment) -> None:
        name = deployment.create_function()
        deployment.delete_function(name)
        run = deployment.backfill()
        assert outcome(run, name) == ("failed", "access_denied")
        (detail,) = (each["detail"] for each in run["outcomes"] if each["function"] == function_arn(name))
        assert action in detail
        assert deployment.tags(f"aws-lambda-{name}") == created_for(name)

    return check


def cannot_sweep(deployment: Deployment) -> None:
    """A backfill ends in an error that names the action."""
    error, _ = deployment.invoke({"action": "backfill"})
    assert error["errorType"] == "InventoryDeniedError"
    assert "lambda:ListFunctions on *" in error["errorMessage"]


def reads_tags_one_by_one(deployment: Deployment) -> None:
    """A backfill has to ask for each function's tags."""
    name = deployment.hold_function(f"function-{uuid4().hex[:12]}", Tags={"team": "billing"})
    run, calls = deployment.invoke({"action": "backfill"})
    assert run["complete"]
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "billing"} | created_for(name)
    assert "ListTags" in {call["operation"] for call in calls}


def does_not_know_the_groups(deployment: Deployment) -> None:
    """A backfill looks for each group on its own, and cannot tell how many there are."""
    name = deployment.create_function()
    run, calls = deployment.invoke({"action": "backfill"})
    assert run["totals"]["groups"] is None
    assert "DescribeProfilingGroup" in {call["operation"] for call in calls}
    assert deployment.tags(f"aws-lambda-{name}") == created_for(name)


def assumes_a_quota(deployment: Deployment) -> None:
    """A backfill does not know that there may be more groups than usual."""
    deployment.sandbox.set_quota(1234)
    run, _ = deployment.invoke({"action": "backfill"})
    assert run["totals"]["quota"] == 500


def loses_its_dead_letter(deployment: Deployment) -> None:
    """An event that cannot be worked on is gone."""
    deployment.sandbox.set_quota(0)
    name = deployment.create_function()
    assert deployment.invocation(name)["state"] == "failed"
    assert deployment.letters() == []


def leaves_no_record(deployment: Deployment) -> None:
    """The outcome is nowhere to be read."""
    name = deployment.create_function()
    outcomes = deployment.account.outcomes(deployment.function)
    assert not any(str(outcome["function"]).endswith(name) for outcome in outcomes)


def is_for_lambdas_own_daemon(deployment: Deployment) -> None:
    """Lambda's X-Ray daemon sends segments and reports on itself, for which AWS requires both with active tracing.

    The sandbox has no such daemon. So this shows only that the function itself does not need them.
    """
    name = deployment.create_function()
    assert deployment.tags(f"aws-lambda-{name}") is not None


ALWAYS_MISSED: dict[str, Callable[[Deployment], None]] = {
    "lambda:GetFunctionConfiguration": fails_a_creation("lambda:GetFunctionConfiguration"),
    "lambda:ListTags": fails_a_creation("lambda:ListTags"),
    "codeguru-profiler:CreateProfilingGroup": fails_a_creation("codeguru-profiler:CreateProfilingGroup"),
    "codeguru-profiler:DescribeProfilingGroup": fails_an_adoption("codeguru-profiler:DescribeProfilingGroup"),
    "codeguru-profiler:ListTagsForResource": fails_an_adoption("codeguru-profiler:ListTagsForResource"),
    "codeguru-profiler:TagResource": fails_an_adoption("codeguru-profiler:TagResource"),
    "codeguru-profiler:UntagResource": leaves_a_tag("codeguru-profiler:UntagResource"),
    "lambda:ListFunctions": cannot_sweep,
    "tag:GetResources": reads_tags_one_by_one,
    "codeguru-profiler:ListProfilingGroups": does_not_know_the_groups,
    "servicequotas:GetServiceQuota": assumes_a_quota,
    "sqs:SendMessage": loses_its_dead_letter,
    "logs:CreateLogStream": leaves_no_record,
    "logs:PutLogEvents": leaves_no_record,
    "xray:PutTraceSegments": is_for_lambdas_own_daemon,
    "xray:PutTelemetryRecords": is_for_lambdas_own_daemon,
}


EVERYTHING = {
    "group.grant_agent": True,
    "lifecycle.follow_configuration": True,
    "lifecycle.when_function_is_deleted": "delete",
    "lifecycle.orphan_grace_days": 0,
}
"""The policy that asks for the most, by what it has changed."""
MISSED = {
    "as it ships": ALWAYS_MISSED,
    "everything": ALWAYS_MISSED
    | {
        "codeguru-profiler:GetPolicy": leaves_the_agent_out("codeguru-profiler:GetPolicy"),
        "codeguru-profiler:PutPermission": leaves_the_agent_out("codeguru-profiler:PutPermission"),
        "codeguru-profiler:DeleteProfilingGroup": leaves_the_group("codeguru-profiler:DeleteProfilingGroup"),
    },
}


def under(policy: str, request: pytest.FixtureRequest) -> Deployment:
    """Return the stack as it is deployed under a policy."""
    if policy == "as it ships":
        shipped: Deployment = request.getfixturevalue("deployment")
        return shipped
    governed: Governed = request.getfixturevalue("governed")
    return governed.obey(EVERYTHING)


@pytest.mark.parametrize("policy", MISSED)
def test_the_role_allows_just_what_is_listed_here(policy: str, request: pytest.FixtureRequest) -> None:
    """Each with what is missed without it; and on everything only where the service takes no resource."""
    allowed = under(policy, request).allowed()
    assert allowed.keys() == MISSED[policy].keys()
    assert {action for action, resource in allowed.items() if resource == "*"} == {
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "lambda:ListFunctions",
        "tag:GetResources",
        "codeguru-profiler:CreateProfilingGroup",
        "codeguru-profiler:ListProfilingGroups",
    }
    assert "*" not in json.dumps(list(allowed))


@pytest.mark.parametrize(("policy", "action"), [(policy, action) for policy in MISSED for action in MISSED[policy]])
def test_an_action_that_is_taken_away_is_missed(policy: str, action: str, request: pytest.FixtureRequest) -> None:
    """So none is allowed in vain."""
    deployment = under(policy, request)
    # A running environment has its log stream already.
    deployment.start_afresh()
    with deployment.without(action):
        MISSED[policy][action](deployment)


@pytest.mark.parametrize("policy", MISSED)
def test_nothing_is_missed_while_nothing_is_taken_away(policy: str, request: pytest.FixtureRequest) -> None:
    """The checks above would fail here: all is done, with its record, and there is no dead letter."""
    deployment = under(policy, request)
    name = deployment.create_function(Tags={"team": "billing"})
    deployment.untag(name, "team")
    assert deployment.tags(f"aws-lambda-{name}") == created_for(name)
    assert deployment.agents(f"aws-lambda-{name}") == (["function"] if policy == "everything" else [])
    assert deployment.outcomes(name) == [("created", None), ("updated", None)]
    deployment.sandbox.set_quota(1234)
    # What the checks have left without a group gets it first.
    deployment.invoke({"action": "backfill"})
    run, calls = deployment.invoke({"action": "backfill"})
    assert run["totals"]["quota"] == 1234
    assert run["totals"]["groups"] == len(deployment.groups(""))
    assert "CreateProfilingGroup" not in {call["operation"] for call in calls}
    deployment.delete_function(name)
    deployment.backfill()
    assert deployment.tags(f"aws-lambda-{name}") == (None if policy == "everything" else created_for(name))
    assert deployment.letters() == []
