"""`backfill --organization`, `report --organization`: a hub's machine is started and followed, and its results read."""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto.awslambda.models import LambdaFunction
from moto.core.responses import ActionResult
from moto.stepfunctions.responses import StepFunctionResponse

from ops import coverage, live, swept
from ops.__main__ import commands
from ops.coverage import Coverage, Scope
from ops.organization_tables import print_coverage
from ops.results import Results
from ops.swept import Standing
from tests.unit import deployed
from tests.unit.account import REGION
from tests.unit.deployed import FOLDER, MANIFEST, SWEEPER, deploy, put, reports
from tests.unit.sweeping import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from click.testing import Result
    from moto.stepfunctions.models import Execution

    from tests.unit.account import Account
    from tests.unit.deployed import World

Json = dict[str, Any]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "backfill.md"
ROOT, PROD, TEAM = "o-a1b2c3d4e5/r-ab12/", "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/", "ou-ab12-22222222/"
FIRST, SECOND, THIRD = "111111111111", "222222222222", "333333333333"
US = "us-east-1"
GOOD = {"exists": 10}


@pytest.fixture
def world(account: Account, monkeypatch: pytest.MonkeyPatch) -> World:
    """A hub, and a clock that nobody waits by; its machine has no map run yet."""
    monkeypatch.setenv("AWS_REGION", REGION)
    found = deployed.world(account, EventBusArn="arn:aws:events:eu-west-1:123456789012:event-bus/ProfilingGroups")
    monkeypatch.setattr("ops.executions.time.sleep", found.wait)
    monkeypatch.setattr(StepFunctionResponse, "list_map_runs", lambda _: ActionResult({"mapRuns": []}))
    return found


def backfill(*arguments: str) -> Result:
    """Run `backfill`."""
    return CliRunner().invoke(commands, ["backfill", *arguments])


def report(*arguments: str) -> Result:
    """Run `report --organization`."""
    return CliRunner().invoke(commands, ["report", "--organization", *arguments])


def place(account: str, region: str, counts: Mapping[str, int], *, dry_run: bool = False, useless: int = 0) -> Json:
    """Return the run of a place, as `Run.to_result` has it.

    Args:
        account: Account id.
        region: Region code.
        counts: Outcomes by action.
        dry_run: Whether nothing was written.
        useless: How many groups are there, but for another compute platform.
    """
    has = sum(counts.get(action, 0) for action in ("created", "exists", "updated"))
    failed = counts.get("failed", 0)
    outcome = {"group": "g", "account": account, "region": region, "dry_run": dry_run}
    return {
        "account": account,
        "region": region,
        "dry_run": dry_run,
        "complete": True,
        "counts": dict(counts),
        "outcomes": [
            {**outcome, "function": f"f-{number}", "action": "failed", "reason": "throttled", "detail": "slow down"}
            for number in range(failed)
        ],
        "truncated": False,
        "totals": {
            "sweep": "s",
            "functions": has + failed + counts.get("skipped", 0),
            "eligible": has + failed,
            "covered": (counts.get("exists", 0) if dry_run else has) - useless,
            "counts": dict(counts),
        },
    }


def spared(account: str, region: str, reason: str, detail: str = "no") -> Json:
    """Return the run of a place in which nothing could be done."""
    about = {"function": None, "group": None, "action": "skipped", "reason": reason, "detail": detail}
    return {
        **place(account, region, {}),
        "counts": {"skipped": 1},
        "outcomes": [{**about, "account": account, "region": region, "dry_run": False}],
        "totals": {"sweep": None, "functions": 0, "eligible": 0, "covered": 0, "counts": {"skipped": 1}},
    }


def child(path: str, *runs: Json) -> Json:
    """Return the output of the child workflow of an account in this place of the organization."""
    return {
        "account": runs[0]["account"],
        "regions": [run["region"] for run in runs],
        "organization_path": path,
        "dry_run": runs[0]["dry_run"],
        "complete": True,
        "runs": list(runs),
    }


