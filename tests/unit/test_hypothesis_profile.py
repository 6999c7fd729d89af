"""The settings that all property tests have in common."""

from __future__ import annotations

from hypothesis import HealthCheck, settings


def test_examples_depend_neither_on_speed_nor_on_chance() -> None:
    """A slow example is no failure, and each run tries the same ones."""
    ours = settings()
    assert (ours.deadline, ours.derandomize) == (None, True)
    assert HealthCheck.too_slow in ours.suppress_health_check
