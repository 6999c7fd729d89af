"""The stacks: which constructs stand together, what each may touch, and what a deployment tells about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from infra import bundling, fingerprint, hardening, member, organization
from infra.backfill import Backfill
from infra.monitoring import Monitoring
from infra.organization import HubBus, MemberStackSet
from infra.permissions import NO_RESOURCE, permissions
from infra.provisioner import Provisioner
from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.events import triggers
from profiling_groups.metric_names import SERVICE

if TYPE_CHECKING:
    from constructs import Construct

    from infra.permissions import Permission
    from infra.settings import Settings
    from profiling_groups.policy import Policy


class ProfilingGroupsStack(cdk.Stack):
    """One account and region, or the hub of an organization: functions get their profiling groups as they are created.

    Args:
        scope: The app.
        construct_id: Name of the template's file; and of the stack, but for an organization's namespace.
        settings: What was chosen about the deployment.
        policy: What it is to obey; what it listens to and what it may do follow from it.

    Attributes:
        member_template: What makes an account of the organization a member; None without an organization.

    Raises:
        MemberTemplateError: The policy asks for more than fits into that template.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, policy: Policy) -> None:
        governed = settings.organization
        self.member_template = (
            member.template(governed, policy, tags=settings.tags, permissions_boundary=settings.permissions_boundary)
            if governed
            else None
        )
        super().__init__(
            scope,
            construct_id,
            stack_name=governed.name if governed else None,
            description="Gives every Lambda function that CodeGuru Profiler can profile its profiling group",
            env=cdk.Environment(account=settings.account, region=settings.region),
        )
        # One identity touches groups, whatever the way to them. The CDK's own would be one for each function, with a
        # managed policy that may write to every log group.
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            role_name=governed.hub_role_name if governed else None,
        )
        hub = HubBus(self, "Hub", organization=governed) if governed else None
        environment = organization.environment(governed) if governed else None
        code = bundling.code(policy)
        provisioner = Provisioner(
            self,
            "Provisioner",
            code=code,
            role=role,
            event_names=triggers(policy),
            log_retention_days=settings.log_retention_days,
            reserved_concurrency=settings.reserved_concurrency,
            bus=hub.bus if hub else None,
            environment=environment,
        )
        backfill = Backfill(
            self,
            "Backfill",
            code=code,
            role=role,
            log_retention_days=settings.log_retention_days,
            report_retention_days=settings.report_retention_days,
            schedule=settings.backfill_schedule,
            organization=governed,
            environment=environment,
        )
        for function in (provisioner.function, backfill.function):
            # They carry no agent; a group of their own would only take up room.
            cdk.Tags.of(function).add("codeguru-profiler", "off")
        if hub is None or governed is None or self.member_template is None:
            for permission in permissions(policy):
                _grant(role, permission)
        else:
            organization.act_through_members(role, governed)
            members = MemberStackSet(
                self, "Members", organization=governed, template=self.member_template, hub=hub, role=role
            )
            cdk.CfnOutput(self, "EventBusArn", value=hub.bus.event_bus_arn)
            cdk.CfnOutput(self, "HubRoleArn", value=role.role_arn)
            cdk.CfnOutput(self, "StackSetName", value=members.name)
        monitoring = Monitoring(
            self,
            "Monitoring",
            provisioner=provisioner,
            backfill=backfill,
            bus_name=hub.bus.event_bus_name if hub else None,
            schedule=settings.backfill_schedule,
            service=governed.service if governed else SERVICE,
            email=settings.alarm_email,
            key_arn=settings.kms_key_arn,
        )
        hardening.tag(self, settings.tags)
        if settings.permissions_boundary is not None:
            hardening.bound(self, settings.permissions_boundary)
        if settings.kms_key_arn is not None:
            hardening.encrypt(self, settings.kms_key_arn, roles=(role, backfill.machine.role))
        if settings.vpc is not None:
            hardening.attach(self, settings.vpc, role=role)
        _refuse_other_regions(self)
        self.template_options.metadata = {fingerprint.METADATA: fingerprint.fingerprint(policy)}
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="X-Ray's PutTraceSegments and PutTelemetryRecords have no resource type"
                + ("; nor do creating a group and a backfill's lists." if governed is None else "."),
            )
        )
        cdk.CfnOutput(self, "ProvisionerFunctionName", value=provisioner.function.function_name)
        cdk.CfnOutput(self, "ProvisionerRuleName", value=provisioner.rule_name)
        cdk.CfnOutput(self, "DeadLetterQueueUrl", value=provisioner.dead_letters.queue_url)
        cdk.CfnOutput(self, "BackfillStateMachineArn", value=backfill.machine.state_machine_arn)
        cdk.CfnOutput(self, "BackfillFunctionName", value=backfill.function.function_name)
        cdk.CfnOutput(self, "ReportBucketName", value=backfill.reports.bucket_name)
        cdk.CfnOutput(self, "AlarmTopicArn", value=monitoring.topic.topic_arn)
        cdk.CfnOutput(self, "DashboardName", value=monitoring.dashboard_name)


def _grant(role: iam.Role, permission: Permission) -> None:
    """Allow what the policy asks for, in the stack's own account and region."""

    def resource(partition: str, region: str, account: str) -> str:
        if permission.resource == NO_RESOURCE:
            return NO_RESOURCE
        last = permission.resource.format(account=account, region=region)
        return f"arn:{partition}:{permission.service}:{region}:{account}:{last}"

    allowed = resource(cdk.Aws.PARTITION, cdk.Aws.REGION, cdk.Aws.ACCOUNT_ID)
    # Without a resource, only a condition keeps an action within the region.
    conditions = {"StringEquals": {"aws:RequestedRegion": cdk.Aws.REGION}} if allowed == NO_RESOURCE else None
    role.add_to_policy(
        iam.PolicyStatement(actions=list(permission.actions), resources=[allowed], conditions=conditions)
    )
    found = resource("<AWS::Partition>", "<AWS::Region>", "<AWS::AccountId>")
    cdk.Validations.of(role).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{found}]", reason=permission.reason)
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
