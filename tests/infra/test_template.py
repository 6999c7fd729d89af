"""The template: what it promises to others, and what it owes to those who deploy it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.permissions import permissions
from profiling_groups.aws import LONGEST_CALL_SECONDS
from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.policy import GroupSettings, Lifecycle, Policy, WhenDeleted
from profiling_groups.reconcile import MOST_CALLS
from tests.infra.templates import allowances

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def test_the_outputs_have_the_ids_that_others_rely_on(template: Json) -> None:
    """Scripts and later stacks read them by these names."""
    assert set(template["Outputs"]) == {
        "ProvisionerFunctionName",
        "ProvisionerRuleName",
        "DeadLetterQueueUrl",
        "BackfillStateMachineArn",
        "BackfillFunctionName",
        "ReportBucketName",
        "AlarmTopicArn",
        "DashboardName",
    }


def test_the_asset_is_the_folder_named_by_the_functions_key(assembly: Path, only: Callable[..., Json]) -> None:
    """As it lies there it runs under the stock runtime; both functions run it."""
    keys = {only("AWS::Lambda::Function", within)["Code"]["S3Key"] for within in ("Provisioner", "Backfill")}
    (key,) = keys
    assert (assembly / f"asset.{key.removesuffix('.zip')}" / "profiling_groups" / "handler.py").is_file()


def test_the_rule_matches_successful_calls_that_the_policy_asks_for_and_no_more(only: Callable[..., Json]) -> None:
    """Exact versioned names; the source twice, as CloudFront has a CreateFunction too."""
    assert only("AWS::Events::Rule", "Provisioner")["EventPattern"] == {
        "source": ["aws.lambda"],
        "detail-type": ["AWS API Call via CloudTrail"],
        "account": [{"Ref": "AWS::AccountId"}],
        "detail": {
            "eventSource": ["lambda.amazonaws.com"],
            "eventName": ["CreateFunction20150331", "TagResource20170331v2", "UntagResource20170331v2"],
            "errorCode": [{"exists": False}],
        },
    }


def test_both_ways_of_losing_an_event_end_in_one_queue_after_explicit_retries(
    template: Json, only: Callable[..., Json]
) -> None:
    """EventBridge's, for what it cannot deliver, and Lambda's, for what the function cannot work on."""
    (queue,) = (name for name, each in template["Resources"].items() if each["Type"] == "AWS::SQS::Queue")
    arn = {"Fn::GetAtt": [queue, "Arn"]}
    (target,) = only("AWS::Events::Rule", "Provisioner")["Targets"]
    assert target["DeadLetterConfig"] == {"Arn": arn}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
    assert only("AWS::Lambda::Function", "Provisioner")["DeadLetterConfig"] == {"TargetArn": arn}
    invoke = only("AWS::Lambda::EventInvokeConfig")
    assert (invoke["MaximumEventAgeInSeconds"], invoke["MaximumRetryAttempts"]) == (21_600, 2)


def test_the_queue_is_encrypted_and_refuses_plain_connections(only: Callable[..., Json]) -> None:
    """What lies in it are records of who did what."""
    assert only("AWS::SQS::Queue")["SqsManagedSseEnabled"] is True
    statements = only("AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [
        statement["Condition"] for statement in statements if statement["Effect"] == "Deny"
    ]


def test_the_function_is_set_up_as_promised(only: Callable[..., Json]) -> None:
    """Runtime, architecture, tracing, concurrency, logs with an end; and it makes no group for itself."""
    function = only("AWS::Lambda::Function", "Provisioner")
    assert function["Runtime"] == "python3.14"
    assert function["Architectures"] == ["arm64"]
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["ReservedConcurrentExecutions"] == 5
    assert MOST_CALLS * LONGEST_CALL_SECONDS <= function["Timeout"] <= 900
    assert function["Tags"] == [{"Key": "codeguru-profiler", "Value": "off"}]
    assert "LogGroup" in function["LoggingConfig"]
    assert only("AWS::Logs::LogGroup", "Provisioner")["RetentionInDays"] == 90


def test_a_region_without_the_profiler_is_refused_by_the_template_itself(template: Json) -> None:
    """For pipelines that synthesize here and deploy there."""
    (assertion,) = template["Rules"]["RegionHasCodeGuruProfiler"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [sorted(PROFILER_REGIONS), {"Ref": "AWS::Region"}]}


def test_the_readme_names_every_permission_and_no_other(template: Json) -> None:
    """What it may touch is the first thing that its users ask; by the shipped policy, and by any other."""
    allowed, machine, rule, schedule = (
        set.union(*allowances(template, role).values())
        for role in ("Role", "BackfillMachineRole", "BackfillDeployedRole", "SchedulerRoleForTargetf3796a")
    )
    section = README.split("### What it may touch")[1].split("###")[0]
    listed, otherwise, listed_of_machine, starts = section.split("\n\n")[1:5]
    assert actions_in(listed) == allowed
    everything = Policy(
        group=GroupSettings(grant_agent=True), lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE)
    )
    most = {action for permission in permissions(everything) for action in permission.actions}
    assert actions_in(otherwise) == most - allowed
    assert actions_in(listed_of_machine) == machine
    assert actions_in(starts) == rule == schedule


def actions_in(text: str) -> set[str]:
    """Return the actions that a text names."""
    return set(re.findall(r"`([a-z0-9-]+:[A-Z]\w+)`", text))


def test_cfn_lint_has_nothing_to_say(assembly: Path) -> None:
    """W3005 is noise: the CDK writes dependencies that are there anyway."""
    done = subprocess.run(
        ["cfn-lint", "--ignore-checks", "W3005", "--", assembly / "ProfilingGroups.template.json"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")
