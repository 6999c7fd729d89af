"""What `profiling-groups doctor` makes of what it has read; and that docs/troubleshooting.md has it all."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore import xform_name

from infra import fingerprint
from ops.__main__ import commands as cli
from ops.doctor import canary, organization, roles, rules, trails, work
from ops.doctor.checkup import CHECKS, ON_THE_WAY, check_fingerprint, check_status
from ops.doctor.commands import DEPLOY, Commands, aws, deploy
from ops.doctor.findings import Status
from ops.doctor.organization import Instance, Room, StackSet
from ops.doctor.policies import Decision, Request, decide, is_same, statements
from ops.doctor.roles import Asked, DeployedRole, RolePolicies
from ops.doctor.stacks import Stack, Template, UnresolvedError
from ops.doctor.trails import Trail
from ops.doctor.work import Function, Record, Schedule, Sweep
from ops.doctor_command import CANARY, CREDENTIALS
from ops.letters import Tally, read
from ops.swept import Standing, Swept
from profiling_groups.functions import Place
from profiling_groups.ownership import ADOPTED_FOR, CREATED_FOR
from profiling_groups.policy import GroupSettings, Policy
from tests.unit.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

    from tests.unit.account import Account

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
PLACE = Place(account="444455556666", region="eu-west-1")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
MANAGEMENT_WRITES = [
    {"Field": "eventCategory", "Equals": ["Management"]},
    {"Field": "readOnly", "Equals": ["false"]},
]


def trail(**changes: Any) -> Trail:  # noqa: ANN401 - an attribute of any type
    """Return a trail that is as it should be, but for the changes."""
    arn = f"arn:aws:cloudtrail:eu-west-1:{changes.pop('account', PLACE.account)}:trail/events"
    facts = {"home": "eu-west-1", "is_multi_region": True, "is_organization": False, "is_logging": True}
    return Trail(**{"arn": arn, **facts, **changes})


def advanced(*fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an advanced event selector."""
    return [{"Name": "some", "FieldSelectors": list(fields)}]


@pytest.mark.parametrize(
    ("seen", "status", "mend"),
    [
        ([], "fail", "aws cloudtrail create-trail "),
        ([trail()], "pass", None),
        ([trail(is_multi_region=False)], "pass", None),
        ([trail(is_multi_region=False, home="us-east-1")], "fail", "--is-multi-region-trail"),
        ([trail(is_logging=False)], "fail", "aws cloudtrail start-logging "),
        ([trail(is_logging=False, home="us-east-1")], "fail", "--region us-east-1"),
        ([trail(is_logging=False), trail()], "pass", None),
        ([trail(selectors=[{"ReadWriteType": "ReadOnly"}])], "fail", "put-event-selectors"),
        ([trail(selectors=[{"ReadWriteType": "WriteOnly"}])], "pass", None),
        ([trail(selectors=[{"IncludeManagementEvents": False}])], "fail", "put-event-selectors"),
        ([trail(selectors=[{"ExcludeManagementEventSources": ["kms.amazonaws.com"]}])], "pass", None),
        ([trail(advanced=advanced(*MANAGEMENT_WRITES))], "pass", None),
        ([trail(advanced=advanced(MANAGEMENT_WRITES[0]))], "pass", None),
        ([trail(advanced=advanced({"Field": "eventCategory", "Equals": ["Data"]}))], "fail", "put-event-selectors"),
        (
            [trail(advanced=advanced(MANAGEMENT_WRITES[0], {"Field": "readOnly", "Equals": ["true"]}))],
            "fail",
            "put-event-selectors",
        ),
        (
            [
                trail(
                    advanced=advanced(*MANAGEMENT_WRITES, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]})
                )
            ],
            "pass",
            None,
        ),
        (
            [trail(advanced=advanced(*MANAGEMENT_WRITES, {"Field": "eventSource", "NotStartsWith": ["lambda"]}))],
            "fail",
            "put-event-selectors",
        ),
        # What cannot be judged is no reason to fail.
        (
            [trail(advanced=advanced(*MANAGEMENT_WRITES, {"Field": "eventName", "NotEquals": ["Put"]}))],
            "warn",
            "allow ",
        ),
        ([trail(is_organization=True, account="111122223333", is_logging=None)], "warn", "in account 111122223333"),
        ([trail(is_organization=True, account="111122223333", selectors=None)], "warn", "in account 111122223333"),
        (
            [trail(is_organization=True, account="111122223333", is_logging=False)],
            "fail",
            "run in account 111122223333",
        ),
        ([trail(is_organization=True, account="111122223333")], "pass", None),
        # Of two, the one of its own account is the one to mend.
        (
            [trail(is_organization=True, account="111122223333", is_logging=False), trail(is_logging=False)],
            "fail",
            "start-logging --name arn:aws:cloudtrail:eu-west-1:444455556666:",
        ),
    ],
)
def test_a_trail_that_records_what_is_needed(seen: Sequence[Trail], status: str, mend: str | None) -> None:
    """One is enough; what another account's may not be asked is not decided."""
    found = trails.check(seen, place=PLACE)
    assert found.status == status
    assert found.mend is None if mend is None else mend in str(found.mend)


