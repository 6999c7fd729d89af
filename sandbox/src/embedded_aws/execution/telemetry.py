"""What Lambda writes about an invocation on the function's behalf: CloudWatch log events.

`executor` calls it after each invocation. Lambda writes in the name of the execution role, so each record is written
only as far as the role allows it; what it does not allow is dropped without a word, as in AWS. Owns the formats of
Lambda's own log lines; keeps no state but what moto's logs backends hold.
"""

from __future__ import annotations

import json
import math
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from moto.logs.models import logs_backends

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedded_aws.execution.deployment import Deployment


class PermissionChecker(Protocol):
    """Whether the policies of a role, in force now, let a session of it do something."""

    def __call__(self, role_arn: str, session_name: str, /, *, action: str, resource: str) -> bool:
        """Answer for one action, such as "logs:PutLogEvents", on one resource ARN."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One log event.

    Attributes:
        timestamp: Milliseconds since the epoch.
        message: Text without the line's end.
    """

    timestamp: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """How an invocation went, for Lambda's own records of it.

    Attributes:
        request_id: Lambda's request id.
        duration: Seconds in the handler.
        init_duration: Seconds from process start to the first request for work; None for a warm start.
        max_memory_mb: Peak resident memory; None where the platform does not tell.
        status: "success", "error" or "timeout".
        error_type: The error's type, None for a success.
    """

    request_id: str
    duration: float
    init_duration: float | None
    max_memory_mb: int | None
    status: str
    error_type: str | None


def log_stream_name(version: str, now: datetime) -> str:
    """The name of a new execution environment's log stream."""
    return f"{now:%Y/%m/%d}/[{version}]{secrets.token_hex(16)}"


def init_start(deployment: Deployment, runtime_description: str) -> LogLine:
    """The line that opens an execution environment's stream."""
    if deployment.json_logs:
        record = {"initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime_description}
        return _platform("platform.initStart", record)
    return _line(f"INIT_START Runtime Version: {runtime_description}")


def start(deployment: Deployment, request_id: str) -> LogLine:
    """The line before a function's own output."""
    if deployment.json_logs:
        return _platform("platform.start", {"requestId": request_id, "version": deployment.version})
    return _line(f"START RequestId: {request_id} Version: {deployment.version}")


def time_out(request_id: str, timeout: float) -> LogLine:
    """The line that says that the function ran out of time."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _line(f"{now} {request_id} Task timed out after {timeout:.2f} seconds")


def end(deployment: Deployment, report: Report) -> list[LogLine]:
    """The lines after a function's own output: END and REPORT, or one JSON record for both."""
    duration_ms = report.duration * 1000
    if deployment.json_logs:
        metrics: dict[str, float] = {
            "durationMs": round(duration_ms, 3),
            "billedDurationMs": math.ceil(duration_ms),
            "memorySizeMB": deployment.memory_mb,
        }
        if report.max_memory_mb is not None:
            metrics["maxMemoryUsedMB"] = report.max_memory_mb
        if report.init_duration is not None:
            metrics["initDurationMs"] = round(report.init_duration * 1000, 3)
        record: dict[str, object] = {"requestId": report.request_id, "metrics": metrics, "status": report.status}
        if report.error_type:
            record["errorType"] = report.error_type
        return [_platform("platform.report", record)]
    fields = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {math.ceil(duration_ms)} ms",
        f"Memory Size: {deployment.memory_mb} MB",
    ]
    if report.max_memory_mb is not None:
        fields.append(f"Max Memory Used: {report.max_memory_mb} MB")
    if report.init_duration is not None:
        fields.append(f"Init Duration: {report.init_duration * 1000:.2f} ms")
    if report.status != "success":
        fields.append(f"Status: {report.status}")
    if report.error_type:
        fields.append(f"Error Type: {report.error_type}")
    text = "\t".join(fields) + "\t"
    return [_line(f"END RequestId: {report.request_id}"), _line(text)]


def write_log(deployment: Deployment, stream: str, lines: list[LogLine], permits: PermissionChecker) -> None:
    """Put the lines on the function's log stream, creating group and stream where the role may."""
    logs = logs_backends[deployment.account_id][deployment.region]
    group = deployment.log_group
    arn = f"arn:{deployment.partition}:logs:{deployment.region}:{deployment.account_id}:log-group:{group}:log-stream:"

    def permitted(action: str, resource: str) -> bool:
        return permits(deployment.role_arn, deployment.name, action=action, resource=resource)

    if group not in logs.groups:
        if not permitted("logs:CreateLogGroup", arn):
            return
        logs.ensure_log_group(group)
    if stream not in logs.groups[group].streams:
        if not permitted("logs:CreateLogStream", arn + stream):
            return
        logs.ensure_log_stream(group, stream)
    if not permitted("logs:PutLogEvents", arn + stream):
        return
    events = [{"timestamp": line.timestamp, "message": line.message} for line in lines]
    logs.put_log_events(group, stream, sorted(events, key=lambda event: event["timestamp"]))


def _line(message: str) -> LogLine:
    return LogLine(timestamp=int(time.time() * 1000), message=message)


def _platform(kind: str, record: Mapping[str, object]) -> LogLine:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _line(json.dumps({"time": now, "type": kind, "record": record}))
