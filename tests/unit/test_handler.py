"""The entry point: what comes back, what is raised, and what is left in logs and metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from profiling_groups import events
from profiling_groups.functions import FunctionArn
from profiling_groups.handler import ProvisioningError, handler
from profiling_groups.policy import Lifecycle, Policy, WhenDeleted
from tests.records import Json, envelope, record
from tests.unit.account import ACCOUNT
from tests.unit.invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.account import Account
    from tests.unit.invocation import Traces


pytestmark = pytest.mark.usefixtures("obey")


def own_event(name: str) -> Json:
    """Return the event of a record, as if it were of the function's own account."""
    event: Json = json.loads(json.dumps(envelope(record(name))).replace("444455556666", ACCOUNT))
    return event


@pytest.fixture
def creation(account: Account) -> Json:
    """An event of a function that exists, in the account that moto plays."""
    account.function("invoice-renderer", tags={"team": "billing", "odd": "a;b"})
    return own_event("create-function")


def test_a_creation_returns_and_records_its_outcome(account: Account, creation: Json, traces: Traces) -> None:
    """One log record with every field of the outcome, correlated with the event; one metric of its action."""
    outcome = handler(creation, Context())
    assert outcome == {
        "function": "arn:aws:lambda:eu-west-1:123456789012:function:invoice-renderer",
        "group": "aws-lambda-invoice-renderer",
        "action": "created",
        "reason": None,
        "detail": None,
        "account": "123456789012",
        "region": "eu-west-1",
        "dry_run": False,
    }
    (found,) = traces.records()
    assert found["message"] == "outcome"
    assert found["log_type"] == "outcome"
    assert found["correlation_id"] == creation["id"]
    assert {key: found[key] for key in outcome} == outcome
    assert found["error_code"] is None
    assert found["dropped_tags"] == [{"key": "odd", "why": "';' may not stand in a value"}]
    metrics = traces.metrics()
    assert metrics["created"] == [1.0]
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("ProfilingGroups", [["service"]])
    assert account.groups() == ["aws-lambda-invoice-renderer"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("create-function-refused", "api_call_failed"), ("update-function-code", "not_a_trigger")],
)
def test_what_asks_for_nothing_is_a_skip_without_a_call(
    name: str, reason: str, account: Account, traces: Traces
) -> None:
    """It leaves its record and its metric all the same."""
    outcome = handler(own_event(name), Context())
    assert (outcome["action"], outcome["reason"], account.sent) == ("skipped", reason, [])
    assert [each["reason"] for each in traces.records()] == [reason]
    metrics = traces.metrics()
    assert (metrics["skipped"], metrics[f"skipped.{reason}"]) == ([1.0], [1.0])


@pytest.mark.parametrize("region", ["eusc-de-east-1", "us-gov-west-1", "cn-north-1", "us-isob-east-1"])
def test_a_region_of_another_partition_is_unsupported(region: str, account: Account) -> None:
    """Whatever its code looks like, it is a region; the profiler is offered in one partition only."""
    event = json.loads(json.dumps(own_event("create-function")).replace("eu-west-1", region))
    outcome = handler(event, Context())
    assert (outcome["action"], outcome["reason"], account.sent) == ("skipped", "region_unsupported", [])
    assert (outcome["account"], outcome["region"]) == (ACCOUNT, region)


@pytest.mark.parametrize(
    ("own", "foreign"),
    [
        (ACCOUNT, "111122223333"),
        ("eu-west-1", "us-east-1"),
        # A spoofed record in a foreign event is not acted on either.
        (f'"account": "{ACCOUNT}"', '"account": "111122223333"'),
        ('"region": "eu-west-1"', '"region": "us-east-1"'),
    ],
    ids=["account", "region", "account of the envelope", "region of the envelope"],
)
def test_an_event_of_another_account_or_region_is_not_a_trigger(
    own: str, foreign: str, account: Account, creation: Json, traces: Traces
) -> None:
    """No call is made, and nothing is raised or taken for spoofed."""
    event = json.loads(json.dumps(creation).replace(own, foreign))
    outcome = handler(event, Context())
    assert (outcome["action"], outcome["reason"], account.sent) == ("skipped", "not_a_trigger", [])
    assert (outcome["account"], outcome["region"]) == (event["account"], event["region"])
    assert traces.metrics()["skipped.not_a_trigger"] == [1.0]
    assert traces.records("security") == []


def test_a_callers_copy_of_a_cross_account_call_is_not_spoofed(account: Account, traces: Traces) -> None:
    """CloudTrail records such a call in both accounts; the owner's copy is acted on there."""
    event = own_event("tag-resource")
    event["detail"]["requestParameters"]["resource"] = "arn:aws:lambda:eu-west-1:111122223333:function:theirs"
    event["detail"]["sharedEventID"] = "5b7bd4a0-ee2d-4c4e-9b5a-6f5a2d3c1a01"
    outcome = handler(event, Context())
    assert (outcome["action"], outcome["reason"], account.sent) == ("skipped", "not_a_trigger", [])
    assert "111122223333" in str(outcome["detail"])
    assert traces.records("security") == []


