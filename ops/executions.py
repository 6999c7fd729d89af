"""The deployed state machine's executions: begun, followed to their end, and read from the bucket of reports.

The results are a distributed map's: a manifest that names files, each a JSON array of the child workflows' executions,
with input, output, error and cause as text (Step Functions developer guide, ResultWriter).
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops import deployment, output
from ops.connection import CONFIG
from ops.progress_log import ProgressLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    import boto3
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

    from ops.live import Live

_EVERY_SECONDS: Final = 2.0
_UNDER_WAY: Final = frozenset({"RUNNING", "PENDING_REDRIVE"})
_MOST_FAILURES: Final = 20
"""Child workflows that are asked why they failed."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An account and region that was not swept to the end.

    Attributes:
        account: Account id.
        region: Region code.
        error: Name of the error.
        cause: What it says.
    """

    account: str | None
    region: str | None
    error: str | None
    cause: str | None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An execution that is over.

    Attributes:
        execution: Its ARN.
        status: As Step Functions calls it: `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
        error: Name of the error that ended it.
        cause: What that says.
        runs: What came of each account and region that was swept to the end.
        failures: Those that were not.
    """

    execution: str
    status: str
    error: str | None = None
    cause: str | None = None
    runs: tuple[dict[str, Any], ...] = ()
    failures: tuple[Failure, ...] = ()


def start(session: boto3.Session, machine: str, request: dict[str, Any]) -> str:
    """Start the machine, and return the execution's ARN.

    Args:
        session: The operator's.
        machine: ARN of the machine.
        request: Its input.
    """
    client = session.client("stepfunctions", config=CONFIG)
    return client.start_execution(stateMachineArn=machine, input=json.dumps(request))["executionArn"]


def follow(session: boto3.Session, execution: str, *, sweeper: str | None, live: Live) -> Ended:
    """Wait for the end of an execution, and show how far it is meanwhile.

    Args:
        session: The operator's.
        execution: ARN of the execution.
        sweeper: Name of the function whose log tells how far it is; None where that is not known.
        live: Shows it.

    Raises:
        botocore.exceptions.BotoCoreError: AWS could not be reached.
        botocore.exceptions.ClientError: There is no such execution, or its results may not be read.
    """
    client = session.client("stepfunctions", config=CONFIG)
    found = client.describe_execution(executionArn=execution)
    log = None
    while found["status"] in _UNDER_WAY:
        try:
            if log is None and sweeper:
                log = _log(session, sweeper, found)
            if log and (far := log.latest()):
                live.show(far)
        except (BotoCoreError, ClientError) as error:
            output.warn(f"how far it is cannot be told, as its log cannot be read: {error}")
            log, sweeper = None, None
        time.sleep(_EVERY_SECONDS)
        found = client.describe_execution(executionArn=execution)
    if found["status"] == "SUCCEEDED":
        runs, failures = _results(session, json.loads(found["output"])["ResultWriterDetails"])
        return Ended(execution=execution, status=found["status"], runs=runs, failures=failures)
    return Ended(
        execution=execution,
        status=found["status"],
        error=found.get("error"),
        cause=found.get("cause"),
        failures=tuple(islice(_failed(client, execution), _MOST_FAILURES)),
    )


def _log(session: boto3.Session, sweeper: str, execution: DescribeExecutionOutputTypeDef) -> ProgressLog:
    request = json.loads(execution.get("input", "{}"))
    redriven = execution.get("redriveDate")
    return ProgressLog(
        session,
        deployment.log_group(session, sweeper),
        since=redriven or execution["startDate"],
        dry_run=request.get("dry_run", False),
        resumes=redriven is not None or request.get("cursor") is not None,
    )


def _results(session: boto3.Session, details: dict[str, str]) -> tuple[tuple[dict[str, Any], ...], tuple[Failure, ...]]:
    """Read what a map run has written, from the manifest on."""
    client = session.client("s3", config=CONFIG)

    def read(key: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(client.get_object(Bucket=details["Bucket"], Key=key)["Body"].read())

    files = read(details["Key"])["ResultFiles"]
    children = {status: [child for each in files[status] for child in read(each["Key"])] for status in files}
    runs = tuple(json.loads(child["Output"]) for child in children.get("SUCCEEDED", ()))
    return runs, tuple(_failure(child["Input"], child.get("Error"), child.get("Cause")) for child in children["FAILED"])


def _failed(client: SFNClient, execution: str) -> Iterator[Failure]:
    """Yield the child workflows that failed; the execution's own error says only that there were too many."""
    for page in client.get_paginator("list_map_runs").paginate(executionArn=execution):
        for run in page["mapRuns"]:
            children = client.get_paginator("list_executions").paginate(
                mapRunArn=run["mapRunArn"], statusFilter="FAILED"
            )
            for child in (child for found in children for child in found["executions"]):
                told = client.describe_execution(executionArn=child["executionArn"])
                yield _failure(told.get("input", "{}"), told.get("error"), told.get("cause"))


def _failure(given: str, error: str | None, cause: str | None) -> Failure:
    target = json.loads(given).get("target", {})
    with suppress(ValueError, KeyError, TypeError):
        # Of a function's error, Step Functions gives the whole answer as the cause.
        cause = json.loads(cause or "")["errorMessage"]
    return Failure(account=target.get("account"), region=target.get("region"), error=error, cause=cause)
