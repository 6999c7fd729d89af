"""The workflows call only make targets, with no secret and pinned actions; the build backend is locked."""

from __future__ import annotations

import re
import tomllib
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PROJECTS = (ROOT / "pyproject.toml", ROOT / "sandbox" / "pyproject.toml")

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read_jobs(path: Path) -> list[dict[str, Any]]:
    """Return the jobs of a workflow."""
    return list(YAML(typ="safe").load(path)["jobs"].values())


def list_commands(path: Path) -> Iterator[str]:
    """Return each command that a workflow runs, for each combination of its matrix."""
    for job in read_jobs(path):
        matrix = job.get("strategy", {}).get("matrix", {})
        for values in product(*matrix.values()):
            for step in job["steps"]:
                command = step.get("run", "")
                for key, value in zip(matrix, values, strict=True):
                    command = command.replace(f"${{{{ matrix.{key} }}}}", value)
                if command:
                    yield command


@each_workflow
def test_workflow_runs_only_make_targets(path: Path) -> None:
    """A developer can run on a machine of their own what a workflow runs."""
    commands = set(list_commands(path))
    assert commands
    for command in commands:
        program, *targets = command.split()
        assert program == "make"
        assert targets
        assert set(targets) <= TARGETS


def test_ci_workflow_runs_the_targets_of_the_ci_script() -> None:
    """Both run the same tests."""
    script = (ROOT / ".ci" / "run").read_text()
    targets = set(re.findall(r"^(?:exec )?(make [a-z-]+)$", script, re.MULTILINE))
    assert set(list_commands(ROOT / ".github" / "workflows" / "ci.yml")) == targets


@each_workflow
def test_workflow_has_no_secret_and_may_only_read(path: Path) -> None:
    """A pull request from a fork runs like any other, and has nothing to leak."""
    assert not re.search(r"\bsecrets\b|github\.token|GITHUB_TOKEN", path.read_text())
    assert YAML(typ="safe").load(path)["permissions"] == {"contents": "read"}
    assert not [job for job in read_jobs(path) if "permissions" in job]


def test_actions_are_pinned_to_one_commit_each() -> None:
    """A tag can be moved to other code; a commit cannot."""
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        uses = re.findall(r"\buses: (.+)", path.read_text())
        assert uses
        for use in uses:
            pinned = re.fullmatch(r"([\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", use)
            assert pinned, use
            pins.setdefault(pinned[1], set()).add(pinned[2])
    assert {action: len(found) for action, found in pins.items()} == dict.fromkeys(pins, 1)


def test_ci_runs_the_oldest_python_and_that_of_lambda() -> None:
    """Versions in between are taken to work if these do."""
    (job,) = read_jobs(ROOT / ".github" / "workflows" / "ci.yml")
    oldest = tomllib.loads(PROJECTS[0].read_text())["project"]["requires-python"].removeprefix(">=")
    bundling = (ROOT / "infra" / "bundling.py").read_text()
    runtime = re.search(r"^RUNTIME = .*\.PYTHON_(\d)_(\d+)$", bundling, re.MULTILINE)
    assert runtime
    assert job["strategy"]["matrix"]["python"] == [oldest, f"{runtime[1]}.{runtime[2]}"]


def test_build_backend_is_the_locked_one() -> None:
    """Both projects require the exact version that uv.lock pins with its hashes."""
    locked = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    (version,) = (package["version"] for package in locked if package["name"] == "hatchling")
    for path in PROJECTS:
        assert tomllib.loads(path.read_text())["build-system"]["requires"] == [f"hatchling=={version}"], path
    assert tomllib.loads(PROJECTS[0].read_text())["dependency-groups"]["build"] == [f"hatchling=={version}"]
