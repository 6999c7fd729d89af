"""What starts a state machine: events of the stack that it is in, and a schedule. And the bucket that it writes to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws.client import SandboxClient, SandboxError, SandboxProcess
from support import Json, allow, client, policy, stack_outputs, template, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, REGION = "830987654321", "eu-west-2"
SERVICES = ("cloudformation", "events", "iam", "s3", "scheduler", "sqs", "stepfunctions")


def a_role(name: str, service: str, *, source: object, action: str) -> tuple[str, Json]:
    """A role that a service may assume for one source, and that may do one thing."""
    condition = {"ArnLike": {"aws:SourceArn": source}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    return "IAM::Role", {
        "RoleName": name,
        "AssumeRolePolicyDocument": trust(service, **condition),
        "Policies": [{"PolicyName": name, "PolicyDocument": policy(allow(action))}],
    }


def a_template(*, state: str = "ENABLED") -> str:
    """A stack whose machine starts after its deployments and on a schedule."""
    place = f"{REGION}:{ACCOUNT}"
    status = {"status": ["CREATE_COMPLETE", "UPDATE_COMPLETE"]}
    pattern = {
        "source": ["aws.cloudformation"],
        "detail-type": ["CloudFormation Stack Status Change"],
        "detail": {"stack-id": [{"Ref": "AWS::StackId"}], "status-details": status},
    }
    bucket = {"Fn::GetAtt": ["Reports", "Arn"]}
    tls_only = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [bucket, {"Fn::Join": ["", [bucket, "/*"]]}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    machine, starter = {"Ref": "Machine"}, "states:StartExecution"
    resources: dict[str, tuple[str, Json]] = {
        "Role": a_role("machine", "states", source=f"arn:aws:states:{place}:*", action="s3:PutObject"),
        "RuleRole": a_role("rule", "events", source=f"arn:aws:events:{place}:rule/*", action=starter),
        "ScheduleRole": a_role(
            "schedule",
            "scheduler",
            source=f"arn:aws:scheduler:{place}:schedule-group/default",
            action=starter,
        ),
        "Machine": (
            "StepFunctions::StateMachine",
            {
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "Definition": {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}},
            },
        ),
        "Deployed": (
            "Events::Rule",
            {
                "EventPattern": pattern,
                "Targets": [{"Id": "machine", "Arn": machine, "RoleArn": {"Fn::GetAtt": ["RuleRole", "Arn"]}}],
            },
        ),
        "Schedule": (
            "Scheduler::Schedule",
            {
                "Name": "daily",
                "ScheduleExpression": "rate(1 day)",
                "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60},
                "State": state,
                "Target": {
                    "Arn": machine,
                    "RoleArn": {"Fn::GetAtt": ["ScheduleRole", "Arn"]},
                    "Input": json.dumps({"by": "schedule"}),
                },
            },
        ),
        "Reports": (
            "S3::Bucket",
            {
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [
                        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}},
                    ]
                },
                "LifecycleConfiguration": {
                    "Rules": [
                        {
                            "Status": "Enabled",
                            "ExpirationInDays": 365,
                            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                        }
                    ]
                },
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "BlockPublicPolicy": True,
                    "IgnorePublicAcls": True,
                    "RestrictPublicBuckets": True,
                },
                "VersioningConfiguration": {"Status": "Enabled"},
            },
        ),
        "ReportsPolicy": (
            "S3::BucketPolicy",
            {
                "Bucket": {"Ref": "Reports"},
                "PolicyDocument": policy(tls_only),
            },
        ),
    }
    document = json.loads(template(resources, Machine=machine, Bucket={"Ref": "Reports"}))
    for name in ("Reports", "ReportsPolicy"):
        document["Resources"][name]["DeletionPolicy"] = "Retain"
    return json.dumps(document)


class Stack:
    """The stack, and a queue that hears all of its events."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox
        self.clients = {name: client(sandbox, name, region=REGION) for name in SERVICES}
        self._queue = self.clients["sqs"].create_queue(QueueName="heard")["QueueUrl"]
        pattern = {"source": ["aws.cloudformation"]}
        self.clients["events"].put_rule(Name="all", EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:heard"}
        self.clients["events"].put_targets(Rule="all", Targets=[target])
        formation = self.clients["cloudformation"]
        self.id = formation.create_stack(StackName="ours", TemplateBody=a_template())["StackId"]
        self.started: set[str] = set()

    def update(self, template: str) -> None:
        """Update the stack."""
        self.clients["cloudformation"].update_stack(StackName="ours", TemplateBody=template)

    def permit(self, role: str, action: str) -> None:
        """Give a role another permission instead of its own."""
        document = json.dumps(policy(allow(action)))
        self.clients["iam"].put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=document)

    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return stack_outputs(self.clients["cloudformation"], "ours")

    def inputs(self) -> list[Any]:
        """What the executions got that were started since this was asked before."""
        self.sandbox.wait_until_idle()
        states, machine = self.clients["stepfunctions"], self.outputs()["Machine"]
        arns = {each["executionArn"] for each in states.list_executions(stateMachineArn=machine)["executions"]}
        new, self.started = arns - self.started, arns
        return [json.loads(states.describe_execution(executionArn=arn)["input"]) for arn in new]

    def heard(self) -> list[Json]:
        """The events that came since this was asked before."""
        heard: list[Json] = []
        while messages := self.clients["sqs"].receive_message(QueueUrl=self._queue).get("Messages"):
            for message in messages:
                heard.append(json.loads(message["Body"]))
                self.clients["sqs"].delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return heard

    def statuses(self) -> list[str]:
        """Their statuses."""
        return [event["detail"]["status-details"]["status"] for event in self.heard()]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack, deployed."""
    with SandboxProcess(options=["--account", ACCOUNT, "--region", REGION, "--pace", "0.001"]) as sandbox:
        yield Stack(sandbox)


def test_stack_hears_of_its_own_creation(stack: Stack) -> None:
    """Its rule is there by the time that the event comes, and starts the machine by the role of its target."""
    (event,) = stack.inputs()

    assert event["detail"] == {
        "stack-id": stack.id,
        "status-details": {"status": "CREATE_COMPLETE", "status-reason": ""},
        "client-request-token": "",
    }
    assert (event["account"], event["region"], event["resources"]) == (ACCOUNT, REGION, [stack.id])
    assert stack.statuses() == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]


def test_schedule_comes_due_when_asked_for_and_never_by_itself(stack: Stack) -> None:
    """By its name, or with all others; its target gets the constant."""
    (schedule,) = stack.sandbox.schedules()
    fired = [stack.sandbox.fire_schedules(), stack.sandbox.fire_schedules("daily")]

    assert (schedule["name"], schedule["expression"], schedule["state"]) == ("daily", "rate(1 day)", "ENABLED")
    assert fired == [["daily"], ["daily"]]
    assert stack.inputs() == [{"by": "schedule"}] * 2


@pytest.mark.parametrize("role", ["rule", "schedule"])
def test_start_that_the_role_does_not_allow_is_none(stack: Stack, role: str) -> None:
    """Of the rule's target nobody hears; the schedule says so to who fires it."""
    stack.permit(role, "states:StopExecution")
    if role == "schedule":
        with pytest.raises(SandboxError, match=r"NO_PERMISSIONS.*states:StartExecution"):
            stack.sandbox.fire_schedules()
    else:
        stack.clients["cloudformation"].create_stack(StackName="other", TemplateBody='{"Resources": {}}')
    stack.permit(role, "states:StartExecution")

    assert stack.inputs() == []


