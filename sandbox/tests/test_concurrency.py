"""What one thread of the sandbox reads while another one is about to change it."""

from __future__ import annotations

import json
from threading import Thread
from typing import TYPE_CHECKING, cast

import pytest
from botocore.loaders import create_loader
from botocore.model import ServiceModel as BotocoreServiceModel
from moto.core.model import OperationModel, ServiceModel
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from embedded_aws import request_router
from embedded_aws.access.role_clients import RoleClients
from embedded_aws.execution.asynchronous import TimeScale
from embedded_aws.server import read_while_others_write
from embedded_aws.step_functions import interpreter
from embedded_aws.step_functions.executions import Execution, Executions
from lambda_functions import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, REGION = "920987654321", "eu-central-1"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:machine"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/machine"
DEFINITION = {"StartAt": "Refuse", "States": {"Refuse": {"Type": "Fail", "Error": "Refused"}}}


@pytest.fixture(scope="module")
def machines() -> Iterator[StepFunctionsParserBackend]:
    """Step Functions, with a machine that fails."""
    clients = RoleClients(ENDPOINT)
    interpreter.install(executions=Executions(), clients=clients, time_scale=TimeScale(), permits=lambda *_, **__: True)
    machines = stepfunctions_parser_backends[ACCOUNT][REGION]
    machines.create_state_machine("machine", json.dumps(DEFINITION), ROLE)
    yield machines
    clients.close()


def start(machines: StepFunctionsParserBackend, name: str) -> Execution:
    """Start an execution."""
    return cast("Execution", machines.start_execution(MACHINE, name))


def history(machines: StepFunctionsParserBackend, execution: Execution) -> list[str]:
    """The types of an execution's events."""
    return [event["type"] for event in machines.get_execution_history(execution.exec_arn)["events"]]


def test_an_execution_whose_thread_has_not_begun_can_be_read(
    machines: StepFunctionsParserBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no events and no map runs; neither when it is new, nor when it is listed before it is started."""
    for name, starter in {"begins": ExecutionWorker, "listed": Execution}.items():
        with monkeypatch.context() as patch:
            patch.setattr(starter, "start", lambda _: None)
            execution = start(machines, name)
            assert execution.status == "RUNNING"
            assert history(machines, execution) == []
            assert machines.list_map_runs(execution.exec_arn) == {"mapRuns": []}


def test_a_redriven_execution_whose_thread_has_not_begun_still_has_its_events(
    machines: StepFunctionsParserBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did before is not forgotten in between."""
    execution = start(machines, "redriven")
    execution.ended.wait()
    before = history(machines, execution)
    assert before[-1] == "ExecutionFailed"
    with monkeypatch.context() as patch:
        patch.setattr(ExecutionWorker, "start", lambda _: None)
        execution.redrive()
        assert execution.status == "RUNNING"
        assert history(machines, execution) == before


def test_two_threads_that_ask_for_an_operation_get_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one asks while the first one's is made, and does not get botocore's, of which moto asks more."""
    request_router.install()
    model = ServiceModel(create_loader().load_service_model("sns", "service-2"), "sns")
    original = BotocoreServiceModel.operation_model
    found: list[object] = []
    other = Thread(target=lambda: found.append(model.operation_model("Publish")))

    def interrupted(self: BotocoreServiceModel, operation_name: str) -> object:
        made = original(self, operation_name)
        if not other.ident:
            other.start()
            other.join(0.2)  # it waits for the first one
        return made

    monkeypatch.setattr(BotocoreServiceModel, "operation_model", interrupted)
    found.append(model.operation_model("Publish"))
    other.join()
    assert [type(each) for each in found] == [OperationModel] * 2


def test_a_read_is_repeated_when_what_it_goes_through_has_changed() -> None:
    """Moto has no locks; a dictionary that grows meanwhile is no fault of the reader's."""
    names = {b"a": 1}
    added = iter([b"b", b"c"])

    def read() -> bytes:
        found = []
        for name in names:
            found.append(name)
            for other in added:
                names[other] = 1
                break
        return b"".join(found)

    assert read_while_others_write(read) == b"abc"


def test_a_fault_that_is_none_of_concurrency_is_not_hidden() -> None:
    """It is raised at once."""
    calls = []

    def read() -> bytes:
        calls.append(1)
        raise RuntimeError("no such thing")

    with pytest.raises(RuntimeError, match="no such thing"):
        read_while_others_write(read)
    assert len(calls) == 1
