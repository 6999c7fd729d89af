"""State machines in CloudFormation: moto's keep name, role and text, and forget the rest.

`install` is called once, by the server, after `interpreter` has chosen the backends.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.stepfunctions.models import StateMachine
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.utils import cfn_to_api_tags

if TYPE_CHECKING:
    from moto.stepfunctions.parser.api import LoggingConfiguration, TracingConfiguration

    Json = dict[str, Any]


def install() -> None:
    """Extend moto; a second call changes nothing."""
    members = {
        "create_from_cloudformation_json": classmethod(_create),
        "update_from_cloudformation_json": classmethod(_update),
        "has_cfn_attr": classmethod(_has_attribute),
        "get_cfn_attribute": _attribute,
    }
    for name, member in members.items():
        setattr(StateMachine, name, member)


def _create(
    _cls: type[StateMachine],
    /,
    resource_name: str,
    cloudformation_json: Json,
    account_id: str,
    region_name: str,
    **_: object,
) -> StateMachine:
    properties = cloudformation_json["Properties"]
    return stepfunctions_parser_backends[account_id][region_name].create_state_machine(
        name=properties.get("StateMachineName", resource_name),
        definition=_definition(properties),
        roleArn=properties["RoleArn"],
        tags=cfn_to_api_tags(properties.get("Tags", [])),
        loggingConfiguration=_logging(properties),
        tracingConfiguration=_tracing(properties),
        sm_type=properties.get("StateMachineType"),
    )


def _update(  # noqa: PLR0913, PLR0917 - moto's signature
    cls: type[StateMachine],
    original_resource: StateMachine,
    new_resource_name: str,
    cloudformation_json: Json,
    account_id: str,
    region_name: str,
) -> StateMachine:
    """In place, executions and all, unless it gets another name or type."""
    properties = cloudformation_json["Properties"]
    backend = stepfunctions_parser_backends[account_id][region_name]
    renamed = properties.get("StateMachineName", original_resource.name) != original_resource.name
    if renamed or properties.get("StateMachineType", original_resource.type) != original_resource.type:
        made = cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)
        backend.delete_state_machine(original_resource.arn)
        return made
    machine = backend.update_state_machine(
        original_resource.arn,
        definition=_definition(properties),
        role_arn=properties["RoleArn"],
        logging_configuration=_logging(properties),
        tracing_configuration=_tracing(properties),
    )
    former = [tag["key"] for tag in backend.get_tags_list_for_state_machine(machine.arn)]
    backend.tagger.untag_resource_using_names(machine.arn, former)
    backend.tagger.tag_resource(machine.arn, cfn_to_api_tags(properties.get("Tags", [])))
    return machine


def _has_attribute(_cls: type[StateMachine], attr: str) -> bool:
    return attr in {"Arn", "Name"}


def _attribute(self: StateMachine, attribute_name: str) -> str:
    match attribute_name:
        case "Arn":
            return self.arn
        case "Name":
            return self.name
        case _:
            raise UnformattedGetAttTemplateException


def _definition(properties: Json) -> str:
    """The definition as text, with what DefinitionSubstitutions say in the place of ``${name}``."""
    text = properties.get("DefinitionString") or json.dumps(properties["Definition"])
    substitutions = properties.get("DefinitionSubstitutions", {})
    return re.sub(r"\$\{(\w+)\}", lambda found: str(substitutions.get(found[1], found[0])), str(text))


def _logging(properties: Json) -> LoggingConfiguration:
    """The logging configuration as the API has it; none is as good as one that is off."""
    given = properties.get("LoggingConfiguration", {})
    return {
        "level": given.get("Level", "OFF"),
        # In a template it may be text.
        "includeExecutionData": str(given.get("IncludeExecutionData", False)).lower() == "true",
        "destinations": [
            {"cloudWatchLogsLogGroup": {"logGroupArn": each["CloudWatchLogsLogGroup"]["LogGroupArn"]}}
            for each in given.get("Destinations", [])
        ],
    }


def _tracing(properties: Json) -> TracingConfiguration:
    return {"enabled": str(properties.get("TracingConfiguration", {}).get("Enabled", False)).lower() == "true"}
