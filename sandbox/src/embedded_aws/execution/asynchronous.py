"""Lambda's queue of asynchronous events: retries, ages, destinations and dead letters.

`awslambda` submits what comes in with InvocationType Event, `eventbridge` what a rule matched; `admin_api` lists what
became of it all. This module owns the events that wait, the threads that deliver them and the rules by which Lambda
retries. The function is read afresh for each attempt, so a changed configuration holds for events that already wait.

An event grows older by the waits before its retries, and by nothing else: while functions run, and while an event waits
for one of its function's concurrent executions, AWS's clock stands still. So the number of attempts does not depend on
how fast the machine is.

Sources: "How Lambda handles errors and retries with asynchronous invocation" and "Capturing records of Lambda
asynchronous invocations" in the Lambda developer guide. Left out: destinations, and dead-letter topics.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
import time
import uuid
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from moto.sqs.models import sqs_backends

from embedded_aws.execution.deployment import find_function
from embedded_aws.execution.executor import ExecutorClosedError, ThrottledError
from embedded_aws.execution.runtime_api import MAX_ASYNCHRONOUS_PAYLOAD
from embedded_aws.monitoring import metrics

if TYPE_CHECKING:
    from moto.awslambda.models import LambdaFunction

    from embedded_aws.execution.executor import Executor, InvocationResult
    from embedded_aws.execution.telemetry import PermissionChecker

_WORKERS = 16  # events in delivery at the same time, over all functions
_RETRY_WAITS = (60.0, 120.0)  # seconds before the first and the second retry of a function error
_MAX_RETRIES = len(_RETRY_WAITS)
_MAX_AGE = 21600.0  # seconds; Lambda's default and upper limit
_MAX_ERROR_MESSAGE = 1024  # bytes, of a dead letter's ErrorMessage

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TimeScale:
    """How much shorter than in AWS a wait is.

    Attributes:
        factor: A wait of 60 s takes 60 * factor s, and counts as 60 s towards an event's age. Above 0. What is real
            work, such as a function's run, is not shortened, and does not count towards an event's age.
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        if self.factor <= 0:
            message = f"factor must be above 0, not {self.factor}"
            raise ValueError(message)

    def sleep_seconds(self, seconds: float) -> float:
        """Real seconds for a wait that AWS gives in seconds."""
        return seconds * self.factor


class PayloadTooLargeError(Exception):
    """An event beyond `MAX_ASYNCHRONOUS_PAYLOAD`."""


