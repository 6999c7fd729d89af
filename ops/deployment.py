"""What is deployed, found by the outputs of its stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError

from ops.connection import CONFIG
from ops.problems import CannotWorkError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import boto3

STACK: Final = "ProfilingGroups"
"""Name of the stack unless it was deployed under another."""
HUB_OUTPUT: Final = "EventBusArn"
"""An output that only an organization's hub has: the bus to which its members forward their events."""

INVOKE_CONFIG: Final = CONFIG.merge(Config(read_timeout=905, retries={"mode": "standard", "total_max_attempts": 1}))
"""An invocation lasts for 15 minutes at most, and asking twice would do the work twice."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What a stack says of itself.

    Attributes:
        machine: ARN of the state machine that sweeps.
        sweeper: Name of the function that it calls; it takes requests about functions by name, too, and keeps no event
            from the other function.
        is_hub: Whether it governs an organization, rather than the account and region that it is in.
    """

    machine: str
    sweeper: str
    is_hub: bool


def find(session: boto3.Session, stack: str) -> Deployment:
    """Find a deployment: one call, DescribeStacks.

    Raises:
        CannotWorkError: There is no such stack, or an older one.
        botocore.exceptions.BotoCoreError: AWS could not be reached.
        botocore.exceptions.ClientError: The credentials will not do.
    """
    try:
        found = outputs(session, stack, needed=("BackfillStateMachineArn", "BackfillFunctionName"))
    except CannotWorkError as error:
        raise CannotWorkError(f"{error.message}; --local needs none") from error
    return Deployment(
        machine=found["BackfillStateMachineArn"],
        sweeper=found["BackfillFunctionName"],
        is_hub=HUB_OUTPUT in found,
    )


def outputs(session: boto3.Session, stack: str, *, needed: Iterable[str]) -> dict[str, str]:
    """Return the outputs of a stack: one call, DescribeStacks.

    Args:
        session: The operator's.
        stack: Name of the stack.
        needed: Those that there have to be.

    Raises:
        CannotWorkError: There is no such stack, or an older one.
        botocore.exceptions.BotoCoreError: AWS could not be reached.
        botocore.exceptions.ClientError: The credentials will not do.
    """
    client = session.client("cloudformation", config=CONFIG)
    try:
        (found,) = client.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        # CloudFormation has no error of its own for it.
        if "does not exist" not in str(error):
            raise
        raise CannotWorkError(
            f"there is no stack {stack} in {session.region_name}: deploy it, or name another by --stack"
        ) from error
    values = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    if missing := [name for name in needed if name not in values]:
        raise CannotWorkError(
            f"the stack {stack} in {session.region_name} has no output {missing[0]!r}: deploy this version"
        )
    return values


def log_group(session: boto3.Session, function: str) -> str:
    """Return the name of the log group that a function writes to: one call, GetFunctionConfiguration."""
    configuration = session.client("lambda", config=CONFIG).get_function_configuration(FunctionName=function)
    return configuration.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}"


def invoke(session: boto3.Session, function: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Call a function with a request, wait for it, and return its answer.

    Raises:
        CannotWorkError: It refuses, or breaks off.
    """
    client = session.client("lambda", config=INVOKE_CONFIG)
    answer = client.invoke(FunctionName=function, Payload=json.dumps(payload))
    content: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise CannotWorkError(f"{function}: {content.get('errorType')}: {content.get('errorMessage')}")
    return content
