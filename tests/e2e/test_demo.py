"""What `make demo` shows, held to what it expects."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from sandbox.demo import records, replay, scenario
from tests.e2e.deployment import ACCOUNT, REGION
from tests.records import record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.deployment import Deployment


def test_every_story_of_the_demo_comes_as_expected(deployment: Deployment) -> None:
    """Functions of every kind are created, and each gets its group or is passed over for its reason."""
    rows = scenario.tell(deployment.account, deployment.sandbox, provisioner=deployment.function)
    assert len(rows) == len(scenario.STORIES)
    assert [row for row in rows if not row.as_expected] == []


def test_recorded_events_go_through_the_rule_in_every_form_that_cloudtrail_writes(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Single records, lists of them, gzipped or not, in nested folders; and what is no record is named, not lost."""
    creation = json.loads(json.dumps(record("create-function")).replace("invoice-renderer", "recorded-renderer"))
    others = ["create-function-refused", "create-function-access-denied", "create-function-url-config"]
    others += ["cloudfront-create-function", "update-function-code", "delete-function", "tag-resource"]
    (tmp_path / "one.json").write_text(json.dumps(creation))
    nested = tmp_path / "AWSLogs" / ACCOUNT
    nested.mkdir(parents=True)
    (nested / "many.json.gz").write_bytes(gzip.compress(json.dumps({"Records": list(map(record, others))}).encode()))
    (nested / "broken.json").write_text('{"Records": [')
    (nested / "digest.json").write_text('{"awsAccountId": "444455556666", "digestStartTime": "2026-03-04T09:00:00Z"}')

    found = records.read(tmp_path)
    place = replay.place(found.records)
    assert place == (ACCOUNT, REGION)
    assert [problem.split(":")[0].rpartition("/")[2] for problem in found.problems] == ["broken.json", "digest.json"]

    assert replay.hold_functions(found.records, deployment.account, place=place) == []
    rows, refused = replay.replay(
        found.records, deployment.account, deployment.sandbox, provisioner=deployment.function, place=place, say=print
    )
    assert refused == []
    assert [row for row in rows if not row.as_expected] == []
    assert sorted(row.result.action for row in rows) == ["created", *["not matched"] * len(others)]
    assert deployment.tags("aws-lambda-recorded-renderer") == {
        "cost-center": "4711",
        "team": "billing",
        "managed-by": "profiling-group-provisioner",
    }
