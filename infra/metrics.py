"""The metrics of a deployment as alarms and dashboard ask for them: name, dimensions, statistic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from profiling_groups.metric_names import DIMENSION, NAMESPACE, of_outcome

if TYPE_CHECKING:
    from profiling_groups.metric_names import BackfillMetric
    from profiling_groups.outcomes import Action, Reason

_FIVE_MINUTES = cdk.Duration.minutes(5)


@dataclass(frozen=True, kw_only=True)
class OwnMetrics:
    """What this project's code counts.

    Attributes:
        service: What tells this deployment from others in the account and region.
    """

    service: str

    def outcomes(
        self, action: Action, reason: Reason | None = None, *, period: cdk.Duration = _FIVE_MINUTES
    ) -> cloudwatch.Metric:
        """Return how many outcomes there were."""
        return self._metric(of_outcome(action, reason), statistic="Sum", period=period)

    def backfill(self, metric: BackfillMetric, *, statistic: str, period: cdk.Duration) -> cloudwatch.Metric:
        """Return what complete backfills were summed up in."""
        return self._metric(metric.value, statistic=statistic, period=period)

    def _metric(self, name: str, *, statistic: str, period: cdk.Duration) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={DIMENSION: self.service},
            statistic=statistic,
            period=period,
        )


@dataclass(frozen=True, kw_only=True)
class EventMetrics:
    """What EventBridge counts of a rule.

    Attributes:
        rule_name: The rule.
        bus_name: Its bus; None for the default one, of which the metrics have no name.
    """

    rule_name: str
    bus_name: str | None

    def metric(self, name: str, *, period: cdk.Duration = _FIVE_MINUTES) -> cloudwatch.Metric:
        """Return one of EventBridge's metrics (user guide, "Monitoring Amazon EventBridge")."""
        bus = {} if self.bus_name is None else {"EventBusName": self.bus_name}
        return cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name=name,
            dimensions_map=bus | {"RuleName": self.rule_name},
            statistic="Sum",
            period=period,
        )
