"""`replay`: dead letters are told by their cause, given to the function again, and not one of them is lost."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Event, Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction
from moto.sqs.models import SQSBackend

from ops import letters, live
from ops.__main__ import commands
from ops.letter_queue import parse_url
from ops.letters import Origin
from profiling_groups.functions import Place
from profiling_groups.outcomes import REASONS, Action
from tests.records import envelope, record
from tests.unit.account import ACCOUNT, REGION
from tests.unit.deployed import deploy
from tests.unit.sweeping import Clock
from tests.waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from tests.unit.account import Account

Json = dict[str, Any]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "replay.md").read_text()
FUNCTION = "provisioner"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/ProfilingGroups"
CALL = f"codeguru-profiler:CreateProfilingGroup on arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/g"
QUOTA = f"quota_exceeded: {CALL}: enough (ask Service Quotas for more: L-DA8D4E8D)"
DENIED = f"access_denied: {CALL}: User: arn:aws:sts::{ACCOUNT}:assumed-role/r/f is not authorized"
CREATED = {"function": f"{ARN}:x", "group": "aws-lambda-x", "action": "created", "reason": None, "detail": None}


class _ThrottledError(LambdaClientError):
    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


class _DeniedError(LambdaClientError):
    code = 403

    def __init__(self) -> None:
        super().__init__("AccessDeniedException", "not authorized to perform: lambda:InvokeFunction")


def creation(name: str) -> str:
    """Return the event of a function's creation."""
    text = json.dumps(envelope(record("create-function")))
    return text.replace("invoice-renderer", name).replace("444455556666", ACCOUNT)


def from_rule(code: str = "NO_PERMISSIONS", message: str = "", target: str = f"{ARN}:{FUNCTION}", **more: str) -> Json:
    """Return the attributes of a letter that EventBridge leaves."""
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/r"
    values = {"RULE_ARN": rule, "TARGET_ARN": target, "ERROR_CODE": code, "ERROR_MESSAGE": message, **more}
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items() if value}


def from_function(message: str, code: str = "200") -> Json:
    """Return the attributes of a letter that Lambda leaves."""
    found = {
        "RequestID": {"DataType": "String", "StringValue": "6f0a2c1e-0000-4000-8000-000000000000"},
        "ErrorCode": {"DataType": "Number", "StringValue": code},
    }
    return found | ({"ErrorMessage": {"DataType": "String", "StringValue": message}} if message else {})


@dataclass
class Post:
    """A deployment's queue, and its function, which answers as the test says.

    Attributes:
        url: The queue's URL.
        answer: What the function answers to an event; an exception of moto's is Lambda's own.
        given: What it was given so far.
    """

    url: str
    answer: Callable[[Json], Json | None] = lambda _: CREATED
    given: list[Json] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._sqs = boto3.client("sqs", region_name=REGION)

    def leave(self, body: str, attributes: Json, *, url: str | None = None) -> None:
        """Leave a letter."""
        self._sqs.send_message(QueueUrl=url or self.url, MessageBody=body, MessageAttributes=attributes)

    def leave_creations(self, *names: str, message: str = QUOTA) -> None:
        """Leave a letter for each of these functions, which the function has failed at."""
        for name in names:
            self.leave(creation(name), from_function(message))

    def counts(self) -> tuple[int, int]:
        """Return how many letters can be received, and how many are hidden."""
        found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])

    def names(self) -> list[str]:
        """Return the functions that the function was told of, sorted."""
        return sorted(name_of(each) for each in self.given)

    def called(self) -> Callable[[LambdaFunction, Json], tuple[str, bool, str]]:
        """Return what is the function."""

        def call(_: LambdaFunction, event: Json) -> tuple[str, bool, str]:
            with self._lock:
                self.given.append(event)
            found = self.answer(event)
            return json.dumps(found), isinstance(found, dict) and "errorMessage" in found, ""

        return call


def name_of(event: Json) -> str:
    """Return the function that an event is about."""
    return str(event["detail"]["requestParameters"]["functionName"])


