"""The token bucket against which creation rates are measured."""

from __future__ import annotations

import pytest

from bench.token_bucket import RateLimit, TokenBucket

_CALLS = 400
_TICK = 1 / 1_024


@pytest.mark.parametrize(
    "limit",
    [
        RateLimit(rate=20, burst=5),
        RateLimit(rate=5, burst=2),
        RateLimit(rate=50, burst=50),
        RateLimit(rate=50, burst=5, later=5, after=200),
    ],
    ids=str,
)
def test_min_seconds_is_the_time_of_a_client_that_never_pauses(limit: RateLimit) -> None:
    """It asks at every tick."""
    bucket = TokenBucket(limit)
    now = 0.0
    while bucket.granted < _CALLS:
        if not bucket.try_acquire(now):
            now += _TICK
    assert now == pytest.approx(limit.min_seconds(_CALLS), rel=0.001)


@pytest.mark.parametrize("pause", [0.1, 0.5])
def test_min_seconds_is_a_bound_for_a_client_that_pauses(pause: float) -> None:
    """Also if it saves tokens before the rate falls."""
    limit = RateLimit(rate=50, burst=5, later=5, after=200)
    bucket = TokenBucket(limit)
    now = 0.0
    while bucket.granted < _CALLS:
        if not bucket.try_acquire(now):
            now += pause
    assert now >= limit.min_seconds(_CALLS)
