"""What AWS itself puts into CloudWatch's metrics: of its services, and out of log records in embedded metric format.

Lambda's executor and queue, EventBridge's delivery and Step Functions' executions publish here; `install` lets whatever
is put into CloudWatch Logs be searched for metrics. They are moto's CloudWatch's from then on, as if by PutMetricData.
Sources: CloudWatch user guide, "Specification: Embedded metric format"; the services' own pages on metrics.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.logs.models import LogsBackend

from embedded_aws.moto_extensions.patching import extend

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MARK = '"_aws"'


def publish(  # noqa: PLR0913 - what makes a data point, by keyword
    values: Mapping[str, float],
    *,
    account: str,
    region: str,
    namespace: str,
    dimensions: Mapping[str, str],
    unit: str = "Count",
    at: datetime | None = None,
) -> None:
    """Put one data point of each metric.

    Args:
        values: by the metrics' names.
        account: whose.
        region: where.
        namespace: of the metrics, as ``AWS/Lambda``.
        dimensions: values by names.
        unit: CloudWatch's word for it.
        at: when; None for now.
    """
    # moto's own are naive, in UTC.
    timestamp = (at or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    cloudwatch_backends[account][region].metric_data.extend(
        MetricDatum(namespace, name, float(value), named, timestamp, unit) for name, value in values.items()
    )


def of_function(arn: str, values: Mapping[str, float], *, unit: str = "Count") -> None:
    """Publish metrics of a function, by its ARN, qualified or not."""
    _, _, _, region, account, _, name, *_ = arn.split(":")
    publish(
        values, account=account, region=region, namespace="AWS/Lambda", dimensions={"FunctionName": name}, unit=unit
    )


def of_rule(arn: str, *names: str) -> None:
    """Count one in each of EventBridge's metrics of a rule; those of the default bus do not name it."""
    _, _, _, region, account, resource = arn.split(":", 5)
    *bus, rule = resource.removeprefix("rule/").split("/")
    dimensions = ({"EventBusName": bus[0]} if bus else {}) | {"RuleName": rule}
    publish(dict.fromkeys(names, 1), account=account, region=region, namespace="AWS/Events", dimensions=dimensions)


def of_machine(arn: str, name: str) -> None:
    """Count one in one of Step Functions' metrics of a state machine."""
    _, _, _, region, account, _ = arn.split(":", 5)
    publish({name: 1}, account=account, region=region, namespace="AWS/States", dimensions={"StateMachineArn": arn})


def install() -> None:
    """Extend moto; a second call changes nothing."""
    extend(LogsBackend, "put_log_events", _put_log_events)


def _put_log_events(
    original: Callable[..., Any],
    self: LogsBackend,
    log_group_name: str,
    log_stream_name: str,
    log_events: list[dict[str, Any]],
) -> Any:  # noqa: ANN401 - moto's own
    answer = original(self, log_group_name, log_stream_name, log_events)
    for event in log_events:
        if _MARK in event["message"]:
            _extract(event["message"], account=self.account_id, region=self.region_name)
    return answer


def _extract(message: str, *, account: str, region: str) -> None:
    """Publish what a record has in it; one that is not as the specification says is a record and no more, as in AWS."""
    try:
        record = json.loads(message)
        at = datetime.fromtimestamp(record["_aws"]["Timestamp"] / 1000, tz=UTC)
        for directive in record["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: str(record[name]) for name in names}
                for metric in directive["Metrics"]:
                    found = record[metric["Name"]]
                    for value in found if isinstance(found, list) else [found]:
                        publish(
                            {metric["Name"]: value},
                            account=account,
                            region=region,
                            namespace=directive["Namespace"],
                            dimensions=dimensions,
                            unit=metric.get("Unit", "None"),
                            at=at,
                        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return
