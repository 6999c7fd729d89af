"""`profiling-groups doctor` against the deployed stack: what is broken is found, that alone, and mended as it says."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import starmap
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from click.testing import CliRunner

from demo.account import Account
from demo.cdk_cli import bootstrap, deploy, destroy
from ops.__main__ import commands
from ops.doctor.checkup import CHECKS, Kind
from tests.e2e import aws_cli, command_line
from tests.e2e.deployment import ACCOUNT, REGION, ROOT
from tests.synthesis import synthesize
from tests.waiting import LIMIT_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from embedded_aws.client import SandboxClient
    from tests.e2e.deployment import Deployment

ELSEWHERE = "us-east-1"
BUCKET = f"cloudtrail-{ACCOUNT}-{REGION}"
POLICY = str(ROOT / "policy.yaml")


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What the command has said."""

    status: int
    document: dict[str, Any]

    def ids(self, status: str) -> list[str]:
        """Return the checks that ended so."""
        return [each["id"] for each in self.document["findings"] if each["status"] == status]

    def finding(self, check: str) -> dict[str, Any]:
        """Return what a check has found."""
        (found,) = (each for each in self.document["findings"] if each["id"] == check)
        return dict(found)


class Clock:
    """A clock that goes on when the command sleeps, and only then; meanwhile all that is under way comes to its end.

    A canary takes it for the module `time`.
    """

    def __init__(self, sandbox: SandboxClient) -> None:
        self._sandbox = sandbox
        self._now = 0.0

    def monotonic(self) -> float:
        """Return the seconds that were slept."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        self._sandbox.wait_until_idle()
        self._now += seconds


class Doctor:
    """The command, in this process, and what it prints carried out."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.deployment = deployment
        self.is_well = False
        self._folder = folder

    def examine(self, *words: str) -> Examined:
        """Run it."""
        done = CliRunner().invoke(commands, ["doctor", "--json", "--policy", POLICY, *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        examined = Examined(status=done.exit_code, document=json.loads(done.stdout))
        self.is_well = not examined.ids("fail")
        return examined

    def mend(self, examined: Examined) -> None:
        """Carry out what mends what has failed."""
        for check in examined.ids("fail"):
            line = examined.finding(check)["mend"].replace("BUCKET", BUCKET)
            aws_cli.run(line, client=self._client, other=self._command)
        self.deployment.sandbox.wait_until_idle()

    def _client(self, service: str, region_name: str | None = None) -> Any:  # noqa: ANN401 - a client of any service
        return Account(self.deployment.sandbox.endpoint, region=region_name or os.environ["AWS_REGION"]).client(service)

    def _command(self, words: Sequence[str]) -> None:
        endpoint, region = self.deployment.sandbox.endpoint, os.environ["AWS_REGION"]
        match words:
            case ["make", "bootstrap"]:
                bootstrap(endpoint, account=ACCOUNT, region=region, say=print)
            case ["make", "deploy", *arguments]:
                made = self._synthesized(_context(arguments).get("policy", POLICY))
                deploy(endpoint, account=ACCOUNT, region=region, say=print, assembly=made)
            case ["make", "destroy"]:
                destroy(endpoint, account=ACCOUNT, region=region, say=print, assembly=self._synthesized(POLICY))
            case ["profiling-groups", command, *_]:
                agreed = ["--yes"] if command == "replay" else []
                done = CliRunner().invoke(commands, [*words[1:], *agreed])
                assert done.exit_code == 0, done.output
            case _:
                pytest.fail(f"no command: {shlex.join(words)}")

    def _synthesized(self, policy: str) -> Path:
        return synthesize(self._folder / f"cdk.out-{uuid4()}", region=os.environ["AWS_REGION"], policy=policy)


def _context(arguments: Sequence[str]) -> dict[str, str]:
    """Return what `ARGS='--context key=value'` of make hands on to the CDK CLI."""
    words = [word for argument in arguments for word in shlex.split(argument.removeprefix("ARGS="))]
    assert set(words[::2]) <= {"--context"}
    return dict(setting.split("=", maxsplit=1) for setting in words[1::2])


@pytest.fixture(scope="module")
def settled() -> set[str]:
    """Where nothing fails: what tests before have left in the logs was made up for."""
    return set()


@pytest.fixture
def doctor(
    deployment: Deployment, settled: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Doctor]:
    """The command, as an operator has set it up."""
    command_line.act_as(monkeypatch, deployment.sandbox.endpoint)
    monkeypatch.setattr("ops.doctor.canary.time", Clock(deployment.sandbox))
    asked = Doctor(deployment, tmp_path)
    if deployment.function not in settled:
        asked.mend(asked.examine())
        assert asked.examine().ids("fail") == []
        settled.add(deployment.function)
    yield asked
    if not asked.is_well:
        settled.clear()


OUT_OF_ORDER: dict[str, object] = {
    "service": "codeguruprofiler",
    "operation": "*",
    "error": {"code": "InternalServerException", "status": 500},
}


def denial(service: str, operation: str) -> dict[str, object]:
    """Return the fault that denies everybody an operation."""
    return {"service": service, "operation": operation, "error": {"code": "AccessDeniedException", "status": 403}}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something that is broken.

    Attributes:
        check: The one check that fails.
        breaks: Breaks it.
        says: A part of what is found.
        skipped: What is of no use meanwhile.
    """

    check: str
    breaks: Callable[[Deployment], object]
    says: str
    skipped: tuple[str, ...] = ()


def no_trail(deployment: Deployment) -> None:
    """Delete the trail."""
    deployment.account.client("cloudtrail").delete_trail(Name="management-events")


def read_only(deployment: Deployment) -> None:
    """Let the trail record what is read."""
    selector = {"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True, "DataResources": []}
    deployment.account.client("cloudtrail").put_event_selectors(
        TrailName="management-events", EventSelectors=[selector]
    )


def data_only(deployment: Deployment) -> None:
    """Let the trail record what happens to objects."""
    fields = [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
    ]
    deployment.account.client("cloudtrail").put_event_selectors(
        TrailName="management-events", AdvancedEventSelectors=[{"Name": "objects", "FieldSelectors": fields}]
    )


def no_rule(deployment: Deployment) -> None:
    """Delete the rule, and its target with it."""
    no_target(deployment)
    deployment.account.client("events").delete_rule(Name=deployment.rule)


def narrowed(deployment: Deployment) -> None:
    """Let the rule hear of tags alone."""
    events = deployment.account.client("events")
    pattern = json.loads(events.describe_rule(Name=deployment.rule)["EventPattern"])
    pattern["detail"]["eventName"] = ["TagResource20170331v2"]
    events.put_rule(Name=deployment.rule, EventPattern=json.dumps(pattern))


def no_target(deployment: Deployment) -> None:
    """Take away the rule's target."""
    events = deployment.account.client("events")
    targets = events.list_targets_by_rule(Rule=deployment.rule)["Targets"]
    events.remove_targets(Rule=deployment.rule, Ids=[target["Id"] for target in targets])


def no_permission(deployment: Deployment) -> None:
    """Forbid the rule to invoke the function."""
    awslambda = deployment.account.awslambda
    for statement in json.loads(awslambda.get_policy(FunctionName=deployment.function)["Policy"])["Statement"]:
        awslambda.remove_permission(FunctionName=deployment.function, StatementId=statement["Sid"])


def denied(deployment: Deployment) -> None:
    """Deny the function's role an action by another policy."""
    statement = {"Effect": "Deny", "Action": "codeguru-profiler:Create*", "Resource": "*"}
    deployment.account.client("iam").put_role_policy(
        RoleName=deployment.role(), PolicyName="guardrail", PolicyDocument=policy(statement)
    )


def cut(deployment: Deployment) -> None:
    """Leave the function's role no more than its log."""
    iam, role = deployment.account.client("iam"), deployment.role()
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    statement = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy(statement))


def distrusted(deployment: Deployment) -> None:
    """Let somebody else assume the function's role."""
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    deployment.account.client("iam").update_assume_role_policy(
        RoleName=deployment.role(), PolicyDocument=policy(statement)
    )


def machine_cut(deployment: Deployment) -> None:
    """Leave the state machine's role nothing."""
    described = deployment.account.client("stepfunctions").describe_state_machine(stateMachineArn=deployment.machine)
    iam, role = deployment.account.client("iam"), described["roleArn"].rpartition("/")[2]
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=name)


