"""The state machine: as it is defined, and as an interpreter of the Amazon States Language runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.state_machine import definition
from profiling_groups.cursors import StaleCursorError
from profiling_groups.inventory import InventoryError
from profiling_groups.requests import InvalidRequestError
from tests.infra import machines
from tests.infra.machines import BUCKET, REGION, last, unreached

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

ACCOUNT = "123456789012"
STALE, INVALID, UNLISTED = (error.__name__ for error in (StaleCursorError, InvalidRequestError, InventoryError))


def machine(function_arn: str = "function") -> Json:
    """Return the definition."""
    return definition(partition="aws", account=ACCOUNT, region=REGION, function_arn=function_arn, bucket=BUCKET)


def child() -> Json:
    """Return the workflow of one target."""
    found: Json = machine()["States"]["Every target"]["ItemProcessor"]
    return found


@pytest.mark.parametrize("workflow", [machine(), child()], ids=["machine", "child"])
def test_every_state_is_reached_and_one_ends_it(workflow: Json) -> None:
    """No way leads nowhere."""
    assert unreached(workflow) == set()
    assert len(last(workflow)) == 1


def test_a_call_outlasts_the_function() -> None:
    """Or an invocation that still works would be started again beside itself."""
    assert child()["States"]["Sweep"]["TimeoutSeconds"] > 900


def test_more_failed_targets_than_are_tolerated_fail_the_execution() -> None:
    """The one that there is now is more: so the execution can be redriven."""
    every = machine()["States"]["Every target"]
    assert 0 < every["ToleratedFailurePercentage"] < 100
    assert 1 < every["MaxConcurrency"] <= 40


@pytest.mark.parametrize(
    ("given", "answers", "cursors"),
    [
        pytest.param({}, ["complete"], [None], id="one sweep is enough"),
        pytest.param({"cursor": "a"}, ["b", "c", "complete"], ["a", "b", "c"], id="from cursor to cursor"),
        pytest.param({"cursor": "a"}, [STALE, "b", "complete"], ["a", None, "b"], id="a stale cursor: anew"),
        pytest.param({"cursor": "a"}, ["b", STALE, "complete"], ["a", "b", None], id="stale on the way: anew"),
        pytest.param({"cursor": "a"}, [UNLISTED] * 3 + ["complete"], ["a"] * 4, id="not listed: again"),
        pytest.param({}, [UNLISTED] * 11, [None] * 11, id="never listed: given up in the end"),
        pytest.param({}, ["Lambda.TooManyRequestsException"] * 11, [None] * 11, id="throttled: the same"),
        pytest.param({"cursor": "a"}, ["Runtime.ExitError", "complete"], ["a", "a"], id="killed: again"),
        pytest.param({}, ["Runtime.ExitError"] * 4, [None] * 4, id="killed for good: given up sooner"),
        pytest.param({"cursor": "x"}, [INVALID], ["x"], id="refused: never again"),
    ],
)
def test_the_function_is_asked_with_these_cursors(
    monkeypatch: pytest.MonkeyPatch, given: Json, answers: list[str], cursors: list[str | None]
) -> None:
    """Answers are a cursor to go on from, the name of an error, or that the sweep is complete."""
    asked = run({"dry_run": True, **given}, answers, monkeypatch)
    assert asked == [
        {
            "action": "backfill",
            "account": ACCOUNT,
            "region": REGION,
            "dry_run": True,
            "cursor": cursor,
            "time_budget_seconds": None,
            "max_outcomes": 100,
        }
        for cursor in cursors
    ]


def test_an_empty_input_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the rule and the schedule send it; what is given instead is passed on."""
    (asked,) = run({}, ["complete"], monkeypatch)
    assert (asked["dry_run"], asked["cursor"], asked["time_budget_seconds"]) == (False, None, None)
    (asked,) = run({"time_budget_seconds": 60}, ["complete"], monkeypatch)
    assert (asked["dry_run"], asked["cursor"], asked["time_budget_seconds"]) == (False, None, 60)


def run(given: Json, answers: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """Run the machine to its end; return what its function was asked."""
    ahead: Iterator[str] = iter(answers)

    def answer(event: Json) -> Json | str:
        said = next(ahead)
        if said.endswith(("Error", "Exception")):
            return said
        complete = said == "complete"
        ran = {**event, "complete": complete, "cursor": None if complete else said}
        return {**ran, "counts": {}, "totals": {}, "outcomes": [], "truncated": False}

    return machines.run(machine, given, answer, monkeypatch).asked
