"""AWS::Scheduler::Schedule, which moto's CloudFormation lacks.

It is known to moto once this module is imported; `embedded_aws.events.schedules` fires schedules.
"""

from contextlib import suppress
from typing import Any, ClassVar, Self

from moto.core.common_models import CloudFormationModel
from moto.scheduler.exceptions import ScheduleNotFound
from moto.scheduler.models import scheduler_backends

from embedded_aws.moto_extensions.resources import AccountRegion, NamedResource

_DEFAULT_GROUP = "default"


class ScheduleResource(NamedResource, CloudFormationModel):
    """A schedule of a stack, which Ref gives the name of."""

    template_type = "AWS::Scheduler::Schedule"
    name_property = "Name"
    attributes: ClassVar = {"Arn": "arn"}

    def __init__(self, name: str, *, group: str, arn: str) -> None:
        super().__init__(name)
        self.group = group
        self.arn = arn

    @classmethod
    def make(cls, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Create the schedule."""
        group = properties.get("GroupName", _DEFAULT_GROUP)
        made = scheduler_backends[place.account][place.region].create_schedule(
            name=name, group_name=group, action_after_completion=None, **_settings(properties)
        )
        return cls(name, group=group, arn=made.arn)

    def change(self, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Change it, or replace it where it gets another name or group."""
        backend = scheduler_backends[place.account][place.region]
        wanted = (properties.get(self.name_property, self.ref), properties.get("GroupName", _DEFAULT_GROUP))
        if wanted != (self.ref, self.group):
            backend.delete_schedule(self.group, self.ref)
            return self.make(name, properties, place)
        backend.update_schedule(name=self.ref, group_name=self.group, **_settings(properties))
        return self

    def remove(self, place: AccountRegion, /) -> None:
        """Delete it, where it still exists."""
        with suppress(ScheduleNotFound):
            scheduler_backends[place.account][place.region].delete_schedule(self.group, self.ref)


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
