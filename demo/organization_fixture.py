"""The demo's organization: its accounts and units, and changes to them by the AWS APIs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from demo.account import Account
from demo.changes import create_function
from demo.scenarios import HOME

if TYPE_CHECKING:
    from collections.abc import Mapping

ABROAD: Final = "eu-west-1"
HUB: Final = "governance"
"""The account of the hub; it manages the organization, too."""
ROLE: Final = "ProfilingGroupProvisioner"

_UNITS: Final = {"workloads": ("shop", "billing"), "playground": ("play",)}


class OrganizationFixture:
    """An organization of which the sandbox's own account is the management account.

    Args:
        endpoint: URL of the sandbox.
        account: The sandbox's own account.

    Attributes:
        id: Id of the organization.
        units: Ids of its units by their names, `root` among them.
        accounts: Ids of its accounts by their names.
    """

    def __init__(self, endpoint: str, *, account: str) -> None:
        self._endpoint = endpoint
        self.accounts: dict[str, str] = {HUB: account}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._organizations = self.account(HUB).client("organizations")
        self.id: str = self._organizations.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        root = self._organizations.list_roots()["Roots"][0]["Id"]
        self.units: dict[str, str] = {"root": root}
        self._organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
        for unit, accounts in _UNITS.items():
            made = self._organizations.create_organizational_unit(ParentId=root, Name=unit)
            self.units[unit] = made["OrganizationalUnit"]["Id"]
            for name in accounts:
                self.add(name)
                self.move(name, source="root", destination=unit)
        # One trail for all accounts, and leave for stack sets to deploy in them.
        self.account(HUB).client("cloudtrail").update_trail(Name="management-events", IsOrganizationTrail=True)
        self.account(HUB).client("cloudformation").activate_organizations_access()

    def account(self, account: str, region: str = HOME) -> Account:
        """Return an account by its name."""
        key = (account, region)
        if key not in self._accounts:
            self._accounts[key] = Account(self._endpoint, region=region, account=self.accounts[account])
        return self._accounts[key]

    def add(self, name: str) -> None:
        """Create an account, right under the root."""
        made = self._organizations.create_account(AccountName=name, Email=f"{name}@example.com")
        self.accounts[name] = made["CreateAccountStatus"]["AccountId"]

    def add_with_function(self, account: str, *, function: str) -> None:
        """Create an account, and a function in it."""
        self.add(account)
        create_function(self.account(account), function)

    def move(self, account: str, *, source: str, destination: str) -> None:
        """Move an account from one unit to another."""
        self._organizations.move_account(
            AccountId=self.accounts[account],
            SourceParentId=self.units[source],
            DestinationParentId=self.units[destination],
        )

    def deploy_member(self, account: str, *, template: str, parameters: Mapping[str, str]) -> None:
        """Deploy the members' template by hand, in both regions."""
        for region in (HOME, ABROAD):
            self.account(account, region).client("cloudformation").create_stack(
                StackName="ProfilingGroupsMember",
                TemplateBody=template,
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )

    def take_role_away(self, account: str) -> None:
        """Delete the role by which the hub acts in an account."""
        iam = self.account(account).client("iam")
        for policy in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]:
            iam.delete_role_policy(RoleName=ROLE, PolicyName=policy)
        iam.delete_role(RoleName=ROLE)

    def forbid(self, region: str, *, unit: str) -> None:
        """Forbid the accounts of a unit a region, by a service control policy."""
        statement = {
            "Effect": "Deny",
            # What is no region's own.
            "NotAction": ["iam:*", "organizations:*", "sts:*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": region}},
        }
        made = self._organizations.create_policy(
            Name=f"not-in-{region}",
            Description="",
            Type="SERVICE_CONTROL_POLICY",
            Content=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )["Policy"]["PolicySummary"]["Id"]
        self._organizations.attach_policy(PolicyId=made, TargetId=self.units[unit])
