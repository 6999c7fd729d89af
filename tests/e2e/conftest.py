"""End-to-end tests: the real stack, deployed once by the real CDK CLI into a sandbox, its function run as in Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.cdk_cli import bootstrap, deploy
from embedded_aws.client import SandboxProcess
from tests.e2e.deployment import ACCOUNT, REGION, Deployment
from tests.e2e.governed import Governed

if TYPE_CHECKING:
    from collections.abc import Iterator

# A wait of Lambda's or EventBridge's takes a thousandth of its time.
_OPTIONS = ["--account", ACCOUNT, "--region", REGION, "--pace", "0.001"]


@pytest.fixture(scope="session")
def deployed() -> Iterator[Deployment]:
    """The stack, deployed into an account of its own."""
    with SandboxProcess(options=_OPTIONS) as sandbox:
        bootstrap(sandbox.endpoint, account=ACCOUNT, region=REGION, say=print)
        outputs = deploy(sandbox.endpoint, account=ACCOUNT, region=REGION, say=print)
        sandbox.wait_until_idle()
        yield Deployment(sandbox, outputs)


@pytest.fixture(scope="session")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    """The stack in another account, to be deployed under one policy after the other."""
    with SandboxProcess(options=_OPTIONS) as sandbox:
        bootstrap(sandbox.endpoint, account=ACCOUNT, region=REGION, say=print)
        yield Governed(sandbox, tmp_path_factory.mktemp("governed"))


@pytest.fixture(scope="module")
def emptied(deployed: Deployment) -> Deployment:
    """The deployed stack in an account without functions and groups, whatever file was run before."""
    deployed.tidy()
    deployed.empty()
    return deployed


@pytest.fixture
def deployment(emptied: Deployment) -> Iterator[Deployment]:
    """The deployed stack with no faults and an empty dead-letter queue, before the test and after it."""
    emptied.tidy()
    yield emptied
    emptied.tidy()