def test_what_else_a_trail_records_is_kept() -> None:
    """The selectors that it has are completed, and not replaced."""
    data = {"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}], "ReadWriteType": "ReadOnly"}
    words = shlex.split(str(trails.check([trail(selectors=[data])], place=PLACE).mend))
    (selector,) = json.loads(words[words.index("--event-selectors") + 1])
    assert selector == {**data, "ReadWriteType": "All", "IncludeManagementEvents": True}
    objects = advanced({"Field": "eventCategory", "Equals": ["Data"]})
    words = shlex.split(str(trails.check([trail(advanced=objects)], place=PLACE).mend))
    assert json.loads(words[words.index("--advanced-event-selectors") + 1])[0] == objects[0]


ROLE = DeployedRole(
    name="role",
    trust={"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]},
    policies={
        "default": {"Statement": [{"Effect": "Allow", "Action": "lambda:List*", "Resource": "*"}]},
        "groups": {"Statement": [{"Effect": "Allow", "Action": ["codeguru-profiler:*"], "Resource": "*"}]},
    },
)


def asked(action: str, decision: Decision = Decision.NOT_ALLOWED, **by: bool) -> Asked:
    """Return what was said to an action."""
    return Asked(action=action, resource="*", decision=decision, **by)


def denying(action: str) -> dict[str, Any]:
    """Return a policy."""
    return {"Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}


@pytest.mark.parametrize(
    ("said", "now", "status", "mend"),
    [
        ([asked("lambda:ListTags", Decision.ALLOWED)], RolePolicies(), "pass", None),
        ([asked("lambda:ListTags")], RolePolicies(), "fail", "--policy-name default "),
        (
            [asked("lambda:ListTags"), asked("codeguru-profiler:CreateProfilingGroup")],
            RolePolicies(),
            "fail",
            "--policy-name groups ",
        ),
        (
            [asked("lambda:ListTags", Decision.DENIED)],
            RolePolicies(own={"guard": denying("lambda:*")}),
            "fail",
            "aws iam delete-role-policy --role-name role --policy-name guard",
        ),
        (
            [asked("lambda:ListTags", Decision.DENIED)],
            RolePolicies(attached={"arn:aws:iam::1:policy/guard": denying("*")}),
            "fail",
            "aws iam detach-role-policy --role-name role --policy-arn arn:aws:iam::1:policy/guard",
        ),
        # One of the deployed policies that denies now is put as it was.
        (
            [asked("lambda:ListTags", Decision.DENIED)],
            RolePolicies(own={"default": denying("*")}),
            "fail",
            "aws iam put-role-policy --role-name role --policy-name default ",
        ),
        ([asked("lambda:ListTags", by_organization=True)], RolePolicies(), "fail", "management account"),
        ([asked("lambda:ListTags", by_boundary=True)], RolePolicies(), "fail", "delete-role-permissions-boundary"),
        # Without traces all works as well.
        ([asked("xray:PutTraceSegments")], RolePolicies(), "warn", "let the role role do xray:PutTraceSegments"),
    ],
)
def test_what_a_role_lacks(said: Sequence[Asked], now: RolePolicies, status: str, mend: str | None) -> None:
    """And by which policy it comes to have it again."""
    found = roles.check(ROLE, trust=ROLE.trust, asked=said, now=lambda: now)
    assert found.status == status
    assert found.mend is None if mend is None else mend in str(found.mend)


def test_a_boundary_that_was_deployed_is_not_taken_away() -> None:
    """The setting `permissions_boundary` asks for it."""
    arn = "arn:aws:iam::444455556666:policy/boundary"
    role = DeployedRole(name=ROLE.name, trust=ROLE.trust, policies=ROLE.policies, boundary=arn)
    said = [asked("lambda:ListTags", by_boundary=True)]
    found = roles.check(role, trust=role.trust, asked=said, now=RolePolicies)
    assert found.mend == f"let the permissions boundary {arn} allow lambda:ListTags"


def test_a_role_that_trusts_somebody_else() -> None:
    """Its trust is put right first."""
    found = roles.check(ROLE, trust={"Statement": []}, asked=[asked("lambda:ListTags")], now=RolePolicies)
    assert (found.status, str(found.mend).split()[:3]) == (Status.FAIL, ["aws", "iam", "update-assume-role-policy"])


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"Effect": "Allow", "Action": "lambda:Invoke*", "Resource": "*"}, "allowed"),
        (
            {"Effect": "Allow", "Action": "LAMBDA:INVOKEFUNCTION", "Resource": "arn:aws:lambda:*:*:function:it"},
            "allowed",
        ),
        (
            {"Effect": "Allow", "Action": "lambda:Invoke*", "Resource": "arn:aws:lambda:*:*:function:other"},
            "not allowed",
        ),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "allowed"),
        ({"Effect": "Allow", "NotAction": "lambda:*", "Resource": "*"}, "not allowed"),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, "denied"),
        ({"Effect": "Allow", "Action": "*", "Principal": {"Service": "events.amazonaws.com"}}, "allowed"),
        ({"Effect": "Allow", "Action": "*", "Principal": {"Service": "s3.amazonaws.com"}}, "not allowed"),
        ({"Effect": "Allow", "Action": "*", "Condition": {"ArnLike": {"AWS:SourceArn": "arn:*:rule/r"}}}, "allowed"),
        (
            {"Effect": "Allow", "Action": "*", "Condition": {"ArnLike": {"AWS:SourceArn": "arn:*:rule/q"}}},
            "not allowed",
        ),
        ({"Effect": "Deny", "Action": "*", "Condition": {"StringNotEquals": {"aws:SourceArn": "arn:x"}}}, "denied"),
        # What is not known is taken for the best.
        ({"Effect": "Allow", "Action": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/t": "x"}}}, "allowed"),
        ({"Effect": "Deny", "Action": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/t": "x"}}}, "not allowed"),
        ({"Effect": "Allow", "Action": "*", "Condition": {"DateGreaterThan": {"aws:SourceArn": "x"}}}, "allowed"),
    ],
)
def test_what_a_policy_says(statement: dict[str, Any], said: str) -> None:
    """As far as it can be read from outside."""
    request = Request(
        action="lambda:InvokeFunction",
        resource="arn:aws:lambda:eu-west-1:1:function:it",
        principal=("Service", "events.amazonaws.com"),
        context={"aws:sourcearn": "arn:aws:events:eu-west-1:1:rule/r"},
    )
    assert decide([{"Statement": statement}], request) == said


def test_what_a_role_is_asked_about_is_complete() -> None:
    """IAM's simulator takes no asterisks in an account or a region; conditions come with it."""
    (statement,) = statements(
        {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Resource": ["arn:aws:iam::*:role/it", "arn:aws:codeguru-profiler:*:1:profilingGroup/aws-*", "*"],
                    "Condition": {"StringEquals": {"aws:ResourceOrgID": "o-1"}},
                }
            ]
        }
    )
    assert statement.samples(account="9", region="eu-west-1") == (
        "arn:aws:iam::9:role/it",
        "arn:aws:codeguru-profiler:eu-west-1:1:profilingGroup/aws-doctor",
        "*",
    )
    assert statement.context == {"aws:ResourceOrgID": ("o-1",)}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"Action": ["a", "b"]}, {"Action": ["b", "a"]}, True),
        ({"Action": ["a"]}, {"Action": "a"}, True),
        ({"Action": ["a"]}, {"Action": ["a", "b"]}, False),
        ({"errorCode": [{"exists": False}]}, {"errorCode": [{"exists": True}]}, False),
    ],
)
def test_documents_that_say_the_same(one: object, other: object, same: bool) -> None:  # noqa: FBT001 - one of the table
    """Order and single-valued lists make no difference."""
    assert is_same(one, other) is same