def policy(statement: dict[str, Any]) -> str:
    """Return a policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def throttled(deployment: Deployment) -> None:
    """Reserve nothing for the function, which ends it."""
    deployment.account.awslambda.put_function_concurrency(
        FunctionName=deployment.function, ReservedConcurrentExecutions=0
    )


def letters_waiting(deployment: Deployment) -> None:
    """Let an event come while the rule may not invoke the function."""
    granted = json.loads(deployment.account.awslambda.get_policy(FunctionName=deployment.function)["Policy"])
    no_permission(deployment)
    deployment.delete_function(deployment.create_function())
    for number, statement in enumerate(granted["Statement"]):
        (source,) = statement["Condition"]["ArnLike"].values()
        deployment.account.awslambda.add_permission(
            FunctionName=deployment.function,
            StatementId=f"again-{number}",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=source,
        )


def failing(deployment: Deployment) -> None:
    """Let the function fail at what it is asked for."""
    name = deployment.hold_function(f"failing-{uuid4().hex[:8]}")
    deployment.sandbox.set_faults(denial("codeguruprofiler", "CreateProfilingGroup"))
    deployment.invoke({"action": "provision", "functions": [name]})
    deployment.sandbox.clear_faults()


def no_room(deployment: Deployment) -> None:
    """Let 490 of 500 groups be there."""
    profiler = deployment.account.profiler
    there = len(profiler.list_profiling_groups(maxResults=1000)["profilingGroupNames"])
    with ThreadPoolExecutor(4) as threads:
        list(
            threads.map(
                lambda number: profiler.create_profiling_group(
                    profilingGroupName=f"crowd-{number}", clientToken=str(number)
                ),
                range(490 - there),
            )
        )


def provisioner(account: Account) -> Mapping[str, Any]:
    """Return the configuration of the one for events."""
    functions = account.awslambda.list_functions()["Functions"]
    return next(each for each in functions if "ProvisionerFunction" in each["FunctionName"])


def no_function(account: Account) -> None:
    """Delete the function."""
    account.awslambda.delete_function(FunctionName=provisioner(account)["FunctionName"])


def no_role(account: Account) -> None:
    """Delete the function's role."""
    iam, role = account.client("iam"), provisioner(account)["Role"].rpartition("/")[2]
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    iam.delete_role(RoleName=role)


