"""The deployed state machine, interpreted: it loops from cursor to cursor, survives failures, and leaves its report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from profiling_groups.cursors import Cursor
from profiling_groups.functions import Place
from tests.e2e.deployment import ACCOUNT, REGION, created_for, function_arn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.deployment import Deployment
    from tests.e2e.governed import Governed


@pytest.fixture
def held(deployment: Deployment) -> Iterator[list[str]]:
    """Functions that nobody has heard of, and no others; gone after the test, with their groups."""
    deployment.empty()
    prefix = f"held-{uuid4().hex[:8]}"
    names = [deployment.hold_function(f"{prefix}-{number}", Tags={"team": str(number)}) for number in range(6)]
    yield names
    with deployment.unheard():
        for name in names:
            deployment.account.awslambda.delete_function(FunctionName=name)
    for group in deployment.groups(prefix):
        deployment.account.profiler.delete_profiling_group(profilingGroupName=group)


def assert_covered(deployment: Deployment, names: list[str]) -> None:
    """Each has its group, with its tag."""
    for number, name in enumerate(names):
        assert deployment.tags(f"aws-lambda-{name}") == {"team": str(number)} | created_for(name)


def test_it_sweeps_and_leaves_its_report(deployment: Deployment, held: list[str]) -> None:
    """An execution without input: the result lies in the bucket as Step Functions lays it down."""
    execution = deployment.execute({})
    assert execution["status"] == "SUCCEEDED"
    assert_covered(deployment, held)
    (report,) = deployment.reports(execution)
    assert (report["account"], report["region"], report["complete"], report["dry_run"]) == (
        ACCOUNT,
        REGION,
        True,
        False,
    )
    assert report["totals"]["covered"] == report["totals"]["eligible"]
    created = {each["function"] for each in report["outcomes"] if each["action"] == "created"}
    assert created == {function_arn(name) for name in held}


def test_it_goes_on_from_cursor_to_cursor(deployment: Deployment, held: list[str]) -> None:
    """Without time, every invocation takes one function; the totals are those of all."""
    execution = deployment.execute({"time_budget_seconds": 0})
    assert execution["status"] == "SUCCEEDED"
    assert_covered(deployment, held)
    (report,) = deployment.reports(execution)
    assert sum(report["totals"]["counts"].values()) == report["totals"]["functions"]
    assert sum(report["counts"].values()) == 1


def test_a_dry_run_makes_nothing(deployment: Deployment, held: list[str]) -> None:
    """The input goes to the function."""
    execution = deployment.execute({"dry_run": True})
    (report,) = deployment.reports(execution)
    assert report["dry_run"]
    assert deployment.groups(held[0].rpartition("-")[0]) == set()


def test_it_survives_a_sweep_that_fails(deployment: Deployment, held: list[str]) -> None:
    """The functions cannot be listed, twice for good; the machine tries again."""
    deployment.sandbox.set_faults(
        {
            "service": "lambda",
            "operation": "ListFunctions",
            "error": {"code": "ServiceException", "status": 500},
            "times": 8,
        }
    )
    execution = deployment.execute({})
    assert execution["status"] == "SUCCEEDED"
    assert_covered(deployment, held)


def test_a_cursor_that_is_out_of_date_begins_anew(deployment: Deployment, held: list[str]) -> None:
    """As after a redrive under another policy; nobody has to look at it."""
    place = Place(account=ACCOUNT, region=REGION)
    stale = Cursor(sweep="s", place=place, policy="another", dry_run=False, began=datetime.now(UTC), after="z")
    execution = deployment.execute({"cursor": str(stale)})
    assert execution["status"] == "SUCCEEDED"
    assert_covered(deployment, held)


def test_what_fails_for_good_is_redriven(deployment: Deployment, held: list[str]) -> None:
    """The execution fails, the cause is mended, and it goes on where it was."""
    with deployment.without("lambda:ListFunctions"):
        execution = deployment.execute({})
        assert execution["status"] == "FAILED"
        assert deployment.groups(held[0].rpartition("-")[0]) == set()
    redriven = deployment.redrive(execution)
    assert redriven["status"] == "SUCCEEDED"
    assert_covered(deployment, held)


def test_a_deployment_that_changes_something_starts_it(governed: Governed) -> None:
    """By a rule on the stack's own status: a new policy reaches what is there already."""
    deployment = governed.obey({"tags.add": {"managed-by": "profiling-group-provisioner"}})
    name = deployment.hold_function(f"held-{uuid4().hex[:8]}")
    assert deployment.tags(f"aws-lambda-{name}") is None
    before = deployment.executions()
    governed.obey({"tags.add": {"managed-by": "profiling-group-provisioner", "stage": "prod"}})
    (execution,) = set(deployment.executions()) - set(before)
    assert deployment.execution(execution)["status"] == "SUCCEEDED"
    assert deployment.tags(f"aws-lambda-{name}") == created_for(name) | {"stage": "prod"}


def test_the_schedule_starts_it(deployment: Deployment, held: list[str]) -> None:
    """So a missed event is healed within a day; so is what somebody has changed by hand."""
    assert deployment.execute({})["status"] == "SUCCEEDED"
    profiler = deployment.account.profiler
    profiler.delete_profiling_group(profilingGroupName=f"aws-lambda-{held[0]}")
    drifted = profiler.describe_profiling_group(profilingGroupName=f"aws-lambda-{held[1]}")["profilingGroup"]["arn"]
    profiler.tag_resource(resourceArn=drifted, tags={"team": "somebody"})
    profiler.untag_resource(resourceArn=drifted, tagKeys=["managed-by"])
    before = deployment.executions()
    deployment.sandbox.fire_schedules()
    deployment.sandbox.wait_until_idle()
    (execution,) = set(deployment.executions()) - set(before)
    assert deployment.execution(execution)["status"] == "SUCCEEDED"
    assert_covered(deployment, held)
