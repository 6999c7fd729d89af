"""A token bucket, the rate limit of many AWS APIs (see "Request throttling" in the Amazon EC2 API reference)."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """A rate limit that may change once.

    Attributes:
        rate: Calls per second.
        burst: Calls that may come at once after a pause.
        later: Calls per second after the first `after` calls; None if the rate does not change.
        after: See `later`.
    """

    rate: float
    burst: float
    later: float | None = None
    after: int = 0

    def rate_after(self, granted: int) -> float:
        """Return the rate after this many granted calls."""
        return self.rate if self.later is None or granted < self.after else self.later

    def min_seconds(self, calls: int) -> float:
        """Return the shortest time for this many calls, by a client that takes each token as soon as it is there.

        Such a client uses the burst once, at the start, and has none of it left when the rate changes.
        """
        if self.later is None:
            return max(0, calls - self.burst) / self.rate
        return (self.after - self.burst) / self.rate + (calls - self.after) / self.later


class TokenBucket:
    """A bucket that is full at first. Thread-safe.

    Attributes:
        granted: Number of calls that passed.
        throttled: Number of calls that were rejected.
    """

    def __init__(self, limit: RateLimit) -> None:
        self.granted = 0
        self.throttled = 0
        self._limit = limit
        self._tokens = limit.burst
        self._refilled_at: float | None = None
        self._lock = Lock()

    def try_acquire(self, now: float) -> bool:
        """Take a token if there is one, and return whether there was.

        Args:
            now: Current time, in seconds of a monotonic clock.
        """
        with self._lock:
            elapsed = 0.0 if self._refilled_at is None else now - self._refilled_at
            self._refilled_at = now
            self._tokens = min(self._limit.burst, self._tokens + elapsed * self._limit.rate_after(self.granted))
            if self._tokens < 1:
                self.throttled += 1
                return False
            self._tokens -= 1
            self.granted += 1
            if self.granted == self._limit.after:
                # Tokens that a slow client has saved would otherwise put it ahead of the fastest one.
                self._tokens = 0
            return True