def broken(account: str, path: str, *regions: str) -> Json:
    """Return what is told of the child workflow of an account that failed."""
    cause = {"errorType": "InventoryError", "errorMessage": "throttled: lambda:ListFunctions"}
    target = {"account": account, "regions": list(regions), "organization_path": path}
    return {"Input": json.dumps({"target": target}), "Error": "InventoryError", "Cause": json.dumps(cause)}


def lines(done: Result) -> list[list[str]]:
    """Return the words of each line that was printed."""
    return [line.split() for line in done.stdout.splitlines() if line]


def asked(world: World) -> list[Json]:
    """Return what the machine was started with, each time."""
    return [json.loads(execution.execution_input) for execution in world.executions()]


# Backfill


def test_all_accounts_are_swept_and_told_in_figures(world: World) -> None:
    """One table for all of them, whatever the number; what was not asked for is null."""
    reports(
        child(ROOT, place(FIRST, REGION, {"created": 3, "skipped": 1}), place(FIRST, US, GOOD)),
        child(PROD, place(SECOND, REGION, {"updated": 1}), place(SECOND, US, {})),
    )
    world.acts = [world.end()]
    done = backfill("--organization")
    assert (done.exit_code, done.stderr) == (0, f"Started {world.executions()[0].execution_arn}\n")
    assert asked(world) == [{"dry_run": False, "accounts": None, "regions": None, "time_budget_seconds": None}]
    assert done.stdout.splitlines()[0] == (
        "o-a1b2c3d4e5: 2 accounts in 2 regions, 15 functions. 14 of 14 that should have a group have it."
    )
    assert lines(done)[1:] == [
        *(["action", "functions"], ["created", "3"], ["exists", "10"], ["updated", "1"], ["skipped", "1"])
    ]


def test_a_part_of_the_organization_is_the_machines_to_find(world: World) -> None:
    """And a dry run says that it is one."""
    reports(child(ROOT, place(FIRST, US, {"created": 1}, dry_run=True)))
    world.acts = [world.end()]
    done = backfill("--organization", "--account", FIRST, "--region", US, "--dry-run", "--time-budget", "60")
    assert asked(world) == [{"dry_run": True, "accounts": [FIRST], "regions": [US], "time_budget_seconds": 60.0}]
    assert done.stdout.splitlines()[:2] == [
        "Nothing was written: it was a dry run, and this is what would be done.",
        "o-a1b2c3d4e5: 1 account in 1 region, 1 functions. 0 of 1 that should have a group have it.",
    ]
    assert done.exit_code == 0


def twentieth_unreachable() -> Iterator[Json]:
    """Yield the outputs of 100 accounts in 10 regions: 5 are unreachable, and 3 regions forbidden in all of them."""
    regions = [f"eu-west-{number}" for number in range(1, 11)]
    for number in range(100):
        account = f"{number:012}"
        if number % 20 == 7:
            yield child(PROD, *(spared(account, region, "account_unreachable", "AssumeRole") for region in regions))
            continue
        open_to_it = (place(account, region, GOOD) for region in regions[3:])
        denied = (spared(account, region, "region_unsupported", "by an SCP") for region in regions[:3])
        yield child(PROD, *denied, *open_to_it)


@pytest.mark.parametrize("command", ["backfill", "report"])
def test_what_cannot_be_reached_or_is_forbidden_is_named_and_turns_nothing_red(world: World, command: str) -> None:
    """A line for each account, and one for each region."""
    reports(*twentieth_unreachable())
    world.acts = [world.end()]
    done = CliRunner().invoke(commands, [command, "--organization"])
    assert done.exit_code == 0
    assert "95 accounts" in done.stdout.splitlines()[0]
    assert "7 regions" in done.stdout.splitlines()[0]
    listed = lines(done)
    assert listed[listed.index(["What", "was", "not", "swept:"]) + 2 :] == [
        *(["unreachable", f"{number:012}", "10", "regions", "AssumeRole"] for number in (7, 27, 47, 67, 87)),
        *(["unsupported", "95", "accounts", f"eu-west-{number}", "by", "an", "SCP"] for number in (1, 2, 3)),
    ]