RULE = rules.Rule(name="rule", bus=None, pattern={"source": ["aws.lambda"]}, targets=[{"Id": "T", "Arn": "arn:it"}])


@pytest.mark.parametrize(
    ("found", "status", "mend"),
    [
        ({"State": "ENABLED", "EventPattern": '{"source": ["aws.lambda"]}'}, "pass", None),
        (
            {
                "State": "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
                "EventPattern": '{"source": ["aws.lambda"]}',
            },
            "pass",
            None,
        ),
        ({"State": "DISABLED", "EventPattern": '{"source": ["aws.lambda"]}'}, "fail", "enable-rule"),
        ({"State": "ENABLED", "EventPattern": '{"source": ["aws.s3"]}'}, "fail", "put-rule"),
        (None, "fail", "put-rule"),
    ],
)
def test_a_rule(found: dict[str, str] | None, status: str, mend: str | None) -> None:
    """As it was deployed, or not."""
    verdict = rules.check(RULE, found)
    assert (verdict.status, verdict.mend and verdict.mend.split()[2]) == (status, mend)


NAMES = ["CreateFunction20150331", "TagResource20170331v2"]
CREATIONS = {"source": ["aws.lambda"], "detail": {"eventName": NAMES, "errorCode": [{"exists": False}]}}
OWN = {"Name": "own", "EventPattern": json.dumps(CREATIONS)}


