"""AWS::CloudFormation::StackSet, which moto's CloudFormation ignores, with service-managed permissions.

Called by moto for the stack that has the set, and by Organizations' extension when an account comes, moves or goes.
Unlike in AWS, the stack with the set succeeds also where an operation has failed: moto knows no rollback.
"""

from typing import Any, ClassVar, Self

from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.utils import get_stack_from_s3_url
from moto.core.common_models import CloudFormationModel
from moto.organizations.models import OrganizationsBackend

from embedded_aws.access.organization import backend_of
from embedded_aws.moto_extensions.resources import AccountRegion, NamedResource
from embedded_aws.stack_sets import api
from embedded_aws.stack_sets.sets import ManagedStackSet, StackBlocker
from embedded_aws.stack_sets.targets import Specification

_PARTITION = "aws"


def install(why_not: StackBlocker) -> None:
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


class StackSetResource(NamedResource, CloudFormationModel):
    """A stack set of a stack, which Ref gives the id of.

    Attributes:
        why_not: from `install`.
    """

    template_type = "AWS::CloudFormation::StackSet"
    name_property = "StackSetName"
    attributes: ClassVar = {"StackSetId": "ref"}
    why_not: ClassVar[Any] = None

    def __init__(self, stack_set: ManagedStackSet) -> None:
        super().__init__(str(stack_set.id))
        self.stack_set = stack_set

    @classmethod
    def make(cls, _name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Create the set and its instances."""
        specification = _specification(properties, place.account)
        organization = api.organization_for(place.account, call_as=properties.get("CallAs", "SELF"))
        _check_units(specification, organization)
        kept = cloudformation_backends[organization.account_id][place.region].stacksets
        if any(other.name == specification.name and other.status == "ACTIVE" for other in kept.values()):
            code = "NameAlreadyExistsException"
            raise CloudFormationError(code, f"The specified name {specification.name} is already in use.")
        made = ManagedStackSet(
            specification, organization=organization, region=place.region, why_not=StackSetResource.why_not
        )
        kept[made.id] = made
        made.roll_out()
        return cls(made)

    def change(self, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Change it, and its instances with it; with another name it is another one."""
        specification = _specification(properties, place.account)
        if specification.name != self.stack_set.name:
            made = self.make(name, properties, place)
            self.stack_set.remove()
            return made
        organization = api.organization_for(place.account, call_as=properties.get("CallAs", "SELF"))
        _check_units(specification, organization)
        self.stack_set.roll_out(specification)
        return self

    def remove(self, place: AccountRegion, /) -> None:
        """Delete the instances' stacks and the set."""
        organization = backend_of(place.account)
        if organization is None:
            return
        kept = cloudformation_backends[organization.account_id][place.region].stacksets.get(self.ref)
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
