"""Operations of Step Functions that moto lacks, or leaves half.

- CreateStateMachine with a role that Step Functions may not assume, which AWS refuses;
- StartExecution without a name;
- RedriveExecution;
- DescribeExecution, GetExecutionHistory and ListExecutions of child workflows, with their redrive fields.

`install` is called once, by the server; executions themselves are the business of `executions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import ExecutionDoesNotExist
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from embedded_aws.access import authorization
from embedded_aws.step_functions.executions import UNSUCCESSFUL, Execution, NotRedrivableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto.stepfunctions.models import StateMachine

_MOST_RESULTS: Final = 1000
_DEFAULT_RESULTS: Final = 100

# moto's own, which the replacements below call.
_moto_create: Final = StepFunctionsParserBackend.create_state_machine
_moto_start: Final = StepFunctionsParserBackend.start_execution


class _AccessDeniedError(ServiceException):
    code = "AccessDeniedException"


class _ExecutionNotRedrivableError(ServiceException):
    code = "ExecutionNotRedrivable"


def install() -> None:
    """Extend moto; a second call changes nothing."""
    StepFunctionsParserBackend.create_state_machine = _create  # type: ignore[method-assign, assignment] # extends moto
    StepFunctionsParserBackend.start_execution = _start  # type: ignore[method-assign] # extends moto
    StepFunctionsParserBackend.describe_execution = _find  # type: ignore[method-assign, assignment] # extends moto
    StepFunctionResponse.describe_execution = _describe  # type: ignore[method-assign] # extends moto
    StepFunctionResponse.list_executions = _list  # type: ignore[method-assign] # extends moto
    StepFunctionResponse.redrive_execution = _redrive  # type: ignore[attr-defined] # extends moto


def _create(
    self: StepFunctionsParserBackend,
    name: str,
    definition: str,
    roleArn: str,  # noqa: N803 - moto's name for it
    **more: Any,  # noqa: ANN401 - moto's own
) -> StateMachine:
    arn = f"arn:{self.partition}:states:{self.region_name}:{self.account_id}:stateMachine:{name}"
    if not authorization.trusts_service(roleArn, "states.amazonaws.com", source_arn=arn):
        message = (
            "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume"
            f" the provided role: {roleArn}."
        )
        raise _AccessDeniedError(message)
    return _moto_create(self, name, definition, roleArn, **more)


def _start(
    self: StepFunctionsParserBackend,
    state_machine_arn: str,
    name: str | None = None,
    execution_input: str = "{}",
    trace_header: str = "",
) -> Execution:
    if name:
        self._validate_name(name)
    started = _moto_start(self, state_machine_arn, name or str(uuid4()), execution_input, trace_header)
    return cast("Execution", started)


def _find(self: StepFunctionsParserBackend, execution_arn: str) -> Execution:
    self._validate_execution_arn(execution_arn)
    for execution in _all(self):
        if execution.exec_arn == execution_arn:
            return execution
    message = f"Execution Does Not Exist: '{execution_arn}'"
    raise ExecutionDoesNotExist(message)


def _all(backend: StepFunctionsParserBackend) -> Iterator[Execution]:
    """All executions, each before its children."""
    ahead = cast("list[Execution]", [each for machine in backend.state_machines for each in machine.executions])
    while ahead:
        execution = ahead.pop(0)
        yield execution
        runs = list(execution.map_runs.values())  # of an execution that goes on
        ahead += [child.execution for run in runs for child in run.children if child.execution]


def _describe(self: StepFunctionResponse) -> ActionResult:
    execution = cast("Execution", self.stepfunction_backend.describe_execution(self._get_param("executionArn")))
    output = execution.to_describe_output()
    return ActionResult({**output, **_told_of_redrives(execution)})


def _told_of_redrives(execution: Execution) -> dict[str, Any]:
    status, reason = "REDRIVABLE", None
    if execution.exec_status not in UNSUCCESSFUL:
        status, reason = "NOT_REDRIVABLE", f"Execution is {execution.status} and cannot be redriven"
    elif execution.map_run:
        status = "REDRIVABLE_BY_MAP_RUN"
    told = {
        "mapRunArn": execution.map_run.map_run_arn if execution.map_run else None,
        "redriveCount": execution.redrive_count,
        "redriveDate": execution.redrive_date,
        "redriveStatus": status,
        "redriveStatusReason": reason,
    }
    return {key: value for key, value in told.items() if value is not None}


def _list(self: StepFunctionResponse) -> ActionResult:
    backend = cast("StepFunctionsParserBackend", self.stepfunction_backend)
    machine_arn, map_run_arn = self._get_param("stateMachineArn"), self._get_param("mapRunArn")
    if map_run_arn:
        found = [each for each in _all(backend) if each.map_run and each.map_run.map_run_arn == map_run_arn]
    else:
        found = cast("list[Execution]", list(backend.describe_state_machine(machine_arn).executions))
    status = self._get_param("statusFilter")
    found = [each for each in found if status in {None, each.status}]
    found.sort(key=lambda each: each.start_date, reverse=True)
    first = int(self._get_param("nextToken") or 0)
    after = first + min(self._get_int_param("maxResults") or _DEFAULT_RESULTS, _MOST_RESULTS)
    token = str(after) if after < len(found) else None
    return ActionResult({"executions": [_entry(each) for each in found[first:after]], "nextToken": token})


def _entry(execution: Execution) -> dict[str, Any]:
    entry = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": execution.exec_status,
        "startDate": execution.start_date,
        "stopDate": execution.stop_date,
        "mapRunArn": execution.map_run.map_run_arn if execution.map_run else None,
        "redriveCount": execution.redrive_count,
        "redriveDate": execution.redrive_date,
    }
    return {key: value for key, value in entry.items() if value is not None}


def _redrive(self: StepFunctionResponse) -> ActionResult:
    execution = cast("Execution", self.stepfunction_backend.describe_execution(self._get_param("executionArn")))
    if execution.map_run:
        message = "Execution is a child workflow execution, which is redriven with its map run"
        raise _ExecutionNotRedrivableError(message)
    try:
        return ActionResult({"redriveDate": execution.redrive()})
    except NotRedrivableError as error:
        raise _ExecutionNotRedrivableError(str(error)) from error
