"""`backfill --local`: the sweep in the operator's own process, stopped and taken up again."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ops import live
from ops.__main__ import commands
from tests.unit.account import ACCOUNT, REGION
from tests.unit.marks import created_for
from tests.unit.sweeping import WRITES, Clock

if TYPE_CHECKING:
    from click.testing import Result

    from tests.unit.sweeping import Sweeper

pytestmark = pytest.mark.usefixtures("operators_folder")
MANY = 60
"""Functions that more than fill the threads of a sweep."""


@pytest.fixture
def many(sweeper: Sweeper) -> Sweeper:
    """An account with many functions and no group."""
    for number in range(MANY):
        sweeper.account.function(f"worker-{number:02}")
    return sweeper


def run(*arguments: str) -> Result:
    """Run `backfill`."""
    return CliRunner().invoke(commands, ["backfill", *arguments])


def told_to_go_on(done: Result) -> list[str]:
    """Return the arguments of the command by which the run says that it goes on."""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Not all is done.")]
    program, command, *arguments = shlex.split(line.partition(": ")[2])
    assert (program, command) == ("profiling-groups", "backfill")
    return arguments


def interrupt() -> None:
    """Press Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


# What it does


def test_every_function_gets_its_group_and_nothing_is_deployed(sweeper: Sweeper) -> None:
    """By the policy file; what is skipped, or managed by others, is counted, and the rest listed."""
    sweeper.account.function("orders", tags={"team": "payments"})
    sweeper.account.function("reports")
    sweeper.account.make_group("aws-lambda-reports", tags=created_for("reports"))
    sweeper.account.function("theirs")
    sweeper.account.make_group("aws-lambda-theirs", tags={"team": "infra"})
    sweeper.account.function("useless")
    sweeper.account.make_group("aws-lambda-useless", tags={}, platform="Default")
    sweeper.account.function("web", runtime="nodejs22.x")
    done = run("--local")
    assert (done.exit_code, done.stderr) == (0, "")
    *lines, useless = (line.split() for line in done.stdout.splitlines())
    assert lines == [
        f"{ACCOUNT} in {REGION}: 5 functions. 3 of 4 that should have a group have it.".split(),
        [],
        ["action", "functions"],
        ["created", "1"],
        ["exists", "3"],
        ["skipped", "1"],
        [],
        ["function", "action", "reason", "group", "detail"],
        ["orders", "created", "aws-lambda-orders"],
    ]
    assert useless[:4] == ["useless", "exists", "compute_platform_mismatch", "aws-lambda-useless"]
    assert sweeper.groups()["aws-lambda-orders"] == {**created_for("orders"), "team": "payments"}


def test_a_dry_run_writes_nothing_and_says_so(sweeper: Sweeper) -> None:
    """The numbers are those of what would be done."""
    sweeper.account.function("orders")
    done = run("--local", "--dry-run")
    assert done.exit_code == 0
    assert "Nothing was written: it was a dry run" in done.stdout
    assert "0 of 1 that should have a group have it." in done.stdout
    assert not WRITES & set(sweeper.account.sent)
    assert sweeper.groups() == {}


def test_programs_get_the_run_and_nothing_else(sweeper: Sweeper) -> None:
    """As the function answers it."""
    sweeper.account.function("orders")
    done = run("--local", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, done.stderr) == (0, "")
    assert (found["action"], found["complete"], found["cursor"], found["counts"]) == (
        "backfill",
        True,
        None,
        {"created": 1},
    )
    assert found["totals"]["covered"] == 1


def test_only_the_functions_that_are_named(sweeper: Sweeper) -> None:
    """By name or ARN; one that is not there is told, too."""
    arn = sweeper.account.function("orders")
    sweeper.account.function("reports")
    sweeper.account.function("worker")
    done = run("--local", "--function", f"{arn}", "--function", "worker", "--function", "nobody", "--json")
    found = json.loads(done.stdout)
    told = {each["function"].rpartition(":")[2]: (each["action"], each["reason"]) for each in found["outcomes"]}
    assert told == {"orders": ("created", None), "worker": ("created", None), "nobody": ("skipped", "function_gone")}
    assert (done.exit_code, set(sweeper.groups())) == (0, {"aws-lambda-orders", "aws-lambda-worker"})


