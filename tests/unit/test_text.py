"""Text from outside: how it is quoted, and that it can be encoded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_groups.text import encodable, quote

ANY_TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("a", "'a'"),
        ("\ud800", r"'\ud800'"),
        ("x" * 81, f"'{'x' * 80}'… (81 characters)"),
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (-7, "-7"),
        (10**5_000, "a whole number of 16610 bits"),
        ([], "[]"),
        ([1], "a list"),
        ({}, "{}"),
        ({"a": 1}, "a JSON object"),
        (b"", "of type bytes"),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) else "",
)
def test_a_value_is_quoted_as_short_as_can_be(value: object, quoted: str) -> None:
    """Of what may be huge or nested, only its kind."""
    assert quote(value) == quoted


@given(JSON)
def test_whatever_json_it_is_it_can_be_encoded(value: Any) -> None:  # noqa: ANN401 - JSON
    """And what could be encoded before is the same as before."""
    found = encodable(value)
    text = json.dumps(found, ensure_ascii=False).encode()
    assert json.loads(text) == found
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        assert found != value
    else:
        assert found == value


def test_a_lone_surrogate_is_shown_by_its_code() -> None:
    """In keys, too."""
    assert encodable({"\udcff": ["a\ud800", ("b",)]}) == {r"\udcff": [r"a\ud800", ["b"]]}
