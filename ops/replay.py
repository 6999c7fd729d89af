"""Dead letters are given to the function again; each that it gets done is deleted, each other one stays in the queue.

An event that the function was given before does no harm, as it reads the function's present state: so nothing need be
known of who else replays, or of what was interrupted.
"""

from __future__ import annotations

import json
import signal
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops import letters
from ops.deployment import INVOKE_CONFIG
from ops.letters import Origin, Tally
from ops.live import HowFar
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType
    from typing import Self

    import boto3
    from mypy_boto3_lambda import LambdaClient

    from ops.letter_queue import LetterQueue
    from ops.letters import Cause, Letter
    from ops.live import Live
    from profiling_groups.functions import FunctionReference

AT_THE_SAME_TIME: Final = 2
"""Letters in the function's hands at once. The stack reserves 5 for it by default: the rest is for new events."""
MOST_FAILURES: Final = 1_000
"""Failures that are told one by one; there are more in the queue."""

_LOOK_SECONDS: Final = 1.0
# In all some five minutes, as long as a queue of new events may keep the function busy without anything being wrong.
_PAUSES: Final = (1, 2, 4, 8, 15, *[30] * 9)
"""Seconds to wait after the function was throttled, once more each time."""
_THROTTLED: Final = 429
_BROKEN: Final = 500
_OF_THE_LETTER: Final = frozenset({"InvalidRequestContentException", "RequestTooLargeException"})
"""Errors of Invoke that no other letter need have."""
_REFUSALS: Final = frozenset({"InvalidEventError", "ForgedEventError", "InvalidRequestError"})
"""What the function raises where it was given nothing that it accepts."""
_ACTIONS: Final = frozenset(map(str, Action))


