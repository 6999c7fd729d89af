"""Where a sweep stopped, in a string that its caller keeps: all that is needed to go on, and nothing of value. Pure.

A cursor names the last function (or group) in the order of names, not a place in a list: functions may come and go, and
what is behind it stays done.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from profiling_groups.functions import ACCOUNT, REGION, Place
from profiling_groups.outcomes import Action
from profiling_groups.requests import InvalidRequestError
from profiling_groups.runs import Tally
from profiling_groups.text import encodable, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from profiling_groups.functions import FunctionArn
    from profiling_groups.policy import Policy

MAX_AGE: Final = timedelta(days=1)
"""How long a cursor is good for: by then a scheduled sweep has begun anew."""

_VERSION = 1
_CHECK_LENGTH = 12
_GARBLED = "'cursor' is none that this version gave, or was cut off or changed"
_MAX_NUMBER = 10**10
_MAX_SKEW = timedelta(minutes=5)
"""How far apart the clocks of two invocations may be."""


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_NUMBER


def _is_account(value: object) -> bool:
    return isinstance(value, str) and ACCOUNT.fullmatch(value) is not None


def _is_region(value: object) -> bool:
    return isinstance(value, str) and REGION.fullmatch(value) is not None


def _is_counts(value: object) -> bool:
    return isinstance(value, dict) and value.keys() <= set(Action) and all(map(_is_number, value.values()))


# What the JSON in a cursor looks like: see `_has_shape`.
_CURSOR: Final = {
    "v": _VERSION,
    "s": str,
    "a": _is_account,
    "r": _is_region,
    "p": str,
    "d": bool,
    "t": _is_number,
    "f": bool,
    "n": str,
    "c": _is_counts,
    "e": _is_number,
    "g": _is_number,
}
_DONE: Final = {
    "account": _is_account,
    "region": _is_region,
    "dry_run": bool,
    "complete": True,
    "counts": _is_counts,
    "outcomes": [
        {
            "function": None,
            "group": None,
            "action": str,
            "reason": (str, None),
            "detail": (str, None),
            "account": _is_account,
            "region": _is_region,
            "dry_run": bool,
        }
    ],
    "truncated": bool,
    "totals": {
        "sweep": (str, None),
        "began": str,
        "functions": _is_number,
        "eligible": _is_number,
        "covered": _is_number,
        "counts": _is_counts,
        "groups": (_is_number, None),
        "quota": (_is_number, None),
    },
}
_ACCOUNT_CURSOR: Final = {
    "v": _VERSION,
    "a": _is_account,
    "rs": [_is_region],
    "d": bool,
    "t": _is_number,
    "w": (str, None),
    "done": [_DONE],
}


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
    state = _unsealed(text, shape=_ACCOUNT_CURSOR)
    found = AccountCursor(
        account=state["a"],
        regions=tuple(state["rs"]),
        dry_run=state["d"],
        began=datetime.fromtimestamp(state["t"], UTC),
        done=tuple(state["done"]),
        within=state["w"],
    )
    if (found.account, found.regions) != (account, regions):
        theirs, ours = (", ".join(each) for each in (found.regions, regions))
        raise InvalidRequestError(
            f"'cursor' is of a sweep of {found.account} in {quote(theirs)}, not of {account} in {quote(ours)}"
        )
    done = [(each["account"], each["region"]) for each in found.done]
    if done != [(account, region) for region in regions[: len(done)]]:
        raise InvalidRequestError(_GARBLED)
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
    state = _unsealed(text, shape=_CURSOR)
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
    if not found.tally.covered <= found.tally.eligible <= found.tally.counts.total():
        raise InvalidRequestError(_GARBLED)
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
    return str(uuid5(NAMESPACE_URL, encodable(f"{sweep}/{arn}")))


def digest(policy: Policy) -> str:
    """Return a short text that is another one for another policy."""
    return sha256(repr(policy).encode()).hexdigest()[:16]


def _check_dry_run(found: bool, asked: bool) -> None:  # noqa: FBT001 - the one and the other
    if found is not asked:
        raise InvalidRequestError(f"'cursor' is of a sweep with 'dry_run' {str(found).lower()}")


def _check_age(began: datetime, now: datetime) -> None:
    if began - now > _MAX_SKEW:
        raise InvalidRequestError(_GARBLED)
    if now - began > MAX_AGE:
        raise StaleCursorError(
            f"'cursor' is of a sweep that began {began:%Y-%m-%d %H:%M} UTC, more than"
            f" {MAX_AGE // timedelta(hours=1)} hours ago: begin anew, with 'cursor' null"
        )


def _sealed(state: Mapping[str, Any]) -> str:
    text = json.dumps({"v": _VERSION, **state}, separators=(",", ":")).encode()
    return urlsafe_b64encode(_check(text) + text).decode().rstrip("=")


def _unsealed(text: str, *, shape: object) -> dict[str, Any]:
    """Return the state in a cursor.

    Raises:
        InvalidRequestError: It is none that this version gave.
    """
    state = None
    with suppress(ValueError, RecursionError):
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if _check(raw[_CHECK_LENGTH:]) == raw[:_CHECK_LENGTH]:
            state = json.loads(raw[_CHECK_LENGTH:])
    if not isinstance(state, dict) or not _has_shape(state, shape):
        raise InvalidRequestError(_GARBLED)
    return state


def _has_shape(value: object, shape: object) -> bool:
    """Whether a JSON value has a shape.

    Args:
        value: The value.
        shape: Its type, or a predicate; for an object the shapes of exactly its keys; for a list that of its items; for
            alternatives a tuple. Anything else is the value itself.
    """
    match shape:
        case type():
            return type(value) is shape
        case dict():
            return (
                isinstance(value, dict)
                and value.keys() == shape.keys()
                and all(_has_shape(value[key], each) for key, each in shape.items())
            )
        case list():
            return isinstance(value, list) and all(_has_shape(item, shape[0]) for item in value)
        case tuple():
            return any(_has_shape(value, each) for each in shape)
    return bool(shape(value)) if callable(shape) else type(value) is type(shape) and value == shape


def _check(text: bytes) -> bytes:
    """Return what shows that a cursor came whole; it keeps nobody from making one up, who could as well begin anew."""
    return sha256(text).hexdigest()[:_CHECK_LENGTH].encode()
