"""What came in: which function a record is about, what is ignored, what is refused."""

from __future__ import annotations

import json

import pytest

from profiling_groups import events
from profiling_groups.functions import FunctionArn
from profiling_groups.outcomes import Reason
from profiling_groups.policy import Functions, FunctionTags, Lifecycle, Policy, WhenDeleted
from tests.records import Json, envelope, record

RENDERER = FunctionArn(account="444455556666", region="eu-west-1", name="invoice-renderer")


EVERYTHING = Policy(
    lifecycle=Lifecycle(keep_tags_in_step=True, follow_configuration=True, when_function_is_deleted=WhenDeleted.DELETE)
)
NOTHING_BUT_CREATIONS = Policy(lifecycle=Lifecycle(keep_tags_in_step=False))


def changed(event: object, policy: Policy | None = None) -> events.FunctionChanged | events.Ignored:
    """Read an event as the handler does, under the policy that ships or another one."""
    return events.changed(events.read(event), policy or Policy())


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(), {"Create", "Tag", "Untag"}),
        (NOTHING_BUT_CREATIONS, {"Create"}),
        (EVERYTHING, {"Create", "Tag", "Untag", "UpdateConfiguration"}),
        (
            Policy(
                functions=Functions(tags=FunctionTags(require={"profile": ("on",)})),
                lifecycle=Lifecycle(keep_tags_in_step=False),
            ),
            {"Create", "Tag", "Untag"},
        ),
        (Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE)), {"Create", "Tag", "Untag"}),
    ],
)
def test_what_is_listened_to_follows_from_the_policy(policy: Policy, expected: set[str]) -> None:
    """By CloudTrail's own, versioned names."""
    names = {
        "Create": "CreateFunction20150331",
        "Tag": "TagResource20170331v2",
        "Untag": "UntagResource20170331v2",
        "UpdateConfiguration": "UpdateFunctionConfiguration20150331v2",
    }
    assert set(events.triggers(policy)) == {names[each] for each in expected}


@pytest.mark.parametrize("name", ["create-function", "create-function-by-cloudformation"])
def test_a_successful_creation_names_its_function(name: str) -> None:
    """The token is the record's own id, so that every delivery of it repeats the token."""
    detail = record(name)
    assert changed(envelope(detail)) == events.FunctionChanged(
        function=RENDERER, client_token=detail["eventID"], is_creation=True
    )


@pytest.mark.parametrize(
    ("name", "untagged"),
    [
        ("tag-resource", frozenset()),
        ("untag-resource", frozenset({"team", "cost-center"})),
        ("update-function-configuration", frozenset()),
    ],
)
def test_whatever_else_a_policy_asks_for_names_its_function_too(name: str, untagged: frozenset[str]) -> None:
    """And a function that lost tags says which; under a policy that does not ask, the same event is ignored."""
    detail = record(name)
    assert changed(envelope(detail), EVERYTHING) == events.FunctionChanged(
        function=RENDERER,
        client_token=detail["eventID"],
        untagged=untagged,
    )
    ignored = changed(envelope(detail), NOTHING_BUT_CREATIONS)
    assert isinstance(ignored, events.Ignored)
    assert (ignored.reason, ignored.function) == (Reason.NOT_A_TRIGGER, RENDERER)


@pytest.mark.parametrize("keys", [None, "team", ["team", 7], {"team": ""}])
def test_an_untagging_that_does_not_say_of_what_is_refused(keys: object) -> None:
    """Otherwise what it took off would stay on the group for good."""
    event = envelope(record("untag-resource"))
    event["detail"]["requestParameters"]["tagKeys"] = keys
    with pytest.raises(events.InvalidEventError, match=r"'detail\.requestParameters\.tagKeys' is "):
        changed(event)


@pytest.mark.parametrize(
    ("name", "reason", "function"),
    [
        ("create-function-refused", Reason.API_CALL_FAILED, RENDERER),
        ("create-function-access-denied", Reason.API_CALL_FAILED, None),
        ("create-function-url-config", Reason.NOT_A_TRIGGER, RENDERER),
        ("cloudfront-create-function", Reason.NOT_A_TRIGGER, None),
        ("update-function-code", Reason.NOT_A_TRIGGER, RENDERER),
        ("delete-function", Reason.NOT_A_TRIGGER, RENDERER),
        ("update-function-configuration", Reason.NOT_A_TRIGGER, RENDERER),
        ("tag-event-source-mapping", Reason.NOT_A_TRIGGER, None),
    ],
)
def test_what_does_not_matter_to_the_policy_that_ships_is_ignored(
    name: str,
    reason: Reason,
    function: FunctionArn | None,
) -> None:
    """Should such an event get past the rule, it is recognised."""
    found = changed(envelope(record(name)))
    assert isinstance(found, events.Ignored)
    assert (found.reason, found.function) == (reason, function)


