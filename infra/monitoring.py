"""What makes itself heard: alarms and whom they tell, a dashboard, and saved questions to the log records.

`alarms`, `dashboard` and `queries` say what there is, by the names under which the code counts and logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra import alarms, dashboard
from infra.metrics import EventMetrics, OwnMetrics
from infra.queries import QUERIES, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.backfill import Backfill
    from infra.provisioner import Provisioner

_CLOUDWATCH = "cloudwatch.amazonaws.com"


class Monitoring(Construct):
    """Alarms, a topic that they tell, a dashboard and saved queries.

    Args:
        scope: The stack.
        construct_id: Its id there.
        provisioner: The event path.
        backfill: The sweeps.
        bus_name: The bus of a hub, to which the rule listens; None for the default one.
        schedule: When a sweep starts by itself; None for never.
        service: What tells this deployment's metrics from another's in the same account and region.
        email: Address that the alarms go to, once its owner has confirmed; None for whoever subscribes.
        key_arn: Key that encrypts the topic, and that the alarms may use; None for a key of its own.

    Attributes:
        topic: What the alarms tell.
        dashboard_name: Name of the dashboard.
    """

    def __init__(  # noqa: PLR0913 - its props, all by keyword
        self,
        scope: Construct,
        construct_id: str,
        *,
        provisioner: Provisioner,
        backfill: Backfill,
        bus_name: str | None,
        schedule: str | None,
        service: str,
        email: str | None,
        key_arn: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        own = OwnMetrics(service=service)
        is_hub = bus_name is not None
        events = EventMetrics(rule_name=provisioner.rule_name, bus_name=bus_name)
        self.topic = self._topic(key_arn)
        if email is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        made = [
            self._alarm(spec)
            for spec in alarms.specs(
                provisioner=provisioner,
                backfill=backfill,
                own=own,
                events=events,
                schedule=schedule,
                is_hub=is_hub,
            )
        ]
        # An account's dashboards are those of all its regions.
        self.dashboard_name = f"{cdk.Aws.STACK_NAME}-{cdk.Aws.REGION}"
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=self.dashboard_name,
            default_interval=cdk.Duration.days(7),
            widgets=dashboard.widgets(
                provisioner=provisioner, backfill=backfill, own=own, events=events, alarms=made, is_hub=is_hub
            ),
        )
        self._save_queries(
            {
                Source.PROVISIONER: provisioner.function.log_group.log_group_name,
                Source.BACKFILL: backfill.function.log_group.log_group_name,
            }
        )

    def _topic(self, key_arn: str | None) -> sns.Topic:
        """Make a topic to which the alarms of this stack may publish, encrypted by a key that they may use.

        CloudWatch may not use the key that AWS keeps for SNS (CloudWatch user guide, "Notifying users on alarm
        changes").
        """
        place = f"{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}"
        ours = {
            "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
            "ArnLike": {
                "aws:SourceArn": f"arn:{cdk.Aws.PARTITION}:cloudwatch:{place}:alarm:{cdk.Aws.STACK_NAME}-*",
            },
        }
        if key_arn is None:
            key: kms.IKey = kms.Key(
                self,
                "Key",
                description="Encrypts what the alarms of Profiling Group Provisioner tell",
                enable_key_rotation=True,
                removal_policy=cdk.RemovalPolicy.DESTROY,
            )
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    sid="Alarms",
                    principals=[iam.ServicePrincipal(_CLOUDWATCH)],
                    actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                    resources=["*"],
                    conditions=ours,
                )
            )
        else:
            key = kms.Key.from_key_arn(self, "Key", key_arn)
        topic = sns.Topic(
            self,
            "Topic",
            display_name="Profiling Group Provisioner",
            master_key=key,
            enforce_ssl=True,
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[iam.ServicePrincipal(_CLOUDWATCH)],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions=ours,
            )
        )
        return topic

    def _alarm(self, spec: alarms.AlarmSpec) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            "".join(word.capitalize() for word in spec.name.split("-")),
            alarm_name=f"{cdk.Aws.STACK_NAME}-{spec.name}",
            alarm_description=spec.description,
            metric=spec.metric,
            threshold=spec.threshold,
            comparison_operator=spec.operator,
            evaluation_periods=spec.periods,
            datapoints_to_alarm=spec.bad_points,
            treat_missing_data=spec.missing,
        )
        tell = actions.SnsAction(self.topic)
        alarm.add_alarm_action(tell)
        alarm.add_ok_action(tell)
        return alarm

    def _save_queries(self, log_groups: Mapping[Source, str]) -> None:
        for number, query in enumerate(QUERIES, start=1):
            logs.CfnQueryDefinition(
                self,
                f"Query{number}",
                name=f"{cdk.Aws.STACK_NAME}/{query.name}",
                query_string=query.text,
                log_group_names=[log_groups[source] for source in query.sources],
            )
