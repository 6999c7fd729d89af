"""An organization as the end-to-end tests handle it: a hub in one of its accounts, and what it governs from there."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from demo.account import Account
from demo.cdk_cli import bootstrap, deploy
from infra.member import FILE
from tests.e2e.alarms import DeployedAlarm
from tests.e2e.deployment import Deployment, taken_away
from tests.e2e.governed import write_policy
from tests.records import Json, record
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from embedded_aws.client import SandboxClient

MANAGEMENT: Final = "700011112222"
OUTSIDER: Final = "700099998888"
HOME: Final = "eu-west-1"
"""The hub's region, in which members have their roles."""
ABROAD: Final = "us-east-1"
EXCLUDED: Final = "eu-west-2"
"""A region that the policy excludes."""
UNLISTED: Final = "us-west-2"
"""A region that the policy does not include."""
OURS: Final = {"managed-by": "profiling-group-provisioner"}
ROLE: Final = "ProfilingGroupProvisioner"
STACK_SETS: Final = "member.org.stacksets.cloudformation.amazonaws.com"

# The root's accounts are the management account and one that joins later.
_UNITS: Final = {
    "infrastructure": ("governance",),
    "workloads": ("shop", "billing", "audit", "legacy"),
    "playground": ("play",),
    "acquired": ("startup",),
    "root": ("newcomer",),
}
_NESTED: Final = {"suspended": ("workloads", "retired")}


