"""An organization's state machine: as it is defined, and as an interpreter of the Amazon States Language runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.state_machine import definition, organization_definition
from profiling_groups.cursors import StaleCursorError
from profiling_groups.requested import MembersUnreachableError
from profiling_groups.requests import InvalidRequestError
from tests.infra import machines
from tests.infra.machines import BUCKET, Ran, last, unreached

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

KEY = "targets/2026-03-04T09-30-00Z.json"
FIRST, SECOND = (
    {
        "account": account,
        "regions": ["eu-west-1", "us-east-1"],
        "organization_path": f"o-a1b2c3d4e5/r-ab12/{unit}/",
    }
    for account, unit in (("111111111111", "ou-ab12-11111111"), ("222222222222", "ou-ab12-22222222"))
)


def machine(function_arn: str = "function") -> Json:
    """Return the definition."""
    return organization_definition(
        partition="aws",
        function_arn=function_arn,
        bucket=BUCKET,
        max_concurrent_accounts=7,
        tolerated_failure_percentage=50,
    )


def child(definition: Json) -> Json:
    """Return the workflow of one account."""
    found: Json = every(definition)["ItemProcessor"]
    return found


def every(definition: Json) -> Json:
    """Return the state that starts the workflows."""
    (found,) = (state for state in definition["States"].values() if state["Type"] == "Map")
    state: Json = found
    return state


def run(
    given: Json,
    monkeypatch: pytest.MonkeyPatch,
    *,
    targets: list[Json],
    sweeps: Callable[[Json], Json | str] | None = None,
) -> Ran:
    """Run the machine on a list of targets; sweeps are complete at once, unless the test says otherwise."""

    def answer(event: Json) -> Json | str:
        if event["action"] == "targets":
            return {"bucket": BUCKET, "key": KEY, "accounts": len(targets), "targets": 2 * len(targets)}
        return (sweeps or swept)(event)

    return machines.run(machine, given, answer, monkeypatch, lists={KEY: targets})


def swept(event: Json, *, cursor: str | None = None) -> Json:
    """Return the answer of a sweep that is complete, or has come as far as a cursor says."""
    kept = {key: event[key] for key in ("action", "account", "regions", "dry_run")}
    return {**kept, "complete": cursor is None, "cursor": cursor, "runs": [f"what came of {event['account']}"]}


def sweeps_of(ran: Ran, account: str) -> list[Json]:
    """Return what the function was asked about an account, in order."""
    return [each for each in ran.asked if each.get("account") == account]


@pytest.mark.parametrize(
    ("workflow", "ends"),
    [
        (machine(), {"Refused", "Nothing to do", "Every account"}),
        (child(machine()), {"Done"}),
    ],
    ids=["machine", "child"],
)
def test_every_state_is_reached(workflow: Json, ends: set[str]) -> None:
    """No way leads nowhere."""
    assert unreached(workflow) == set()
    assert last(workflow) == ends


def test_its_bounds_are_those_of_the_settings() -> None:
    """How many accounts at the same time, and how many may fail."""
    state = every(machine())
    assert (state["MaxConcurrency"], state["ToleratedFailurePercentage"]) == (7, 50)


def test_reports_and_child_workflows_are_where_they_are_without_an_organization() -> None:
    """So that whoever reads them, and whoever may redrive, need not know which machine it was."""
    plain = definition(partition="aws", account="1" * 12, region="eu-west-1", function_arn="function", bucket=BUCKET)
    assert every(machine())["ResultWriter"] == every(plain)["ResultWriter"]
    assert every(machine())["Label"] == every(plain)["Label"]


def test_an_answer_fits_into_a_state() -> None:
    """As an account's regions share the outcomes that it lists."""
    assert child(machine())["States"]["Sweep"]["Parameters"]["Payload"]["max_outcomes"] == 100


