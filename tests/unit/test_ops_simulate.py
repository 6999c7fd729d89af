"""`policy simulate`: what would have become of each creation that CloudTrail recorded."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ops.__main__ import commands
from ops.creations import is_creation, simulate
from ops.descriptions import NotAFunctionError
from profiling_groups.outcomes import Action, Reason
from profiling_groups.policy import Architecture, Functions, Globs, Policy, Runtimes
from tests.records import Json, record

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

INTEL_ONLY = Policy(functions=Functions(architectures=(Architecture.X86_64,)))
PYTHON_ONLY = Policy(functions=Functions(runtimes=Runtimes(include=("python3.*",))))
NOT_INVOICES = Policy(functions=Functions(names=Globs(exclude=("invoice-*",))))
ARN = "arn:aws:lambda:eu-west-1:444455556666:function:invoice-renderer"


def creation(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """Return the record of a creation; `a__b` reaches into it, None takes a key away."""
    found = record("create-function")
    for key, value in changes.items():
        part = found
        *above, last = key.split("__")
        for each in above:
            part = part[each]
        if value is None:
            part.pop(last, None)
        else:
            part[last] = value
    return found


def asked_and_answered(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """Return the record of a creation changed alike in what was asked and what was answered."""
    both = {
        f"{block}__{key}": value
        for key, value in changes.items()
        for block in ("requestParameters", "responseElements")
    }
    return creation(**both)


IMAGE = {"runtime": None, "handler": None, "packageType": "Image"}


@pytest.mark.parametrize(
    ("detail", "policy", "action", "reason", "said"),
    [
        (creation(), Policy(), Action.CREATED, None, None),
        (record("create-function-by-cloudformation"), Policy(), Action.CREATED, None, None),
        (asked_and_answered(**IMAGE), Policy(), Action.CREATED, None, None),
        (creation(), INTEL_ONLY, Action.SKIPPED, Reason.EXCLUDED_BY_POLICY, "arm64 (functions.architectures)"),
        (creation(responseElements=None), Policy(), Action.CREATED, None, None),
        (
            asked_and_answered(runtime="java21"),
            PYTHON_ONLY,
            Action.SKIPPED,
            Reason.EXCLUDED_BY_POLICY,
            "runtime java21",
        ),
        (asked_and_answered(runtime="nodejs22.x"), Policy(), Action.SKIPPED, Reason.UNSUPPORTED_RUNTIME, "nodejs22.x"),
        (
            creation(requestParameters__tags={"codeguru-profiler": "off"}),
            Policy(),
            Action.SKIPPED,
            Reason.OPTED_OUT,
            "off",
        ),
        (
            creation(),
            NOT_INVOICES,
            Action.SKIPPED,
            Reason.EXCLUDED_BY_POLICY,
            "named invoice-renderer",
        ),
        (
            {**creation(responseElements=None), "awsRegion": "sa-east-1"},
            Policy(),
            Action.SKIPPED,
            Reason.REGION_UNSUPPORTED,
            "sa-east-1",
        ),
        (record("create-function-refused"), Policy(), Action.SKIPPED, Reason.API_CALL_FAILED, "InvalidParameterValue"),
        (record("create-function-access-denied"), Policy(), Action.SKIPPED, Reason.API_CALL_FAILED, "AccessDenied"),
        (
            creation(requestParameters={"omitted": True}),
            NOT_INVOICES,
            Action.SKIPPED,
            Reason.EXCLUDED_BY_POLICY,
            "named invoice-renderer (functions.names.exclude)",
        ),
        (creation(recipientAccountId="12"), Policy(), Action.FAILED, Reason.INVALID, "'account' is '12'"),
        (creation(awsRegion="us-east-1"), Policy(), Action.FAILED, Reason.INVALID, "in an event of us-east-1"),
        (
            creation(requestParameters=None, responseElements=None),
            Policy(),
            Action.FAILED,
            Reason.INVALID,
            "names a function",
        ),
    ],
)
def test_a_creation_comes_to_what_the_policy_says(
    detail: Json, policy: Policy, action: Action, reason: Reason | None, said: str | None
) -> None:
    """By the record alone; what the record does not tell is not guessed."""
    assert is_creation(detail)
    outcome = simulate(detail, policy).outcome
    assert (outcome.action, outcome.reason) == (action, reason)
    assert said is None or said in str(outcome.detail)
    assert (outcome.account, outcome.region) == (detail["recipientAccountId"], detail["awsRegion"])


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        (creation(requestParameters={"omitted": True}), "requestParameters were left out"),
        (asked_and_answered(runtime=None), "Runtime: is missing"),
        (creation(requestParameters__tags=["team"]), "Tags"),
    ],
)
def test_a_record_that_tells_too_little_is_not_judged(detail: Json, said: str) -> None:
    """The function itself would have read what is missing here; it would not have failed."""
    with pytest.raises(NotAFunctionError, match=said):
        simulate(detail, Policy())


def test_the_group_that_would_have_been_is_told() -> None:
    """Name, tags, and what it would not have got."""
    found = simulate(record("create-function-by-cloudformation"), Policy()).to_json()
    assert found["function"] == ARN
    assert found["group"] == "aws-lambda-invoice-renderer"
    assert found["tags"] == {
        "profiling-group-provisioner:created-for": ARN,
        "managed-by": "profiling-group-provisioner",
        "team": "billing",
    }
    assert {tag["key"] for tag in found["dropped_tags"]} == {
        "aws:cloudformation:logical-id",
        "aws:cloudformation:stack-id",
        "aws:cloudformation:stack-name",
    }
    assert found["dry_run"] is True


@pytest.mark.parametrize(
    "name",
    [
        "cloudfront-create-function",
        "create-function-url-config",
        "delete-function",
        "tag-resource",
        "update-function-code",
        "update-function-configuration",
    ],
)
def test_only_creations_count(name: str) -> None:
    """Whatever else the policy listens to."""
    assert not is_creation(record(name))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three creations among four records, as a trail leaves them, and nothing wrong with it."""
    place = tmp_path / "AWSLogs" / "444455556666" / "CloudTrail" / "eu-west-1"
    place.mkdir(parents=True)
    some = {"Records": [record("create-function"), record("update-function-code")]}
    (place / "1.json.gz").write_bytes(gzip.compress(json.dumps(some).encode()))
    (place / "2.json").write_text(json.dumps([record("create-function-refused")]))
    (place / "3.json").write_text(json.dumps(asked_and_answered(runtime="nodejs22.x")))
    return tmp_path


