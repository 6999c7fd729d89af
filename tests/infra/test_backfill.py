"""The backfill in the template: what starts it, what it may do, and what becomes of its reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra import state_machine
from tests.infra.templates import allowances, named, text
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

EXECUTIONS = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<BackfillMachine.Name>"
SCHEDULER_ROLE = "SchedulerRoleForTargetf3796a"
STARTS_IT = {"<BackfillMachine>": {"states:StartExecution"}}


@pytest.mark.parametrize(
    ("role", "service", "expected"),
    [
        (
            "BackfillMachineRole",
            "states.amazonaws.com",
            {
                "<BackfillFunction.Arn>": {"lambda:InvokeFunction"},
                "<BackfillReports.Arn>/backfill/*": {
                    "s3:PutObject",
                    "s3:GetObject",
                    "s3:ListMultipartUploadParts",
                    "s3:AbortMultipartUpload",
                },
                "<BackfillMachine>": {"states:StartExecution"},
                f"{EXECUTIONS}:*": {"states:DescribeExecution", "states:StopExecution"},
                f"{EXECUTIONS}/Targets:*": {"states:RedriveExecution"},
                # These know no resource.
                "*": {
                    "logs:CreateLogDelivery",
                    "logs:GetLogDelivery",
                    "logs:UpdateLogDelivery",
                    "logs:DeleteLogDelivery",
                    "logs:ListLogDeliveries",
                    "logs:PutResourcePolicy",
                    "logs:DescribeResourcePolicies",
                    "logs:DescribeLogGroups",
                    "xray:PutTraceSegments",
                    "xray:PutTelemetryRecords",
                    "xray:GetSamplingRules",
                    "xray:GetSamplingTargets",
                },
            },
        ),
        ("BackfillDeployedRole", "events.amazonaws.com", STARTS_IT),
        (SCHEDULER_ROLE, "scheduler.amazonaws.com", STARTS_IT),
    ],
)
def test_each_role_may_do_this_and_no_more(
    template: Json, role: str, service: str, expected: dict[str, set[str]]
) -> None:
    """The machine invokes no function but its own, and whatever starts it can do only that."""
    (trust,) = named(template, role)["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": service}
    assert allowances(template, role) == expected


def test_the_functions_are_one_identity_with_concurrency_of_their_own(template: Json) -> None:
    """Whoever trusts the one trusts the other; a sweep takes none of what is reserved for events."""
    events, sweeps = (named(template, f"{name}Function")["Properties"] for name in ("Provisioner", "Backfill"))
    assert text(events["Role"]) == text(sweeps["Role"]) == "<Role.Arn>"
    assert events["ReservedConcurrentExecutions"] == 5
    assert "ReservedConcurrentExecutions" not in sweeps
    assert events["LoggingConfig"] != sweeps["LoggingConfig"]


def test_the_function_is_set_up_as_promised(template: Json) -> None:
    """As long as Lambda allows, on a CPU of its own; logs with an end; and it makes no group for itself."""
    function = named(template, "BackfillFunction")["Properties"]
    assert (function["Timeout"], function["MemorySize"]) == (900, 1769)
    assert (function["Runtime"], function["Architectures"]) == ("python3.14", ["arm64"])
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["Tags"] == [{"Key": "codeguru-profiler", "Value": "off"}]
    for logs in ("BackfillLogs", "BackfillMachineLogs"):
        assert named(template, logs)["Properties"]["RetentionInDays"] == 90


def test_the_machine_is_deployed_as_it_is_defined(template: Json) -> None:
    """With its nulls; logged in full but for what it works on, and traced."""
    machine = named(template, "BackfillMachine")["Properties"]
    assert json.loads(text(machine["DefinitionString"])) == state_machine.definition(
        partition="<AWS::Partition>",
        account="<AWS::AccountId>",
        region="<AWS::Region>",
        function_arn="<BackfillFunction.Arn>",
        bucket="<BackfillReports>",
    )
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging.get("IncludeExecutionData", False)) == ("ALL", False)
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_it_starts_after_a_deployment_that_changed_something(template: Json) -> None:
    """Of this stack and no other; a rollback is none."""
    rule = named(template, "BackfillDeployed")["Properties"]
    assert rule["EventPattern"] == {
        "source": ["aws.cloudformation"],
        "detail-type": ["CloudFormation Stack Status Change"],
        "detail": {
            "stack-id": [{"Ref": "AWS::StackId"}],
            "status-details": {"status": ["CREATE_COMPLETE", "UPDATE_COMPLETE"]},
        },
    }
    (target,) = rule["Targets"]
    # The event itself would be no input.
    assert (text(target["Arn"]), text(target["RoleArn"]), target["Input"]) == (
        "<BackfillMachine>",
        "<BackfillDeployedRole.Arn>",
        "{}",
    )


def test_it_starts_once_a_day(template: Json) -> None:
    """Within an hour, so that many accounts do not start at once."""
    schedule = named(template, "BackfillSchedule")["Properties"]
    assert (schedule["ScheduleExpression"], schedule["State"]) == ("rate(1 day)", "ENABLED")
    assert schedule["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60}
    target = schedule["Target"]
    assert (text(target["Arn"]), text(target["RoleArn"]), target["Input"]) == (
        "<BackfillMachine>",
        f"<{SCHEDULER_ROLE}.Arn>",
        "{}",
    )


def test_the_reports_are_private_encrypted_versioned_and_expire(template: Json) -> None:
    """They stay when the stack goes, as a bucket that holds something cannot be deleted, still refusing plain HTTP."""
    resource, policy = named(template, "BackfillReports"), named(template, "BackfillReportsPolicy")
    bucket = resource["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["LifecycleConfiguration"]["Rules"] == [
        {
            "Status": "Enabled",
            "ExpirationInDays": 365,
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
    ]
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": "*"})
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (resource["DeletionPolicy"], policy["DeletionPolicy"]) == ("Retain", "Retain")


def test_the_settings_say_when_and_for_how_long(tmp_path: Path) -> None:
    """Without a schedule there is none, nor a role for one; the rule on deployments stays."""
    synthesize(tmp_path, region="eu-west-1", backfill_schedule="null", report_retention_days="30")
    template = json.loads((tmp_path / "ProfilingGroups.template.json").read_text())
    text_of_all = json.dumps(template)
    assert "AWS::Scheduler::Schedule" not in text_of_all
    assert "scheduler.amazonaws.com" not in text_of_all
    assert named(template, "BackfillDeployed")["Properties"]["State"] == "ENABLED"
    (rule,) = named(template, "BackfillReports")["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 30