def test_it_lists_the_accounts_and_sweeps_each_with_its_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One workflow for each account, so that its role is assumed once."""
    ran = run({}, monkeypatch, targets=[FIRST, SECOND])
    assert ran.status == "SUCCEEDED"
    assert ran.asked[0] == {"action": "targets", "accounts": None, "regions": None}
    rest = {"dry_run": False, "cursor": None, "time_budget_seconds": None, "max_outcomes": 100}
    assert sorted(ran.asked[1:], key=lambda each: str(each["account"])) == [
        {"action": "backfill", **FIRST, **rest},
        {"action": "backfill", **SECOND, **rest},
    ]


def test_what_is_asked_for_reaches_the_list_and_every_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accounts and regions the list, the rest the sweeps."""
    only = {"accounts": ["111111111111"], "regions": ["eu-west-1"]}
    ran = run({**only, "dry_run": True, "time_budget_seconds": 60}, monkeypatch, targets=[FIRST])
    listed, asked = ran.asked
    assert listed == {"action": "targets", **only}
    assert (asked["dry_run"], asked["time_budget_seconds"], asked["regions"]) == (True, 60, FIRST["regions"])


@pytest.mark.parametrize("given", [{"dry_rnu": True}, {"cursor": None}, {"account": "111111111111", "regions": None}])
def test_a_key_that_is_not_known_is_refused_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, given: Json
) -> None:
    """A misspelt dry_run must not write."""
    ran = run(given, monkeypatch, targets=[FIRST])
    assert (ran.status, ran.error, ran.asked) == ("FAILED", InvalidRequestError.__name__, [])


def test_without_accounts_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing wrong."""
    ran = run({}, monkeypatch, targets=[])
    assert (ran.status, len(ran.asked)) == ("SUCCEEDED", 1)


def test_members_that_all_refuse_the_hub_fail_the_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    """With that error, after a few retries; no account's backfill is started."""
    ran = machines.run(machine, {}, lambda _: MembersUnreachableError.__name__, monkeypatch)
    assert (ran.status, ran.error) == ("FAILED", MembersUnreachableError.__name__)
    assert {each["action"] for each in ran.asked} == {"targets"}


@pytest.mark.parametrize(
    ("answers", "cursors"),
    [
        pytest.param(["a", "b", None], [None, "a", "b"], id="from cursor to cursor"),
        pytest.param(["a", StaleCursorError, "b", None], [None, "a", None, "b"], id="a stale cursor: anew"),
        pytest.param(["a", "Runtime.ExitError", None], [None, "a", "a"], id="killed: again"),
    ],
)
def test_an_account_is_swept_from_cursor_to_cursor(
    monkeypatch: pytest.MonkeyPatch, answers: list[str | type | None], cursors: list[str | None]
) -> None:
    """Answers are a cursor to go on from, an error, or None for complete."""
    ahead = iter(answers)

    def sweep(event: Json) -> Json | str:
        match next(ahead):
            case type() as error:
                return error.__name__
            case str() as error if error.endswith("Error"):
                return error
            case cursor:
                return swept(event, cursor=cursor)

    ran = run({"dry_run": True}, monkeypatch, targets=[FIRST], sweeps=sweep)
    assert ran.status == "SUCCEEDED"
    asked = sweeps_of(ran, "111111111111")
    assert [each["cursor"] for each in asked] == cursors
    assert {(each["dry_run"], each["organization_path"]) for each in asked} == {(True, FIRST["organization_path"])}


def test_an_accounts_report_says_where_it_is_and_what_came_of_each_region(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it lies in the bucket; without what only the machine needs."""
    given = {"target": FIRST, "dry_run": True, "time_budget_seconds": None, "answer": {"cursor": None}}
    assert every(machine())["ItemSelector"].keys() == {key + ".$" * (key != "answer") for key in given}

    def workflow(function_arn: str) -> Json:
        return {key: value for key, value in child(machine(function_arn)).items() if key != "ProcessorConfig"}

    ran = machines.run(workflow, given, swept, monkeypatch)
    assert ran.output == {**FIRST, "dry_run": True, "complete": True, "runs": ["what came of 111111111111"]}
