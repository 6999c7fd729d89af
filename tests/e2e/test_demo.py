"""What `make demo` shows, held to what it expects."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from demo import records, replay, scenarios
from demo.__main__ import SingleAccount
from demo.engine import run_scenario
from tests.e2e.deployment import ACCOUNT, REGION, ROOT, created_for
from tests.records import record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.deployment import Deployment


def test_every_scenario_of_the_demo_is_as_expected() -> None:
    """`make demo` itself: every chapter, the second deployment among them; the exit status tells."""
    done = subprocess.run([sys.executable, "-m", "demo"], cwd=ROOT, check=False, capture_output=True, text=True)
    rows = sum(len(chapter.scenarios) for chapter in scenarios.read("single_account"))
    assert done.stdout.splitlines()[-1] == f"{rows} of {rows} came as expected."
    assert done.stdout.count(" as expected ") == rows
    assert (done.returncode, done.stderr) == (0, "")


def test_every_scenario_of_the_organizations_demo_is_as_expected() -> None:
    """`make demo-org` itself, and what it shows of the last sweep: three rows more, and the coverage."""
    program = [sys.executable, "-m", "demo.organization"]
    done = subprocess.run(program, cwd=ROOT, check=False, capture_output=True, text=True)
    rows = sum(len(chapter.scenarios) for chapter in scenarios.read("organization")) + 3
    assert done.stdout.splitlines()[-1] == f"{rows} of {rows} came as expected."
    assert done.stdout.count(" as expected ") == rows
    assert "By organizational unit:" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_a_scenario_with_another_outcome_is_not_as_expected(deployment: Deployment) -> None:
    """The row says so, and by that the demo's exit status."""
    stage = SingleAccount(deployment.sandbox, (ACCOUNT, REGION))
    stage.outputs = dict(deployment.outputs)
    (found,) = (each for each in scenarios.read("single_account")[1].scenarios if each.function == "web-frontend")
    assert run_scenario(found, stage).as_expected
    deployment.empty()
    other = replace(found, expected=replace(found.expected, reason="opted_out"))
    assert not run_scenario(other, stage).as_expected


def test_recorded_events_go_through_the_rule_in_every_form_that_cloudtrail_writes(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Single records, lists of them, gzipped or not, in nested folders; and what is no record is named, not lost."""
    creation = json.loads(json.dumps(record("create-function")).replace("invoice-renderer", "recorded-renderer"))
    others = ["create-function-refused", "create-function-access-denied", "create-function-url-config"]
    others += ["cloudfront-create-function", "update-function-code", "delete-function"]
    # These are about a function that there is not here, and about none at all.
    tagging = ["tag-resource", "untag-resource", "tag-event-source-mapping"]
    (tmp_path / "one.json").write_text(json.dumps(creation))
    nested = tmp_path / "AWSLogs" / ACCOUNT
    nested.mkdir(parents=True)
    (nested / "many.json.gz").write_bytes(
        gzip.compress(json.dumps({"Records": list(map(record, others + tagging))}).encode())
    )
    (nested / "broken.json").write_text('{"Records": [')
    (nested / "digest.json").write_text('{"awsAccountId": "444455556666", "digestStartTime": "2026-03-04T09:00:00Z"}')

    found = records.read(tmp_path)
    own = replay.choose_account_region(found.records)
    assert own == (ACCOUNT, REGION)
    assert [problem.split(":")[0].rpartition("/")[2] for problem in found.problems] == ["broken.json", "digest.json"]

    assert replay.create_functions(found.records, deployment.account, own=own) == []
    rows, refused = replay.replay(
        found.records,
        deployment.account,
        deployment.sandbox,
        provisioner=deployment.function,
        own=own,
        say=print,
    )
    assert refused == []
    assert [row for row in rows if not row.as_expected] == []
    assert Counter((row.result.action, row.result.reason) for row in rows) == {
        ("created", None): 1,
        ("skipped", "function_gone"): 2,
        ("skipped", "not_a_trigger"): 1,
        ("not matched", None): len(others),
    }
    tags = {"cost-center": "4711", "team": "billing"}
    assert deployment.tags("aws-lambda-recorded-renderer") == tags | created_for("recorded-renderer")
