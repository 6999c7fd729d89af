"""What moto's CloudFormation lacks for a stack that watches itself.

- AWS::CloudWatch::Alarm;
- AWS::SNS::TopicPolicy and AWS::SNS::Subscription, and a topic that keeps both when its stack is updated;
- AWS::KMS::Key: an update of its policy;
- AWS::Logs::QueryDefinition, which is kept, and nobody can ask for it.

And an alarm that was just made has no data, instead of being all right. The server calls `install`.
"""

import json
from typing import Any, Final
from uuid import uuid4

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.cloudwatch.models import (
    Alarm,
    CloudWatchBackend,
    Dimension,
    Metric,
    MetricDataQuery,
    MetricStat,
    cloudwatch_backends,
)
from moto.core.common_models import CloudFormationModel
from moto.kms.models import Key
from moto.sns.models import Subscription, Topic, sns_backends

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


class AlarmResource(CloudFormationModel):
    """An alarm of a stack."""

    def __init__(self, alarm: Alarm) -> None:
        self.name = alarm.name
        self._arn = alarm.alarm_arn

    @property
    def physical_resource_id(self) -> str:
        """What Ref gives: its name."""
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        """The property that names it."""
        return "AlarmName"

    @staticmethod
    def cloudformation_type() -> str:
        """Its type in templates."""
        return "AWS::CloudWatch::Alarm"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether Fn::GetAtt knows it."""
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """What Fn::GetAtt gives."""
        if attribute_name != "Arn":
            raise UnformattedGetAttTemplateException
        return self._arn

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
        **_: Any,  # noqa: ANN401 - moto's signature
    ) -> "AlarmResource":
        """Make the alarm, or change the one that has its name."""
        properties = cloudformation_json["Properties"]
        given: dict[str, Any] = dict.fromkeys(_ALARM_PROPERTIES.values())
        given |= {"dimensions": [], "alarm_actions": []}
        given |= {name: properties[key] for key, name in _ALARM_PROPERTIES.items() if key in properties}
        enabled = str(properties.get("ActionsEnabled", True)).lower() == "true"
        queries = [_data_query(query) for query in properties.get("Metrics", [])]
        alarm = cloudwatch_backends[account_id][region_name].put_metric_alarm(
            name=resource_name, actions_enabled=enabled, metric_data_queries=queries or None, **given
        )
        return cls(alarm)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "AlarmResource",
        new_resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
    ) -> "AlarmResource":
        """Change it, or put the one with the new name in its place."""
        name = new_resource_name if "AlarmName" in cloudformation_json["Properties"] else original_resource.name
        if name != original_resource.name:
            original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)

    def delete(self, account_id: str, region_name: str) -> None:
        """Take it away."""
        cloudwatch_backends[account_id][region_name].alarms.pop(self.name, None)


class TopicPolicy(CloudFormationModel):
    """The policy of the topics that it names."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def physical_resource_id(self) -> str:
        """A name that CloudFormation makes up; the policy has no ARN."""
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        """It cannot be named."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Its type in templates."""
        return "AWS::SNS::TopicPolicy"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
        **_: Any,  # noqa: ANN401 - moto's signature
    ) -> "TopicPolicy":
        """Give the policy to its topics."""
        properties = cloudformation_json["Properties"]
        for arn in properties["Topics"]:
            sns_backends[account_id][region_name].topics[arn].policy = json.dumps(properties["PolicyDocument"])
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "TopicPolicy",
        new_resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
    ) -> "TopicPolicy":
        """Replace the policy of its topics."""
        return cls.create_from_cloudformation_json(original_resource.name, cloudformation_json, account_id, region_name)

    def delete(self, account_id: str, region_name: str) -> None:
        """Go; the topics go with the stack."""


