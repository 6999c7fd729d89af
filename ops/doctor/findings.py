"""What a check comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self


class Status(StrEnum):
    """How a check ended; from the worst on."""

    FAIL = "fail"
    """Something is wrong, and groups are not made, or not as the policy says."""
    WARN = "warn"
    """Something may be wrong, or it cannot be told."""
    SKIPPED = "skipped"
    """It was not looked at: it is of no use once another check has failed."""
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a check says of what it looked at.

    Attributes:
        status: How it ended.
        detail: What was found, in a sentence.
        mend: The one command that mends it, or the one setting; None where there is nothing to mend.
        untold: Whether it could not be told; then what builds on it cannot, either.
    """

    status: Status
    detail: str
    mend: str | None = None
    untold: bool = False

    @classmethod
    def passed(cls, detail: str) -> Self:
        """All is well."""
        return cls(status=Status.PASS, detail=detail)

    @classmethod
    def warned(cls, detail: str, *, mend: str | None = None) -> Self:
        """It may be well."""
        return cls(status=Status.WARN, detail=detail, mend=mend)

    @classmethod
    def failed(cls, detail: str, *, mend: str | None) -> Self:
        """It is not well."""
        return cls(status=Status.FAIL, detail=detail, mend=mend)

    @classmethod
    def skipped(cls, why: str) -> Self:
        """It is not looked at."""
        return cls(status=Status.SKIPPED, detail=why)

    @classmethod
    def cannot_be_told(cls, why: str, *, mend: str | None = None) -> Self:
        """Nobody says."""
        return cls(status=Status.WARN, detail=f"cannot be told: {why}", mend=mend, untold=True)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A verdict, and of which check it is.

    Attributes:
        id: The check's.
        status: How it ended.
        looked_at: What was looked at.
        detail: What was found.
        mend: What mends it.
    """

    id: str
    status: Status
    looked_at: str
    detail: str
    mend: str | None