@pytest.fixture
def post(account: Account, monkeypatch: pytest.MonkeyPatch) -> Post:
    """A deployment with an empty queue; nobody waits for letters that do not come."""
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setattr("ops.letter_queue._WAIT_SECONDS", 0)
    account.function(FUNCTION)
    made = Post(boto3.client("sqs", region_name=REGION).create_queue(QueueName="letters")["QueueUrl"])
    deploy(ProvisionerFunctionName=FUNCTION, DeadLetterQueueUrl=made.url, EventBusArn=BUS)
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", made.called())
    return made


def run(*arguments: str, typed: str = "") -> Result:
    """Run `replay`."""
    return CliRunner().invoke(commands, ["replay", *arguments], input=typed)


def replayed(*arguments: str) -> Json:
    """Run `replay --yes --json`, and return what it prints, with its exit status."""
    done = run("--yes", "--json", *arguments)
    return {"status": done.exit_code, **json.loads(done.stdout)}


def interrupt() -> None:
    """Press Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


# What a letter says


def message(body: str, attributes: Json) -> MessageTypeDef:
    """Return a message as SQS gives it."""
    return {
        "MessageId": "m",
        "Body": body,
        "MessageAttributes": attributes,
        "Attributes": {"SentTimestamp": "1700000000000"},
    }


RULE, OWN = Origin.RULE, Origin.FUNCTION


@pytest.mark.parametrize(
    ("attributes", "origin", "reason", "detail"),
    [
        (from_rule(), RULE, "no_permissions", "lambda:InvokeFunction"),
        (from_rule(target=BUS), RULE, "no_permissions", "events:PutEvents"),
        (from_rule("NO_RESOURCE", f"Function not found: {ARN}:f"), RULE, "no_resource", "Function not found: …"),
        (
            from_rule(
                "THROTTLING", "Rate exceeded", EXHAUSTED_RETRY_CONDITION="MaximumRetryAttempts", RETRY_ATTEMPTS="9"
            ),
            RULE,
            "throttling",
            "Rate exceeded",
        ),
        (from_function(QUOTA), OWN, "quota_exceeded", "codeguru-profiler:CreateProfilingGroup"),
        (from_function(DENIED), OWN, "access_denied", "codeguru-profiler:CreateProfilingGroup"),
        (from_function("service_error: ReadTimeoutError about arn:x: no"), OWN, "service_error", "ReadTimeoutError"),
        (
            from_function("concurrent_change: the function's tags were changed"),
            OWN,
            "concurrent_change",
            "the function's tags were changed",
        ),
        (
            from_function(
                "2026-03-04T09:30:00.000Z 6f0a2c1e-0000-4000-8000-000000000000 Task timed out after 9.01 seconds"
            ),
            OWN,
            "timed_out",
            "… … Task timed out after … seconds",
        ),
        (
            from_function(
                "RequestId: 6f0a2c1e-0000-4000-8000-000000000000 Error: Runtime exited with error: signal: killed"
            ),
            OWN,
            "crashed",
            "RequestId: … Error: Runtime exited with error: signal: killed",
        ),
        (from_function("Rate Exceeded.", "429"), OWN, "throttled", "Rate Exceeded."),
        (from_function("No module named 'x'"), OWN, "error", "No module named …"),
        (from_function(""), OWN, "error", ""),
    ],
)
def test_both_kinds_of_letters_tell_why(attributes: Json, origin: Origin, reason: str, detail: str) -> None:
    """Whatever is another in each letter is left out of the cause, so that those of one cause are told together."""
    letter = letters.read(message(creation("orders"), attributes))
    cause = letter.cause
    assert (cause.origin, cause.reason, cause.detail) == (origin, reason, detail)
    assert str(letter.function) == f"{ARN}:orders"


@pytest.mark.parametrize(
    ("body", "attributes", "why"),
    [
        (creation("orders"), {}, "nothing tells why it is here"),
        ("no JSON", from_function(QUOTA), "no event: its body is no JSON"),
        ("[]", from_function(QUOTA), "no event: the event is [], not an EventBridge event (a JSON object)"),
        (
            creation("o").replace("aws.lambda", "aws.ec2"),
            from_rule(),
            "an event of aws.ec2: AWS API Call via CloudTrail",
        ),
        ('{"action": "explode"}', from_function(QUOTA), "a request for something else"),
    ],
)
def test_what_is_no_letter_of_ours_is_told_and_left_alone(post: Post, body: str, attributes: Json, why: str) -> None:
    """The function would answer some of it with `skipped`, which would be taken for done."""
    post.leave(body, attributes)
    done = replayed("--all")
    assert (done["status"], done["asked"], [each["detail"] for each in done["others"]]) == (0, 0, [why])
    assert (post.given, post.counts()) == ([], (1, 0))


def test_however_many_causes_there_are_so_many_are_told_apart_and_no_more() -> None:
    """Whatever a function may come to say, it takes no memory."""
    tally = letters.Tally()
    for number in range(1000):
        text = f"w{'x' * number} " * 3
        tally.add(letters.read(message(creation("orders"), from_function(text))))
    assert (len(tally.groups()) <= 201, tally.all) == (True, 1000)


# Shown


def test_a_dry_run_shows_them_by_their_cause_and_leaves_the_queue_as_it_was(post: Post) -> None:
    """With how many there are of each, and an example; the exit status tells that there are some."""
    post.leave_creations("orders", "reports", "search")
    post.leave_creations("web", message=DENIED)
    post.leave(creation("late"), from_rule())
    done = run("--dry-run")
    assert (done.exit_code, done.stderr) == (1, "")
    heading, *rows = [re.split(r"  +", line) for line in done.stdout.splitlines()]
    assert heading == ["from", "reason", "detail", "account", "region", "letters", "oldest", "newest", "for example"]
    assert [(row[0], row[1], *row[3:6]) for row in rows] == [
        ("function", "quota_exceeded", ACCOUNT, REGION, "3"),
        ("function", "access_denied", ACCOUNT, REGION, "1"),
        ("rule", "no_permissions", ACCOUNT, REGION, "1"),
    ]
    assert {row[8] for row in rows} - {"orders", "reports", "search"} == {"web", "late"}
    assert (post.given, post.counts()) == ([], (5, 0))


def test_an_empty_queue_is_no_fault(post: Post) -> None:
    """Nothing is asked, either."""
    done = run("--dry-run")
    assert (done.exit_code, done.stdout, post.counts()) == (0, "There are no letters.\n", (0, 0))


@pytest.mark.parametrize(
    ("typed", "status", "left"), [("y\n", 0, 0), ("n\n", 1, 2), ("", 130, 2)], ids=["yes", "no", "-"]
)
def test_at_a_terminal_it_shows_them_and_asks(
    post: Post, monkeypatch: pytest.MonkeyPatch, typed: str, status: int, left: int
) -> None:
    """While it is thought about, nothing is hidden from anybody."""
    monkeypatch.setattr("ops.replay_command.sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
    post.leave_creations("orders", "reports")
    done = run(typed=typed)
    assert "quota_exceeded" in done.stdout
    assert "Replay 2 letters? [y/N]" in done.stderr
    assert (done.exit_code, post.counts()) == (status, (left, 0))


# Replayed


def test_each_is_given_to_the_function_as_it_is_and_deleted(post: Post) -> None:
    """Of both kinds, and of the same event twice."""
    post.leave_creations("orders", "orders")
    post.leave(creation("late"), from_rule())
    post.leave('{"action": "provision", "functions": ["web"]}', from_function("the functions cannot be listed"))
    post.answer = lambda event: {"complete": True, "counts": {"created": 1}} if "action" in event else CREATED
    done = replayed()
    assert {key: done[key] for key in ("status", "asked", "replayed", "failed", "left")} == {
        "status": 0,
        "asked": 4,
        "replayed": 4,
        "failed": 0,
        "left": 0,
    }
    assert post.counts() == (0, 0)
    assert [each for each in post.given if "action" in each] == [{"action": "provision", "functions": ["web"]}]
    assert sorted(json.dumps(each) for each in post.given if "detail" in each) == sorted(
        json.dumps(json.loads(creation(name))) for name in ("late", "orders", "orders")
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"errorType": "ProvisioningError", "errorMessage": DENIED}, "access_denied"),
        ({"errorType": "InvalidEventError", "errorMessage": "'detail' is a list"}, "invalid"),
        ({"errorMessage": "2026-03-04T09:30:00.000Z x Task timed out after 9.01 seconds"}, "timed_out"),
        ({"action": "failed", "reason": "invalid", "detail": "'detail.awsRegion' is another"}, "invalid"),
        ({"complete": True, "counts": {"failed": 1}}, "error"),
        ({"complete": False, "counts": {}}, "error"),
        ({"action": "rejoiced"}, "error"),
        (None, "error"),
    ],
    ids=["failed", "refused", "timed out", "outcome", "run", "incomplete", "no outcome", "nothing"],
)
def test_what_fails_again_stays_and_its_new_reason_is_told(post: Post, answer: Json | None, reason: str) -> None:
    """The others go."""
    post.leave_creations("orders", "web", "reports")
    post.answer = lambda event: answer if name_of(event) == "web" else CREATED
    done = replayed()
    assert (done["status"], done["replayed"], done["failed"]) == (1, 2, 1)
    assert [(each["function"], each["reason"]) for each in done["failures"]] == [(f"{ARN}:web", reason)]
    assert post.counts() == (1, 0)
    post.answer = lambda _: CREATED
    assert replayed()["letters"][0]["example"]["function"] == f"{ARN}:web"
    assert post.counts() == (0, 0)


def test_a_person_is_told_what_failed_again(post: Post) -> None:
    """By the new cause."""
    post.leave_creations("orders", "web")
    post.answer = lambda event: {"errorMessage": DENIED} if name_of(event) == "web" else CREATED
    lines = run("--yes").stdout.splitlines()
    assert lines[:2] == ["1 of 2 letters were replayed.", "1 have failed again, and stay in the queue:"]
    cells = ["access_denied", "codeguru-profiler:CreateProfilingGroup", ACCOUNT, REGION, "1", "web"]
    assert lines[-1].split()[:6] == cells


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["--reason", "Access_Denied"], ["web"]),
        (["--reason", "access_denied", "--reason", "no_permissions"], ["late", "web"]),
        (["--function", "orders"], ["orders"]),
        (["--function", f"{ARN}:orders", "--function", "late"], ["late", "orders"]),
        (["--function", "orders", "--reason", "access_denied"], []),
        (["--function", "arn:aws:lambda:us-east-1:111122223333:function:orders"], []),
        (["--all"], ["late", "orders", "web"]),
    ],
)
def test_some_may_be_asked_for(post: Post, arguments: list[str], asked: list[str]) -> None:
    """The others are left, and are not counted against it."""
    post.leave_creations("orders")
    post.leave_creations("web", message=DENIED)
    post.leave(creation("late"), from_rule())
    done = replayed(*arguments)
    assert (done["status"], done["asked"], post.names()) == (0, len(asked), asked)
    assert post.counts() == (3 - len(asked), 0)


def test_no_more_than_the_limit(post: Post) -> None:
    """Those are done then, and the rest is where it was."""
    post.leave_creations(*(f"worker-{number}" for number in range(15)))
    assert run("--dry-run", "--limit", "4").stdout.splitlines()[-1] == "4 of these 15 are asked for."
    done = replayed("--limit", "4")
    assert (done["status"], done["replayed"], len(post.given), post.counts()) == (0, 4, 4, (11, 0))


# Safe


def test_no_more_are_taken_than_can_be_worked_on_soon_and_two_at_a_time(post: Post) -> None:
    """However long the queue: the other letters' bodies are not held, and stay for other operators."""
    hidden, at_once, most = [], 0, 0

    def answer(_: Json) -> Json:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        hidden.append(post.counts()[1])
        at_once -= 1
        return CREATED

    post.leave_creations(*(f"worker-{number}" for number in range(45)))
    post.answer = answer
    assert replayed()["replayed"] == 45
    assert (max(hidden) <= 11, most <= 2) == (True, True)


