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
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from profiling_groups.functions import Place
from profiling_groups.outcomes import Action
from profiling_groups.requests import InvalidRequestError
from profiling_groups.runs import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from profiling_groups.functions import FunctionArn
    from profiling_groups.policy import Policy

MAX_AGE: Final = timedelta(days=1)
"""How long a cursor is good for: by then a scheduled sweep has begun anew."""

_VERSION = 1
_CHECK_LENGTH = 12
_GARBLED = "'cursor' is none that this version gave, or was cut off or changed"


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
        return _sealed(state)


@dataclass(frozen=True, kw_only=True)
class AccountCursor:
    """How far the sweep of an account with several regions has come.

    Attributes:
        account: Account id.
        regions: All its regions, in order.
        dry_run: Whether it writes nothing.
        began: When it began.
        done: What came of the first of them, as in the answer, without outcomes.
        within: Where the sweep of the next one stopped; None where it has not begun.
    """

    account: str
    regions: tuple[str, ...]
    dry_run: bool
    began: datetime
    done: tuple[Mapping[str, Any], ...] = ()
    within: str | None = None

    def __str__(self) -> str:
        state = {
            "a": self.account,
            "rs": self.regions,
            "d": self.dry_run,
            "t": int(self.began.timestamp()),
            "w": self.within,
            "done": self.done,
        }
        return _sealed(state)


def read_account(text: str, *, account: str, regions: tuple[str, ...], dry_run: bool, now: datetime) -> AccountCursor:
    """Read the cursor of an account.

    Args:
        text: What an earlier run gave.
        account: Account of this one.
        regions: All regions of this one, in order.
        dry_run: Whether this one writes nothing.
        now: The present.

    Raises:
        InvalidRequestError: It is no such cursor, or that of another sweep.
        StaleCursorError: It is older than `MAX_AGE`.
    """
    try:
        state = _unsealed(text)
        found = AccountCursor(
            account=state["a"],
            regions=tuple(state["rs"]),
            dry_run=state["d"],
            began=datetime.fromtimestamp(state["t"], UTC),
            done=tuple(state["done"]),
            within=state["w"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequestError(_GARBLED) from error
    if (found.account, found.regions) != (account, regions):
        theirs, ours = (", ".join(each) for each in (found.regions, regions))
        raise InvalidRequestError(f"'cursor' is of a sweep of {found.account} in {theirs}, not of {account} in {ours}")
    _check_dry_run(found.dry_run, dry_run)
    _check_age(found.began, now)
    return found


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
        state = _unsealed(text)
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
        raise InvalidRequestError(_GARBLED) from error
    if found.place != place:
        there = f"{found.place.account} in {found.place.region}"
        raise InvalidRequestError(f"'cursor' is of a sweep of {there}, not of {place.account} in {place.region}")
    _check_dry_run(found.dry_run, dry_run)
    if found.policy != digest(policy):
        raise StaleCursorError("'cursor' is of a sweep under another policy: begin anew, with 'cursor' null")
    _check_age(found.began, now)
    return found


def client_token(sweep: str, arn: FunctionArn) -> str:
    """Return CreateProfilingGroup's clientToken: the same whenever a sweep creates the group of that function."""
    return str(uuid5(NAMESPACE_URL, f"{sweep}/{arn}"))


def digest(policy: Policy) -> str:
    """Return a short text that is another one for another policy."""
    return sha256(repr(policy).encode()).hexdigest()[:16]


def _check_dry_run(found: bool, asked: bool) -> None:  # noqa: FBT001 - the one and the other
    if found is not asked:
        raise InvalidRequestError(f"'cursor' is of a sweep with 'dry_run' {str(found).lower()}")


def _check_age(began: datetime, now: datetime) -> None:
    if now - began > MAX_AGE:
        raise StaleCursorError(
            f"'cursor' is of a sweep that began {began:%Y-%m-%d %H:%M} UTC, more than"
            f" {MAX_AGE // timedelta(hours=1)} hours ago: begin anew, with 'cursor' null"
        )


def _sealed(state: Mapping[str, Any]) -> str:
    text = json.dumps({"v": _VERSION, **state}, separators=(",", ":")).encode()
    return urlsafe_b64encode(_check(text) + text).decode().rstrip("=")


def _unsealed(text: str) -> dict[str, Any]:
    """Return the state in a cursor.

    Raises:
        ValueError: It is none that this version gave.
    """
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _check(raw[_CHECK_LENGTH:]) != raw[:_CHECK_LENGTH]:
        raise ValueError
    state: dict[str, Any] = json.loads(raw[_CHECK_LENGTH:])
    if state["v"] != _VERSION:
        raise ValueError
    return state


def _check(text: bytes) -> bytes:
    """Return what shows that a cursor came whole; it keeps nobody from making one up, who could as well begin anew."""
    return sha256(text).hexdigest()[:_CHECK_LENGTH].encode()
