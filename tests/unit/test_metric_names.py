"""Metrics: what is counted is what the names say, and under which service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from profiling_groups.metric_names import EVERY, OUTCOME_METRICS, SERVICE, BackfillMetric
from profiling_groups.observability import count, metrics
from profiling_groups.outcomes import REASONS, Action, Reason
from profiling_groups.runs import Totals
from tests.unit.sweeping import finish

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)


def test_all_that_is_counted_has_a_name_and_each_name_is_counted() -> None:
    """Every outcome that there may be, and a backfill that is complete, of a member."""
    totals = Totals(
        sweep="s", began=NOW, functions=1, eligible=1, covered=1, counts={Action.EXISTS: 1}, groups=1, quota=500
    )
    try:
        count(Counter((action, reason) for action, reasons in REASONS.items() for reason in (None, *reasons)))
        outcomes = set(metrics.provider.metric_set)
        finish(totals, now=NOW, count_dead_letters=lambda _: 0)
        everything = set(metrics.provider.metric_set)
    finally:
        metrics.provider.clear_metrics()
    assert outcomes == set(OUTCOME_METRICS)
    assert everything - outcomes == set(BackfillMetric)
    assert everything == set(EVERY)


def test_the_reasons_of_each_action_are_those_that_the_readme_explains() -> None:
    """Each reason is one of an action's, and no action is forgotten."""
    assert set(REASONS) == set(Action)
    assert {reason for reasons in REASONS.values() for reason in reasons} == set(Reason)
    rows = (ROOT / "README.md").read_text().split("| action | reason | meaning |")[1].split("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("| `")]
    told = {(action.strip("`"), reason.strip("`")) for action, reason, _ in cells if reason}
    known = {(action, reason) for action, reasons in REASONS.items() for reason in reasons}
    # A row each would say the same of both: these stand in a sentence.
    shared = REASONS[Action.DELETED]
    assert told == known - {(action, reason) for action in (Action.DELETED, Action.ORPHANED) for reason in shared}
    (meaning,) = (meaning for action, _, meaning in cells if action == f"`{Action.DELETED}`")
    assert all(f"`{reason}`" in meaning for reason in shared)


@pytest.mark.parametrize(
    ("environment", "expected"), [({}, SERVICE), ({"POWERTOOLS_SERVICE_NAME": f"{SERVICE}-blue"}, f"{SERVICE}-blue")]
)
def test_two_deployments_in_one_account_count_apart_where_the_environment_says_so(
    environment: dict[str, str], expected: str
) -> None:
    """In log records and metrics alike."""
    script = "from profiling_groups.observability import logger, metrics; print(logger.service, metrics.service)"
    path = os.pathsep.join((str(ROOT / "lambda_src"), *sys.path))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": path, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [expected, expected]