class BusyError(Exception):
    """The function was throttled, or Lambda out of order, all the time; the text says what it said last."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What letters are asked for.

    Attributes:
        reasons: Of these reasons, as `letters.Cause` has them; empty for any.
        functions: About these functions; empty for any, and for letters that are about none.
        limit: So many at most; None for all.
    """

    reasons: frozenset[str] = frozenset()
    functions: tuple[FunctionReference, ...] = ()
    limit: int | None = None

    def has(self, letter: Letter) -> bool:
        """Whether a letter is among them, if it is not one too many."""
        return (
            letter.is_ours
            and (not self.reasons or letter.cause.reason in self.reasons)
            and (not self.functions or any(letter.is_about(each) for each in self.functions))
        )


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A letter that is left, as the function has failed once more.

    Attributes:
        letter: The letter, without its body.
        cause: Why this time.
        message: The error message, whole.
    """

    letter: Letter
    cause: Cause
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "message_id": self.letter.id,
            "account": self.letter.account,
            "region": self.letter.region,
            "function": str(self.letter.function) if self.letter.function else None,
            "reason": self.cause.reason,
            "detail": self.message,
        }


@dataclass(kw_only=True)
class Replayed:
    """What came of it.

    Attributes:
        found: The letters that were asked for.
        others: Those that were not, and what is not ours.
        asked: How many were asked for, within the limit.
        replayed: How many of them the function got done, and are deleted.
        failed: How many it failed at again.
        failures: The first of these.
        causes: All of these, by their new cause.
        busy: Why it was given up before the end; None where it was not.
    """

    found: Tally = field(default_factory=Tally)
    others: Tally = field(default_factory=Tally)
    asked: int = 0
    replayed: int = 0
    failed: int = 0
    failures: list[Failure] = field(default_factory=list)
    causes: Tally = field(default_factory=Tally)
    busy: str | None = None

    @property
    def left(self) -> int:
        """How many were asked for, and not tried."""
        return self.asked - self.replayed - self.failed


class Interrupts:
    """What Ctrl-C does within a `with` block in the main thread: it asks to stop, and the second time it raises.

    No call to SQS is broken off by the first: what it has received would stay hidden, and nobody would know.

    Args:
        live: Is told.

    Attributes:
        stopping: Set once it was pressed; others may set it, too.
        pressed: Whether it was.
    """

    def __init__(self, live: Live) -> None:
        self.stopping = Event()
        self.pressed = False
        self._live = live

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        self.stopping.set()
        self._live.describe("Finishing what is in flight, and giving back the rest; Ctrl-C again ends at once")


def look(
    queue: LetterQueue, selection: Selection, *, known: Callable[[Letter], Letter], live: Live, stopping: Event
) -> Replayed:
    """See what letters there are, and give them back.

    Args:
        queue: The queue.
        selection: What is asked for.
        known: Is given each letter, and returns it, perhaps as one that is not ours.
        live: Shows how far it is.
        stopping: Set to stop.

    Raises:
        botocore.exceptions.BotoCoreError: AWS could not be reached.
        botocore.exceptions.ClientError: The queue may not be read.
    """
    seen = Replayed()
    waiting = queue.counts().waiting
    with queue:
        while not stopping.is_set() and (found := queue.receive()):
            for letter in map(known, found):
                (seen.found if selection.has(letter) else seen.others).add(letter)
            done = seen.found.all + seen.others.all
            live.show(HowFar(functions=max(waiting, done), done=done, counts={}, of="letters"))
            queue.hold()
    seen.asked = min(seen.found.all, seen.found.all if selection.limit is None else selection.limit)
    return seen


class Replay:
    """A replay of a queue's letters.

    Args:
        session: The operator's.
        function: Name of the function that is given them.
        selection: What is asked for.
        known: Is given each letter, and returns it, perhaps as one that is not ours.
        live: Shows how far it is.
        stopping: Set to stop; set where the function is too busy, too.

    Attributes:
        done: What came of it so far.
    """

    def __init__(  # noqa: PLR0913 - all by keyword
        self,
        session: boto3.Session,
        *,
        function: str,
        selection: Selection,
        known: Callable[[Letter], Letter],
        live: Live,
        stopping: Event,
    ) -> None:
        self._client: LambdaClient = session.client("lambda", config=INVOKE_CONFIG)
        self._function = function
        self._selection = selection
        self._known = known
        self._live = live
        self._stopping = stopping
        self.done = Replayed()

    def run(self, queue: LetterQueue) -> Replayed:
        """Replay what is asked for, and give back the rest.

        Raises:
            botocore.exceptions.BotoCoreError: AWS could not be reached; what was not replayed is in the queue.
            botocore.exceptions.ClientError: The function may not be invoked, or the queue not be read; likewise.
        """
        waiting = queue.counts().waiting
        threads = ThreadPoolExecutor(AT_THE_SAME_TIME)
        ready: deque[Letter] = deque()
        under_way: dict[Future[Failure | None], Letter] = {}
        more = True
        try:
            with queue:
                while True:
                    if more and not ready and len(under_way) < AT_THE_SAME_TIME and not self._stopping.is_set():
                        more = self._take(queue, ready)
                    while ready and len(under_way) < AT_THE_SAME_TIME and not self._stopping.is_set():
                        letter = ready.popleft()
                        under_way[threads.submit(self._try, letter)] = letter
                    if not under_way:
                        if self._stopping.is_set() or not (more or ready):
                            return self.done
                        continue
                    for each in wait(under_way, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done:
                        self._settle(queue, under_way.pop(each), each)
                    self._show(waiting)
                    queue.hold()
        finally:
            self._stopping.set()
            threads.shutdown(wait=False, cancel_futures=True)

    def _take(self, queue: LetterQueue, ready: deque[Letter]) -> bool:
        """Receive some letters; return whether there may be more that are asked for."""
        found = queue.receive()
        limit = self._selection.limit
        for letter in map(self._known, found):
            if not self._selection.has(letter):
                self.done.others.add(letter)
                continue
            self.done.found.add(letter)
            if limit is None or self.done.asked < limit:
                self.done.asked += 1
                ready.append(letter)
        return bool(found) and (limit is None or self.done.asked < limit)

    def _settle(self, queue: LetterQueue, letter: Letter, result: Future[Failure | None]) -> None:
        try:
            failure = result.result()
        except BusyError as error:
            self.done.busy = str(error)
            self._stopping.set()
            return
        except _NotTriedError:
            return
        if failure is None:
            queue.delete(letter.id)
            self.done.replayed += 1
            return
        self.done.failed += 1
        self.done.causes.add(replace(failure.letter, cause=failure.cause, message=failure.message))
        if len(self.done.failures) < MOST_FAILURES:
            self.done.failures.append(failure)

    def _show(self, waiting: int) -> None:
        done = self.done
        counts = {"replayed": done.replayed, "failed": done.failed}
        total = max(waiting, done.asked) if self._selection == Selection() else done.asked
        self._live.show(HowFar(functions=total, done=done.replayed + done.failed, counts=counts, of="letters"))

    def _try(self, letter: Letter) -> Failure | None:
        """Give the function a letter; wait where it is throttled. In a thread of its own."""
        error: ClientError | None = None
        for pause in (0, *_PAUSES):
            if self._stopping.wait(pause):
                raise _NotTriedError
            try:
                answer = self._client.invoke(FunctionName=self._function, Payload=letter.body.encode())
            except ClientError as refused:
                error, status = refused, refused.response["ResponseMetadata"]["HTTPStatusCode"]
                if error.response["Error"]["Code"] in _OF_THE_LETTER:
                    return _failure(letter, str(error), reason=Reason.INVALID)
                if status != _THROTTLED and status < _BROKEN:
                    raise
            else:
                return _read(letter, answer["Payload"].read(), has_failed="FunctionError" in answer)
        raise BusyError(str(error)) from error


class _NotTriedError(Exception):
    """It was to stop before the function took the letter."""


def _read(letter: Letter, payload: bytes, *, has_failed: bool) -> Failure | None:
    """Read what the function answers; None where it has done all."""
    content = json.loads(payload or b"null")
    if not isinstance(content, dict):
        return _failure(letter, f"the function answers {payload[:80]!r}, which is no outcome")
    if has_failed:
        message = str(content.get("errorMessage", ""))
        return _failure(letter, message, reason=Reason.INVALID if content.get("errorType") in _REFUSALS else None)
    if "counts" in content:
        return _read_run(letter, content)
    if content.get("action") == Action.FAILED:
        return _failure(letter, f"{content.get('reason')}: {content.get('detail')}")
    if content.get("action") not in _ACTIONS:
        return _failure(letter, "the function's answer is no outcome: it is not this version's")
    return None


def _read_run(letter: Letter, run: Mapping[str, Any]) -> Failure | None:
    """Read the answer to a request: it is done where nothing failed, to the end."""
    if failed := run["counts"].get(Action.FAILED):
        return _failure(letter, f"{failed} functions of the request have failed; the log has them")
    if not run.get("complete", True):
        return _failure(letter, "the sweep did not come to its end: profiling-groups backfill does all of it")
    return None


def _failure(letter: Letter, message: str, *, reason: Reason | None = None) -> Failure:
    cause = letters.of_function(message)
    if reason is not None:
        cause = letters.Cause(origin=Origin.FUNCTION, reason=reason, detail=letters.generalized(message))
    return Failure(letter=replace(letter, body=""), cause=cause, message=message)
