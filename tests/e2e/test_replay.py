"""`profiling-groups replay` against the deployed stack: letters that the sandbox left there, mended and replayed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.e2e import command_line
from tests.e2e.deployment import ROOT, created_for, function_arn
from tests.waiting import LIMIT_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.deployment import Deployment

OF_A_RULE = ("RETRY_ATTEMPTS", "RULE_ARN", "TARGET_ARN")
CREATE = "codeguru-profiler:CreateProfilingGroup"


@pytest.fixture
def operator(deployment: Deployment) -> Operator:
    """An operator at the command line."""
    return Operator(deployment)


class Operator:
    """Somebody with the command line, and credentials.

    Args:
        deployment: What they operate.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def begin(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Begin to replay."""
        return subprocess.Popen(
            ["profiling-groups", "replay", *words],
            cwd=ROOT,
            env=command_line.environment(self.deployment.sandbox.endpoint),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def replay(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Replay; return the exit status and the document."""
        with self.begin("--json", *words) as process:
            told, problem = process.communicate(timeout=LIMIT_SECONDS)
        assert told, problem
        return process.returncode, json.loads(told)

    def counts(self) -> tuple[int, int]:
        """Return how many letters the queue has, and how many more are hidden."""
        found = self.deployment.account.client("sqs").get_queue_attributes(
            QueueUrl=self.deployment.queue_url, AttributeNames=["All"]
        )["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def letters(self) -> list[Mapping[str, Any]]:
        """Return the letters as they are, and leave them."""
        return list(
            self.deployment.account.client("sqs").receive_message(
                QueueUrl=self.deployment.queue_url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                VisibilityTimeout=0,
            )["Messages"]
        )

    def denied(self, number: int) -> list[str]:
        """Create functions that the provisioner may give no group, so that each leaves a letter; return their names."""
        names = [f"denied-{uuid4().hex[:8]}" for _ in range(number)]
        with self.deployment.without(CREATE):
            for name in names:
                self.deployment.create_function(name)
        return names

    def grouped(self, names: list[str]) -> list[str]:
        """Return those that have a group."""
        return [name for name in names if self.deployment.groups(name)]


@contextmanager
def undeliverable(deployment: Deployment) -> Iterator[None]:
    """Let EventBridge not be allowed to invoke the function, for the duration of a `with` block."""
    awslambda = deployment.account.awslambda
    (statement,) = json.loads(awslambda.get_policy(FunctionName=deployment.function)["Policy"])["Statement"]
    awslambda.remove_permission(FunctionName=deployment.function, StatementId=statement["Sid"])
    try:
        yield
    finally:
        awslambda.add_permission(
            FunctionName=deployment.function,
            StatementId=f"restored-{uuid4().hex[:8]}",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=statement["Condition"]["ArnLike"]["AWS:SourceArn"],
        )


@contextmanager
def out_of_order(deployment: Deployment) -> Iterator[None]:
    """Let Lambda take no event from the rule, which tries twice again, for the duration of a `with` block."""
    events = deployment.account.client("events")
    targets = events.list_targets_by_rule(Rule=deployment.rule)["Targets"]
    retries = {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600}
    events.put_targets(Rule=deployment.rule, Targets=[target | {"RetryPolicy": retries} for target in targets])
    error = {"code": "ServiceException", "status": 500, "message": "down"}
    deployment.sandbox.set_faults({"service": "lambda", "operation": "Invoke", "error": error})
    try:
        yield
    finally:
        deployment.sandbox.clear_faults()
        events.put_targets(Rule=deployment.rule, Targets=targets)


def test_letters_of_both_kinds_are_shown_and_each_is_done_once_its_cause_is_mended(operator: Operator) -> None:
    """A dry run changes nothing; where only some of it is mended, the rest stays; at a terminal it asks."""
    deployment = operator.deployment
    (denied,) = operator.denied(1)
    deployment.sandbox.set_quota(0)
    late = deployment.create_function()
    with undeliverable(deployment):
        unheard = deployment.create_function(Tags={"team": "billing"})
    with out_of_order(deployment):
        unreached = deployment.create_function()
    assert operator.counts() == (4, 0)

    # As documented: what each attribute is called, and its type.
    assert sorted(
        sorted((name, value["DataType"]) for name, value in letter["MessageAttributes"].items())
        for letter in operator.letters()
    ) == [
        [(name, "String") for name in ("ERROR_CODE", "ERROR_MESSAGE", "EXHAUSTED_RETRY_CONDITION", *OF_A_RULE)],
        [(name, "String") for name in ("ERROR_CODE", "ERROR_MESSAGE", "RULE_ARN", "TARGET_ARN")],
        *[[("ErrorCode", "Number"), ("ErrorMessage", "String"), ("RequestID", "String")]] * 2,
    ]

    status, seen = operator.replay("--dry-run")
    assert (status, seen["asked"], seen["others"], operator.counts()) == (1, 4, [], (4, 0))
    assert sorted(
        (each["origin"], each["reason"], each["detail"], each["code"], each["example"]["function"])
        for each in seen["letters"]
    ) == [
        ("function", "access_denied", CREATE, "200", function_arn(denied)),
        ("function", "quota_exceeded", CREATE, "200", function_arn(late)),
        ("rule", "error_from_target", "ServiceException: down", "ERROR_FROM_TARGET", function_arn(unreached)),
        ("rule", "no_permissions", "lambda:InvokeFunction", "NO_PERMISSIONS", function_arn(unheard)),
    ]

    # The permission is back, and the quota is what it was: what needed the one now fails over the other.
    status, tried = operator.replay("--yes", "--reason", "access_denied")
    assert (status, tried["replayed"], operator.counts()) == (1, 0, (4, 0))
    assert [(each["function"], each["reason"]) for each in tried["failures"]] == [
        (function_arn(denied), "quota_exceeded")
    ]

    deployment.sandbox.set_quota(500)
    status, some = operator.replay("--yes", "--function", unheard)
    assert (status, some["replayed"], operator.counts()) == (0, 1, (3, 0))
    assert deployment.tags(f"aws-lambda-{unheard}") == {"team": "billing"} | created_for(unheard)

    terminal, ours = pty.openpty()
    try:
        os.write(terminal, b"y\n")
        with operator.begin(stdin=ours) as process:
            told, asked = process.communicate(timeout=LIMIT_SECONDS)
    finally:
        os.close(terminal)
        os.close(ours)
    assert "Replay 3 letters?" in asked
    assert told.splitlines()[-1].endswith("3 of 3 letters were replayed.")
    assert (process.returncode, operator.counts()) == (0, (0, 0))
    assert operator.grouped([denied, late, unheard, unreached]) == [denied, late, unheard, unreached]


def test_interrupted_in_the_middle_and_run_again_it_leaves_none(operator: Operator) -> None:
    """What is not done is there for everybody at once."""
    names = operator.denied(6)
    sandbox = operator.deployment.sandbox
    sandbox.set_faults({"service": "codeguruprofiler", "operation": "CreateProfilingGroup", "hold": True, "after": 1})
    with operator.begin("--yes", "--json") as process:
        # The first has its group; what is under way then is held until the interrupt is sent.
        until(lambda: sandbox.faults()[0]["held"])
        process.send_signal(signal.SIGINT)
        sandbox.clear_faults()
        told, _ = process.communicate(timeout=LIMIT_SECONDS)
    done = json.loads(told)
    assert (process.returncode, done["interrupted"], done["failed"]) == (130, True, 0)
    assert 1 <= done["replayed"] < len(names)
    assert operator.counts() == (len(names) - done["replayed"], 0)
    assert len(operator.grouped(names)) == done["replayed"]

    status, again = operator.replay("--yes")
    assert (status, again["replayed"]) == (0, len(names) - done["replayed"])
    assert (operator.counts(), operator.grouped(names)) == ((0, 0), names)


def test_two_operators_at_the_same_time_share_the_letters_and_one_event_may_lie_there_twice(operator: Operator) -> None:
    """Each letter is done by one of them, or by both: SQS delivers at least once."""
    names = operator.denied(5)
    sqs = operator.deployment.account.client("sqs")
    twice = operator.letters()[0]
    sqs.send_message(
        QueueUrl=operator.deployment.queue_url,
        MessageBody=twice["Body"],
        MessageAttributes={
            name: {"DataType": value["DataType"], "StringValue": value["StringValue"]}
            for name, value in twice["MessageAttributes"].items()
        },
    )
    with operator.begin("--yes", "--json") as one, operator.begin("--yes", "--json") as other:
        done = [json.loads(each.communicate(timeout=LIMIT_SECONDS)[0]) for each in (one, other)]
    assert sum(each["replayed"] for each in done) >= 6
    assert [each["failed"] + each["left"] for each in done] == [0, 0]
    assert (operator.counts(), operator.grouped(names)) == ((0, 0), names)
