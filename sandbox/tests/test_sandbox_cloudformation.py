"""What the sandbox adds to moto's CloudFormation, on a stack like ours: a rule, its function, a dead-letter queue."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws.client import SandboxClient, SandboxProcess
from support import client, package, policy, stack_outputs, template, trust

ACCOUNT, REGION = "710987654321", "us-west-2"
CODE = "def main(event, context):\n    return event['detail']['eventName']\n"


def a_template(event_name: str) -> str:
    """A stack whose rule wants events of one name."""
    queue_policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": {"Fn::GetAtt": ["Lost", "Arn"]},
                "Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}},
            }
        ]
    }
    target = {
        "Id": "function",
        "Arn": {"Fn::GetAtt": ["Function", "Arn"]},
        "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Lost", "Arn"]}},
        "RetryPolicy": {"MaximumRetryAttempts": 7, "MaximumEventAgeInSeconds": 120},
    }
    pattern = {"source": ["aws.lambda"], "detail": {"eventName": [event_name], "errorCode": [{"exists": False}]}}
    resources = {
        "Lost": ("SQS::Queue", {}),
        "LostPolicy": ("SQS::QueuePolicy", {"Queues": [{"Ref": "Lost"}], "PolicyDocument": queue_policy}),
        "Role": ("IAM::Role", {"AssumeRolePolicyDocument": trust("lambda")}),
        "Function": (
            "Lambda::Function",
            {
                "Runtime": "python3.13",
                "Handler": "app.main",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"S3Bucket": "builds", "S3Key": "app.zip"},
            },
        ),
        "Rule": ("Events::Rule", {"EventPattern": pattern, "Targets": [target]}),
        "Permission": (
            "Lambda::Permission",
            {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Fn::GetAtt": ["Function", "Arn"]},
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
            },
        ),
    }
    document = json.loads(template(resources, RuleName={"Ref": "Rule"}, QueueUrl={"Ref": "Lost"}))
    document["Parameters"] = {"Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/toolkit/version"}}
    return json.dumps(document)


class Stack:
    """A stack that is deployed as the CDK CLI does it: by change sets of always the same name."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox
        names = ("cloudformation", "events", "iam", "kms", "lambda", "logs", "s3", "sqs", "ssm")
        self.clients = {name: client(sandbox, name, region=REGION) for name in names}
        self.clients["s3"].create_bucket(Bucket="builds", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.clients["s3"].put_object(Bucket="builds", Key="app.zip", Body=package(CODE))
        self.clients["ssm"].put_parameter(Name="/toolkit/version", Value="21", Type="String")

    def deploy(self, template: str, kind: str) -> None:
        """Create and execute a change set."""
        formation = self.clients["cloudformation"]
        formation.delete_change_set(StackName="ours", ChangeSetName="deploy") if kind == "UPDATE" else None
        previous = [{"ParameterKey": "Version", "UsePreviousValue": True}] if kind == "UPDATE" else []
        made = formation.create_change_set(
            StackName="ours", ChangeSetName="deploy", ChangeSetType=kind, TemplateBody=template, Parameters=previous
        )
        formation.execute_change_set(StackName="ours", ChangeSetName=made["Id"])

    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return stack_outputs(self.clients["cloudformation"], "ours")

    def rule(self) -> dict[str, Any]:
        """The rule that the output names."""
        return dict(self.clients["events"].describe_rule(Name=self.outputs()["RuleName"]))

    def queue_statements(self) -> list[dict[str, Any]]:
        """The policy of the queue."""
        attributes = self.clients["sqs"].get_queue_attributes(
            QueueUrl=self.outputs()["QueueUrl"], AttributeNames=["Policy"]
        )
        return list(json.loads(attributes["Attributes"]["Policy"])["Statement"])


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The stack, deployed."""
    with SandboxProcess(options=["--account", ACCOUNT, "--region", REGION, "--pace", "0.001"]) as sandbox:
        stack = Stack(sandbox)
        stack.deploy(a_template("CreateFunction20150331"), "CREATE")
        yield stack


def test_rule_policy_and_permission_are_wired(stack: Stack) -> None:
    """The outputs lead to a rule with its target as written, which the queue and the function both let in."""
    rule = stack.rule()
    (target,) = stack.clients["events"].list_targets_by_rule(Rule=rule["Name"])["Targets"]
    (statement,) = stack.queue_statements()
    policy = stack.clients["lambda"].get_policy(FunctionName=target["Arn"])["Policy"]
    (permission,) = json.loads(policy)["Statement"]

    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 7, "MaximumEventAgeInSeconds": 120}
    assert target["DeadLetterConfig"]["Arn"].endswith(stack.outputs()["QueueUrl"].rpartition("/")[2])
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": rule["Arn"]}}
    assert permission["Principal"] == {"Service": "events.amazonaws.com"}
    assert permission["Condition"] == {"ArnLike": {"AWS:SourceArn": rule["Arn"]}}


def test_function_made_by_the_stack_is_an_event_too(stack: Stack) -> None:
    """CloudFormation's own creation is recorded as made by it, and reaches the rule of the same stack."""
    stack.sandbox.wait_until_idle()

    (invocation,) = stack.sandbox.invocations()
    detail = invocation["payload"]["detail"]
    assert invocation["state"] == "succeeded"
    assert invocation["result"] == "CreateFunction20150331"
    assert detail["userIdentity"]["invokedBy"] == "cloudformation.amazonaws.com"
    assert (detail["sourceIPAddress"], detail["userAgent"]) == ("cloudformation.amazonaws.com",) * 2
    assert detail["requestParameters"]["code"] == {"s3Bucket": "builds", "s3Key": "app.zip"}


def test_missing_change_set_is_an_error_that_the_cdk_cli_knows(stack: Stack) -> None:
    """Before an update the CLI waits until its old change set is not found."""
    with pytest.raises(ClientError) as caught:
        stack.clients["cloudformation"].describe_change_set(StackName="ours", ChangeSetName="never-made")

    assert caught.value.response["Error"]["Code"] == "ChangeSetNotFound"


def test_update_changes_the_rule_and_keeps_the_rest(stack: Stack) -> None:
    """An update with the previous parameters gives the rule its new pattern; its name, hence its policies, stay."""
    before = stack.rule()

    stack.deploy(a_template("DeleteFunction20150331"), "UPDATE")

    after = stack.rule()
    assert after["Arn"] == before["Arn"]
    assert json.loads(after["EventPattern"])["detail"]["eventName"] == ["DeleteFunction20150331"]
    (statement,) = stack.queue_statements()
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": after["Arn"]}}


def a_hardened_template(**wanted: str) -> str:
    """A stack whose role, log group and bucket may have a boundary and a key; its own key has a tag."""
    key = wanted.get("key")
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} if key else {"SSEAlgorithm": "AES256"}
    boundary = {"PermissionsBoundary": wanted["boundary"]} if "boundary" in wanted else {}
    tags = [{"Key": "team", "Value": wanted.get("team", "none")}]
    encryption = {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": by_default}]}
    resources = {
        "Key": ("KMS::Key", {"KeyPolicy": policy(), "Tags": tags}),
        "Role": ("IAM::Role", {"AssumeRolePolicyDocument": policy(), "Tags": tags, **boundary}),
        "Records": ("Logs::LogGroup", {"RetentionInDays": 7, **({"KmsKeyId": key} if key else {})}),
        "Reports": ("S3::Bucket", {"BucketEncryption": encryption, "Tags": tags}),
    }
    return template(resources, **{name: {"Ref": name} for name in resources})


def test_update_hardens_roles_log_groups_and_buckets_in_place(stack: Stack) -> None:
    """None of them is made anew."""
    formation = stack.clients["cloudformation"]
    formation.create_stack(StackName="hardened", TemplateBody=a_hardened_template())

    before = stack_outputs(formation, "hardened")
    kms_tags = stack.clients["kms"].list_resource_tags(KeyId=before["Key"])["Tags"]
    assert {"TagKey": "team", "TagValue": "none"} in kms_tags
    boundary, key = (
        f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{before['Key']}",
    )
    wanted = a_hardened_template(boundary=boundary, key=key, team="platform")
    formation.update_stack(StackName="hardened", TemplateBody=wanted)

    assert stack_outputs(formation, "hardened") == before
    role = stack.clients["iam"].get_role(RoleName=before["Role"])["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert role["Tags"] == [{"Key": "team", "Value": "platform"}]
    groups = stack.clients["logs"].describe_log_groups(logGroupNamePrefix=before["Records"])["logGroups"]
    assert [(each["kmsKeyId"], each["retentionInDays"]) for each in groups] == [(key, 7)]
    (rule,) = stack.clients["s3"].get_bucket_encryption(Bucket=before["Reports"])["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
