"""The operator's commands against the deployed stack: the machine is started and followed, the coverage told."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.e2e import command_line
from tests.e2e.deployment import ACCOUNT, REGION, ROOT, created_for, function_arn
from tests.waiting import LIMIT_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.deployment import Deployment


@pytest.fixture
def held(deployment: Deployment) -> Iterator[str]:
    """A function that nobody has heard of; gone after the test, with its group."""
    name = deployment.hold_function(f"held-{uuid4().hex[:8]}", Tags={"team": "billing"})
    yield name
    with deployment.unheard():
        deployment.account.awslambda.delete_function(FunctionName=name)
    for group in deployment.groups(name):
        deployment.account.profiler.delete_profiling_group(profilingGroupName=group)


def command(deployment: Deployment, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `profiling-groups`."""
    return command_line.run(deployment.sandbox.endpoint, *words)


def test_a_backfill_is_started_and_followed_to_its_end(deployment: Deployment, held: str) -> None:
    """The machine does it; the answer is what it has left in the report bucket."""
    done = command(deployment, "backfill", "--json")
    assert done.returncode == 0
    assert deployment.executions()[0] in done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert run["complete"]
    assert {"function": function_arn(held), "action": "created"}.items() <= outcome(run, held).items()
    assert deployment.tags(f"aws-lambda-{held}") == {"team": "billing"} | created_for(held)


def test_what_a_sweep_has_left_in_the_bucket_is_told_again(deployment: Deployment, held: str, tmp_path: Path) -> None:
    """In figures, and as a page that lists what was done; long after, and with nobody else asked."""
    swept = command(deployment, "backfill")
    execution = deployment.executions()[0]
    deployment.account.profiler.delete_profiling_group(profilingGroupName=f"aws-lambda-{held}")
    told = command(deployment, "report", "--execution", execution)
    assert (swept.returncode, told.returncode) == (0, 0)
    assert told.stdout.startswith(f"{ACCOUNT}: 100.0 % covered, ")
    page = tmp_path / "coverage.html"
    written = command(deployment, "report", "--execution", execution, "--html", str(page))
    assert (written.returncode, written.stdout.partition(":")[0]) == (0, f"{ACCOUNT} in {REGION}")
    assert held in page.read_text()


def outcome(run: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the outcome about a function."""
    (found,) = (each for each in run["outcomes"] if each["function"] == function_arn(name))
    return dict(found)


def test_the_coverage_before_and_after(deployment: Deployment, held: str) -> None:
    """Exit status 1 while something is missing; `--local` mends it, with nothing deployed."""
    before = command(deployment, "report", "--csv")
    assert before.returncode == 1
    rows = {row["function"]: row for row in csv.DictReader(io.StringIO(before.stdout))}
    assert rows[function_arn(held)]["status"] == "missing"
    dry = command(deployment, "backfill", "--local", "--dry-run")
    assert dry.returncode == 0
    assert deployment.tags(f"aws-lambda-{held}") is None
    done = command(deployment, "backfill", "--local")
    assert done.returncode == 0
    assert deployment.tags(f"aws-lambda-{held}") == {"team": "billing"} | created_for(held)
    after = command(deployment, "report", "--json")
    assert after.returncode == 0
    assert json.loads(after.stdout)["totals"]["covered_percent"] == 100


def test_functions_by_name_go_to_the_deployed_function(deployment: Deployment, held: str) -> None:
    """And one that does not exist is said to be gone."""
    done = command(deployment, "backfill", "--function", held, "--function", "nobody", "--json")
    assert done.returncode == 0
    run = json.loads(done.stdout)
    assert outcome(run, held)["action"] == "created"
    assert outcome(run, "nobody")["reason"] == "function_gone"
    assert deployment.tags(f"aws-lambda-{held}") == {"team": "billing"} | created_for(held)


def test_who_stops_following_leaves_the_machine_at_work(deployment: Deployment, held: str) -> None:
    """Ctrl-C: exit status 130, and the command that follows again, which does."""
    sandbox = deployment.sandbox
    sandbox.set_faults({"service": "lambda", "operation": "ListFunctions", "hold": True})
    sandbox.clear_calls()

    def is_followed() -> bool:
        return any(call["operation"] == "DescribeExecution" for call in sandbox.calls())

    with subprocess.Popen(
        ["profiling-groups", "backfill"],
        cwd=ROOT,
        env=command_line.environment(sandbox.endpoint),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(lambda: sandbox.faults()[0]["held"] and is_followed())
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 130
    sandbox.clear_faults()
    execution = deployment.executions()[0]
    assert f"profiling-groups backfill --execution {execution}" in said
    again = command(deployment, "backfill", "--execution", execution)
    assert again.returncode == 0
    assert deployment.tags(f"aws-lambda-{held}") == {"team": "billing"} | created_for(held)
