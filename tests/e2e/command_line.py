"""`profiling-groups` at an operator's command line, with credentials for a sandbox and for nothing else."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from tests.e2e.deployment import REGION, ROOT
from tests.waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    import pytest


def credentials(endpoint: str, *, account: str = "", region: str = REGION) -> dict[str, str]:
    """Return the variables by which an operator reaches an account; the sandbox's own, unless one is named."""
    return {
        "AWS_ACCESS_KEY_ID": f"sandbox{account}",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": endpoint,
    }


def act_as(monkeypatch: pytest.MonkeyPatch, endpoint: str, *, account: str = "", region: str = REGION) -> None:
    """Let commands in this process be an operator's, who does not wait for letters that are not there."""
    monkeypatch.setattr("ops.letter_queue._WAIT_SECONDS", 0)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in credentials(endpoint, account=account, region=region).items():
        monkeypatch.setenv(name, value)


def environment(endpoint: str, *, account: str = "", region: str = REGION) -> dict[str, str]:
    """Return all that an operator has set, with nothing of the developer's own AWS settings in it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return own | credentials(endpoint, account=account, region=region)


def run(endpoint: str, *words: str, account: str = "", region: str = REGION) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        ["profiling-groups", *words],
        cwd=ROOT,
        env=environment(endpoint, account=account, region=region),
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )
