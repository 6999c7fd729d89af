"""CodeGuru Profiler is out of order while functions are created: nothing is lost, alarms go off, and it is mended.

By a sweep alone, which leaves the dead letters where they are, and by `profiling-groups replay` alone.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from profiling_groups.metric_names import DIMENSION, EVERY, NAMESPACE, SERVICE, BackfillMetric, of_outcome
from profiling_groups.outcomes import Action, Reason
from tests.e2e import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.deployment import Deployment

FUNCTIONS = 100
ATTEMPTS = 3
STACK = "ProfilingGroups-"
BROKEN = {"error": {"code": "InternalServerException", "status": 500}}
# Python imports it before all else.
_HASTE = """
import time
_sleep = time.sleep
time.sleep = lambda seconds: _sleep(seconds / 200)
"""


class Watch:
    """What CloudWatch and the alarms' topic tell of the deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._cloudwatch = deployment.account.client("cloudwatch")
        self._sqs = deployment.account.client("sqs")
        self._sns = deployment.account.client("sns")
        self._queue = self._sqs.create_queue(QueueName=f"heard-{uuid4().hex[:8]}")["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]
        self._subscription = self._sns.subscribe(
            TopicArn=deployment.outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=attributes["QueueArn"]
        )["SubscriptionArn"]

    def end(self) -> None:
        """Listen no more."""
        self._sns.unsubscribe(SubscriptionArn=self._subscription)
        self._sqs.delete_queue(QueueUrl=self._queue)

    def states(self, *, later: timedelta = timedelta(0)) -> dict[str, str]:
        """Let the alarms be looked at, as of some time from now, and return the state of each."""
        found = self._deployment.sandbox.evaluate_alarms(at=datetime.now(UTC) + later)
        return {name.removeprefix(STACK): state for name, state in found.items()}

    def told(self) -> set[tuple[str, str]]:
        """Return which alarms have told that they are in which state, since the last call."""
        found = set()
        while batch := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                told = json.loads(json.loads(message["Body"])["Message"])
                found.add((told["AlarmName"].removeprefix(STACK), told["NewStateValue"]))
        return found

    def value(self, name: str, *, namespace: str = NAMESPACE, statistic: str = "Sum", **dimensions: str) -> float:
        """Return a statistic of a metric, over all that there is of it up to now; of the code's own, unless named."""
        now = datetime.now(UTC)
        points = self._cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": each} for key, each in (dimensions or {DIMENSION: SERVICE}).items()],
            StartTime=now - timedelta(days=1),
            EndTime=now + timedelta(minutes=1),
            Period=48 * 3600,
            Statistics=[statistic],
        )["Datapoints"]
        return float(points[0][statistic]) if points else 0.0

    def names(self) -> set[str]:
        """Return the names of all that the code has counted."""
        pages = self._cloudwatch.get_paginator("list_metrics").paginate(Namespace=NAMESPACE)
        return {metric["MetricName"] for page in pages for metric in page["Metrics"]}


@pytest.fixture
def watch(deployment: Deployment) -> Iterator[Watch]:
    """Whoever has subscribed to the alarms."""
    watch = Watch(deployment)
    yield watch
    watch.end()


@pytest.fixture
def hasty(deployment: Deployment, tmp_path: Path) -> Iterator[None]:
    """Let the function wait but a two-hundredth of its time between the SDK's retries; it is deployed as ever."""
    (tmp_path / "sitecustomize.py").write_text(_HASTE)

    def configure(variables: dict[str, str]) -> None:
        with deployment.unheard():
            deployment.account.awslambda.update_function_configuration(
                FunctionName=deployment.function, Environment={"Variables": variables}
            )

    configure({"PYTHONPATH": str(tmp_path)})
    yield
    configure({})


@pytest.fixture
def prefix(deployment: Deployment) -> Iterator[str]:
    """What the names of this test's functions begin with; they and their groups are gone afterwards."""
    prefix = f"outage-{uuid4().hex[:8]}"
    yield prefix
    deployment.sandbox.clear_faults()
    with deployment.unheard():
        for number in range(FUNCTIONS):
            deployment.account.awslambda.delete_function(FunctionName=f"{prefix}-{number}")
    for group in deployment.groups(prefix):
        deployment.account.profiler.delete_profiling_group(profilingGroupName=group)