def test_another_policy_file(sweeper: Sweeper) -> None:
    """Whatever it is called."""
    sweeper.account.function("orders")
    Path("other.yaml").write_text('group: {name: "p-{function_name}"}')
    assert run("--local", "--policy", "other.yaml").exit_code == 0
    assert list(sweeper.groups()) == ["p-orders"]


def test_a_function_that_fails_is_told_and_the_others_go_on(sweeper: Sweeper) -> None:
    """First of all, with what lacks; the exit status is 1."""
    for name in ("orders", "reports", "worker"):
        sweeper.account.function(name)
    sweeper.account.fail("CreateProfilingGroup", (403, "AccessDeniedException"), None)
    done = run("--local")
    assert done.exit_code == 1
    rows = done.stdout.splitlines()[-3:]
    assert rows[0].split()[1:3] == ["failed", "access_denied"]
    assert "codeguru-profiler:CreateProfilingGroup on" in rows[0]
    assert len(sweeper.groups()) == 2


# Stopped, and taken up again


def test_ctrl_c_finishes_what_is_in_flight_and_tells_how_to_go_on(many: Sweeper) -> None:
    """What was told goes on to the end: a group for each function, and no call made twice."""
    many.account.meanwhile("CreateProfilingGroup", *[lambda: None] * 5, interrupt, *[lambda: None] * 2 * MANY)
    done = run("--local")
    assert done.exit_code == 130
    assert 0 < len(many.groups()) < MANY
    assert f"{len(many.groups())} looked at so far" in done.stdout
    again = run(*told_to_go_on(done), "--json")
    assert (again.exit_code, len(many.groups())) == (0, MANY)
    assert json.loads(again.stdout)["totals"]["counts"] == {"created": MANY}
    assert many.account.sent.count("CreateProfilingGroup") == MANY


def test_ctrl_c_during_a_dry_run_goes_on_as_one(many: Sweeper) -> None:
    """By the same policy file, too; here all have drifted, which takes a look at each."""
    for number in range(MANY):
        many.account.make_group(f"aws-lambda-worker-{number:02}", tags={})
    many.account.meanwhile("DescribeProfilingGroup", interrupt, *[lambda: None] * 2 * MANY)
    Path("other.yaml").write_text("{}")
    done = run("--local", "--dry-run", "--policy", "other.yaml", "--json")
    assert (done.exit_code, json.loads(done.stdout)["complete"]) == (130, False)
    arguments = told_to_go_on(done)
    assert {"--local", "--dry-run", "other.yaml", json.loads(done.stdout)["cursor"]} <= set(arguments)
    assert run(*arguments).exit_code == 0
    assert not any(many.groups().values())


def test_ctrl_c_before_anything_is_done_ends_it(many: Sweeper) -> None:
    """Nobody waits for the end of a long list."""
    many.account.meanwhile("ListFunctions", interrupt)
    done = run("--local")
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "Interrupted before anything was done.\n")
    assert many.groups() == {}


