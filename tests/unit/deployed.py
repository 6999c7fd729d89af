"""A deployment as the command line finds it: a stack's outputs, its state machine, and what a map run has written."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from moto.stepfunctions.models import stepfunctions_backends

from tests.unit.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moto.stepfunctions.models import Execution

    from tests.unit.account import Account

Json = dict[str, Any]

BUCKET = "reports"
SWEEPER = "sweeper"
LOG_GROUP = f"/aws/lambda/{SWEEPER}"
FOLDER = "backfill/7f2c"
MANIFEST = f"{FOLDER}/manifest.json"


@dataclass
class World:
    """A deployment whose machine does what the test says, an act whenever somebody waits.

    Attributes:
        acts: What is still to happen.
        machine: ARN of the machine.
    """

    machine: str
    acts: list[Callable[[], object]] = field(default_factory=list)

    def wait(self, _: float) -> None:
        """Let the next act happen."""
        self.acts.pop(0)()

    def executions(self) -> list[Execution]:
        """Return the machine's executions."""
        return stepfunctions_backends[ACCOUNT][REGION].describe_state_machine(self.machine).executions

    def log(self, **fields: object) -> Callable[[], object]:
        """Return the act of writing a record of progress."""
        record = {"log_type": "progress", "account": ACCOUNT, "region": REGION, "dry_run": False, "run": "ours"}
        return lambda: self._write(json.dumps({"message": "progress", **record, **fields}))

    def log_text(self, text: str) -> Callable[[], object]:
        """Return the act of writing something else that has the word in it."""
        return lambda: self._write(text)

    def _write(self, message: str) -> None:
        event = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": message}
        logs = boto3.client("logs", region_name=REGION)
        logs.put_log_events(logGroupName=LOG_GROUP, logStreamName="s", logEvents=[event])  # type: ignore[list-item]  # it is one

    def end(self, status: str = "SUCCEEDED", **of: str) -> Callable[[], object]:
        """Return the act of ending the execution that was started last."""

        def act() -> None:
            execution = self.executions()[-1]
            execution.status = status
            for name, value in of.items():
                setattr(execution, name, value)
            if status == "SUCCEEDED":
                details = {"Bucket": BUCKET, "Key": MANIFEST}
                execution.output = json.dumps({"MapRunArn": "m", "ResultWriterDetails": details})

        return act


def world(account: Account, **outputs: str) -> World:
    """Return a deployment whose stack has these outputs besides those that each has."""
    account.function(SWEEPER)
    account.function("provisioner")
    machine = boto3.client("stepfunctions", region_name=REGION).create_state_machine(
        name="machine",
        definition=json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}),
        roleArn=account.role,
    )["stateMachineArn"]
    names = {"BackfillFunctionName": SWEEPER, "ProvisionerFunctionName": "provisioner"}
    deploy(BackfillStateMachineArn=machine, **names, **outputs)
    logs = boto3.client("logs", region_name=REGION)
    logs.create_log_group(logGroupName=LOG_GROUP)
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName="s")
    return World(machine)


def deploy(name: str = "ProfilingGroups", **outputs: str) -> None:
    """Create a stack with these outputs."""
    template = {
        "Resources": {"Reports": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"{name.lower()}-b"}}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    boto3.client("cloudformation", region_name=REGION).create_stack(StackName=name, TemplateBody=json.dumps(template))


def reports(*succeeded: Json, failed: Iterable[Json] = ()) -> None:
    """Put what a map run writes into the bucket.

    Args:
        *succeeded: Outputs of child workflows.
        failed: What is told of others: `Error`, `Cause` and, for another target than the test's own place, `Input`.
    """
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    given = json.dumps({"target": {"account": ACCOUNT, "region": REGION}, "request": {}})
    files = {
        "SUCCEEDED": [{"Input": given, "Output": json.dumps(each), "Status": "SUCCEEDED"} for each in succeeded],
        "FAILED": [{"Input": given, "Status": "FAILED", **each} for each in failed],
        "PENDING": [],
    }
    listed: dict[str, list[Json]] = {status: [] for status in files}
    for status, content in files.items():
        if content:
            key = f"{FOLDER}/{status}_0.json"
            put(key, json.dumps(content))
            listed[status].append({"Key": key, "Size": 1})
    put(MANIFEST, json.dumps({"DestinationBucket": BUCKET, "MapRunArn": "m", "ResultFiles": listed}))


def put(key: str, text: str) -> None:
    """Put an object into the bucket."""
    boto3.client("s3", region_name=REGION).put_object(Bucket=BUCKET, Key=key, Body=text.encode())
