"""`backfill` with a deployment: the machine is started, followed to its end, and its reports are read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.client import BaseClient
from click.testing import CliRunner
from moto.awslambda.models import LambdaFunction
from moto.core.responses import ActionResult
from moto.stepfunctions.responses import StepFunctionResponse

from ops import live
from ops.__main__ import commands
from tests.unit import deployed
from tests.unit.account import ACCOUNT, REGION
from tests.unit.deployed import LOG_GROUP, SWEEPER, deploy, reports
from tests.unit.sweeping import Clock

if TYPE_CHECKING:
    from click.testing import Result

    from tests.unit.account import Account
    from tests.unit.deployed import World

Json = dict[str, Any]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "backfill.md"
DONE = {
    "account": ACCOUNT,
    "region": REGION,
    "dry_run": False,
    "complete": True,
    "totals": {"functions": 300, "eligible": 200, "covered": 200, "counts": {"created": 200, "skipped": 100}},
    "counts": {"created": 80, "skipped": 100},
    "outcomes": [
        {
            "function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}",
            "group": f"aws-lambda-{name}",
            "action": action,
            "reason": None,
            "detail": None,
            "account": ACCOUNT,
            "region": REGION,
            "dry_run": False,
        }
        for name, action in (("orders", "created"), ("web", "skipped"))
    ],
    "truncated": True,
}
"""A child workflow's output."""


@pytest.fixture
def world(account: Account, monkeypatch: pytest.MonkeyPatch) -> World:
    """A deployment, and a clock that nobody waits by."""
    monkeypatch.setenv("AWS_REGION", REGION)
    found = deployed.world(account)
    monkeypatch.setattr("ops.executions.time.sleep", found.wait)
    return found


def run(*arguments: str) -> Result:
    """Run `backfill`."""
    return CliRunner().invoke(commands, ["backfill", *arguments])


def test_the_machine_is_started_and_its_report_read(world: World) -> None:
    """The figures are those of the whole sweep; that not all outcomes are listed is said."""
    reports(DONE)
    world.acts = [lambda: None, world.end()]
    done = run()
    (execution,) = world.executions()
    assert json.loads(execution.execution_input) == {"dry_run": False, "cursor": None, "time_budget_seconds": None}
    assert (done.exit_code, done.stderr) == (0, f"Started {execution.execution_arn}\n")
    first, *rows, last = done.stdout.splitlines()
    assert first == f"{ACCOUNT} in {REGION}: 300 functions. 200 of 200 that should have a group have it."
    assert [line.split() for line in rows if line] == [
        ["action", "functions"],
        ["created", "200"],
        ["skipped", "100"],
        ["function", "action", "reason", "group", "detail"],
        ["orders", "created", "aws-lambda-orders"],
    ]
    assert last == "That is not all of them; each is in the log of the function."


def test_what_was_asked_for_is_passed_on(world: World) -> None:
    """And programs get one document."""
    reports(DONE)
    world.acts = [world.end()]
    done = run("--dry-run", "--cursor", "c", "--time-budget", "60", "--json")
    (execution,) = world.executions()
    assert json.loads(execution.execution_input) == {"dry_run": True, "cursor": "c", "time_budget_seconds": 60.0}
    assert json.loads(done.stdout) == {
        "execution": execution.execution_arn,
        "status": "SUCCEEDED",
        "error": None,
        "cause": None,
        "runs": [DONE],
        "failures": [],
    }


@pytest.mark.parametrize(
    ("counts", "status"), [({"failed": 1}, 1), ({"exists": 9}, 0)], ids=["one has failed", "all is well"]
)
def test_the_exit_status_is_that_of_the_whole_sweep(world: World, counts: Json, status: int) -> None:
    """Not that of its last invocation."""
    reports({**DONE, "totals": {**DONE["totals"], "counts": counts}})  # type: ignore[dict-item]  # it is a dict
    world.acts = [world.end()]
    assert run().exit_code == status


