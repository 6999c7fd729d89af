"""An execution of a state machine: it runs, is stopped, and goes on after a failure.

moto's interpreter makes one of each StartExecution (`api` puts it there), `map_runs` one of each item of a distributed
map. Owns which executions are under way, and what is needed for a redrive: the state that was the last to be entered,
and its input.
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final, cast

from moto.logs.exceptions import ResourceAlreadyExistsException, ResourceNotFoundException
from moto.logs.models import logs_backends
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.flow.start_at import StartAt
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails, EvaluationDetails
from moto.stepfunctions.parser.asl.eval.event.logging import (
    CloudWatchLoggingConfiguration,
    CloudWatchLoggingSession,
    HistoryLog,
)
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.backend.execution import Execution as MotoExecution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.backend.execution_worker_comm import ExecutionWorkerCommunication

from embedded_aws.monitoring import metrics

if TYPE_CHECKING:
    from moto.stepfunctions.parser.api import LoggingConfiguration
    from moto.stepfunctions.parser.asl.eval.environment import Environment
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

    from embedded_aws.step_functions.map_runs import MapRun

_START_POLL_SECONDS: Final = 0.001
_END_SECONDS: Final = 300.0
_METRICS: Final = {
    ExecutionStatus.SUCCEEDED: "ExecutionsSucceeded",
    ExecutionStatus.FAILED: "ExecutionsFailed",
    ExecutionStatus.ABORTED: "ExecutionsAborted",
    ExecutionStatus.TIMED_OUT: "ExecutionsTimedOut",
}
UNSUCCESSFUL: Final = frozenset({ExecutionStatus.FAILED, ExecutionStatus.ABORTED, ExecutionStatus.TIMED_OUT})
"""The states from which an execution can be redriven."""


class NotRedrivableError(Exception):
    """The execution runs, succeeded, or is redriven with its map run; the text says which."""


class Executions:
    """The executions that are under way. Safe to use from several threads."""

    def __init__(self) -> None:
        self._running: set[Execution] = set()
        self._lock = Lock()

    def began(self, execution: Execution) -> None:
        """One runs, for the first time or again."""
        with self._lock:
            self._running.add(execution)

    def ended(self, execution: Execution) -> None:
        """Its thread has ended."""
        with self._lock:
            self._running.discard(execution)

    def idle(self) -> bool:
        """Whether none is under way; one that was stopped is, as long as its task runs."""
        with self._lock:
            return not self._running

    def close(self) -> None:
        """Stop them all; what they wait for is not waited for."""
        with self._lock:
            running = list(self._running)
        for execution in running:
            execution.stop(datetime.now(UTC), error=None, cause=None)


class Execution(MotoExecution):
    """An execution of a workflow of its own, or of the child workflow of a map run.

    Args:
        executions: where it is noted as long as it runs.
        map_run: that it is a child of.
        moto: what moto's own execution takes.

    Attributes:
        map_run: that it is a child of; None for others.
        map_runs: the latest map run of each of its distributed maps, by the state's name.
        redrive_count: how often it was redriven.
        redrive_date: when it was last.
        ended: set while it does not run.
    """

    def __init__(self, *, executions: Executions, map_run: MapRun | None = None, **moto: Any) -> None:  # noqa: ANN401 - moto's own
        super().__init__(**moto)
        self.map_run = map_run
        self.map_runs: dict[str, MapRun] = {}
        self.redrive_count = 0
        self.redrive_date: datetime | None = None
        self.ended = Event()
        self._executions = executions
        self._changed = Lock()
        self._log = _log_of(self.state_machine, self.exec_arn)
        # moto lists an execution before it starts it, and reads all of this at once.
        self.exec_status = ExecutionStatus.RUNNING
        self.exec_worker: _Worker = self._get_start_execution_worker()

    def start(self) -> None:
        """Run in a thread of its own."""
        self._count("ExecutionsStarted")
        self._run(self.exec_worker)

    def stop(self, stop_date: datetime, error: str | None, cause: str | None) -> None:
        """End it as aborted, at once; a task that runs is not waited for, and what it answers is forgotten."""
        with self._changed:
            if self.exec_status is not ExecutionStatus.RUNNING:
                return
            self.exec_status = ExecutionStatus.ABORTED
            self.stop_date, self.error, self.cause = stop_date, error or None, cause or None
        env = self._environment()
        if env is not None:
            env.set_stop(stop_date=stop_date, error=error, cause=cause)

    def redrive(self) -> datetime:
        """Go on from the state that did not succeed, with the input that it had; see `MapRun` for distributed maps.

        Returns:
            The redrive's date.

        Raises:
            NotRedrivableError: it runs or succeeded.
        """
        if self.exec_status in UNSUCCESSFUL:
            # One that was stopped may still wait for its task.
            self.ended.wait(_END_SECONDS)
        with self._changed:
            if self.exec_status not in UNSUCCESSFUL or not self.ended.is_set():
                message = f"Execution is {self.status} and cannot be redriven"
                raise NotRedrivableError(message)
            self.exec_status = ExecutionStatus.RUNNING
            self.redrive_count += 1
            self.redrive_date = datetime.now(UTC)
            self.stop_date = self.error = self.cause = None
        for map_run in self.map_runs.values():
            map_run.resume()
        self._run(_RedriveWorker(self, self._log, former=self.exec_worker))
        return self.redrive_date

    def finish(self) -> None:
        """Its thread ends. An execution that was stopped has its status already."""
        with self._changed:
            if self.exec_status is ExecutionStatus.RUNNING:
                if self.exec_worker.env.program_state() is None or self.exec_worker.env.is_running():
                    self.exec_status = ExecutionStatus.FAILED
                    self.error = "States.Runtime"
                    self.stop_date = datetime.now(UTC)
                else:
                    BaseExecutionWorkerCommunication(self).terminated()
        if self.exec_status in _METRICS:
            self._count(_METRICS[self.exec_status])
        self._executions.ended(self)
        self.ended.set()

    def _count(self, metric: str) -> None:
        """Count it in a metric of its state machine; what a map runs is none of the machine's own executions."""
        if self.map_run is None:
            metrics.of_machine(self.state_machine.arn, metric)

    def evaluation_details(self) -> EvaluationDetails:
        """What the interpreter is to know of it."""
        return EvaluationDetails(
            aws_execution_details=_Details(self),
            execution_details=self.get_start_execution_details(),
            state_machine_details=self.get_start_state_machine_details(),
        )

    def _get_start_execution_worker(self) -> _Worker:
        return _Worker(self, self._log)

    def _run(self, worker: _Worker) -> None:
        self.ended.clear()
        self.exec_worker = worker
        self.exec_status = ExecutionStatus.RUNNING
        self._executions.began(self)
        worker.start()  # type: ignore[no-untyped-call] # moto's own

    def _environment(self) -> Environment | None:
        """The interpreter's, once it can be stopped; None where the execution has ended before."""
        env = self.exec_worker.env
        while env.program_state() is None:
            if self.ended.wait(_START_POLL_SECONDS):
                return None
        return env


