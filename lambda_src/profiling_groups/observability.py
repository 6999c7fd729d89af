"""The one Logger and Metrics, and the one record that every outcome leaves in both."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from profiling_groups.outcomes import Action, Outcome

if TYPE_CHECKING:
    from aws_lambda_powertools.logging.types import PowertoolsLogRecord

_OUTCOME = "outcome"

NAMESPACE = "ProfilingGroups"
SERVICE = "profiling-group-provisioner"


class _Formatter(LambdaPowertoolsFormatter):
    """Powertools leaves out what is null; an outcome's record has all of its fields, so that they can be relied on."""

    def serialize(self, log: dict[str, Any] | PowertoolsLogRecord) -> str:
        blank = {field.name: None for field in fields(Outcome)} if log.get("log_type") == _OUTCOME else {}
        return super().serialize({**blank, **log})


# ASCII, because a record may hold text that is no valid Unicode; it must be written all the same.
logger = Logger(
    service=SERVICE, logger_formatter=_Formatter(use_rfc3339=True, json_serializer=partial(json.dumps, default=str))
)
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)


def record(outcome: Outcome) -> None:
    """Log an outcome and count it, in a metric named after its action and, with a reason, in `<action>.<reason>`."""
    write = logger.error if outcome.action is Action.FAILED else logger.info
    write(_OUTCOME, extra={"log_type": _OUTCOME, **outcome.to_log()})
    metrics.add_metric(name=outcome.action, unit=MetricUnit.Count, value=1)
    if outcome.reason:
        metrics.add_metric(name=f"{outcome.action}.{outcome.reason}", unit=MetricUnit.Count, value=1)
