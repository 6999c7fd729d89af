"""What a stack set shall be, as its resource in a template says it, and which accounts and regions that means.

`cloudformation` reads it, `sets` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moto.cloudformation.exceptions import CloudFormationError, ValidationError
from moto.cloudformation.models import Stack

from embedded_aws.access.organization import organization_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from moto.organizations.models import OrganizationsBackend

    Json = dict[str, Any]
    AccountAndRegion = tuple[str, str]

_LONGEST_TEMPLATE: Final = 51_200
_NAMED_BY: Final = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
}
_ACKNOWLEDGED: Final = frozenset(
    {*_NAMED_BY, "AWS::IAM::AccessKey", "AWS::IAM::Policy", "AWS::IAM::UserToGroupAddition"}
)


@dataclass(frozen=True, kw_only=True)
class Group:
    """One of the groups of instances: OUs and regions.

    Attributes:
        units: ids of OUs, or of the root; accounts further below count too.
        accounts: ids, which mean what the filter says.
        account_filter: ``NONE``, ``INTERSECTION``, ``DIFFERENCE`` or ``UNION``.
        regions: in which each account gets a stack.
        overrides: of parameters.
    """

    units: tuple[str, ...]
    accounts: frozenset[str]
    account_filter: str
    regions: tuple[str, ...]
    overrides: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Why a place is to have a stack: by which OU, and with which parameters that differ from the set's."""

    unit: str
    overrides: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Specification:
    """The properties of an AWS::CloudFormation::StackSet."""

    name: str
    description: str | None
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    capabilities: tuple[str, ...]
    groups: tuple[Group, ...]
    auto_deployment: bool
    retain_on_removal: bool
    managed_execution: bool
    preferences: Mapping[str, Any]

    @classmethod
    def of(cls, properties: Json, *, template: str) -> Specification:
        """Read the properties.

        Raises:
            CloudFormationError: they cannot be, in AWS's words where those are known.
        """
        if properties["PermissionModel"] != "SERVICE_MANAGED":
            raise NotImplementedError("a stack set with self-managed permissions in a template")
        auto = properties.get("AutoDeployment", {})
        made = cls(
            name=properties["StackSetName"],
            description=properties.get("Description"),
            template=template,
            parameters=_parameters(properties.get("Parameters", [])),
            tags={tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])},
            capabilities=tuple(properties.get("Capabilities", [])),
            groups=tuple(_group(each) for each in properties.get("StackInstancesGroup", [])),
            auto_deployment=_is_true(auto.get("Enabled")),
            retain_on_removal=_is_true(auto.get("RetainStacksOnAccountRemoval")),
            managed_execution=_is_true(properties.get("ManagedExecution", {}).get("Active")),
            preferences=properties.get("OperationPreferences", {}),
        )
        made._check_template()
        return made

    @property
    def content(self) -> tuple[object, ...]:
        """All that a stack is made of: where it changes, stacks are updated."""
        return (self.template, dict(self.parameters), dict(self.tags))

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region, in the order in which an operation goes through them."""
        named = [region for group in self.groups for region in group.regions]
        first = [region for region in self.preferences.get("RegionOrder", []) if region in named]
        return tuple(dict.fromkeys([*first, *named]))

    @property
    def units(self) -> tuple[str, ...]:
        """Every OU that is targeted."""
        return tuple(dict.fromkeys(unit for group in self.groups for unit in group.units))

    def targets(self, organization: OrganizationsBackend) -> dict[AccountAndRegion, Target]:
        """The places, as the organization is now: accounts that are active, and never the management account."""
        found: dict[AccountAndRegion, Target] = {}
        for account in list(organization.accounts):
            if account.id == organization.account_id or account.status != "ACTIVE":
                continue
            within = (organization_path(account.id) or "").split("/")
            for group in self.groups:
                unit = _unit_of(group, account.id, within)
                if unit is not None:
                    for region in group.regions:
                        found[account.id, region] = Target(unit=unit, overrides=group.overrides)
        return found

    def tolerated_failures(self, accounts: int) -> int:
        """How many of that many accounts may fail in a region before the operation counts as failed."""
        if "FailureToleranceCount" in self.preferences:
            return int(self.preferences["FailureToleranceCount"])
        return accounts * int(self.preferences.get("FailureTolerancePercentage", 0)) // 100

    def _check_template(self) -> None:
        if len(self.template.encode()) > _LONGEST_TEMPLATE:
            message = (
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have"
                f" length less than or equal to {_LONGEST_TEMPLATE}"
            )
            raise ValidationError(message=message)
        needed = _capability_needed(Stack.parse_template(self.template))
        if needed is not None and not {needed, "CAPABILITY_NAMED_IAM"} & set(self.capabilities):
            code = "InsufficientCapabilitiesException"
            raise CloudFormationError(code, f"Requires capabilities : [{needed}]")


def _group(properties: Json) -> Group:
    chosen = properties["DeploymentTargets"]
    if not chosen.get("OrganizationalUnitIds"):
        message = "StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit as target"
        raise ValidationError(message=message)
    return Group(
        units=tuple(chosen["OrganizationalUnitIds"]),
        accounts=frozenset(str(account) for account in chosen.get("Accounts", [])),
        account_filter=chosen.get("AccountFilterType", "NONE"),
        regions=tuple(properties["Regions"]),
        overrides=_parameters(properties.get("ParameterOverrides", [])),
    )


def _unit_of(group: Group, account: str, within: list[str]) -> str | None:
    """The OU for whose sake the group means the account; None where it does not."""
    unit = next((unit for unit in group.units if unit in within), None)
    match group.account_filter:
        case "INTERSECTION":
            return unit if account in group.accounts else None
        case "DIFFERENCE":
            return unit if account not in group.accounts else None
        case "UNION":
            return unit or (within[-2] if account in group.accounts else None)
        case _:
            return unit


def _capability_needed(template: Json) -> str | None:
    resources = [each for each in template["Resources"].values() if each["Type"] in _ACKNOWLEDGED]
    if any(_NAMED_BY.get(each["Type"], "") in each.get("Properties", {}) for each in resources):
        return "CAPABILITY_NAMED_IAM"
    return "CAPABILITY_IAM" if resources else None


def _parameters(given: list[Json]) -> dict[str, str]:
    return {each["ParameterKey"]: str(each["ParameterValue"]) for each in given}


def _is_true(value: object) -> bool:
    """In a template it may be text."""
    return str(value).lower() == "true"
