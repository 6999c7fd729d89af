"""What a hardened account demands of every resource: tags, a permissions boundary, a key of its own, a VPC.

Aspects do it, so that it holds for what the CDK makes by itself, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from infra.permissions import NO_RESOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs import IConstruct

    from infra.settings import Vpc


def tag(stack: cdk.Stack, tags: Mapping[str, str]) -> None:
    """Give tags to a stack and to all of its resources; a tag that a construct gives itself wins."""
    for key, value in tags.items():
        cdk.Tags.of(stack).add(key, value)


def bound(stack: cdk.Stack, policy: str, *, in_own_account: bool = False) -> None:
    """Give all roles of a stack a permissions boundary.

    Args:
        stack: The stack.
        policy: Name or ARN of a managed policy.
        in_own_account: Whether it is the policy of that name in whatever account the stack is deployed to.
    """
    if in_own_account or not policy.startswith("arn:"):
        # AWS's own policies are in every account.
        owner = "aws" if ":iam::aws:policy/" in policy else cdk.Aws.ACCOUNT_ID
        policy = f"arn:{cdk.Aws.PARTITION}:iam::{owner}:policy/{policy.rpartition(':policy/')[2]}"
    iam.PermissionsBoundary.of(stack).apply(iam.ManagedPolicy.from_managed_policy_arn(stack, "Boundary", policy))


def encrypt(stack: cdk.Stack, key_arn: str, *, roles: Iterable[iam.IRole]) -> None:
    """Encrypt what a stack stores with a key that somebody else made, and whose policy is theirs.

    Args:
        stack: The stack.
        key_arn: The key.
        roles: Who reads and writes the bucket, sends to the queue, or runs a function.
    """
    cdk.Aspects.of(stack).add(_Encryption(key_arn))
    for role in roles:
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[key_arn])
        )


def attach(stack: cdk.Stack, vpc: Vpc, *, role: iam.Role) -> None:
    """Run all functions of a stack in a VPC.

    Args:
        stack: The stack.
        vpc: Its subnets and security groups.
        role: The functions' role; Lambda makes network interfaces in its name.
    """
    cdk.Aspects.of(stack).add(_Network(vpc))

    def network(partition: str, region: str, account: str) -> list[str]:
        """Return ARNs: first of the interfaces, then of what they are made in, which another account may share."""
        ids = [
            *(f"*:subnet/{each}" for each in vpc.subnet_ids),
            *(f"*:security-group/{each}" for each in vpc.security_group_ids),
        ]
        return [f"arn:{partition}:ec2:{region}:{each}" for each in (f"{account}:network-interface/*", *ids)]

    arns = network(cdk.Aws.PARTITION, cdk.Aws.REGION, cdk.Aws.ACCOUNT_ID)
    # The actions of AWS's managed policy AWSLambdaVPCAccessExecutionRole.
    for actions, resources in (
        (["ec2:CreateNetworkInterface"], arns),
        (["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"], arns[:1]),
        (["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"], [NO_RESOURCE]),
    ):
        role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
    for found in network("<AWS::Partition>", "<AWS::Region>", "<AWS::AccountId>"):
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id=f"AwsSolutions-IAM5[Resource::{found}]",
                reason="Lambda makes interfaces in these subnets, which may be those of another account.",
            )
        )


@jsii.implements(cdk.IAspect)
class _Encryption:
    def __init__(self, key_arn: str) -> None:
        self._key_arn = key_arn

    def visit(self, node: IConstruct) -> None:
        match node:
            case logs.CfnLogGroup():
                node.kms_key_id = self._key_arn
            case sns.CfnTopic():
                node.kms_master_key_id = self._key_arn
            case sqs.CfnQueue():
                node.kms_master_key_id = self._key_arn
                node.sqs_managed_sse_enabled = None
            case lambda_.CfnFunction():
                node.kms_key_arn = self._key_arn
            case s3.CfnBucket():
                node.bucket_encryption = s3.CfnBucket.BucketEncryptionProperty(
                    server_side_encryption_configuration=[
                        s3.CfnBucket.ServerSideEncryptionRuleProperty(
                            bucket_key_enabled=True,
                            server_side_encryption_by_default=s3.CfnBucket.ServerSideEncryptionByDefaultProperty(
                                sse_algorithm="aws:kms", kms_master_key_id=self._key_arn
                            ),
                        )
                    ]
                )


@jsii.implements(cdk.IAspect)
class _Network:
    def __init__(self, vpc: Vpc) -> None:
        self._vpc = vpc

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, lambda_.CfnFunction):
            node.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
                subnet_ids=list(self._vpc.subnet_ids), security_group_ids=list(self._vpc.security_group_ids)
            )
