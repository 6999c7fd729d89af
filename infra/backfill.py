"""The backfill: a state machine that sweeps until all is done, what starts it, and the bucket of its reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as scheduler_targets
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra import bundling, state_machine
from infra.log_group import log_group
from infra.trust import rule_principal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.settings import Organization

# One vCPU: comparing tens of thousands of functions is the CPU's work, unlike that of one event.
_MEMORY_MB = 1769
# The schedules of many accounts are the same; Scheduler spreads them over this time.
_SCHEDULE_WINDOW = cdk.Duration.minutes(60)
# Reports are written once. Such versions come of a mistake, or of expiry.
_NONCURRENT_DAYS = cdk.Duration.days(30)
_ABANDONED_UPLOAD_DAYS = cdk.Duration.days(7)
# A list of accounts serves one execution, and whoever redrives it.
_TARGETS_DAYS = cdk.Duration.days(7)


class Backfill(Construct):
    """A state machine that gives all functions that already exist their profiling groups.

    It starts by itself, when this stack was deployed and on a schedule. Its function shares the bundle with that of the
    events, and no reserved concurrency.

    Args:
        scope: The stack.
        construct_id: Its id there.
        code: The Lambda asset.
        role: The function's execution role; it comes to be allowed to log, and to list an organization's accounts in
            the bucket.
        log_retention_days: How long the log records are kept, in days.
        report_retention_days: How long the reports are kept, in days.
        schedule: When it starts, as an expression of EventBridge Scheduler; None for never by itself but after a
            deployment.
        organization: Whose accounts are swept; None sweeps this account and region.
        environment: The function's environment variables.

    Attributes:
        function: The function that sweeps.
        machine: The state machine.
        reports: The bucket of reports.
    """

    def __init__(  # noqa: PLR0913 - its props, all by keyword
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        role: iam.Role,
        log_retention_days: int,
        report_retention_days: int,
        schedule: str | None,
        organization: Organization | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        function_logs = log_group(self, "Logs", retention_days=log_retention_days)
        function_logs.grant_write(role)
        self.function = lambda_.Function(
            self,
            "Function",
            description="Sweeps the account's Lambda functions for profiling groups that are missing or have drifted",
            code=code,
            handler=bundling.HANDLER,
            runtime=bundling.RUNTIME,
            architecture=bundling.ARCHITECTURE,
            memory_size=_MEMORY_MB,
            timeout=cdk.Duration.seconds(state_machine.FUNCTION_TIMEOUT_SECONDS),
            role=role,
            log_group=function_logs,
            tracing=lambda_.Tracing.ACTIVE,
            environment=environment,
        )
        self.reports = self._reports(report_retention_days)
        self.machine = self._machine(log_retention_days, organization)
        self._allow_machine()
        if organization is not None:
            self._keep_targets(role)
        rule_name = f"{cdk.Aws.STACK_NAME}-deployed"
        events.Rule(
            self,
            "Deployed",
            rule_name=rule_name,
            description="Starts the backfill after a deployment that changed something",
            event_pattern=_deployed(),
            targets=[
                targets.SfnStateMachine(
                    self.machine,
                    input=events.RuleTargetInput.from_object({}),
                    # The CDK's own would trust every account's rules.
                    role=iam.Role(self, "DeployedRole", assumed_by=rule_principal(rule_name)),
                )
            ],
        )
        if schedule is not None:
            scheduler.Schedule(
                self,
                "Schedule",
                description="Starts the backfill, which heals what no event has told of",
                schedule=scheduler.ScheduleExpression.expression(schedule),
                time_window=scheduler.TimeWindow.flexible(_SCHEDULE_WINDOW),
                target=scheduler_targets.StepFunctionsStartExecution(
                    self.machine, input=scheduler.ScheduleTargetInput.from_object({})
                ),
            )

    def _reports(self, retention_days: int) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Reports",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(retention_days),
                    noncurrent_version_expiration=_NONCURRENT_DAYS,
                    abort_incomplete_multipart_upload_after=_ABANDONED_UPLOAD_DAYS,
                )
            ],
            # CloudFormation deletes no bucket that holds something, and `make destroy` must not fail over it.
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        if bucket.policy is not None:
            bucket.policy.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        cdk.Validations.of(bucket).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-S1",
                reason="It holds reports; who reads them is for CloudTrail's data events to tell, where somebody asks.",
            )
        )
        return bucket

    def _machine(self, log_retention_days: int, organization: Organization | None) -> stepfunctions.StateMachine:
        if organization is None:
            definition = state_machine.definition(
                partition=cdk.Aws.PARTITION,
                account=cdk.Aws.ACCOUNT_ID,
                region=cdk.Aws.REGION,
                function_arn=self.function.function_arn,
                bucket=self.reports.bucket_name,
            )
        else:
            definition = state_machine.organization_definition(
                partition=cdk.Aws.PARTITION,
                function_arn=self.function.function_arn,
                bucket=self.reports.bucket_name,
                max_concurrent_accounts=organization.max_concurrent_accounts,
                tolerated_failure_percentage=organization.tolerated_failure_percentage,
            )
        return stepfunctions.StateMachine(
            self,
            "Machine",
            # The CDK's own to_json_string would leave out what is null.
            definition_body=stepfunctions.DefinitionBody.from_string(json.dumps(definition)),
            logs=stepfunctions.LogOptions(
                # What has this prefix takes no room in the account's resource policy of CloudWatch Logs.
                destination=log_group(
                    self,
                    "MachineLogs",
                    retention_days=log_retention_days,
                    name=f"/aws/vendedlogs/states/{cdk.Aws.STACK_NAME}-backfill",
                ),
                level=stepfunctions.LogLevel.ALL,
            ),
            tracing_enabled=True,
        )

    def _allow_machine(self) -> None:
        """Allow the machine its function, its reports, and what Step Functions' guide asks for a distributed map."""
        executions = f"{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:execution:{self.machine.state_machine_name}"
        # A policy of its own: the machine waits for its role's default policy, and this one for the machine.
        iam.Policy(
            self,
            "MachinePolicy",
            roles=[self.machine.role],
            statements=[
                iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self.function.function_arn]),
                iam.PolicyStatement(
                    actions=["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
                    resources=[self.reports.arn_for_objects(f"{state_machine.REPORTS_PREFIX}/*")],
                ),
                iam.PolicyStatement(actions=["states:StartExecution"], resources=[self.machine.state_machine_arn]),
                iam.PolicyStatement(
                    actions=["states:DescribeExecution", "states:StopExecution"],
                    resources=[f"arn:{cdk.Aws.PARTITION}:states:{executions}:*"],
                ),
                iam.PolicyStatement(
                    actions=["states:RedriveExecution"],
                    resources=[f"arn:{cdk.Aws.PARTITION}:states:{executions}/{state_machine.MAP_LABEL}:*"],
                ),
            ],
        )
        executions = f"<AWS::Region>:<AWS::AccountId>:execution:{_shown(self, self.machine.state_machine_name)}"
        for resource, reason in {
            "*": "X-Ray's actions, and those for the delivery of logs, take no resource.",
            f"{_shown(self, self.reports.bucket_arn)}/{state_machine.REPORTS_PREFIX}/*": "Each map run has its own.",
            f"arn:<AWS::Partition>:states:{executions}:*": "Executions are named as they start.",
            f"arn:<AWS::Partition>:states:{executions}/{state_machine.MAP_LABEL}:*": "So are its child workflows.",
        }.items():
            cdk.Validations.of(self).acknowledge(
                cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{resource}]", reason=reason)
            )

    def _keep_targets(self, role: iam.Role) -> None:
        """Let the function leave its list of accounts in the bucket, and the machine read it, for a week."""
        lists = self.reports.arn_for_objects(f"{state_machine.TARGETS_PREFIX}/*")
        role.add_to_policy(iam.PolicyStatement(actions=["s3:PutObject"], resources=[lists]))
        self.function.add_environment("REPORT_BUCKET", self.reports.bucket_name)
        iam.Policy(
            self,
            "TargetsPolicy",
            roles=[self.machine.role],
            statements=[iam.PolicyStatement(actions=["s3:GetObject"], resources=[lists])],
        )
        self.reports.add_lifecycle_rule(
            prefix=f"{state_machine.TARGETS_PREFIX}/",
            expiration=_TARGETS_DAYS,
            noncurrent_version_expiration=_TARGETS_DAYS,
        )
        lists = f"{_shown(self, self.reports.bucket_arn)}/{state_machine.TARGETS_PREFIX}/*"
        for construct in (self, role):
            cdk.Validations.of(construct).acknowledge(
                cdk.Acknowledgment(
                    id=f"AwsSolutions-IAM5[Resource::{lists}]", reason="Each execution has a list of its own."
                )
            )


def _shown(scope: Construct, attribute: str) -> str:
    """Return an attribute of a resource as cdk-nag writes it."""
    return f"<{'.'.join(cdk.Stack.of(scope).resolve(attribute)['Fn::GetAtt'])}>"


def _deployed() -> events.EventPattern:
    """Match the end of a deployment of this stack. One that changes nothing, or is rolled back, has another or none."""
    return events.EventPattern(
        source=["aws.cloudformation"],
        detail_type=["CloudFormation Stack Status Change"],
        detail={
            "stack-id": [cdk.Aws.STACK_ID],
            "status-details": {"status": ["CREATE_COMPLETE", "UPDATE_COMPLETE"]},
        },
    )
