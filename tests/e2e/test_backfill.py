"""The deployed bundle on requests: functions that were there before get their groups, in one run or in many."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.e2e.alarms import DeployedAlarm
from tests.e2e.deployment import ACCOUNT, REGION, ROOT, adopted_for, created_for, function_arn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.deployment import Deployment

WRITES = {"CreateProfilingGroup", "TagResource", "UntagResource", "DeleteProfilingGroup", "PutPermission"}


@pytest.fixture
def held(deployment: Deployment) -> Iterator[dict[str, str]]:
    """Functions that nobody has heard of, each by what it is for; gone after the test, with their groups."""
    prefix = f"held-{uuid4().hex[:8]}"
    names = {what: f"{prefix}-{what}" for what in ("tagged", "bare", "drifted", "node", "off")}
    deployment.hold_function(names["tagged"], Tags={"team": "billing", "cost-center": "4711"})
    deployment.hold_function(names["bare"])
    deployment.hold_function(names["drifted"], Tags={"team": "data"})
    deployment.hold_function(names["node"], Runtime="nodejs22.x")
    deployment.hold_function(names["off"], Tags={"codeguru-profiler": "off"})
    profiler = deployment.account.profiler
    profiler.create_profiling_group(
        profilingGroupName=f"aws-lambda-{names['drifted']}", computePlatform="AWSLambda", clientToken="agent"
    )
    yield names
    with deployment.unheard():
        for name in names.values():
            deployment.account.awslambda.delete_function(FunctionName=name)
    for group in deployment.groups(prefix):
        profiler.delete_profiling_group(profilingGroupName=group)


def actions(run: dict[str, Any], names: dict[str, str]) -> dict[str, tuple[str, str | None]]:
    """Return action and reason of each outcome about one of the functions."""
    found = {outcome["function"]: (outcome["action"], outcome["reason"]) for outcome in run["outcomes"]}
    return {what: found[function_arn(name)] for what, name in names.items() if function_arn(name) in found}


EXPECTED = {
    "tagged": ("created", None),
    "bare": ("created", None),
    "drifted": ("updated", None),
    "node": ("skipped", "unsupported_runtime"),
    "off": ("skipped", "opted_out"),
}


def test_the_example_backfills_and_the_second_run_writes_nothing(deployment: Deployment, held: dict[str, str]) -> None:
    """`events/backfill.json`: what is missing is created, what has drifted is put right, the rest is left alone."""
    request = json.loads((ROOT / "events" / "backfill.json").read_text())
    run, _ = deployment.invoke(request)
    assert actions(run, held) == EXPECTED
    assert (run["action"], run["account"], run["region"]) == ("backfill", ACCOUNT, REGION)
    assert (run["complete"], run["cursor"], run["truncated"], run["dry_run"]) == (True, None, False, False)
    tags = {"team": "billing", "cost-center": "4711"} | created_for(held["tagged"])
    assert deployment.tags(f"aws-lambda-{held['tagged']}") == tags
    assert deployment.tags(f"aws-lambda-{held['bare']}") == created_for(held["bare"])
    assert deployment.tags(f"aws-lambda-{held['drifted']}") == {"team": "data"} | adopted_for(held["drifted"])
    assert deployment.tags(f"aws-lambda-{held['node']}") is None
    assert deployment.tags(f"aws-lambda-{held['off']}") is None
    functions = deployment.account.awslambda.get_paginator("list_functions").paginate().build_full_result()["Functions"]
    assert sum(run["counts"].values()) == run["totals"]["functions"] == len(functions)

    again, calls = deployment.invoke(request)
    assert again["counts"].keys() == {"exists", "skipped"}
    assert again["totals"]["covered"] == again["totals"]["eligible"] == again["counts"]["exists"]
    assert not WRITES & {call["operation"] for call in calls}
    for name in held.values():
        assert len(deployment.outcomes(name)) == 2


def test_a_backfill_that_is_denied_every_creation_sets_off_an_alarm(
    deployment: Deployment, held: dict[str, str]
) -> None:
    """The execution succeeds, as one function does not stop the others; the alarm is over by the next day."""
    alarm, denied_at = DeployedAlarm(deployment.account, "functions-failed"), datetime.now(UTC)
    with deployment.without("codeguru-profiler:CreateProfilingGroup"):
        execution = deployment.execute({})
    (run,) = deployment.reports(execution)
    assert actions(run, held)["bare"] == ("failed", "access_denied")
    assert "created" not in run["counts"]
    assert execution["status"] == "SUCCEEDED"
    assert alarm.is_breached(since=denied_at)
    deployment.execute({})
    assert alarm.value(since=denied_at, statistic="Minimum") == 0
    assert not alarm.is_breached_by(0)
    assert alarm.window <= timedelta(hours=27)


def test_without_time_one_function_is_taken_and_the_cursor_goes_on(
    deployment: Deployment, held: dict[str, str]
) -> None:
    """From cursor to cursor to the end: each function has one outcome, and the totals are those of all runs."""
    counts: Counter[str] = Counter()
    seen: dict[str, tuple[str, str | None]] = {}
    run: dict[str, Any] = {"complete": False, "cursor": None}
    while not run["complete"]:
        run, _ = deployment.invoke({"action": "backfill", "time_budget_seconds": 0, "cursor": run["cursor"]})
        assert sum(run["counts"].values()) == 1
        counts.update(run["counts"])
        seen |= actions(run, held)
    assert run["cursor"] is None
    assert counts == run["totals"]["counts"]
    assert counts.total() == run["totals"]["functions"]
    assert seen == EXPECTED


def test_the_example_provisions_the_functions_that_it_names(deployment: Deployment, held: dict[str, str]) -> None:
    """`events/provision.json`, a dry run about functions that are not there; and for real, by name and by ARN."""
    request = json.loads((ROOT / "events" / "provision.json").read_text())
    run, _ = deployment.invoke(request)
    assert run["counts"] == {"skipped": 2}
    assert {outcome["reason"] for outcome in run["outcomes"]} == {"function_gone"}
    named = [held["tagged"], function_arn(held["bare"]), held["tagged"], f"{held['node']}:7"]
    run, _ = deployment.invoke({"action": "provision", "functions": named})
    assert actions(run, held) == {what: EXPECTED[what] for what in ("tagged", "bare", "node")}
    assert (run["complete"], run["counts"]) == (True, {"created": 2, "skipped": 1})
    tags = {"team": "billing", "cost-center": "4711"} | created_for(held["tagged"])
    assert deployment.tags(f"aws-lambda-{held['tagged']}") == tags
    assert deployment.tags(f"aws-lambda-{held['drifted']}") == {}
