"""A measurement and its limit."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass


@dataclass(frozen=True)
class BenchmarkResult:
    """A measurement and its limit.

    Attributes:
        name: What was measured.
        measured: The value; not a number if this platform cannot measure it.
        limit: The largest value that passes.
        is_minimum: Whether `limit` is the smallest value that passes instead.
        number_format: Format of `measured` and `limit`.
    """

    name: str
    measured: float
    limit: float
    _: KW_ONLY
    is_minimum: bool = False
    number_format: str = "{:.0f}"

    @property
    def passed(self) -> bool:
        """Whether the value is within the limit, or could not be measured."""
        if self.is_minimum:
            return not self.measured < self.limit
        return not self.measured > self.limit
