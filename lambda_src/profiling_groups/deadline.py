"""The time that an invocation has: it ends with an error of its own before Lambda would kill it.

`handler` sets the limit. Socket timeouts do not suffice for it: an answer that arrives byte by byte never times out.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARGIN_SECONDS: Final = 5.0
"""What an invocation keeps to report that it is late; in a name resolution no signal is handled."""
_MARGIN_SHARE: Final = 0.1
"""The same for short invocations, as a share of their time."""

_REPEAT_SECONDS: Final = 1.0
"""After this time it is interrupted again: Python ignores what is raised in a finalizer."""


class DeadlineError(Exception):
    """The invocation ran out of time. What it has done is done, and the same request can be repeated."""


class Interrupted(BaseException):
    """The limit was reached. Not an Exception, so that nothing between the timer and `handler` takes it for one."""


class Deadline:
    """The end of one invocation's time.

    Args:
        end: When, by the monotonic clock.
    """

    def __init__(self, end: float) -> None:
        self._end = end
        self._over = False

    def check(self) -> None:
        """Refuse to begin anything more once the time is up, or the invocation is over.

        A thread that the invocation left behind may go on during a later one.

        Raises:
            DeadlineError: It is.
        """
        if self._over or time.monotonic() >= self._end:
            raise DeadlineError("the invocation ran out of time")

    def close(self) -> None:
        """End the invocation."""
        self._over = True


_current = Deadline(float("inf"))


def current() -> Deadline:
    """Return the deadline of the invocation under way; outside of one, none that ever comes."""
    return _current


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Limit what is done in the `with` block to the time that Lambda leaves, less a margin.

    Args:
        seconds: How much time that is. Without any, there is no limit.

    Raises:
        Interrupted: The limit was reached. Only in the main thread, where Lambda calls the handler: no other thread can
            be interrupted, and `current` alone tells it.
    """
    global _current  # noqa: PLW0603 - an execution environment has one invocation at a time
    before = _current
    seconds -= min(_MARGIN_SECONDS, seconds * _MARGIN_SHARE)
    own = _current = Deadline(time.monotonic() + seconds if seconds > 0 else float("inf"))
    try:
        if seconds > 0 and threading.current_thread() is threading.main_thread():
            with _timer(seconds):
                yield
        else:
            yield
    finally:
        own.close()
        _current = before


@contextmanager
def _timer(seconds: float) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        # None is a handler that was not set by Python; it cannot be set again.
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)


def _interrupt(*_: object) -> NoReturn:
    raise Interrupted
