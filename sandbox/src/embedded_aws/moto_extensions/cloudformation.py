"""What moto's CloudFormation lacks for a stack with a rule, a queue and outputs, deployed by way of change sets.

- AWS::SQS::QueuePolicy, without which no service may send to a queue;
- a stack's outputs and tags after a change set was executed;
- parameters that come from the parameter store, in a change set that uses their previous value;
- a log group's ARN as templates get it, which ends in ``:*`` and so covers its streams, and its update in place;
- a rule's name when the stack is updated, which the policies of its targets and queues go by;
- the error for a change set that does not exist, which the CDK CLI waits for before it updates a stack;
- the error for an update that would change nothing;
- a stack whose resources are gone already, which is deleted all the same;
- the names that it makes up, which are no longer than their service allows.

The server calls `install`; other resource types are the business of `awslambda`, `conditions`, `iam`,
`s3` and `scheduler` in this package, of `embedded_aws.step_functions` and of `embedded_aws.stack_sets`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import UnformattedGetAttTemplateException, ValidationError
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, Stack
from moto.core.common_models import CloudFormationModel
from moto.core.exceptions import JsonRESTError, ServiceException
from moto.events.models import Rule
from moto.logs.models import LogGroup
from moto.sqs.models import sqs_backends

from embedded_aws.moto_extensions import scheduler  # noqa: F401 - its type is known by being imported
from embedded_aws.moto_extensions.patching import extend
from embedded_aws.moto_extensions.resources import AccountRegion, StackResource

_LONGEST_NAMES: Final[Mapping[str, int]] = {
    "AWS::Events::Rule": 64,
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::SQS::Queue": 80,
}

_GONE: Final = frozenset({"NoSuchEntity", "ResourceNotFoundException"})
"""How services say that something is not there; those that a stack of ours may meet."""

# moto's own, which the replacements below call.
_moto_name: Final = parsing.generate_resource_name
_moto_delete: Final = parsing.ResourceMap._delete_resource  # noqa: SLF001 - there is no public place for it


class QueuePolicy(StackResource, CloudFormationModel):
    """The policy of the queues whose URLs it names."""

    template_type = "AWS::SQS::QueuePolicy"

    def __init__(self, name: str, queues: list[str]) -> None:
        super().__init__(name)
        self.queues = queues

    @classmethod
    def make(cls, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Give the policy to its queues."""
        names = [str(url).rpartition("/")[2] for url in properties["Queues"]]
        made = cls(name, names)
        made._set(json.dumps(properties["PolicyDocument"]), place)
        return made

    def change(self, _name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Replace the policy of its queues."""
        return self.make(self.ref, properties, place)

    def remove(self, place: AccountRegion, /) -> None:
        """Take the policy from those of its queues that still exist."""
        self._set(None, place)

    def _set(self, policy: str | None, place: AccountRegion) -> None:
        queues = sqs_backends[place.account][place.region].queues
        for name in self.queues:
            if name in queues:
                queues[name].policy = policy


class _ChangeSetNotFoundError(ServiceException):
    """The error's code and text as CloudFormation has them."""

    code = "ChangeSetNotFound"

    def __init__(self, change_set_name: str) -> None:
        super().__init__(f"ChangeSet [{change_set_name}] does not exist")


def install() -> None:
    """Extend moto; a second call changes nothing."""
    # moto caches its list of types, perhaps from before there were ours.
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()
    # A template that does not name its rule gets a new name from moto with each update; AWS keeps it.
    Rule.update_from_cloudformation_json = classmethod(_update_rule)  # type: ignore[assignment] # extends moto
    parsing.generate_resource_name = _name
    parsing.ResourceMap._delete_resource = _delete_what_is_there  # type: ignore[assignment] # noqa: SLF001 - as above
    LogGroup.get_cfn_attribute = _log_group_attribute  # type: ignore[method-assign] # extends moto
    LogGroup.update_from_cloudformation_json = classmethod(_update_log_group)  # type: ignore[assignment] # extends moto
    extend(parsing.ResourceMap, "parse_ssm_parameter", _read_or_keep_parameter)
    extend(CloudFormationBackend, "describe_change_set", _describe_change_set)
    extend(Stack, "update", _update_stack)
    extend(ChangeSet, "apply", _apply_change_set)


def _read_or_keep_parameter(
    original: Callable[..., Any], self: parsing.ResourceMap, value: str, value_type: str
) -> str:
    # "Use the previous value" reaches moto as what the parameter was resolved to, which is no name to look up.
    return value if value in self.resolved_parameters.values() else str(original(self, value, value_type))


def _describe_change_set(
    original: Callable[..., ChangeSet | None], self: CloudFormationBackend, change_set_name: str
) -> ChangeSet | None:
    try:
        return original(self, change_set_name)
    except ValidationError as error:
        raise _ChangeSetNotFoundError(change_set_name) from error


def _update_stack(original: Callable[..., None], self: Stack, template: str, *given: Any, **more: Any) -> None:  # noqa: ANN401 - moto's own
    unchanged = {key: getattr(self, key) == value for key, value in more.items() if value}
    if self.has_template(template) and all(unchanged.values()):
        raise ValidationError(self.name, message="No updates are to be performed.")
    original(self, template, *given, **more)


def _apply_change_set(original: Callable[..., None], self: ChangeSet) -> None:
    original(self)
    self.stack.template = self.template
    self.stack.template_dict = self.template_dict
    self.stack.tags = self.tags or {}
    self.stack.output_map = self.stack._create_output_map()  # noqa: SLF001 - moto itself does so after an update


def _name(resource_type: str, stack_name: str, logical_id: str) -> str:
    """Of a name that gets too long, stack and resource give up what is too much; what makes it unique stays."""
    longest = _LONGEST_NAMES.get(resource_type)
    name = _moto_name(resource_type, stack_name, logical_id)
    if longest is None or len(name) <= longest:
        return name
    unique = name.rpartition("-")[2]
    room = longest - len(unique) - 2
    resource = logical_id[: max(room // 2, room - len(stack_name))]
    return f"{stack_name[: room - len(resource)]}-{resource}-{unique}"


def _delete_what_is_there(self: parsing.ResourceMap, resource: Any, definition: dict[str, Any]) -> None:  # noqa: ANN401 - of any type
    try:
        _moto_delete(self, resource, definition)
    except (JsonRESTError, ServiceException) as error:
        if not _GONE & {getattr(error, "error_type", None), error.code}:
            raise


def _log_group_attribute(self: LogGroup, attribute_name: str) -> str:
    """The one attribute that moto has, in the form in which CloudFormation returns it (AWS::Logs::LogGroup, Arn)."""
    if attribute_name != "Arn":
        raise UnformattedGetAttTemplateException
    return f"{self.arn}:*"


def _update_log_group(
    _cls: type[LogGroup],
    original_resource: LogGroup,
    new_resource_name: str,  # noqa: ARG001 - moto's signature
    cloudformation_json: dict[str, Any],
    account_id: str,  # noqa: ARG001 - moto's signature
    region_name: str,  # noqa: ARG001 - moto's signature
) -> LogGroup:
    properties = cloudformation_json["Properties"]
    original_resource.retention_in_days = properties.get("RetentionInDays")
    original_resource.kms_key_id = properties.get("KmsKeyId")
    return original_resource


def _update_rule(  # noqa: PLR0913, PLR0917 - moto's signature
    cls: type[Rule],
    original_resource: Rule,
    new_resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
) -> Rule:
    name = new_resource_name if "Name" in cloudformation_json["Properties"] else original_resource.name
    original_resource.delete(account_id, region_name)
    return cls.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)