@dataclass(frozen=True, kw_only=True)
class Organization:
    """An organization in a sandbox, whose own account manages it, and the hub that governs it.

    Attributes:
        sandbox: The sandbox's control endpoint.
        id: Of the organization.
        units: Ids of its units by their names, the root among them.
        accounts: Ids of its accounts by their names.
        hub: The hub's stack, in the account `governance`.
        template: What makes an account a member.
    """

    sandbox: SandboxClient
    id: str
    units: Mapping[str, str]
    accounts: Mapping[str, str]
    hub: Deployment
    template: str
    _there: dict[tuple[str, str], Account] = field(default_factory=dict)

    def there(self, account: str, region: str = HOME) -> Account:
        """Return an account by its name; there is one for each region, because clients take long to build."""
        if (account, region) not in self._there:
            there = Account(self.sandbox.endpoint, region=region, account=self.accounts[account])
            self._there[account, region] = there
        return self._there[account, region]

    def arn(self, function: str, account: str, region: str = HOME) -> str:
        """Return the ARN of a function."""
        return f"arn:aws:lambda:{region}:{self.accounts[account]}:function:{function}"

    def created_for(self, function: str, account: str, region: str = HOME) -> dict[str, str]:
        """Return the tags that a group that was created for a function has besides its function's."""
        return OURS | {"profiling-group-provisioner:created-for": self.arn(function, account, region)}

    def create(self, account: str, region: str = HOME, *, name: str | None = None, **request: object) -> str:
        """Create a function, wait until all that follows is over, and return its name."""
        name = name or f"function-{uuid4().hex[:12]}"
        defaults = {"Runtime": "python3.13", "Handler": "app.handler", "Code": {"ZipFile": b"no code is run"}}
        there = self.there(account, region)
        there.awslambda.create_function(**{"FunctionName": name, "Role": there.role("function"), **defaults, **request})
        self.sandbox.wait_until_idle()
        return name

    def hold(self, account: str, region: str = HOME, *, name: str | None = None, **request: object) -> str:
        """Create a function without an event, as if it had been there before."""
        management = self.there("management")
        management.logging(on=False)
        try:
            return self.create(account, region, name=name, **request)
        finally:
            management.logging(on=True)

    def groups(self, function: str) -> dict[tuple[str, str], dict[str, str]]:
        """Return where there are groups whose names have that of a function, with their tags."""
        return {
            (account, region): dict(group["tags"])
            for account in self.accounts
            for region in (HOME, ABROAD, EXCLUDED, UNLISTED)
            for group in self.there(account, region).profiler.list_profiling_groups(
                includeDescription=True, maxResults=1000
            )["profilingGroups"]
            if function in group["name"]
        }

    def outcomes(self, function: str, account: str, region: str = HOME) -> list[tuple[str, str | None]]:
        """Return action and reason of each outcome about a function, oldest first."""
        arn = self.arn(function, account, region)
        records = self.hub.account.outcomes(self.hub.function)
        return [(each["action"], each["reason"]) for each in records if each["function"] == arn]

    def record(self, name: str, account: str, region: str) -> Json:
        """Return one of CloudTrail's records, as if it were of this place, with an id of its own."""
        text = json.dumps(record(name)).replace("444455556666", self.accounts[account]).replace("eu-west-1", region)
        made: Json = json.loads(text)
        return made | {"eventID": str(uuid4())}

    def creation(self, function: str, account: str, region: str) -> Json:
        """Return the record of a function's creation."""
        text = json.dumps(self.record("create-function", account, region)).replace("invoice-renderer", function)
        made: Json = json.loads(text)
        return made

    def backfill(self, account: str) -> tuple[Json, list[Json]]:
        """Let the hub look at an account in its own region; return what it answers, and the calls that were made."""
        before = self.latest_call()
        asked = {"action": "backfill", "account": self.accounts[account], "region": HOME}
        answer, _ = self.hub.invoke(asked, function=self.hub.sweeper)
        return answer, self.calls_since(before)

    def deliver(self, event: Json) -> None:
        """Put a record on the bus of its own place, and wait until all that follows is over."""
        (delivery,) = self.sandbox.put_cloudtrail(event)
        assert delivery["matched_rules"] != []
        self.sandbox.wait_until_idle()

    def warnings(self) -> list[dict[str, Any]]:
        """Return the records that tell of accounts out of reach."""
        records = self.hub.account.records(self.hub.function)
        return [each for each in records if each.get("message") == "an account cannot be reached"]

    def alarm(self, name: str) -> DeployedAlarm:
        """Return one of the hub's alarms."""
        return DeployedAlarm(self.hub.account, name)

    def security_records(self) -> list[dict[str, Any]]:
        """Return the records that tell of forgeries."""
        return [each for each in self.hub.account.records(self.hub.function) if each.get("log_type") == "security"]

    def latest_call(self) -> int:
        """Return the number of the latest AWS call, for `calls_since`."""
        return max((call["seq"] for call in self.sandbox.calls()), default=0)

    def calls_since(self, number: int) -> list[dict[str, Any]]:
        """Return the calls since then that were made in a role's name; tests' own have none."""
        return [call for call in self.sandbox.calls(since=number) if call["principal"]]

    def place(self, run: Json) -> tuple[str, str]:
        """Return the name of an account, and the region, that a run is about."""
        names = {number: name for name, number in self.accounts.items()}
        return names[run["account"]], run["region"]

    @contextmanager
    def moved(self, account: str, *, source: str, destination: str) -> Iterator[None]:
        """Move an account to another unit for the duration of a ``with`` block."""
        organizations = self.there("management").client("organizations")

        def move(origin: str, target: str) -> None:
            organizations.move_account(
                AccountId=self.accounts[account],
                SourceParentId=self.units[origin],
                DestinationParentId=self.units[target],
            )
            self.sandbox.wait_until_idle()

        move(source, destination)
        try:
            yield
        finally:
            move(destination, source)

    @contextmanager
    def without(self, action: str, *, account: str) -> Iterator[None]:
        """Take an action from an account's role for the duration of a ``with`` block."""
        with taken_away(action, self.there(account), ROLE):
            yield

    @contextmanager
    def distrusted(self, account: str) -> Iterator[None]:
        """Let an account's role trust nobody in a ``with`` block; no session of it is left at its begin and end."""
        iam = self.there(account).client("iam")
        trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
        nobody = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=_document(nobody))
        self.start_afresh()
        try:
            yield
        finally:
            iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))
            self.start_afresh()

    @contextmanager
    def forbidden(self, region: str, *, unit: str) -> Iterator[None]:
        """Forbid the accounts of a unit a region, by a service control policy, for the duration of a ``with`` block."""
        organizations = self.there("management").client("organizations")
        statement = {"Effect": "Deny", "NotAction": ["iam:*", "organizations:*", "sts:*"], "Resource": "*"}
        condition = {"Condition": {"StringEquals": {"aws:RequestedRegion": region}}}
        made = organizations.create_policy(
            Name=f"not in {region}",
            Description="",
            Type="SERVICE_CONTROL_POLICY",
            Content=_document(statement | condition),
        )["Policy"]["PolicySummary"]["Id"]
        organizations.attach_policy(PolicyId=made, TargetId=self.units[unit])
        try:
            yield
        finally:
            organizations.detach_policy(PolicyId=made, TargetId=self.units[unit])
            organizations.delete_policy(PolicyId=made)

    def start_afresh(self) -> None:
        """Let the next invocations of the hub's functions be in new environments, which know no session yet."""
        for function in (self.hub.function, self.hub.sweeper):
            self.hub.account.awslambda.update_function_configuration(
                FunctionName=function, Description=f"started afresh: {uuid4()}"
            )

    def become_member(self, account: Account) -> None:
        """Make an account a member by hand, in one region."""
        bus, role = (
            {"ParameterKey": key, "ParameterValue": self.hub.outputs[output]}
            for key, output in (("HubBusArn", "EventBusArn"), ("HubRoleArn", "HubRoleArn"))
        )
        account.client("cloudformation").create_stack(
            StackName="ByHand",
            TemplateBody=self.template,
            Parameters=[bus, role],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )


