"""What the tests of Lambda execution share: small real functions in moto, and an executor that runs them."""

from __future__ import annotations

import base64
import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends

from embedded_aws.access.authorization import Credentials
from embedded_aws.execution.environment import Runtime, default_python
from embedded_aws.execution.executor import Executor
from embedded_aws.moto_extensions import lambda_configuration
from support import package

REGION = "eu-west-1"
ENDPOINT = "http://127.0.0.1:9"

_accounts = itertools.count(1)


def role_keys(role_arn: str, session_name: str) -> Credentials:
    """Credentials that say for whom they were made."""
    return Credentials(access_key_id=f"{role_arn}/{session_name}", secret_access_key="s", session_token="t")  # noqa: S106 (no secrets: nothing checks them)


def archive(source: str) -> str:
    """A deployment package with one module, `app`, as CreateFunction takes it in moto."""
    return base64.b64encode(package(source)).decode()


@dataclass
class Account:
    """An account of its own for each test, so that moto's global state does not couple them.

    Attributes:
        id: 12 digits.
        executor: Shared with other accounts.
        denied: Actions that the execution role may not do; it may do everything else.
    """

    executor: Executor
    denied: set[str]
    id: str = field(default_factory=lambda: f"{next(_accounts):012d}")

    def function(self, source: str, name: str = "checkout", **spec: Any) -> LambdaFunction:  # noqa: ANN401 (any member of CreateFunction)
        """Create a function whose handler is `handler` in `source`."""
        lambda_configuration.install()
        iam = iam_backends[self.id]["aws"]
        if "provisioner" not in {role.name for role in iam.roles.values()}:
            iam.create_role("provisioner", "{}", "/", None, "", [], "3600")
        return lambda_backends[self.id][REGION].create_function(
            {
                "FunctionName": name,
                "Runtime": "python3.14",
                "Handler": "app.handler",
                "Role": f"arn:aws:iam::{self.id}:role/provisioner",
                "Code": {"ZipFile": archive(source)},
                # Lambda's default of 3 s is not enough on every machine.
                "Timeout": 60,
            }
            | spec
        )

    def log(self, group: str = "/aws/lambda/checkout") -> dict[str, list[str]]:
        """The messages in a log group by stream; empty where there is no such group."""
        groups = logs_backends[self.id][REGION].groups
        if group not in groups:
            return {}
        return {name: [event.message for event in stream.events] for name, stream in groups[group].streams.items()}


class Denials:
    """A stand-in for IAM: everything is allowed but what is listed."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, role_arn: str, session_name: str, /, *, action: str, resource: str) -> bool:
        """Answer as `embedded_aws.execution.telemetry.PermissionChecker`."""
        assert role_arn.endswith(":role/provisioner")
        self.asked.append((session_name, action, resource))
        return action not in self.denied


def executor_for(denials: Denials, *, native: bool = True) -> Executor:
    """Return an executor whose functions find no AWS at their endpoint, perhaps with the shim for runtime_client."""
    with pytest.MonkeyPatch.context() as patch:
        if not native:
            shimmed = Runtime.of(default_python(), native=False, description="awslambdaric without its native module")
            patch.setattr(Runtime, "find", lambda _: shimmed)
        return Executor(endpoint_url=ENDPOINT, runtime_python=default_python(), credentials=role_keys, permits=denials)


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number that has not ended (a zombie has)."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc here, or the process has gone meanwhile
        return not Path("/proc").exists()
