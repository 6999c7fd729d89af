"""The one Logger and Metrics, and the one record that every outcome leaves in both."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from profiling_groups.metric_names import NAMESPACE, SERVICE, of_outcome
from profiling_groups.outcomes import Action, LogType, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.logging.types import PowertoolsLogRecord

    from profiling_groups.outcomes import Reason

# Powertools would prefer what it is given here.
_SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", SERVICE)


class _Formatter(LambdaPowertoolsFormatter):
    """Powertools leaves out what is null; an outcome's record has all of its fields, so that they can be relied on."""

    def serialize(self, log: dict[str, Any] | PowertoolsLogRecord) -> str:
        blank = {field.name: None for field in fields(Outcome)} if log.get("log_type") == LogType.OUTCOME else {}
        return super().serialize({**blank, **log})


# ASCII, because a record may hold text that is no valid Unicode; it must be written all the same.
logger = Logger(
    service=_SERVICE, logger_formatter=_Formatter(use_rfc3339=True, json_serializer=partial(json.dumps, default=str))
)
metrics = Metrics(namespace=NAMESPACE, service=_SERVICE)


def publish() -> None:
    """Write the metrics that were counted, if any; Powertools' own decorator would complain of none."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()


def record(outcome: Outcome) -> None:
    """Log an outcome and count it."""
    log(outcome)
    count({(outcome.action, outcome.reason): 1})


def log(outcome: Outcome) -> None:
    """Write an outcome's one record."""
    write = logger.error if outcome.action is Action.FAILED else logger.info
    write(LogType.OUTCOME, extra={"log_type": LogType.OUTCOME, **outcome.to_log()})


def count(outcomes: Mapping[tuple[Action, Reason | None], int]) -> None:
    """Count outcomes, in a metric named after their action and, with a reason, in `<action>.<reason>`."""
    by_action: Counter[Action] = Counter()
    for (action, reason), number in outcomes.items():
        by_action[action] += number
        if reason:
            metrics.add_metric(name=of_outcome(action, reason), unit=MetricUnit.Count, value=number)
    for action, number in by_action.items():
        metrics.add_metric(name=of_outcome(action), unit=MetricUnit.Count, value=number)
