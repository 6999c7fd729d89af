"""The role's policy: every action that it allows is needed, and what is needed is missed when it is taken away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.deployment import Deployment


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
        profiler = deployment.account.profiler
        profiler.create_profiling_group(profilingGroupName=group, computePlatform="AWSLambda", clientToken="agent")
        try:
            deployment.create_function("adopted", Tags={"team": "billing"})
            assert deployment.tags(group) == {}
            (letter,) = deployment.letters()
            assert action in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
        finally:
            profiler.delete_profiling_group(profilingGroupName=group)
            deployment.account.awslambda.delete_function(FunctionName="adopted")

    return check


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


def leaves_no_trace(deployment: Deployment) -> None:
    """X-Ray hears nothing."""
    before = traces(deployment)
    deployment.create_function()
    assert traces(deployment) == before


def is_for_lambdas_own_daemon(deployment: Deployment) -> None:
    """PutTelemetryRecords: Lambda's X-Ray daemon reports on itself by it; AWS asks for it with active tracing.

    Nothing that can be read back depends on it, so there is only that the sandbox's daemon is refused it.
    """
    name = deployment.create_function()
    assert deployment.tags(f"aws-lambda-{name}") is not None


def traces(deployment: Deployment) -> set[Any]:
    """Return the ids of all traces."""
    xray = deployment.account.client("xray")
    found = xray.get_trace_summaries(StartTime=0, EndTime=4_000_000_000)["TraceSummaries"]
    return {summary["Id"] for summary in found}


MISSED: dict[str, Callable[[Deployment], None]] = {
    "lambda:GetFunctionConfiguration": fails_a_creation("lambda:GetFunctionConfiguration"),
    "lambda:ListTags": fails_a_creation("lambda:ListTags"),
    "codeguru-profiler:CreateProfilingGroup": fails_a_creation("codeguru-profiler:CreateProfilingGroup"),
    "codeguru-profiler:DescribeProfilingGroup": fails_an_adoption("codeguru-profiler:DescribeProfilingGroup"),
    "codeguru-profiler:TagResource": fails_an_adoption("codeguru-profiler:TagResource"),
    "sqs:SendMessage": loses_its_dead_letter,
    "logs:CreateLogStream": leaves_no_record,
    "logs:PutLogEvents": leaves_no_record,
    "xray:PutTraceSegments": leaves_no_trace,
    "xray:PutTelemetryRecords": is_for_lambdas_own_daemon,
}


def test_the_role_allows_just_what_is_listed_here(deployment: Deployment) -> None:
    """Each with what is missed without it; and on everything only where the service takes no resource."""
    allowed = deployment.allowed()
    assert allowed.keys() == MISSED.keys()
    assert {action for action, resource in allowed.items() if resource == "*"} == {
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    }
    assert "*" not in json.dumps(list(allowed))


@pytest.mark.parametrize("action", MISSED)
def test_an_action_that_is_taken_away_is_missed(deployment: Deployment, action: str) -> None:
    """So none is allowed in vain."""
    # A running environment has its log stream already.
    deployment.account.awslambda.update_function_configuration(FunctionName=deployment.function, Description=action)
    with deployment.without(action):
        MISSED[action](deployment)


def test_nothing_is_missed_while_nothing_is_taken_away(deployment: Deployment) -> None:
    """The checks above would fail here: a creation leaves its group, its record and its trace."""
    before = traces(deployment)
    name = deployment.create_function()
    assert deployment.tags(f"aws-lambda-{name}") is not None
    assert any(str(each["function"]).endswith(name) for each in deployment.account.outcomes(deployment.function))
    assert traces(deployment) > before
