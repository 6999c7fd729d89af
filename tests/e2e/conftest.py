"""End-to-end tests: the real stack, deployed once by the real CDK CLI into a sandbox, its function run as in Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sandbox.cdk_cli import bootstrap, deploy
from sandbox.client import SandboxProcess
from tests.e2e.deployment import ACCOUNT, REGION, Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

# A wait of Lambda's or EventBridge's takes a thousandth of its time.
_PACE = "0.001"


@pytest.fixture(scope="session")
def deployed() -> Iterator[Deployment]:
    """The stack, deployed into an account of its own."""
    with SandboxProcess(options=["--account", ACCOUNT, "--region", REGION, "--pace", _PACE]) as sandbox:
        bootstrap(sandbox.endpoint, account=ACCOUNT, region=REGION, say=print)
        outputs = deploy(sandbox.endpoint, account=ACCOUNT, region=REGION, say=print)
        sandbox.wait_until_idle()
        yield Deployment(sandbox, outputs)


@pytest.fixture
def deployment(deployed: Deployment) -> Iterator[Deployment]:
    """The deployed stack with nothing wrong and no letters waiting; whatever a test breaks is mended after it."""
    deployed.tidy()
    yield deployed
    deployed.tidy()
