"""AWS::CloudFormation::StackSet, which moto's CloudFormation ignores, with service-managed permissions.

Called by moto for the stack that has the set, and by Organizations' extension when an account comes, moves or goes.
Unlike in AWS, the stack with the set succeeds also where an operation has failed: moto knows no rollback.
"""

from typing import Any, ClassVar

from moto.cloudformation.exceptions import CloudFormationError, UnformattedGetAttTemplateException, ValidationError
from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.utils import get_stack_from_s3_url
from moto.core.common_models import CloudFormationModel
from moto.organizations.models import OrganizationsBackend

from sandbox.access.organization import backend_of
from sandbox.stack_sets import api
from sandbox.stack_sets.sets import ManagedStackSet, WhyNot
from sandbox.stack_sets.targets import Specification

_PARTITION = "aws"


def install(why_not: WhyNot) -> None:
    """Extend moto; a later call replaces what an earlier one installed.

    Args:
        why_not: asked before each stack of a set is created, updated or deleted.
    """
    api.install()
    StackSetResource.why_not = staticmethod(why_not)


def account_changed(organization: OrganizationsBackend, account: str) -> None:
    """Let the organization's stack sets follow an account that was created, moved, closed or removed."""
    for backend in list(cloudformation_backends[organization.account_id].values()):
        for stack_set in list(backend.stacksets.values()):
            if isinstance(stack_set, ManagedStackSet) and stack_set.status == "ACTIVE":
                stack_set.account_changed(account)


class StackSetResource(CloudFormationModel):
    """A stack set of a stack.

    Attributes:
        why_not: from `install`.
    """

    why_not: ClassVar[Any] = None

    def __init__(self, stack_set: ManagedStackSet) -> None:
        self.stack_set = stack_set

    @property
    def physical_resource_id(self) -> str:
        """What Ref gives: its id."""
        return str(self.stack_set.id)

    @staticmethod
    def cloudformation_name_type() -> str:
        """The property that names it."""
        return "StackSetName"

    @staticmethod
    def cloudformation_type() -> str:
        """Its type in templates."""
        return "AWS::CloudFormation::StackSet"

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether Fn::GetAtt knows it."""
        return attr == "StackSetId"

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """What Fn::GetAtt gives."""
        if attribute_name != "StackSetId":
            raise UnformattedGetAttTemplateException
        return self.physical_resource_id

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
        **_: Any,  # noqa: ANN401 - moto's signature
    ) -> "StackSetResource":
        """Create the set and its instances."""
        properties = cloudformation_json["Properties"]
        specification = _specification(properties, account_id)
        organization = api.organization_for(account_id, call_as=properties.get("CallAs", "SELF"))
        _check_units(specification, organization)
        kept = cloudformation_backends[organization.account_id][region_name].stacksets
        if any(other.name == specification.name and other.status == "ACTIVE" for other in kept.values()):
            code = "NameAlreadyExistsException"
            raise CloudFormationError(code, f"The specified name {specification.name} is already in use.")
        made = ManagedStackSet(
            specification, organization=organization, region=region_name, why_not=StackSetResource.why_not
        )
        kept[made.id] = made
        made.roll_out()
        return cls(made)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "StackSetResource",
        new_resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
    ) -> "StackSetResource":
        """Change it, and its instances with it; with another name it is another one."""
        properties = cloudformation_json["Properties"]
        specification = _specification(properties, account_id)
        if specification.name != original_resource.stack_set.name:
            made = cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)
            original_resource.stack_set.remove()
            return made
        organization = api.organization_for(account_id, call_as=properties.get("CallAs", "SELF"))
        _check_units(specification, organization)
        original_resource.stack_set.roll_out(specification)
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401, ARG003 - moto's signature
        account_id: str,
        region_name: str,
    ) -> None:
        """Delete the instances' stacks and the set."""
        organization = backend_of(account_id)
        if organization is None:
            return
        kept = cloudformation_backends[organization.account_id][region_name].stacksets.get(resource_name)
        if isinstance(kept, ManagedStackSet):
            kept.remove()


def _specification(properties: dict[str, Any], account: str) -> Specification:
    template = properties.get("TemplateBody") or get_stack_from_s3_url(properties["TemplateURL"], account, _PARTITION)
    return Specification.of(properties, template=template)


def _check_units(specification: Specification, organization: OrganizationsBackend) -> None:
    known = {unit.id for unit in organization.ou}
    for unit in specification.units:
        if unit not in known:
            raise ValidationError(message=f"Organizational unit {unit} does not exist in the organization")
