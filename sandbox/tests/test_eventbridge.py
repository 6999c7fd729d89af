"""EventBridge's delivery in the sandbox: what matches a rule, what a function gets, and where failed events end."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from moto.awslambda.models import lambda_backends
from moto.events.models import events_backends
from moto.iam.models import iam_backends
from moto.sqs.models import sqs_backends

from embedded_aws.events.eventbridge import EventBridge, install
from embedded_aws.events.machines import Caller, DeliveryError
from embedded_aws.execution.asynchronous import TimeScale
from embedded_aws.http_responses import ApiError
from lambda_functions import archive
from waiting import until

# An account of its own: moto's state is shared by all tests in the process.
ACCOUNT, REGION = "310987654321", "eu-central-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:receiver"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:receiver"
STARTER = f"arn:aws:iam::{ACCOUNT}:role/starter"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:lost"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/creations"
PATTERN = {
    "source": ["aws.lambda"],
    "detail-type": ["AWS API Call via CloudTrail"],
    "account": [ACCOUNT],
    "detail": {
        "eventSource": ["lambda.amazonaws.com"],
        "eventName": ["CreateFunction20150331", "TagResource20170331v2"],
        "errorCode": [{"exists": False}],
    },
}
TRUST = json.dumps(
    {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"ArnEquals": {"aws:SourceArn": RULE}},
        }
    }
)
FORGIVING = TimeScale(factor=0.0005)


class Received:
    """Lambda's asynchronous queue, which only keeps what comes in."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def submit(self, function_arn: str, payload: bytes) -> str:
        """Take an event."""
        self.events.append((function_arn, json.loads(payload)))
        return "request-id"


class Started:
    """Step Functions, which keeps what was to be started, and fails as long as it is told to."""

    def __init__(self) -> None:
        self.executions: list[tuple[str, Any, Caller]] = []
        self.error: DeliveryError | None = None

    def start(self, machine_arn: str, document: str, *, caller: Caller) -> DeliveryError | None:
        """Start an execution."""
        if self.error is None:
            self.executions.append((machine_arn, json.loads(document), caller))
        return self.error


class Failing:
    """Makes the next invocations fail with an error, each after so many seconds."""

    def __init__(self) -> None:
        self.left = 0
        self.seconds = 0.0
        self.error = ApiError(code="TooManyRequestsException", message="Rate Exceeded.")

    def __call__(self, _service: str, _operation: str, _target_arn: str) -> ApiError | None:
        """Fail as often as `left` says."""
        time.sleep(self.seconds)
        self.left -= 1
        return self.error if self.left >= 0 else None