def test_what_failed_is_named_with_its_cause(world: World) -> None:
    """Functions by their place, the most first, and an account whose sweep broke off; the exit status is 1."""
    reports(
        child(ROOT, place(FIRST, REGION, {"failed": 1}), place(FIRST, US, {"failed": 2})),
        failed=[broken(THIRD, PROD, REGION, US)],
    )
    world.acts = [world.end()]
    done = backfill("--organization")
    assert done.exit_code == 1
    assert lines(done)[-7:] == [
        ["Where", "functions", "failed:"],
        ["account", "region", "failed", "the", "first", "of", "them"],
        [FIRST, US, "2", "throttled:", "slow", "down"],
        [FIRST, REGION, "1", "throttled:", "slow", "down"],
        ["What", "was", "not", "swept:"],
        ["standing", "account", "region", "why"],
        ["unfinished", THIRD, f"{REGION},", US, "InventoryError:", "throttled:", "lambda:ListFunctions"],
    ]


@pytest.mark.parametrize("failing", ["a function", "an account"])
def test_any_failure_is_status_1(world: World, failing: str) -> None:
    """Whether of one function among many or of an account."""
    counts = {"exists": 1_000, "failed": 1} if failing == "a function" else GOOD
    reports(
        child(ROOT, place(FIRST, REGION, counts)),
        failed=[broken(SECOND, ROOT, REGION)] if failing == "an account" else [],
    )
    world.acts = [world.end()] * 2
    assert backfill("--organization").exit_code == 1
    assert report().exit_code == 1


def test_a_long_list_is_cut_unless_it_is_asked_for(world: World) -> None:
    """It says how many more there are."""
    reports(*(child(PROD, spared(f"{number:012}", US, "account_unreachable")) for number in range(25)))
    world.acts = [world.end()] * 2
    done = backfill("--organization")
    assert len([words for words in lines(done) if words[0] == "unreachable"]) == 20
    assert done.stdout.splitlines()[-1] == "And 5 more; --all lists them all."
    assert len([words for words in lines(backfill("--organization", "--all")) if words[0] == "unreachable"]) == 25


def test_an_account_that_was_asked_for_and_is_not_governed_is_told(world: World) -> None:
    """So is a region; the others are done, and the exit status is 1."""
    reports(child(ROOT, place(FIRST, REGION, GOOD)))
    world.acts = [world.end()]
    done = backfill("--organization", "--account", FIRST, "--account", SECOND, "--region", REGION, "--region", US)
    assert done.exit_code == 1
    assert [line.split()[0] for line in done.stderr.splitlines()[1:]] == [SECOND, US]
    assert "is not governed: not in the organization's units" in done.stderr


def test_where_nothing_is_governed_nothing_is_done(world: World) -> None:
    """The machine ends without a map run."""

    def end() -> None:
        world.end()()
        world.executions()[-1].output = json.dumps({"listed": {"targets": 0}})

    world.acts = [end] * 2
    done = backfill("--organization")
    assert (done.exit_code, done.stdout) == (0, "Nothing that was asked for is governed, so nothing was swept.\n")
    done = backfill("--organization", "--account", FIRST)
    assert (done.exit_code, FIRST in done.stderr) == (1, True)


def test_programs_get_every_run_with_its_place(world: World) -> None:
    """In one document, of the same shape as without an organization."""
    runs = (place(FIRST, REGION, GOOD), spared(FIRST, US, "region_unsupported"))
    reports(child(PROD, *runs), failed=[broken(SECOND, ROOT, US)])
    world.acts = [world.end()]
    done = backfill("--organization", "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert found == {
        "execution": world.executions()[0].execution_arn,
        "status": "SUCCEEDED",
        "error": None,
        "cause": None,
        "runs": [{**run, "organization_path": PROD} for run in runs],
        "failures": [
            {
                "account": SECOND,
                "region": None,
                "error": "InventoryError",
                "cause": "throttled: lambda:ListFunctions",
                "regions": [US],
                "organization_path": ROOT,
            }
        ],
    }


