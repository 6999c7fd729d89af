"""Service-managed stack sets in the sandbox: a template deploys real stacks to an organization's accounts."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws.client import SandboxClient, SandboxProcess
from support import client

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB, HOME, ABROAD = "820987654321", "eu-west-1", "ap-southeast-2"
STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"
BUS = f"arn:aws:events:{HOME}:{HUB}:event-bus/hub"


def member_template(*, role_region: str = HOME, action: str = "lambda:ListFunctions") -> dict[str, Any]:
    """What a member gets: in each region a rule with its queue, in one a named role."""
    attribute = "Fn::GetAtt"
    return {
        "Parameters": {"Bus": {"Type": "String"}},
        "Conditions": {"HasRole": {"Fn::Equals": [{"Ref": "AWS::Region"}, role_region]}},
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Condition": "HasRole",
                "Properties": {
                    "RoleName": "Member",
                    "AssumeRolePolicyDocument": document("sts:AssumeRole", Principal={"AWS": HUB}),
                    "Policies": [{"PolicyName": "own", "PolicyDocument": document(action, Resource="*")}],
                },
            },
            "Forwarder": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": document(
                        "sts:AssumeRole", Principal={"Service": "events.amazonaws.com"}
                    )
                },
            },
            "Lost": {"Type": "AWS::SQS::Queue", "Properties": {"SqsManagedSseEnabled": True}},
            "LostPolicy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{"Ref": "Lost"}],
                    "PolicyDocument": document("sqs:*", Principal="*", Resource={attribute: ["Lost", "Arn"]}),
                },
            },
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "EventPattern": {"source": ["aws.lambda"], "account": [{"Ref": "AWS::AccountId"}]},
                    "Targets": [
                        {
                            "Id": "hub",
                            "Arn": {"Ref": "Bus"},
                            "RoleArn": {attribute: ["Forwarder", "Arn"]},
                            "DeadLetterConfig": {"Arn": {attribute: ["Lost", "Arn"]}},
                        }
                    ],
                },
            },
        },
    }


def document(action: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A policy of one statement."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, **more}]}


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """An organization: one account in the OU, one in the OU below it, one in the root."""

    sandbox: SandboxClient
    root: str
    unit: str
    below: str
    direct: str
    nested: str
    apart: str

    def client(self, service: str, account: str = HUB, region: str = HOME) -> Any:  # noqa: ANN401 - boto's clients have no type
        """The operator's client in an account and region."""
        return client(self.sandbox, service, region=region, key=f"sandbox{account}")

    def deploy(
        self,
        member: dict[str, Any],
        properties: dict[str, object] | None = None,
        *,
        account: str = HUB,
        update: bool = False,
        **more: object,
    ) -> None:
        """Create or update the stack with the stack set."""
        wanted = {
            "StackSetName": "Members",
            "PermissionModel": "SERVICE_MANAGED",
            "TemplateBody": json.dumps(member),
            "Parameters": [{"ParameterKey": "Bus", "ParameterValue": BUS}],
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "StackInstancesGroup": [self.group(HOME, ABROAD)],
            "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
            "OperationPreferences": {"RegionOrder": [ABROAD, HOME]},
        }
        resource = {"Type": "AWS::CloudFormation::StackSet", "Properties": wanted | (properties or {}) | more}
        template = {"Resources": {"Set": resource}, "Outputs": {"Id": {"Value": {"Ref": "Set"}}}}
        formation = self.client("cloudformation", account)
        change = formation.update_stack if update else formation.create_stack
        change(StackName="Hub", TemplateBody=json.dumps(template))

    def group(self, *regions: str, **targets: object) -> dict[str, Any]:
        """A group of instances: the OU, in these regions."""
        return {"DeploymentTargets": {"OrganizationalUnitIds": [self.unit], **targets}, "Regions": list(regions)}

    def instances(self, **filters: str) -> dict[tuple[str, str], dict[str, Any]]:
        """The instances by account and region."""
        found = self.client("cloudformation").list_stack_instances(StackSetName="Members", **filters)["Summaries"]
        return {(each["Account"], each["Region"]): each for each in found}

    def statuses(self) -> dict[tuple[str, str], str]:
        """Which of them are current."""
        return {place: each["Status"] for place, each in self.instances().items()}

    def stacks(self, account: str, region: str) -> list[str]:
        """The names of the stacks that there are."""
        stacks = self.client("cloudformation", account, region).describe_stacks()["Stacks"]
        return [stack["StackName"] for stack in stacks]

    def operations(self) -> list[tuple[str, str]]:
        """Action and status of what was done to the set, the latest first."""
        found = self.client("cloudformation").list_stack_set_operations(StackSetName="Members")["Summaries"]
        return [(each["Action"], each["Status"]) for each in found]

    def move(self, account: str, *, source: str, destination: str) -> None:
        """Move an account."""
        self.client("organizations").move_account(
            AccountId=account, SourceParentId=source, DestinationParentId=destination
        )

    def policy_of_role(self, account: str) -> dict[str, Any]:
        """What the member's role may do."""
        found = self.client("iam", account).get_role_policy(RoleName="Member", PolicyName="own")
        return dict(found["PolicyDocument"])

    def everywhere(self) -> set[tuple[str, str]]:
        """The places that the set is for."""
        return {(account, region) for account in (self.direct, self.nested) for region in (HOME, ABROAD)}


