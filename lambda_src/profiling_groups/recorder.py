"""What a run leaves behind in Lambda: a record for each outcome, now and then one of its progress, and metrics.

`handler` gives it to `sweep` as the watcher.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.metrics import MetricUnit

from profiling_groups.aws import explain
from profiling_groups.metric_names import BackfillMetric
from profiling_groups.observability import count, log, logger, metrics
from profiling_groups.outcomes import Action, LogType
from profiling_groups.runs import named

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from profiling_groups.functions import Place
    from profiling_groups.outcomes import Outcome, Reason
    from profiling_groups.runs import Run, Tally

_EVERY_SECONDS: Final = 5.0


class Recorder:
    """The watcher of a run in Lambda.

    Args:
        place: Account and region.
        dry_run: Whether the run writes nothing; then it is not counted either.
        count_dead_letters: Counts the messages in a member's own dead-letter queue; None where there are no members.
    """

    def __init__(
        self, place: Place, *, dry_run: bool, count_dead_letters: Callable[[Place], int] | None = None
    ) -> None:
        self._place = place
        self._dry_run = dry_run
        self._count_dead_letters = count_dead_letters
        self._sweep = ""
        self._functions = 0
        self._counts: Counter[Action] = Counter()
        self._told_at = float("-inf")
        self._outcomes: Counter[tuple[Action, Reason | None]] = Counter()

    def warning(self, text: str) -> None:
        """Log that something is out of order."""
        where = {"account": self._place.account, "region": self._place.region}
        logger.warning("something is out of order, and the run goes on in another way", extra={"detail": text, **where})

    def inventoried(self, *, functions: int, before: Tally, sweep: str) -> None:
        """Log that the run begins."""
        self._sweep, self._functions = sweep, functions
        self._counts = Counter(before.counts)
        self._progress()

    def outcome(self, outcome: Outcome) -> None:
        """Log an outcome, and from time to time how far the run is."""
        log(outcome)
        self._outcomes[outcome.action, outcome.reason] += 1
        self._counts[outcome.action] += 1
        if time.monotonic() - self._told_at >= _EVERY_SECONDS:
            self._progress()

    def finish(self, run: Run, *, now: datetime) -> None:
        """Log that the run is over, and count its outcomes; those of a sweep that is complete are summed up."""
        self._progress()
        if self._dry_run:
            return
        count(self._outcomes)
        totals = run.totals
        if totals is None or totals.sweep is None or not run.complete:
            return
        sums = {
            BackfillMetric.FUNCTIONS: totals.functions,
            BackfillMetric.ELIGIBLE: totals.eligible,
            BackfillMetric.COVERED: totals.covered,
            BackfillMetric.CREATED: totals.counts.get(Action.CREATED, 0),
            BackfillMetric.FAILED: totals.counts.get(Action.FAILED, 0),
        }
        for name, number in sums.items():
            metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)
        covered = totals.covered / totals.eligible if totals.eligible else 1.0
        metrics.add_metric(name=BackfillMetric.COVERED_PERCENT, unit=MetricUnit.Percent, value=100 * covered)
        if totals.groups is not None and totals.quota:
            used = 100 * totals.groups / totals.quota
            metrics.add_metric(name=BackfillMetric.QUOTA_USED_PERCENT, unit=MetricUnit.Percent, value=used)
        seconds = (now - totals.began).total_seconds()
        metrics.add_metric(name=BackfillMetric.DURATION, unit=MetricUnit.Seconds, value=seconds)
        if self._count_dead_letters is not None:
            self._record_dead_letters(self._count_dead_letters)

    def _record_dead_letters(self, count_dead_letters: Callable[[Place], int]) -> None:
        """Count the events that a member could not forward; the metric has no account, so the log names it."""
        try:
            waiting = count_dead_letters(self._place)
        except Exception as error:  # noqa: BLE001 - the backfill itself is complete
            failure = explain(error, function="the member's dead-letter queue", group=None)
            why = f"{failure.reason}: {failure.detail}"
            self.warning(f"the depth of the member's dead-letter queue could not be read ({why})")
            return
        metrics.add_metric(name=BackfillMetric.MEMBER_DEAD_LETTERS, unit=MetricUnit.Count, value=waiting)
        if waiting:
            self.warning(f"{waiting} events wait in the member's dead-letter queue: they did not reach the hub")

    def _progress(self) -> None:
        self._told_at = time.monotonic()
        fields = {
            "log_type": LogType.PROGRESS,
            "run": self._sweep,
            "functions": self._functions,
            # Groups that are left over are not among the functions.
            "done": min(self._counts.total(), self._functions),
            "counts": named(self._counts),
            "account": self._place.account,
            "region": self._place.region,
            "dry_run": self._dry_run,
        }
        logger.info(LogType.PROGRESS, extra=fields)
