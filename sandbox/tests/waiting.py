"""Waits that end on a condition: how fast the machine is decides nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_SECONDS = 1800
"""Longer than anything takes that a test waits for, on any machine: it ends only what would never come."""


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition, and fail if it does not come about."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
