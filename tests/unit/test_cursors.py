"""Cursors: what they carry, how small they are, and which are refused."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_groups.cursors import (
    AccountCursor,
    Cursor,
    StaleCursorError,
    client_token,
    digest,
    read,
    read_account,
)
from profiling_groups.functions import FunctionArn, Place
from profiling_groups.outcomes import Action
from profiling_groups.policy import Functions, Globs, GroupTags, Policy
from profiling_groups.requests import InvalidRequestError
from profiling_groups.runs import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = Place(account="123456789012", region="ap-southeast-1")
BEGAN = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
CURSOR = Cursor(
    sweep=str(uuid4()),
    place=PLACE,
    policy=digest(Policy()),
    dry_run=False,
    began=BEGAN,
    after="orders",
    tally=Tally(counts=Counter({Action.CREATED: 2, Action.EXISTS: 3}), eligible=5, covered=4),
)


def read_here(
    text: str, *, place: Place = PLACE, policy: Policy | None = None, dry_run: bool = False, now: datetime = BEGAN
) -> Cursor:
    """Read a cursor where `CURSOR` is good."""
    return read(text, place=place, policy=policy or Policy(), dry_run=dry_run, now=now)


@given(
    after=st.text(max_size=255),
    functions_done=st.booleans(),
    counts=st.dictionaries(st.sampled_from(Action), st.integers(1, 10**6)),
)
def test_what_it_says_comes_back(after: str, counts: dict[Action, int], *, functions_done: bool) -> None:
    """Whatever the function is called."""
    cursor = replace(CURSOR, after=after, functions_done=functions_done, tally=Tally(counts=Counter(counts)))
    assert read_here(str(cursor)) == cursor


def test_it_is_small_and_needs_no_quoting() -> None:
    """With the longest name of a function, all actions counted in millions, and in the longest-named region."""
    counts = Counter(dict.fromkeys(Action, 9_999_999))
    cursor = replace(CURSOR, after="f" * 64, tally=Tally(counts=counts, eligible=9_999_999, covered=9_999_999))
    text = str(cursor)
    assert len(text) < 1_000
    assert text.replace("-", "").replace("_", "").isalnum()


def test_it_is_good_for_a_day() -> None:
    """Then a scheduled sweep has begun anew."""
    assert read_here(str(CURSOR), now=BEGAN + timedelta(days=1)) == CURSOR
    with pytest.raises(StaleCursorError, match=r"began 2026-03-04 09:30 UTC, more than 24 hours ago: begin anew"):
        read_here(str(CURSOR), now=BEGAN + timedelta(days=1, seconds=1))


@pytest.mark.parametrize(
    "policy",
    [
        Policy(functions=Functions(names=Globs(exclude=("tmp-*",)))),
        Policy(tags=GroupTags(add={"managed-by": "somebody"})),
    ],
)
def test_under_another_policy_it_is_stale(policy: Policy) -> None:
    """What was looked at before would not be looked at again."""
    with pytest.raises(StaleCursorError, match="under another policy: begin anew, with 'cursor' null"):
        read_here(str(CURSOR), policy=policy)


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (
            {"place": replace(PLACE, account="210987654321")},
            "of a sweep of 123456789012 in ap-southeast-1, not of 210987654321 in ap-southeast-1",
        ),
        ({"place": replace(PLACE, region="us-east-1")}, "of a sweep of .*, not of 123456789012 in us-east-1"),
        ({"dry_run": True}, "of a sweep with 'dry_run' false"),
    ],
)
def test_that_of_another_sweep_is_refused(of: dict[str, Any], message: str) -> None:
    """It is said whose it is."""
    with pytest.raises(InvalidRequestError, match=f"'cursor' is {message}"):
        read_here(str(CURSOR), **of)


def changed(**values: object) -> str:
    """Return the cursor with other values in it, and the check of the old ones."""
    raw = urlsafe_b64decode(str(CURSOR) + "==")
    state = json.dumps(json.loads(raw[12:]) | values, separators=(",", ":")).encode()
    return urlsafe_b64encode(raw[:12] + state).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("orders", id="a name"),
        pytest.param("…", id="not of the alphabet"),
        pytest.param(urlsafe_b64encode(b"[]").decode(), id="of another kind"),
        pytest.param(f"{CURSOR}AAAA", id="with something behind it"),
        pytest.param(str(CURSOR).lower(), id="in lower case"),
        pytest.param(changed(n="zebra"), id="with another name in it"),
        pytest.param(changed(t=int(BEGAN.timestamp()) + 86_400), id="younger than it is"),
        pytest.param(changed(v=2), id="of a later version"),
    ],
)
def test_what_is_none_or_was_changed_is_refused(text: str) -> None:
    """Rather than a part of the functions left out."""
    with pytest.raises(InvalidRequestError, match="'cursor' is none that this version gave, or was cut off or changed"):
        read_here(text)


@pytest.mark.parametrize("cut", [lambda text, at: text[:at], lambda text, at: text[at + 1 :]], ids=["end", "beginning"])
def test_what_was_cut_off_anywhere_is_refused(cut: Callable[[str, int], str]) -> None:
    """A terminal wraps lines, and people copy them."""
    text = str(CURSOR)
    for at in range(len(text)):
        with pytest.raises(InvalidRequestError):
            read_here(cut(text, at))


def sealed(**values: object) -> str:
    """Return the cursor with other values in it, sealed as anybody can."""
    raw = urlsafe_b64decode(str(CURSOR) + "==")
    return seal(json.dumps(json.loads(raw[12:]) | values))


def seal(state: str) -> str:
    """Return a text with the check that shows that it came whole."""
    text = state.encode()
    return urlsafe_b64encode(sha256(text).hexdigest()[:12].encode() + text).decode().rstrip("=")


ANYTHING: tuple[object, ...] = (
    None,
    True,
    -1,
    1.0,
    float("nan"),
    float("inf"),
    10**400,
    7,
    "x",
    "\ud800",
    [],
    {},
    [[]],
)
GOOD: dict[str, tuple[object, ...]] = {
    "v": (1,),
    "s": ("x", "\ud800"),
    "p": (),
    "n": ("x", "\ud800"),
    "d": (),
    "f": (True,),
    "c": (),
    "e": (5,),
    "g": (0, 5),
    "t": (),
    "a": (),
    "r": (),
}
"""What each key may have, of `ANYTHING` and these, besides what it has."""


@pytest.mark.parametrize("key", GOOD)
def test_a_cursor_with_anything_else_in_it_is_refused(key: str) -> None:
    """Nothing in it is believed to be a number, a name or an action only because it came whole."""
    assert set(GOOD) == set(json.loads(urlsafe_b64decode(str(CURSOR) + "==")[12:]))
    for value in (*ANYTHING, *GOOD[key]):
        if any(type(value) is type(each) and value == each for each in GOOD[key]):
            read_here(sealed(**{key: value}))
            continue
        with pytest.raises((InvalidRequestError, StaleCursorError), match="'cursor' is "):
            read_here(sealed(**{key: value}))


@pytest.mark.parametrize(
    "values",
    [
        {"c": {"created": 1, "invented": 1}},
        {"c": {"created": -1, "exists": 10}},
        {"c": {"created": 1.0}},
        {"c": {"created": True}},
        {"c": {"created": float("nan")}},
        {"c": {"created": 4}},
        {"e": 4, "g": 5},
        {"t": int(BEGAN.timestamp()) + 3_600},
        {"x": 1},
    ],
    ids=str,
)
def test_a_cursor_whose_numbers_cannot_be_is_refused(values: dict[str, Any]) -> None:
    """More functions covered than there are, actions that there are not, a sweep that is yet to begin."""
    with pytest.raises(InvalidRequestError, match="'cursor' is none that"):
        read_here(sealed(**values))


@pytest.mark.parametrize(
    "state", ["[" * 100_000, '{"v":' * 100_000, "[]", "1", "null", "{}", '{"v": NaN}'], ids=lambda state: state[:9]
)
def test_json_of_any_other_kind_is_refused(state: str) -> None:
    """However deep."""
    with pytest.raises(InvalidRequestError, match="'cursor' is none that"):
        read_here(seal(state))


DONE = {
    "account": PLACE.account,
    "region": PLACE.region,
    "dry_run": False,
    "complete": True,
    "counts": {"created": 1},
    "outcomes": [],
    "truncated": False,
    "totals": {
        "sweep": "s",
        "began": "2026-03-04T09:30:00+00:00",
        "functions": 1,
        "eligible": 1,
        "covered": 1,
        "counts": {"created": 1},
        "groups": 1,
        "quota": None,
    },
}


@pytest.mark.parametrize(
    "done",
    [
        [],
        [7],
        [DONE | {"region": "us-east-1"}],
        [DONE | {"account": "210987654321"}],
        [DONE | {"counts": {"created": float("nan")}}],
        [DONE | {"totals": DONE["totals"] | {"covered": float("inf")}}],  # type: ignore[operator]  # a dict it is
        [DONE | {"outcomes": [{"detail": "x"}]}],
        [DONE | {"more": None}],
        [DONE, DONE, DONE],
    ],
    ids=str,
)
def test_what_an_account_cursor_says_is_done_looks_like_it(done: list[object]) -> None:
    """It comes back in the answer."""
    regions = (PLACE.region, "us-east-1")
    cursor = AccountCursor(account=PLACE.account, regions=regions, dry_run=False, began=BEGAN, done=(DONE,))

    def read_again(text: str) -> AccountCursor:
        return read_account(text, account=PLACE.account, regions=regions, dry_run=False, now=BEGAN)

    assert read_again(str(cursor)) == cursor
    if not done:
        assert read_again(str(replace(cursor, done=()))).done == ()
        return
    with pytest.raises(InvalidRequestError, match="'cursor' is none that"):
        read_again(str(replace(cursor, done=tuple(done))))  # type: ignore[arg-type]  # the point


def test_a_cursor_and_a_token_carry_any_name() -> None:
    """Valid Unicode or not: one such function must not keep a backfill from completing."""
    cursor = replace(CURSOR, after="\udcff")
    str(cursor).encode()
    assert read_here(str(cursor)) == cursor
    token = client_token("sweep", FunctionArn(account=PLACE.account, region=PLACE.region, name="\udcff"))
    assert len(token) == 36


@given(text=st.text())
def test_nothing_that_is_said_to_be_one_does_more_than_be_refused(text: str) -> None:
    """Whatever it is."""
    with pytest.raises(InvalidRequestError):
        read_here(text)


def test_a_token_is_a_functions_own_for_the_whole_sweep() -> None:
    """CreateProfilingGroup takes 64 characters; the same call again, after a crash, carries the same one."""
    first, second = (FunctionArn(account=PLACE.account, region=PLACE.region, name=name) for name in ("a", "b"))
    assert client_token("sweep", first) == client_token("sweep", first)
    assert len({client_token("sweep", first), client_token("sweep", second), client_token("next", first)}) == 3
    assert len(client_token("sweep", first)) <= 64
