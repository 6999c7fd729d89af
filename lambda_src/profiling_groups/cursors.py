"""Where a sweep stopped, in a string that its caller keeps: all that is needed to go on, and nothing of value. Pure.

A cursor names the last function (or group) in the order of names, not a place in a list: functions may come and go, and
what is behind it stays done.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from profiling_groups.functions import Place
from profiling_groups.outcomes import Action
from profiling_groups.requests import InvalidRequestError
from profiling_groups.runs import Tally

if TYPE_CHECKING:
    from profiling_groups.functions import FunctionArn
    from profiling_groups.policy import Policy

MAX_AGE: Final = timedelta(days=1)
"""How long a cursor is good for: by then a scheduled sweep has begun anew."""

_VERSION = 1
_CHECK_LENGTH = 12


class StaleCursorError(Exception):
    """The cursor was good once. Begin anew, with none: what is done already costs next to nothing."""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """How far a sweep has come.

    Attributes:
        sweep: Its id.
        place: Account and region.
        policy: Digest of the policy that it obeys.
        dry_run: Whether it writes nothing.
        began: When it began.
        functions_done: Whether all functions were looked at, and the groups that are left over come next.
        after: Name of the last function (or group) that was; empty for none.
        tally: What came of it so far.
    """

    sweep: str
    place: Place
    policy: str
    dry_run: bool
    began: datetime
    functions_done: bool = False
    after: str = ""
    tally: Tally = field(default_factory=Tally)

    def __str__(self) -> str:
        state = {
            "v": _VERSION,
            "s": self.sweep,
            "a": self.place.account,
            "r": self.place.region,
            "p": self.policy,
            "d": self.dry_run,
            "t": int(self.began.timestamp()),
            "f": self.functions_done,
            "n": self.after,
            "c": {action.value: count for action, count in self.tally.counts.items() if count},
            "e": self.tally.eligible,
            "g": self.tally.covered,
        }
        text = json.dumps(state, separators=(",", ":")).encode()
        return urlsafe_b64encode(_check(text) + text).decode().rstrip("=")


def read(text: str, *, place: Place, policy: Policy, dry_run: bool, now: datetime) -> Cursor:
    """Read a cursor.

    Args:
        text: What an earlier run gave.
        place: Account and region of this one.
        policy: What this one obeys.
        dry_run: Whether this one writes nothing.
        now: The present.

    Raises:
        InvalidRequestError: It is no cursor, or that of another sweep.
        StaleCursorError: It is older than `MAX_AGE`, or the policy is another one since.
    """
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if _check(raw[_CHECK_LENGTH:]) != raw[:_CHECK_LENGTH]:
            raise ValueError  # noqa: TRY301 - all of these mean the same
        state = json.loads(raw[_CHECK_LENGTH:])
        if state["v"] != _VERSION:
            raise ValueError  # noqa: TRY301 - all of these mean the same
        found = Cursor(
            sweep=state["s"],
            place=Place(account=state["a"], region=state["r"]),
            policy=state["p"],
            dry_run=state["d"],
            began=datetime.fromtimestamp(state["t"], UTC),
            functions_done=state["f"],
            after=state["n"],
            tally=Tally(
                counts=Counter({Action(name): count for name, count in state["c"].items()}),
                eligible=state["e"],
                covered=state["g"],
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError("'cursor' is none that this version gave, or was cut off or changed") from error
    if found.place != place:
        there = f"{found.place.account} in {found.place.region}"
        raise InvalidRequestError(f"'cursor' is of a sweep of {there}, not of {place.account} in {place.region}")
    if found.dry_run is not dry_run:
        raise InvalidRequestError(f"'cursor' is of a sweep with 'dry_run' {str(found.dry_run).lower()}")
    if found.policy != digest(policy):
        raise StaleCursorError("'cursor' is of a sweep under another policy: begin anew, with 'cursor' null")
    if now - found.began > MAX_AGE:
        raise StaleCursorError(
            f"'cursor' is of a sweep that began {found.began:%Y-%m-%d %H:%M} UTC, more than"
            f" {MAX_AGE // timedelta(hours=1)} hours ago: begin anew, with 'cursor' null"
        )
    return found


def client_token(sweep: str, arn: FunctionArn) -> str:
    """Return CreateProfilingGroup's clientToken: the same whenever a sweep creates the group of that function."""
    return str(uuid5(NAMESPACE_URL, f"{sweep}/{arn}"))


def digest(policy: Policy) -> str:
    """Return a short text that is another one for another policy."""
    return sha256(repr(policy).encode()).hexdigest()[:16]


def _check(text: bytes) -> bytes:
    """Return what shows that a cursor came whole; it keeps nobody from making one up, who could as well begin anew."""
    return sha256(text).hexdigest()[:_CHECK_LENGTH].encode()