def test_a_target_that_failed_is_told(world: World) -> None:
    """The others are told as always."""
    cause = json.dumps({"errorType": "InventoryError", "errorMessage": "access_denied: lambda:ListFunctions on *"})
    reports(DONE, failed=({"Error": "InventoryError", "Cause": cause},))
    world.acts = [world.end()]
    done = run()
    assert done.exit_code == 1
    assert done.stdout.startswith(f"{ACCOUNT} in {REGION}: 300 functions.")
    assert done.stderr.splitlines()[-1] == (
        f"{ACCOUNT} in {REGION} was not swept to the end: InventoryError: access_denied: lambda:ListFunctions on *"
    )


def test_an_execution_that_failed_tells_why_and_how_to_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own error says only that too many failed; what failed them is in the child workflows."""
    children = boto3.client("stepfunctions", region_name=REGION)
    given = json.dumps({"target": {"account": ACCOUNT, "region": REGION}})
    child = children.start_execution(stateMachineArn=world.machine, input=given)["executionArn"]
    world.end("FAILED", error="Lambda.Unknown", cause="it was killed")()
    dates = {"startDate": datetime.now(UTC), "stateMachineArn": world.machine}
    map_run = {"mapRunArn": "m", "executionArn": "e", **dates}
    found = {"executionArn": child, "name": "child", "status": "FAILED", **dates}
    # moto knows no map runs.
    monkeypatch.setattr(StepFunctionResponse, "list_map_runs", lambda _: ActionResult({"mapRuns": [map_run]}))
    monkeypatch.setattr(StepFunctionResponse, "list_executions", lambda _: ActionResult({"executions": [found]}))
    world.acts = [world.end("FAILED", error="States.ExceedToleratedFailureThreshold", cause="too many")]
    done = run()
    (*_, failure, ended, _, redrive, follow) = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (1, "")
    assert failure == f"{ACCOUNT} in {REGION} was not swept to the end: Lambda.Unknown: it was killed"
    assert ended == "The execution has ended as FAILED: States.ExceedToleratedFailureThreshold: too many"
    arn = world.executions()[-1].execution_arn
    assert redrive.strip() == f"aws stepfunctions redrive-execution --execution-arn {arn}"
    assert follow.strip() == f"profiling-groups backfill --execution {arn}"


def test_an_execution_that_runs_is_followed_and_none_is_started(world: World) -> None:
    """Whoever started it."""
    reports(DONE)
    machines = boto3.client("stepfunctions", region_name=REGION)
    arn = machines.start_execution(stateMachineArn=world.machine, input="{}")["executionArn"]
    world.acts = [world.end()]
    done = run("--execution", arn)
    assert (done.exit_code, done.stderr, len(world.executions())) == (0, "", 1)
    assert "300 functions" in done.stdout


def test_an_execution_is_followed_without_its_stack(world: World) -> None:
    """Only how far it is cannot be told."""
    reports(DONE)
    machines = boto3.client("stepfunctions", region_name=REGION)
    arn = machines.start_execution(stateMachineArn=world.machine, input="{}")["executionArn"]
    world.acts = [world.end()]
    done = run("--execution", arn, "--stack", "Other")
    assert done.exit_code == 0
    assert done.stderr.startswith(f"how far it is cannot be told: there is no stack Other in {REGION}")


def test_how_far_it_is_comes_from_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the records of its own sweep, and not of one that was under way before it, or is a dry run."""
    reports(DONE)
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    twenty_seconds = [lambda: clock.sleep(20)]
    world.acts = [
        world.log(run="before", functions=300, done=250, counts={"created": 250}),
        world.log(run="dry", functions=300, done=0, counts={}, dry_run=True),
        world.log_text("no record, and yet in progress"),
        world.log_text('"progress"'),
        world.log_text('{"log_type": "outcome", "function": "progress"}'),
        world.log(functions=300, done=0, counts={}),
        *twenty_seconds,
        world.log(functions=300, done=100, counts={"created": 100}),
        *twenty_seconds,
        world.log(run="before", functions=300, done=299, counts={"created": 299}),
        *twenty_seconds,
        world.end(),
    ]
    assert run().stderr.splitlines()[1:] == [
        "0 of 300",
        "100 of 300, 2/s, 1 min left, created 100",
        "100 of 300, 2/s, 2 min left, created 100",
    ]


def test_a_log_that_cannot_be_read_stops_nothing(world: World) -> None:
    """It is told once."""
    reports(DONE)
    boto3.client("logs", region_name=REGION).delete_log_group(logGroupName=LOG_GROUP)
    world.acts = [lambda: None, lambda: None, world.end()]
    done = run()
    assert done.exit_code == 0
    assert len([line for line in done.stderr.splitlines() if line.startswith("how far it is cannot be told")]) == 1


