"""Set-up and synth where only a company's package index and npm registry can be reached."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.company_index.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SET_UP = (".venv/.ready", ".venv-runtime/.ready", "node_modules/.ready")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Serve a mirror for all tests, so that each file is downloaded once."""
    with Mirror(tmp_path_factory.mktemp("mirror")) as serving:
        yield serving


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Reserve a port that refuses every connection."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the files of this checkout, and nothing that was set up in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = tmp_path / "checkout" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
    return tmp_path / "checkout"


@pytest.fixture
def environment(tmp_path: Path, closed_port: int) -> dict[str, str]:
    """Describe an environment without caches and settings, in which only 127.0.0.1 can be reached."""
    blocked = f"http://127.0.0.1:{closed_port}"
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if not Path(folder).is_relative_to(ROOT)]
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {
        "PATH": os.pathsep.join(path),
        "HOME": str(tmp_path / "home"),
        "LANG": "C.UTF-8",
        **dict.fromkeys((*proxies, *map(str.lower, proxies)), blocked),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_HTTP_RETRIES": "0",
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def make(checkout: Path, environment: dict[str, str], *targets: str) -> subprocess.CompletedProcess[str]:
    """Make targets in a copy of the checkout."""
    return subprocess.run(
        ["make", *targets], cwd=checkout, env=environment, check=False, capture_output=True, text=True
    )


def test_set_up_without_an_index_setting_reaches_nothing(checkout: Path, environment: dict[str, str]) -> None:
    """The control: what the other tests install can only come from the mirror."""
    assert make(checkout, environment, ".tools/bin/uv").returncode != 0


@pytest.mark.parametrize("setting", ["UV_DEFAULT_INDEX", "PIP_INDEX_URL"])
def test_one_index_setting_serves_set_up_and_bundle(
    checkout: Path, environment: dict[str, str], mirror: Mirror, setting: str
) -> None:
    """uv, the environments, the CDK CLI and the Lambda asset come from the mirror; a second run asks for nothing."""
    environment |= {setting: f"{mirror.url}/simple/", "npm_config_registry": f"{mirror.url}/npm/"}
    mirror.requests.clear()

    made = make(checkout, environment, *SET_UP)
    assert made.returncode == 0, made.stderr
    names = {file.partition("-")[0] for file in mirror.requested_files()}
    assert {"uv", "hatchling", "moto", "awslambdaric", "aws"} <= names

    mirror.requests.clear()
    assert make(checkout, environment, *SET_UP).returncode == 0
    assert mirror.requests == []

    # With the cache of the set-up, the bundle would ask for nothing.
    synthesized = make(checkout, environment | {"UV_CACHE_DIR": f"{environment['HOME']}/empty-cache"}, "synth")
    assert synthesized.returncode == 0, synthesized.stderr
    assert {file.partition("-")[0] for file in mirror.requested_files() if file.endswith(".whl")} == {
        "aws_lambda_powertools",
        "typing_extensions",
    }
    assert list((checkout / "cdk.out").glob("asset.*/aws_lambda_powertools"))