@pytest.fixture(scope="module")
def sandbox_with_accounts() -> Iterator[Landscape]:
    """The organization, made once."""
    with SandboxProcess(options=["--account", HUB, "--region", HOME]) as sandbox:
        organizations = client(sandbox, "organizations", region=HOME, key=f"sandbox{HUB}")
        organizations.create_organization()
        root = organizations.list_roots()["Roots"][0]["Id"]
        organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
        organizations.enable_aws_service_access(ServicePrincipal=STACK_SETS)
        unit = organizations.create_organizational_unit(ParentId=root, Name="unit")["OrganizationalUnit"]["Id"]
        below = organizations.create_organizational_unit(ParentId=unit, Name="below")["OrganizationalUnit"]["Id"]
        accounts = {
            name: organizations.create_account(AccountName=name, Email=f"{name}@example.com")["CreateAccountStatus"][
                "AccountId"
            ]
            for name in ("direct", "nested", "apart")
        }
        organizations.move_account(AccountId=accounts["direct"], SourceParentId=root, DestinationParentId=unit)
        organizations.move_account(AccountId=accounts["nested"], SourceParentId=root, DestinationParentId=below)
        yield Landscape(sandbox=sandbox, root=root, unit=unit, below=below, **accounts)


@pytest.fixture
def landscape(sandbox_with_accounts: Landscape) -> Iterator[Landscape]:
    """The organization, without a stack set before and after."""
    yield sandbox_with_accounts
    sandbox_with_accounts.sandbox.clear_faults()
    sandbox_with_accounts.client("cloudformation").delete_stack(StackName="Hub")


def test_every_account_in_the_ou_and_below_has_its_stacks(landscape: Landscape) -> None:
    """In each region one with what the template says, its role in one region only; nothing elsewhere, least at home."""
    landscape.deploy(member_template())

    assert landscape.statuses() == dict.fromkeys(landscape.everywhere(), "CURRENT")
    for account, region in landscape.everywhere():
        (stack,) = landscape.stacks(account, region)
        assert stack.startswith("StackSet-Members-")
        (rule,) = landscape.client("events", account, region).list_rules()["Rules"]
        assert json.loads(rule["EventPattern"])["account"] == [account]
        (target,) = landscape.client("events", account, region).list_targets_by_rule(Rule=rule["Name"])["Targets"]
        assert (target["Arn"], len(rule["Name"])) == (BUS, 64)
        resources = landscape.client("cloudformation", account, region).list_stack_resources(StackName=stack)
        named = {each["LogicalResourceId"] for each in resources["StackResourceSummaries"]}
        assert ("Role" in named) is (region == HOME)
    assert landscape.stacks(landscape.apart, HOME) == []
    assert landscape.stacks(HUB, HOME) == ["Hub"]


def test_root_means_every_account_but_the_management_account(landscape: Landscape) -> None:
    """A service-managed set never reaches it; the regions are gone through in the order that is asked for."""
    everybody = {"DeploymentTargets": {"OrganizationalUnitIds": [landscape.root]}, "Regions": [HOME, ABROAD]}
    landscape.deploy(member_template(), StackInstancesGroup=[everybody])

    made = {
        place: landscape.client("cloudformation", *place).describe_stacks()["Stacks"][0]["CreationTime"]
        for place in landscape.instances()
    }
    assert {account for account, _ in made} == {landscape.direct, landscape.nested, landscape.apart}
    assert [region for _, region in sorted(made, key=made.__getitem__)] == [ABROAD] * 3 + [HOME] * 3