def test_interrupted_it_ends_what_is_in_flight_gives_back_the_rest_and_may_be_run_again(post: Post) -> None:
    """Exit status 130; each letter is replayed once in all."""
    names = sorted(f"worker-{number:02}" for number in range(15))
    turns = count(1)

    def answer(_: Json) -> Json:
        if next(turns) == 5:
            interrupt()
        return CREATED

    post.leave_creations(*names)
    post.answer = answer
    done = replayed()
    assert (done["status"], done["interrupted"]) == (130, True)
    assert 5 <= done["replayed"] == len(post.given) <= 7
    assert post.counts() == (15 - done["replayed"], 0)
    again = replayed()
    assert (again["status"], again["replayed"], post.counts()) == (0, 15 - done["replayed"], (0, 0))
    assert post.names() == names


def test_interrupted_twice_it_does_not_wait(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the function's hands is given back like the rest: it may be done twice, and is not lost."""
    free, told, turns = Event(), Event(), count(1)

    def answer(_: Json) -> Json:
        if next(turns) == 1:
            interrupt()
            # Two at once would be one to the process.
            assert told.wait(LIMIT_SECONDS)
            interrupt()
        assert free.wait(LIMIT_SECONDS)
        return CREATED

    def left(status: int) -> None:
        seen.append((status, post.counts()))
        free.set()
        raise SystemExit(status)

    seen: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr("ops.replay_command.os._exit", left)
    monkeypatch.setattr(live.Live, "describe", lambda *_: told.set())
    post.leave_creations("orders", "reports", "web")
    post.answer = answer
    assert run("--yes").exit_code == 130
    assert seen == [(130, (3, 0))]


def test_interrupted_while_it_looks_it_gives_back_all(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was received by the very call is not forgotten."""
    receive = SQSBackend.receive_message

    def watched(*of: Any, **by: Any) -> Any:  # noqa: ANN401 - moto's
        found = receive(*of, **by)
        interrupt()
        return found

    post.leave_creations("orders", "reports")
    monkeypatch.setattr(SQSBackend, "receive_message", watched)
    assert (run("--dry-run").exit_code, post.counts()) == (130, (2, 0))


def test_what_takes_long_stays_hidden_from_others(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for its turn, too; so do the letters that are not asked for."""
    clock, all_done = Clock(), Event()
    extended: list[Json] = []
    change = SQSBackend.change_message_visibility_batch

    def watched(self: SQSBackend, name: str, entries: list[Json]) -> object:
        extended.extend(entry for entry in entries if entry["VisibilityTimeout"])
        if len(extended) >= 3:
            all_done.set()
        return change(self, name, entries)

    def answer(_: Json) -> Json:
        clock.sleep(200)
        assert all_done.wait(LIMIT_SECONDS)
        return CREATED

    monkeypatch.setattr("ops.letter_queue.time", clock)
    monkeypatch.setattr("ops.replay._LOOK_SECONDS", 0.05)
    monkeypatch.setattr(SQSBackend, "change_message_visibility_batch", watched)
    post.leave_creations("orders")
    post.leave_creations("web", "reports", message=DENIED)
    post.answer = answer
    assert replayed("--reason", "quota_exceeded")["status"] == 0
    assert {entry["VisibilityTimeout"] for entry in extended} == {300}
    assert post.counts() == (2, 0)


def test_one_that_comes_twice_is_tried_once(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQS delivers at least once; and what has failed must not be tried for ever."""
    monkeypatch.setattr("ops.letter_queue.HIDDEN_SECONDS", 0)
    receive = SQSBackend.receive_message
    calls = 0

    def three_times(*of: Any, **by: Any) -> Any:  # noqa: ANN401 - moto's
        nonlocal calls
        calls += 1
        return receive(*of, **by) if calls <= 3 else []

    monkeypatch.setattr(SQSBackend, "receive_message", three_times)
    post.leave_creations("orders")
    post.answer = lambda _: {"errorMessage": DENIED}
    done = replayed()
    assert (done["failed"], len(post.given), calls, post.counts()) == (1, 1, 4, (1, 0))


@pytest.mark.parametrize(("times", "status", "left"), [(3, 0, 0), (99, 1, 3)], ids=["for a while", "for too long"])
def test_a_function_that_is_throttled_is_waited_for(
    post: Post, monkeypatch: pytest.MonkeyPatch, times: int, status: int, left: int
) -> None:
    """Not for ever: then it is given up, and all is in the queue."""
    monkeypatch.setattr("ops.replay._PAUSES", (0.01,) * 10)
    post.leave_creations("orders", "reports", "web")

    def answer(_: Json) -> Json:
        if len(post.given) <= times:
            raise _ThrottledError
        return CREATED

    post.answer = answer
    done = replayed()
    assert (done["status"], done["replayed"], done["left"], post.counts()) == (
        status,
        3 - left,
        min(left, done["left"]),
        (left, 0),
    )
    assert ("TooManyRequestsException" in (done["given_up"] or "")) is bool(left)


def test_who_may_not_invoke_it_is_told_in_a_line_and_nothing_is_lost(post: Post) -> None:
    """After those that were replayed."""

    def answer(_: Json) -> Json:
        raise _DeniedError

    post.leave_creations("orders", "reports", "web")
    post.answer = answer
    done = run("--yes")
    assert (done.exit_code, done.stdout, post.counts()) == (2, "", (3, 0))
    first, last = done.stderr.splitlines()
    assert first == "0 letters were replayed; all others are in the queue."
    assert last.startswith("Error: AWS refuses to answer: ")
    assert "lambda:InvokeFunction" in last


def test_letters_that_somebody_else_has_are_told(post: Post) -> None:
    """Whether they get done nobody knows, so it has not come to an end."""
    post.leave_creations("orders")
    boto3.client("sqs", region_name=REGION).receive_message(QueueUrl=post.url)
    done = run("--yes")
    assert (done.exit_code, done.stdout) == (1, "0 of 0 letters were replayed.\n")
    assert done.stderr.startswith("1 letters are hidden: ")


# From another queue, which others write to


def test_a_members_queue_is_replayed_through_the_hub(post: Post) -> None:
    """Only what was on its way to this deployment: the function would do others' events too, and they would be gone."""
    url = boto3.client("sqs", region_name=REGION).create_queue(QueueName="member")["QueueUrl"]
    post.leave(creation("orders"), from_rule(target=BUS), url=url)
    post.leave(creation("audited"), from_rule(target=f"{ARN}:auditor"), url=url)
    post.leave(creation("strange"), from_function(QUOTA), url=url)
    done = replayed("--queue", url)
    assert (done["status"], done["replayed"], post.names()) == (0, 1, ["orders"])
    assert {each["detail"] for each in done["others"]} == {
        "a letter of a function's, which nothing tells",
        f"was not on its way to this deployment, but to {ARN}:auditor",
    }


MEMBER = Place(account="222233334444", region="ap-southeast-2")
THIRD = "999988887777"


def of_member(detail: Json | None = None, **changed: object) -> str:
    """Return the event of a function's creation in a member's account and region, with some of it changed."""
    text = json.dumps(envelope(record("create-function")))
    event = json.loads(text.replace("444455556666", MEMBER.account).replace("eu-west-1", MEMBER.region))
    event["detail"] |= detail or {}
    return json.dumps(event | changed)


def member_queue() -> str:
    """Make a member's queue, in a region that is not the hub's; return its URL."""
    url = boto3.client("sqs", region_name=MEMBER.region).create_queue(QueueName="member")["QueueUrl"]
    # moto looks for it by its name only, in the account that asks.
    return str(url.replace(ACCOUNT, MEMBER.account))


def leave_in(url: str, body: str, attributes: Json) -> None:
    """Leave a letter in the member's queue."""
    sqs = boto3.client("sqs", region_name=MEMBER.region)
    sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)


def waiting(url: str) -> int:
    """Return how many letters of the member's queue can be received."""
    sqs = boto3.client("sqs", region_name=MEMBER.region)
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(found["ApproximateNumberOfMessages"])


REQUEST = "a request; requests are taken from the stack's own queue only"
ELSEWHERE = "an event of another account or region than the queue's, which is 222233334444 in ap-southeast-2"
CONTRADICTS = "an event whose record contradicts its own account or region"
NOT_LAMBDA = "an event that is not CloudTrail's record of a call to Lambda"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('{"action": "provision", "functions": ["web"]}', REQUEST),
        (json.dumps({"action": "backfill", "account": THIRD, "region": "us-east-1"}), REQUEST),
        (json.dumps(json.loads(of_member()) | {"action": "backfill"}), REQUEST),
        (of_member(account=THIRD), ELSEWHERE),
        (of_member(region="us-east-1"), ELSEWHERE),
        (of_member(account=THIRD, detail={"recipientAccountId": THIRD}), ELSEWHERE),
        (of_member({"recipientAccountId": THIRD}), CONTRADICTS),
        (of_member({"recipientAccountId": [MEMBER.account]}), CONTRADICTS),
        (of_member({"awsRegion": "us-east-1"}), CONTRADICTS),
        (of_member({"awsRegion": "us-east-1", "eventName": "DeleteFunction20150331"}), CONTRADICTS),
        (of_member({"recipientAccountId": THIRD, "errorCode": "AccessDenied"}), CONTRADICTS),
        (
            of_member({"responseElements": {"functionArn": f"arn:aws:lambda:{MEMBER.region}:{THIRD}:function:web"}}),
            CONTRADICTS,
        ),
        (
            of_member({"requestParameters": {"functionName": f"us-east-1:{MEMBER.account}:function:web"}}),
            CONTRADICTS,
        ),
        (
            of_member(
                {
                    "eventName": "TagResource20170331v2",
                    "responseElements": None,
                    "requestParameters": {"resource": f"arn:aws:lambda:us-east-1:{MEMBER.account}:function:web"},
                }
            ),
            CONTRADICTS,
        ),
        (of_member(source=None), NOT_LAMBDA),
        (of_member({"eventSource": "s3.amazonaws.com"}), NOT_LAMBDA),
        (of_member(source="aws.s3"), "an event of aws.s3: AWS API Call via CloudTrail"),
        (json.dumps(json.loads(of_member()) | {"detail-type": "x"}), "an event of aws.lambda: x"),
        ("[]", "no event: the event is [], not an EventBridge event (a JSON object)"),
    ],
)
@pytest.mark.parametrize("attributes", [from_rule(target=BUS), from_function(QUOTA)], ids=["rule", "function"])
def test_replay_believes_nothing_that_a_member_wrote(post: Post, body: str, why: str, attributes: Json) -> None:
    """Requests, and events of other accounts and regions, are shown as not ours, and stay: attributes are no proof."""
    url = member_queue()
    leave_in(url, body, attributes)
    done = replayed("--queue", url)
    assert (done["status"], done["asked"], post.given, waiting(url)) == (0, 0, [], 1)
    assert [(each["reason"], each["detail"]) for each in done["others"]] == [("not_ours", why)]


