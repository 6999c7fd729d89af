"""Alarms: the state of each by the metrics that there are, and who hears of it when it changes.

They are looked at when the control endpoint is asked for it, as of any moment, and never by themselves. Periods end at
that moment, and as many are looked at as the alarm names; CloudWatch may look back a few more where data is missing,
and so be later to miss something. Left out: percentiles, anomaly detection, composite alarms (which keep their state),
metric math beyond `expressions`, and all actions but notifications of SNS.

What CloudWatch sends, it sends in its own name: topic and key must let it. Sources: CloudWatch user guide, "Alarm
evaluation", "Configuring how CloudWatch alarms treat missing data", "Notifying users on alarm changes"; SNS developer
guide, "Encrypting messages".
"""

from __future__ import annotations

import json
import logging
import operator
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from moto.cloudwatch.models import Statistics, cloudwatch_backends
from moto.kms.models import kms_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from embedded_aws.access.policies import AccessRequest, Decision, UnsupportedConditionError, evaluate
from embedded_aws.monitoring import metrics
from embedded_aws.monitoring.expressions import Series, UnsupportedExpressionError
from embedded_aws.monitoring.expressions import evaluate as evaluate_expression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from moto.cloudwatch.models import Alarm, MetricDatumBase

_LOG: Final = logging.getLogger(__name__)
_SERVICE: Final = "cloudwatch.amazonaws.com"
_STATISTICS: Final = frozenset({"Average", "Maximum", "Minimum", "SampleCount", "Sum"})
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}
_VISIBLE: Final = "ApproximateNumberOfMessagesVisible"


class UnsupportedAlarmError(Exception):
    """The sandbox cannot tell the state of an alarm; the text says which and why."""


