"""CodeGuru Profiler is out of order while functions are created: nothing is lost, alarms go off, and it is mended.

By a sweep alone, which leaves the dead letters where they are, and by `profiling-groups replay` alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from profiling_groups.metric_names import DIMENSION, EVERY, NAMESPACE, SERVICE, BackfillMetric, of_outcome
from profiling_groups.outcomes import Action, Reason
from tests.e2e import command_line
from tests.e2e.alarms import DeployedAlarm, metric_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.account import Account
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


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The deployment's alarms and metrics."""

    account: Account

    def alarm(self, name: str) -> DeployedAlarm:
        """Return an alarm by its name without the stack's."""
        return DeployedAlarm(self.account, name)

    def value(self, name: str, *, statistic: str = "Sum") -> float:
        """Return a statistic of one of the code's own metrics over the last day; 0 without data points."""
        dimensions = [{"Name": DIMENSION, "Value": SERVICE}]
        found = metric_value(self.account, namespace=NAMESPACE, name=name, dimensions=dimensions, statistic=statistic)
        return found or 0.0

    def names(self) -> set[str]:
        """Return the names of all that the code has counted."""
        pages = self.account.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace=NAMESPACE)
        return {metric["MetricName"] for page in pages for metric in page["Metrics"]}


@pytest.fixture
def watch(deployment: Deployment) -> Watch:
    """The deployment's alarms and metrics."""
    return Watch(account=deployment.account)


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
    sandbox = deployment.sandbox
    names = [f"{prefix}-{number}" for number in range(FUNCTIONS)]
    role = deployment.account.role("function")
    service_error = of_outcome(Action.FAILED, Reason.SERVICE_ERROR)

    def counts() -> list[float]:
        return [
            watch.alarm("provisioner-errors").value() or 0.0,
            watch.value(of_outcome(Action.FAILED)),
            watch.value(service_error),
        ]

    counted = counts()
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
    assert [now - then for now, then in zip(counts(), counted, strict=True)] == [ATTEMPTS * FUNCTIONS] * 3
    assert watch.alarm("provisioner-errors").is_breached()
    dead_letters = watch.alarm("dead-letters")
    assert dead_letters.definition["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert dead_letters.definition["Dimensions"] == [
        {"Name": "QueueName", "Value": deployment.queue_url.rpartition("/")[2]}
    ]
    assert deployment.letters_waiting() == FUNCTIONS
    assert dead_letters.is_breached_by(FUNCTIONS)

    # It works again; nobody does anything. There is room for few more groups than there will be.
    sandbox.clear_faults()
    assert deployment.groups(prefix) == set()
    sandbox.set_quota(len(deployment.groups("")) + FUNCTIONS + 5)
    sandbox.fire_schedules()
    sandbox.wait_until_idle()
    assert deployment.groups(prefix) == {f"aws-lambda-{name}" for name in names}
    assert watch.value(BackfillMetric.QUOTA_USED_PERCENT, statistic="Maximum") > 80
    assert watch.alarm("quota").is_breached()

    # The letters are all there. Once more as it was before the sweep, they are replayed.
    assert deployment.letters_waiting() == FUNCTIONS
    for group in deployment.groups(prefix):
        deployment.account.profiler.delete_profiling_group(profilingGroupName=group)
    done = command_line.run(sandbox.endpoint, "replay", "--yes", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["asked"], told["replayed"]) == (0, FUNCTIONS, FUNCTIONS)
    assert [(each["reason"], each["letters"]) for each in told["letters"]] == [("service_error", FUNCTIONS)]
    assert deployment.groups(prefix) == {f"aws-lambda-{name}" for name in names}
    assert deployment.letters() == []
    assert not dead_letters.is_breached_by(deployment.letters_waiting())
    assert watch.names() <= set(EVERY)


def test_missing_backfills_breach_the_silence_alarm(deployment: Deployment, watch: Watch) -> None:
    """A finished backfill does not; none within two days does."""
    began = datetime.now(UTC)
    deployment.sandbox.fire_schedules()
    deployment.sandbox.wait_until_idle()
    silence = watch.alarm("silence")
    assert not silence.is_breached(since=began)
    assert silence.is_breached_by(None)
    assert silence.definition["DatapointsToAlarm"] == silence.definition["EvaluationPeriods"]
    assert silence.window == timedelta(hours=48)