class _State(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    started: str
    duration_ms: float
    error: dict[str, str] | None


@dataclass(kw_only=True, eq=False)
class _Event:
    """An event and what has become of it so far; changed under the invoker's lock only."""

    request_id: str
    function_arn: str
    payload: bytes
    age: float = 0.0  # seconds on AWS's clock: the waits that it has served
    state: _State = _State.PENDING
    attempts: list[_Attempt] = field(default_factory=list)
    throttles: int = 0
    failure: tuple[int, str] = (429, "")  # of the last attempt: status and message
    result: object = None
    dead_lettered: bool = False


@dataclass(kw_only=True)
class _Lane:
    """The events of one function that could be delivered now.

    Attributes:
        ready: The oldest first.
        throttled: Whether the latest delivery was refused for want of concurrency. As long as there is still none, no
            other event is read: Lambda likewise reads less from its queue, instead of having thousands throttled.
    """

    ready: deque[_Event] = field(default_factory=deque)
    throttled: bool = False


@dataclass(frozen=True, kw_only=True)
class _Policy:
    """What a function is configured to do with asynchronous events."""

    maximum_retries: int
    maximum_age: float
    dead_letter: str | None

    @classmethod
    def of(cls, function: LambdaFunction) -> _Policy:
        config = function.event_invoke_config[0].config if function.event_invoke_config else {}
        dead_letter: dict[str, str] = getattr(function, "dead_letter_config", {})  # moto_extensions adds it
        return cls(
            maximum_retries=min(int(config.get("MaximumRetryAttempts", _MAX_RETRIES)), _MAX_RETRIES),
            maximum_age=float(config.get("MaximumEventAgeInSeconds", _MAX_AGE)),
            dead_letter=dead_letter.get("TargetArn"),
        )


class AsynchronousInvoker:
    """Delivers events to functions, each until it succeeds or is given up.

    Args:
        executor: Runs the functions.
        time_scale: How much shorter than in AWS the waits are. A function's own time-out is not shortened.
        permits: Says what the execution role may do, for the messages that Lambda sends in its name.
    """

    def __init__(self, *, executor: Executor, time_scale: TimeScale, permits: PermissionChecker) -> None:
        self._executor = executor
        self._time_scale = time_scale
        self._permits = permits
        self._changed = threading.Condition()
        self._events: list[_Event] = []
        self._pending = 0
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()  # by function ARN; the one served last stands last
        self._waiting: list[tuple[float, int, _Event]] = []  # heap by the instant when it is due
        self._sequence = itertools.count()
        self._closed = False
        executor.when_invocation_ends(self._wake)
        self._workers = [
            threading.Thread(target=self._work, name=f"lambda-event-{number}", daemon=True)
            for number in range(_WORKERS)
        ]
        for worker in self._workers:
            worker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, function_arn: str, payload: bytes) -> str:
        """Accept an event for a function and return its request id at once.

        Args:
            function_arn: With or without a qualifier. A function that is gone when the event's turn comes drops it.
            payload: The event, JSON.

        Raises:
            PayloadTooLargeError: The event is larger than Lambda accepts.
        """
        if len(payload) > MAX_ASYNCHRONOUS_PAYLOAD:
            raise PayloadTooLargeError
        event = _Event(request_id=str(uuid.uuid4()), function_arn=function_arn, payload=payload)
        with self._changed:
            self._events.append(event)
            self._pending += 1
            self._lane(event).ready.append(event)
            self._changed.notify()
        return event.request_id

    def idle(self) -> bool:
        """Whether no event waits or is in delivery."""
        with self._changed:
            return self._pending == 0

    def invocations(self) -> list[dict[str, object]]:
        """All events since the start, oldest first, as JSON-able records.

        Keys: request_id; function_arn; state ("pending", "succeeded" or "failed"); attempts (started, duration_ms,
        error with errorType and errorMessage or None); throttles (how often it was refused for want of concurrency);
        dead_lettered (whether a dead-letter queue has it); result (what the handler returned, or None); payload.
        """
        names = ("request_id", "function_arn", "throttles", "dead_lettered", "result")
        with self._changed:
            return [
                {name: getattr(event, name) for name in names}
                | {"state": event.state.value, "payload": _decoded(event.payload)}
                | {"attempts": [asdict(attempt) for attempt in event.attempts]}
                for event in self._events
            ]

    def close(self) -> None:
        """Deliver nothing more. What is in delivery ends when the executor is closed; what waits is lost."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # -- the threads ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (event := self._take()) is not None:
            try:
                self._deliver(event)
            except ExecutorClosedError:
                return
            except Exception as error:  # a fault of the sandbox's own must not end the thread, nor hide
                _logger.exception("Event %s could not be delivered", event.request_id)
                fault = {"errorType": f"Sandbox.{type(error).__name__}", "errorMessage": str(error)}
                with self._changed:
                    event.attempts.append(_Attempt(started=_timestamp(), duration_ms=0.0, error=fault))
                self._finish(event, _State.FAILED)

    def _take(self) -> _Event | None:
        """The next event whose turn it is; functions take turns. Blocks; None at the end."""
        with self._changed:
            while not self._closed:
                self._wake_due()
                for arn, lane in self._lanes.items():
                    if lane.ready and not (lane.throttled and self._executor.is_at_capacity(arn)):
                        lane.throttled = False
                        self._lanes.move_to_end(arn)
                        return lane.ready.popleft()
                self._changed.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
            return None

    def _wake_due(self) -> None:
        now = time.monotonic()
        woken = False
        while self._waiting and self._waiting[0][0] <= now:
            _, _, event = heapq.heappop(self._waiting)
            self._lane(event).ready.appendleft(event)  # it is older than what has not been tried yet
            woken = True
        if woken:
            self._changed.notify_all()

    def _wake(self) -> None:
        """Let the workers look again: an execution of some function is free."""
        with self._changed:
            self._changed.notify_all()

    def _lane(self, event: _Event) -> _Lane:
        return self._lanes.setdefault(event.function_arn, _Lane())

    # -- one event -----------------------------------------------------------------------------------------------------

    def _deliver(self, event: _Event) -> None:
        """Make one attempt, and decide what comes next."""
        function = find_function(event.function_arn)
        if function is None:
            _logger.warning("Event %s dropped: %s is gone", event.request_id, event.function_arn)
            self._finish(event, _State.FAILED)
            return
        policy = _Policy.of(function)
        if event.age >= policy.maximum_age:
            self._give_up(event, function, policy)
            return
        started, clock = _timestamp(), time.monotonic()
        try:
            result = self._executor.invoke(function, event.payload, request_id=event.request_id)
        except ThrottledError as error:
            self._throttled(event, function, policy, error)
            return
        attempt = _Attempt(
            started=started,
            duration_ms=round((time.monotonic() - clock) * 1000, 3),
            error=_error_of(result),
        )
        with self._changed:
            event.attempts.append(attempt)
            event.failure = (200, attempt.error["errorMessage"] if attempt.error else "")
        if attempt.error is None:
            self._finish(event, _State.SUCCEEDED, result=_decoded(result.payload))
        elif len(event.attempts) > policy.maximum_retries:
            self._give_up(event, function, policy)
        else:
            self._wait(event, _RETRY_WAITS[len(event.attempts) - 1], policy)

    def _throttled(self, event: _Event, function: LambdaFunction, policy: _Policy, error: ThrottledError) -> None:
        """Let the event be the next one once its function has an execution free; give it up if it may have none."""
        message = str(error) if error.reserved else "The function has zero reserved concurrency."
        with self._changed:
            event.throttles += 1
            event.failure = (429, message)
            if error.reserved > 0:
                lane = self._lane(event)
                lane.ready.appendleft(event)
                lane.throttled = True
                return
        self._give_up(event, function, policy)

    def _wait(self, event: _Event, seconds: float, policy: _Policy) -> None:
        """Put the event aside for so many seconds of AWS's clock, or until it is too old if that comes first."""
        seconds = max(0.0, min(seconds, policy.maximum_age - event.age))
        due = time.monotonic() + self._time_scale.sleep_seconds(seconds)
        with self._changed:
            event.age += seconds
            heapq.heappush(self._waiting, (due, next(self._sequence), event))
            self._changed.notify()

    def _give_up(self, event: _Event, function: LambdaFunction, policy: _Policy) -> None:
        """Send the event to its function's dead-letter queue, if there is one, and end it."""
        sent = False
        if policy.dead_letter:
            status, message = event.failure
            message = message.encode()[:_MAX_ERROR_MESSAGE].decode(errors="ignore")
            attributes = {
                "RequestID": {"DataType": "String", "StringValue": event.request_id},
                "ErrorCode": {"DataType": "Number", "StringValue": str(status)},
            }
            if message:  # SQS refuses an empty value
                attributes["ErrorMessage"] = {"DataType": "String", "StringValue": message}
            sent = self._send(function, policy.dead_letter, event.payload.decode(), attributes)
            if not sent:
                metrics.of_function(event.function_arn, {"DeadLetterErrors": 1})
        self._finish(event, _State.FAILED, dead_lettered=sent)

    def _send(self, function: LambdaFunction, queue_arn: str, body: str, attributes: dict[str, dict[str, str]]) -> bool:
        """Send a message in the name of the function's role; False where AWS would count a delivery failure."""
        _, _, service, region, account, name = queue_arn.split(":", 5)
        queue = sqs_backends[account][region].queues.get(name) if service == "sqs" else None
        parts = [part for key, value in attributes.items() for part in (key, *value.values())]
        obstacle = None
        if not self._permits(function.role, function.function_name, action="sqs:SendMessage", resource=queue_arn):
            obstacle = f"{function.role} may not send to it"
        elif queue is None:
            obstacle = "there is no such queue"
        elif sum(len(part.encode()) for part in (body, *parts)) > int(queue.attributes["MaximumMessageSize"]):
            obstacle = "it is too large"
        if obstacle is not None:
            _logger.warning("Event of %s dropped: %s: %s", function.function_name, queue_arn, obstacle)
            return False
        sqs_backends[account][region].send_message(name, body, message_attributes=dict(attributes))
        return True

    def _finish(self, event: _Event, state: _State, *, result: object = None, dead_lettered: bool = False) -> None:
        with self._changed:
            event.state = state
            event.result = result
            event.dead_lettered = dead_lettered
            self._pending -= 1


def _error_of(result: InvocationResult) -> dict[str, str] | None:
    if result.function_error is None:
        return None
    document = _decoded(result.payload)
    if not isinstance(document, dict):
        return {"errorType": result.function_error, "errorMessage": str(document)}
    return {
        "errorType": str(document.get("errorType", result.function_error)),
        "errorMessage": str(document.get("errorMessage", "")),
    }


def _timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _decoded(payload: bytes) -> object:
    """Return the value of a JSON text; text that is not JSON, as it is."""
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")