def test_update_is_heard_of_and_a_deployment_without_a_change_is_not(stack: Stack) -> None:
    """As AWS has no update to perform, there is no event."""
    stack.heard()
    stack.update(a_template(state="DISABLED"))
    (event,) = stack.inputs()
    statuses = stack.statuses()
    with pytest.raises(ClientError, match="No updates"):
        stack.update(a_template(state="DISABLED"))

    assert event["detail"]["status-details"]["status"] == "UPDATE_COMPLETE"
    assert statuses == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]
    assert (stack.inputs(), stack.statuses()) == ([], [])


def test_disabled_schedule_cannot_be_fired(stack: Stack) -> None:
    """Nor one that there is not; all that are enabled may be none."""
    stack.update(a_template())
    stack.update(a_template(state="DISABLED"))

    assert [schedule["state"] for schedule in stack.sandbox.schedules()] == ["DISABLED"]
    assert stack.sandbox.fire_schedules() == []
    for name in ("daily", "hourly"):
        with pytest.raises(SandboxError, match=name):
            stack.sandbox.fire_schedules(name)


def test_bucket_is_as_its_template_says_and_outlives_the_stack(stack: Stack) -> None:
    """Encrypted, versioned, private, with an end to what lies in it, and open to those who come by TLS."""
    s3, bucket = stack.clients["s3"], stack.outputs()["Bucket"]
    for body in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="report", Body=body)
    (encryption,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    stack.heard()
    stack.clients["cloudformation"].delete_stack(StackName="ours")

    assert encryption["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert (rule["Expiration"]["Days"], rule["NoncurrentVersionExpiration"]["NoncurrentDays"]) == (365, 30)
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    assert [statement["Effect"] for statement in policy["Statement"]] == ["Deny"]
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert len([version for version in versions if version["Key"] == "report"]) == 2
    assert s3.get_object(Bucket=bucket, Key="report")["Body"].read() == b"two"
    assert stack.statuses() == ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
    assert stack.sandbox.schedules() == []
