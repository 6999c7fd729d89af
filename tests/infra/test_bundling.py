"""The Lambda asset: small, pure Python, complete, and the same wherever it is built."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from hashlib import sha256
from stat import S_IMODE
from typing import TYPE_CHECKING

import pytest

from infra import bundling
from profiling_groups.policy import Policy, load
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator
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


# --- whatever the umask


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run with another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def asset_of(assembly: Path) -> Path:
    """Return the one asset of an assembly."""
    (found,) = assembly.glob("asset.*")
    return found


def modes_in(asset: Path) -> set[tuple[str, int]]:
    """Return the kinds and modes of an asset's folders and files."""
    paths = (asset, *asset.rglob("*"))
    return {("folder" if path.is_dir() else "file", S_IMODE(path.stat().st_mode)) for path in paths}


READABLE = {("folder", 0o755), ("file", 0o644)}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An assembly that was synthesized under the usual umask."""
    with umask(0o022):
        return synthesize(tmp_path_factory.mktemp("usual") / "cdk.out", region="eu-west-1")


def test_a_strict_umask_gives_the_same_readable_asset(
    usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a clone that was made under it, too: Lambda runs the function as another user than the files' owner."""
    with umask(0o077):
        source = shutil.copytree(bundling._SOURCE, tmp_path / "lambda_src", copy_function=shutil.copyfile)  # noqa: SLF001 - a clone
        monkeypatch.setattr(bundling, "_SOURCE", source)
        strict = synthesize(tmp_path / "cdk.out", region="eu-west-1")
    assert asset_of(strict).name == asset_of(usual).name
    assert modes_in(asset_of(strict)) == modes_in(asset_of(usual)) == READABLE


def test_an_asset_with_other_modes_has_another_hash(
    usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CDK uploads nothing under a hash that it finds in the bucket: an unreadable function would stay."""
    monkeypatch.setattr(bundling, "_FILE_MODE", 0o640)
    assert asset_of(synthesize(tmp_path / "cdk.out", region="eu-west-1")).name != asset_of(usual).name


def test_an_asset_that_is_there_already_becomes_readable(tmp_path: Path) -> None:
    """A pipeline may have copied it under its own umask; the CDK finds its name and leaves it as it is."""
    asset = asset_of(synthesize(tmp_path / "cdk.out", region="eu-west-1"))
    for path in asset.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert asset_of(synthesize(tmp_path / "cdk.out", region="eu-west-1")) == asset
    assert modes_in(asset) == READABLE


def test_the_bundle_shares_no_file_with_uvs_cache(usual: Path) -> None:
    """A hard link has one mode for both: to change it here would change it there."""
    assert {path.stat().st_nlink for path in asset_of(usual).rglob("*") if path.is_file()} == {1}
