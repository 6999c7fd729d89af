"""The Lambda asset: small, pure Python, complete, and the same wherever it is built."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from infra import bundling
from profiling_groups.policy import Policy, load

if TYPE_CHECKING:
    from pathlib import Path


def test_two_builds_are_the_same_to_the_byte(tmp_path: Path) -> None:
    """Or else every deployment would seem to change something."""

    def contents(target: Path) -> dict[str, str]:
        bundling.build(target, Policy())
        files = [path for path in target.rglob("*") if path.is_file()]
        return {str(path.relative_to(target)): sha256(path.read_bytes()).hexdigest() for path in files}

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_bundle_holds_what_is_needed_and_what_lambda_has_not(assembly: Path) -> None:
    """boto3 and jmespath come with the runtime; nothing is compiled; no cache or installer's file is left in."""
    (asset,) = assembly.glob("asset.*")
    assert {path.name.partition("-")[0] for path in asset.iterdir()} == {
        "aws_lambda_powertools",
        "profiling_groups",
        "typing_extensions",
        "typing_extensions.py",
    }
    names = {path.name for path in asset.rglob("*")}
    assert not names & {"__pycache__", "RECORD", "INSTALLER", "REQUESTED", ".lock"}
    assert not [name for name in names if name.endswith((".so", ".pyd", ".pyc"))]


def test_the_bundle_holds_the_policy_that_it_obeys(assembly: Path) -> None:
    """Every key of it, for whoever looks at what was deployed."""
    (file,) = assembly.glob("asset.*/profiling_groups/policy.json")
    assert load(json.loads(file.read_text())) == Policy()