def test_replay_takes_a_members_own_events_and_shows_where_the_others_are(post: Post) -> None:
    """In the table, too."""
    url = member_queue()
    for body in (of_member(), of_member(account=THIRD)):
        leave_in(url, body, from_rule(target=BUS))
    shown = [re.split(r"  +", line) for line in run("--dry-run", "--queue", url).stdout.splitlines()]
    assert shown[1][3:6] == [MEMBER.account, MEMBER.region, "1"]
    assert shown[-1][:4] == [ELSEWHERE, THIRD, MEMBER.region, "1"]
    done = replayed("--queue", url)
    assert (done["status"], done["replayed"], waiting(url)) == (0, 1, 1)
    assert [(each["account"], each["region"]) for each in post.given] == [(MEMBER.account, MEMBER.region)]
    (ours,), (other,) = done["letters"], done["others"]
    assert (ours["account"], ours["region"]) == (MEMBER.account, MEMBER.region)
    assert (other["account"], other["region"]) == (THIRD, MEMBER.region)


@pytest.mark.parametrize(
    ("url", "account", "region"),
    [
        ("https://sqs.us-east-1.amazonaws.com/111122223333/q", "111122223333", "us-east-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q", "111122223333", "cn-north-1"),
        ("https://sqs.eusc-de-east-1.amazonaws.eu/111122223333/q.fifo", "111122223333", "eusc-de-east-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/111122223333/q", "111122223333", "us-gov-west-1"),
        ("https://sqs.eu-west-1.api.aws/111122223333/q", "111122223333", "eu-west-1"),
        ("https://eu-west-1.queue.amazonaws.com/111122223333/q", "111122223333", "eu-west-1"),
        ("https://queue.amazonaws.com/111122223333/q", "111122223333", "us-east-1"),
        (
            "https://vpce-0a1b2c-3d4e5f.sqs.ap-northeast-1.vpce.amazonaws.com/111122223333/q",
            "111122223333",
            "ap-northeast-1",
        ),
        (
            "https://vpce-0a1b2c-3d4e5f-us-east-2a.sqs.us-east-2.vpce.amazonaws.com/111122223333/q/",
            "111122223333",
            "us-east-2",
        ),
    ],
)
def test_a_queue_url_names_its_account_and_region(url: str, account: str, region: str) -> None:
    """In each form that AWS documents."""
    assert parse_url(url) == Place(account=account, region=region)


