"""The limit that creations are measured against: what a client that asks all the time gets out of it."""

from __future__ import annotations

import pytest

from bench.throttle import Bucket, Limit

_CALLS = 400
_TICK = 1 / 1_024


@pytest.mark.parametrize(
    "limit",
    [
        Limit(rate=20, burst=5),
        Limit(rate=5, burst=2),
        Limit(rate=50, burst=50),
        Limit(rate=50, burst=5, later=5, after=200),
    ],
    ids=str,
)
def test_the_least_time_is_what_the_hungriest_client_takes(limit: Limit) -> None:
    """Whoever asks at every tick has its calls through in that time, and not before."""
    bucket = Bucket(limit)
    now = 0.0
    while bucket.granted < _CALLS:
        if not bucket.take(now):
            now += _TICK
    assert now == pytest.approx(limit.seconds(_CALLS), rel=0.001)


@pytest.mark.parametrize("pause", [0.1, 0.5])
def test_no_client_is_quicker_than_the_least_time(pause: float) -> None:
    """Nor is one that lets tokens gather before the limit falls."""
    limit = Limit(rate=50, burst=5, later=5, after=200)
    bucket = Bucket(limit)
    now = 0.0
    while bucket.granted < _CALLS:
        if not bucket.take(now):
            now += pause
    assert now >= limit.seconds(_CALLS)
