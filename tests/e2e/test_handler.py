"""The deployed bundle under the runtime client, with the deployed role: what each event comes to, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.e2e.deployment import function_arn
from tests.records import Json, envelope, record

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

WRITES = {"CreateProfilingGroup", "TagResource"}
THROTTLED = {"code": "ThrottlingException", "status": 429}


def operations(calls: list[Json]) -> list[str]:
    """Return the names of the operations, in order."""
    return [call["operation"] for call in calls]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("create-function-refused", "api_call_failed"),
        ("create-function-access-denied", "api_call_failed"),
        ("create-function-url-config", "not_a_trigger"),
        ("cloudfront-create-function", "not_a_trigger"),
        ("update-function-code", "not_a_trigger"),
        ("update-function-configuration", "not_a_trigger"),
        ("delete-function", "not_a_trigger"),
    ],
)
def test_what_the_policy_does_not_ask_for_does_not_pass_the_rule_and_is_skipped_if_it_does(
    deployment: Deployment, name: str, reason: str
) -> None:
    """No AWS call either way."""
    (delivery,) = deployment.sandbox.put_cloudtrail(record(name))
    assert delivery["matched_rules"] == []
    outcome, calls = deployment.invoke(envelope(record(name)))
    assert (outcome["action"], outcome["reason"], calls) == ("skipped", reason, [])


def test_whatever_tags_a_function_has_the_create_is_accepted_and_the_log_says_what_was_dropped(
    deployment: Deployment,
) -> None:
    """60 tags, reserved ones, and characters that a tag may not have."""
    tags = {f"k{number:02}": "v" for number in range(57)}
    tags |= {"aws:cloudformation:stack-name": "s", "odd": "semi;colon", "crab🦀": "v"}
    name = deployment.create_function(Tags=tags)
    found = deployment.tags(f"aws-lambda-{name}")
    assert found is not None
    assert len(found) == 50
    assert found["managed-by"] == "profiling-group-provisioner"
    assert found["profiling-group-provisioner:created-for"] == function_arn(name)
    (outcome,) = (
        each for each in deployment.account.outcomes(deployment.function) if str(each["function"]).endswith(name)
    )
    assert outcome["action"] == "created"
    dropped = {tag["key"] for tag in outcome["dropped_tags"]}
    assert dropped == tags.keys() - found.keys()
    assert {"aws:cloudformation:stack-name", "odd", "crab🦀"} <= dropped


def test_a_burst_of_creations_waits_its_turn_and_none_is_lost(deployment: Deployment) -> None:
    """More at once than there is concurrency, against an API that throttles."""
    deployment.sandbox.set_faults(
        # One less than an event can get, in three attempts of four calls each.
        {"service": "codeguruprofiler", "operation": "CreateProfilingGroup", "error": THROTTLED, "times": 11}
    )
    prefix = f"burst-{uuid4().hex[:6]}"
    request = {"Runtime": "python3.13", "Handler": "app.handler", "Code": {"ZipFile": b"no code is run"}}
    for number in range(60):
        deployment.account.awslambda.create_function(
            FunctionName=f"{prefix}-{number}", Role=deployment.account.role("function"), **request
        )
    deployment.sandbox.wait_until_idle()
    assert deployment.groups(prefix) == {f"aws-lambda-{prefix}-{number}" for number in range(60)}
    assert deployment.letters() == []