@pytest.mark.parametrize(
    "url",
    [
        "member",
        "http://127.0.0.1:4566/111122223333/q",
        "https://sqs.us-east-1.amazonaws.com/q",
        "https://sqs.us-east-1.amazonaws.com/1111222233334/q",
        "https://sqs.amazonaws.com/111122223333/q",
        "https://sqs.us-east-1.amazonaws.com.example.org/111122223333/q",
        "https://example.org/sqs.us-east-1.amazonaws.com/111122223333/q",
        "https://sqs.us-east-1.amazonaws.com/111122223333/q?x=https://sqs.eu-west-1.amazonaws.com/999988887777/q",
        "arn:aws:sqs:us-east-1:111122223333:q",
    ],
)
def test_replay_refuses_a_queue_url_without_account_and_region(post: Post, url: str) -> None:
    """Nothing is received: what is there could not be told from what a stranger wrote."""
    done = run("--yes", "--queue", url)
    assert (done.exit_code, done.stdout, post.given) == (2, "", [])
    assert f"{url!r} does not name its account and region; expected https://sqs.REGION" in done.stderr


def test_the_stacks_own_queue_is_replayed_whatever_its_url(post: Post) -> None:
    """Also if it is named by --queue; requests are taken, and events of all accounts."""
    post.leave('{"action": "provision", "functions": ["web"]}', from_function("the functions cannot be listed"))
    post.leave(of_member(), from_function(QUOTA))
    done = replayed("--queue", post.url)
    assert (done["status"], done["replayed"], post.counts()) == (0, 2, (0, 0))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say --yes to replay them without being asked, or --dry-run to see them"),
        (["--json"], "say --yes"),
        (["--dry-run", "--yes"], "--dry-run or --yes, not both"),
        (["--all", "--limit", "3"], "--all, or --limit, --reason and --function, not both"),
        (["--dry-run", "--limit", "0"], "0 is not in the range x>=1"),
        (["--dry-run", "--function", "a:b:c:d"], "'a:b:c:d' is neither a function's name nor its ARN"),
        (
            ["--dry-run", "--stack", "Other"],
            f"there is no stack Other in {REGION}: deploy it, or name another by --stack\n",
        ),
        (["--dry-run", "--queue", f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/none"], "AWS refuses to answer"),
    ],
)
def test_wrong_usage_is_told_and_the_queue_is_left_alone(post: Post, arguments: list[str], said: str) -> None:
    """Exit status 2."""
    post.leave_creations("orders")
    done = run(*arguments)
    assert (done.exit_code, said in done.stderr, post.counts()) == (2, True, (1, 0))


