"""A deployment with every setting of a hardened account works as any other, under the key policy of its page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pytest

from demo.account import Account
from demo.cdk_cli import bootstrap, deploy
from embedded_aws.client import SandboxProcess
from tests.e2e.deployment import ACCOUNT, REGION, ROOT, Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

TAGS: Final = {"team": "platform", "cost-center": "42"}
BOUNDARY: Final = f"arn:aws:iam::{ACCOUNT}:policy/platform/boundary"


@pytest.fixture(scope="module")
def hardened() -> Iterator[Deployment]:
    """The stack, deployed with tags, and then with a key, a boundary and a VPC of the account."""
    with SandboxProcess(options=["--account", ACCOUNT, "--region", REGION, "--pace", "0.001"]) as sandbox:
        account = Account(sandbox.endpoint, region=REGION)
        page = (ROOT / "docs" / "hardening.md").read_text()
        policy = re.findall(r"```json\n(.*?)```", page, re.DOTALL)[1].replace("111122223333", ACCOUNT)
        key = account.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
        allow_all = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        account.client("iam").create_policy(
            PolicyName="boundary", Path="/platform/", PolicyDocument=json.dumps(allow_all)
        )
        ec2 = account.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="functions", Description="functions", VpcId=vpc)["GroupId"]
        context = {
            "tags": json.dumps(TAGS),
            "permissions_boundary": "platform/boundary",
            "kms_key_arn": key,
            "vpc": json.dumps({"subnet_ids": [subnet], "security_group_ids": [group]}),
        }
        bootstrap(sandbox.endpoint, account=ACCOUNT, region=REGION, say=print)
        tags = {"tags": context["tags"]}
        deploy(sandbox.endpoint, account=ACCOUNT, region=REGION, say=print, context=tags)
        outputs = deploy(sandbox.endpoint, account=ACCOUNT, region=REGION, say=print, context=context)
        sandbox.wait_until_idle()
        yield Deployment(sandbox, outputs)


def test_events_and_backfills_work_there(hardened: Deployment) -> None:
    """Functions in the VPC, reports and records under the key, and roles within the boundary."""
    hardened.hold_function("held")
    name = hardened.create_function("created")
    assert hardened.outcomes(name) == [("created", None)]
    execution = hardened.execute({})
    assert execution["status"] == "SUCCEEDED"
    (report,) = hardened.reports(execution)
    assert [each["action"] for each in report["outcomes"] if each["function"].endswith(":held")] == ["created"]


def test_what_was_deployed_is_hardened(hardened: Deployment) -> None:
    """The stack has its tags, and the services have taken over what the template says."""
    client = hardened.account.client
    (stack,) = client("cloudformation").describe_stacks(StackName="ProfilingGroups")["Stacks"]
    assert {each["Key"]: each["Value"] for each in stack["Tags"]} == TAGS
    role = client("iam").get_role(RoleName=hardened.role())["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
    function = client("lambda").get_function(FunctionName=hardened.function)
    assert function["Tags"].items() >= {**TAGS, "codeguru-profiler": "off"}.items()
    assert len(function["Configuration"]["VpcConfig"]["SubnetIds"]) == 1


def test_alarms_may_notify_with_the_key_policy_of_the_page(hardened: Deployment) -> None:
    """CloudWatch may publish to the topic of each alarm, and use the key that encrypts it."""
    client, topic = hardened.account.client, hardened.outputs["AlarmTopicArn"]
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]
    attributes = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    key = client("kms").get_key_policy(KeyId=attributes["KmsMasterKeyId"], PolicyName="default")["Policy"]
    granted = [
        statement
        for policy in (attributes["Policy"], key)
        for statement in json.loads(policy)["Statement"]
        if statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert [(each["Effect"], each["Action"]) for each in granted] == [
        ("Allow", "sns:Publish"),
        ("Allow", ["kms:Decrypt", "kms:GenerateDataKey*"]),
    ]
    assert {each["Condition"]["StringEquals"]["aws:SourceAccount"] for each in granted} == {ACCOUNT}
    assert {arn for alarm in alarms for arn in (*alarm["AlarmActions"], *alarm["OKActions"])} == {topic}
