"""The pace of calls, against a service that grants so many a second: in a time of its own, so that a test takes none.

That threads, sockets and a real clock come to the same is the bench's to show.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

import pytest

from bench.token_bucket import RateLimit, TokenBucket
from profiling_groups import pacing
from profiling_groups.aws import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 600


class Service:
    """A service, the threads that call it, and the time in which they do; `pacing` takes it for the module `time`.

    Args:
        limit: How many calls are let through.
        latency: Seconds from a call to its answer.

    Attributes:
        now: The present.
        bucket: What lets calls through.
    """

    def __init__(self, limit: RateLimit, *, latency: float) -> None:
        self.now = 0.0
        self.bucket = TokenBucket(limit)
        self._latency = latency
        self._ahead: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def monotonic(self) -> float:
        """Return the present."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let so much time pass, with all that happens in it."""
        until = self.now + seconds
        while self._ahead and self._ahead[0][0] <= until:
            self._next()
        self.now = until

    def serve(self, calls: int) -> float:
        """Let all threads call until so many calls were let through; return the seconds that it took."""
        pace = pacing._Pace()  # noqa: SLF001 - of which a client has one for each operation
        unsent, idle, done = calls, THREADS, 0

        def answer(sent: float, *, granted: bool) -> None:
            nonlocal unsent, idle, done
            idle += 1
            if granted:
                done += 1
                pace.passed()
            else:
                unsent += 1
                pace.throttled(sent)

        def arrive(sent: float) -> None:
            granted = self.bucket.try_acquire(self.now)
            self._at(self.now + self._latency / 2, lambda: answer(sent, granted=granted))

        while done < calls:
            if unsent and idle:
                unsent, idle = unsent - 1, idle - 1
                pace.wait()
                sent = self.now
                self._at(sent + self._latency / 2, lambda sent=sent: arrive(sent))  # type: ignore[misc]  # of this turn
            else:
                self._next()
        return self.now

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._ahead, (when, next(self._order), what))

    def _next(self) -> None:
        self.now, _, what = heapq.heappop(self._ahead)
        what()


STEADY = [RateLimit(rate=rate, burst=burst) for rate in (5, 20, 50) for burst in sorted({2, 5, rate})]
FALLING = [RateLimit(rate=50, burst=burst, later=5, after=CALLS // 2) for burst in (5, 50)]


@pytest.mark.parametrize(
    ("limit", "latency"),
    [*((limit, latency) for limit in STEADY for latency in (0.05, 0.2)), *((limit, 0.05) for limit in FALLING)],
    ids=str,
)
def test_it_comes_near_the_limit_and_seldom_beyond(
    monkeypatch: pytest.MonkeyPatch, limit: RateLimit, latency: float
) -> None:
    """It uses 95 % of what is granted or more, and has 5 % of its calls turned away or fewer."""
    service = Service(limit, latency=latency)
    monkeypatch.setattr(pacing, "time", service)
    seconds = service.serve(CALLS)
    turned_away = service.bucket.throttled / (CALLS + service.bucket.throttled)
    assert limit.min_seconds(CALLS) / seconds >= 0.95
    assert turned_away <= 0.05


def test_where_there_is_no_limit_it_soon_goes_as_fast_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred calls a second, of which none waits for long."""
    service = Service(RateLimit(rate=1_000, burst=1_000), latency=0.05)
    monkeypatch.setattr(pacing, "time", service)
    assert service.serve(CALLS) <= CALLS / 100 + 2
    assert service.bucket.throttled == 0


def test_where_next_to_nothing_is_granted_it_gets_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call a second: all threads together ask little more often."""
    service = Service(RateLimit(rate=1, burst=2), latency=0.05)
    monkeypatch.setattr(pacing, "time", service)
    seconds = service.serve(100)
    assert seconds <= 110
    assert service.bucket.throttled <= 20