@pytest.mark.parametrize(
    ("other", "status"),
    [
        ({"Name": "other", "EventPattern": json.dumps(CREATIONS)}, "warn"),
        # Rules of others: on a schedule, of another service, of all calls, and of one call without a look at its error.
        ({"Name": "other", "ScheduleExpression": "rate(1 day)"}, "pass"),
        ({"Name": "other", "EventPattern": json.dumps(CREATIONS | {"source": ["aws.s3"]})}, "pass"),
        ({"Name": "other", "EventPattern": json.dumps({"source": ["aws.lambda"]})}, "pass"),
        ({"Name": "other", "EventPattern": json.dumps(CREATIONS | {"detail": {"eventName": ["x"]}})}, "pass"),
        ({"Name": "other", "EventPattern": json.dumps(CREATIONS | {"detail": {"eventName": NAMES}})}, "pass"),
    ],
)
def test_a_second_deployment_in_the_account_and_region_is_a_warning(other: dict[str, str], status: str) -> None:
    """Two would write over each other's tags."""
    verdict = rules.check_single([OWN, other], own={"own"})
    assert verdict.status == status
    if status == "warn":
        assert "other" in verdict.detail
        assert verdict.mend == "aws events list-targets-by-rule --rule other"


def test_a_target_without_its_queue_is_a_warning() -> None:
    """Events are delivered, and may be lost."""
    deployed = rules.Rule(name="r", bus="bus", pattern={}, targets=[{"Id": "T", "Arn": "a:f", "DeadLetterConfig": {}}])
    found = rules.check_target(deployed, [{"Id": "T", "Arn": "a:f"}])
    assert (found.status, "--event-bus-name bus" in str(found.mend)) == (Status.WARN, True)


def record(minute: int, function: str, action: str, reason: str | None = None) -> Record:
    """Return an outcome's record."""
    return Record(at=NOW + timedelta(minutes=minute), function=function, action=action, reason=reason, detail="why")


@pytest.mark.parametrize(
    ("records", "status", "mend"),
    [
        ([], "pass", None),
        ([record(1, "a", "created")], "pass", None),
        ([record(1, "a", "failed", "throttled"), record(2, "a", "created")], "pass", None),
        ([record(2, "a", "created"), record(1, "a", "failed", "throttled")], "pass", None),
        # The last one: it may well be broken now.
        ([record(1, "a", "failed", "access_denied")], "fail", "profiling-groups backfill --function a"),
        # What lacks room is told by the check of the quota; once there is some, all that had none may have it.
        ([record(1, "a", "failed", "quota_exceeded")], "fail", "profiling-groups backfill"),
        # Others went well since.
        (
            [record(1, "a", "failed", "throttled"), record(2, "b", "exists")],
            "warn",
            "profiling-groups backfill --function a",
        ),
        ([record(1, "a", "failed", "invalid"), record(2, "b", "exists")], "warn", "profiling-groups backfill"),
    ],
)
def test_how_the_functions_have_fared(records: Sequence[Record], status: str, mend: str | None) -> None:
    """What was made up for is forgotten."""
    found = work.check_outcomes(records, complete=True, commands=Commands())
    assert found.status == status
    assert found.mend is None if mend is None else str(found.mend).startswith(mend)


@pytest.mark.parametrize(
    ("used", "quota", "status"),
    [(0, 500, "pass"), (399, 500, "pass"), (400, 500, "warn"), (489, 500, "warn"), (490, 500, "fail"), (0, 0, "fail")],
)
def test_the_quota(used: int, quota: int, status: str) -> None:
    """From 80 percent on it is told, from 98 on it fails."""
    assert work.check_quota(used=used, quota=quota, is_known=True).status == status


