"""A map run: a distributed map's items, each the input of a child workflow execution of its own.

moto's interpreter runs the children as parts of their parent, and takes none of their failures for one. Here each has
an ARN, a history and an end of its own, too many failures fail the run, and a redrive runs again what has not
succeeded. `interpreter` puts this in the place of moto's own.
"""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError
from moto.stepfunctions.parser.api import ExecutionStatus, HistoryEventType, MapRunStatus
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.map_run_record import (
    MapRunRecord,
)
from moto.stepfunctions.parser.asl.eval.states import ItemData, MapData

from embedded_aws.step_functions.executions import UNSUCCESSFUL, Execution, Executions, execution_of, tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import distributed_iteration_component
    from moto.stepfunctions.parser.asl.eval.environment import Environment
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

    from embedded_aws.execution.telemetry import PermissionChecker

    Json = dict[str, Any]

HEAP_KEY: Final = "sandbox-map-run"
"""Where on the heap of a map state lies its map run, once that has begun; that of an inline map has none."""

_POLL_SECONDS: Final = 0.01
# AWS runs up to 10,000; each is a thread here.
_MOST_AT_ONCE: Final = 100


@dataclass(eq=False, kw_only=True)
class Child:
    """What becomes of one item.

    Attributes:
        input: of the child workflow, JSON.
        execution: None before it was started.
        waits: whether it is to be redriven, and was not yet.
    """

    input: Any
    execution: Execution | None = None
    waits: bool = False

    @property
    def status(self) -> ExecutionStatus | None:
        """Of the execution; None before it was started."""
        if self.execution is None:
            return None
        return ExecutionStatus.PENDING_REDRIVE if self.waits else self.execution.exec_status


class MapRun(MapRunRecord):
    """One run over the items of a distributed map, and its redrives.

    Attributes:
        children: one of each item, in the items' order.
        redrive_count: how often it was redriven.
        redrive_date: when it was last.
        results_written: how many children's results lie in the bucket.
        resumes: whether the next run of its state is this one, redriven.
    """

    def __init__(self, **moto: Any) -> None:  # noqa: ANN401 - moto's own
        super().__init__(**moto)
        self.children: list[Child] = []
        self.redrive_count = 0
        self.redrive_date: datetime | None = None
        self.results_written = 0
        self.resumes = False

    def resume(self) -> None:
        """Its parent is redriven: the next run of its state is this one, unless it never had its items."""
        self.resumes = bool(self.children)

    def redrive(self) -> None:
        """It runs again."""
        self.resumes = False
        self.redrive_count += 1
        self.redrive_date = datetime.now(UTC)
        self.status = MapRunStatus.RUNNING
        self.stop_date = None
        for child in self.children:
            child.waits = child.status in UNSUCCESSFUL

    def stop(self, status: MapRunStatus) -> None:
        """It is over; what waits waits no more."""
        for child in self.children:
            child.waits = False
        self.set_stop(status)

    def count(self, *statuses: ExecutionStatus | None) -> int:
        """How many children have one of these statuses."""
        return sum(child.status in statuses for child in self.children)

    def exceeds_tolerance(self) -> bool:
        """Whether more children failed than may; a limit of zero that stands beside another is none."""
        failed = self.count(ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT)
        if self.tolerated_failure_count == 0 and self.tolerated_failure_percentage == 0:
            return failed > 0
        too_many = 0 < self.tolerated_failure_count < failed
        percentage = 100 * failed / max(len(self.children), 1)
        return too_many or 0 < self.tolerated_failure_percentage < percentage

    def describe(self) -> Json:  # type: ignore[override] # moto's type lacks what is new
        """The answer of DescribeMapRun."""
        counts = {
            "pending": self.count(None),
            "running": self.count(ExecutionStatus.RUNNING),
            "succeeded": self.count(ExecutionStatus.SUCCEEDED),
            "failed": self.count(ExecutionStatus.FAILED),
            "timedOut": self.count(ExecutionStatus.TIMED_OUT),
            "aborted": self.count(ExecutionStatus.ABORTED),
            "total": len(self.children),
            "resultsWritten": self.results_written,
            "failuresNotRedrivable": 0,
            "pendingRedrive": self.count(ExecutionStatus.PENDING_REDRIVE),
        }
        return {
            "mapRunArn": self.map_run_arn,
            "executionArn": self.execution_arn,
            "status": self.status,
            "startDate": self.start_date,
            "stopDate": self.stop_date,
            "maxConcurrency": self.max_concurrency,
            "toleratedFailurePercentage": self.tolerated_failure_percentage,
            "toleratedFailureCount": self.tolerated_failure_count,
            "itemCounts": counts,
            "executionCounts": counts,
            "redriveCount": self.redrive_count,
            "redriveDate": self.redrive_date,
        }

    def list_item(self) -> Json:  # type: ignore[override] # moto's has its dates as text
        """The entry of ListMapRuns."""
        return {
            "executionArn": self.execution_arn,
            "mapRunArn": self.map_run_arn,
            "stateMachineArn": self.map_state_machine_arn,
            "startDate": self.start_date,
            "stopDate": self.stop_date,
        }