class _Details(AWSExecutionDetails):
    """What all parts of the interpreter know of an execution: the execution itself, too."""

    def __init__(self, execution: Execution) -> None:
        super().__init__(account=execution.account_id, region=execution.region_name, role_arn=execution.role_arn)
        self.execution = execution


def execution_of(env: Environment) -> Execution:
    """The execution that a part of the interpreter works for."""
    return cast("_Details", env.aws_execution_details).execution


def tell(env: Environment, event: HistoryEventType, **details: object) -> None:
    """Add an event to the history.

    Args:
        env: where the interpreter is.
        event: its type.
        details: of the event, under the name that they have in GetExecutionHistory.
    """
    env.event_manager.add_event(
        context=env.event_history_context,
        event_type=event,
        event_details=cast("EventDetails", details) if details else None,
    )


def _log_of(machine: Any, execution_arn: str) -> _Log | None:  # noqa: ANN401 - moto's machines have no common type
    """Where the machine's logging configuration wants the events of the execution; None for nowhere."""
    configuration = CloudWatchLoggingConfiguration.from_logging_configuration(
        state_machine_arn=machine.arn,
        logging_configuration=cast(
            "LoggingConfiguration", {"includeExecutionData": False} | machine.loggingConfiguration
        ),
    )
    return _Log(execution_arn=execution_arn, configuration=configuration) if configuration else None