def test_set_describes_itself_and_its_operations(landscape: Landscape) -> None:
    """As whoever looks for what is wrong reads it; instances can be asked for one by one, and in pages."""
    landscape.deploy(member_template())
    formation = landscape.client("cloudformation")

    described = formation.describe_stack_set(StackSetName="Members")["StackSet"]
    (output,) = formation.describe_stacks(StackName="Hub")["Stacks"][0]["Outputs"]
    (operation,) = formation.list_stack_set_operations(StackSetName="Members")["Summaries"]
    page = formation.list_stack_instances(StackSetName="Members", MaxResults=3)
    rest = formation.list_stack_instances(StackSetName="Members", NextToken=page["NextToken"])

    assert output["OutputValue"] == described["StackSetId"]
    assert described["StackSetARN"].split(":")[4] == HUB
    assert described["Regions"] == [ABROAD, HOME], "in the order in which they are gone through"
    assert described["Parameters"] == [{"ParameterKey": "Bus", "ParameterValue": BUS}]
    assert (operation["Action"], operation["Status"]) == ("CREATE", "SUCCEEDED")
    assert set(landscape.instances(StackInstanceAccount=landscape.nested, StackInstanceRegion=HOME)) == {
        (landscape.nested, HOME)
    }
    assert (len(page["Summaries"]), len(rest["Summaries"])) == (3, 1)


def test_update_changes_every_stack(landscape: Landscape) -> None:
    """A role gets the policies of the new template, and is where its condition has it."""
    landscape.deploy(member_template())

    landscape.deploy(member_template(action="lambda:ListTags"), update=True)
    assert landscape.policy_of_role(landscape.nested) == document("lambda:ListTags", Resource="*")

    without = member_template(role_region="nowhere")
    landscape.deploy(without, update=True)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        landscape.policy_of_role(landscape.nested)

    landscape.deploy(member_template(role_region=ABROAD), update=True)
    assert landscape.policy_of_role(landscape.nested) == document("lambda:ListFunctions", Resource="*")
    assert landscape.operations() == [("UPDATE", "SUCCEEDED")] * 3 + [("CREATE", "SUCCEEDED")]


def test_targets_that_change_come_and_go(landscape: Landscape) -> None:
    """Another region gets its stacks, one that is not named any more loses them, the rest is left alone."""
    landscape.deploy(member_template(), StackInstancesGroup=[landscape.group(HOME, ABROAD)])
    before = landscape.instances()

    one = landscape.group(HOME, "us-west-2", AccountFilterType="INTERSECTION", Accounts=[landscape.nested])
    landscape.deploy(member_template(), update=True, StackInstancesGroup=[one])

    after = landscape.instances()
    assert set(after) == {(landscape.nested, HOME), (landscape.nested, "us-west-2")}
    assert after[landscape.nested, HOME]["StackId"] == before[landscape.nested, HOME]["StackId"]
    assert landscape.stacks(landscape.direct, HOME) == landscape.stacks(landscape.nested, ABROAD) == []


def test_one_account_that_fails_holds_up_no_other(landscape: Landscape) -> None:
    """Its instance says what is wrong, and leaves nothing behind of the attempt; the next update makes it good."""
    iam = landscape.client("iam", landscape.direct)
    iam.create_role(RoleName="Member", AssumeRolePolicyDocument=json.dumps(document("sts:AssumeRole")))
    landscape.deploy(member_template())

    failed = landscape.instances()[landscape.direct, HOME]
    assert landscape.statuses() == dict.fromkeys(landscape.everywhere(), "CURRENT") | {
        (landscape.direct, HOME): "OUTDATED"
    }
    assert failed["StackInstanceStatus"] == {"DetailedStatus": "FAILED"}
    assert "Role with name Member already exists" in failed["StatusReason"]
    assert landscape.operations() == [("CREATE", "FAILED")]
    assert landscape.stacks(landscape.direct, HOME) == []
    assert landscape.client("sqs", landscape.direct).list_queues().get("QueueUrls", []) == []
    assert iam.get_role(RoleName="Member")["Role"]["AssumeRolePolicyDocument"] == document("sts:AssumeRole")

    iam.delete_role(RoleName="Member")
    landscape.deploy(member_template(), update=True, Description="again")
    assert set(landscape.statuses().values()) == {"CURRENT"}