def an_event(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The event of a successful creation; a change whose name has `detail_` before it changes the detail."""
    detail = {"eventSource": "lambda.amazonaws.com", "eventName": "CreateFunction20150331", "eventID": "e-1"}
    event = {
        "version": "0",
        "id": "0b6a7a52-60c5-4f0f-9ad2-6f8f2f9f1c11",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.lambda",
        "account": ACCOUNT,
        "time": "2026-03-02T09:30:05Z",
        "region": REGION,
        "resources": [],
    }
    for key, value in changes.items():
        if key.startswith("detail_"):
            detail[key.removeprefix("detail_")] = value
        else:
            event[key.replace("_", "-")] = value
    return event | {"detail": detail}


def dead_letters() -> list[tuple[Any, dict[str, str]]]:
    """The queue's messages: body and attributes."""
    return [
        (json.loads(message.body), {key: value["StringValue"] for key, value in message.message_attributes.items()})
        for message in sqs_backends[ACCOUNT][REGION].get_queue("lost")._messages  # noqa: SLF001 - leaves them there
    ]


def queue_policy(source: str = RULE) -> str:
    """The policy that CDK writes: TLS only, and EventBridge may send for the rule."""
    return json.dumps(
        {
            "Statement": [
                {
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": "sqs:*",
                    "Resource": QUEUE,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": QUEUE,
                    "Condition": {"ArnEquals": {"aws:SourceArn": source}},
                },
            ]
        }
    )


def settle(bridge: EventBridge) -> None:
    """Wait until every event has arrived or is given up."""
    until(bridge.idle)


@pytest.fixture
def received() -> Received:
    """What reached Lambda."""
    return Received()


@pytest.fixture
def started() -> Started:
    """What Step Functions was to start."""
    return Started()


@pytest.fixture
def failing() -> Failing:
    """To let invocations fail."""
    return Failing()


@pytest.fixture
def bridge(received: Received, started: Started, failing: Failing) -> Iterator[EventBridge]:
    """A rule with a function that it may invoke, and a dead-letter queue behind it."""
    role = iam_backends[ACCOUNT]["aws"].create_role("receiver", "{}", "/", None, "", [], None)
    function = lambda_backends[ACCOUNT][REGION].create_function(
        {
            "FunctionName": "receiver",
            "Runtime": "python3.13",
            "Role": role.arn,
            "Handler": "app.main",
            "Code": {"ZipFile": archive("def main(event, context): ...")},
        }
    )
    permission = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": RULE}
    function.policy.add_statement(json.dumps(permission))
    sqs_backends[ACCOUNT][REGION].create_queue("lost").policy = queue_policy()
    events = events_backends[ACCOUNT][REGION]
    events.put_rule("creations", event_pattern=json.dumps(PATTERN))
    target = {
        "Id": "receiver",
        "Arn": FUNCTION,
        "DeadLetterConfig": {"Arn": QUEUE},
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 3600},
    }
    events.put_targets("creations", None, [target])
    bridge = install(received, FORGIVING, machines=started, fault=failing)
    yield bridge
    bridge.close()
    for backends in (iam_backends[ACCOUNT]["aws"], *(b[ACCOUNT][REGION] for b in (lambda_backends, sqs_backends))):
        backends.reset()
    events.reset()


def test_function_gets_the_event_as_it_was_put(bridge: EventBridge, received: Received) -> None:
    """Id, time and everything else of an event are its sender's, not new ones."""
    assert bridge.put(an_event()) == ["creations"]

    assert received.events == [(FUNCTION, an_event())]


def test_disabled_rule_does_not_fire(bridge: EventBridge, received: Received) -> None:
    """DISABLED means that nothing is delivered; enabled again, it is."""
    events = events_backends[ACCOUNT][REGION]
    events.disable_rule("creations", None)
    assert bridge.put(an_event()) == []

    events.enable_rule("creations", None)
    assert bridge.put(an_event()) == ["creations"]
    assert len(received.events) == 1


def test_schedule_does_not_fire_for_events(bridge: EventBridge) -> None:
    """A rule without a pattern waits for the clock, not for events."""
    events_backends[ACCOUNT][REGION].put_rule("nightly", scheduled_expression="rate(1 day)")

    assert bridge.put(an_event()) == ["creations"]