def sweep(status: str, hours: float) -> Sweep:
    """Return an execution that began some hours ago."""
    return Sweep(arn=f"arn:{status}", status=status, began=NOW - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("sweeps", "status", "mend"),
    [
        ([sweep("SUCCEEDED", 1)], "pass", None),
        ([sweep("SUCCEEDED", 47)], "pass", None),
        ([sweep("SUCCEEDED", 49)], "fail", "profiling-groups backfill"),
        ([], "fail", "profiling-groups backfill"),
        ([sweep("RUNNING", 0), sweep("SUCCEEDED", 1)], "pass", None),
        ([sweep("RUNNING", 0), sweep("SUCCEEDED", 49)], "warn", "profiling-groups backfill --execution arn:RUNNING"),
        ([sweep("FAILED", 0), sweep("SUCCEEDED", 1)], "warn", "aws stepfunctions redrive-execution"),
        ([sweep("FAILED", 0)], "fail", "profiling-groups backfill"),
    ],
)
def test_the_last_sweep(sweeps: Sequence[Sweep], status: str, mend: str | None) -> None:
    """It must have succeeded within two periods; what runs, or has failed since, is told."""
    found = work.check_sweep(sweeps, schedule=schedule(), now=NOW, commands=Commands())
    assert found.status == status
    assert found.mend is None if mend is None else str(found.mend).startswith(mend)


def test_without_a_schedule_no_sweep_is_late() -> None:
    """Deployments alone start them."""
    assert (
        work.check_sweep([sweep("SUCCEEDED", 999)], schedule=None, now=NOW, commands=Commands()).status is Status.PASS
    )
    assert work.check_schedule(None).status is Status.PASS


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("rate(1 day)", 2),
        ("rate(6 hours)", 0.5),
        ("rate(90 minutes)", 4 / 24),
        ("rate(7 days)", 14),
        ("cron(0 4 * * ? *)", 2),
        ("cron(0 4 ? * SUN *)", 14),
        ("cron(0 4 1 * ? *)", None),
        ("at(2026-11-25T04:00:00)", None),
    ],
)
def test_how_long_it_may_be_silent(expression: str, days: float | None) -> None:
    """Two periods, of whole hours; no telling of some days of a month, or of a single time that somebody has set."""
    assert work.silence(expression) == (None if days is None else timedelta(days=days))


def schedule(**changes: object) -> Schedule:
    """Return a schedule that is as it was deployed, but for the changes."""
    deployed = {"ScheduleExpression": "rate(1 day)", "Target": {"Arn": "arn:machine"}, "State": "ENABLED"}
    return Schedule(name="daily", deployed=deployed, found={**deployed, **changes})


@pytest.mark.parametrize(
    ("found", "status", "mend"),
    [
        (schedule(), "pass", None),
        (schedule(State="DISABLED"), "fail", "update-schedule"),
        (schedule(Target={"Arn": "arn:other"}), "fail", "update-schedule"),
        (Schedule(name="daily", deployed=schedule().deployed, found=None), "fail", "create-schedule"),
    ],
)
def test_the_schedule(found: Schedule, status: str, mend: str | None) -> None:
    """Whatever it has become, it is put as it was deployed."""
    verdict = work.check_schedule(found)
    assert (verdict.status, verdict.mend and verdict.mend.split()[2]) == (status, mend)


@pytest.mark.parametrize(
    ("configuration", "concurrency", "status", "mend"),
    [
        ({"Role": "r"}, 5, "pass", None),
        (None, None, "fail", "make destroy"),
        ({"Role": "r"}, 0, "fail", "aws lambda put-function-concurrency"),
        ({"Role": "other"}, None, "fail", "aws lambda update-function-configuration"),
        ({"Role": "r", "State": "Failed", "StateReason": "the image is gone"}, None, "fail", "make deploy"),
    ],
)
def test_a_function(
    configuration: dict[str, str] | None, concurrency: int | None, status: str, mend: str | None
) -> None:
    """There, with its role, and free to run."""
    function = Function(
        name="it", configuration=configuration, concurrency=concurrency, role="r", deployed_concurrency=5
    )
    verdict = work.check_functions([function])
    assert verdict.status == status
    assert verdict.mend is None if mend is None else str(verdict.mend).startswith(mend)


