"""Walking a definition in the Amazon States Language, and running it by moto's interpreter of it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from zipfile import ZipFile

import boto3
from moto import mock_aws
from moto.awslambda.models import LambdaFunction

from tests.waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pytest

Json = dict[str, Any]

REGION: Final = "eu-west-1"
BUCKET = "reports"


@dataclass(kw_only=True)
class Ran:
    """What an execution came to.

    Attributes:
        status: As Step Functions says it.
        error: The error that ended it; None where none did.
        asked: What its function was asked, in order.
        output: What it came to, but for a map's results, which moto does not write; None where an error ended it.
    """

    status: str
    error: str | None
    asked: list[Json]
    output: Any


def unreached(workflow: Json) -> set[str]:
    """Return the states that no way leads to, and the names that no state has."""
    states, reached, ahead = workflow["States"], set(), [workflow["StartAt"]]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += successors(states.get(name, {}))
    return reached ^ set(states)


def last(workflow: Json) -> set[str]:
    """Return the states after which there is no other."""
    return {name for name, state in workflow["States"].items() if not list(successors(state))}


def successors(state: Json) -> Iterator[str]:
    """Yield the states that may come next."""
    for holder in (state, *state.get("Catch", ()), *state.get("Choices", ())):
        if "Next" in holder:
            yield holder["Next"]
    if "Default" in state:
        yield state["Default"]


def run(
    define: Callable[[str], Json],
    given: Json,
    answer: Callable[[Json], Json | str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    lists: Mapping[str, list[Json]] | None = None,
) -> Ran:
    """Run a machine to its end, with retries that come at once.

    Args:
        define: Returns the definition, for the ARN of its function.
        given: The input.
        answer: What the function answers to a payload; the name of an error for one that it raises.
        monkeypatch: Pytest's own.
        lists: What lies in the bucket beforehand, by key.
    """
    retrier = "moto.stepfunctions.parser.asl.component.common.retry.retrier_decl"
    monkeypatch.setattr(f"{retrier}.time", SimpleNamespace(sleep=lambda _: None))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    asked: list[Json] = []

    def invoke(_: LambdaFunction, event: Json) -> tuple[str, bool, str]:
        asked.append(event)
        said = answer(event)
        if isinstance(said, str):
            return json.dumps({"errorType": said, "errorMessage": "as the test asks"}), True, ""
        return json.dumps(said), False, ""

    monkeypatch.setattr(LambdaFunction, "_invoke_lambda", invoke)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        before = set(threading.enumerate())
        role = boto3.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        bucket = boto3.client("s3")
        bucket.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, items in (lists or {}).items():
            bucket.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(items).encode())
        package = BytesIO()
        with ZipFile(package, "w") as archive:
            archive.writestr("app.py", "")
        function_arn = boto3.client("lambda").create_function(
            FunctionName="sweep",
            Role=role,
            Runtime="python3.13",
            Handler="app.handler",
            Code={"ZipFile": package.getvalue()},
        )["FunctionArn"]
        machines = boto3.client("stepfunctions")
        machine = machines.create_state_machine(name="m", definition=json.dumps(define(function_arn)), roleArn=role)
        started = machines.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps(given))
        for thread in set(threading.enumerate()) - before:
            thread.join(timeout=LIMIT_SECONDS)
        ended = machines.describe_execution(executionArn=started["executionArn"])
    return Ran(
        status=ended["status"],
        error=ended.get("error"),
        asked=asked,
        output=json.loads(ended["output"]) if "output" in ended else None,
    )