def map_run(monkeypatch: pytest.MonkeyPatch, *counts: Json) -> None:
    """Let the execution have a map run that is as far as this, each time that it is asked."""
    ahead = iter(counts)
    statuses = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten")
    dates = {"startDate": datetime.now(UTC), "stateMachineArn": "s", "executionArn": "e"}

    def describe(_: StepFunctionResponse) -> ActionResult:
        counted = {**dict.fromkeys(statuses, 0), **next(ahead)}
        return ActionResult({"mapRunArn": "m", **dates, "itemCounts": counted, "executionCounts": counted})

    monkeypatch.setattr(
        StepFunctionResponse, "list_map_runs", lambda _: ActionResult({"mapRuns": [{"mapRunArn": "m", **dates}]})
    )
    monkeypatch.setattr(StepFunctionResponse, "describe_map_run", describe)


def test_how_far_it_is_is_told_in_accounts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Step Functions counts them; nothing before they are listed."""
    reports(child(ROOT, place(FIRST, REGION, GOOD)))
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    counts = [{"total": 1_000, "succeeded": done - failed, "failed": failed} for done, failed in ((0, 0), (200, 3))]

    def begin() -> None:
        map_run(monkeypatch, *counts)
        clock.sleep(20)

    world.acts = [begin, lambda: clock.sleep(20), world.end()]
    assert backfill("--organization").stderr.splitlines()[1:] == [
        "0 of 1,000 accounts",
        "200 of 1,000 accounts, 10/s, 1 min left, failed 3",
    ]


def test_how_far_it_is_need_not_be_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without leave to ask, it is followed all the same; that is told once."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001 - where all calls come by

    def deny(client: BaseClient, operation: str, parameters: Json) -> object:
        if operation == "ListMapRuns":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)
        return call(client, operation, parameters)

    reports(child(ROOT, place(FIRST, REGION, GOOD)))
    monkeypatch.setattr(BaseClient, "_make_api_call", deny)
    world.acts = [lambda: None, lambda: None, world.end()]
    done = backfill("--organization")
    assert (done.exit_code, len(done.stderr.splitlines())) == (0, 2)
    assert "how far it is cannot be told: An error occurred (AccessDeniedException)" in done.stderr


def test_an_execution_that_failed_names_accounts_and_says_how_many_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many have failed for it to go on; a few of them tell why."""
    client = boto3.client("stepfunctions", region_name=REGION)
    given = broken(SECOND, ROOT, REGION, US)["Input"]
    arn = client.start_execution(stateMachineArn=world.machine, input=given)["executionArn"]
    world.end("FAILED", error="Lambda.Unknown", cause="it was killed")()
    map_run(monkeypatch)
    entry = {"executionArn": arn, "name": "c", "status": "FAILED", "startDate": datetime.now(UTC)}
    failed = {"executions": [{**entry, "stateMachineArn": world.machine}] * 23}
    monkeypatch.setattr(StepFunctionResponse, "list_executions", lambda _: ActionResult(failed))
    end = world.end("FAILED", error="States.ExceedToleratedFailureThreshold", cause="too many")
    for run, name, status in ((backfill, "backfill", 1), (report, "report", 2)):
        monkeypatch.setattr(StepFunctionResponse, "describe_map_run", lambda _: ActionResult({}))
        monkeypatch.setattr(StepFunctionResponse, "list_map_runs", lambda _: ActionResult({"mapRuns": []}))
        world.acts = [lambda: map_run(monkeypatch, {}), end]
        done = run("--organization") if run is backfill else run()
        (_, *failures, more, ended, _, _, again) = done.stderr.splitlines()
        assert (done.exit_code, done.stdout) == (status, "")
        assert failures == [f"{SECOND} in {REGION}, {US} was not swept to the end: Lambda.Unknown: it was killed"] * 20
        assert more == "and 3 more were not"
        assert ended == "The execution has ended as FAILED: States.ExceedToleratedFailureThreshold: too many"
        assert again.strip().startswith(f"profiling-groups {name} --organization --execution arn:aws:states:")


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        (MANIFEST, "{", "manifest.json is not what a map run leaves"),
        (MANIFEST, '{"ResultFiles": null}', "manifest.json is not what a map run leaves"),
        (f"{FOLDER}/SUCCEEDED_0.json", '[{"Output": "{}', "SUCCEEDED_0.json is no JSON, or breaks off"),
        (f"{FOLDER}/SUCCEEDED_0.json", '[{"Input": "{}"}]', "SUCCEEDED_0.json is not what a map run leaves: KeyError"),
        (f"{FOLDER}/FAILED_0.json", "[7]", "FAILED_0.json is not what a map run leaves"),
        (MANIFEST, None, "manifest.json is not there; results are kept as long as the setting report_retention_days"),
        (f"{FOLDER}/SUCCEEDED_0.json", None, "SUCCEEDED_0.json is not there"),
    ],
)
@pytest.mark.parametrize("command", ["backfill", "report"])
def test_results_that_cannot_be_read_are_told_in_a_line(
    world: World, command: str, key: str, text: str | None, said: str
) -> None:
    """No figures are told that would be wrong."""
    reports(child(ROOT, place(FIRST, REGION, GOOD)), failed=[broken(SECOND, ROOT, US)])
    if text is None:
        boto3.client("s3", region_name=REGION).delete_object(Bucket=deployed.BUCKET, Key=key)
    else:
        put(key, text)
    world.acts = [world.end()]
    done = CliRunner().invoke(commands, [command, "--organization"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 2


def started(world: World) -> Execution:
    """Start the machine as somebody else."""
    boto3.client("stepfunctions", region_name=REGION).start_execution(stateMachineArn=world.machine, input="{}")
    return world.executions()[-1]


@pytest.mark.parametrize("stack", ["ProfilingGroups", "Gone"])
def test_an_execution_of_an_organization_is_known_as_one(world: World, stack: str) -> None:
    """By its stack, or else by what it has left."""
    reports(child(ROOT, place(FIRST, REGION, GOOD)), child(ROOT, place(SECOND, REGION, GOOD)))
    world.acts = [world.end()]
    done = backfill("--execution", started(world).execution_arn, "--stack", stack)
    assert (done.exit_code, len(world.executions())) == (0, 1)
    assert done.stdout.startswith("o-a1b2c3d4e5: 2 accounts in 1 region")


def test_ctrl_c_tells_the_command_that_follows_it_again(world: World) -> None:
    """The organization's, and of the same stack."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    deploy("Hub", BackfillStateMachineArn=world.machine, BackfillFunctionName=SWEEPER, EventBusArn="b")
    world.acts = [interrupt]
    done = backfill("--organization", "--stack", "Hub")
    arn = world.executions()[0].execution_arn
    assert done.exit_code == 130
    assert done.stderr.splitlines()[1].endswith(
        f"profiling-groups backfill --organization --stack Hub --execution {arn}"
    )


def test_a_function_of_any_account_is_the_hubs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--organization` or without."""
    arn = f"arn:aws:lambda:{US}:{SECOND}:function:orders"
    sent: list[Json] = []

    def answer(_: LambdaFunction, event: Json) -> tuple[str, bool, str]:
        sent.append(event)
        run = {"action": "provision", "dry_run": False, "complete": True, "counts": {"exists": 1}}
        return json.dumps({**run, "outcomes": [], "truncated": False}), False, ""

    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", answer)
    assert backfill("--function", arn).exit_code == backfill("--organization", "--function", arn).exit_code == 0
    assert sent == [{"action": "provision", "functions": [arn], "dry_run": False}] * 2
    assert world.executions() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backfill"], "the stack ProfilingGroups governs an organization: say --organization for all of it"),
        (["backfill", "--organization", "--stack", "Plain"], "the stack Plain governs the account and region that it"),
        (["backfill", "--organization", "--stack", "Plain", "--function", "f"], "the stack Plain governs the account"),
        (["report", "--organization", "--stack", "Plain"], "the stack Plain governs the account and region that it is"),
        (["backfill", "--account", FIRST], "--account goes with --organization"),
        (["backfill", "--region", US], "--region goes with --organization"),
        (
            ["backfill", "--organization", "--account", "1"],
            "'accounts[0]' is '1', and 'accounts' a list of",
        ),
        (["report", "--organization", "--region", "here"], "'regions[0]' is 'here', and 'regions' a list of regions"),
        (["backfill", "--organization", "--local"], "--organization or --local, not both"),
        (["backfill", "--organization", "--cursor", "c"], "--organization or --cursor, not both"),
        (["backfill", "--organization", "--account", FIRST, "--function", "f"], "--function or --account, not both"),
        (["backfill", "--organization", "--region", US, "--execution", "e"], "--execution or --region, not both"),
        (["report", "--account", FIRST], "--account goes with --organization"),
        (["report", "--execution", "e", "--policy", __file__], "--execution or --policy, not both"),
        (["report", "--execution", "e", "--account", FIRST], "--account goes with --organization"),
        (["report", "--stack", "S"], "--stack goes with --organization"),
        (["report", "--organization", "--organization-path", ROOT], "--organization or --organization-path, not both"),
    ],
)
def test_what_makes_no_sense_is_told_and_starts_nothing(world: World, arguments: list[str], said: str) -> None:
    """Exit status 2, and what to do."""
    deploy("Plain", BackfillStateMachineArn=world.machine, BackfillFunctionName=SWEEPER)
    done = CliRunner().invoke(commands, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert world.executions() == []


# The report


def mixed() -> None:
    """Leave the results of an organization with everything in it."""
    reports(
        child(ROOT, place(FIRST, REGION, {"exists": 2, "created": 1}, dry_run=True)),
        child(
            PROD,
            place(SECOND, REGION, {"exists": 3, "updated": 1, "failed": 1, "skipped": 4}, dry_run=True, useless=1),
            {**spared(SECOND, US, "region_unsupported"), "dry_run": True},
        ),
        child(
            PROD + TEAM,
            place(THIRD, REGION, {"exists": 8, "deleted": 1, "orphaned": 2}, dry_run=True),
            {**spared(THIRD, US, "excluded_by_policy"), "dry_run": True},
        ),
        child(PROD + TEAM, {**spared("444444444444", REGION, "account_unreachable"), "dry_run": True}),
        failed=[broken("555555555555", PROD, REGION)],
    )


def figures(row: Mapping[str, Any]) -> list[Any]:
    """Return what a row tells of functions."""
    keys = ("covered", "eligible", "covered_percent", "missing", "drifted", "failed", "skipped", "orphaned")
    return [row[key] for key in keys]


def test_the_coverage_of_every_part_is_told_the_worst_first(world: World) -> None:
    """By a dry run; a unit's row is about all that is in it or below."""
    mixed()
    world.acts = [world.end()]
    done = report("--json")
    assert asked(world) == [{"dry_run": True, "accounts": None, "regions": None}]
    found = json.loads(done.stdout)
    assert (done.exit_code, found["dry_run"], found["execution"]) == (1, True, world.executions()[0].execution_arn)
    assert figures(found["totals"]) == [12, 16, 75.0, 2, 1, 1, 4, 3]
    assert [(row["organization_path"], row["accounts"], *figures(row)[:3]) for row in found["ous"]] == [
        (ROOT, 5, 12, 16, 75.0),
        (PROD, 4, 10, 13, 76.9),
        (PROD + TEAM, 2, 8, 8, 100.0),
    ]
    assert [(row["account"], row["covered_percent"], row["organization_path"]) for row in found["accounts"]] == [
        ("555555555555", None, PROD),
        ("444444444444", None, PROD + TEAM),
        (SECOND, 40.0, PROD),
        (FIRST, 66.6, ROOT),
        (THIRD, 100.0, PROD + TEAM),
    ]
    assert [(row["region"], row["covered_percent"], row["places"]) for row in found["regions"]] == [
        (REGION, 75.0, 5),
        (US, None, 1),
    ]
    states = [(r["account"], r["region"], r["unfinished"], r["unreachable"], r["unsupported"]) for r in found["places"]]
    assert states == [
        ("555555555555", REGION, 1, 0, 0),
        ("444444444444", REGION, 0, 1, 0),
        (SECOND, REGION, 0, 0, 0),
        (FIRST, REGION, 0, 0, 0),
        (THIRD, REGION, 0, 0, 0),
        (SECOND, US, 0, 0, 1),
    ]
    assert [row["detail"] for row in found["places"]][:3] == [
        "InventoryError: throttled: lambda:ListFunctions",
        "no",
        "throttled: slow down",
    ]


def test_spreadsheets_get_every_row(world: World) -> None:
    """Those of units, accounts, regions and places, in one table."""
    mixed()
    world.acts = [world.end()]
    done = report("--csv")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["scope"] for row in rows] == ["ou"] * 3 + ["account"] * 5 + ["region"] * 2 + ["place"] * 6
    assert (rows[3]["account"], rows[3]["covered_percent"], rows[3]["eligible"]) == ("555555555555", "", "0")