class SubscriptionResource(CloudFormationModel):
    """A subscription to a topic."""

    def __init__(self, subscription: Subscription) -> None:
        self.arn = str(subscription.arn)

    @property
    def physical_resource_id(self) -> str:
        """What Ref gives: its ARN."""
        return self.arn

    @staticmethod
    def cloudformation_name_type() -> str:
        """It cannot be named."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Its type in templates."""
        return "AWS::SNS::Subscription"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
        **_: Any,  # noqa: ANN401 - moto's signature
    ) -> "SubscriptionResource":
        """Subscribe; nobody has to confirm."""
        properties = cloudformation_json["Properties"]
        backend = sns_backends[account_id][region_name]
        return cls(backend.subscribe(properties["TopicArn"], properties["Endpoint"], properties["Protocol"]))

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "SubscriptionResource",
        new_resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
    ) -> "SubscriptionResource":
        """Put another in its place: what can be changed here is all that it is."""
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    def delete(self, account_id: str, region_name: str) -> None:
        """Unsubscribe."""
        sns_backends[account_id][region_name].subscriptions.pop(self.arn, None)


class QueryDefinition(CloudFormationModel):
    """A saved query of CloudWatch Logs Insights."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier

    @property
    def physical_resource_id(self) -> str:
        """What Ref gives: its id."""
        return self.identifier

    @staticmethod
    def cloudformation_name_type() -> str:
        """Its name is none that has to be unique."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Its type in templates."""
        return "AWS::Logs::QueryDefinition"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: Any,  # noqa: ANN401, ARG003 - moto's signature
        account_id: str,  # noqa: ARG003 - moto's signature
        region_name: str,  # noqa: ARG003 - moto's signature
        **_: Any,  # noqa: ANN401 - moto's signature
    ) -> "QueryDefinition":
        """Keep it."""
        return cls(str(uuid4()))

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "QueryDefinition",
        new_resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: Any,  # noqa: ANN401, ARG003 - moto's signature
        account_id: str,  # noqa: ARG003 - moto's signature
        region_name: str,  # noqa: ARG003 - moto's signature
    ) -> "QueryDefinition":
        """Keep it under its id."""
        return original_resource

    def delete(self, account_id: str, region_name: str) -> None:
        """Go."""


def install() -> None:
    """Extend moto; a second call changes nothing."""
    put = getattr(CloudWatchBackend.put_metric_alarm, "sandbox_original", CloudWatchBackend.put_metric_alarm)

    def put_metric_alarm(self: CloudWatchBackend, name: str, *given: Any, **more: Any) -> Alarm:  # noqa: ANN401 - moto's own
        before = self.alarms.get(name)
        alarm: Alarm = put(self, name, *given, **more)
        if before is None:
            alarm.state_value = "INSUFFICIENT_DATA"
        else:
            alarm.state_value, alarm.history = before.state_value, before.history
        return alarm

    put_metric_alarm.sandbox_original = put  # type: ignore[attr-defined] # a function takes any attribute
    CloudWatchBackend.put_metric_alarm = put_metric_alarm  # type: ignore[method-assign] # extends moto
    Topic.update_from_cloudformation_json = classmethod(_update_topic)  # type: ignore[assignment] # extends moto
    Key.update_from_cloudformation_json = classmethod(_update_key)  # type: ignore[assignment] # extends moto


def _update_topic(  # noqa: PLR0913, PLR0917 - moto's signature
    cls: type[Topic],
    original_resource: Topic,
    new_resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
) -> Topic:
    """In place, where its name stays: moto makes a new one, which nobody has subscribed to."""
    properties = cloudformation_json["Properties"]
    if properties.get("TopicName", original_resource.name) != original_resource.name:
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)
    original_resource.display_name = properties.get("DisplayName", "")
    original_resource.kms_master_key_id = properties.get("KmsMasterKeyId", "")
    return original_resource


def _update_key(
    _cls: type[Key],
    original_resource: Key,
    new_resource_name: str,  # noqa: ARG001 - moto's signature
    cloudformation_json: dict[str, Any],
    account_id: str,  # noqa: ARG001 - moto's signature
    region_name: str,  # noqa: ARG001 - moto's signature
) -> Key:
    properties = cloudformation_json["Properties"]
    original_resource.policy = properties["KeyPolicy"]
    original_resource.description = properties.get("Description", "")
    original_resource.key_rotation_status = properties.get("EnableKeyRotation", False)
    return original_resource


def _data_query(given: dict[str, Any]) -> MetricDataQuery:
    """A template's query as moto's PutMetricAlarm makes it of a request's."""
    stat = given.get("MetricStat")
    return MetricDataQuery(
        query_id=given["Id"],
        label=given.get("Label", ""),
        period=given.get("Period", ""),
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