def test_the_policy_that_the_bundle_carries_is_obeyed(
    account: Account, creation: Json, obey: Callable[[Policy], None], traces: Traces
) -> None:
    """And no other: what it does not ask for is not acted on, and what it asks for is."""
    change = creation | {"detail": creation["detail"] | {"eventName": "UpdateFunctionConfiguration20150331v2"}}
    assert handler(change, Context())["reason"] == "not_a_trigger"
    obey(Policy(lifecycle=Lifecycle(follow_configuration=True)))
    assert handler(change, Context())["action"] == "created"
    assert account.groups() == ["aws-lambda-invoice-renderer"]
    assert [found["action"] for found in traces.records()] == ["skipped", "created"]


def test_nothing_is_deleted_while_an_event_is_handled(
    account: Account, creation: Json, obey: Callable[[Policy], None]
) -> None:
    """Under a policy that deletes at once; the next backfill does."""
    obey(Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0)))
    arn = FunctionArn(account=ACCOUNT, region="eu-west-1", name="invoice-renderer")
    handler(creation, Context())
    account.retag(arn, {"codeguru-profiler": "off"})
    tagging = creation | {"detail": creation["detail"] | {"eventName": "TagResource20170331v2"}}
    account.sent.clear()
    assert handler(tagging, Context())["reason"] == "opted_out"
    account.remove_function(arn)
    deletion = creation | {"detail": creation["detail"] | {"eventName": "DeleteFunction20150331"}}
    assert handler(deletion, Context())["reason"] == "not_a_trigger"
    assert handler(tagging, Context())["reason"] == "function_gone"
    assert account.groups() == ["aws-lambda-invoice-renderer"]
    assert set(account.sent) == {"GetFunctionConfiguration", "ListTags"}


def test_a_failure_is_raised_after_it_was_recorded(account: Account, creation: Json, traces: Traces) -> None:
    """So that Lambda tries again; the message says what is the matter."""
    account.fail("CreateProfilingGroup", (402, "ServiceQuotaExceededException"))
    with pytest.raises(ProvisioningError, match=r"quota_exceeded: .*CreateProfilingGroup.*L-DA8D4E8D"):
        handler(creation, Context())
    (found,) = traces.records()
    assert (found["level"], found["action"], found["error_code"]) == (
        "ERROR",
        "failed",
        "ServiceQuotaExceededException",
    )
    metrics = traces.metrics()
    assert (metrics["failed"], metrics["failed.quota_exceeded"]) == ([1.0], [1.0])


@pytest.mark.parametrize("event", [{}, "text", [], None, {"detail-type": "x", "account": "1"}])
def test_garbage_is_refused_recorded_and_costs_no_call(event: object, account: Account, traces: Traces) -> None:
    """It is our caller's error; the record says so."""
    with pytest.raises(events.InvalidEventError):
        handler(event, Context())
    (found,) = traces.records()
    assert (found["action"], found["reason"], found["function"], account.sent) == ("failed", "invalid", None, [])


def test_text_that_is_no_unicode_does_not_cost_the_record(account: Account, creation: Json, traces: Traces) -> None:
    """JSON can carry half of a surrogate pair; the record tells of it in ASCII."""
    account.clients.awslambda.meta.events.register(
        "after-call.lambda.ListTags", lambda parsed, **_: parsed["Tags"].update({"\ud800": "v"})
    )
    assert handler(creation, Context())["action"] == "created"
    assert traces.log.getvalue().isascii()
    (found,) = traces.records()
    assert {tag["key"] for tag in found["dropped_tags"]} == {"odd", "\ud800"}


def test_a_refusal_is_correlated_with_its_event_and_says_its_place_as_far_as_it_is_known(traces: Traces) -> None:
    """An event may be wrong in one thing and right in others."""
    event = own_event("create-function")
    for changes in ({"recipientAccountId": "111122223333"}, {}):
        with pytest.raises(events.InvalidEventError):
            handler(event | {"detail": event["detail"] | changes} if changes else event | {"region": 7}, Context())
    contradicting, unplaced = traces.records("outcome")
    assert contradicting["correlation_id"] == unplaced["correlation_id"] == event["id"]
    assert (contradicting["account"], contradicting["region"]) == (ACCOUNT, "eu-west-1")
    assert unplaced["region"] is None
    (suspicious,) = traces.records("security")
    assert (suspicious["level"], suspicious["account"]) == ("WARNING", ACCOUNT)
    assert "'detail.recipientAccountId' is '111122223333'" in suspicious["detail"]


def test_one_events_correlation_id_does_not_cling_to_the_next(creation: Json, traces: Traces) -> None:
    """An execution environment lives through many events."""
    handler(creation, Context())
    with pytest.raises(events.InvalidEventError):
        handler({}, Context())
    assert [found.get("correlation_id") for found in traces.records()] == [creation["id"], None]


def test_a_token_repeats_with_its_event(account: Account, creation: Json) -> None:
    """CreateProfilingGroup gets the CloudTrail record's id each time the event is delivered."""
    tokens = []
    account.clients.profiler.meta.events.register(
        "before-call.codeguruprofiler.CreateProfilingGroup",
        lambda params, **_: tokens.append(params["query_string"]["clientToken"]),
    )
    handler(creation, Context())
    handler(creation, Context())
    assert tokens == [creation["detail"]["eventID"]] * 2
