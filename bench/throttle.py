"""How a service lets calls through: a token bucket, as AWS's APIs have (EC2's API reference tells how theirs work)."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How many calls are let through.

    Attributes:
        rate: Calls per second.
        burst: Calls that may come at once after a pause.
        later: Calls per second once `after` calls were let through; None where that does not change.
        after: See `later`.
    """

    rate: float
    burst: float
    later: float | None = None
    after: int = 0

    def at(self, granted: int) -> float:
        """Return the rate after so many calls were let through."""
        return self.rate if self.later is None or granted < self.after else self.later

    def seconds(self, calls: int) -> float:
        """Return how long so many calls take at the least, by a client that has one waiting for every token.

        It never lets the bucket fill, so it has the burst once, at the start; none of it is left when the rate changes.
        """
        if self.later is None:
            return max(0, calls - self.burst) / self.rate
        return (self.after - self.burst) / self.rate + (calls - self.after) / self.later


class Bucket:
    """The bucket, full at first.

    Attributes:
        granted: Calls let through.
        refused: Calls turned away.
    """

    def __init__(self, limit: Limit) -> None:
        self.granted = 0
        self.refused = 0
        self._limit = limit
        self._tokens = limit.burst
        self._filled: float | None = None
        self._lock = Lock()

    def take(self, now: float) -> bool:
        """Whether a call may pass.

        Args:
            now: The present, in seconds of a steady clock.
        """
        with self._lock:
            since = 0.0 if self._filled is None else now - self._filled
            self._filled = now
            self._tokens = min(self._limit.burst, self._tokens + since * self._limit.at(self.granted))
            if self._tokens < 1:
                self.refused += 1
                return False
            self._tokens -= 1
            self.granted += 1
            if self.granted == self._limit.after:
                # What a slow client has saved up would be worth more now: it would come out ahead of the quickest.
                self._tokens = 0
            return True
