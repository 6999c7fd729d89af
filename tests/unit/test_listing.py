"""Listings in pages: which answers are taken for a page, and when one ends."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from profiling_groups import deadline, listing
from profiling_groups.deadline import DeadlineError
from profiling_groups.functions import UnreadableAnswerError
from tests.unit.sweeping import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Pages:
    """An operation that answers page by page.

    Args:
        answers: Its answers by token.
    """

    __name__ = "list_things"

    def __init__(self, answers: Mapping[object, dict[str, Any]]) -> None:
        self.requests: list[dict[str, object]] = []
        self._answers = answers

    def __call__(self, **request: object) -> dict[str, Any]:
        """Answer."""
        self.requests.append(dict(request))
        return self._answers[request.get("Marker")]


def listed(call: Callable[..., dict[str, Any]]) -> list[list[Any]]:
    """List all pages."""
    pages = listing.pages(call, items="Things", marker="Marker", next_marker="NextMarker", PageSize=2)
    return [page["Things"] for page in pages]


@pytest.mark.parametrize("last", [{}, {"NextMarker": ""}, {"NextMarker": None}], ids=str)
def test_a_listing_ends_with_the_page_that_names_no_other(last: dict[str, Any]) -> None:
    """Each request has the parameters of the first, and the token of the answer before it."""
    operation = Pages(
        {
            None: {"Things": [1, 2], "NextMarker": "b"},
            "b": {"Things": [], "NextMarker": "c"},
            "c": last | {"Things": [3]},
        }
    )
    assert listed(operation) == [[1, 2], [], [3]]
    assert operation.requests == [{"PageSize": 2}, {"PageSize": 2, "Marker": "b"}, {"PageSize": 2, "Marker": "c"}]


@pytest.mark.parametrize("circle", [["a"], ["a", "b"], ["a", "b", "c", "d"]], ids=len)
def test_a_listing_whose_tokens_go_round_is_refused(circle: list[str]) -> None:
    """However long the circle is; each page was asked for once."""
    following = dict(zip([None, *circle], [*circle, circle[0]], strict=True))
    operation = Pages({each: {"Things": [each], "NextMarker": then} for each, then in following.items()})
    with pytest.raises(UnreadableAnswerError, match="list_things leads back to a page"):
        listed(operation)
    assert len(operation.requests) == len(following)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"Things": None},
        {"Things": "ab"},
        {"Things": {}},
        {"Things": [1], "NextMarker": 7},
        {"Things": [], "NextMarker": ["b"]},
    ],
    ids=str,
)
def test_what_is_no_page_is_refused(answer: dict[str, Any]) -> None:
    """It says nothing of what there is."""
    with pytest.raises(UnreadableAnswerError, match="the answer to list_things has"):
        listed(Pages({None: answer}))


def test_a_listing_that_never_ends_stops_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tokens differ, so that only the time is left to tell."""
    clock = Clock()
    monkeypatch.setattr(deadline, "time", clock)
    answered = count(1)

    def call(**_: object) -> dict[str, Any]:
        clock.sleep(1)
        return {"Things": [], "NextMarker": str(next(answered))}

    with deadline.limit(100), pytest.raises(DeadlineError):
        listed(call)
    assert next(answered) == 96


def test_a_listing_left_behind_stops_with_its_invocation() -> None:
    """A thread may go on with it, in a later invocation's time."""
    operation = Pages({None: {"Things": [1], "NextMarker": "b"}, "b": {"Things": [2]}})
    with deadline.limit(1_000):
        pages = listing.pages(operation, items="Things", marker="Marker", next_marker="NextMarker")
        assert next(pages)["Things"] == [1]
    with deadline.limit(1_000), pytest.raises(DeadlineError):
        next(pages)
