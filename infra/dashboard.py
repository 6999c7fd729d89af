"""The dashboard: what the deployment is for in the upper rows, and how it fares itself in the lower ones.

Every metric that the code counts is on it; a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.alarms import QUOTA_PERCENT
from profiling_groups.metric_names import BackfillMetric
from profiling_groups.outcomes import REASONS, Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.backfill import Backfill
    from infra.metrics import EventMetrics, OwnMetrics
    from infra.provisioner import Provisioner

_HOUR: Final = cdk.Duration.hours(1)
_DAY: Final = cdk.Duration.days(1)
_WHOLE: Final = 24
"""Columns of a dashboard."""
_HEIGHT: Final = 6
_HEADING_HEIGHT: Final = 2


def widgets(  # noqa: PLR0913 - all by keyword
    *,
    provisioner: Provisioner,
    backfill: Backfill,
    own: OwnMetrics,
    events: EventMetrics,
    alarms: Sequence[cloudwatch.Alarm],
    is_hub: bool,
) -> list[list[cloudwatch.IWidget]]:
    """Return the dashboard's rows.

    Args:
        provisioner: The event path.
        backfill: The sweeps.
        own: What this project's code counts.
        events: What EventBridge counts of the rule.
        alarms: The deployment's alarms.
        is_hub: Whether it governs an organization.
    """
    return [
        [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=_WHOLE, height=3)],
        [_heading("Functions and their groups", "What this deployment is for.")],
        _business(own),
        _by_reason(own),
        [_heading("The deployment itself", "Whether it hears, keeps up and comes to its ends.")],
        _event_path(provisioner, events, of_members=_members_letters(own) if is_hub else ()),
        _sweeps(backfill, own, provisioner),
    ]


def _business(own: OwnMetrics) -> list[cloudwatch.IWidget]:
    def daily(metric: BackfillMetric, statistic: str) -> cloudwatch.Metric:
        return own.backfill(metric, statistic=statistic, period=_DAY)

    covered = cloudwatch.MathExpression(
        expression="100 * covered / eligible",
        label="functions that have their group, %",
        period=_DAY,
        using_metrics={
            "covered": daily(BackfillMetric.COVERED, "Sum"),
            "eligible": daily(BackfillMetric.ELIGIBLE, "Sum"),
        },
    )
    worst = daily(BackfillMetric.COVERED_PERCENT, "Minimum")
    per_cent = cloudwatch.YAxisProps(min=0, max=100, label="%", show_units=False)
    return [
        _graph("Coverage (daily; the place that is worst)", [covered, worst], left_y_axis=per_cent),
        _graph(
            "Functions (daily, of all sweeps)",
            [
                daily(metric, "Sum")
                for metric in (BackfillMetric.FUNCTIONS, BackfillMetric.ELIGIBLE, BackfillMetric.COVERED)
            ],
            [daily(metric, "Sum") for metric in (BackfillMetric.CREATED, BackfillMetric.FAILED)],
        ),
        _graph(
            "Quota of groups in use (the account and region that uses most)",
            [own.backfill(BackfillMetric.QUOTA_USED_PERCENT, statistic="Maximum", period=_HOUR)],
            left_y_axis=per_cent,
            left_annotations=[cloudwatch.HorizontalAnnotation(value=QUOTA_PERCENT, label="alarm")],
        ),
        _graph(
            "Groups, by what became of them",
            [own.outcomes(action, period=_HOUR) for action in Action if action is not Action.EXISTS],
            # What a sweep finds as wanted is thousands.
            [own.outcomes(Action.EXISTS, period=_HOUR)],
        ),
    ]


def _by_reason(own: OwnMetrics) -> list[cloudwatch.IWidget]:
    def reasons(*actions: Action) -> list[cloudwatch.Metric]:
        return [own.outcomes(action, reason, period=_HOUR) for action in actions for reason in REASONS[action]]

    return [
        _graph("Skipped, by reason", reasons(Action.SKIPPED), width=_WHOLE // 3),
        _graph("Failed, by reason", reasons(Action.FAILED), width=_WHOLE // 3),
        _graph(
            "Left over, or of no use, by reason",
            reasons(Action.DELETED, Action.ORPHANED, Action.EXISTS),
            width=_WHOLE // 3,
        ),
    ]


def _members_letters(own: OwnMetrics) -> list[cloudwatch.IMetric]:
    return [own.backfill(BackfillMetric.MEMBER_DEAD_LETTERS, statistic="Maximum", period=_HOUR)]


def _event_path(
    provisioner: Provisioner, events: EventMetrics, *, of_members: Sequence[cloudwatch.IMetric]
) -> list[cloudwatch.IWidget]:
    function, letters = provisioner.function, provisioner.dead_letters
    return [
        _graph(
            "Events",
            [
                events.metric(name)
                for name in (
                    "Invocations",
                    "FailedInvocations",
                    "InvocationsSentToDlq",
                    "InvocationsFailedToBeSentToDlq",
                )
            ],
        ),
        _graph(
            "Latency of events",
            [function.metric_duration(statistic=each, label=f"at work, {each}") for each in ("p50", "p99")],
            [function.metric("AsyncEventAge", statistic="Maximum", label="waited, at most")],
        ),
        _graph(
            "Errors of the provisioner function",
            [
                function.metric_errors(statistic="Sum", label="errors"),
                function.metric_throttles(statistic="Sum", label="throttles"),
                function.metric("DeadLetterErrors", statistic="Sum", label="letters that were not kept"),
            ],
            [function.metric_invocations(statistic="Sum", label="invocations")],
        ),
        _graph(
            "Dead letters",
            [letters.metric_approximate_number_of_messages_visible(statistic="Maximum", label="waiting"), *of_members],
            [letters.metric_approximate_age_of_oldest_message(statistic="Maximum", label="age of the oldest")],
        ),
    ]


def _sweeps(backfill: Backfill, own: OwnMetrics, provisioner: Provisioner) -> list[cloudwatch.IWidget]:
    function, machine = backfill.function, backfill.machine
    return [
        _graph(
            "Duration of sweeps (of an account and region)",
            [
                own.backfill(BackfillMetric.DURATION, statistic=statistic, period=_HOUR)
                for statistic in ("Average", "Maximum")
            ],
        ),
        _graph(
            "Executions of the state machine",
            [
                metric(statistic="Sum", period=_HOUR)
                for metric in (machine.metric_started, machine.metric_succeeded, machine.metric_failed)
            ],
        ),
        _graph(
            "Errors of the backfill function",
            [
                function.metric_errors(statistic="Sum", label="errors"),
                function.metric_throttles(statistic="Sum", label="throttles"),
            ],
            [function.metric_invocations(statistic="Sum", label="invocations")],
        ),
        _graph(
            "Concurrency",
            [
                each.metric("ConcurrentExecutions", statistic="Maximum", label=label)
                for each, label in ((provisioner.function, "provisioner"), (function, "backfill"))
            ],
        ),
    ]


def _heading(title: str, text: str) -> cloudwatch.TextWidget:
    return cloudwatch.TextWidget(markdown=f"## {title}\n{text}", width=_WHOLE, height=_HEADING_HEIGHT)


def _graph(  # noqa: PLR0913 - a graph's parts, by keyword
    title: str,
    left: Sequence[cloudwatch.IMetric],
    right: Sequence[cloudwatch.IMetric] = (),
    *,
    width: int = _WHOLE // 4,
    left_y_axis: cloudwatch.YAxisProps | None = None,
    left_annotations: Sequence[cloudwatch.HorizontalAnnotation] = (),
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(left),
        right=list(right),
        width=width,
        height=_HEIGHT,
        left_y_axis=left_y_axis,
        left_annotations=list(left_annotations),
    )
