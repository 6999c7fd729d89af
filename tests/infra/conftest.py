"""Tests of the deployment: the template and the asset as `make synth` writes them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]

Synth = "Callable[..., subprocess.CompletedProcess[str]]"


@pytest.fixture(scope="session")
def synth() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``cdk synth`` into a folder, with context keys and no AWS settings but the region."""

    def run(output: Path, *, region: str = "eu-west-1", **context: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
        arguments = [argument for item in context.items() for argument in ("--context", "=".join(item))]
        return subprocess.run(
            [ROOT / "node_modules" / ".bin" / "cdk", "synth", "--quiet", "--output", output, *arguments],
            cwd=ROOT,
            env=environment | {"AWS_REGION": region, "AWS_EC2_METADATA_DISABLED": "true"},
            check=False,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture(scope="session")
def assembly(synth: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``cdk synth`` writes with the settings that ship; cdk-nag's checks are part of it."""
    output = tmp_path_factory.mktemp("synth") / "cdk.out"
    done = synth(output)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def template(assembly: Path) -> Json:
    """The synthesized template."""
    found: Json = json.loads((assembly / "ProfilingGroups.template.json").read_text())
    return found


@pytest.fixture(scope="session")
def only(template: Json) -> Callable[..., Json]:
    """Return the properties of the one resource of a type in a construct, or in all of the stack."""

    def find(kind: str, within: str = "") -> Json:
        (found,) = (
            each["Properties"]
            for name, each in template["Resources"].items()
            if each["Type"] == kind and name.startswith(within)
        )
        properties: Json = found
        return properties

    return find
