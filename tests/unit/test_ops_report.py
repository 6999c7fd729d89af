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
from profiling_groups.ownership import ADOPTED_FOR, CREATED_FOR
from tests.unit.account import ACCOUNT, REGION
from tests.unit.marks import ADDED, created_for
from tests.unit.sweeping import WRITES

if TYPE_CHECKING:
    from click.testing import Result

    from tests.unit.sweeping import Sweeper

pytestmark = pytest.mark.usefixtures("operators_folder")


@pytest.fixture
def mixed(sweeper: Sweeper) -> Sweeper:
    """An account with a function in each state, a group of ours without a function, and groups of others."""
    account = sweeper.account
    account.function("covered")
    account.make_group("aws-lambda-covered", tags=created_for("covered"))
    account.function("missing")
    account.function("drifted", tags={"team": "payments"})
    account.make_group("aws-lambda-drifted", tags=created_for("drifted"))
    account.function("terraform", tags={"team": "payments"})
    account.make_group("aws-lambda-terraform", tags={**ADDED, "team": "infra"})
    account.function("of-no-use")
    account.make_group("aws-lambda-of-no-use", tags=created_for("of-no-use"), platform="Default")
    account.function("opted-out", tags={"codeguru-profiler": "off"})
    account.function("web", runtime="nodejs22.x")
    account.make_group("aws-lambda-gone", tags=created_for("gone"))
    account.make_group("aws-lambda-gone-too", tags=ADDED)
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
    ("covered", "terraform", "aws-lambda-terraform", "owned_elsewhere"),
]
"""What is to be told of `mixed`: status, function, group and reason."""


def run(*arguments: str) -> Result:
    """Run `report`."""
    return CliRunner().invoke(commands, ["report", *arguments])


def named(function: str | None) -> str:
    """Return the name in a function's ARN."""
    return (function or "").rpartition(":")[2]


def test_every_function_is_told_for_programs_and_nothing_is_written(mixed: Sweeper) -> None:
    """By status, with the totals; of five that should have a group, two have it, one of them somebody else's."""
    done = run("--json")
    assert (done.exit_code, done.stderr) == (1, "")
    found: dict[str, Any] = json.loads(done.stdout)
    told = [(each["status"], named(each["function"]), each["group"], each["reason"]) for each in found["entries"]]
    assert told == ENTRIES
    runtimes = {named(each["function"]): each["runtime"] for each in found["entries"]}
    assert (runtimes["covered"], runtimes["web"], runtimes["gone"]) == ("python3.13", "nodejs22.x", None)
    counts = {"failed": 0, "missing": 2, "drifted": 1, "orphaned": 1, "skipped": 2, "covered": 2}
    assert (found["policy"], found["account"], found["region"]) == ("policy.yaml", ACCOUNT, REGION)
    assert found["totals"] == {
        "functions": 7,
        "eligible": 5,
        "covered": 2,
        "covered_percent": 40.0,
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
    assert lines[:2] == [
        f"{ACCOUNT} in {REGION}, by policy.yaml: 40.0 % covered, 2 of 5 functions that should have a group.",
        "1 of these have a group that others manage (owned_elsewhere).",
    ]
    listed = lines[lines.index("") :][-7:]
    assert [line.split()[:2] for line in listed] == [["status", "function"]] + [
        [status, function] for status, function, _, _ in ENTRIES if status != "covered"
    ]
    assert ["covered", "2"] in [line.split() for line in lines]
    ours, others = [line.split() for line in run("--all").stdout.splitlines()[-2:]]
    assert ours == ["covered", "covered", "aws-lambda-covered"]
    assert others[:4] == ["covered", "terraform", "aws-lambda-terraform", "owned_elsewhere"]


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


@pytest.mark.parametrize("managed_by", ["{}", "{managed-by: us}"])
@pytest.mark.usefixtures("mixed")
def test_report_knows_its_own_groups_whatever_the_policy_adds(managed_by: str) -> None:
    """Only the mark tells: not managed-by, and not the name."""
    Path("policy.yaml").write_text(f"tags: {{add: {managed_by}}}")
    done = run("--json")
    entries = json.loads(done.stdout)["entries"]
    assert [each["group"] for each in entries if each["status"] == "orphaned"] == ["aws-lambda-gone"]
    assert done.stderr == ""


def test_report_says_why_a_group_is_orphaned(sweeper: Sweeper) -> None:
    """One that was adopted, one whose function has another group by now, and one whose function is gone."""
    account = sweeper.account
    account.function("busy")
    account.make_group("aws-lambda-busy", tags=created_for("busy"))
    account.make_group("old-busy", tags=created_for("busy"))
    account.make_group("aws-lambda-taken", tags={ADOPTED_FOR: created_for("taken")[CREATED_FOR]})
    account.make_group("aws-lambda-gone", tags=created_for("gone"))
    Path("policy.yaml").write_text("lifecycle: {when_function_is_deleted: delete}")
    entries = {each["group"]: each for each in json.loads(run("--json").stdout)["entries"]}
    told = {name: (each["status"], each["reason"]) for name, each in entries.items()}
    assert told == {
        "aws-lambda-busy": ("covered", None),
        "old-busy": ("orphaned", "superseded"),
        "aws-lambda-taken": ("orphaned", "function_gone"),
        "aws-lambda-gone": ("orphaned", "function_gone"),
    }
    assert "aws-lambda-busy now; to delete it: aws codeguruprofiler" in entries["old-busy"]["detail"]
    assert "it was adopted, and only its owner deletes it" in entries["aws-lambda-taken"]["detail"]
    assert "orphan_grace_days" in entries["aws-lambda-gone"]["detail"]


@pytest.mark.parametrize("named", ["there", f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/there"])
def test_report_says_that_a_named_group_does_not_exist(sweeper: Sweeper, named: str) -> None:
    """In JSON and in the table; a group of another account is not looked for."""
    account = sweeper.account
    account.make_group("there", tags={})
    variable = "AWS_CODEGURU_PROFILER_GROUP_" + ("ARN" if named.startswith("arn:") else "NAME")
    account.function("good", variables={variable: named})
    account.function("lost", variables={variable: named.replace("there", "nowhere")})
    account.function("elsewhere", variables={variable: named.replace("there", "nowhere").replace(ACCOUNT, "1" * 12)})
    details = {
        each["function"].rpartition(":")[2]: (each["status"], each["reason"], each["detail"])
        for each in json.loads(run("--json").stdout)["entries"]
    }
    gone = f"its environment names {named.replace('there', 'nowhere')}, which does not exist"
    assert details["lost"] == ("skipped", "own_group", gone)
    assert details["good"] == ("skipped", "own_group", f"its environment names {named}")
    assert details["elsewhere"][2].endswith("exist") is not named.startswith("arn:")
    assert gone in run().stdout


def test_report_skips_what_reports_to_another_region(sweeper: Sweeper) -> None:
    """With the region in the detail."""
    sweeper.account.function("far", variables={"AWS_CODEGURU_PROFILER_TARGET_REGION": "us-west-2"})
    (entry,) = json.loads(run("--json").stdout)["entries"]
    assert (entry["status"], entry["reason"]) == ("skipped", "reports_to_other_region")
    assert "us-west-2" in entry["detail"]


def test_wrong_usage_is_told(sweeper: Sweeper) -> None:
    """And nothing is asked."""
    done = run("--json", "--csv")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "--json or --csv, not both" in done.stderr
    assert not sweeper.account.sent
