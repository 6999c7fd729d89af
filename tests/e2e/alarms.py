"""The deployed alarms: their definitions, and the values of the metrics that they watch.

The sandbox keeps alarms and does not evaluate them. So tests compare the values that the functions and services emit
with the threshold of the deployed alarm, by its own metric, dimensions and statistic.
"""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from demo.account import Account

_COMPARISONS: Final = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}


def metric_value(  # noqa: PLR0913 - the fields of one request, by keyword
    account: Account,
    *,
    namespace: str,
    name: str,
    dimensions: list[dict[str, str]],
    statistic: str,
    since: datetime | None = None,
) -> float | None:
    """Return a statistic of a metric since a moment, by default over the last day; None without data points."""
    now = datetime.now(UTC)
    points = account.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=dimensions,
        StartTime=since or now - timedelta(days=1),
        EndTime=now + timedelta(minutes=1),
        Period=48 * 3600,
        Statistics=[statistic],
    )["Datapoints"]
    return float(points[0][statistic]) if points else None


class DeployedAlarm:
    """An alarm of the stack, which is deployed as ``ProfilingGroups``.

    Args:
        account: Where it is deployed.
        name: Its name, without the stack's.

    Attributes:
        definition: As DescribeAlarms returns it.
    """

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self.definition: dict[str, Any]
        (self.definition,) = account.client("cloudwatch").describe_alarms(AlarmNames=[f"ProfilingGroups-{name}"])[
            "MetricAlarms"
        ]

    @property
    def window(self) -> timedelta:
        """The time over which it looks for breaching data points."""
        return timedelta(seconds=self.definition["EvaluationPeriods"] * self.definition["Period"])

    def value(self, *, since: datetime | None = None, statistic: str | None = None) -> float | None:
        """Return the value of its metric since a moment, by default over the last day; None without data points.

        The statistic is the alarm's own unless another one is given.
        """
        return metric_value(
            self._account,
            namespace=self.definition["Namespace"],
            name=self.definition["MetricName"],
            dimensions=self.definition["Dimensions"],
            statistic=statistic or self.definition["Statistic"],
            since=since,
        )

    def is_breached_by(self, value: float | None) -> bool:
        """Return whether a value, or its absence, is beyond the threshold."""
        if value is None:
            return bool(self.definition["TreatMissingData"] == "breaching")
        return bool(_COMPARISONS[self.definition["ComparisonOperator"]](value, self.definition["Threshold"]))

    def is_breached(self, *, since: datetime | None = None) -> bool:
        """Return whether the value of its metric since a moment is beyond the threshold."""
        return self.is_breached_by(self.value(since=since))
