"""The event path: rule → function, and the one dead-letter queue behind both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import bundling
from infra.dead_letters import dead_letter_queue
from infra.log_group import log_group
from profiling_groups.aws import LONGEST_CALL_SECONDS
from profiling_groups.events import DETAIL_TYPE, EVENT_SOURCE, SOURCE
from profiling_groups.reconcile import MOST_CALLS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_iam as iam

# A cold start is mostly the import of botocore and the building of two clients, which the CPU bounds, and CPU grows
# with memory: 1,769 MB are one vCPU. Up to there such work costs the same at any size and is only over sooner, while
# waiting for the APIs costs in proportion to memory. 512 MB (0.29 vCPU) does a cold create in a second or two.
_MEMORY_MB = 512
# As many calls as there can be, each as long as it may take at the very worst: so that the function always comes to its
# own end, with an outcome, whatever AWS does.
_TIMEOUT = cdk.Duration.seconds(MOST_CALLS * LONGEST_CALL_SECONDS + 5)
# Lambda tries an event again after 1 and after 2 minutes; one that finds no free concurrency waits for up to 6 hours.
_ASYNCHRONOUS_RETRIES = 2
_ASYNCHRONOUS_AGE = cdk.Duration.hours(6)
# EventBridge's own retries cover the way to Lambda only; these are its limits.
_DELIVERY_RETRIES = 185
_DELIVERY_AGE = cdk.Duration.hours(24)


class Provisioner(Construct):
    """A function that gives Lambda functions their profiling groups, and the rule that calls it.

    Args:
        scope: The stack.
        construct_id: Its id there.
        code: The Lambda asset.
        role: The function's execution role; it comes to be allowed to log, and to keep its dead letters.
        event_names: CloudTrail's names of the API calls that are listened to.
        log_retention_days: How long the log records are kept, in days.
        reserved_concurrency: How many events are worked on at the same time; None reserves nothing.
        bus: The bus to which an organization's members forward their events; None listens to this account's own.
        environment: The function's environment variables.

    Attributes:
        function: The function.
        rule: The rule on the bus.
        rule_name: Its name.
        dead_letters: Where events end that could not be delivered, or not be worked on.
    """

    def __init__(  # noqa: PLR0913 - its props, all by keyword
        self,
        scope: Construct,
        construct_id: str,
        *,
        code: lambda_.Code,
        role: iam.Role,
        event_names: Sequence[str],
        log_retention_days: int,
        reserved_concurrency: int | None,
        bus: events.IEventBus | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = dead_letter_queue(self, "DeadLetters")
        function_logs = log_group(self, "Logs", retention_days=log_retention_days)
        function_logs.grant_write(role)
        self.function = lambda_.Function(
            self,
            "Function",
            description="Creates CodeGuru Profiler profiling groups for Lambda functions and keeps their tags in step",
            code=code,
            handler=bundling.HANDLER,
            runtime=bundling.RUNTIME,
            architecture=bundling.ARCHITECTURE,
            memory_size=_MEMORY_MB,
            timeout=_TIMEOUT,
            role=role,
            log_group=function_logs,
            tracing=lambda_.Tracing.ACTIVE,
            environment=environment,
            reserved_concurrent_executions=reserved_concurrency,
            dead_letter_queue=self.dead_letters,
            retry_attempts=_ASYNCHRONOUS_RETRIES,
            max_event_age=_ASYNCHRONOUS_AGE,
        )
        self.rule = events.Rule(
            self,
            "Rule",
            description="What the policy asks to hear of "
            + ("this account's" if bus is None else "the organization's")
            + " Lambda functions, as CloudTrail records it",
            event_bus=bus,
            # A forwarded event keeps the account that it comes from; only the organization's members get as far.
            event_pattern=successful_calls(event_names, account=cdk.Aws.ACCOUNT_ID if bus is None else None),
            targets=[
                targets.LambdaFunction(
                    self.function,
                    dead_letter_queue=self.dead_letters,
                    retry_attempts=_DELIVERY_RETRIES,
                    max_event_age=_DELIVERY_AGE,
                )
            ],
        )
        # Of a rule on another than the default bus, CloudFormation's Ref has the bus in front of the name.
        self.rule_name = self.rule.rule_name if bus is None else cdk.Fn.select(2, cdk.Fn.split("/", self.rule.rule_arn))


def successful_calls(event_names: Sequence[str], *, account: str | None) -> events.EventPattern:
    """Match CloudTrail's records of Lambda API calls that went through.

    The names are exact: a prefix would also catch CreateFunctionUrlConfig. The event source is named beside the source,
    because CloudFront has a CreateFunction too.

    Args:
        event_names: CloudTrail's names of the calls.
        account: The one account that they are of; None for any. Where nobody asks, events that other accounts forward
            match as well.
    """
    return events.EventPattern(
        source=[SOURCE],
        detail_type=[DETAIL_TYPE],
        account=None if account is None else [account],
        detail={
            "eventSource": [EVENT_SOURCE],
            "eventName": list(event_names),
            "errorCode": [{"exists": False}],
        },
    )
