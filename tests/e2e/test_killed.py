"""A sweep that is killed at any moment, and taken up again from its last cursor or from nothing, still does it all."""

from __future__ import annotations

import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.account import Account
from embedded_aws.client import SandboxProcess
from tests.e2e import command_line
from tests.e2e.deployment import ACCOUNT, REGION, ROOT, created_for
from tests.waiting import LIMIT_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedded_aws.client import SandboxClient

FUNCTIONS = [f"function-{number:02}" for number in range(30)]
ROUNDS, KILLS = 2, 5


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxClient]:
    """An account with functions."""
    with SandboxProcess(options=["--account", ACCOUNT, "--region", REGION]) as client:
        account = Account(client.endpoint, region=REGION)
        role = account.role("function")
        for name in FUNCTIONS:
            account.awslambda.create_function(
                FunctionName=name,
                Role=role,
                Runtime="python3.13",
                Handler="app.handler",
                Code={"ZipFile": b"no code is run"},
                Tags={"team": name},
            )
        yield client


@contextmanager
def sweeping(sandbox: SandboxClient, cursor: Path, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let a sweep run in a process of its own; its output is added to the file."""
    environment = command_line.environment(sandbox.endpoint) | {
        "ACCOUNT": ACCOUNT,
        "PYTHONPATH": str(ROOT / "lambda_src"),
    }
    sweeper = Path(__file__).with_name("sweeper.py")
    with (
        output.open("ab") as file,
        subprocess.Popen([sys.executable, sweeper, cursor], env=environment, stdout=file, stderr=file) as process,
    ):
        yield process


def created(sandbox: SandboxClient) -> list[str]:
    """Return the names of the groups that were created, in order."""
    return [
        call["parameters"]["profilingGroupName"]
        for call in sandbox.calls()
        if call["operation"] == "CreateProfilingGroup" and call["status"] == 201
    ]


@pytest.mark.parametrize("resumed", ["from its cursor", "from nothing"])
def test_a_killed_sweep_is_taken_up_again(sandbox: SandboxClient, tmp_path: Path, resumed: str) -> None:
    """SIGKILL at random calls, again and again: all functions end with their group, created once; nothing failed."""
    account = Account(sandbox.endpoint, region=REGION)
    chance = random.Random(resumed)  # noqa: S311 - for the call at which it is killed
    cursor, output = tmp_path / "cursor", tmp_path / "output"
    resumptions = 0
    for _ in range(ROUNDS):
        for group in account.profiler.list_profiling_groups(maxResults=1000)["profilingGroupNames"]:
            account.profiler.delete_profiling_group(profilingGroupName=group)
        sandbox.clear_calls()
        for _ in range(KILLS):
            # A sweep lists the groups in each run, and creates those that are missing.
            at = chance.randrange(len(FUNCTIONS) // 2)
            sandbox.set_faults({"service": "codeguruprofiler", "operation": "*", "hold": True, "after": at})
            with sweeping(sandbox, cursor, output) as process:
                until(lambda: sandbox.faults()[0]["held"] or process.poll() is not None)
                process.kill()
            # What was under way is carried out.
            sandbox.clear_faults()
            resumptions += cursor.exists()
            if resumed == "from nothing":
                cursor.unlink(missing_ok=True)
        with sweeping(sandbox, cursor, output) as process:
            assert process.wait(timeout=LIMIT_SECONDS) == 0, output.read_text()

        assert sorted(created(sandbox)) == [f"aws-lambda-{name}" for name in FUNCTIONS]
        for name in FUNCTIONS:
            found = account.profiler.describe_profiling_group(profilingGroupName=f"aws-lambda-{name}")
            assert found["profilingGroup"]["tags"] == {"team": name} | created_for(name)
    assert "failed" not in output.read_text()
    assert "warning" not in output.read_text()
    # Some were killed after a run, or this would show nothing about cursors.
    assert resumptions