class _Nobody(ExecutionWorkerCommunication):
    """Ignores the end: `Execution.finish` is called last, also after an error."""

    def terminated(self) -> None:
        """The interpreter is through."""


class _Worker(ExecutionWorker):
    """Runs an execution from its beginning.

    Attributes:
        env: The interpreter's environment, which has the history and the map runs. moto makes it in the thread that
            runs the execution, and earlier requests fail; here it exists from the start.
    """

    env: Environment

    def __init__(self, execution: Execution, log: CloudWatchLoggingSession | None) -> None:
        super().__init__(
            evaluation_details=execution.evaluation_details(),
            exec_comm=_Nobody(),
            cloud_watch_logging_session=log,
            activity_store={},
        )
        self.execution = execution
        self.env = super()._get_evaluation_environment()

    def _get_evaluation_environment(self) -> Environment:
        return self.env

    def _execution_logic(self) -> None:
        try:
            super()._execution_logic()  # type: ignore[no-untyped-call] # moto's own
        finally:
            self.execution.finish()


class _RedriveWorker(_Worker):
    """Goes on from the state that was entered last, with what the execution has learned before.

    Args:
        execution: that did not succeed.
        log: as for its first run.
        former: its last worker.
    """

    def __init__(self, execution: Execution, log: CloudWatchLoggingSession | None, *, former: _Worker) -> None:
        super().__init__(execution, log)
        before = former.env
        self.env.event_manager = before.event_manager
        self.env.event_history_context.integrate(before.event_history_context)
        self.env.map_run_record_pool_manager = before.map_run_record_pool_manager
        self.env.variable_store = before.variable_store  # type: ignore[misc] # moto means it to stay; it is a new one's
        self._last_state = _last_state(before)
        if self._last_state is not None:
            self.env.states.reset(_input_of(self._last_state, before))

    def _execution_logic(self) -> None:
        try:
            self._go_on()
        finally:
            self.execution.finish()

    def _go_on(self) -> None:
        program = cast("Program", self._get_evaluation_entrypoint())
        if self._last_state is not None:
            program = Program(
                query_language=program.query_language,
                start_at=StartAt(self._last_state),
                states=program.states,
                timeout_seconds=program.timeout_seconds,
            )
        details = {"redriveCount": self.execution.redrive_count}
        tell(self.env, HistoryEventType.ExecutionRedriven, executionRedrivenEventDetails=details)
        program.eval(self.env)


def _last_state(env: Environment) -> str | None:
    """The name of the state that was entered last; states within one do not count."""
    context = cast("dict[str, Any]", env.states.context_object.context_object_data)
    return (context.get("State") or {}).get("Name")


def _input_of(state: str, env: Environment) -> Any:  # noqa: ANN401 - JSON
    """What the state had as its input when it was entered last; names are unique in a workflow."""
    history = cast("list[dict[str, Any]]", env.event_manager.get_event_history())
    entered = [event["stateEnteredEventDetails"] for event in history if "stateEnteredEventDetails" in event]
    return json.loads([each["input"] for each in entered if each["name"] == state][-1])


class _Log(CloudWatchLoggingSession):
    """Writes the events of an execution to the log group of its state machine."""

    def publish_history_log(self, history_log: HistoryLog) -> None:
        """Write one event; drop it if the log group does not exist, as in AWS."""
        moment = datetime.fromisoformat(str(history_log["event_timestamp"]))
        milliseconds = int(moment.timestamp() * 1000)
        record = {**history_log, "event_timestamp": str(milliseconds)}
        event = {"timestamp": milliseconds, "message": json.dumps(record, default=str)}
        place = (self.configuration.log_group_name, self.configuration.log_stream_name)
        with contextlib.suppress(ResourceNotFoundException):
            logs = logs_backends[self.configuration.log_account_id][self.configuration.log_region]
            with contextlib.suppress(ResourceAlreadyExistsException):
                logs.create_log_stream(*place)
            logs.put_log_events(*place, [event])