def test_letters_are_told_by_their_reasons() -> None:
    """With how many there are, beyond those that were looked at."""
    tally = Tally()
    attributes = {"RequestID": "1", "ErrorCode": "200", "ErrorMessage": "throttled: codeguru-profiler:TagResource on x"}
    message: Any = {
        "MessageId": "m",
        "Body": (ROOT / "events" / "create-function.json").read_text(),
        "MessageAttributes": {key: {"StringValue": value, "DataType": "String"} for key, value in attributes.items()},
    }
    assert work.check_letters(tally, waiting=0, hidden=0, commands=Commands()).status is Status.PASS
    assert work.check_letters(tally, waiting=0, hidden=3, commands=Commands()).status is Status.WARN
    tally.add(read(message))
    tally.add(read(message | {"Body": message["Body"].replace("eu-west-1", "us-east-1")}))
    found = work.check_letters(tally, waiting=500, hidden=0, commands=Commands())
    assert (found.status, found.mend) == (Status.FAIL, "profiling-groups replay")
    assert "2 throttled (function); looked at 2 of about 500" in found.detail


def created_for(name: str) -> dict[str, str]:
    """Return the tags of a group that was created for a function."""
    return {CREATED_FOR: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"}


@pytest.mark.parametrize(
    ("tags", "is_deleted"),
    [
        (created_for("profiling-groups-canary-1"), True),
        (created_for("profiling-groups-canary-12"), False),
        ({ADOPTED_FOR: created_for("profiling-groups-canary-1")[CREATED_FOR]}, False),
        ({"managed-by": "profiling-group-provisioner"}, False),
        ({}, False),
    ],
)
def test_the_canary_deletes_only_the_group_that_was_created_for_it(
    account: Account, monkeypatch: pytest.MonkeyPatch, tags: Mapping[str, str], *, is_deleted: bool
) -> None:
    """Otherwise it says that the group is left, and names no command that deletes it."""
    monkeypatch.setattr("ops.doctor.canary.uuid4", lambda: SimpleNamespace(hex="1"))
    clients = {"lambda": account.clients.awslambda, "codeguruprofiler": account.clients.profiler, "iam": None}
    reading: Any = SimpleNamespace(
        place=Place(account=ACCOUNT, region=REGION), client=clients.__getitem__, commands=Commands(), stack=None
    )
    group = "aws-lambda-profiling-groups-canary-1"
    account.meanwhile("CreateFunction", lambda: account.make_group(group, tags=tags))
    verdict = canary.fly(reading, policy=None, role=account.role, timeout=9).verdict
    assert (account.groups(), verdict.mend) == ([] if is_deleted else [group], None)
    assert (verdict.status, group in verdict.detail.partition("left behind")[2]) == (
        (Status.PASS, False) if is_deleted else (Status.WARN, True)
    )
    assert boto3.client("lambda", region_name=REGION).list_functions()["Functions"] == []


HUB = Commands(stack="Governing", is_hub=True)


def place(account: str, standing: Standing) -> Swept:
    """Return what a place's sweep came to."""
    return Swept(
        organization_path=None, account=account, region="eu-west-1", standing=standing, dry_run=False, counts={}
    )


@pytest.mark.parametrize(
    ("standings", "status"),
    [
        ([Standing.SWEPT], "pass"),
        ([Standing.SWEPT, Standing.UNSUPPORTED], "pass"),
        ([Standing.SWEPT, Standing.UNREACHABLE], "warn"),
        ([Standing.UNREACHABLE, Standing.UNFINISHED], "fail"),
    ],
)
def test_what_the_last_sweep_of_an_organization_could_not_reach(standings: Sequence[Standing], status: str) -> None:
    """A region that somebody has forbidden is no problem; an account out of reach may be one."""
    places = [place(str(number), standing) for number, standing in enumerate(standings)]
    found = organization.check_accounts(places, outputs={}, commands=HUB)
    assert found.status == status
    if status == "fail":
        assert found.mend == "profiling-groups backfill --organization --stack Governing"


def test_a_sweep_whose_results_are_gone_tells_nothing() -> None:
    """Of accounts, nor of room."""
    assert organization.check_accounts(None, outputs={}, commands=HUB).untold
    assert organization.check_room(None, commands=HUB).untold


def test_the_place_with_the_least_room_is_told() -> None:
    """And where to ask for more."""
    rooms = [Room(account="1", region="r", groups=10, quota=500), Room(account="2", region="r", groups=495, quota=500)]
    found = organization.check_room(rooms, commands=HUB)
    assert (found.status, str(found.mend).startswith("in 2 in r: aws service-quotas ")) == (Status.FAIL, True)


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([("CURRENT", "SUCCEEDED")], "pass"),
        ([("CURRENT", "SUCCEEDED"), ("OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT")], "pass"),
        ([("OUTDATED", "RUNNING")], "warn"),
        ([("OUTDATED", "FAILED")], "fail"),
        ([("INOPERABLE", "INOPERABLE"), ("OUTDATED", "PENDING")], "fail"),
    ],
)
def test_the_members_stacks(states: Sequence[tuple[str, str]], status: str) -> None:
    """Those of closed accounts do not count."""
    instances = [
        Instance(account=str(number), region="eu-west-1", status=state, detailed_status=detail, reason=None)
        for number, (state, detail) in enumerate(states)
    ]
    stack_set = StackSet(name="Members", call_as="SELF", units=["ou-1"])
    assert organization.check_stack_set(stack_set, instances).status == status
    assert organization.check_stack_set(stack_set, None).status is Status.FAIL


