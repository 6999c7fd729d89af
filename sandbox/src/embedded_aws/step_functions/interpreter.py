"""What is put into moto's interpreter of the Amazon States Language.

- calls are made in the name of the machine's role, and refused where its policies do not allow them;
- waits and pauses before a retry are as much shorter as everything in the sandbox;
- errors of Lambda have the names that Step Functions gives them;
- a distributed map is a map run (`map_runs`) whose results are written (`results`).

`install` is called once, by the server.
"""

from __future__ import annotations

import functools
import logging
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from moto.core.config import default_user_config
from moto.stepfunctions import models
from moto.stepfunctions.parser import models as parser_models
from moto.stepfunctions.parser.api import MapRunStatus
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map import state_map
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval.resource_eval_s3 import (
    ResourceEvalS3,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_lambda import (
    StateTaskServiceLambda,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from embedded_aws.request_router import error_names
from embedded_aws.step_functions import map_runs, results
from embedded_aws.step_functions.executions import Execution, Executions
from embedded_aws.step_functions.map_runs import MapRun, MapRunner

if TYPE_CHECKING:
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.credentials import StateCredentials
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceRuntimePart
    from moto.stepfunctions.parser.asl.eval.environment import Environment

    from embedded_aws.access.role_clients import RoleClients
    from embedded_aws.execution.asynchronous import TimeScale
    from embedded_aws.execution.telemetry import PermissionChecker

_SESSION_NAME: Final = "states"
_CLIENT_FOR: Final = "boto_client_for"

# moto's own, which the replacements below call.
_evaluate_map: Final = StateMap._eval_execution  # noqa: SLF001 - moto has no public place for it
_invoke: Final = lambda_eval_utils._invoke_lambda_function  # noqa: SLF001 - moto has no public place for it


def install(*, executions: Executions, clients: RoleClients, time_scale: TimeScale, permits: PermissionChecker) -> None:
    """Make moto interpret state machines. Called again, it switches to what it is given.

    Args:
        executions: where executions are noted as long as they run.
        clients: to call AWS with.
        time_scale: of waits and pauses before retries.
        permits: says what a machine's role may do, for what Step Functions does itself.
    """
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    # Each level of the interpreter logs each failure, expected ones too; the history has them.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    replacements: list[tuple[object, dict[str, Any]]] = [
        # moto has two sets of backends, and its CloudFormation uses the one that interprets nothing.
        (models, {"stepfunctions_backends": parser_models.stepfunctions_parser_backends}),
        (parser_models, {"Execution": functools.partial(Execution, executions=executions)}),
        (lambda_eval_utils, {"_invoke_lambda_function": _invoke_or_sdk_error}),
        (StateTaskServiceLambda, {"_error_cause_from_client_error": staticmethod(_lambda_error)}),
        *_scaled(time_scale),
        *_with_map_runs(MapRunner(executions=executions, permits=permits), clients),
        *_with_role_clients(clients),
    ]
    for target, members in replacements:
        for name, member in members.items():
            setattr(target, name, member)


def _with_role_clients(clients: RoleClients) -> list[tuple[object, dict[str, Any]]]:
    def client_for(region: str, service: str, state_credentials: StateCredentials) -> Any:  # noqa: ANN401 - boto's clients have no type
        return clients.client(service, region=region, role_arn=state_credentials.role_arn, session_name=_SESSION_NAME)

    # Each module of the interpreter has the name for itself.
    modules = [module for path, module in sys.modules.items() if path.startswith("moto.stepfunctions.parser.")]
    return [(module, {_CLIENT_FOR: client_for}) for module in modules if hasattr(module, _CLIENT_FOR)]


def _scaled(time_scale: TimeScale) -> list[tuple[object, dict[str, Any]]]:
    def sleep(seconds: float) -> None:
        time.sleep(time_scale.sleep_seconds(seconds))

    def wait(_self: WaitFunction, env: Environment, wait_seconds: float) -> None:
        until = time.monotonic() + time_scale.sleep_seconds(wait_seconds)
        while env.is_running() and (left := until - time.monotonic()) > 0:
            env.program_state_event.wait(left)

    return [
        (retrier_decl, {"time": SimpleNamespace(sleep=sleep)}),  # all that it uses
        (WaitFunction, {"_wait_interval": wait}),
    ]


def _with_map_runs(runner: MapRunner, clients: RoleClients) -> list[tuple[object, dict[str, Any]]]:
    def evaluate(_self: DistributedIterationComponent, env: Environment) -> None:
        env.stack.append(runner.evaluate(env, env.stack.pop()))

    def evaluate_map(self: StateMap, env: Environment) -> None:
        try:
            _evaluate_map(self, env)
        except FailureEventException:
            # The results of a map run that failed are written as well.
            run: MapRun | None = env.heap.get(map_runs.HEAP_KEY)
            if self.result_writer is not None and run is not None:
                env.stack.append(None)
                self.result_writer.eval(env)
                env.stack.pop()
            raise

    def put_results(env: Environment, part: ResourceRuntimePart, credentials: StateCredentials) -> None:
        parameters = env.stack.pop()
        env.stack.pop()
        s3 = clients.client("s3", region=part.region, role_arn=credentials.role_arn, session_name=_SESSION_NAME)
        run: MapRun = env.heap[map_runs.HEAP_KEY]
        try:
            details = results.write(run, bucket=parameters["Bucket"], prefix=parameters.get("Prefix", ""), s3=s3)
        except (ClientError, BotoCoreError) as error:
            run.stop(MapRunStatus.FAILED)
            raise map_runs.failure(env, StatesErrorNameType.StatesResultWriterFailed, str(error)) from error
        env.stack.append(details)

    return [
        (state_map, {"MapRunRecord": MapRun}),
        (DistributedIterationComponent, {"_eval_body": evaluate}),
        (StateMap, {"_eval_execution": evaluate_map}),
        (ResourceEvalS3, {"_handle_put_object": staticmethod(put_results)}),
    ]


def _invoke_or_sdk_error(parameters: dict[str, Any], region: str, state_credentials: StateCredentials) -> Any:  # noqa: ANN401 - moto's own
    """Invoke a function; a broken connection is an error of the SDK's, which state machines retry by that name."""
    try:
        return _invoke(parameters, region, state_credentials)
    except BotoCoreError as error:
        response = {
            "Error": {"Code": "SdkClientException", "Message": str(error)},
            "ResponseMetadata": {"HTTPStatusCode": 0, "RequestId": ""},
        }
        raise ClientError(response, "Invoke") from error  # type: ignore[arg-type] # all that is read of it


def _lambda_error(error: ClientError) -> tuple[str, str]:
    """Error and cause of a task that Lambda refused to run; an error that Lambda's model lacks has a name in common."""
    code, metadata = error.response["Error"]["Code"], error.response["ResponseMetadata"]
    known = code in error_names("lambda", "Invoke") or code == "SdkClientException"
    details = (
        "Service: AWSLambda",
        f"Status Code: {metadata['HTTPStatusCode']}",
        f"Error Code: {code}",
        f"Request ID: {metadata['RequestId']}",
    )
    cause = f"{error.response['Error']['Message']} ({'; '.join(details)})"
    return f"Lambda.{code if known else 'AWSLambdaException'}", cause
