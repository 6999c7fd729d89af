"""What a map run leaves in the bucket that its ResultWriter names.

`interpreter` puts it in the place of moto's own, which writes an empty manifest. The files are laid out as the Step
Functions Developer Guide, "ResultWriter (Map)", shows them: a manifest, and the executions' data by how they ended. All
are in one file, however large; after a redrive, the files of all children are written again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from moto.stepfunctions.parser.api import ExecutionStatus

from embedded_aws.step_functions.executions import UNSUCCESSFUL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from embedded_aws.step_functions.executions import Execution
    from embedded_aws.step_functions.map_runs import Child, MapRun

    Json = dict[str, Any]

_FILES: Final[Mapping[str, frozenset[ExecutionStatus | None]]] = {
    "FAILED": frozenset(UNSUCCESSFUL),
    "PENDING": frozenset({None}),
    "SUCCEEDED": frozenset({ExecutionStatus.SUCCEEDED}),
}


def write(run: MapRun, *, bucket: str, prefix: str, s3: Any) -> Json:  # noqa: ANN401 - boto's clients have no type
    """Write the results of the children as they are now.

    Args:
        run: whose children they are.
        bucket: to write to.
        prefix: of the keys; a slash is put after it where it has none.
        s3: a client in the name of the machine's role.

    Returns:
        The output of the map's state: where the manifest lies.

    Raises:
        ClientError: S3 refuses one of them.
    """
    place = f"{prefix.rstrip('/')}/" if prefix else ""
    folder = f"{place}{run.map_run_arn.rpartition(':')[2]}"
    files: dict[str, list[Json]] = {name: [] for name in _FILES}
    written = 0
    for name, statuses in _FILES.items():
        children = [child for child in run.children if child.status in statuses]
        if children:
            key = f"{folder}/{name}_0.json"
            body = json.dumps([_result(child) for child in children], default=str).encode()
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            files[name].append({"Key": key, "Size": len(body)})
            written += len(children)
    manifest = {"DestinationBucket": bucket, "MapRunArn": run.map_run_arn, "ResultFiles": files}
    key = f"{folder}/manifest.json"
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())
    run.results_written = written
    return {"MapRunArn": run.map_run_arn, "ResultWriterDetails": {"Bucket": bucket, "Key": key}}


def _result(child: Child) -> Json:
    execution = child.execution
    if execution is None:
        return {"Input": json.dumps(child.input), "InputDetails": {"Included": True}, "Status": "PENDING"}
    status = execution.exec_status or ExecutionStatus.RUNNING
    result: Json = {
        "ExecutionArn": execution.exec_arn,
        "Input": json.dumps(child.input),
        "InputDetails": {"Included": True},
        "Name": execution.name,
        "RedriveCount": execution.redrive_count,
        "StartDate": _instant(execution.start_date),
        "StateMachineArn": execution.state_machine.arn,
        "Status": status.value,
        "StopDate": _instant(execution.stop_date),
    }
    return result | (_output(execution) if status is ExecutionStatus.SUCCEEDED else _failure(execution))


def _output(execution: Execution) -> Json:
    return {
        "Output": json.dumps(execution.output),
        "OutputDetails": {"Included": True},
        "RedriveStatus": "NOT_REDRIVABLE",
        "RedriveStatusReason": "Execution is SUCCEEDED and cannot be redriven",
    }


def _failure(execution: Execution) -> Json:
    told = {"Error": execution.error, "Cause": execution.cause}
    return {key: value for key, value in told.items() if value} | {"RedriveStatus": "REDRIVABLE_BY_MAP_RUN"}


def _instant(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z" if moment else None
