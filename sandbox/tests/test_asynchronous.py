"""Asynchronous events with real functions: retries, ages, throttles, destinations and dead-letter queues.

Waits are shortened 500 times: Lambda's first retry after 60 s comes after 0.12 s.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto.awslambda.models import EventInvokeConfig, lambda_backends
from moto.sqs.models import sqs_backends

from embedded_aws.execution.asynchronous import AsynchronousInvoker, PayloadTooLargeError, TimeScale
from embedded_aws.execution.runtime_api import MAX_ASYNCHRONOUS_PAYLOAD
from lambda_functions import REGION, Account, Denials, executor_for
from waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto.awslambda.models import LambdaFunction

    from embedded_aws.execution.executor import Executor

TIME_SCALE = TimeScale(factor=1 / 500)

# Fails as often as its environment says; each run leaves a file named after the instant, with its request id.
FLAKY = """
import os, pathlib, time
def handler(event, context):
    runs = pathlib.Path(os.environ["RUNS"])
    (runs / f"{time.monotonic_ns()}").write_text(context.aws_request_id)
    if len(list(runs.iterdir())) <= int(os.environ["FAILURES"]):
        raise LookupError("not yet")
    return {"event": event}
"""

# Runs until the file that the event names exists, and leaves one named after its process meanwhile.
HELD = """
import os, pathlib, time
def handler(event, context):
    while "go" in event and not pathlib.Path(event["go"]).exists():
        (pathlib.Path(event["running"]) / str(os.getpid())).touch()
        time.sleep(0.005)
    if event.get("fails"):
        raise LookupError("not yet")
    return os.getpid()
"""
# Longer than any test takes.
HELD_SECONDS = 900


@pytest.fixture(scope="module")
def denials() -> Denials:
    """What the execution roles may not do."""
    return Denials()


@pytest.fixture(scope="module")
def executor(denials: Denials) -> Iterator[Executor]:
    """An executor; what is tested here does not depend on the runtime."""
    with executor_for(denials) as executor:
        yield executor


@pytest.fixture
def account(executor: Executor, denials: Denials) -> Account:
    """An account of the test's own."""
    denials.denied.clear()
    return Account(executor, denials.denied)


@pytest.fixture
def invoker(executor: Executor, denials: Denials) -> Iterator[AsynchronousInvoker]:
    """The queue of events."""
    with AsynchronousInvoker(executor=executor, time_scale=TIME_SCALE, permits=denials) as invoker:
        yield invoker


def flaky(account: Account, runs: Path, *, failures: int, **spec: Any) -> LambdaFunction:  # noqa: ANN401 (any member of CreateFunction)
    """A function that fails so many times."""
    variables = {"RUNS": str(runs), "FAILURES": str(failures)}
    return account.function(FLAKY, Environment={"Variables": variables}, **spec)


def configure(function: LambdaFunction, **config: object) -> None:
    """Give the function an EventInvokeConfig."""
    function.event_invoke_config = [EventInvokeConfig(function.function_arn, function.last_modified, dict(config))]


def queue(account: Account, name: str) -> str:
    """Make a queue and return its ARN."""
    return sqs_backends[account.id][REGION].create_queue(name).queue_arn