@pytest.mark.parametrize(
    "written",
    [
        "invoice-renderer",
        "invoice-renderer:live",
        "invoice-renderer:$LATEST",
        "function:invoice-renderer",
        "444455556666:invoice-renderer",
        "444455556666:function:invoice-renderer",
        "444455556666:function:invoice-renderer:7",
        "eu-west-1:444455556666:function:invoice-renderer",
        "arn:aws:lambda:eu-west-1:444455556666:function:invoice-renderer",
        "arn:aws:lambda:eu-west-1:444455556666:function:invoice-renderer:live",
    ],
)
@pytest.mark.parametrize("response", ["as it is", None])
def test_however_the_caller_wrote_the_name_it_is_the_same_function(written: str, response: str | None) -> None:
    """The Lambda API takes names, partial ARNs and full ones, qualified or not."""
    detail = record("create-function")
    detail["requestParameters"]["functionName"] = written
    if response is None:
        detail["responseElements"] = None
    found = changed(envelope(detail))
    assert isinstance(found, events.FunctionChanged)
    assert found.function == RENDERER


@pytest.mark.parametrize("said", [{"recipientAccountId": None}, {"awsRegion": None}])
def test_a_record_that_leaves_its_place_open_is_about_its_envelopes(said: Json) -> None:
    """Null says no more than a missing key."""
    event = envelope(record("create-function"))
    event["detail"] |= said
    found = changed(event)
    assert isinstance(found, events.FunctionChanged)
    assert found.function == RENDERER


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"eventName": "UpdateFunctionCode20150331v2", "errorCode": "AccessDenied"}, Reason.NOT_A_TRIGGER),
        ({"eventName": "CreateFunctionUrlConfig"}, Reason.NOT_A_TRIGGER),
        ({"errorCode": "AccessDenied"}, Reason.API_CALL_FAILED),
        ({"errorCode": ""}, Reason.API_CALL_FAILED),
    ],
)
def test_what_is_ignored_anyway_may_be_about_anybodys_function(changes: Json, reason: Reason) -> None:
    """Somebody here has tried to call a function of another account: nothing of ours to fail over."""
    elsewhere = {"functionName": "arn:aws:lambda:eu-west-1:111122223333:function:theirs"}
    found = changed(envelope(record("create-function") | {"requestParameters": elsewhere} | changes))
    assert isinstance(found, events.Ignored)
    assert (found.reason, found.function) == (reason, None)


def test_request_parameters_that_were_cut_off_are_made_up_for_by_the_response() -> None:
    """CloudTrail leaves out what is larger than 100 KB."""
    detail = record("create-function") | {"requestParameters": {"omitted": True, "originalSize": 141022}}
    found = changed(envelope(detail))
    assert isinstance(found, events.FunctionChanged)
    assert found.function == RENDERER


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"recipientAccountId": "111122223333"}, "detail.recipientAccountId"),
        ({"awsRegion": "us-east-1"}, "detail.awsRegion"),
        (
            {"requestParameters": {"functionName": "arn:aws:lambda:eu-west-1:111122223333:function:victim"}},
            "detail.requestParameters.functionName",
        ),
        ({"requestParameters": {"functionName": "111122223333:function:victim"}}, "requestParameters.functionName"),
        (
            {"requestParameters": {"functionName": "arn:aws:lambda:us-east-1:444455556666:function:victim"}},
            "detail.requestParameters.functionName",
        ),
        (
            {"responseElements": {"functionArn": "arn:aws:lambda:eu-west-1:111122223333:function:victim"}},
            "detail.responseElements.functionArn",
        ),
        ({"requestParameters": None, "responseElements": None}, "detail.requestParameters.functionName"),
        ({"requestParameters": {"functionName": 7}, "responseElements": []}, "detail.requestParameters.functionName"),
        ({"requestParameters": {"functionName": "a:b:c:d"}, "responseElements": {}}, "functionName"),
        ({"requestParameters": {"functionName": "x" * 900_000}, "responseElements": None}, "names a function"),
        ({"requestParameters": {"functionName": "a\ud800"}, "responseElements": None}, "names a function"),
    ],
)
def test_a_record_that_contradicts_its_envelope_or_names_no_function_is_refused(changes: Json, named: str) -> None:
    """Only the envelope's account and region are vouched for; the error names the key that disagrees."""
    event = envelope(record("create-function"))
    event["detail"] |= changes
    with pytest.raises(events.InvalidEventError, match=named):
        changed(event)


SHARED: Json = {"sharedEventID": "5b7bd4a0-ee2d-4c4e-9b5a-6f5a2d3c1a01"}
THEIRS = "arn:aws:lambda:eu-west-1:111122223333:function:theirs"


@pytest.mark.parametrize("name", ["tag-resource", "untag-resource", "update-function-configuration"])
def test_a_callers_copy_of_a_cross_account_call_is_ignored(name: str) -> None:
    """It names the owner's function in every place where a record names one."""
    event = envelope(record(name))
    text = json.dumps(event["detail"]["requestParameters"]).replace("444455556666", "111122223333")
    event["detail"] |= SHARED | {"requestParameters": json.loads(text)}
    for block, key in (("requestParameters", "functionName"), ("responseElements", "functionArn")):
        if isinstance(event["detail"].get(block), dict) and key in event["detail"][block]:
            event["detail"][block][key] = THEIRS
    found = changed(event, Policy(lifecycle=Lifecycle(follow_configuration=True)))
    assert isinstance(found, events.Ignored)
    assert (found.function, found.reason, "111122223333" in found.detail) == (None, Reason.NOT_A_TRIGGER, True)