@pytest.fixture(autouse=True)
def _policy(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path_factory.mktemp("repository")
    (place / "policy.yaml").touch()
    monkeypatch.chdir(place)


def run(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(commands, ["policy", "simulate", *map(str, arguments)])


COUNTS: list[Json] = [
    {"action": "created", "reason": None, "count": 1},
    {"action": "skipped", "reason": "api_call_failed", "count": 1},
    {"action": "skipped", "reason": "unsupported_runtime", "count": 1},
]


def test_a_folder_is_counted_and_listed(folder: Path) -> None:
    """As JSON, and nothing else on standard output."""
    done = run(folder, "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    outcomes = found.pop("outcomes")
    assert found == {
        "policy": "policy.yaml",
        "records": 4,
        "creations": 3,
        "unjudged": 0,
        "counts": COUNTS,
        "problems": [],
    }
    assert [(each["action"], each["reason"]) for each in outcomes] == [
        ("created", None),
        ("skipped", "api_call_failed"),
        ("skipped", "unsupported_runtime"),
    ]
    assert done.stderr == ""


def test_a_person_reads_a_line_for_each(folder: Path) -> None:
    """Counts first, each line whole where no terminal folds it, and what cannot be seen in records is said."""
    done = run(folder)
    lines = done.stdout.splitlines()
    assert lines[0] == f"3 creations among 4 records of {folder}, by policy.yaml."
    assert lines.index("created                       1") < len(lines) - 4
    assert [line.split()[3:6] for line in lines[-3:]] == [
        ["invoice-renderer", "created", "aws-lambda-invoice-renderer"],
        ["invoice-renderer", "skipped", "api_call_failed"],
        ["invoice-renderer", "skipped", "unsupported_runtime"],
    ]
    assert "CloudTrail leaves environments out" in done.stdout


def test_a_corrupt_file_is_named_and_passed_over(folder: Path) -> None:
    """What was read of it counts; so does all that comes after it."""
    whole = gzip.compress(json.dumps({"Records": [record("create-function")] * 50}).encode(), compresslevel=0)
    (folder / "0.json.gz").write_bytes(whole[: len(whole) // 2])
    done = run(folder, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert 20 <= found["counts"][0]["count"] - COUNTS[0]["count"] < 25
    assert found["counts"][1:] == COUNTS[1:]
    (problem,) = found["problems"]
    assert problem["file"] == str(folder / "0.json.gz")
    assert str(folder / "0.json.gz") in done.stderr


def test_a_creation_that_cannot_be_judged_is_named(folder: Path) -> None:
    """By its file and its event; it counts as nothing else."""
    (folder / "4.json").write_text(json.dumps(creation(requestParameters={"omitted": True})))
    done = run(folder)
    assert done.exit_code == 1
    assert f"{folder / '4.json'}: creation 1, event {creation()['eventID']}: cannot be judged" in done.stderr
    assert done.stdout.startswith(
        f"4 creations among 5 records of {folder}, by policy.yaml.\n1 of them cannot be judged"
    )
    found = json.loads(run(folder, "--json").stdout)
    assert (found["creations"], found["unjudged"], found["counts"]) == (4, 1, COUNTS)
    assert len(found["outcomes"]) == 3
    assert [each["file"] for each in found["problems"]] == [str(folder / "4.json")]


def test_a_creation_that_the_function_would_refuse_is_named(folder: Path) -> None:
    """And counts as failed."""
    (folder / "4.json").write_text(json.dumps(creation(requestParameters=None, responseElements=None)))
    done = run(folder)
    assert done.exit_code == 1
    assert f"{folder / '4.json'}: creation 1, event " in done.stderr
    assert [line.split() for line in done.stdout.splitlines() if line.startswith("failed")] == [
        ["failed", "invalid", "1"]
    ]


def test_the_policy_decides(folder: Path, tmp_path: Path) -> None:
    """The one that is given."""
    (tmp_path / "strict.yaml").write_text("functions: {names: {exclude: ['*']}}")
    found = json.loads(run(folder, "--policy", tmp_path / "strict.yaml", "--json").stdout)
    assert {each["reason"] for each in found["outcomes"]} == {"excluded_by_policy", "api_call_failed"}
    assert {each["rule"] for each in found["outcomes"]} == {"functions.names.exclude", None}


def test_a_folder_without_records_is_no_riddle(tmp_path: Path) -> None:
    """It says so."""
    done = run(tmp_path)
    assert (done.exit_code, done.stdout) == (0, f"There is no CloudTrail record (*.json, *.json.gz) in {tmp_path}.\n")
    assert json.loads(run(tmp_path, "--json").stdout)["records"] == 0


def test_what_a_record_says_does_not_move_the_cursor(tmp_path: Path) -> None:
    """A name is anybody's to choose, in a call that fails."""
    (tmp_path / "1.json").write_text(
        json.dumps(creation(requestParameters__functionName="\x1b[2J", errorCode="Invalid"))
    )
    done = run(tmp_path)
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J" in done.stdout


def test_wrong_usage(tmp_path: Path) -> None:
    """No folder, or no policy."""
    (tmp_path / "bad.yaml").write_text("colour: red")
    assert run(tmp_path / "nowhere").exit_code == 2
    done = run(tmp_path, "--policy", tmp_path / "bad.yaml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "bad.yaml:1: colour: is not known" in done.stderr
