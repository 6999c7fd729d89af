"""What tests share: clients of a sandbox, deployment packages, templates and policies."""

from __future__ import annotations

import io
import json
import zipfile
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedded_aws.client import SandboxClient

Json = dict[str, Any]


@cache
def _session() -> Any:  # noqa: ANN401 - it makes clients of any service
    """Return the session of all clients: it keeps the API models, which cost most of what a client does."""
    return boto3.Session(aws_access_key_id="x", aws_secret_access_key="x")  # noqa: S106 - not checked


@cache
def client(sandbox: SandboxClient, service: str, *, region: str, key: str = "x", token: str | None = None) -> Any:  # noqa: ANN401 - its type is known to type checkers alone
    """Return an operator's client that tries once, perhaps with another access key."""
    return _session().client(
        service,
        region_name=region,
        endpoint_url=sandbox.endpoint,
        aws_access_key_id=key,
        aws_secret_access_key="unchecked",  # noqa: S106 - signatures are not checked
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=LIMIT_SECONDS),
    )


def package(source: str = "def main(event, context): ...") -> bytes:
    """Return a deployment package with one module, `app`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", source)
    return packed.getvalue()


def template(resources: Mapping[str, tuple[str, Any]], **outputs: object) -> str:
    """Return a template of resources, each a type without ``AWS::`` and its properties."""
    return json.dumps(
        {
            "Resources": {
                name: {"Type": f"AWS::{kind}", "Properties": properties}
                for name, (kind, properties) in resources.items()
            },
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
    )


def stack_outputs(formation: Any, name: str) -> dict[str, str]:  # noqa: ANN401 - as above
    """Return the outputs of a stack."""
    (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def allow(action: object, resource: object = "*", **more: object) -> Json:
    """Return a statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(service: str, **condition: object) -> Json:
    """Return the trust policy of a role that a service may assume."""
    statement = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return policy(statement | ({"Condition": condition} if condition else {}))


def policy(*statements: Json) -> Json:
    """Return a policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