def test_ctrl_c_leaves_the_machine_running_and_tells_what_can_be_done(world: World) -> None:
    """To follow it again, or to stop it."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    world.acts = [interrupt]
    done = run()
    (execution,) = world.executions()
    arn = execution.execution_arn
    assert (done.exit_code, execution.status) == (130, "RUNNING")
    assert done.stderr.splitlines()[1:] == [
        f"The state machine goes on. To follow it again: profiling-groups backfill --execution {arn}",
        f"To stop it: aws stepfunctions stop-execution --execution-arn {arn}",
    ]


def test_a_report_that_cannot_be_read_is_told_with_what_can_be_done(world: World) -> None:
    """In one line."""
    world.acts = [world.end()]
    done = run()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "NoSuchBucket" in done.stderr
    assert "to follow it again: profiling-groups backfill --execution arn:" in done.stderr


def test_what_it_asks_of_aws_is_what_the_page_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the operator's credentials; the calls that failures take are made up for here."""
    asked: set[str] = {"states:ListMapRuns", "states:ListExecutions"}
    prefixes = {"sfn": "states", "cloudwatch-logs": "logs"}
    call = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001 - where all calls come by

    def watched(client: BaseClient, operation: str, parameters: Json) -> object:
        service = client.meta.service_model.service_id.hyphenize()
        asked.add(f"{prefixes.get(service, service)}:{operation}".replace(":Invoke", ":InvokeFunction"))
        return call(client, operation, parameters)

    reports(DONE)
    answer = json.dumps({**DONE, "totals": None})
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", lambda _, event: (answer, not event, ""))
    world.acts = [world.end()]
    monkeypatch.setattr(BaseClient, "_make_api_call", watched)
    assert run().exit_code == run("--function", "orders").exit_code == 0
    rows = PAGE.read_text().split("| `backfill` without `--local` |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z0-9]+:[A-Za-z]+)`", rows)) == asked


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--stack", "Other"], f"there is no stack Other in {REGION}: deploy it, or name another by --stack; --local"),
        (["--stack", "Old"], f"the stack Old in {REGION} has no output 'BackfillStateMachineArn': deploy this version"),
        (["--execution", "arn:aws:states:eu-west-1:123456789012:execution:machine:x"], "Execution Does Not Exist"),
        (["--function", "a", "--stack", "Other"], "there is no stack Other"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(arguments: list[str], said: str) -> None:
    """Which stack it is, and that there is a way without one."""
    deploy("Old", ProvisionerFunctionName="provisioner")
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


# Functions that are named


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(("action", "status"), [("created", 0), ("failed", 1)])
def test_functions_that_are_named_are_the_sweepers(action: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All outcomes are listed."""
    asked: list[Json] = []

    def answer(function: LambdaFunction, event: Json) -> tuple[str, bool, str]:
        asked.append({"function": function.function_name, **event})
        outcomes = [{**each, "action": action} for each in DONE["outcomes"]]  # type: ignore[attr-defined]  # a list
        run = {**DONE, "action": "provision", "counts": {action: 2}, "outcomes": outcomes, "truncated": False}
        return json.dumps({key: value for key, value in run.items() if key != "totals"}), False, ""

    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", answer)
    done = run("--function", "orders", "--function", "web", "--dry-run")
    assert asked == [{"function": SWEEPER, "action": "provision", "functions": ["orders", "web"], "dry_run": True}]
    assert done.exit_code == status
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["function", "action"],
        ["orders", action],
        ["web", action],
    ]


@pytest.mark.usefixtures("world")
def test_what_the_function_refuses_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own words."""
    error = {"errorType": "InvalidRequestError", "errorMessage": "'functions[0]' is 'a:b:c:d', neither"}
    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", lambda _, event: (json.dumps(error), bool(event), ""))
    done = run("--function", "a:b:c:d")
    assert (done.exit_code, done.stdout, done.stderr) == (
        2,
        "",
        f"Error: {SWEEPER}: InvalidRequestError: 'functions[0]' is 'a:b:c:d', neither\n",
    )
