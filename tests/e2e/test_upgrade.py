"""The commands of docs/upgrade.md, run as they are written: groups of an earlier version are kept in step again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.e2e import command_line
from tests.e2e.deployment import OURS, ROOT, adopted_for, created_for, outcome

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.deployment import Deployment

THEIRS = {"team": "infra", "managed-by": "terraform-cloud"}
SECTION = (ROOT / "docs" / "upgrade.md").read_text().split("## Groups created before the marks\n")[1]
LISTING, MARKING = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)


def shell(deployment: Deployment, folder: Path, script: str) -> str:
    """Run a script as an operator, with the AWS CLI's stand-in on the path; return its standard error."""
    program = folder / "aws"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.e2e.aws_cli "$@"\n')
    program.chmod(0o755)
    environment = command_line.environment(deployment.sandbox.endpoint)
    environment |= {"PATH": f"{folder}{os.pathsep}{environment['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_groups_of_an_earlier_version_are_marked_and_kept_in_step_again(deployment: Deployment, tmp_path: Path) -> None:
    """Only those of existing functions, and not those that the operator takes off the list."""
    names = ("old-orders", "old-claimed", "old-theirs", "bare-name", "old-new")
    groups = {name: f"aws-lambda-{name}" for name in names} | {
        "bare-name": "bare-name",
        "old-gone": "aws-lambda-old-gone",
    }
    for name in names[:-1]:
        deployment.hold_function(name, Tags={"team": "shop"})
    tags = {name: OURS | {"team": "before"} for name in groups} | {"old-theirs": THEIRS}
    for name, group in groups.items():
        if name != "old-new":
            deployment.make_group(group, tags=tags[name])
    deployment.create_function("old-new", Tags={"team": "shop"})
    run = deployment.backfill()
    assert outcome(run, "old-orders") == ("exists", "owned_elsewhere")
    assert deployment.tags("aws-lambda-old-orders") == tags["old-orders"]

    assert shell(deployment, tmp_path, LISTING) == ""
    file = tmp_path / "groups.txt"
    listed = [line.split("\t")[0] for line in file.read_text().splitlines()]
    assert listed == ["aws-lambda-old-orders", "aws-lambda-old-claimed", "aws-lambda-old-gone"]
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "claimed" not in line))
    error = shell(deployment, tmp_path, MARKING)
    assert "function:old-gone" in error
    assert len(error.splitlines()) == 1

    deployment.backfill()
    expected = tags | {
        "old-orders": {"team": "shop"} | adopted_for("old-orders"),
        "old-new": {"team": "shop"} | created_for("old-new"),
    }
    assert {name: deployment.tags(group) for name, group in groups.items()} == expected
