"""Answers that arrive byte by byte: every invocation ends with an error of its own, and the next one works."""

from __future__ import annotations

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse

from profiling_groups.deadline import DeadlineError
from profiling_groups.handler import ProvisioningError, handler
from tests.records import envelope, record
from tests.unit.account import ACCOUNT, REGION
from tests.unit.invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest

    from tests.records import Json
    from tests.unit.account import Account
    from tests.unit.invocation import Traces
    from tests.unit.sweeping import Sweeper

pytestmark = pytest.mark.usefixtures("obey")

CREATION: Json = json.loads(json.dumps(envelope(record("create-function"))).replace("444455556666", ACCOUNT))
NAME = "invoice-renderer"
PROVISION: Json = {"action": "provision", "functions": [NAME]}
BACKFILL: Json = {"action": "backfill"}
LATE = "the invocation ran out of time"


class SlowAccount:
    """An account with one function, in which the answers to one operation can be made to arrive byte by byte.

    Attributes:
        account: The account.
        on_first_byte: Called when the first byte of such an answer has arrived.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.account.function(NAME)
        self.account.answer_by(self._answer)
        self.on_first_byte: Callable[[], None] = lambda: None
        self._slow: str | None = None
        self._released = threading.Event()

    def slow_down(self, operation: str) -> None:
        """Let the answers to an operation arrive byte by byte; Lambda's time is up as soon as one begins to."""
        main = threading.get_ident()
        self.on_first_byte = lambda: signal.pthread_kill(main, signal.SIGALRM)
        self._slow = operation
        self._released.clear()

    def release(self) -> None:
        """Let all answers arrive."""
        self._slow = None
        self._released.set()

    def _answer(self, _: AWSPreparedRequest, operation: str, carry_out: Callable[[], AWSResponse]) -> AWSResponse:
        answer = carry_out()
        if operation != self._slow:
            return answer
        raw: Any = SimpleNamespace(stream=lambda: self._bytes(answer.content))
        return AWSResponse(answer.url, answer.status_code, answer.headers, raw)  # type: ignore[arg-type]  # as botocore does

    def _bytes(self, body: bytes) -> Iterator[bytes]:
        yield b" "
        self.on_first_byte()
        while not self._released.wait(0.01):
            yield b" "
        yield body


@pytest.fixture
def slow(sweeper: Sweeper) -> Iterator[SlowAccount]:
    """An account whose answers may be slow; at the end all threads are through."""
    threads = set(threading.enumerate())
    found = SlowAccount(sweeper.account)
    yield found
    found.release()
    for thread in set(threading.enumerate()) - threads:
        thread.join()


@pytest.mark.parametrize("operation", ["GetFunctionConfiguration", "ListTags", "CreateProfilingGroup"])
def test_an_event_ends_in_time_with_its_outcome(operation: str, slow: SlowAccount, traces: Traces) -> None:
    """Lambda tries it again, in the same environment."""
    slow.slow_down(operation)
    with pytest.raises(ProvisioningError, match=f"service_error: {LATE}"):
        handler(CREATION, Context())
    (outcome,) = traces.records("outcome")
    assert outcome["function"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"
    assert (outcome["action"], outcome["reason"]) == ("failed", "service_error")
    assert (outcome["account"], outcome["region"], outcome["error_code"]) == (ACCOUNT, REGION, "DeadlineError")
    assert traces.metrics()["failed.service_error"] == [1.0]
    slow.release()
    again = handler(CREATION, Context())
    assert again["action"] == ("exists" if operation == "CreateProfilingGroup" else "created")


def test_the_time_is_what_lambda_leaves(slow: SlowAccount) -> None:
    """No signal but the timer's."""
    slow.slow_down("ListTags")
    slow.on_first_byte = lambda: None
    with pytest.raises(ProvisioningError, match=LATE):
        handler(CREATION, Context(seconds_left=0.5))


@pytest.mark.parametrize("operation", ["ListFunctions", "GetResources", "ListProfilingGroups", "CreateProfilingGroup"])
def test_a_backfill_ends_in_time_with_an_error(operation: str, slow: SlowAccount) -> None:
    """Be it the function's own thread that is stuck, or another one; the next run goes all the way."""
    slow.slow_down(operation)
    with pytest.raises(DeadlineError, match=f"{LATE}; what it did is done"):
        handler(BACKFILL, Context())
    slow.release()
    run = handler(BACKFILL, Context())
    assert (run["complete"], run["totals"]["eligible"], run["totals"]["covered"]) == (True, 1, 1)


def test_a_provision_ends_in_time_and_what_is_stuck_writes_nothing_later(slow: SlowAccount) -> None:
    """Its thread may go on in a later invocation, whose function is another one by then."""
    slow.slow_down("GetFunctionConfiguration")
    threads = set(threading.enumerate())
    with pytest.raises(DeadlineError, match=LATE):
        handler(PROVISION, Context())
    slow.release()
    for thread in set(threading.enumerate()) - threads:
        thread.join()
    assert set(slow.account.sent) == {"GetFunctionConfiguration"}
    assert slow.account.groups() == []
    assert handler(PROVISION, Context())["counts"] == {"created": 1}


def test_the_handler_works_in_any_thread(slow: SlowAccount) -> None:
    """There is no timer then; Lambda calls it in the main thread."""
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(handler, CREATION, Context()).result()["action"] == "created"
        assert threads.submit(handler, PROVISION, Context()).result()["counts"] == {"exists": 1}
    assert slow.account.groups() == [f"aws-lambda-{NAME}"]
