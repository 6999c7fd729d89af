"""What moto's CloudFormation lacks for a stack that watches itself.

- AWS::CloudWatch::Alarm;
- AWS::SNS::TopicPolicy and AWS::SNS::Subscription, and a topic that keeps both when its stack is updated;
- AWS::KMS::Key: tags, and an update of its policy;
- AWS::Logs::QueryDefinition, which is accepted and cannot be read back.

The server calls `install`.
"""

import json
from typing import Any, ClassVar, Final, Self
from uuid import uuid4

from moto.cloudwatch.models import (
    Alarm,
    Dimension,
    Metric,
    MetricDataQuery,
    MetricStat,
    cloudwatch_backends,
)
from moto.core.common_models import CloudFormationModel
from moto.kms.models import Key, kms_backends
from moto.sns.models import Topic, sns_backends

from embedded_aws.moto_extensions.resources import AccountRegion, NamedResource, StackResource

# As PutMetricAlarm of moto's backend names them.
_ALARM_PROPERTIES: Final = {
    "Namespace": "namespace",
    "MetricName": "metric_name",
    "ComparisonOperator": "comparison_operator",
    "EvaluationPeriods": "evaluation_periods",
    "DatapointsToAlarm": "datapoints_to_alarm",
    "Period": "period",
    "Threshold": "threshold",
    "Statistic": "statistic",
    "ExtendedStatistic": "extended_statistic",
    "AlarmDescription": "description",
    "Dimensions": "dimensions",
    "AlarmActions": "alarm_actions",
    "OKActions": "ok_actions",
    "InsufficientDataActions": "insufficient_data_actions",
    "Unit": "unit",
    "TreatMissingData": "treat_missing_data",
    "EvaluateLowSampleCountPercentile": "evaluate_low_sample_count_percentile",
    "ThresholdMetricId": "threshold_metric_id",
}


