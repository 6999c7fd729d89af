"""What moto's EventBridge lacks for buses that others may put events on.

- policies as documents: PutPermission with one replaces the whole, statements need no Sid and may be any. A
  statement by its parameters (Action, Principal, Condition) is not served;
- AWS::Events::EventBusPolicy, and of AWS::Events::EventBus what Ref gives, its policy, and an update in place;
- a stack's rule goes as it is now; moto remembers the targets of the one that the stack made, and stumbles over those
  of one that was put in its place by hand;
- the id of a rule on a bus of its own, ``bus|rule``, which Ref gives and which is not its name.

The server calls `install`. Sources: CloudFormation User Guide, "AWS::Events::EventBus", "AWS::Events::EventBusPolicy";
for the id, aws-cloudformation/cloudformation-coverage-roadmap issue 1131.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from moto.core.common_models import CloudFormationModel
from moto.events.exceptions import ValidationException
from moto.events.models import EventBus, EventBusPolicyStatement, EventsBackend, Rule, events_backends

from embedded_aws.moto_extensions.patching import extend
from embedded_aws.moto_extensions.resources import AccountRegion, StackResource

_REQUIRED: Final = ("Effect", "Principal", "Action", "Resource")
_MEMBERS: Final[Mapping[str, str]] = {
    "Description": "description",
    "KmsKeyIdentifier": "kms_key_identifier",
    "DeadLetterConfig": "dead_letter_config",
}


class _Statement(EventBusPolicyStatement):
    """A statement that is kept as it was given."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        missing = [element for element in _REQUIRED if element not in document]
        if missing:
            message = f"The policy's statement has no {missing[0]}."
            raise ValidationException(message)
        super().__init__(
            sid=document.get("Sid", ""),
            principal=document["Principal"],
            action=document["Action"],
            resource=document["Resource"],
            effect=document["Effect"],
            condition=document.get("Condition"),
        )
        self._document = document

    def describe(self) -> dict[str, Any]:
        """The statement."""
        return dict(self._document)


class EventBusPolicy(StackResource, CloudFormationModel):
    """One statement in the policy of a bus; an update puts the new one in the place of the old, on whichever bus."""

    template_type = "AWS::Events::EventBusPolicy"

    def __init__(self, *, bus: str, sid: str) -> None:
        super().__init__(f"{bus}|{sid}")
        self.bus = bus
        self.sid = sid

    @classmethod
    def make(cls, _name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Add the statement, or put it in the place of the one with its id."""
        backend = events_backends[place.account][place.region]
        bus = backend.describe_event_bus(properties.get("EventBusName", "default"))
        sid = properties["StatementId"]
        _statements(bus)[sid] = _Statement({**properties["Statement"], "Sid": sid})
        return cls(bus=bus.name, sid=sid)

    def remove(self, place: AccountRegion, /) -> None:
        """Take the statement from its bus, where both still exist."""
        bus = events_backends[place.account][place.region].event_buses.get(self.bus)
        if bus is not None:
            _statements(bus).pop(self.sid, None)


def install() -> None:
    """Extend moto; a second call changes nothing."""
    extend(EventsBackend, "put_permission", _put_permission)
    EventBus.physical_resource_id = property(lambda self: self.name)  # type: ignore[attr-defined] # extends moto
    EventBus.create_from_cloudformation_json = classmethod(_create_bus)  # type: ignore[assignment] # extends moto
    EventBus.update_from_cloudformation_json = classmethod(_update_bus)  # type: ignore[assignment] # extends moto
    EventBus.delete = _delete_bus  # type: ignore[method-assign] # extends moto
    Rule.delete = _delete_rule  # type: ignore[method-assign] # extends moto
    Rule.physical_resource_id = property(_rule_id)  # type: ignore[assignment] # extends moto


def _statements(bus: EventBus) -> dict[str, EventBusPolicyStatement]:
    return bus._statements  # noqa: SLF001 - moto has no public place for them


def _give(bus: EventBus, policy: str | Mapping[str, Any]) -> None:
    """Let this be the bus's policy, whatever it was."""
    try:
        document = json.loads(policy) if isinstance(policy, str) else policy
    except ValueError as error:
        message = "This policy contains invalid Json"
        raise ValidationException(message) from error
    given = document.get("Statement", [])
    statements = given if isinstance(given, list) else [given]
    bus._statements = {  # noqa: SLF001 - moto has no public place for them
        each.get("Sid") or f"statement {number}": _Statement(each) for number, each in enumerate(statements)
    }


def _put_permission(
    _original: Callable[..., None], self: EventsBackend, event_bus_name: str, *parameters: object
) -> None:
    """Replace the policy by the document, which moto passes last."""
    if not parameters[-1]:
        raise NotImplementedError("PutPermission without a policy document")
    _give(self.describe_event_bus(event_bus_name), str(parameters[-1]))


def _create_bus(
    _cls: type[EventBus],
    /,
    resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
    **_: Any,  # noqa: ANN401 - moto's signature
) -> EventBus:
    properties = cloudformation_json["Properties"]
    bus = events_backends[account_id][region_name].create_event_bus(
        name=resource_name, event_source_name=properties.get("EventSourceName")
    )
    _describe(bus, properties)
    return bus


def _update_bus(  # noqa: PLR0913, PLR0917 - moto's signature
    cls: type[EventBus],
    original_resource: EventBus,
    new_resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
) -> EventBus:
    """In place, with rules and policy, unless it gets another name."""
    properties = cloudformation_json["Properties"]
    if properties.get("Name", original_resource.name) != original_resource.name:
        made = cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)
        original_resource.delete(account_id, region_name)
        return made
    _describe(original_resource, properties)
    return original_resource


def _describe(bus: EventBus, properties: Mapping[str, Any]) -> None:
    """Let the bus be as the template has it; a policy that it does not speak of stays."""
    for key, member in _MEMBERS.items():
        setattr(bus, member, properties.get(key))
    tagger = events_backends[bus.account_id][bus.region].tagger
    tagger.delete_all_tags_for_resource(bus.arn)
    tagger.tag_resource(bus.arn, properties.get("Tags", []))
    if "Policy" in properties:
        _give(bus, properties["Policy"])


def _delete_bus(self: EventBus, account_id: str, region_name: str) -> None:
    for rule in list(self.rules.values()):
        rule.delete(account_id, region_name)
    events_backends[account_id][region_name].delete_event_bus(name=self.name)


def _delete_rule(self: Rule, account_id: str, region_name: str) -> None:
    backend = events_backends[account_id][region_name]
    bus = backend.event_buses.get(self.event_bus_name)
    there = bus.rules.get(self.name) if bus is not None else None
    if there is not None:
        there.remove_targets([target["Id"] for target in there.targets])
        backend.delete_rule(name=self.name, event_bus_arn=self.event_bus_name)


def _rule_id(rule: Rule) -> str:
    return rule.name if rule.event_bus_name == "default" else f"{rule.event_bus_name}|{rule.name}"