def failure(env: Environment, error: StatesErrorNameType, cause: str) -> FailureEventException:
    """What the map's state fails with."""
    details = {"mapRunFailedEventDetails": {"error": error.to_name(), "cause": cause}}
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=error),
            event_type=HistoryEventType.MapRunFailed,
            event_details=cast("EventDetails", details),
        )
    )


@dataclass(frozen=True, kw_only=True)
class MapRunner:
    """Runs distributed maps.

    Attributes:
        executions: where the children are noted as long as they run.
        permits: says what the machine's role may do.
    """

    executions: Executions
    permits: PermissionChecker

    def evaluate(
        self,
        env: Environment,
        given: distributed_iteration_component.DistributedIterationComponentEvalInput,
    ) -> list[Any]:
        """Run the map, or go on with it.

        Returns:
            The children's outputs, None for one that failed.

        Raises:
            FailureEventException: more failed than may, the items cannot be read, or the role may not start them.
        """
        parent = execution_of(env)
        run = self._run_of(parent, env, given)
        env.heap[HEAP_KEY] = run
        try:
            if not run.redrive_count:
                items = _items(env, given)
                run.children = [Child(input=_selected(env, given, index, item)) for index, item in enumerate(items)]
            _Runner(self, parent, run, given.state_name, env).run_all()
        except Exception as error:
            run.stop(MapRunStatus.FAILED)
            tell(env, HistoryEventType.MapRunFailed, mapRunFailedEventDetails=_details(error))
            raise
        if env.is_running():
            run.stop(MapRunStatus.SUCCEEDED)
            tell(env, HistoryEventType.MapRunSucceeded)
        else:
            run.stop(MapRunStatus.ABORTED)
            tell(env, HistoryEventType.MapRunAborted)
        return [child.execution.output if child.execution else None for child in run.children]

    @staticmethod
    def _run_of(
        parent: Execution,
        env: Environment,
        given: distributed_iteration_component.DistributedIterationComponentEvalInput,
    ) -> MapRun:
        """The run that a redrive goes on with, or the new one."""
        run: MapRun = given.map_run_record  # type: ignore[assignment] # `interpreter` lets moto make these
        former = parent.map_runs.get(given.state_name)
        if former is not None and former.resumes:
            env.map_run_record_pool_manager._pool.pop(run.map_run_arn)  # noqa: SLF001 - moto has added it already
            former.redrive()
            details = {"mapRunArn": former.map_run_arn, "redriveCount": former.redrive_count}
            tell(env, HistoryEventType.MapRunRedriven, mapRunRedrivenEventDetails=details)
            return former
        parent.map_runs[given.state_name] = run
        tell(env, HistoryEventType.MapRunStarted, mapRunStartedEventDetails={"mapRunArn": run.map_run_arn})
        return run


