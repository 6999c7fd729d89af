"""The deployed state machine's executions: begun, and followed to their end."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from ops import deployment, output
from ops.connection import CONFIG
from ops.progress_log import ProgressLog
from ops.results import Results, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import boto3
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

    from ops.live import HowFar, Live
    from ops.results import Failure

_EVERY_SECONDS: Final = 2.0
_UNDER_WAY: Final = frozenset({"RUNNING", "PENDING_REDRIVE"})
_MOST_FAILURES: Final = 20
"""Child workflows that are asked why they failed."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An execution that is over.

    Attributes:
        execution: Its ARN.
        status: As Step Functions calls it: `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
        error: Name of the error that ended it.
        cause: What that says.
        request: Its input.
        runs: What came of each account and region that was swept to the end; to be gone through once, as it is read
            from the bucket on the way.
        failures: Those that were not; likewise.
        untold: How many more failed, of which nobody has asked why.
    """

    execution: str
    status: str
    request: Mapping[str, Any]
    error: str | None = None
    cause: str | None = None
    runs: Iterable[dict[str, Any]] = ()
    failures: Iterable[Failure] = ()
    untold: int = 0


class Progress(Protocol):
    """What tells how far an execution is."""

    def latest(self) -> HowFar | None:
        """Return how far it is; None where there is nothing to tell yet."""


def start(session: boto3.Session, machine: str, request: dict[str, Any]) -> str:
    """Start the machine, and return the execution's ARN.

    Args:
        session: The operator's.
        machine: ARN of the machine.
        request: Its input.
    """
    client = session.client("stepfunctions", config=CONFIG)
    return client.start_execution(stateMachineArn=machine, input=json.dumps(request))["executionArn"]


def follow(
    session: boto3.Session,
    execution: str,
    *,
    progress: Callable[[DescribeExecutionOutputTypeDef], Progress] | None,
    live: Live,
) -> Ended:
    """Wait for the end of an execution, and show how far it is meanwhile.

    Args:
        session: The operator's.
        execution: ARN of the execution.
        progress: Gives what tells how far it is; None where nothing can.
        live: Shows it.

    Raises:
        CannotWorkError: Its results are not what they should be, or not there any more.
        botocore.exceptions.BotoCoreError: AWS could not be reached.
        botocore.exceptions.ClientError: There is no such execution, or its results may not be read.
    """
    client = session.client("stepfunctions", config=CONFIG)
    found = client.describe_execution(executionArn=execution)
    tells = None
    while found["status"] in _UNDER_WAY:
        try:
            if tells is None and progress:
                tells = progress(found)
            if tells and (far := tells.latest()):
                live.show(far)
        except (BotoCoreError, ClientError) as error:
            output.warn(f"how far it is cannot be told: {error}")
            tells, progress = None, None
        time.sleep(_EVERY_SECONDS)
        found = client.describe_execution(executionArn=execution)
    request = json.loads(found.get("input", "{}"))
    if found["status"] != "SUCCEEDED":
        failures, untold = _failures(client, execution)
        return Ended(
            execution=execution,
            status=found["status"],
            request=request,
            error=found.get("error"),
            cause=found.get("cause"),
            failures=failures,
            untold=untold,
        )
    # There is none where there was no account to sweep.
    if details := json.loads(found["output"]).get("ResultWriterDetails"):
        results = Results(session, details)
        return Ended(
            execution=execution,
            status=found["status"],
            request=request,
            runs=results.runs(),
            failures=results.failures(),
        )
    return Ended(execution=execution, status=found["status"], request=request)


def log_of(session: boto3.Session, sweeper: str, execution: DescribeExecutionOutputTypeDef) -> ProgressLog:
    """Return what tells how far the sweep of a place is.

    Args:
        session: The operator's.
        sweeper: Name of the function whose log it is.
        execution: The execution.
    """
    request = json.loads(execution.get("input", "{}"))
    redriven = execution.get("redriveDate")
    return ProgressLog(
        session,
        deployment.log_group(session, sweeper),
        since=redriven or execution["startDate"],
        dry_run=request.get("dry_run", False),
        resumes=redriven is not None or request.get("cursor") is not None,
    )


def _failures(client: SFNClient, execution: str) -> tuple[tuple[Failure, ...], int]:
    """Return why child workflows failed, and of how many more; the execution's own error says only: too many."""
    told: list[Failure] = []
    more = 0
    for child in _failed(client, execution):
        if len(told) == _MOST_FAILURES:
            more += 1
            continue
        found = client.describe_execution(executionArn=child)
        told.append(failure(found.get("input", "{}"), found.get("error"), found.get("cause")))
    return tuple(told), more


def _failed(client: SFNClient, execution: str) -> Iterator[str]:
    """Yield the ARNs of the child workflows that failed."""
    for page in client.get_paginator("list_map_runs").paginate(executionArn=execution):
        for run in page["mapRuns"]:
            children = client.get_paginator("list_executions").paginate(
                mapRunArn=run["mapRunArn"], statusFilter="FAILED"
            )
            yield from (child["executionArn"] for found in children for child in found["executions"])