def test_an_owners_copy_of_a_cross_account_call_is_acted_on() -> None:
    """The function is in the envelope's account; another account called."""
    event = envelope(record("tag-resource"))
    event["detail"] |= SHARED | {"userIdentity": {"type": "AWSAccount", "accountId": "111122223333"}}
    assert isinstance(changed(event), events.FunctionChanged)


@pytest.mark.parametrize(
    "changes",
    [
        {"sharedEventID": None},
        {"recipientAccountId": "111122223333"},
        {"recipientAccountId": None},
        {"requestParameters": {"resource": THEIRS.replace("eu-west-1", "us-east-1")}},
        {"responseElements": {"functionArn": str(RENDERER)}},
    ],
    ids=repr,
)
def test_what_only_looks_like_a_callers_copy_is_spoofed(changes: Json) -> None:
    """Of another region, of no known recipient, or about functions of two accounts."""
    event = envelope(record("tag-resource"))
    event["detail"] |= SHARED | {"requestParameters": {"resource": THEIRS}} | changes
    with pytest.raises(events.ForgedEventError):
        changed(event)


GOOD: Json = {
    "detail-type": "AWS API Call via CloudTrail",
    "source": "aws.lambda",
    "account": "444455556666",
    "region": "eu-west-1",
    "detail": {},
}


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({}, "'detail'"),
        ("CreateFunction", "the event is 'CreateFunction'"),
        ([], r"the event is \[\]"),
        ([7], "the event is a list"),
        (None, "the event is None"),
        (7, "the event is 7"),
        (True, "the event is True"),
        ({"action": "provision"}, "'detail' is missing.*'action'"),
        ({key: value for key, value in GOOD.items() if key != "detail"}, "'detail' is missing"),
        (GOOD | {"detail": None}, "'detail' is None"),
        (GOOD | {"source": 0}, "'source' is 0"),
        (GOOD | {"account": "\u0664" * 12}, "'account' is"),
        (GOOD | {"region": "eu-west-\u0661"}, "'region' is"),
        (GOOD | {"detail": "[]"}, r"'detail' is '\[\]'"),
        (GOOD | {"detail": [{}]}, "'detail' is a list"),
        ({key: value for key, value in GOOD.items() if key != "account"}, "'account' is missing"),
        (GOOD | {"account": 444455556666}, "'account' is 444455556666"),
        (GOOD | {"account": "44445555666"}, "'account' is '44445555666'"),
        (GOOD | {"region": None}, "'region' is None"),
        (GOOD | {"region": "eu-west-1/../x"}, "'region' is 'eu-west-1/../x'"),
        ({key: value for key, value in GOOD.items() if key != "detail-type"}, "'detail-type' is missing"),
        (GOOD | {"detail-type": {"a": {}}}, "'detail-type' is a JSON object"),
        ("x" * 1_000_000, "the event is 'xxx"),
        (GOOD | {"region": "x" * 1_000_000}, "'region' is 'xxx"),
        ({"detail": json.loads('{"a":' * 500 + "1" + "}" * 500)}, "'detail-type' is missing|'account' is missing"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_garbage_is_refused_by_naming_what_is_wrong(event: object, named: str) -> None:
    """And in a message that fits a log record, whatever came in."""
    with pytest.raises(events.InvalidEventError, match=named) as refusal:
        events.read(event)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"detail-type": "Scheduled Event", "source": "aws.events"}, "Scheduled Event"),
        ({"source": "my.app", "detail": {"eventSource": "lambda.amazonaws.com"}}, "my.app"),
        ({"detail": {"eventSource": "lambda.amazonaws.com", "eventName": "CreateFunction"}}, "'CreateFunction'"),
        ({"detail": {"eventSource": "lambda.amazonaws.com"}}, "eventName is None"),
        ({"detail": {"eventSource": "iam.amazonaws.com", "eventName": "CreateFunction20150331"}}, "iam.amazonaws.com"),
        ({"detail": {}}, "None"),
    ],
)
def test_other_events_are_ignored_and_it_is_said_what_they_are(changes: Json, seen: str) -> None:
    """An event that is well-formed and not for us is nothing to fail over."""
    found = changed(GOOD | changes)
    assert isinstance(found, events.Ignored)
    assert found.reason is Reason.NOT_A_TRIGGER
    assert seen in found.detail


@pytest.mark.parametrize("event_id", [None, "", "has space", "x" * 65])
def test_a_record_without_a_usable_id_still_has_a_token_that_repeats(event_id: str | None) -> None:
    """CreateProfilingGroup takes 1 to 64 of `[A-Za-z0-9_-]`."""
    event = envelope(record("create-function") | {"eventID": event_id})
    tokens = {
        found.client_token for found in (changed(event), changed(event)) if isinstance(found, events.FunctionChanged)
    }
    assert len(tokens) == 1
    assert len(tokens.pop()) == 36
