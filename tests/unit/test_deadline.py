"""The limit of an invocation's time."""

from __future__ import annotations

import signal
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Event, get_ident
from typing import TYPE_CHECKING

import pytest

from profiling_groups import deadline
from profiling_groups.deadline import DeadlineError, Interrupted
from profiling_groups.threads import Threads
from tests.unit.sweeping import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

_LONG = 60.0
"""Seconds that no test waits for."""


def test_what_blocks_is_interrupted_at_the_limit() -> None:
    """Be it a lock, which no socket timeout ends; and so it is the next time."""
    for _ in range(2):
        with pytest.raises(Interrupted), deadline.limit(0.1):
            Event().wait(_LONG)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_nothing_that_catches_errors_catches_the_interruption() -> None:
    """Neither the SDK nor the product would go on."""
    with pytest.raises(Interrupted), deadline.limit(_LONG), suppress(Exception):
        signal.raise_signal(signal.SIGALRM)


def test_an_interruption_that_is_lost_comes_again() -> None:
    """As in a finalizer, where nothing can be raised."""

    def wait() -> None:
        with suppress(Interrupted):
            Event().wait(_LONG)
        Event().wait(_LONG)

    with pytest.raises(Interrupted), deadline.limit(0.1):
        wait()


@pytest.mark.parametrize(("seconds", "expected"), [(900.0, 895.0), (30.0, 27.0), (1.0, 0.9)])
def test_a_margin_is_left_to_report_it(seconds: float, expected: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some seconds, or a share of a short time."""
    timers = []
    monkeypatch.setattr(signal, "setitimer", lambda _, value, *_repeat: timers.append(value))
    with deadline.limit(seconds):
        pass
    assert timers == [pytest.approx(expected), 0]


def test_an_invocation_gives_the_signal_back() -> None:
    """Whoever had it has it again."""
    before = signal.getsignal(signal.SIGALRM)
    with deadline.limit(_LONG):
        assert signal.getsignal(signal.SIGALRM) is not before
    assert signal.getsignal(signal.SIGALRM) is before


def test_outside_of_an_invocation_no_deadline_comes() -> None:
    """The command line has all the time there is; so has a caller that names none."""
    deadline.current().check()
    with deadline.limit(0):
        deadline.current().check()
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_in_another_thread_the_deadline_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no signal for it."""
    clock = Clock()
    monkeypatch.setattr(deadline, "time", clock)

    def work() -> bool:
        with deadline.limit(100):
            deadline.current().check()
            clock.sleep(96)
            with pytest.raises(DeadlineError):
                deadline.current().check()
        return True

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(work).result()
    deadline.current().check()


def test_a_thread_left_behind_begins_nothing_more() -> None:
    """Its invocation is over, whatever time a later one has."""
    with deadline.limit(_LONG):
        own = deadline.current()
        own.check()
    with deadline.limit(_LONG), pytest.raises(DeadlineError):
        own.check()


@pytest.mark.parametrize("wait", [Future.result, lambda _: None], ids=["in the block", "at its end"])
def test_threads_that_are_stuck_are_left_behind(wait: Callable[[Future[None]], None]) -> None:
    """Wherever the interruption finds whoever waits for them; what had not begun never does."""
    ready, released = Event(), Event()
    main = get_ident()

    def work() -> None:
        ready.wait(_LONG)
        signal.pthread_kill(main, signal.SIGALRM)
        released.wait(_LONG)

    def run() -> None:
        with deadline.limit(_LONG), Threads(1) as threads:
            begun.extend((threads.submit(work), threads.submit(work)))
            ready.set()
            wait(begun[0])

    begun: list[Future[None]] = []
    try:
        with pytest.raises(Interrupted):
            run()
        assert not begun[0].done()
        assert begun[1].cancelled()
    finally:
        released.set()
    assert begun[0].result() is None
