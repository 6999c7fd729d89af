"""The entry point when somebody asks for something: what comes back, and what is left in logs and metrics."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from embedded_aws.moto_services.codeguruprofiler.models import codeguruprofiler_backends
from profiling_groups import recorder
from profiling_groups.cursors import StaleCursorError
from profiling_groups.handler import handler
from profiling_groups.inventory import InventoryError
from profiling_groups.outcomes import Action, Outcome
from profiling_groups.policy import Functions, Globs, Policy
from profiling_groups.recorder import Recorder
from profiling_groups.requests import InvalidRequestError
from profiling_groups.runs import Tally
from tests.unit.account import ACCOUNT, REGION
from tests.unit.invocation import Context
from tests.unit.marks import created_for
from tests.unit.sweeping import PLACE, WRITES, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.records import Json
    from tests.unit.account import Account
    from tests.unit.invocation import Traces
    from tests.unit.sweeping import Sweeper

pytestmark = pytest.mark.usefixtures("obey")

EVENTS = Path(__file__).parents[2] / "events"
BACKFILL: dict[str, Any] = json.loads((EVENTS / "backfill.json").read_text())
NAMES = {"drifted": "updated", "kept": "exists", "new": "created", "node": "skipped", "refused": "failed"}


@pytest.fixture
def mixed(sweeper: Sweeper) -> Account:
    """An account with a function of each kind; for one of them a group is refused."""
    found = sweeper.account
    for name in NAMES:
        found.function(name, tags={"team": "billing"}, runtime="nodejs22.x" if name == "node" else "python3.13")
    found.make_group("aws-lambda-drifted", tags=created_for("drifted"))
    found.make_group("aws-lambda-kept", tags=created_for("kept", team="billing"))
    codeguruprofiler_backends[ACCOUNT][REGION].quota = 3
    return found


def test_a_backfill_tells_of_all_functions(mixed: Account, traces: Traces) -> None:
    """One run as its answer, a record for each outcome, its progress, and its sums as metrics."""
    run = handler(BACKFILL, Context())
    assert json.loads(json.dumps(run)) == run
    assert (run["action"], run["account"], run["region"]) == ("backfill", ACCOUNT, REGION)
    assert (run["dry_run"], run["complete"], run["cursor"], run["truncated"]) == (False, True, None, False)
    counts = dict.fromkeys(["created", "exists", "updated", "skipped", "failed"], 1)
    assert run["counts"] == counts
    assert run["outcomes"][0]["action"] == "failed"
    assert Counter(each["action"] for each in run["outcomes"]) == Counter(counts.keys() - {"exists"})
    totals = run["totals"]
    assert datetime.fromisoformat(totals["began"]).tzinfo is UTC
    assert {key: totals[key] for key in ("functions", "eligible", "covered", "counts", "groups", "quota")} == {
        "functions": 5,
        "eligible": 4,
        "covered": 3,
        "counts": counts,
        "groups": 3,
        "quota": 3,
    }
    outcomes = traces.records("outcome")
    assert Counter(found["action"] for found in outcomes) == counts
    assert len({found["function"] for found in outcomes}) == 5
    progress = traces.records("progress")
    assert [found["done"] for found in (progress[0], progress[-1])] == [0, 5]
    last = {key: progress[-1][key] for key in ("run", "functions", "counts", "account", "region", "dry_run")}
    assert last == {
        "run": totals["sweep"],
        "functions": 5,
        "counts": counts,
        "account": ACCOUNT,
        "region": REGION,
        "dry_run": False,
    }
    metrics = traces.metrics()
    expected = {
        "backfill.functions": 5,
        "backfill.eligible": 4,
        "backfill.covered": 3,
        "backfill.created": 1,
        "backfill.failed": 1,
        "backfill.covered_percent": 75,
        "backfill.quota_used_percent": 100,
        "created": 1,
        "exists": 1,
        "updated": 1,
        "skipped": 1,
        "skipped.unsupported_runtime": 1,
        "failed": 1,
        "failed.quota_exceeded": 1,
    }
    assert {name: metrics[name] for name in expected} == {name: [value] for name, value in expected.items()}
    assert metrics["backfill.duration"][0] >= 0
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("ProfilingGroups", [["service"]])
    units = {each["Name"]: each["Unit"] for each in directive["Metrics"]}
    assert units["backfill.duration"] == "Seconds"
    assert units["backfill.covered_percent"] == units["backfill.quota_used_percent"] == "Percent"
    assert mixed.groups() == ["aws-lambda-drifted", "aws-lambda-kept", run_group(run)]


def run_group(run: Json) -> str:
    """Return the group that a run has created."""
    (group,) = (each["group"] for each in run["outcomes"] if each["action"] == "created")
    return str(group)


def test_a_dry_backfill_writes_nothing_and_counts_nothing(mixed: Account, traces: Traces) -> None:
    """Its records say that it was dry; metrics, which tell of what has happened, there are none."""
    run = handler(BACKFILL | {"dry_run": True}, Context())
    assert (run["dry_run"], run["counts"]) == (True, {"created": 2, "exists": 1, "updated": 1, "skipped": 1})
    assert not WRITES & set(mixed.sent)
    assert {found["dry_run"] for found in traces.records()} == {True}
    assert traces.capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("payload", "context"),
    [({"time_budget_seconds": 0}, Context()), ({}, Context(seconds_left=0))],
    ids=["its budget", "Lambda's own"],
)
def test_a_backfill_without_time_goes_on_from_its_cursor(
    mixed: Account, traces: Traces, payload: Json, context: Context
) -> None:
    """Each invocation gets somewhere; the progress goes on; the sums are those of all, and come once."""
    runs = [handler(BACKFILL | payload, context)]
    while cursor := runs[-1]["cursor"]:
        assert runs[-1]["complete"] is False
        assert runs[-1]["totals"]["quota"] is None
        runs.append(handler(BACKFILL | payload | {"cursor": cursor}, context))
        assert len(runs) <= len(NAMES)
    assert len(runs) == 5
    assert [sum(run["counts"].values()) for run in runs] == [1] * 5
    assert [run["totals"]["eligible"] for run in runs] == [1, 2, 3, 3, 4]
    assert len({found["run"] for found in traces.records("progress")}) == 1
    assert [found["done"] for found in traces.records("progress")][::2] == [0, 1, 2, 3, 4]
    lines = [json.loads(line) for line in traces.capsys.readouterr().out.splitlines()]
    assert [line.get("backfill.functions") for line in lines] == [None] * 4 + [[5.0]]
    assert [line.get(action) for line, action in zip(lines, NAMES.values(), strict=True)] == [[1.0]] * 5
    assert "aws-lambda-new" in mixed.groups()


def test_a_cursor_of_another_policy_is_refused(mixed: Account, obey: Callable[[Policy], None], traces: Traces) -> None:
    """Before anything is asked of AWS."""
    cursor = handler(BACKFILL | {"time_budget_seconds": 0}, Context())["cursor"]
    obey(Policy(functions=Functions(names=Globs(exclude=("tmp-*",)))))
    mixed.sent.clear()
    with pytest.raises(StaleCursorError, match="another policy"):
        handler(BACKFILL | {"cursor": cursor}, Context())
    assert mixed.sent == []
    assert len(traces.records("outcome")) == 1


def test_without_an_inventory_the_error_says_why(mixed: Account) -> None:
    """The state machine goes by its name."""
    mixed.fail("ListFunctions", (403, "AccessDeniedException"))
    with pytest.raises(InventoryError, match=r"access_denied: lambda:ListFunctions on \*"):
        handler(BACKFILL, Context())


def test_what_is_missed_is_a_warning_in_the_log(mixed: Account, traces: Traces) -> None:
    """The run goes on, and nothing of it is wrong."""
    mixed.fail("GetServiceQuota", (403, "AccessDeniedException"))
    run = handler(BACKFILL, Context())
    assert run["totals"]["quota"] == 500
    (warning,) = (found for found in traces.records() if found["level"] == "WARNING")
    assert "GetServiceQuota" in warning["detail"]


def test_a_provision_tells_of_the_functions_that_were_named(mixed: Account, traces: Traces) -> None:
    """Of each, and of one that is not there; of no sums."""
    payload = {"action": "provision", "functions": ["new", "gone", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:kept"]}
    run = handler(payload, Context())
    assert (run["action"], run["complete"], run["cursor"]) == ("provision", True, None)
    assert "totals" not in run
    assert run["counts"] == {"created": 1, "exists": 1, "skipped": 1}
    assert {each["function"].rpartition(":")[2]: each["action"] for each in run["outcomes"]} == {
        "new": "created",
        "gone": "skipped",
    }
    assert len(traces.records("outcome")) == 3
    metrics = traces.metrics()
    assert (metrics["created"], metrics["skipped.function_gone"]) == ([1.0], [1.0])
    assert not any(name.startswith("sweep.") for name in metrics)
    assert mixed.group("aws-lambda-new")["tags"] == created_for("new", team="billing")


def test_a_dry_provision_writes_nothing_and_says_what_would_be_done(mixed: Account, traces: Traces) -> None:
    """A group that is missing stays so."""
    run = handler({"action": "provision", "functions": ["drifted", "kept", "new"], "dry_run": True}, Context())
    assert run["counts"] == {"created": 1, "exists": 1, "updated": 1}
    assert not WRITES & set(mixed.sent)
    assert traces.capsys.readouterr().out == ""


def test_the_payload_of_the_examples_is_a_dry_run(mixed: Account, traces: Traces) -> None:
    """Whoever copies it does no harm; in another account, its second function is refused."""
    payload = (EVENTS / "provision.json").read_text()
    with pytest.raises(InvalidRequestError, match=r"functions\[1\]"):
        handler(json.loads(payload), Context())
    run = handler(json.loads(payload.replace("444455556666", ACCOUNT)), Context())
    assert (run["dry_run"], run["counts"]) == (True, {"skipped": 2})
    assert not WRITES & set(mixed.sent)
    assert {found["reason"] for found in traces.records("outcome")} == {"function_gone"}


@pytest.mark.parametrize(
    "payload",
    [{"action": "sweep"}, BACKFILL | {"cursor": "garbled"}, {"action": "provision", "functions": []}],
    ids=str,
)
def test_what_is_refused_costs_no_call_and_leaves_nothing(mixed: Account, payload: Json, traces: Traces) -> None:
    """Nothing is done about it at all; the error is whoever asked's to read."""
    with pytest.raises(InvalidRequestError):
        handler(payload, Context())
    assert mixed.sent == []
    assert (traces.records(), traces.capsys.readouterr().out) == ([], "")


def test_progress_is_told_at_most_every_five_seconds(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of functions, of which there are as many as were counted: what is left over besides is none."""
    clock = Clock()
    monkeypatch.setattr(recorder, "time", clock)
    watcher = Recorder(PLACE, dry_run=False)
    watcher.inventoried(functions=8, before=Tally(counts=Counter({Action.EXISTS: 1})), sweep="s")
    for _ in range(8):
        clock.sleep(2)
        watcher.outcome(Outcome(function="f", action=Action.CREATED, account=ACCOUNT, region=REGION))
    assert [found["done"] for found in traces.records("progress")] == [1, 4, 7]
    clock.sleep(2)
    watcher.outcome(Outcome(function=None, action=Action.DELETED, account=ACCOUNT, region=REGION))
    assert [found["done"] for found in traces.records("progress")] == [1, 4, 7, 8]