def test_tolerated_failures_let_the_operation_succeed(landscape: Landscape) -> None:
    """As many accounts as are tolerated in each region, rounded down."""
    error = {"code": "OptInRequired", "message": "The region is not enabled for the account."}
    place = {"service": "cloudformation", "operation": "CreateStack", "account": landscape.direct, "region": ABROAD}
    landscape.sandbox.set_faults({**place, "error": error})

    landscape.deploy(member_template(), OperationPreferences={"FailureTolerancePercentage": 50})

    assert landscape.instances()[landscape.direct, ABROAD]["StatusReason"] == error["message"]
    assert landscape.statuses() == dict.fromkeys(landscape.everywhere(), "CURRENT") | {
        (landscape.direct, ABROAD): "OUTDATED"
    }
    assert landscape.operations() == [("CREATE", "SUCCEEDED")]


def test_control_policy_keeps_stacks_out(landscape: Landscape) -> None:
    """What the accounts may not do, a stack set may not do there."""
    organizations = landscape.client("organizations")
    deny = document("*", Resource="*", Condition={"StringEquals": {"aws:RequestedRegion": ABROAD}})
    deny["Statement"][0]["Effect"] = "Deny"
    made = organizations.create_policy(
        Name="not abroad", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(deny)
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=made, TargetId=landscape.below)

    landscape.deploy(member_template())
    organizations.detach_policy(PolicyId=made, TargetId=landscape.below)

    forbidden = landscape.instances()[landscape.nested, ABROAD]
    assert forbidden["Status"] == "OUTDATED"
    assert forbidden["StatusReason"].endswith("with an explicit deny in a service control policy")
    assert list(landscape.statuses().values()).count("CURRENT") == 3


