"""The stacks: which constructs stand together, what each may touch, and what a deployment tells about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from infra import bundling
from infra.permissions import permissions
from infra.provisioner import Provisioner
from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.events import triggers

if TYPE_CHECKING:
    from constructs import Construct

    from infra.permissions import Permission
    from infra.settings import Settings
    from profiling_groups.policy import Policy


class ProfilingGroupsStack(cdk.Stack):
    """One account and region: its functions get their profiling groups as they are created.

    Args:
        scope: The app.
        construct_id: Name of the stack.
        settings: What was chosen about the deployment.
        policy: What it is to obey; what it listens to and what it may do follow from it.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, policy: Policy) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Gives every Lambda function that CodeGuru Profiler can profile its profiling group",
            env=cdk.Environment(account=settings.account, region=settings.region),
        )
        provisioner = Provisioner(
            self,
            "Provisioner",
            code=bundling.code(policy),
            event_names=triggers(policy),
            log_retention_days=settings.log_retention_days,
            reserved_concurrency=settings.reserved_concurrency,
        )
        # It carries no agent; a group of its own would only take up room.
        cdk.Tags.of(provisioner.function).add("codeguru-profiler", "off")
        for permission in permissions(policy):
            _grant(provisioner, permission)
        _refuse_other_regions(self)
        cdk.CfnOutput(self, "ProvisionerFunctionName", value=provisioner.function.function_name)
        cdk.CfnOutput(self, "ProvisionerRuleName", value=provisioner.rule.rule_name)
        cdk.CfnOutput(self, "DeadLetterQueueUrl", value=provisioner.dead_letters.queue_url)


def _grant(provisioner: Provisioner, permission: Permission) -> None:
    """Allow the function what the policy asks for, in its own account and region."""
    resource = permission.resource.format(account=cdk.Aws.ACCOUNT_ID, region=cdk.Aws.REGION)
    arn = f"{permission.service}:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:{resource}"
    provisioner.function.add_to_role_policy(
        iam.PolicyStatement(actions=list(permission.actions), resources=[f"arn:{cdk.Aws.PARTITION}:{arn}"])
    )
    resource = permission.resource.format(account="<AWS::AccountId>", region="<AWS::Region>")
    place = f"{permission.service}:<AWS::Region>:<AWS::AccountId>:{resource}"
    cdk.Validations.of(provisioner).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:{place}]", reason=permission.reason)
    )


def _refuse_other_regions(stack: cdk.Stack) -> None:
    """Let CloudFormation refuse the template, before it creates anything, where there is no CodeGuru Profiler."""
    regions = sorted(PROFILER_REGIONS)
    cdk.CfnRule(
        stack,
        "RegionHasCodeGuruProfiler",
        assertions=[
            cdk.CfnRuleAssertion(
                assert_=cdk.Fn.condition_contains(regions, cdk.Aws.REGION),
                assert_description=f"CodeGuru Profiler is offered in {', '.join(regions)} only",
            )
        ],
    )