def test_a_person_reads_what_is_not_covered(world: World) -> None:
    """Accounts and places that are covered are only counted, unless asked for."""
    mixed()
    world.acts = [world.end()] * 2
    done = report()
    assert done.stdout.splitlines()[0] == (
        "o-a1b2c3d4e5: 75.0 % covered, 12 of 16 functions that should have a group, in 3 accounts and 1 region."
    )
    titles = [line for line in done.stdout.splitlines() if line.endswith(":")]
    assert titles == [
        "By organizational unit:",
        "By account, 1 left out as all is covered there:",
        "By region:",
        "By account and region, 1 left out as all is covered there:",
        "What was not swept:",
    ]
    listed = [words for words in lines(done) if words[0] in (FIRST, SECOND, THIRD)]
    assert [words[:2] for words in listed] == [
        [SECOND, "ou-ab12-11111111"],
        [FIRST, "r-ab12"],
        [SECOND, REGION],
        [FIRST, REGION],
    ]
    assert listed[0][2:] == ["40.0", "%", "2", "of", "5", "1", "1", "1", "0", "4", "1"]
    assert THIRD in [words[0] for words in lines(report("--all"))]


def test_what_was_done_since_counts_as_done(world: World) -> None:
    """An execution that wrote is read as what there is after it, and none is started."""
    reports(child(ROOT, place(FIRST, REGION, {"exists": 1, "created": 2, "updated": 3, "deleted": 4, "orphaned": 5})))
    execution = started(world)
    world.end()()
    done = report("--execution", execution.execution_arn, "--json")
    assert (done.exit_code, len(world.executions())) == (0, 1)
    assert figures(json.loads(done.stdout)["totals"]) == [6, 6, 100.0, 0, 0, 0, 0, 5]