@pytest.mark.parametrize("retained", [False, True])
def test_accounts_are_followed(landscape: Landscape, *, retained: bool) -> None:
    """Who moves into the OU gets the stacks, who is only moved within it keeps them, who leaves loses them."""
    landscape.deploy(member_template(), AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": retained})
    before = landscape.instances()[landscape.nested, HOME]["StackId"]

    landscape.move(landscape.apart, source=landscape.root, destination=landscape.below)
    joined = {place for place in landscape.statuses() if place[0] == landscape.apart}
    landscape.move(landscape.nested, source=landscape.below, destination=landscape.unit)
    stayed = landscape.instances()[landscape.nested, HOME]["StackId"]
    landscape.move(landscape.nested, source=landscape.unit, destination=landscape.below)
    landscape.move(landscape.apart, source=landscape.below, destination=landscape.root)

    assert joined == {(landscape.apart, HOME), (landscape.apart, ABROAD)}
    assert stayed == before
    assert landscape.statuses() == dict.fromkeys(landscape.everywhere(), "CURRENT")
    left = landscape.stacks(landscape.apart, HOME)
    assert len(left) == (1 if retained else 0)
    for region in (HOME, ABROAD) if retained else ():
        formation = landscape.client("cloudformation", landscape.apart, region)
        formation.delete_stack(StackName=landscape.stacks(landscape.apart, region)[0])


def test_without_automatic_deployment_nobody_is_followed(landscape: Landscape) -> None:
    """Until the set is updated."""
    landscape.deploy(member_template(), AutoDeployment={"Enabled": False})

    landscape.move(landscape.apart, source=landscape.root, destination=landscape.unit)
    unnoticed = landscape.statuses()
    landscape.deploy(member_template(), update=True, AutoDeployment={"Enabled": False}, Description="again")
    noticed = landscape.statuses()
    landscape.move(landscape.apart, source=landscape.unit, destination=landscape.root)

    assert set(unnoticed) == landscape.everywhere()
    assert set(noticed) - set(unnoticed) == {(landscape.apart, HOME), (landscape.apart, ABROAD)}


def test_suspended_account_is_passed_over(landscape: Landscape) -> None:
    """It has no stacks made, and those that it has are left as they are."""
    organizations = landscape.client("organizations")
    made = organizations.create_account(AccountName="closing", Email="closing@example.com")["CreateAccountStatus"]
    closing = made["AccountId"]
    landscape.move(closing, source=landscape.root, destination=landscape.unit)
    landscape.deploy(member_template())
    organizations.close_account(AccountId=closing)

    landscape.deploy(member_template(action="lambda:ListTags"), update=True)

    suspended = landscape.instances()[closing, HOME]
    assert suspended["Status"] == "OUTDATED"
    assert suspended["StackInstanceStatus"] == {"DetailedStatus": "SKIPPED_SUSPENDED_ACCOUNT"}
    assert landscape.policy_of_role(closing) == document("lambda:ListFunctions", Resource="*")
    assert landscape.operations()[0] == ("UPDATE", "SUCCEEDED")

    landscape.client("cloudformation").delete_stack(StackName="Hub")
    landscape.deploy(member_template())
    assert set(landscape.statuses()) == landscape.everywhere()


def test_removal_leaves_nothing(landscape: Landscape) -> None:
    """No stack, no rule, no role; the set itself is remembered as deleted."""
    landscape.deploy(member_template())

    landscape.client("cloudformation").delete_stack(StackName="Hub")

    for account, region in landscape.everywhere():
        assert landscape.stacks(account, region) == []
        assert landscape.client("events", account, region).list_rules()["Rules"] == []
    roles = landscape.client("iam", landscape.direct).list_roles()["Roles"]
    assert [role["RoleName"] for role in roles] == ["OrganizationAccountAccessRole"]
    with pytest.raises(ClientError, match="StackSetNotFound"):
        landscape.instances()
    listed = landscape.client("cloudformation").list_stack_sets(Status="ACTIVE")["Summaries"]
    assert listed == []


def test_delegated_administrator_operates_sets_of_the_management_account(landscape: Landscape) -> None:
    """It says so with each call; it may be a target itself."""
    organizations = landscape.client("organizations")
    admin = landscape.direct
    with pytest.raises(ClientError, match="Account used is not a delegated administrator"):
        landscape.deploy(member_template(), account=admin, CallAs="DELEGATED_ADMIN")
    formation = landscape.client("cloudformation", admin)
    formation.delete_stack(StackName="Hub")
    organizations.register_delegated_administrator(AccountId=admin, ServicePrincipal=STACK_SETS)
    with pytest.raises(ClientError, match="You must be the management account or delegated admin account"):
        landscape.deploy(member_template(), account=admin, CallAs="SELF")
    formation.delete_stack(StackName="Hub")

    landscape.deploy(member_template(), account=admin, CallAs="DELEGATED_ADMIN")

    own = formation.list_stack_instances(StackSetName="Members", CallAs="DELEGATED_ADMIN")["Summaries"]
    with pytest.raises(ClientError, match="StackSetNotFound"):
        formation.list_stack_instances(StackSetName="Members")
    assert {(each["Account"], each["Region"]) for each in own} == landscape.everywhere()
    assert set(landscape.statuses()) == landscape.everywhere()
    formation.delete_stack(StackName="Hub")
    organizations.deregister_delegated_administrator(AccountId=admin, ServicePrincipal=STACK_SETS)
    assert landscape.stacks(landscape.nested, HOME) == []


def test_organization_has_to_trust_cloudformation(landscape: Landscape) -> None:
    """Trusted access is a step of its own before the first stack set."""
    formation = landscape.client("cloudformation")
    formation.deactivate_organizations_access()
    with pytest.raises(ClientError, match="You must enable organizations access to operate a service managed"):
        landscape.deploy(member_template())

    formation.activate_organizations_access()

    assert formation.describe_organizations_access()["Status"] == "ENABLED"
    formation.delete_stack(StackName="Hub")
    landscape.deploy(member_template())
    assert set(landscape.statuses()) == landscape.everywhere()


def large_template() -> dict[str, Any]:
    """One byte too long for a template that is sent in a request."""
    template = copy.deepcopy(member_template())
    template["Description"] = ""
    template["Description"] = "x" * (51_201 - len(json.dumps(template)))
    return template


@pytest.mark.parametrize(
    ("template", "properties", "complaint"),
    [
        (member_template(), {"Capabilities": []}, r"Requires capabilities : \[CAPABILITY_NAMED_IAM\]"),
        (member_template(), {"Capabilities": ["CAPABILITY_IAM"]}, r"Requires capabilities : \[CAPABILITY_NAMED_IAM\]"),
        (large_template(), {}, "less than or equal to 51200"),
        (
            member_template(),
            {"StackInstancesGroup": [{"DeploymentTargets": {"Accounts": [HUB]}, "Regions": [HOME]}]},
            "can only have OrganizationalUnit as target",
        ),
        (
            member_template(),
            {
                "StackInstancesGroup": [
                    {"DeploymentTargets": {"OrganizationalUnitIds": ["ou-aaaa-00000000"]}, "Regions": [HOME]}
                ]
            },
            "ou-aaaa-00000000 does not exist",
        ),
    ],
    ids=["no capability", "too little capability", "too large", "no OU", "unknown OU"],
)
def test_set_that_cannot_be_is_refused(
    landscape: Landscape, template: dict[str, Any], properties: dict[str, object], complaint: str
) -> None:
    """Before anything is deployed."""
    with pytest.raises(ClientError, match=complaint):
        landscape.deploy(template, properties)

    assert landscape.stacks(landscape.direct, HOME) == []