@pytest.mark.parametrize(
    ("status", "verdict", "mend"),
    [
        ("CREATE_COMPLETE", "pass", None),
        ("UPDATE_COMPLETE", "pass", None),
        ("IMPORT_COMPLETE", "pass", None),
        ("UPDATE_IN_PROGRESS", "warn", None),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "warn", None),
        ("UPDATE_ROLLBACK_COMPLETE", "warn", "make deploy"),
        ("CREATE_FAILED", "fail", "make deploy"),
        ("ROLLBACK_COMPLETE", "fail", "make deploy"),
        ("DELETE_FAILED", "fail", "make deploy"),
        ("UPDATE_ROLLBACK_FAILED", "fail", "aws cloudformation continue-update-rollback --stack-name It"),
    ],
)
def test_the_status_of_a_stack(status: str, verdict: str, mend: str | None) -> None:
    """With CloudFormation's own reason, where there is one."""
    stack = Stack(name="It", id="arn", status=status, reason="no room", outputs={}, parameters={})
    found = check_status(stack, "all is well", mend=DEPLOY)
    assert (found.status, found.mend) == (verdict, mend)
    assert ("no room" in found.detail) == (mend is not None)


def test_a_deployment_of_another_policy_or_version() -> None:
    """Another policy fails, other code is a warning, and so is a deployment that does not say."""
    policy = Policy()
    now = fingerprint.fingerprint(policy)
    other = Policy(group=GroupSettings(profiling_enabled=False))
    said = [
        check_fingerprint(deployed, policy=at_hand, mend=DEPLOY).status
        for deployed, at_hand in (
            (now, policy),
            (now, other),
            ({**now, "code": "another"}, policy),
            (now, None),
            ({}, policy),
        )
    ]
    assert said == ["pass", "fail", "warn", "warn", "warn"]


@pytest.mark.parametrize(
    ("policy", "command"),
    [
        (None, "make deploy"),
        ("policy.yaml", "make deploy"),
        ("/etc/our policy.yaml", """make deploy ARGS='--context '"'"'policy=/etc/our policy.yaml'"'"''"""),
    ],
)
def test_a_policy_file_of_ones_own_is_named_to_whoever_deploys(policy: str | None, command: str) -> None:
    """For make hands it on to a shell; the one that ships need not be named."""
    assert deploy(Path(policy) if policy else None) == command


