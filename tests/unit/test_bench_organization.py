"""The arithmetic of an organization's simulation: waiting, scheduling, transitions, cost."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from bench import prices
from bench.organization_stub import under_way
from bench.scheduling import makespan
from bench.transitions import entered
from infra.state_machine import organization_definition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.state_machine import Json

MACHINE = organization_definition(
    partition="aws", function_arn="arn", bucket="reports", max_concurrent_accounts=40, tolerated_failure_percentage=5
)
CHILD: Json = MACHINE["States"]["Every account"]["ItemProcessor"]


@pytest.mark.parametrize(
    ("durations", "at_once", "expected"),
    [
        ([], 3, 0),
        ([2, 3, 4], 1, 9),
        ([2, 3, 4], 3, 4),
        ([2, 3, 4], 10, 4),
        # The third one begins when the first has ended, not when both have.
        ([2, 3, 4], 2, 6),
        # In their order: the longest comes last, though it could have been first.
        ([1, 1, 1, 1, 8], 2, 10),
    ],
)
def test_each_begins_as_soon_as_there_is_room(durations: Sequence[float], at_once: int, expected: float) -> None:
    """And none before it is its turn."""
    assert makespan(durations, at_once=at_once) == expected


def test_no_order_is_beyond_what_list_scheduling_promises() -> None:
    """Whatever the order: never less than the work, shared out, and never twice of it or more."""
    durations = [5, 1, 4, 2, 3, 6]
    for order in permutations(durations):
        least = max(sum(durations) / 3, *durations)
        assert least <= makespan(order, at_once=3) < 2 * least


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0),
        ([(1, 3), (5, 6)], 3),
        ([(1, 3), (2, 6)], 5),
        # One within another, as of a call that a slower one goes beside.
        ([(1, 6), (2, 3), (4, 5)], 5),
        ([(4, 6), (1, 4)], 5),
    ],
)
def test_what_goes_on_at_the_same_time_is_waited_for_once(spans: list[tuple[float, float]], expected: float) -> None:
    """In whatever order it was told."""
    assert under_way(spans) == expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([True], ["Sweep", "Complete?", "Done"]),
        ([False, False, True], ["Sweep", "Complete?"] * 3 + ["Done"]),
    ],
)
def test_an_account_enters_two_states_more_for_each_part_of_its_sweep(answers: list[bool], expected: list[str]) -> None:
    """As its child workflow is defined, of which each state that is entered is paid for."""
    ahead = iter(answers)
    passed = entered(CHILD, lambda: {"complete": next(ahead)})
    assert [_name(CHILD, state) for state in passed] == expected


@pytest.mark.parametrize(("targets", "last"), [(0, "Nothing to do"), (3, "Every account")])
def test_the_machine_itself_enters_its_states_once(targets: int, last: str) -> None:
    """However many accounts there are; without any it ends before them."""
    passed = entered(MACHINE, lambda: {"targets": targets})
    names = [_name(MACHINE, state) for state in passed]
    assert names == ["Prepare", "Fill in", "Count", "Understood?", "List targets", "Any?", last]


def test_a_choice_that_cannot_be_told_is_not_guessed() -> None:
    """Otherwise a count would be wrong, and nobody would know."""
    choice = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.a", "StringMatches": "b*", "Next": "End"}],
        "Default": "End",
    }
    with pytest.raises(ValueError, match="StringMatches"):
        entered({"StartAt": "Which?", "States": {"Which?": choice}}, dict)


def test_a_backfill_costs_what_each_part_of_it_is_sold_for() -> None:
    """Held to sums that were done by hand; each is told with what it is made of."""
    used = prices.Backfill(
        accounts=1_000,
        seconds=10,
        memory_mb=2_048,
        invocations=1.5,
        transitions=4,
        log_bytes=400_000,
        machine_log_bytes=100_000,
        puts=10,
    )
    sold = prices.Prices(gb_second=0.001, request=0.01, transition=0.02, log_gb=4, put=0.5, event=1)
    items = used.items(sold)
    # 1,000 x 10 s x 2 GB x 0.001; 1,500 x 0.01; 4,000 x 0.02; 0.5 GB x 4; 10 x 0.5
    assert list(items.values()) == pytest.approx([20, 15, 80, 2, 5])
    assert next(iter(items)) == "Lambda: 1,000 x 10.0 s x 2.00 GB x $0.0010000000"


def _name(workflow: Json, state: Json) -> str:
    states: dict[str, Json] = workflow["States"]
    return next(name for name, each in states.items() if each is state)