def test_ctrl_c_again_ends_it_at_once(many: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no word; here it comes as soon as the first is answered."""

    def end(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr("os._exit", end)
    monkeypatch.setattr(live.Live, "describe", lambda _, what: interrupt() if "again" in what else None)
    many.account.meanwhile("CreateProfilingGroup", interrupt, *[lambda: None] * MANY)
    done = run("--local")
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "")
    assert len(many.groups()) < MANY


def test_ctrl_c_is_anybodys_again_afterwards(many: Sweeper) -> None:
    """The handler is put back."""
    before = signal.getsignal(signal.SIGINT)
    run("--local")
    assert signal.getsignal(signal.SIGINT) is before
    assert len(many.groups()) == MANY


def test_a_time_budget_ends_with_a_cursor(sweeper: Sweeper) -> None:
    """Not all is done, which is status 1; with a budget of nothing one function is done at a time, always."""
    for number in range(4):
        sweeper.account.function(f"worker-{number}")
    arguments = ["--local", "--time-budget", "0"]
    statuses: list[int] = []
    while not statuses or statuses[-1]:
        done = run(*arguments)
        statuses.append(done.exit_code)
        arguments = told_to_go_on(done) if done.exit_code else []
    assert statuses == [1, 1, 1, 0]
    assert len(sweeper.groups()) == 4


# What cannot be done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--local", "--cursor", "x"], "'cursor' is none that this version gave, or was cut off or changed"),
        (["--local", "--function", "a:b:c:d"], "'functions[0]' is 'a:b:c:d', neither a function's name nor its ARN"),
        (["--local", "--policy", "bad.yaml"], "bad.yaml:1: colour: is not known"),
        (["--local", "--policy", "nowhere.yaml"], "does not exist"),
        (["--local", "--execution", "arn"], "--execution or --local, not both"),
        (["--dry-run", "--execution", "arn"], "--execution or --dry-run, not both"),
        (["--function", "a", "--cursor", "x"], "--function or --cursor, not both"),
        (["--local", "--function", "a", "--time-budget", "0"], "--function or --time-budget, not both"),
        (["--policy", "policy.yaml"], "--policy goes with --local"),
        (["--local", "--time-budget", "-1"], "is not in the range"),
    ],
)
def test_what_makes_no_sense_is_told_and_does_nothing(sweeper: Sweeper, arguments: list[str], said: str) -> None:
    """Exit status 2, and nothing on standard output."""
    Path("bad.yaml").write_text("colour: red")
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert not sweeper.account.sent


def test_a_cursor_of_another_policy_is_refused_in_a_line(many: Sweeper) -> None:
    """As the policy may have said otherwise about those that are done."""
    arguments = told_to_go_on(run("--local", "--time-budget", "0"))
    Path("policy.yaml").write_text("{functions: {images: skip}}")
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "Error: 'cursor' is of a sweep under another policy: begin anew, with 'cursor' null\n"
    assert len(many.groups()) == 1


@pytest.mark.usefixtures("sweeper")
def test_a_policy_file_there_must_be() -> None:
    """The one that is taken where none is named."""
    Path("policy.yaml").unlink()
    done = run("--local")
    assert (done.exit_code, done.stderr) == (
        2,
        "Error: there is no policy.yaml here: name the policy file with --policy\n",
    )


# How far it is


def test_a_line_tells_now_and_then_how_far_it_is(many: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no terminal; here each call takes six seconds."""
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    many.account.meanwhile("CreateProfilingGroup", *[lambda: clock.sleep(6)] * MANY)
    lines = run("--local").stderr.splitlines()
    assert 0 < len(lines) <= MANY
    words = lines[0].split(", ")
    assert words[0].endswith(f" of {MANY}")
    assert words[-1].startswith("created ")


@pytest.mark.parametrize(
    ("done", "rate", "said"),
    [
        (0, 0.0, "0 of 7,200"),
        (1_200, 20.0, "1,200 of 7,200, 20/s, 5 min left, created 1,200"),
        (7_190, 0.5, "7,190 of 7,200, 30/min, 20 s left, created 7,190"),
        (0, 1.0, "0 of 7,200, 1/s, 2.0 h left"),
        (7_200, 99.6, "7,200 of 7,200, 100/s, created 7,200"),
        (7_201, 3.0, "7,201 of 7,200, 3/s, created 7,201"),
    ],
)
def test_how_far_is_told_in_words(done: int, rate: float, said: str) -> None:
    """Groups that are left over come after the functions, and count."""
    counts = {"created": done} if done else {}
    assert live.told(live.HowFar(functions=7_200, done=done, counts=counts), rate=rate) == said