def test_a_template_with_what_its_names_stand_for() -> None:
    """Physical names, ARNs, parameters and pseudo parameters; what else there is, is not guessed."""
    kinds = {
        "Queue": "AWS::SQS::Queue",
        "Logs": "AWS::Logs::LogGroup",
        "Rule": "AWS::Events::Rule",
        "Role": "AWS::IAM::Role",
        "Machine": "AWS::StepFunctions::StateMachine",
        "Bucket": "AWS::S3::Bucket",
    }
    template = Template(
        document={"Resources": {name: {"Type": kind} for name, kind in kinds.items()}},
        names={
            "Queue": "https://sqs.eu-west-1.amazonaws.com/444455556666/letters",
            "Logs": "/aws/lambda/it",
            "Rule": "bus|rule",
            "Role": "role",
            "Machine": "arn:aws:states:eu-west-1:444455556666:stateMachine:it",
            "Bucket": "reports",
        },
        place=PLACE,
        stack_id="arn:aws:cloudformation:eu-west-1:444455556666:stack/Name/1",
        parameters={"HubBusArn": "arn:aws:events:eu-west-1:111122223333:event-bus/hub"},
    )
    here = "eu-west-1:444455556666"
    assert template.resolved({name: {"Fn::GetAtt": [name, "Arn"]} for name in kinds}) == {
        "Queue": f"arn:aws:sqs:{here}:letters",
        "Logs": f"arn:aws:logs:{here}:log-group:/aws/lambda/it:*",
        "Rule": f"arn:aws:events:{here}:rule/bus/rule",
        "Role": "arn:aws:iam::444455556666:role/role",
        "Machine": f"arn:aws:states:{here}:stateMachine:it",
        "Bucket": "arn:aws:s3:::reports",
    }
    account = {"Fn::Select": [4, {"Fn::Split": [":", {"Ref": "HubBusArn"}]}]}
    assert template.resolved({"Fn::Join": ["-", [{"Ref": "AWS::StackName"}, account]]}) == "Name-111122223333"
    for unknown in ({"Fn::ImportValue": "x"}, {"Ref": "Nobody"}, {"Fn::GetAtt": ["Queue", "QueueName"]}):
        with pytest.raises(UnresolvedError):
            template.resolved(unknown)


def test_a_command_is_what_a_shell_takes() -> None:
    """Names as the AWS CLI has them, JSON where there is no text, and nothing that a shell would take apart."""
    command = aws(
        "events", "put-targets", "dry-run", Rule="a b", Targets=[{"Id": "it's"}], Ids=["x", "y"], EventBus=None
    )
    assert shlex.split(command) == [
        *("aws", "events", "put-targets", "--dry-run", "--rule", "a b"),
        *("--targets", '[{"Id": "it\'s"}]', "--ids", "x", "y"),
    ]


IDS = [CREDENTIALS, *(check.id for check in CHECKS), CANARY]


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the one table whose first column has this heading, without backquotes."""
    (_, found) = PAGE.split(f"\n| {heading} |")
    lines = found.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_check_has_its_row_and_needs_what_comes_before() -> None:
    """In the order of the checks; ids are in kebab case, and each once."""
    assert [row[0] for row in rows("check")] == IDS
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", each) for each in IDS)
    assert len(set(IDS)) == len(IDS)
    for number, check in enumerate(CHECKS):
        assert set(check.needs) <= {each.id for each in CHECKS[:number] if each.kinds & check.kinds}
    assert set(IDS) >= ON_THE_WAY


def test_every_status_is_explained() -> None:
    """In the order from the worst on."""
    assert [row[0] for row in rows("status")] == list(Status)


def test_every_command_that_is_named_exists() -> None:
    """Ours with its options, and those of the AWS CLI by the API's operations."""
    session = botocore.session.get_session()
    for service, operation in set(re.findall(r"`aws ([a-z-]+) ([a-z-]+)", PAGE)) - {
        ("sso", "login"),
        ("cloudformation", "deploy"),
    }:
        names = session.get_service_model(service).operation_names
        assert operation in {xform_name(name, "-") for name in names}
    for name, rest in re.findall(r"profiling-groups (\w+)([^`\n#]*)", PAGE):
        command = cli.commands[name]
        assert set(re.findall(r"--[a-z-]+", rest)) <= options(command)
    assert set(re.findall(r"`(--[a-z-]+)`", PAGE)) <= options(cli.commands["doctor"])
    named = set(re.findall(r"--[a-z-]+", PAGE))
    assert options(cli.commands["doctor"]) - {"--help"} <= named


def options(command: click.Command) -> set[str]:
    """Return the options that a command takes."""
    return {option for each in command.params for option in each.opts}


def test_every_call_that_is_named_is_made_and_the_other_way_round() -> None:
    """By the names of the client's methods in the code that reads."""
    code = "".join(
        (ROOT / "ops" / path).read_text() for path in ("doctor/reading.py", "doctor/stacks.py", "letter_queue.py")
    )
    named = {action.split(":")[1] for row in rows("calls") for action in re.findall(r"[a-z-]+:[A-Za-z]+", row[0])}
    # Of the results that lie in the bucket.
    named -= {"GetObject", "ChangeMessageVisibility"}
    made = set(
        re.findall(r"\b(?:client|there|self\._client|self\.client\([^)]*\))\.((?:get|list|describe)_\w+)\(", code)
    )
    made |= set(re.findall(r'get_paginator\("(\w+)"\)', code)) | {"receive_message"}
    made -= {"get_paginator"}
    assert {xform_name(name) for name in named} == made