def test_a_part_of_what_an_execution_found(world: World) -> None:
    """Only what is asked for is told, and what it has not looked at is named."""
    mixed()
    execution = started(world)
    world.end()()
    done = report("--execution", execution.execution_arn, "--account", THIRD, "--account", "9" * 12, "--json")
    assert [row["account"] for row in json.loads(done.stdout)["accounts"]] == [THIRD]
    assert (done.exit_code, done.stderr.split()[0]) == (1, "9" * 12)


def test_a_percentage_is_rounded_down() -> None:
    """All is all."""
    run = {**place(FIRST, REGION, {"exists": 9_999, "created": 1}, dry_run=True), "organization_path": ROOT}
    assert Coverage([swept.of_run(run)]).total().covered_percent == 99.9


class ManyAccounts:
    """A bucket with the results of a thousand accounts, made as they are read; it takes the place of the session."""

    def client(self, *_: object, **__: object) -> ManyAccounts:
        """Return itself."""
        return self

    def get_object(self, *, Key: str, **_: object) -> Json:  # noqa: N803 - boto's name for it
        """Return the manifest, or the one file that it names."""
        manifest = {"ResultFiles": {"SUCCEEDED": [{"Key": "results"}]}}
        return {"Body": BytesIO(json.dumps(manifest).encode()) if Key == "manifest" else self}

    def __init__(self) -> None:
        self.read_so_far = 0
        self._ahead = self._text()

    def read(self, size: int) -> bytes:
        """Return the next account of the file; nothing for whoever wants to see what type it is."""
        self.read_so_far += size > 0
        return next(self._ahead, b"") if size else b""

    def _text(self) -> Iterator[bytes]:
        outcome = {"function": "f" * 80, "group": "g" * 80, "action": "created", "reason": None, "detail": "d" * 300}
        for number in range(1_000):
            runs = [
                {
                    **place(f"{number:012}", f"eu-west-{each}", {"exists": 40, "created": 10}, dry_run=True),
                    "outcomes": [outcome] * 10,
                }
                for each in range(10)
            ]
            output = json.dumps(child(f"{ROOT}ou-ab12-{number % 7:08}/", *runs))
            yield (b"," if number else b"[") + json.dumps({"Output": output, "Input": "{}"}).encode()
        yield b"]"


