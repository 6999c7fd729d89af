"""How long things take that are done so many at a time: a distributed map with its `MaxConcurrency`, on paper."""

from __future__ import annotations

from heapq import heapify, heapreplace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def makespan(durations: Iterable[float], *, at_once: int) -> float:
    """Return when the last one ends, by list scheduling: in their order, each is begun as soon as a place is free.

    Args:
        durations: How long each takes.
        at_once: How many places there are.
    """
    ends = [0.0] * at_once
    heapify(ends)
    for duration in durations:
        heapreplace(ends, ends[0] + duration)
    return max(ends)
