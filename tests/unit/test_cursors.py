"""Cursors: what they carry, how small they are, and which are refused."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_groups.cursors import Cursor, StaleCursorError, client_token, digest, read
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