# What docs/replay.md says


def test_the_page_names_what_programs_get(post: Post) -> None:
    """Every key, and no other."""
    post.leave_creations("orders")
    post.answer = lambda _: {"errorMessage": DENIED}
    done = json.loads(run("--yes", "--json").stdout)
    keys = {*done, *done["letters"][0], *done["failures"][0]}
    told = PAGE.split("With `--json` it prints")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", told)) == keys


def test_the_page_names_the_reasons_and_the_permissions(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those by which the function's letters are told apart, and the calls that are made."""
    rows = dict(re.findall(r"^\| `(rule|function)` \|(.*)$", PAGE, re.MULTILINE))
    named = set(re.findall(r"`([a-z_]+)`", rows["function"]))
    assert named == {*REASONS[Action.FAILED], *letters.Failed}
    asked: set[str] = set()
    send = boto3.session.Session.client

    def watched(self: boto3.Session, service: str, **of: Any) -> Any:  # noqa: ANN401 - boto3's
        client = send(self, service, **of)  # type: ignore[call-overload]  # any service
        client.meta.events.register("before-call", lambda model, **_: asked.add(f"{service}:{model.name}"))
        return client

    monkeypatch.setattr(boto3.session.Session, "client", watched)
    post.leave_creations("orders", "web")
    post.answer = lambda event: {"errorMessage": DENIED} if name_of(event) == "web" else CREATED
    assert run("--yes").exit_code == 1
    # One permission for both, and Invoke's has a name of its own (service authorization reference).
    asked = {each.removesuffix("Batch").replace(":Invoke", ":InvokeFunction") for each in asked}
    assert set(re.findall(r"`([a-z]+:[A-Z]\w+)`", PAGE.split("## Who may")[1].split("## ")[0])) == asked
