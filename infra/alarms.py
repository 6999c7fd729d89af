"""What must not happen unseen: each alarm by the metric that it watches, and what it means.

`monitoring` makes them. Each has a section of its name in docs/operations.md, which says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.schedules import SILENT_PERIODS, longest_gap_hours
from profiling_groups.metric_names import BackfillMetric
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_

    from infra.backfill import Backfill
    from infra.metrics import EventMetrics, OwnMetrics
    from infra.provisioner import Provisioner

PAGE: Final = "docs/operations.md"
_FIVE_MINUTES: Final = cdk.Duration.minutes(5)
_HOUR: Final = cdk.Duration.hours(1)
_SUSTAINED: Final = 3
"""Periods in a row: events that wait for their turn for a quarter of an hour wait no longer for a burst to pass."""
QUOTA_PERCENT: Final = 80
_MOST_HOURS: Final = 7 * 24
"""How far back an alarm can look (CloudWatch API reference, PutMetricAlarm, EvaluationPeriods)."""
_LATE_HOURS: Final = 2
"""How much later than its schedule says a sweep may be over: it may start an hour late, and takes its time."""

_MISSING_IS_GOOD: Final = cloudwatch.TreatMissingData.NOT_BREACHING


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """An alarm.

    Attributes:
        name: Its name, behind the stack's; of its section in the page, too.
        metric: What it watches, with its statistic and period.
        threshold: From where on a data point is bad.
        says: What it means, a sentence or two.
        periods: How many of the latest data points are looked at.
        bad_points: How many of them have to be bad.
        operator: On which side of the threshold the bad is.
        missing: What is thought of a data point that is not there.
    """

    name: str
    metric: cloudwatch.IMetric
    threshold: float
    says: str
    periods: int = 1
    bad_points: int = 1
    operator: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
    missing: cloudwatch.TreatMissingData = _MISSING_IS_GOOD

    @property
    def description(self) -> str:
        """What it says to whom it wakes up."""
        return f"{self.says} What to do: {PAGE}#{self.name}"


def specs(  # noqa: PLR0913 - all by keyword
    *,
    provisioner: Provisioner,
    backfill: Backfill,
    own: OwnMetrics,
    events: EventMetrics,
    schedule: str | None,
    is_hub: bool,
) -> list[AlarmSpec]:
    """Return the alarms of a deployment.

    Args:
        provisioner: The event path.
        backfill: The sweeps.
        own: What this project's code counts.
        events: What EventBridge counts of the rule.
        schedule: When a sweep starts by itself, as EventBridge Scheduler writes it; None for never.
        is_hub: Whether it governs an organization.
    """
    found = [
        AlarmSpec(
            name="dead-letters",
            metric=provisioner.dead_letters.metric_approximate_number_of_messages_visible(
                period=_FIVE_MINUTES, statistic="Maximum"
            ),
            threshold=1,
            says="Events that could not be delivered, or not be worked on, wait in the dead-letter queue.",
        ),
        AlarmSpec(
            name="events-lost",
            metric=cloudwatch.MathExpression(
                expression="FILL(undelivered, 0) + FILL(unburied, 0) + FILL(unkept, 0)",
                label="events lost",
                period=_FIVE_MINUTES,
                using_metrics={
                    "undelivered": events.metric("FailedInvocations"),
                    "unburied": events.metric("InvocationsFailedToBeSentToDlq"),
                    "unkept": provisioner.function.metric("DeadLetterErrors", statistic="Sum"),
                },
            ),
            threshold=1,
            says="Events were neither worked on nor kept in the dead-letter queue. Only a sweep finds what they were"
            " about.",
        ),
        _errors(
            "provisioner",
            provisioner.function,
            says="The function failed over an event. Lambda tries it again twice, and then it is a dead letter.",
        ),
        _errors(
            "backfill",
            backfill.function,
            says="The function failed over a sweep, or over a request. The state machine tries a sweep again.",
        ),
        _throttles(
            "provisioner",
            provisioner.function,
            says="For a quarter of an hour, events have had to wait for free concurrency; after 6 hours they become"
            " dead letters.",
        ),
        _throttles(
            "backfill",
            backfill.function,
            says="For a quarter of an hour, sweeps have had to wait for free concurrency of the account.",
        ),
        AlarmSpec(
            name="sweep-failed",
            metric=backfill.machine.metric_failed(period=_FIVE_MINUTES, statistic="Sum"),
            threshold=1,
            says="An execution of the backfill's state machine has failed for good: some functions were not looked at.",
        ),
        AlarmSpec(
            name="functions-failed",
            metric=own.backfill(BackfillMetric.FAILED, statistic="Maximum", period=_HOUR),
            threshold=1,
            periods=_until_the_next(schedule),
            says="A backfill is complete, and some functions have failed in it: they may have no group.",
        ),
        AlarmSpec(
            name="quota",
            metric=own.backfill(BackfillMetric.QUOTA_USED_PERCENT, statistic="Maximum", period=_HOUR),
            threshold=QUOTA_PERCENT,
            # Sweeps are rare: as long as the latest is not sure to be among what is looked at, nothing is over.
            periods=_until_the_next(schedule),
            says=f"An account has {QUOTA_PERCENT} % or more of the profiling groups that it may have in a region. Once"
            " all are used, new functions get none.",
        ),
    ]
    hours = None if schedule is None else silence_hours(schedule)
    if hours is not None:
        found.append(
            AlarmSpec(
                name="silence",
                metric=own.backfill(BackfillMetric.DURATION, statistic="SampleCount", period=_HOUR),
                threshold=1,
                operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                missing=cloudwatch.TreatMissingData.BREACHING,
                periods=hours,
                bad_points=hours,
                says=f"No sweep has come to its end for {hours} hours, though one is due by {schedule}. (Right after a"
                " first deployment, none has yet.)",
            )
        )
    if is_hub:
        found += [
            AlarmSpec(
                name="accounts-unreachable",
                metric=own.outcomes(Action.SKIPPED, Reason.ACCOUNT_UNREACHABLE, period=_HOUR),
                threshold=1,
                periods=_until_the_next(schedule),
                says="The hub cannot assume its role in a governed account, so that functions there get no groups.",
            ),
            AlarmSpec(
                name="member-dead-letters",
                metric=own.backfill(BackfillMetric.MEMBER_DEAD_LETTERS, statistic="Maximum", period=_HOUR),
                threshold=1,
                periods=_until_the_next(schedule),
                says="Events of a member have not reached the hub, and wait in the member's own dead-letter queue.",
            ),
        ]
    return found


def _errors(which: str, function: lambda_.Function, *, says: str) -> AlarmSpec:
    return AlarmSpec(
        name=f"{which}-errors",
        metric=function.metric_errors(period=_FIVE_MINUTES, statistic="Sum"),
        threshold=1,
        says=says,
    )


def _throttles(which: str, function: lambda_.Function, *, says: str) -> AlarmSpec:
    return AlarmSpec(
        name=f"{which}-throttles",
        metric=function.metric_throttles(period=_FIVE_MINUTES, statistic="Sum"),
        threshold=1,
        periods=_SUSTAINED,
        bad_points=_SUSTAINED,
        says=says,
    )


def silence_hours(schedule: str) -> int | None:
    """Return after how many hours without a sweep something is wrong: two of the schedule's periods.

    A week at most, as no alarm looks back further; None where that is too little, or where there is no telling.
    """
    gap = longest_gap_hours(schedule)
    if gap is None or gap + _LATE_HOURS > _MOST_HOURS:
        return None
    return min(SILENT_PERIODS * gap, _MOST_HOURS)


def _until_the_next(schedule: str | None) -> int:
    """Return after how many hours there is another sweep for sure; a week at most."""
    gap = None if schedule is None else longest_gap_hours(schedule)
    return _MOST_HOURS if gap is None else min(gap + _LATE_HOURS, _MOST_HOURS)
