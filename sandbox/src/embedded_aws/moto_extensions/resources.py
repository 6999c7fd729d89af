"""What a resource type that moto's CloudFormation lacks has to say of itself.

moto asks the same of each type, at length; that stands here, and a type has no more than what is its own. It derives
from `CloudFormationModel`, too, and that directly: moto's types are that class's direct subclasses.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException


@dataclass(frozen=True, kw_only=True)
class AccountRegion:
    """Where a stack is, and with it what it makes.

    Attributes:
        account: 12 digits.
        region: its code.
    """

    account: str
    region: str


class StackResource:
    """A resource of a stack, which templates cannot name.

    Attributes:
        template_type: its type in templates.
        ref: what Ref gives.
    """

    template_type: ClassVar[str]

    def __init__(self, ref: str) -> None:
        self.ref = ref

    @classmethod
    @abstractmethod
    def make(cls, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Make the resource.

        Args:
            name: the template's, or one that CloudFormation has made up.
            properties: as in the template, with what its functions give.
            place: where the stack is.
        """

    def change(self, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Let the resource be as an update has it: here, remove it and make another.

        Args:
            name: the template's, or another one that CloudFormation has made up.
            properties: as in the template, with what its functions give.
            place: where the stack is.

        Returns:
            What is the stack's resource from now on.
        """
        self.remove(place)
        return self.make(name, properties, place)

    @abstractmethod
    def remove(self, place: AccountRegion, /) -> None:
        """Take the resource away, if it is still there."""

    @property
    def physical_resource_id(self) -> str:
        """What Ref gives, as moto asks for it."""
        return self.ref

    @staticmethod
    def cloudformation_name_type() -> str:
        """The property that names it: none."""
        return ""

    @classmethod
    def cloudformation_type(cls) -> str:
        """Its type in templates, as moto asks for it."""
        return cls.template_type

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: object
    ) -> Self:
        """Make it, as moto asks for it."""
        return cls.make(
            resource_name, cloudformation_json["Properties"], AccountRegion(account=account_id, region=region_name)
        )

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Self,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> Self:
        """Change it, as moto asks for it."""
        place = AccountRegion(account=account_id, region=region_name)
        return original_resource.change(new_resource_name, cloudformation_json["Properties"], place)

    def delete(self, account_id: str, region_name: str) -> None:
        """Remove it, as moto asks for it."""
        self.remove(AccountRegion(account=account_id, region=region_name))


class NamedResource(StackResource):
    """A resource of a stack, which templates may name, and which has attributes.

    Attributes:
        name_property: the property that names it.
        attributes: what Fn::GetAtt knows, each with the member that has it.
    """

    name_property: ClassVar[str]
    attributes: ClassVar[Mapping[str, str]]

    @classmethod
    def cloudformation_name_type(cls) -> str:
        """The property that names it, as moto asks for it."""
        return cls.name_property

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether Fn::GetAtt knows it, as moto asks for it."""
        return attr in cls.attributes

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """What Fn::GetAtt gives, as moto asks for it."""
        if attribute_name not in self.attributes:
            raise UnformattedGetAttTemplateException
        return str(getattr(self, self.attributes[attribute_name]))
