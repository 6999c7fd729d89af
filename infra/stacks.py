"""The stacks: which constructs stand together, what each may touch, and what a deployment tells about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from infra import bundling
from infra.provisioner import Provisioner
from profiling_groups.policy import PROFILER_REGIONS

if TYPE_CHECKING:
    from constructs import Construct

    from infra.settings import Settings

# Every function of this account and region, whatever its name.
_FUNCTIONS = "lambda", "function:*"
# The names that the default policy gives begin like this; groups of any other name are out of reach.
_GROUPS = "codeguru-profiler", "profilingGroup/aws-lambda-*"


class ProfilingGroupsStack(cdk.Stack):
    """One account and region: its functions get their profiling groups as they are created.

    Args:
        scope: The app.
        construct_id: Name of the stack.
        settings: What was chosen about the deployment.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Gives every Lambda function that CodeGuru Profiler can profile its profiling group",
            env=cdk.Environment(account=settings.account, region=settings.region),
        )
        provisioner = Provisioner(
            self,
            "Provisioner",
            code=bundling.code(),
            log_retention_days=settings.log_retention_days,
            reserved_concurrency=settings.reserved_concurrency,
        )
        # It carries no agent; a group of its own would only take up room.
        cdk.Tags.of(provisioner.function).add("codeguru-profiler", "off")
        _grant(
            provisioner,
            actions=["lambda:GetFunctionConfiguration", "lambda:ListTags"],
            on=_FUNCTIONS,
            reason="Which functions there will be is not known beforehand; only their configuration and tags are read.",
        )
        _grant(
            provisioner,
            actions=[
                "codeguru-profiler:CreateProfilingGroup",
                "codeguru-profiler:DescribeProfilingGroup",
                "codeguru-profiler:TagResource",
            ],
            on=_GROUPS,
            reason="One group per function, under the name that the agent looks for; no other group can be reached.",
        )
        _refuse_other_regions(self)
        cdk.CfnOutput(self, "ProvisionerFunctionName", value=provisioner.function.function_name)
        cdk.CfnOutput(self, "ProvisionerRuleName", value=provisioner.rule.rule_name)
        cdk.CfnOutput(self, "DeadLetterQueueUrl", value=provisioner.dead_letters.queue_url)


def _grant(provisioner: Provisioner, *, actions: list[str], on: tuple[str, str], reason: str) -> None:
    """Allow the function these actions on resources of its own account and region; `reason` is for the wildcard."""
    service, resource = on
    arn = f"{service}:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:{resource}"
    provisioner.function.add_to_role_policy(
        iam.PolicyStatement(actions=actions, resources=[f"arn:{cdk.Aws.PARTITION}:{arn}"])
    )
    place = f"{service}:<AWS::Region>:<AWS::AccountId>:{resource}"
    cdk.Validations.of(provisioner).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:{place}]", reason=reason)
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
