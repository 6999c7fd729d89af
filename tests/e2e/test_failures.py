"""When AWS does not play along: what passes is got over, what does not ends in the dead-letter queue, whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deployment import created_for

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

CREATE = {"service": "codeguruprofiler", "operation": "CreateProfilingGroup"}


def test_a_connection_that_is_reset_once_leaves_one_group_and_one_outcome(deployment: Deployment) -> None:
    """Within the first attempt: the SDK retries it."""
    deployment.sandbox.set_faults(CREATE | {"connection": "reset", "times": 1})
    name = deployment.create_function(Tags={"team": "billing"})
    invocation = deployment.invocation(name)
    assert (invocation["state"], len(invocation["attempts"])) == ("succeeded", 1)
    assert invocation["result"]["action"] == "created"
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "billing"} | created_for(name)
    assert deployment.letters() == []


@pytest.mark.parametrize(
    ("fault", "said", "sent"),
    [
        ({"error": {"code": "ThrottlingException", "status": 429}}, "throttled: ", 12),
        ({"error": {"code": "ServiceQuotaExceededException", "status": 402}}, "quota_exceeded: ", 3),
    ],
    ids=["throttled", "quota"],
)
def test_what_does_not_pass_ends_as_a_dead_letter_whole_and_with_its_reason(
    deployment: Deployment, fault: dict[str, object], said: str, sent: int
) -> None:
    """Three attempts of Lambda's, each with four of the SDK's, or one where more are pointless; nothing half-made."""
    deployment.sandbox.set_faults(CREATE | fault)
    before = len([call for call in deployment.sandbox.calls() if call["operation"] == CREATE["operation"]])
    name = deployment.create_function()
    calls = [call for call in deployment.sandbox.calls() if call["operation"] == CREATE["operation"]]
    assert len(calls) - before == sent
    invocation = deployment.invocation(name)
    assert (invocation["state"], len(invocation["attempts"])) == ("failed", 3)
    assert deployment.tags(f"aws-lambda-{name}") is None
    (letter,) = deployment.letters()
    assert json.loads(letter["Body"]) == invocation["payload"]
    error = letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert said in error
    assert f"profilingGroup/aws-lambda-{name}" in error


def test_a_quota_that_is_used_up_is_told_with_the_code_to_raise_it_by(deployment: Deployment) -> None:
    """The sandbox's own quota, not a fault."""
    deployment.sandbox.set_quota(0)
    name = deployment.create_function()
    (letter,) = deployment.letters()
    assert "L-DA8D4E8D" in letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert deployment.tags(f"aws-lambda-{name}") is None


def test_an_event_that_cannot_be_delivered_ends_in_the_same_queue(deployment: Deployment) -> None:
    """EventBridge may not invoke the function: that is the rule's own way to the dead letters."""
    awslambda = deployment.account.awslambda
    (statement,) = json.loads(awslambda.get_policy(FunctionName=deployment.function)["Policy"])["Statement"]
    awslambda.remove_permission(FunctionName=deployment.function, StatementId=statement["Sid"])
    try:
        name = deployment.create_function()
        (letter,) = deployment.letters()
    finally:
        awslambda.add_permission(
            FunctionName=deployment.function,
            StatementId="restored",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=statement["Condition"]["ArnLike"]["AWS:SourceArn"],
        )
    assert json.loads(letter["Body"])["detail"]["requestParameters"]["functionName"] == name
    assert letter["MessageAttributes"]["RULE_ARN"]["StringValue"].endswith(deployment.rule)
    assert deployment.create_function() is not None
    assert deployment.letters() == []
