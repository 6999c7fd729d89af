"""The deployed bundle under the runtime client, with the deployed role: what each event comes to, and what it costs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.e2e.deployment import adopted_for, creation, function_arn
from tests.records import Json, envelope, record

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

WRITES = {"CreateProfilingGroup", "TagResource"}
THROTTLED = {"code": "ThrottlingException", "status": 429}


def operations(calls: list[Json]) -> list[str]:
    """Return the names of the operations, in order."""
    return [call["operation"] for call in calls]


def test_a_creation_costs_three_calls_and_the_same_again_four_and_no_write(deployment: Deployment) -> None:
    """Two reads and one create; then the create is refused, which is how the group is found."""
    name = deployment.hold_function("counted", Tags={"team": "billing"})
    event = creation(name)
    outcome, calls = deployment.invoke(event)
    assert (outcome["action"], outcome["group"]) == ("created", "aws-lambda-counted")
    assert operations(calls) == ["GetFunctionConfiguration", "ListTags", "CreateProfilingGroup"]
    before = deployment.tags("aws-lambda-counted")
    outcome, calls = deployment.invoke(event)
    assert outcome["action"] == "exists"
    assert operations(calls) == [
        "GetFunctionConfiguration",
        "ListTags",
        "CreateProfilingGroup",
        "DescribeProfilingGroup",
    ]
    assert [call["status"] for call in calls if call["operation"] in WRITES] == [409]
    assert deployment.tags("aws-lambda-counted") == before


def test_a_retagging_costs_six_calls_and_one_that_changes_nothing_four(deployment: Deployment) -> None:
    """Two reads, a create that is refused, a look at the group, the write, and whether all is still as it was."""
    name = deployment.create_function(Tags={"team": "billing"})
    with deployment.unheard():
        deployment.tag(name, team="payments")
    event = envelope(json.loads(json.dumps(record("tag-resource")).replace("invoice-renderer", name)))
    outcome, calls = deployment.invoke(event)
    assert outcome["action"] == "updated"
    found = ["GetFunctionConfiguration", "ListTags", "CreateProfilingGroup", "DescribeProfilingGroup"]
    assert operations(calls) == [*found, "TagResource", "ListTags"]
    outcome, calls = deployment.invoke(event)
    assert outcome["action"] == "exists"
    assert operations(calls) == found


@pytest.mark.parametrize(
    ("tags", "outcome_", "further", "after"),
    [
        ({}, ("updated", None), ["ListTagsForResource", "TagResource", "ListTags"], {"team": "billing"}),
        ({"team": "infra"}, ("exists", "owned_elsewhere"), [], {"team": "infra"}),
    ],
    ids=["untagged", "tagged"],
)
def test_an_existing_group_is_adopted_for_three_calls_more_or_costs_none(
    deployment: Deployment,
    tags: dict[str, str],
    outcome_: tuple[str, str | None],
    further: list[str],
    after: dict[str, str],
) -> None:
    """Its tags are listed, it is tagged, and the function's tags are read again; an external group is not written."""
    name = deployment.hold_function(f"made-before-{len(tags)}", Tags={"team": "billing"})
    deployment.make_group(f"aws-lambda-{name}", tags=tags)
    outcome, calls = deployment.invoke(creation(name))
    assert (outcome["action"], outcome["reason"]) == outcome_
    found = ["GetFunctionConfiguration", "ListTags", "CreateProfilingGroup", "DescribeProfilingGroup"]
    assert operations(calls) == [*found, *further]
    assert deployment.tags(f"aws-lambda-{name}") == after | (adopted_for(name) if further else {})


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


def test_a_function_that_is_gone_by_the_time_of_its_event_is_skipped(deployment: Deployment) -> None:
    """What the event says is not trusted over a fresh read."""
    outcome, _ = deployment.invoke(creation("gone-already"))
    assert (outcome["action"], outcome["reason"]) == ("skipped", "function_gone")


@pytest.mark.parametrize(
    "written",
    [
        "arn:aws:lambda:eu-west-1:444455556666:function:same-one",
        "arn:aws:lambda:eu-west-1:444455556666:function:same-one:live",
        "444455556666:function:same-one",
        "same-one:$LATEST",
    ],
)
def test_however_the_event_names_the_function_it_is_the_same_group(deployment: Deployment, written: str) -> None:
    """The Lambda API takes all these forms."""
    if deployment.tags("aws-lambda-same-one") is None:
        deployment.create_function("same-one")
    outcome, _ = deployment.invoke(creation("same-one", requestParameters={"functionName": written}))
    assert (outcome["action"], outcome["group"]) == ("exists", "aws-lambda-same-one")


@pytest.mark.parametrize("name", ["renderer.v2", "renderer v2", "größe", "x" * 64, "y" * 200])
def test_whatever_a_function_is_called_its_group_has_a_valid_name(deployment: Deployment, name: str) -> None:
    """Lambda refuses most of these: it takes 64 letters, digits, - and _. The mark has room for an ARN of 256."""
    deployment.hold_function(name)
    outcome, calls = deployment.invoke(creation(name))
    assert outcome.get("action") == "created", outcome
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", outcome["group"])
    assert [call["status"] for call in calls if call["operation"] == "CreateProfilingGroup"] == [201]
    assert deployment.invoke(creation(name))[0]["action"] == "exists"


def test_a_replica_of_lambda_at_edge_is_skipped(deployment: Deployment) -> None:
    """Its name says so; ListTags would refuse it."""
    outcome, calls = deployment.invoke(creation("us-east-1.renderer"))
    assert (outcome["action"], outcome["reason"], calls) == ("skipped", "edge_replica", [])


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


def test_an_event_in_which_another_account_is_forged_touches_nothing(deployment: Deployment) -> None:
    """Neither when the record contradicts its envelope, nor when both lie: it is not this deployment's account."""
    deployment.create_function("victim", Tags={"codeguru-profiler": "off"})
    groups = deployment.account.profiler.list_profiling_groups()["profilingGroupNames"]
    event = creation("victim")
    event["detail"] |= {"recipientAccountId": "111122223333"}
    error, calls = deployment.invoke(event)
    assert "recipientAccountId" in error["errorMessage"]
    assert calls == []
    event |= {"account": "111122223333"}
    event["detail"] |= {"requestParameters": {"functionName": "victim"}, "responseElements": None}
    outcome, calls = deployment.invoke(event)
    assert (outcome["action"], outcome["reason"], calls) == ("skipped", "not_a_trigger", [])
    assert deployment.account.profiler.list_profiling_groups()["profilingGroupNames"] == groups


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ({}, "'detail' is missing"),
        ("CreateFunction", "the event is 'CreateFunction'"),
        (["CreateFunction"], "a list"),
        (None, "the event is None"),
        ({"detail-type": "AWS API Call via CloudTrail", "account": "444455556666"}, "'detail' is missing"),
        ({"noise": "x" * 1_000_000}, "'detail' is missing"),
        ({"detail": {"noise": "x" * 1_000_000}}, "'account' is missing"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_garbage_is_refused_by_naming_what_is_wrong_without_a_call(
    deployment: Deployment, payload: object, named: str
) -> None:
    """The error reaches whoever invoked the function."""
    error, calls = deployment.invoke(payload)
    assert error["errorType"] == "InvalidEventError"
    assert named in error["errorMessage"]
    assert calls == []


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
