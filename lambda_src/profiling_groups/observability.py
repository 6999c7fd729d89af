"""The one Logger and Metrics, and the one record that every outcome leaves in both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from profiling_groups.outcomes import Action

if TYPE_CHECKING:
    from profiling_groups.outcomes import Outcome

NAMESPACE = "ProfilingGroups"
SERVICE = "profiling-group-provisioner"

logger = Logger(service=SERVICE, use_rfc3339=True)
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)


def record(outcome: Outcome) -> None:
    """Log an outcome and count it, in a metric named after its action and, with a reason, in `<action>.<reason>`."""
    write = logger.error if outcome.action is Action.FAILED else logger.info
    write("outcome", extra={"log_type": "outcome", **outcome.to_log()})
    metrics.add_metric(name=outcome.action, unit=MetricUnit.Count, value=1)
    if outcome.reason:
        metrics.add_metric(name=f"{outcome.action}.{outcome.reason}", unit=MetricUnit.Count, value=1)
