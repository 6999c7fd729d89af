"""`profiling-groups doctor` against the deployed stack: whatever is broken, exactly that is found, and what it names
mends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from click.testing import CliRunner

from ops.__main__ import commands
from ops.doctor.checkup import CHECKS, Kind
from sandbox.demo.account import Account
from tests.e2e import aws_cli
from tests.e2e.deployment import ACCOUNT, REGION, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.e2e.deployment import Deployment

BUCKET = f"cloudtrail-{ACCOUNT}-{REGION}"
POLICY = str(ROOT / "policy.yaml")


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What the command has said."""

    status: int
    document: dict[str, Any]

    def ids(self, status: str) -> list[str]:
        """Return the checks that ended so."""
        return [each["id"] for each in self.document["findings"] if each["status"] == status]

    def finding(self, check: str) -> dict[str, Any]:
        """Return what a check has found."""
        (found,) = (each for each in self.document["findings"] if each["id"] == check)
        return dict(found)


class Doctor:
    """The command, in this process, and what it prints carried out."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def examine(self, *words: str) -> Examined:
        """Run it."""
        done = CliRunner().invoke(commands, ["doctor", "--json", "--policy", POLICY, *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return Examined(status=done.exit_code, document=json.loads(done.stdout))

    def mend(self, examined: Examined) -> None:
        """Carry out what mends what has failed."""
        for check in examined.ids("fail"):
            line = examined.finding(check)["mend"].replace("BUCKET", BUCKET)
            aws_cli.run(line, client=self._client, other=self._command)
        self.deployment.sandbox.wait_until_idle(seconds=120)

    def _client(self, service: str, region_name: str = REGION) -> Any:  # noqa: ANN401 - a client of any service
        return Account(self.deployment.sandbox.endpoint, region=region_name).client(service)

    def _command(self, words: Sequence[str]) -> None:
        assert words[0] == "profiling-groups"
        agreed = ["--yes"] if words[1] == "replay" else []
        done = CliRunner().invoke(commands, [*words[1:], *agreed])
        assert done.exit_code == 0, done.output


@pytest.fixture
def doctor(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """The command, as an operator has set it up; nothing fails, whatever tests before have left in the logs."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    operator = {
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": deployment.sandbox.endpoint,
    }
    for name, value in operator.items():
        monkeypatch.setenv(name, value)
    asked = Doctor(deployment)
    for _ in range(2):
        if not (examined := asked.examine()).ids("fail"):
            return asked
        asked.mend(examined)
    assert examined.ids("fail") == []
    return asked
