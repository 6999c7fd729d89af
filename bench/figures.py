"""A figure beside its limit: what every bench gives, and `make bench` prints."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class Bound(StrEnum):
    """On which side of its limit a figure is right."""

    AT_MOST = "≤"
    AT_LEAST = "≥"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Something measured.

    Attributes:
        what: What it is.
        measured: How much.
        limit: How much it may be.
        bound: At the most, or at the least.
        shape: Format of both.
    """

    what: str
    measured: float
    limit: float
    bound: Bound = Bound.AT_MOST
    shape: str = "{:.0f}"

    @property
    def held(self) -> bool:
        """Whether it is not beyond its limit; what this machine cannot measure (not a number) is not."""
        match self.bound:
            case Bound.AT_MOST:
                return not self.measured > self.limit
            case Bound.AT_LEAST:
                return not self.measured < self.limit
            case _:
                assert_never(self.bound)
