"""`report`: which functions have their group, and which not."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner

from ops.__main__ import commands
from tests.unit.account import ACCOUNT, REGION
from tests.unit.sweeping import OURS, WRITES

if TYPE_CHECKING:
    from click.testing import Result

    from tests.unit.sweeping import Sweeper

pytestmark = pytest.mark.usefixtures("operators_folder")


@pytest.fixture
def mixed(sweeper: Sweeper) -> Sweeper:
    """An account with a function in each state, and two groups without a function."""
    account = sweeper.account
    account.function("covered")
    account.make_group("aws-lambda-covered", tags=OURS)
    account.function("missing")
    account.function("drifted", tags={"team": "payments"})
    account.make_group("aws-lambda-drifted", tags=OURS)
    account.function("of-no-use")
    account.make_group("aws-lambda-of-no-use", tags=OURS, platform="Default")
    account.function("opted-out", tags={"codeguru-profiler": "off"})
    account.function("web", runtime="nodejs22.x")
    account.make_group("aws-lambda-gone", tags=OURS)
    account.make_group("somebody-elses", tags={})
    return sweeper


ENTRIES = [
    ("missing", "missing", "aws-lambda-missing", None),
    ("missing", "of-no-use", "aws-lambda-of-no-use", "compute_platform_mismatch"),
    ("drifted", "drifted", "aws-lambda-drifted", None),
    ("orphaned", "gone", "aws-lambda-gone", "function_gone"),
    ("skipped", "opted-out", None, "opted_out"),
    ("skipped", "web", None, "unsupported_runtime"),
    ("covered", "covered", "aws-lambda-covered", None),
]
"""What is to be told of `mixed`: status, function, group and reason."""


def run(*arguments: str) -> Result:
    """Run `report`."""
    return CliRunner().invoke(commands, ["report", *arguments])


def named(function: str | None) -> str:
    """Return the name in a function's ARN."""
    return (function or "").rpartition(":")[2]


def test_every_function_is_told_for_programs_and_nothing_is_written(mixed: Sweeper) -> None:
    """By status, with the totals; of four that should have a group, one has it."""
    done = run("--json")
    assert (done.exit_code, done.stderr) == (1, "")
    found: dict[str, Any] = json.loads(done.stdout)
    told = [(each["status"], named(each["function"]), each["group"], each["reason"]) for each in found["entries"]]
    assert told == ENTRIES
    runtimes = {named(each["function"]): each["runtime"] for each in found["entries"]}
    assert (runtimes["covered"], runtimes["web"], runtimes["gone"]) == ("python3.13", "nodejs22.x", None)
    counts = {"failed": 0, "missing": 2, "drifted": 1, "orphaned": 1, "skipped": 2, "covered": 1}
    assert (found["policy"], found["account"], found["region"]) == ("policy.yaml", ACCOUNT, REGION)
    assert found["totals"] == {
        "functions": 6,
        "eligible": 4,
        "covered": 1,
        "covered_percent": 25.0,
        "counts": counts,
    }
    assert not WRITES & set(mixed.account.sent)


@pytest.mark.usefixtures("mixed")
def test_every_function_is_told_for_spreadsheets() -> None:
    """The same, with headings."""
    done = run("--csv")
    assert done.exit_code == 1
    rows = list(csv.DictReader(done.stdout.splitlines()))
    told = [(row["status"], named(row["function"]), row["group"] or None, row["reason"] or None) for row in rows]
    assert told == ENTRIES
    assert {named(row["function"]): row["runtime"] for row in rows}["web"] == "nodejs22.x"


@pytest.mark.usefixtures("mixed")
def test_a_person_reads_the_problems_first() -> None:
    """What is covered is counted, and listed only if asked for."""
    lines = run().stdout.splitlines()
    assert lines[0] == (
        f"{ACCOUNT} in {REGION}, by policy.yaml: 25.0 % covered, 1 of 4 functions that should have a group."
    )
    listed = lines[lines.index("") :][-7:]
    assert [line.split()[:2] for line in listed] == [["status", "function"]] + [
        [status, function] for status, function, _, _ in ENTRIES if status != "covered"
    ]
    assert ["covered", "1"] in [line.split() for line in lines]
    assert run("--all").stdout.splitlines()[-1].split() == ["covered", "covered", "aws-lambda-covered"]


def test_all_is_well_when_a_sweep_has_been_there(mixed: Sweeper) -> None:
    """But for the group that cannot be changed, and the one that is left over, for which nobody is to blame."""
    mixed.sweep()
    statuses = [(each["status"], named(each["function"])) for each in json.loads(run("--json").stdout)["entries"]]
    assert statuses[:2] == [("missing", "of-no-use"), ("orphaned", "gone")]
    boto3.client("lambda", region_name=REGION).delete_function(FunctionName="of-no-use")
    done = run("--json")
    assert (done.exit_code, json.loads(done.stdout)["totals"]["covered_percent"]) == (0, 100.0)


@pytest.mark.usefixtures("sweeper")
def test_nothing_is_covered_where_there_is_nothing() -> None:
    """No division by nought."""
    done = run()
    assert (done.exit_code, done.stdout.splitlines()[0].partition(": ")[2]) == (
        0,
        "100.0 % covered, 0 of 0 functions that should have a group.",
    )


def test_a_percentage_is_rounded_down(sweeper: Sweeper) -> None:
    """All is all."""
    for name in ("orders", "reports"):
        sweeper.account.function(name)
    sweeper.sweep()
    sweeper.account.function("late")
    done = run("--json")
    assert (done.exit_code, json.loads(done.stdout)["totals"]["covered_percent"]) == (1, 66.6)


def test_what_cannot_be_looked_at_has_failed(sweeper: Sweeper) -> None:
    """Without leave to list tags at once they are read one by one; what is denied then is told."""
    sweeper.account.function("orders")
    sweeper.account.function("web", runtime="nodejs22.x")
    sweeper.account.fail("GetResources", (403, "AccessDeniedException"))
    sweeper.account.fail("ListTags", (403, "AccessDeniedException"))
    done = run()
    assert done.exit_code == 1
    assert "the tags of all functions could not be listed at once" in done.stderr
    failed, skipped = done.stdout.splitlines()[-2:]
    assert failed.split()[:3] == ["failed", "orders", "access_denied"]
    assert skipped.split()[:2] == ["skipped", "web"]


def test_functions_that_cannot_be_listed_end_it_in_a_line(sweeper: Sweeper) -> None:
    """With the permission that is lacking."""
    sweeper.account.fail("ListFunctions", (403, "AccessDeniedException"))
    done = run()
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: the functions cannot be listed: access_denied: lambda:ListFunctions on *")
    assert len(done.stderr.splitlines()) == 1


def test_a_policy_that_marks_no_groups_as_ours_cannot_tell_orphans(mixed: Sweeper) -> None:
    """It is said; the rest is told."""
    assert mixed
    Path("policy.yaml").write_text("tags: {add: {}}")
    done = run("--json")
    assert "orphaned" not in {each["status"] for each in json.loads(done.stdout)["entries"]}
    assert done.stderr == "the policy adds no tag managed-by, so groups that no function needs cannot be told\n"


def test_wrong_usage_is_told(sweeper: Sweeper) -> None:
    """And nothing is asked."""
    done = run("--json", "--csv")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--json or --csv, not both" in done.stderr
    assert not sweeper.account.sent
