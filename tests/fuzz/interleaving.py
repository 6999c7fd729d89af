"""Pieces of work side by side, of which one at a time makes one AWS call: who is next is the test's to say.

A piece of work runs in a thread of its own and stands still before each request that leaves the SDK. `step` lets that
one request go, and waits until the work stands before its next one, or is done. So a schedule is a list of steps, the
same schedule does the same every time, and nothing waits for a clock.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from threading import Semaphore, Thread, current_thread
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from profiling_groups.aws import Clients
    from profiling_groups.outcomes import Outcome

# What a call is given and answers with, as far as it is worth a place in the story.
_TOLD = ("Tags", "tags", "tagKeys", "principals", "Error")


@dataclass(eq=False, kw_only=True)
class Run:
    """A piece of work that stands before its next AWS call, or is done.

    Attributes:
        name: What the story calls it.
        work: What it does.
        ahead: The operation that it is about to call; None when it is done.
        asked: What it gave its last call.
        result: What the work came to; None before it is done.
        error: What it raised.
        go: Released by the test: make the call ahead.
        stands: Released by the run: it stands again, or is done.
    """

    name: str
    work: Callable[[], Outcome]
    ahead: str | None = None
    asked: str = ""
    result: Outcome | None = None
    error: Exception | None = None
    go: Semaphore = field(default_factory=lambda: Semaphore(0))
    stands: Semaphore = field(default_factory=lambda: Semaphore(0))


class _RunThread(Thread):
    def __init__(self, run: Run) -> None:
        super().__init__(name=run.name, daemon=True)
        self.of = run

    def run(self) -> None:
        """Do the work; its error is the test's to see, in the test's own thread."""
        try:
            self.of.result = self.of.work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who waits must be told
            self.of.error = error
        self.of.stands.release()


class Interleaving:
    """The runs that are under way on one set of clients. Leaving it lets them come to their ends.

    Attributes:
        active: The runs that are not done.
        story: A line for each call, and for whatever else the test adds: what a person needs who reads of a failure.
    """

    def __init__(self, clients: Clients) -> None:
        self.active: list[Run] = []
        self.story: list[str] = []
        self.clients = clients
        self._events = (clients.awslambda.meta.events, clients.profiler.meta.events)

    def __enter__(self) -> Self:
        for events in self._events:
            events.register("before-parameter-build", _note_parameters)
            # Before "before-send", at which moto carries the request out.
            events.register("request-created", _stand)
            events.register("after-call", self._tell)
        return self

    def __exit__(self, *_: object) -> None:
        while self.active:
            with suppress(Exception):
                self.step(self.active[0])
        for events in self._events:
            events.unregister("before-parameter-build", _note_parameters)
            events.unregister("request-created", _stand)
            events.unregister("after-call", self._tell)

    def start(self, name: str, work: Callable[[], Outcome]) -> Run:
        """Begin a piece of work; it comes to stand before its first call."""
        self.story.append(f"{name} begins")
        run = Run(name=name, work=work)
        self.active.append(run)
        _RunThread(run).start()
        self._wait_for(run)
        return run

    def step(self, run: Run) -> None:
        """Let a run make the call that it stands before, and come to its next one, or to its end.

        Raises:
            Exception: What the work itself raised.
        """
        run.ahead = None
        run.go.release()
        self._wait_for(run)

    def _wait_for(self, run: Run) -> None:
        run.stands.acquire()
        if run.ahead is not None:
            return
        self.active.remove(run)
        if run.error:
            raise run.error
        if run.result:
            self.story.append(f"{run.name} ends: {run.result.action} {run.result.detail or ''}")

    def _tell(self, parsed: Mapping[str, Any], event_name: str, **_: object) -> None:
        if isinstance(thread := current_thread(), _RunThread):
            operation = event_name.rpartition(".")[2]
            answer = _told(parsed.get("profilingGroup", parsed))
            self.story.append(f"    {thread.of.name}: {operation}({thread.of.asked}) -> {answer}")


def _note_parameters(params: Mapping[str, Any], **_: object) -> None:
    if isinstance(thread := current_thread(), _RunThread):
        thread.of.asked = _told(params)


def _stand(event_name: str, **_: object) -> None:
    if isinstance(thread := current_thread(), _RunThread):
        thread.of.ahead = event_name.rpartition(".")[2]
        thread.of.stands.release()
        thread.of.go.acquire()


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{values[key]}" for key in _TOLD if values.get(key))