@dataclass(frozen=True, kw_only=True)
class _Query:
    """One statistic of one metric."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    statistic: str
    period: int
    unit: str | None


_Key = tuple[str, str, frozenset[tuple[str, str]]]


class _Data:
    """The data points of an account and region, by metric, up to a moment."""

    def __init__(self, account: str, region: str, at: datetime) -> None:
        self._at = at
        self._data: defaultdict[_Key, list[MetricDatumBase]] = defaultdict(list)
        for datum in list(cloudwatch_backends[account][region].metric_data):
            dimensions = frozenset((str(each.name), str(each.value)) for each in datum.dimensions)
            self._data[datum.namespace, datum.name, dimensions].append(datum)

    def series(self, query: _Query, periods: int) -> Series:
        """The statistic of the latest periods, the latest first."""
        found: list[list[MetricDatumBase]] = [[] for _ in range(periods)]
        for datum in self._data[query.namespace, query.name, query.dimensions]:
            age = self._at - _aware(datum.timestamp)
            period = age // timedelta(seconds=query.period)
            if age >= timedelta(0) and period < periods and query.unit in {None, datum.unit}:
                found[period].append(datum)
        return [_statistic(query.statistic, data, self._at) for data in found]


def evaluate_all(account: str, region: str, *, at: datetime) -> dict[str, str]:
    """Give each alarm the state that it has at a moment, and let those be told that it names for a change.

    Queues' lengths are those of now, whatever the moment.

    Returns:
        The states by the alarms' names.

    Raises:
        UnsupportedAlarmError: one cannot be evaluated.
    """
    _measure_queues(account, region, at=at)
    data = _Data(account, region, at)
    alarms = cloudwatch_backends[account][region].alarms
    for alarm in list(alarms.values()):
        if alarm.rule is not None:
            continue
        before = alarm.state_value
        state, reason = _evaluate(alarm, data)
        if state == before:
            continue
        alarm.update_state(reason, "{}", state)
        for arn in _actions(alarm, state):
            _tell(arn, alarm, account, region, before=before, at=at)
    return {name: alarm.state_value for name, alarm in list(alarms.items())}


def _measure_queues(account: str, region: str, *, at: datetime) -> None:
    """SQS does so every minute; here it is the same with a look at the alarms."""
    for queue in list(sqs_backends[account][region].queues.values()):
        metrics.publish(
            {_VISIBLE: queue.approximate_number_of_messages},
            account=account,
            region=region,
            namespace="AWS/SQS",
            dimensions={"QueueName": queue.name},
            at=at,
        )


def _evaluate(alarm: Alarm, data: _Data) -> tuple[str, str]:
    """The state, and why."""
    compare = _COMPARISONS.get(alarm.comparison_operator)
    if compare is None:
        message = f"{alarm.name}: the sandbox does not know {alarm.comparison_operator}"
        raise UnsupportedAlarmError(message)
    periods, threshold = int(alarm.evaluation_periods), float(alarm.threshold)
    values = _values(alarm, data, periods)
    real = [value for value in values if value is not None]
    bad = sum(compare(value, threshold) for value in real)
    missing = periods - len(real)
    wanted = int(alarm.datapoints_to_alarm or periods)
    state = _state(alarm, bad=bad, good=len(real) - bad, missing=missing, wanted=wanted)
    reason = (
        f"Threshold Crossed: {bad} of the last {periods} datapoints were {alarm.comparison_operator} {threshold:g},"
        f" {missing} were missing (treated as {alarm.treat_missing_data or 'missing'});"
        f" {wanted} are needed for ALARM. The latest: {real[:3]}"
    )
    return state, reason


def _state(alarm: Alarm, *, bad: int, good: int, missing: int, wanted: int) -> str:
    """What the tables in "Configuring how CloudWatch alarms treat missing data" come to."""
    treated = alarm.treat_missing_data or "missing"
    if treated == "breaching":
        bad += missing
    if bad >= wanted:
        return "ALARM"
    if good or treated in {"breaching", "notBreaching"}:
        return "OK"
    if treated == "ignore":
        return str(alarm.state_value)
    return "ALARM" if bad else "INSUFFICIENT_DATA"


def _values(alarm: Alarm, data: _Data, periods: int) -> Series:
    if not alarm.metric_data_queries:
        return data.series(
            _query(
                alarm,
                namespace=alarm.namespace,
                name=alarm.metric_name,
                dimensions=alarm.dimensions,
                statistic=alarm.statistic,
                period=alarm.period,
                unit=alarm.unit,
            ),
            periods,
        )
    series: dict[str, Series] = {}
    for query in alarm.metric_data_queries:
        if query.metric_stat is not None:
            stat = query.metric_stat
            series[query.id] = data.series(
                _query(
                    alarm,
                    namespace=stat.metric.namespace,
                    name=stat.metric.metric_name,
                    dimensions=stat.metric.dimensions,
                    statistic=stat.stat,
                    period=stat.period,
                    unit=stat.unit,
                ),
                periods,
            )
    # An alarm has one query that returns data; left out, that is what it does.
    (watched,) = (query for query in alarm.metric_data_queries if str(query.return_data).lower() != "false")
    if watched.expression is None:
        return series[watched.id]
    try:
        return evaluate_expression(watched.expression, series, periods=periods)
    except UnsupportedExpressionError as error:
        message = f"{alarm.name}: the sandbox does not know the expression {error}"
        raise UnsupportedAlarmError(message) from error


def _query(  # noqa: PLR0913 - what moto has in two shapes, by keyword
    alarm: Alarm,
    *,
    namespace: str,
    name: str,
    dimensions: Iterable[Any],
    statistic: str | None,
    period: object,
    unit: str | None,
) -> _Query:
    if statistic not in _STATISTICS:
        message = f"{alarm.name}: the sandbox does not know the statistic {statistic or alarm.extended_statistic}"
        raise UnsupportedAlarmError(message)
    return _Query(
        namespace=namespace,
        name=name,
        dimensions=frozenset((str(each.name), str(each.value)) for each in dimensions),
        statistic=str(statistic),
        period=int(str(period)),
        unit=unit,
    )


def _statistic(name: str, data: list[MetricDatumBase], at: datetime) -> float | None:
    if not data:
        return None
    statistics = Statistics([name], at)
    statistics.metric_data = data
    found = statistics.get_statistics_for_type(name)
    return None if found is None else float(found)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _actions(alarm: Alarm, state: str) -> list[str]:
    if not alarm.actions_enabled:
        return []
    by_state = {"ALARM": alarm.alarm_actions, "OK": alarm.ok_actions}
    return list(by_state.get(state, alarm.insufficient_data_actions) or [])


def _tell(  # noqa: PLR0913 - who, where and when, most by keyword
    arn: str, alarm: Alarm, account: str, region: str, *, before: str, at: datetime
) -> None:
    topic = sns_backends[account][region].topics.get(arn)
    if topic is None:
        _LOG.warning("the alarm %s tells nobody: there is no topic %s", alarm.name, arn)
        return
    obstacle = _obstacle(topic, alarm, account, region)
    if obstacle is not None:
        _LOG.warning("the alarm %s tells nobody: %s", alarm.name, obstacle)
        return
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": account,
        "AlarmArn": alarm.alarm_arn,
        "Region": region,
        "OldStateValue": before,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
    }
    topic.publish(json.dumps(message), subject=f'{alarm.state_value}: "{alarm.name}" in {region}'[:100])


def _obstacle(topic: Any, alarm: Alarm, account: str, region: str) -> str | None:  # noqa: ANN401 - moto's topic is untyped
    """Why CloudWatch cannot publish there."""
    context = {
        "aws:sourcearn": alarm.alarm_arn,
        "aws:sourceaccount": account,
        "aws:sourceowner": account,
        "aws:securetransport": "true",
        "aws:principalisawsservice": "true",
        "aws:principalservicename": _SERVICE,
    }

    def may(action: str, resource: str, policy: object) -> bool:
        document = json.loads(policy) if isinstance(policy, str) else policy
        request = AccessRequest(
            action=action, resource=resource, context=context, principals=frozenset({("Service", _SERVICE)})
        )
        try:
            return evaluate([document], request) is Decision.ALLOWED  # type: ignore[list-item] # any JSON
        except UnsupportedConditionError:
            _LOG.exception("the policy of %s cannot be evaluated", resource)
            return False

    if not may("sns:Publish", topic.arn, topic.policy):
        return f"the policy of {topic.arn} does not let {_SERVICE} publish"
    if topic.kms_master_key_id:
        key = kms_backends[account][region].keys.get(topic.kms_master_key_id.rpartition("/")[2])
        if key is None or not all(
            may(action, key.arn, key.policy) for action in ("kms:Decrypt", "kms:GenerateDataKey")
        ):
            return f"the key {topic.kms_master_key_id} does not let {_SERVICE} use it"
    return None