@pytest.mark.usefixtures("hasty")
def test_an_outage_loses_nothing_is_heard_and_the_next_sweep_or_a_replay_makes_up_for_it(
    deployment: Deployment, watch: Watch, prefix: str
) -> None:
    """Every call of CodeGuru Profiler fails with a 500; then it works again, and either is enough without the other."""
    sandbox, function = deployment.sandbox, deployment.function
    names = [f"{prefix}-{number}" for number in range(FUNCTIONS)]
    role = deployment.account.role("function")
    service_error = of_outcome(Action.FAILED, Reason.SERVICE_ERROR)

    def counts() -> list[float]:
        errors = watch.value("Errors", namespace="AWS/Lambda", FunctionName=function)
        return [errors, watch.value(of_outcome(Action.FAILED)), watch.value(service_error)]

    before, counted = watch.states(), counts()
    watch.told()
    sandbox.set_faults({"service": "codeguruprofiler", "operation": "*", **BROKEN})
    for name in names:
        deployment.account.awslambda.create_function(
            FunctionName=name, Runtime="python3.13", Handler="app.handler", Role=role, Code={"ZipFile": b"not run"}
        )
    sandbox.wait_until_idle()

    # Each event has had all its attempts, and is kept.
    events = [each for each in sandbox.invocations() if prefix in str(each["payload"])]
    assert [(len(each["attempts"]), each["dead_lettered"]) for each in events] == [(ATTEMPTS, True)] * FUNCTIONS

    # What was counted, and what went off by it.
    during = watch.states()
    assert [now - then for now, then in zip(counts(), counted, strict=True)] == [ATTEMPTS * FUNCTIONS] * 3
    queue = deployment.queue_url.rpartition("/")[2]
    visible = {"namespace": "AWS/SQS", "statistic": "Maximum", "QueueName": queue}
    assert watch.value("ApproximateNumberOfMessagesVisible", **visible) == FUNCTIONS
    off = {"dead-letters", "provisioner-errors"}
    assert {during[name] for name in off} == {"ALARM"}
    # Other tests' misfortunes may be heard still.
    assert {name for name, state in during.items() if state != "OK" and before[name] == "OK"} <= off
    assert ("dead-letters", "ALARM") in watch.told()

    # It works again; nobody does anything. There is room for few more groups than there will be.
    sandbox.clear_faults()
    assert deployment.groups(prefix) == set()
    sandbox.set_quota(len(deployment.groups("")) + FUNCTIONS + 5)
    sandbox.fire_schedules()
    sandbox.wait_until_idle()
    assert deployment.groups(prefix) == {f"aws-lambda-{name}" for name in names}
    assert watch.value(BackfillMetric.QUOTA_USED_PERCENT, statistic="Maximum") > 80
    assert watch.states()["quota"] == "ALARM"

    # The letters are all there, and the alarm with them. Once more as it was before the sweep, they are replayed.
    assert watch.states(later=timedelta(minutes=10))["dead-letters"] == "ALARM"
    for group in deployment.groups(prefix):
        deployment.account.profiler.delete_profiling_group(profilingGroupName=group)
    done = command_line.run(sandbox.endpoint, "replay", "--yes", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["asked"], told["replayed"]) == (0, FUNCTIONS, FUNCTIONS)
    assert [(each["reason"], each["letters"]) for each in told["letters"]] == [("service_error", FUNCTIONS)]
    assert deployment.groups(prefix) == {f"aws-lambda-{name}" for name in names}
    assert deployment.letters() == []
    watch.told()
    after = watch.states(later=timedelta(minutes=20))
    assert {after[name] for name in off} == {"OK"}
    assert ("dead-letters", "OK") in watch.told()
    assert watch.names() <= set(EVERY)


def test_silence_is_heard_once_two_sweeps_have_failed_to_come(deployment: Deployment, watch: Watch) -> None:
    """Nothing that is counted says so: that nothing is."""
    deployment.sandbox.fire_schedules()
    deployment.sandbox.wait_until_idle()
    assert watch.states()["silence"] == "OK"
    assert watch.states(later=timedelta(hours=47))["silence"] == "OK"
    watch.told()
    assert watch.states(later=timedelta(hours=49))["silence"] == "ALARM"
    assert ("silence", "ALARM") in watch.told()
