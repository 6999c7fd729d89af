"""README.md: examples work, and the control API and the paths that it lists exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from embedded_aws.client import SandboxClient, SandboxProcess
from waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "README.md").read_text()
DOCUMENTED = set(re.findall(r"^\| `([A-Z]+) (/_sandbox/\w+)", PAGE, re.MULTILINE))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxClient]:
    """A sandbox of this file's own."""
    with SandboxProcess() as client:
        yield client


def ask(sandbox: SandboxClient, method: str, path: str) -> tuple[int, str]:
    """Send a control request without a body and return status and answer."""
    try:
        with urlopen(Request(sandbox.endpoint + path, method=method), timeout=LIMIT_SECONDS) as answer:  # noqa: S310 - our own http
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_every_control_request_is_documented_and_no_other(sandbox: SandboxClient) -> None:
    """Each name with each of its methods; what lacks its body is refused for that alone."""
    _, unknown = ask(sandbox, "GET", "/_sandbox/everything")
    names = json.loads(unknown)["error"].rpartition("there are ")[2].split(", ")
    answered = {
        (method, f"/_sandbox/{name}")
        for name in names
        for method in ("GET", "PUT", "POST", "DELETE")
        if ask(sandbox, method, f"/_sandbox/{name}")[0] not in {404, 405}
    }
    assert answered == DOCUMENTED


def test_the_faults_that_are_shown_can_be_set(sandbox: SandboxClient) -> None:
    """All of the example at once."""
    faults = json.loads(PAGE.split("```json")[1].split("```")[0])
    sandbox.set_faults(*faults)
    assert len(sandbox.faults()) == len(faults)


def test_with_what_the_page_exports_an_sdk_reaches_the_sandbox_and_nothing_else(sandbox: SandboxClient) -> None:
    """In a shell that knows nothing of AWS."""
    (exports,) = (block.split("```")[0] for block in PAGE.split("```sh") if "export AWS_ENDPOINT_URL" in block)
    exports = exports.replace("5050", sandbox.endpoint.rpartition(":")[2])
    script = "import boto3; print(*(bucket['Name'] for bucket in boto3.client('s3').list_buckets()['Buckets']))"
    done = subprocess.run(
        ["sh", "-c", f'{exports}exec "$0" -c "$1"', sys.executable, script],
        env={"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull},
        check=False,
        capture_output=True,
        text=True,
    )
    # The sandbox's own, in which its trail would write.
    assert (done.stdout, done.stderr) == ("cloudtrail-123456789012-us-east-1\n", "")


def test_the_organization_that_is_shown_can_be_made(sandbox: SandboxClient) -> None:
    """The example runs as it stands there, and ends in the new account."""
    script = PAGE.split("```py")[1].split("```")[0].replace("http://127.0.0.1:5050", sandbox.endpoint)
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert re.fullmatch(r"\d{12}\n", done.stdout), done.stderr
    assert done.stdout.strip() != sandbox.health()["account"]


@pytest.mark.parametrize("place", re.findall(r"`(src/[\w./]+)`", PAGE))
def test_every_place_that_is_named_exists(place: str) -> None:
    """So that a reader finds the code."""
    assert (ROOT / place).exists()