class AlarmResource(NamedResource, CloudFormationModel):
    """An alarm of a stack, which Ref gives the name of."""

    template_type = "AWS::CloudWatch::Alarm"
    name_property = "AlarmName"
    attributes: ClassVar = {"Arn": "arn"}

    def __init__(self, alarm: Alarm) -> None:
        super().__init__(alarm.name)
        self.arn = alarm.alarm_arn

    @classmethod
    def make(cls, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Make the alarm, or change the one that has its name."""
        given: dict[str, Any] = dict.fromkeys(_ALARM_PROPERTIES.values())
        given |= {"dimensions": [], "alarm_actions": []}
        given |= {argument: properties[key] for key, argument in _ALARM_PROPERTIES.items() if key in properties}
        enabled = str(properties.get("ActionsEnabled", True)).lower() == "true"
        queries = [_data_query(query) for query in properties.get("Metrics", [])]
        alarm = cloudwatch_backends[place.account][place.region].put_metric_alarm(
            name=name, actions_enabled=enabled, metric_data_queries=queries or None, **given
        )
        return cls(alarm)

    def change(self, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Change it, or put the one with the new name in its place."""
        if self.name_property not in properties:
            name = self.ref
        if name != self.ref:
            self.remove(place)
        return self.make(name, properties, place)

    def remove(self, place: AccountRegion, /) -> None:
        """Take it away."""
        cloudwatch_backends[place.account][place.region].alarms.pop(self.ref, None)


class TopicPolicy(StackResource, CloudFormationModel):
    """The policy of the topics that it names; it has no ARN, and Ref gives a name that CloudFormation makes up."""

    template_type = "AWS::SNS::TopicPolicy"

    @classmethod
    def make(cls, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Give the policy to its topics."""
        for arn in properties["Topics"]:
            sns_backends[place.account][place.region].topics[arn].policy = json.dumps(properties["PolicyDocument"])
        return cls(name)

    def change(self, _name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Replace the policy of its topics."""
        return self.make(self.ref, properties, place)

    def remove(self, place: AccountRegion, /) -> None:
        """Go; the topics go with the stack."""


class SubscriptionResource(StackResource, CloudFormationModel):
    """A subscription to a topic, which Ref gives the ARN of. What an update can change of it is all that it is."""

    template_type = "AWS::SNS::Subscription"

    @classmethod
    def make(cls, _name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Subscribe, without a confirmation."""
        backend = sns_backends[place.account][place.region]
        made = backend.subscribe(properties["TopicArn"], properties["Endpoint"], properties["Protocol"])
        return cls(str(made.arn))

    def remove(self, place: AccountRegion, /) -> None:
        """Unsubscribe."""
        sns_backends[place.account][place.region].subscriptions.pop(self.ref, None)


class QueryDefinition(StackResource, CloudFormationModel):
    """A saved query of CloudWatch Logs Insights, which Ref gives the id of; its name has not to be unique."""

    template_type = "AWS::Logs::QueryDefinition"

    @classmethod
    def make(cls, _name: str, _properties: dict[str, Any], _place: AccountRegion, /) -> Self:
        """Keep it."""
        return cls(str(uuid4()))

    def change(self, _name: str, _properties: dict[str, Any], _place: AccountRegion, /) -> Self:
        """Keep it under its id."""
        return self

    def remove(self, place: AccountRegion, /) -> None:
        """Go."""


def install() -> None:
    """Extend moto; a second call changes nothing."""
    Topic.update_from_cloudformation_json = classmethod(_update_topic)  # type: ignore[assignment] # extends moto
    Key.create_from_cloudformation_json = classmethod(_create_key)  # type: ignore[assignment] # extends moto
    Key.update_from_cloudformation_json = classmethod(_update_key)  # type: ignore[assignment] # extends moto


def _update_topic(  # noqa: PLR0913, PLR0917 - moto's signature
    cls: type[Topic],
    original_resource: Topic,
    new_resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
) -> Topic:
    """Update in place if the name stays: moto creates a new topic, without subscriptions."""
    properties = cloudformation_json["Properties"]
    if properties.get("TopicName", original_resource.name) != original_resource.name:
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)
    original_resource.display_name = properties.get("DisplayName", "")
    original_resource.kms_master_key_id = properties.get("KmsMasterKeyId", "")
    return original_resource


def _create_key(
    _cls: type[Key],
    /,
    resource_name: str,  # noqa: ARG001 - moto's signature
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
    **_: object,
) -> Key:
    """With the tags as KMS names them, and a template does not."""
    properties = cloudformation_json["Properties"]
    key = kms_backends[account_id][region_name].create_key(
        policy=json.dumps(properties["KeyPolicy"]),
        key_usage="ENCRYPT_DECRYPT",
        key_spec="SYMMETRIC_DEFAULT",
        description=properties.get("Description"),
        tags=[{"TagKey": each["Key"], "TagValue": each["Value"]} for each in properties.get("Tags", [])],
    )
    key.key_rotation_status = properties.get("EnableKeyRotation", False)
    return key


def _update_key(
    _cls: type[Key],
    original_resource: Key,
    new_resource_name: str,  # noqa: ARG001 - moto's signature
    cloudformation_json: dict[str, Any],
    account_id: str,  # noqa: ARG001 - moto's signature
    region_name: str,  # noqa: ARG001 - moto's signature
) -> Key:
    properties = cloudformation_json["Properties"]
    original_resource.policy = json.dumps(properties["KeyPolicy"])
    original_resource.description = properties.get("Description", "")
    original_resource.key_rotation_status = properties.get("EnableKeyRotation", False)
    return original_resource


def _data_query(given: dict[str, Any]) -> MetricDataQuery:
    """A template's query as moto's PutMetricAlarm makes it of a request's."""
    stat = given.get("MetricStat")
    return MetricDataQuery(
        query_id=given["Id"],
        label=given.get("Label", ""),
        period=given.get("Period"),  # type: ignore[arg-type] # moto writes what is not None
        return_data=given.get("ReturnData", True),
        expression=given.get("Expression"),
        metric_stat=stat
        and MetricStat(
            metric=Metric(
                metric_name=stat["Metric"]["MetricName"],
                namespace=stat["Metric"]["Namespace"],
                dimensions=[Dimension(each["Name"], each["Value"]) for each in stat["Metric"].get("Dimensions", [])],
            ),
            period=stat["Period"],
            stat=stat["Stat"],
            unit=stat.get("Unit"),
        ),
    )
