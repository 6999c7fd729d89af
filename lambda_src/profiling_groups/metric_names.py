"""The names of the metrics, the same wherever they are counted and told of. Pure.

`observability` and `recorder` count under them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from profiling_groups.outcomes import REASONS

if TYPE_CHECKING:
    from profiling_groups.outcomes import Action, Reason

NAMESPACE: Final = "ProfilingGroups"
DIMENSION: Final = "service"
"""The one dimension that all of them have. It tells two deployments in one account and region apart."""
SERVICE: Final = "profiling-group-provisioner"
"""Its value, unless the function's environment has another (`POWERTOOLS_SERVICE_NAME`)."""


class BackfillMetric(StrEnum):
    """The summary of a complete backfill, once for each account and region."""

    FUNCTIONS = "backfill.functions"
    """Functions that there are."""
    ELIGIBLE = "backfill.eligible"
    """Of these, the ones that should have a group."""
    COVERED = "backfill.covered"
    """Of these, the ones that have it, as it should be."""
    COVERED_PERCENT = "backfill.covered_percent"
    CREATED = "backfill.created"
    FAILED = "backfill.failed"
    QUOTA_USED_PERCENT = "backfill.quota_used_percent"
    """Groups that there are, of those that there may be."""
    DURATION = "backfill.duration"
    """Seconds from its first run's beginning to its last one's end."""
    MEMBER_DEAD_LETTERS = "backfill.member_dead_letters"
    """In a hub: events that wait in the member's own dead-letter queue, as they did not reach the hub."""


def of_outcome(action: Action, reason: Reason | None = None) -> str:
    """Return the metric in which outcomes with an action are counted, or those of them that have a reason."""
    return f"{action}.{reason}" if reason else str(action)


OUTCOME_METRICS: Final = tuple(
    of_outcome(action, reason) for action, reasons in REASONS.items() for reason in (None, *reasons)
)
EVERY: Final = (*OUTCOME_METRICS, *map(str, BackfillMetric))
"""All that this project ever counts."""