def test_of_ten_thousand_places_one_account_is_held_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    """What they have to tell is 60 MB; what is printed of them fits on a few screens."""
    bucket = ManyAccounts()
    runs = Results(cast("boto3.Session", bucket), {"Bucket": "b", "Key": "manifest"}).runs()
    places = [swept.of_run(next(runs))]
    assert bucket.read_so_far <= 2
    places += [swept.of_run(run) for run in runs]
    print_coverage(Coverage(places), places, everything=False)
    (first, *more) = capsys.readouterr().out.splitlines()
    assert first.startswith("o-a1b2c3d4e5: 80.0 % covered, 400,000 of 500,000 functions")
    assert len(more) < 80


def test_the_rows_of_the_report_are_those_of_the_page() -> None:
    """Its columns, and its scopes; and how a place may fare."""
    standings = PAGE.read_text().split("| standing | meaning |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", standings, re.MULTILINE) == [each for each in Standing if each != Standing.SWEPT]
    section = " ".join(PAGE.read_text().split("## In an organization")[1].split("\n## ")[0].split())
    scopes = set(re.findall(r"`([a-z]+)`", section.split("`scope` (")[1].split(")")[0]))
    assert scopes == set(Scope) - {Scope.ALL}
    columns = set(coverage.Row.__slots__)
    named = set(re.findall(r"`([a-z_]+)`", section.split("The columns are ")[1].split(". ")[0]))
    assert named - (scopes - columns) == columns


def test_what_it_asks_of_aws_is_what_the_page_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the operator's credentials, and of no more than that; the calls that failures take are made up for here."""
    wanted: set[str] = {"states:ListExecutions"}
    call = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001 - where all calls come by

    def watched(client: BaseClient, operation: str, parameters: Json) -> object:
        service = client.meta.service_model.service_id.hyphenize()
        wanted.add(f"{service.replace('sfn', 'states')}:{operation}")
        return call(client, operation, parameters)

    mixed()
    map_run(monkeypatch, *[{"total": 1}] * 4)
    world.acts = [world.end()] * 2
    monkeypatch.setattr(BaseClient, "_make_api_call", watched)
    backfill("--organization")
    report()
    rows = PAGE.read_text().split("| with `--organization` |")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z0-9]+:[A-Za-z]+)`", rows)) == wanted