def test_nobody_can_send_as_aws(bridge: EventBridge, received: Received) -> None:
    """PutEvents refuses a source that begins with `aws.`, entry by entry."""
    events = events_backends[ACCOUNT][REGION]
    events.put_rule("own", event_pattern=json.dumps({"source": ["my.app"]}))
    events.put_targets("own", None, [{"Id": "receiver", "Arn": FUNCTION}])
    function = lambda_backends[ACCOUNT][REGION].get_function("receiver")
    function.policy.add_statement(
        json.dumps(
            {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": RULE[:-9] + "own"}
        )
    )
    forged = {
        "Source": "aws.lambda",
        "DetailType": "AWS API Call via CloudTrail",
        "Detail": json.dumps(an_event()["detail"]),
    }
    own = {"Source": "my.app", "DetailType": "greeting", "Detail": "{}", "Time": 1772443805}

    first, second = events.put_events([forged, own])

    assert first["ErrorCode"] == "NotAuthorizedForSourceException"
    assert "ErrorCode" not in second
    ((_, delivered),) = received.events
    assert delivered == {
        "version": "0",
        "id": second["EventId"],
        "detail-type": "greeting",
        "source": "my.app",
        "account": ACCOUNT,
        "time": "2026-03-02T09:30:05Z",
        "region": REGION,
        "resources": [],
        "detail": {},
    }
    assert bridge.idle()


def test_rule_that_is_made_while_an_event_is_delivered_does_no_harm(
    bridge: EventBridge, received: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event goes to the rules that there were when it was put."""
    events, submit = events_backends[ACCOUNT][REGION], received.submit
    pattern = json.dumps({"source": ["shop"]})
    # There is one left to go through when the new one is made.
    for name in ("creations", "last"):
        events.put_rule(name, event_pattern=pattern)

    def submit_and_make_a_rule(function_arn: str, payload: bytes) -> str:
        events.put_rule("later", event_pattern=pattern)
        return submit(function_arn, payload)

    monkeypatch.setattr(received, "submit", submit_and_make_a_rule)
    (answer,) = events.put_events([{"Source": "shop", "DetailType": "order", "Detail": "{}"}])

    assert "EventId" in answer
    assert [event["source"] for _, event in received.events] == ["shop"]
    assert bridge.idle()


def test_failed_delivery_is_tried_again(bridge: EventBridge, received: Received, failing: Failing) -> None:
    """Lambda throttles twice, then takes the event: it arrives once and is no dead letter."""
    failing.left = 2

    bridge.put(an_event())
    settle(bridge)

    assert received.events == [(FUNCTION, an_event())]
    assert dead_letters() == []


def test_event_is_buried_whole_when_the_retries_are_used_up(
    bridge: EventBridge, received: Received, failing: Failing
) -> None:
    """After the retries that the target allows, the queue has the event and says what happened."""
    failing.left = 1000

    bridge.put(an_event())
    settle(bridge)

    assert received.events == []
    assert dead_letters() == [
        (
            an_event(),
            {
                "RULE_ARN": RULE,
                "TARGET_ARN": FUNCTION,
                "ERROR_CODE": "THROTTLING",
                "ERROR_MESSAGE": "TooManyRequestsException: Rate Exceeded.",
                "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
                "RETRY_ATTEMPTS": "3",
            },
        )
    ]


@pytest.mark.parametrize("seconds", [0.0, 0.05], ids=["fast", "slow"])
def test_event_is_buried_when_it_is_too_old(bridge: EventBridge, failing: Failing, seconds: float) -> None:
    """The age is the sum of the waits (1, 2, 4, 8, 16 and 32 s): how long the deliveries take does not count."""
    failing.left, failing.seconds = 1000, seconds
    rule = events_backends[ACCOUNT][REGION].event_buses["default"].rules["creations"]
    rule.targets[0]["RetryPolicy"] = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 60}

    bridge.put(an_event())
    settle(bridge)

    ((_, attributes),) = dead_letters()
    assert (attributes["EXHAUSTED_RETRY_CONDITION"], attributes["RETRY_ATTEMPTS"]) == ("MaximumEventAgeInSeconds", "6")


@pytest.mark.parametrize(
    ("breakage", "error_code"),
    [("gone", "NO_RESOURCE"), ("forbidden", "NO_PERMISSIONS"), ("for another rule", "NO_PERMISSIONS")],
)
def test_hopeless_delivery_is_not_retried(
    bridge: EventBridge, received: Received, breakage: str, error_code: str
) -> None:
    """A target that is gone, or whose policy does not let this rule in, sends the event straight to the queue."""
    backend = lambda_backends[ACCOUNT][REGION]
    policy = backend.get_function("receiver").policy
    match breakage:
        case "gone":
            backend.delete_function("receiver")
        case "forbidden":
            policy.statements.clear()
        case _:
            policy.statements[0]["Condition"]["ArnLike"]["AWS:SourceArn"] = RULE + "-not"

    bridge.put(an_event())

    assert bridge.idle()
    assert received.events == []
    ((body, attributes),) = dead_letters()
    assert body == an_event()
    assert attributes["ERROR_CODE"] == error_code
    assert "RETRY_ATTEMPTS" not in attributes


@pytest.mark.parametrize("policy", [None, queue_policy(source=RULE + "-not")], ids=["no policy", "another rule's"])
def test_queue_that_does_not_let_eventbridge_in_gets_nothing(
    bridge: EventBridge, caplog: pytest.LogCaptureFixture, policy: str | None
) -> None:
    """Without the queue's permission the event is lost, as in AWS; the sandbox says so."""
    sqs_backends[ACCOUNT][REGION].get_queue("lost").policy = policy
    lambda_backends[ACCOUNT][REGION].delete_function("receiver")

    bridge.put(an_event())

    assert dead_letters() == []
    assert "event dropped" in caplog.text


def test_bus_of_another_region_gets_the_event_with_its_origin(bridge: EventBridge, received: Received) -> None:
    """Forwarding keeps id, account and region of the event, and goes one hop only."""
    there = events_backends[ACCOUNT]["us-west-2"]
    there.put_rule("all", event_pattern=json.dumps({"region": [REGION]}))
    back = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    there.put_targets("all", None, [{"Id": "back", "Arn": back, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/forwarder"}])
    archive_queue = sqs_backends[ACCOUNT]["us-west-2"].create_queue("forwarded")
    there.put_targets("all", None, [{"Id": "queue", "Arn": archive_queue.queue_arn}])
    here = events_backends[ACCOUNT][REGION]
    bus = f"arn:aws:events:us-west-2:{ACCOUNT}:event-bus/default"
    forwarder = iam_backends[ACCOUNT]["aws"].create_role("forwarder", TRUST, "/", None, "", [], None)
    forwarder.put_policy("forward", json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": bus}}))
    here.put_targets("creations", None, [{"Id": "bus", "Arn": bus, "RoleArn": forwarder.arn}])

    bridge.put(an_event())

    (message,) = archive_queue._messages  # noqa: SLF001 - leaves it there
    forwarded = json.loads(message.body)
    assert (forwarded["id"], forwarded["account"], forwarded["region"]) == (an_event()["id"], ACCOUNT, REGION)
    assert len(received.events) == 1
    there.reset()
    sqs_backends[ACCOUNT]["us-west-2"].reset()


@pytest.mark.parametrize(
    ("given", "sent"), [pytest.param({}, an_event(), id="the event"), ({"Input": '{"a": 1}'}, {"a": 1})]
)
def test_state_machine_is_started_for_the_rule_by_its_targets_role(
    bridge: EventBridge, started: Started, given: dict[str, str], sent: object
) -> None:
    """With the event, or with the target's constant."""
    target = {"Id": "machine", "Arn": MACHINE, "RoleArn": STARTER, **given}
    events_backends[ACCOUNT][REGION].put_targets("creations", None, [target])

    bridge.put(an_event())

    caller = Caller(service="events.amazonaws.com", source_arn=RULE, role_arn=STARTER)
    assert started.executions == [(MACHINE, sent, caller)]


def test_state_machine_that_may_not_be_started_leaves_a_dead_letter(bridge: EventBridge, started: Started) -> None:
    """As with a function: with the reason, and without another try."""
    started.error = DeliveryError(code="NO_PERMISSIONS", message="not authorized", retriable=False)
    target = {"Id": "machine", "Arn": MACHINE, "RoleArn": STARTER, "DeadLetterConfig": {"Arn": QUEUE}}
    events_backends[ACCOUNT][REGION].put_targets("creations", None, [target])

    bridge.put(an_event())

    ((body, attributes),) = dead_letters()
    assert body == an_event()
    assert (attributes["ERROR_CODE"], attributes["TARGET_ARN"]) == ("NO_PERMISSIONS", MACHINE)