def messages(account: Account, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Bodies and attributes of the messages in a queue."""
    found = sqs_backends[account.id][REGION].get_queue(name)._messages  # noqa: SLF001 (receiving would hide them)
    return [(message.body, message.message_attributes) for message in found]


def finished(invoker: AsynchronousInvoker, request_id: str) -> dict[str, Any]:
    """What became of an event, once nothing is pending any more."""
    until(invoker.idle)
    (record,) = (record for record in invoker.invocations() if record["request_id"] == request_id)
    assert json.loads(json.dumps(record)) == record
    return record


@pytest.fixture
def held(tmp_path: Path) -> dict[str, str]:
    """An event that holds a function until its file `go` is there; its folder `running` has a file by then."""
    (tmp_path / "running").mkdir()
    return {"running": str(tmp_path / "running"), "go": str(tmp_path / "go")}


def is_running(held: dict[str, str], times: int = 1) -> bool:
    """Whether so many processes are held."""
    return len(list(Path(held["running"]).iterdir())) == times


def release(held: dict[str, str]) -> None:
    """Let what is held end."""
    Path(held["go"]).touch()


def send(invoker: AsynchronousInvoker, function: LambdaFunction, event: object) -> str:
    """Submit an event."""
    return invoker.submit(function.function_arn, json.dumps(event).encode())


def runs_of(folder: Path) -> list[tuple[float, str]]:
    """When a flaky function ran, in seconds, and for which request."""
    return [(int(path.name) / 1e9, path.read_text()) for path in sorted(folder.iterdir())]


# -- success and retries -----------------------------------------------------------------------------------------------


def test_an_event_that_succeeds_the_third_time_is_done(
    account: Account, invoker: AsynchronousInvoker, tmp_path: Path
) -> None:
    """Two retries, after one and two minutes, under the same request id; no queue hears of it."""
    function = flaky(account, tmp_path, failures=2, DeadLetterConfig={"TargetArn": queue(account, "dead")})

    record = finished(invoker, send(invoker, function, {"name": "checkout"}))

    assert record["state"] == "succeeded"
    assert [attempt["error"] for attempt in record["attempts"]] == [
        {"errorType": "LookupError", "errorMessage": "not yet"},
        {"errorType": "LookupError", "errorMessage": "not yet"},
        None,
    ]
    assert record["payload"] == {"name": "checkout"}
    assert record["result"] == {"event": {"name": "checkout"}}
    assert not record["dead_lettered"]
    assert messages(account, "dead") == []
    times, requests = zip(*runs_of(tmp_path), strict=True)
    assert set(requests) == {record["request_id"]}
    assert times[1] - times[0] >= TIME_SCALE.sleep_seconds(60)
    assert times[2] - times[1] >= TIME_SCALE.sleep_seconds(120)


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (2, 3)])
def test_the_function_says_how_often_to_retry(
    account: Account, invoker: AsynchronousInvoker, tmp_path: Path, retries: int, attempts: int
) -> None:
    """MaximumRetryAttempts counts retries, not attempts."""
    function = flaky(account, tmp_path, failures=9)
    configure(function, MaximumRetryAttempts=retries)

    record = finished(invoker, send(invoker, function, {}))

    assert (record["state"], len(record["attempts"]), record["result"]) == ("failed", attempts, None)
    assert len(runs_of(tmp_path)) == attempts


# -- the end of the line -----------------------------------------------------------------------------------------------


def test_an_exhausted_event_goes_to_the_dead_letter_queue(
    account: Account, invoker: AsynchronousInvoker, tmp_path: Path
) -> None:
    """The message is the event itself; its attributes describe the last attempt."""
    function = flaky(account, tmp_path, failures=9, DeadLetterConfig={"TargetArn": queue(account, "dead")})
    event = b'{"detail":  {"name": "Zo\xc3\xab"}}'

    request_id = invoker.submit(function.function_arn, event)

    assert finished(invoker, request_id)["dead_lettered"]
    assert messages(account, "dead") == [
        (
            event.decode(),
            {
                "RequestID": {"DataType": "String", "StringValue": request_id},
                "ErrorCode": {"DataType": "Number", "StringValue": "200"},
                "ErrorMessage": {"DataType": "String", "StringValue": "not yet"},
            },
        )
    ]


def test_a_long_error_message_is_cut(account: Account, invoker: AsynchronousInvoker) -> None:
    """A dead letter's ErrorMessage has at most 1 KB and no broken character."""
    function = account.function(
        "def handler(event, context):\n    raise LookupError('x' + 'ë' * 1000)\n",
        DeadLetterConfig={"TargetArn": queue(account, "dead")},
    )
    configure(function, MaximumRetryAttempts=0)

    finished(invoker, send(invoker, function, {}))

    ((_, attributes),) = messages(account, "dead")
    assert attributes["ErrorMessage"]["StringValue"] == "x" + "ë" * 511


@pytest.mark.parametrize("obstacle", ["not allowed", "no such queue", "too large for the queue"])
def test_a_dead_letter_that_cannot_be_sent_is_lost(
    account: Account, invoker: AsynchronousInvoker, tmp_path: Path, obstacle: str
) -> None:
    """The queue is written to in the role's name and within the queue's limits; the state says what became of it."""
    target = queue(account, "dead")
    event: object = {}
    match obstacle:
        case "not allowed":
            account.denied.add("sqs:SendMessage")
        case "no such queue":
            target = target.replace("dead", "buried")
        case _:
            event = "x" * (MAX_ASYNCHRONOUS_PAYLOAD - 2)  # no room for the attributes
    function = flaky(account, tmp_path, failures=9, DeadLetterConfig={"TargetArn": target})
    configure(function, MaximumRetryAttempts=0)

    record = finished(invoker, send(invoker, function, event))

    assert (record["state"], record["dead_lettered"]) == ("failed", False)
    assert messages(account, "dead") == []


def test_an_event_beyond_the_limit_is_refused(account: Account, invoker: AsynchronousInvoker) -> None:
    """1 MB passes, one byte more does not."""
    function = account.function("def handler(event, context):\n    return len(event)\n")

    with pytest.raises(PayloadTooLargeError):
        send(invoker, function, "x" * (MAX_ASYNCHRONOUS_PAYLOAD - 1))
    record = finished(invoker, send(invoker, function, "x" * (MAX_ASYNCHRONOUS_PAYLOAD - 2)))

    assert record["result"] == MAX_ASYNCHRONOUS_PAYLOAD - 2


def test_an_old_event_is_given_up_before_its_retry(
    account: Account, invoker: AsynchronousInvoker, tmp_path: Path
) -> None:
    """With a maximum age of 90 s the second retry, due 180 s after the event, is not made."""
    function = flaky(account, tmp_path, failures=9, DeadLetterConfig={"TargetArn": queue(account, "dead")})
    configure(function, MaximumEventAgeInSeconds=90)

    record = finished(invoker, send(invoker, function, {}))

    assert (record["state"], len(record["attempts"])) == ("failed", 2)
    assert len(messages(account, "dead")) == 1


def test_an_event_for_a_deleted_function_is_dropped(
    account: Account, invoker: AsynchronousInvoker, held: dict[str, str]
) -> None:
    """A function that is gone when the retry comes round ends the event."""
    function = account.function(HELD, Timeout=HELD_SECONDS)
    request_id = send(invoker, function, {**held, "fails": True})
    until(lambda: is_running(held))

    lambda_backends[account.id][REGION].delete_function("checkout")
    release(held)

    record = finished(invoker, request_id)
    assert (record["state"], len(record["attempts"])) == ("failed", 1)


# -- throttling --------------------------------------------------------------------------------------------------------


def test_a_throttled_event_waits_for_its_turn(
    account: Account, invoker: AsynchronousInvoker, held: dict[str, str]
) -> None:
    """While others use the reserved concurrency the event is put off, which does not count as an attempt."""
    function = account.function(HELD, Timeout=HELD_SECONDS, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(account.executor.invoke, function, json.dumps(held).encode())
        until(lambda: is_running(held))
        request_id = send(invoker, function, {})
        until(lambda: bool(invoker.invocations()[-1]["throttles"]))
        assert not invoker.idle()
        release(held)
        other.result()

    record = finished(invoker, request_id)
    assert (record["state"], len(record["attempts"])) == ("succeeded", 1)


def test_events_behind_a_throttled_one_wait_unread(
    account: Account, invoker: AsynchronousInvoker, held: dict[str, str]
) -> None:
    """Lambda reads less from its queue while a function is throttled: of many events only a few are tried in vain."""
    function = account.function(HELD, Timeout=HELD_SECONDS, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(account.executor.invoke, function, json.dumps(held).encode())
        until(lambda: is_running(held))
        for _ in range(200):
            send(invoker, function, {})
        until(lambda: any(record["throttles"] for record in invoker.invocations()))
        untried = [record for record in invoker.invocations() if record["throttles"] == 0]
        release(held)
        other.result()

    assert len(untried) > 100
    until(invoker.idle)
    assert {record["state"] for record in invoker.invocations()} == {"succeeded"}


def test_a_throttled_event_does_not_age_while_functions_run(
    account: Account, executor: Executor, held: dict[str, str]
) -> None:
    """However slow the machine and short the waits: AWS's clock stands still as long as the function is busy."""
    function = account.function(HELD, Timeout=HELD_SECONDS, ReservedConcurrentExecutions=1)
    configure(function, MaximumEventAgeInSeconds=60)
    other = account.function("def handler(event, context):\n    return event\n", "other")
    with AsynchronousInvoker(executor=executor, time_scale=TimeScale(factor=1e-9), permits=Denials()) as invoker:
        send(invoker, function, held)
        until(lambda: is_running(held))
        request_id = send(invoker, function, {})
        until(lambda: bool(invoker.invocations()[-1]["throttles"]))
        # Some real time goes by: that of the start of a process.
        send(invoker, other, {})
        until(lambda: invoker.invocations()[-1]["state"] == "succeeded")
        release(held)
        record = finished(invoker, request_id)

    assert (record["state"], len(record["attempts"])) == ("succeeded", 1)


def test_each_of_many_failing_events_has_its_three_attempts(account: Account, executor: Executor) -> None:
    """None is given up for its age, however much longer their runs take than the shortened waits."""
    function = account.function(
        "def handler(event, context):\n    raise LookupError('not yet')\n",
        ReservedConcurrentExecutions=1,
        DeadLetterConfig={"TargetArn": queue(account, "dead")},
    )
    with AsynchronousInvoker(executor=executor, time_scale=TimeScale(factor=1e-9), permits=Denials()) as invoker:
        sent = [send(invoker, function, {}) for _ in range(100)]
        until(invoker.idle)
        records = invoker.invocations()

    assert [len(record["attempts"]) for record in records] == [3] * 100  # type: ignore[arg-type]  # lists, here
    letters = [attributes for _, attributes in messages(account, "dead")]
    assert {each["RequestID"]["StringValue"] for each in letters} == set(sent)
    assert [each["ErrorMessage"]["StringValue"] for each in letters] == ["not yet"] * 100


def test_an_event_for_a_stopped_function_is_given_up_at_once(account: Account, invoker: AsynchronousInvoker) -> None:
    """With zero reserved concurrency nothing is waited for."""
    function = account.function(
        HELD, ReservedConcurrentExecutions=0, DeadLetterConfig={"TargetArn": queue(account, "dead")}
    )

    record = finished(invoker, send(invoker, function, {"kept": True}))

    assert (record["state"], record["throttles"], record["dead_lettered"]) == ("failed", 1, True)
    ((body, attributes),) = messages(account, "dead")
    assert (body, attributes["ErrorCode"]["StringValue"]) == ('{"kept": true}', "429")
    assert attributes["ErrorMessage"]["StringValue"] == "The function has zero reserved concurrency."


def test_a_burst_is_worked_off_within_the_reserved_concurrency(
    account: Account, invoker: AsynchronousInvoker, held: dict[str, str]
) -> None:
    """Hundreds of events for a function that may run twice at a time all get through, in two processes."""
    function = account.function(HELD, Timeout=HELD_SECONDS, ReservedConcurrentExecutions=2)
    other = account.function("def handler(event, context):\n    return event\n", "other")
    for _ in range(300):
        send(invoker, function, held)
    until(lambda: is_running(held, times=2))

    in_between = send(invoker, other, "in between")
    until(lambda: invoker.invocations()[-1]["state"] == "succeeded")
    assert not invoker.idle()
    release(held)

    assert finished(invoker, in_between)["result"] == "in between"
    records = invoker.invocations()[:-1]
    assert [record["state"] for record in records] == ["succeeded"] * 300
    assert len({record["result"] for record in records}) == 2


def test_after_closing_nothing_is_delivered(account: Account, executor: Executor, tmp_path: Path) -> None:
    """An event that waits for its retry is not made when the queue is closed: no thread is left that could."""
    function = flaky(account, tmp_path, failures=9)
    with AsynchronousInvoker(executor=executor, time_scale=TimeScale(), permits=Denials()) as invoker:
        send(invoker, function, {})
        until(lambda: len(invoker.invocations()[0]["attempts"]) == 1)  # type: ignore[arg-type]  # a list, here

    send(invoker, function, {})
    until(lambda: not any(thread.name.startswith("lambda-event-") for thread in threading.enumerate()))
    assert len(runs_of(tmp_path)) == 1
    assert not invoker.idle()


def test_a_pace_above_zero_is_demanded() -> None:
    """A factor of nought would turn every wait into a busy loop."""
    with pytest.raises(ValueError, match="above 0"):
        TimeScale(factor=0)