def found(sandbox: SandboxClient, folder: Path) -> Organization:
    """Found an organization in a sandbox, with the hub deployed in its account `governance`, for real.

    The account is a target of its own stack set, as it operates that as a delegated administrator.

    Args:
        sandbox: Its control endpoint.
        folder: For the policy file and the assembly.
    """
    management = Account(sandbox.endpoint, region=HOME, account=MANAGEMENT)
    organizations = management.client("organizations")
    organization = organizations.create_organization(FeatureSet="ALL")["Organization"]["Id"]
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    units, accounts = {"root": root}, {"management": MANAGEMENT}

    def unit(name: str, *, parent: str) -> str:
        made = organizations.create_organizational_unit(ParentId=parent, Name=name)
        return str(made["OrganizationalUnit"]["Id"])

    def account(name: str, *, parent: str) -> str:
        made = organizations.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"]
        organizations.move_account(AccountId=made["AccountId"], SourceParentId=root, DestinationParentId=parent)
        return str(made["AccountId"])

    for name, members in _UNITS.items():
        units[name] = units.get(name) or unit(name, parent=root)
        accounts |= {member: account(member, parent=units[name]) for member in members}
    for name, (parent, member) in _NESTED.items():
        units[name] = unit(name, parent=units[parent])
        accounts[member] = account(member, parent=units[name])
    management.client("cloudtrail").update_trail(Name="management-events", IsOrganizationTrail=True)
    management.client("cloudformation").activate_organizations_access()
    organizations.register_delegated_administrator(AccountId=accounts["governance"], ServicePrincipal=STACK_SETS)

    bootstrap(sandbox.endpoint, account=accounts["governance"], region=HOME, say=print)
    template = _synth(folder, organization=organization, units=units, accounts=accounts)
    outputs = deploy(
        sandbox.endpoint, account=accounts["governance"], region=HOME, say=print, assembly=folder / "cdk.out"
    )
    sandbox.wait_until_idle()
    hub = Deployment(sandbox, outputs, account=Account(sandbox.endpoint, region=HOME, account=accounts["governance"]))
    return Organization(sandbox=sandbox, id=organization, units=units, accounts=accounts, hub=hub, template=template)


def _synth(folder: Path, *, organization: str, units: Mapping[str, str], accounts: Mapping[str, str]) -> str:
    """Write the assembly, in this process, and return the members' template."""
    file = folder / "policy.yaml"
    write_policy(file, _policy(organization, units, accounts))
    context = {
        "id": organization,
        "ous": [units[name] for name in ("infrastructure", "workloads", "playground", "acquired")],
        "regions": [HOME, ABROAD, EXCLUDED, UNLISTED],
        "accounts": [MANAGEMENT],
        "call_as": "DELEGATED_ADMIN",
    }
    made = synthesize(folder / "cdk.out", region=HOME, policy=str(file), organization=context)
    return (made / FILE).read_text()


def _policy(organization: str, units: Mapping[str, str], accounts: Mapping[str, str]) -> dict[str, object]:
    """Return what differs from the policy that ships: what is governed, and what is otherwise where."""
    return {
        "organization.accounts": {
            # An account outside the organization is not for the policy to turn away.
            "include": [OUTSIDER, *(accounts[name] for name in accounts if name != "legacy")],
            "exclude": [accounts["audit"]],
        },
        "organization.ous": {
            "include": [
                # Right under the root, and no further down.
                f"{organization}/{units['root']}/",
                *(units[name] for name in ("infrastructure", "workloads", "playground")),
            ],
            "exclude": [units["suspended"]],
        },
        "organization.regions": {"include": ["eu-*", ABROAD], "exclude": [EXCLUDED]},
        "overrides": [
            {
                "match": {"ous": [units["playground"]]},
                "lifecycle": {"when_function_is_deleted": "delete", "orphan_grace_days": 0},
                "group": {"grant_agent": True},
                "tags": {"add": OURS | {"stage": "play"}},
            },
            {
                "match": {"accounts": [accounts["billing"]], "regions": ["us-*"]},
                "functions": {"tags": {"require": {"profile": "yes"}}},
            },
            {"match": {"ous": [units["playground"]], "regions": [ABROAD]}, "tags": {"add": OURS | {"stage": "abroad"}}},
        ],
    }


def _document(statement: Json) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