def unscheduled(deployment: Deployment) -> None:
    """Disable the schedule."""
    scheduler = deployment.account.client("scheduler")
    (name,) = (each["Name"] for each in scheduler.list_schedules()["Schedules"])
    found = scheduler.get_schedule(Name=name)
    taken = ("ScheduleExpression", "FlexibleTimeWindow", "Target")
    scheduler.update_schedule(Name=name, State="DISABLED", **{key: found[key] for key in taken})


CASES = (
    Case(check="trail", breaks=no_trail, says="there is no trail"),
    Case(check="trail", breaks=lambda deployment: deployment.account.logging(on=False), says="is not logging"),
    Case(check="trail", breaks=read_only, says="does not record Lambda's write management events"),
    Case(check="trail", breaks=data_only, says="does not record Lambda's write management events"),
    Case(
        check="rule",
        breaks=lambda deployment: deployment.account.client("events").disable_rule(Name=deployment.rule),
        says="is disabled",
    ),
    Case(check="rule", breaks=no_rule, says="is gone", skipped=("rule-target",)),
    Case(check="rule", breaks=narrowed, says="lets other events through"),
    Case(check="rule-target", breaks=no_target, says="has lost its target"),
    Case(check="invoke-permission", breaks=no_permission, says="does not let the rule invoke it"),
    Case(check="function", breaks=throttled, says="0 is reserved", skipped=("invoke-permission", "last-invocations")),
    Case(check="function-role", breaks=denied, says="codeguru-profiler:CreateProfilingGroup, on *"),
    Case(check="function-role", breaks=cut, says="no policy allows it"),
    Case(check="function-role", breaks=distrusted, says="trusts somebody else"),
    Case(check="machine-roles", breaks=machine_cut, says="no policy allows it"),
    Case(check="last-invocations", breaks=failing, says="access_denied: "),
    Case(check="dead-letters", breaks=letters_waiting, says="1 no_permissions (rule)"),
    Case(check="schedule", breaks=unscheduled, says="is disabled"),
    Case(
        check="last-sweep",
        breaks=lambda deployment: deployment.sandbox.age(3 * 24 * 3600),
        says="more than two periods of rate(1 day) ago",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{getattr(case.breaks, '__name__', '')}")
def test_what_is_broken_is_found_and_mended_by_what_is_named(doctor: Doctor, case: Case) -> None:
    """Exactly that check fails; what is of no use meanwhile is skipped; once mended, nothing fails."""
    case.breaks(doctor.deployment)
    broken = doctor.examine()
    assert (broken.status, broken.ids("fail")) == (1, [case.check]), broken.finding(case.check)
    assert case.says in broken.finding(case.check)["detail"]
    assert set(case.skipped) == set(broken.ids("skipped"))
    doctor.mend(broken)
    mended = doctor.examine()
    if case.skipped == ("rule-target",):
        # The rule that is put anew has no target.
        assert mended.ids("fail") == ["rule-target"]
        doctor.mend(mended)
        mended = doctor.examine()
    assert (mended.status, mended.ids("fail"), mended.ids("skipped")) == (0, [], [])


def test_the_quota_is_nearly_used_up(doctor: Doctor) -> None:
    """At 490 of 500 it fails; the request for more mends it once it is granted, as in the sandbox it is at once."""
    no_room(doctor.deployment)
    full = doctor.examine()
    assert full.ids("fail") == ["quota"]
    assert full.finding("quota")["detail"] == "490 of 500 profiling groups are used"
    doctor.deployment.sandbox.set_quota(550)
    near = doctor.examine()
    assert (near.status, near.finding("quota")["status"]) == (0, "warn")
    doctor.deployment.sandbox.set_quota(500)
    doctor.mend(full)
    well = doctor.examine()
    assert (well.status, well.finding("quota")["detail"]) == (0, "490 of 1,000 profiling groups are used")
    profiler = doctor.deployment.account.profiler
    for name in profiler.list_profiling_groups(maxResults=1000)["profilingGroupNames"]:
        if name.startswith("crowd-"):
            profiler.delete_profiling_group(profilingGroupName=name)


def test_codeguru_profiler_is_out_of_order(doctor: Doctor) -> None:
    """That is said, and not that the quota cannot be told."""
    doctor.deployment.sandbox.set_faults(OUT_OF_ORDER)
    broken = doctor.examine()
    assert (broken.ids("fail"), broken.ids("skipped")) == (["profiler"], ["quota"])
    doctor.deployment.sandbox.clear_faults()
    assert doctor.examine().ids("fail") == []


def test_another_stack_than_ours(doctor: Doctor) -> None:
    """It is there, and is none that this command knows."""
    assert doctor.examine("--stack", "CDKToolkit").ids("fail") == ["stack"]


def test_another_policy_than_the_file_at_hand(doctor: Doctor) -> None:
    """It is deployed by the command that is named, and afterwards the one that ships is another one."""
    other = ("--policy", str(ROOT / "demo/clean-up.yaml"))
    for words in (other, ()):
        broken = doctor.examine(*words)
        assert (broken.status, broken.ids("fail")) == (1, ["stack-current"])
        doctor.mend(broken)
        mended = doctor.examine(*words)
        assert (mended.status, mended.ids("fail"), mended.ids("warn")) == (0, [], [])


def test_from_a_region_without_codeguru_profiler_to_one_where_all_is_well(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time the one check that fails names what comes next: another region, then the CDK and a deployment."""
    monkeypatch.setenv("AWS_REGION", "eu-south-1")
    nowhere = doctor.examine()
    assert (nowhere.status, nowhere.ids("fail"), nowhere.ids("warn")) == (1, ["region-supported"], [])
    assert nowhere.ids("pass") == ["credentials"]
    assert nowhere.finding("region-supported")["mend"].startswith("export AWS_REGION=")

    monkeypatch.setenv("AWS_REGION", ELSEWHERE)
    assert ELSEWHERE in nowhere.finding("region-supported")["detail"]
    absent = doctor.examine()
    assert (absent.status, absent.ids("fail")) == (1, ["stack"])
    assert absent.finding("stack")["mend"] == "make bootstrap && make deploy"
    doctor.mend(absent)
    deployed = doctor.examine()
    assert (deployed.status, deployed.ids("fail"), deployed.ids("skipped")) == (0, [], [])


@pytest.mark.parametrize(("check", "breaks"), [("function", no_function), ("function-role", no_role)])
def test_what_cloudformation_does_not_make_anew_is_made_with_the_stack(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, check: str, breaks: Callable[[Account], None]
) -> None:
    """In the other region, where nobody else relies on the names of what there is."""
    monkeypatch.setenv("AWS_REGION", ELSEWHERE)
    breaks(Account(doctor.deployment.sandbox.endpoint, region=ELSEWHERE))
    broken = doctor.examine()
    assert (broken.status, broken.ids("fail")) == (1, [check])
    assert "is gone" in broken.finding(check)["detail"]
    assert broken.finding(check)["mend"] == "make destroy && make deploy"
    doctor.mend(broken)
    mended = doctor.examine()
    assert (mended.status, mended.ids("fail"), mended.ids("skipped")) == (0, [], [])


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_ACCESS_KEY_ID", None), ("AWS_REGION", None), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")]
)
def test_aws_cannot_be_asked_at_all(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    """Exit status 2, and what is wrong stands where everything else would."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    examined = doctor.examine()
    assert (examined.status, examined.ids("fail")) == (2, ["credentials"])


UNREADABLE = {
    "trail": ("cloudtrail", "DescribeTrails"),
    "rule": ("events", "DescribeRule"),
    "rule-target": ("events", "ListTargetsByRule"),
    "function": ("lambda", "GetFunctionConcurrency"),
    "function-role": ("iam", "GetRole"),
    "profiler": ("codeguruprofiler", "ListProfilingGroups"),
    "dead-letters": ("sqs", "GetQueueAttributes"),
    "schedule": ("scheduler", "GetSchedule"),
    "last-sweep": ("stepfunctions", "ListExecutions"),
}


def test_what_may_not_be_read_is_a_warning(doctor: Doctor) -> None:
    """It names the call; what builds on it is skipped, and nothing fails for that."""
    doctor.deployment.sandbox.set_faults(*starmap(denial, UNREADABLE.values()))
    examined = doctor.examine()
    assert (examined.status, examined.ids("fail")) == (0, [])
    for check, (_, operation) in UNREADABLE.items():
        assert (examined.finding(check)["status"], operation in examined.finding(check)["detail"]) == ("warn", True)
    assert set(examined.ids("skipped")) == {"invoke-permission", "last-invocations", "quota"}


def test_without_leave_to_see_the_stack_its_parts_are_not_looked_at(doctor: Doctor) -> None:
    """A warning, and no guess."""
    doctor.deployment.sandbox.set_faults(denial("cloudformation", "*"))
    examined = doctor.examine()
    assert (examined.status, examined.ids("warn")) == (0, ["stack"])
    assert set(examined.ids("pass")) == {"credentials", "region-supported", "profiler", "trail"}


def test_a_role_is_judged_by_its_policies_where_the_simulator_may_not_be_asked(doctor: Doctor) -> None:
    """With the same result."""
    doctor.deployment.sandbox.set_faults(denial("iam", "SimulatePrincipalPolicy"))
    assert doctor.examine().finding("function-role")["status"] == "pass"
    with doctor.deployment.without("lambda:ListTags"):
        examined = doctor.examine()
    assert examined.ids("fail") == ["function-role"]
    assert "lambda:ListTags" in examined.finding("function-role")["detail"]


def test_a_second_deployment_is_a_warning(doctor: Doctor) -> None:
    """Another rule on the default bus has the same pattern."""
    events = doctor.deployment.account.client("events")
    pattern = events.describe_rule(Name=doctor.deployment.rule)["EventPattern"]
    events.put_rule(Name="another-provisioner", EventPattern=pattern)
    finding = doctor.examine().finding("single-deployment")
    events.delete_rule(Name="another-provisioner")
    assert finding["status"] == "warn"
    assert "another-provisioner" in finding["detail"]
    assert doctor.examine().finding("single-deployment")["status"] == "pass"


def test_every_check_of_a_plain_deployment_is_made_to_fail() -> None:
    """In one of the tests above."""
    others = {"region-supported", "profiler", "stack", "stack-current", "quota", "single-deployment"}
    plain = {check.id for check in CHECKS if check.kinds & Kind.PLAIN}
    assert {case.check for case in CASES} | others == plain


def leftovers(deployment: Deployment) -> list[str]:
    """Return what is there of canaries."""
    functions = deployment.account.awslambda.get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in functions for each in page["Functions"]]
    names += deployment.account.profiler.list_profiling_groups(maxResults=1000)["profilingGroupNames"]
    names += [each["RoleName"] for each in deployment.account.client("iam").list_roles(MaxItems=1000)["Roles"]]
    return [name for name in names if "canary" in name]


def test_the_canary_tells_how_long_it_takes_and_is_gone_afterwards(doctor: Doctor) -> None:
    """Function, group and role."""
    examined = doctor.examine("--canary")
    found = examined.finding("canary")
    assert (examined.status, found["status"]) == (0, "pass")
    assert 0 <= examined.document["latency_seconds"] <= 2
    assert leftovers(doctor.deployment) == []


def test_a_canary_that_waits_in_vain_is_removed_all_the_same(doctor: Doctor) -> None:
    """And the outcome tells why."""
    doctor.deployment.sandbox.set_faults(denial("codeguruprofiler", "CreateProfilingGroup"))
    examined = doctor.examine("--canary", "--canary-timeout", "3")
    assert (examined.status, examined.ids("fail")) == (1, ["canary"])
    assert "access_denied" in examined.finding("canary")["detail"]
    assert examined.document["latency_seconds"] is None
    assert leftovers(doctor.deployment) == []


def test_no_canary_is_sent_where_nothing_would_come_of_it(doctor: Doctor) -> None:
    """The check that says so is enough."""
    doctor.deployment.account.logging(on=False)
    examined = doctor.examine("--canary")
    doctor.mend(examined)
    assert (examined.ids("fail"), examined.ids("skipped")) == (["trail"], ["canary"])
    assert leftovers(doctor.deployment) == []


def test_what_of_a_canary_cannot_be_removed_is_told(doctor: Doctor) -> None:
    """With the command that removes it."""
    doctor.deployment.sandbox.set_faults(denial("lambda", "DeleteFunction"))
    examined = doctor.examine("--canary")
    doctor.deployment.sandbox.clear_faults()
    found = examined.finding("canary")
    assert (examined.status, found["status"]) == (0, "warn")
    (left,) = leftovers(doctor.deployment)
    assert found["mend"] == f"aws lambda delete-function --function-name {left}"
    aws_cli.run(found["mend"], client=doctor.deployment.account.client, other=list)
    assert leftovers(doctor.deployment) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_canary_that_is_interrupted_is_removed(doctor: Doctor, number: signal.Signals) -> None:
    """By Ctrl-C, or by whoever ends the command."""
    doctor.deployment.sandbox.set_faults(denial("codeguruprofiler", "CreateProfilingGroup"))
    with subprocess.Popen(
        ["profiling-groups", "doctor", "--canary", "--policy", POLICY], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        until(lambda: any(name.startswith("profiling-groups-canary") for name in leftovers(doctor.deployment)))
        process.send_signal(number)
        process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 130
    assert leftovers(doctor.deployment) == []


def test_a_person_reads_the_problems_first(doctor: Doctor) -> None:
    """What mends them stands on a line of its own, whole."""
    doctor.deployment.account.logging(on=False)
    done = CliRunner().invoke(commands, ["doctor", "--policy", POLICY])
    doctor.deployment.account.logging(on=True)
    first, looked_at, mend, *_ = done.stdout.splitlines()
    assert first == "fail  trail: the trail management-events is not logging"
    assert looked_at.strip().startswith("looked at: ")
    assert mend.strip() == (
        f"aws cloudtrail start-logging --name arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/management-events"
    )
    assert done.stdout.splitlines()[-1].startswith("1 failed, ")
