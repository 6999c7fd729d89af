"""AWS::Scheduler::Schedule, which moto's CloudFormation lacks.

It is known to moto once this module is imported; `sandbox.events.schedules` fires schedules.
"""

from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.core.common_models import CloudFormationModel
from moto.scheduler.exceptions import ScheduleNotFound
from moto.scheduler.models import scheduler_backends

_DEFAULT_GROUP = "default"


class ScheduleResource(CloudFormationModel):
    """A schedule of a stack."""

    def __init__(self, name: str, *, group: str, arn: str) -> None:
        self.name = name
        self.group = group
        self.arn = arn

    @property
    def physical_resource_id(self) -> str:
        """What Ref gives: its name."""
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        """The property that names it."""
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        """Its type in templates."""
        return "AWS::Scheduler::Schedule"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether Fn::GetAtt knows it."""
        return attr == "Arn"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """What Fn::GetAtt gives."""
        if attribute_name != "Arn":
            raise UnformattedGetAttTemplateException
        return self.arn

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
        **_: Any,  # noqa: ANN401 - moto's signature
    ) -> "ScheduleResource":
        """Create the schedule."""
        properties = cloudformation_json["Properties"]
        group = properties.get("GroupName", _DEFAULT_GROUP)
        made = scheduler_backends[account_id][region_name].create_schedule(
            name=resource_name,
            group_name=group,
            action_after_completion=None,
            **_settings(properties),
        )
        return cls(resource_name, group=group, arn=made.arn)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "ScheduleResource",
        new_resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
    ) -> "ScheduleResource":
        """Change it, or replace it where it gets another name or group."""
        properties = cloudformation_json["Properties"]
        place = (properties.get("Name", original_resource.name), properties.get("GroupName", _DEFAULT_GROUP))
        backend = scheduler_backends[account_id][region_name]
        if place != (original_resource.name, original_resource.group):
            backend.delete_schedule(original_resource.group, original_resource.name)
            name = place[0] if "Name" in properties else new_resource_name
            return cls.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)
        backend.update_schedule(
            name=original_resource.name, group_name=original_resource.group, **_settings(properties)
        )
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
    ) -> None:
        """Delete it, where it still exists."""
        group = cloudformation_json["Properties"].get("GroupName", _DEFAULT_GROUP)
        try:
            scheduler_backends[account_id][region_name].delete_schedule(group, resource_name)
        except ScheduleNotFound:
            return


def _settings(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": properties.get("Description"),
        "start_date": properties.get("StartDate"),
        "end_date": properties.get("EndDate"),
        "flexible_time_window": properties["FlexibleTimeWindow"],
        "kms_key_arn": properties.get("KmsKeyArn"),
        "schedule_expression": properties["ScheduleExpression"],
        "schedule_expression_timezone": properties.get("ScheduleExpressionTimezone"),
        "state": properties.get("State", "ENABLED"),
        "target": properties["Target"],
    }