@dataclass(frozen=True)
class _Runner:
    """Runs the children of one map run, once."""

    maps: MapRunner
    parent: Execution
    run: MapRun
    state_name: str
    env: Environment

    def run_all(self) -> None:
        """Start or redrive those that have not succeeded, and wait for them.

        Raises:
            FailureEventException: more failed than may, the items cannot be read, or the role may not start them.
        """
        waiting = [child for child in self.run.children if child.status is not ExecutionStatus.SUCCEEDED]
        for child in waiting:
            self._check_permission(child)
        machine = self._child_machine()
        at_once = min(self.run.max_concurrency or _MOST_AT_ONCE, _MOST_AT_ONCE)
        with ThreadPoolExecutor(at_once, thread_name_prefix="map-run") as pool:
            for done in [pool.submit(self._run_one, child, machine) for child in waiting]:
                done.result()
        if self.run.exceeds_tolerance():
            cause = "The specified tolerated failure threshold was exceeded"
            raise failure(self.env, StatesErrorNameType.StatesExceedToleratedFailureThreshold, cause)

    def _check_permission(self, child: Child) -> None:
        machine = self.run.map_state_machine_arn.rpartition("/")[0]
        action, resource = ("states:StartExecution", machine)
        if child.execution is not None:
            action, resource = ("states:RedriveExecution", child.execution.exec_arn)
        if not self.maps.permits(self.parent.role_arn, self.parent.name, action=action, resource=resource):
            cause = f"{self.parent.role_arn} is not authorized to perform: {action} on resource: {resource}"
            raise failure(self.env, StatesErrorNameType.StatesPermissions, cause)

    def _run_one(self, child: Child, machine: Any) -> None:  # noqa: ANN401 - moto's machines have no common type
        if self._is_over():
            return
        if child.execution is None:
            child.execution = self._start(child, machine)
        else:
            child.execution.redrive()
            child.waits = False
        while not child.execution.ended.wait(_POLL_SECONDS):
            if self._is_over():
                child.execution.stop(datetime.now(UTC), error=None, cause=None)
                return

    def _is_over(self) -> bool:
        """Whether the parent was stopped, or too many children have failed."""
        return not self.env.is_running() or self.run.exceeds_tolerance()

    def _start(self, child: Child, machine: Any) -> Execution:  # noqa: ANN401 - moto's machines have no common type
        name = str(uuid4())
        arn = f"{self.run.map_state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        execution = Execution(
            executions=self.maps.executions,
            map_run=self.run,
            name=name,
            sm_type=machine.sm_type,
            role_arn=self.parent.role_arn,
            exec_arn=arn,
            account_id=self.parent.account_id,
            region_name=self.parent.region_name,
            state_machine=machine,
            start_date=datetime.now(UTC),
            cloud_watch_logging_session=None,
            activity_store={},
            input_data=json.dumps(child.input),
        )
        execution.start()
        return execution

    def _child_machine(self) -> Any:  # noqa: ANN401 - moto's machines have no common type
        """The parent's machine with the workflow of the items as its definition."""
        definition = json.loads(self.parent.state_machine.definition)
        processor = next(_processors(definition, self.state_name))
        workflow = {key: value for key, value in processor.items() if key != "ProcessorConfig"}
        if "QueryLanguage" in definition:
            workflow.setdefault("QueryLanguage", definition["QueryLanguage"])
        machine = copy.copy(self.parent.state_machine)
        machine.arn = self.run.map_state_machine_arn
        machine.name = machine.arn.rpartition(":")[2]
        machine.definition = json.dumps(workflow)
        return machine


def _processors(workflow: Mapping[str, Any], state_name: str) -> Iterator[Json]:
    """The item processor of the map state of that name, wherever it stands in the workflow."""
    for name, state in workflow.get("States", {}).items():
        processor = state.get("ItemProcessor") or state.get("Iterator") or {}
        if name == state_name:
            yield processor
        for inner in (processor, *state.get("Branches", ())):
            yield from _processors(inner, state_name)


def _items(
    env: Environment, given: distributed_iteration_component.DistributedIterationComponentEvalInput
) -> list[Any]:
    if given.item_reader is None:
        return list(given.input_items)
    try:
        given.item_reader.eval(env=env)
    except (ClientError, BotoCoreError, ValueError) as error:
        raise failure(env, StatesErrorNameType.StatesItemReaderFailed, str(error)) from error
    return list(env.stack.pop())


def _selected(
    env: Environment,
    given: distributed_iteration_component.DistributedIterationComponentEvalInput,
    index: int,
    item: Any,  # noqa: ANN401 - JSON
) -> Any:  # noqa: ANN401 - JSON
    """What ItemSelector, or the older Parameters, makes of an item."""
    selector = given.item_selector or given.parameters
    if selector is None:
        return item
    frame = env.open_inner_frame()
    state_input = env.stack[-1]
    frame.states.context_object.context_object_data["Map"] = MapData(Item=ItemData(Index=index, Value=item))
    frame.states.reset(state_input)
    frame.stack.append(state_input)
    selector.eval(frame)
    env.delete_frame(frame)
    return frame.stack[-1]


def _details(error: Exception) -> Json:
    """Error and cause of a failure, as far as it has them."""
    found = error.extract_error_cause_pair() if isinstance(error, FailureEventException) else None
    return {"error": found[0], "cause": found[1]} if found else {}
