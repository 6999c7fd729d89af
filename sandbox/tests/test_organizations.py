"""An organization of accounts in the sandbox: who may ask about it, who acts in which account, and what forbids it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

import support
from embedded_aws.client import SandboxClient, SandboxProcess
from support import allow, client

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB, OUTSIDER, REGION = "810987654321", "810987650000", "eu-west-1"
ROLE = "Reader"
STACK_SETS = "member.org.stacksets.cloudformation.amazonaws.com"
FORBIDDEN_REGION = "eu-north-1"
SECOND = timedelta(seconds=1)

# Calls what it is told to, as itself or as a role that it assumes first.
CALLER = """
import boto3, botocore, json

def main(event, context):
    keys = {}
    try:
        if "assume" in event:
            made = boto3.client("sts").assume_role(RoleSessionName="caller", **event["assume"])["Credentials"]
            keys = {
                "aws_access_key_id": made["AccessKeyId"],
                "aws_secret_access_key": made["SecretAccessKey"],
                "aws_session_token": made["SessionToken"],
            }
        client = boto3.client(event["service"], region_name=event.get("region"), **keys)
        answer = getattr(client, event["operation"])(**event.get("parameters", {}))
    except botocore.exceptions.ClientError as error:
        return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
    answer.pop("ResponseMetadata")
    return json.loads(json.dumps(answer, default=str))
"""


@dataclass(frozen=True, kw_only=True)
class Organization:
    """An organization with a member two OUs below the root; the sandbox's own account manages it."""

    sandbox: SandboxClient
    id: str
    root: str
    outer: str
    inner: str
    member: str

    def client(self, service: str, account: str = HUB, *, region: str = REGION, **keys: str) -> Any:  # noqa: ANN401 - boto's clients have no type
        """A client of the operator's in an account, or with these keys."""
        key = keys.get("AccessKeyId", f"sandbox{account}")
        return client(self.sandbox, service, region=region, key=key, token=keys.get("SessionToken"))

    def ask(self, service: str, operation: str, **event: object) -> Any:  # noqa: ANN401 - JSON
        """What the function in the hub account gets for a call: the answer, or code and text of the error."""
        document = json.dumps({"service": service, "operation": operation, **event})
        answer = self.client("lambda").invoke(FunctionName="caller", Payload=document)
        return json.load(answer["Payload"])

    def as_reader(self, operation: str = "list_functions", **event: object) -> Any:  # noqa: ANN401 - JSON
        """The same, of Lambda, in the role of the member."""
        role = f"arn:aws:iam::{self.member}:role/{ROLE}"
        return self.ask("lambda", operation, assume={"RoleArn": role}, **event)

    def allow_hub(self, *statements: dict[str, Any]) -> None:
        """What the function's role may do."""
        self.client("iam").put_role_policy(RoleName="hub", PolicyName="own", PolicyDocument=policy(*statements))

    def trust(self, **condition: dict[str, Any]) -> None:
        """Let the member's role trust the hub account, on a condition."""
        statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HUB}:root"}, "Action": "sts:AssumeRole"}
        self.client("iam", self.member).update_assume_role_policy(
            RoleName=ROLE, PolicyDocument=policy({**statement, "Condition": condition})
        )

    def guard(self, target: str, name: str, *statements: dict[str, Any]) -> str:
        """Attach a new service control policy."""
        organizations = self.client("organizations")
        made = organizations.create_policy(
            Name=name, Description="", Type="SERVICE_CONTROL_POLICY", Content=policy(*statements)
        )
        identifier = str(made["Policy"]["PolicySummary"]["Id"])
        organizations.attach_policy(PolicyId=identifier, TargetId=target)
        return identifier


def policy(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return json.dumps(support.policy(*statements))


@pytest.fixture(scope="module")
def organization() -> Iterator[Organization]:
    """The organization, its member's role, and the function that calls."""
    with SandboxProcess(options=["--account", HUB, "--region", REGION]) as sandbox:
        first = Organization(sandbox=sandbox, id="", root="", outer="", inner="", member="")
        organizations = first.client("organizations")
        made = organizations.create_organization()["Organization"]
        root = organizations.list_roots()["Roots"][0]["Id"]
        organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
        outer = organizations.create_organizational_unit(ParentId=root, Name="outer")["OrganizationalUnit"]["Id"]
        inner = organizations.create_organizational_unit(ParentId=outer, Name="inner")["OrganizationalUnit"]["Id"]
        status = organizations.create_account(AccountName="member", Email="member@example.com")["CreateAccountStatus"]
        member = status["AccountId"]
        organizations.move_account(AccountId=member, SourceParentId=root, DestinationParentId=inner)
        found = replace(first, id=made["Id"], root=root, outer=outer, inner=inner, member=member)
        found.client("iam", member).create_role(RoleName=ROLE, AssumeRolePolicyDocument=policy())
        found.client("iam", member).put_role_policy(
            RoleName=ROLE, PolicyName="own", PolicyDocument=policy(allow("lambda:ListFunctions"))
        )
        found.client("iam").create_role(RoleName="hub", AssumeRolePolicyDocument=json.dumps(support.trust("lambda")))
        found.client("lambda").create_function(
            FunctionName="caller",
            Runtime="python3.13",
            Handler="app.main",
            Role=f"arn:aws:iam::{HUB}:role/hub",
            Code={"ZipFile": support.package(CALLER)},
            Timeout=300,
        )
        yield found


@pytest.fixture(autouse=True)
def _trusted(organization: Organization) -> None:
    """The member's role trusts the hub, which may assume it."""
    organization.allow_hub(allow("sts:AssumeRole"))
    organization.trust()


def test_new_account_is_active_and_an_operator_works_in_it(organization: Organization) -> None:
    """By its key, and by the administrator's role that AWS too makes there, which trusts the management account."""
    account = organization.client("organizations").describe_account(AccountId=organization.member)["Account"]
    role = organization.client("iam", organization.member).get_role(RoleName="OrganizationAccountAccessRole")["Role"]
    keys = organization.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="me")["Credentials"]
    by_key = organization.client("codeguruprofiler", organization.member)
    by_key.create_profiling_group(profilingGroupName="there")

    assert account["Status"] == "ACTIVE"
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{HUB}:root"}
    by_role = organization.client("codeguruprofiler", **keys).list_profiling_groups()
    assert by_role["profilingGroupNames"] == ["there"]
    assert organization.client("codeguruprofiler").list_profiling_groups()["profilingGroupNames"] == []


def test_lists_come_in_pages_of_twenty(organization: Organization) -> None:
    """A page can be asked for twice; more than twenty on one cannot be had."""
    organizations = organization.client("organizations")
    parent = organizations.create_organizational_unit(ParentId=organization.outer, Name="many")
    parent = parent["OrganizationalUnit"]["Id"]
    made = {
        organizations.create_organizational_unit(ParentId=parent, Name=f"unit-{number}")["OrganizationalUnit"]["Id"]
        for number in range(21)
    }

    first = organizations.list_organizational_units_for_parent(ParentId=parent)
    second, again = (
        organizations.list_organizational_units_for_parent(ParentId=parent, NextToken=first["NextToken"])
        for _ in range(2)
    )
    with pytest.raises(ClientError, match="InvalidInputException"):
        organizations.list_accounts_for_parent(ParentId=parent, MaxResults=21)

    assert (len(first["OrganizationalUnits"]), len(second["OrganizationalUnits"])) == (20, 1)
    assert "NextToken" not in second
    assert second["OrganizationalUnits"] == again["OrganizationalUnits"]
    assert {unit["Id"] for page in (first, second) for unit in page["OrganizationalUnits"]} == made


def test_who_may_ask_about_the_organization(organization: Organization) -> None:
    """The management account everything, a delegated administrator may read, a member only where it is."""
    managing = organization.client("organizations")
    status = managing.create_account(AccountName="admin", Email="admin@example.com")["CreateAccountStatus"]
    admin = organization.client("organizations", status["AccountId"])
    with pytest.raises(ClientError, match=r"AccessDeniedException.*You don't have permissions to access this resource"):
        admin.list_accounts_for_parent(ParentId=organization.inner)
    assert admin.describe_organization()["Organization"]["Id"] == organization.id

    managing.register_delegated_administrator(AccountId=status["AccountId"], ServicePrincipal=STACK_SETS)

    (account,) = admin.list_accounts_for_parent(ParentId=organization.inner)["Accounts"]
    assert account["Id"] == organization.member
    assert admin.list_parents(ChildId=organization.member)["Parents"][0]["Id"] == organization.inner
    with pytest.raises(ClientError, match="AccessDeniedException"):
        admin.create_account(AccountName="another", Email="another@example.com")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        organization.client("organizations", organization.member).list_roots()
    with pytest.raises(ClientError, match="AWSOrganizationsNotInUseException"):
        organization.client("organizations", OUTSIDER).list_roots()
    with pytest.raises(ClientError, match="ChildNotFoundException"):
        managing.list_parents(ChildId=OUTSIDER)


def test_functions_role_has_to_let_it_ask(organization: Organization) -> None:
    """Each question is an action of its own, on the account or the OU that it is about."""
    managed = f"arn:aws:organizations::{HUB}"
    child, parent = {"ChildId": organization.member}, {"ParentId": organization.inner}
    about = f"{managed}:account/{organization.id}/{organization.member}"
    organization.allow_hub(allow("organizations:ListParents", about))

    parents = organization.ask("organizations", "list_parents", parameters=child)
    code, message = organization.ask("organizations", "list_accounts_for_parent", parameters=parent)

    assert parents == {"Parents": [{"Id": organization.inner, "Type": "ORGANIZATIONAL_UNIT"}]}
    assert code == "AccessDeniedException"
    assert f"organizations:ListAccountsForParent on resource: {managed}:ou/{organization.id}/" in message


def test_assumed_role_is_held_to_its_own_policies_in_its_own_account(organization: Organization) -> None:
    """The hub's role may not list the member's functions, the member's may, and nothing else."""
    refused = f"User: arn:aws:sts::{organization.member}:assumed-role/{ROLE}/caller is not authorized to perform:"
    code, message = organization.as_reader("get_account_settings")

    assert organization.as_reader()["Functions"] == []
    assert code == "AccessDeniedException"
    assert message.startswith(f"{refused} lambda:GetAccountSettings on resource: *")


def conditions(organization: Organization) -> dict[str, dict[str, Any]]:
    """What an organization's roles ask of whom they trust: all of it holds for the hub."""
    return {
        "ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{HUB}:role/hub"},
        "StringEquals": {"aws:PrincipalOrgID": organization.id, "aws:PrincipalAccount": HUB},
        "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": [f"{organization.id}/{organization.root}/*"]},
    }


@pytest.mark.parametrize(
    "otherwise",
    [
        {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{HUB}:role/other"}},
        {"StringEquals": {"aws:PrincipalOrgID": "o-0000000000"}},
        {"StringEquals": {"aws:PrincipalAccount": OUTSIDER}},
        {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-0000000000/*"]}},
    ],
    ids=str,
)
def test_role_is_assumed_only_if_its_trust_policy_lets_it(
    organization: Organization, otherwise: dict[str, Any]
) -> None:
    """Principal, account, organization and path are the caller's own; one that differs is enough to refuse."""
    organization.trust(**conditions(organization))
    assert organization.as_reader()["Functions"] == []

    organization.trust(**(conditions(organization) | otherwise))

    role = f"arn:aws:iam::{organization.member}:role/{ROLE}"
    caller = f"arn:aws:sts::{HUB}:assumed-role/hub/caller"
    message = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}"
    assert organization.as_reader() == ["AccessDenied", message]


def test_caller_needs_permission_too(organization: Organization) -> None:
    """Its policy can say to which organization the role must belong, and to which account."""
    wanted = {"aws:ResourceOrgID": organization.id, "aws:ResourceAccount": organization.member}
    organization.allow_hub(allow("sts:AssumeRole", Condition={"StringEquals": wanted}))
    assert organization.as_reader()["Functions"] == []

    for key in wanted:
        organization.allow_hub(allow("sts:AssumeRole", Condition={"StringEquals": {**wanted, key: "another"}}))
        code, message = organization.as_reader()
        assert code == "AccessDenied"
        assert message.endswith("because no identity-based policy allows the sts:AssumeRole action")


def test_missing_role_looks_like_one_that_trusts_nobody(organization: Organization) -> None:
    """AWS does not tell another account what there is."""
    role = f"arn:aws:iam::{organization.member}:role/nowhere"
    code, message = organization.ask("lambda", "list_functions", assume={"RoleArn": role})

    assert code == "AccessDenied"
    assert message.endswith(f"is not authorized to perform: sts:AssumeRole on resource: {role}")


@pytest.mark.parametrize(
    ("seconds", "complaint"),
    [
        (900, None),
        (3600, None),
        (3601, "exceeds the 1 hour session limit for roles assumed by role chaining"),
    ],
)
def test_sessions_last_as_long_as_asked_for(organization: Organization, seconds: int, complaint: str | None) -> None:
    """A function has its own role by assuming it, so that what it assumes is chained: an hour at most."""
    role = f"arn:aws:iam::{organization.member}:role/{ROLE}"
    parameters = {"RoleArn": role, "RoleSessionName": "caller", "DurationSeconds": seconds}
    before = datetime.now(UTC)
    answer = organization.ask("sts", "assume_role", parameters=parameters)

    if complaint is None:
        began = datetime.fromisoformat(answer["Credentials"]["Expiration"]) - timedelta(seconds=seconds)
        assert before - SECOND <= began <= datetime.now(UTC) + SECOND
    else:
        assert answer[0] == "ValidationError"
        assert complaint in answer[1]


def test_operators_session_is_not_chained_and_lasts_as_long_as_the_role_allows(organization: Organization) -> None:
    """An hour, unless the role says otherwise."""
    role = {"RoleArn": f"arn:aws:iam::{organization.member}:role/{ROLE}", "RoleSessionName": "me"}
    with pytest.raises(ClientError, match="exceeds the MaxSessionDuration set for this role"):
        organization.client("sts").assume_role(**role, DurationSeconds=7200)

    organization.client("iam", organization.member).update_role(RoleName=ROLE, MaxSessionDuration=7200)

    before = datetime.now(UTC)
    made = organization.client("sts").assume_role(**role, DurationSeconds=7200)["Credentials"]
    assert made["Expiration"] - timedelta(seconds=7200) >= before - SECOND


@pytest.mark.parametrize("level", ["root", "outer", "inner", "member"])
def test_control_policy_forbids_below_its_level(organization: Organization, level: str) -> None:
    """Even what the role allows; the management account and the operator are not bound by any."""
    deny = allow("*", Condition={"StringEquals": {"aws:RequestedRegion": FORBIDDEN_REGION}}) | {"Effect": "Deny"}
    organization.allow_hub(allow("sts:AssumeRole"), allow("lambda:ListFunctions"))
    target = getattr(organization, level)
    identifier = organization.guard(target, f"not there, by the {level}", deny)

    code, message = organization.as_reader(region=FORBIDDEN_REGION)
    elsewhere = organization.as_reader(region=REGION)
    own = organization.ask("lambda", "list_functions", region=FORBIDDEN_REGION)
    operator = organization.client("lambda", organization.member, region=FORBIDDEN_REGION).list_functions()
    organization.client("organizations").detach_policy(PolicyId=identifier, TargetId=target)

    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:sts::{organization.member}:assumed-role/{ROLE}/caller is not authorized to perform:"
        " lambda:ListFunctions on resource: * with an explicit deny in a service control policy"
    )
    assert elsewhere["Functions"] == own["Functions"] == operator["Functions"] == []
    assert organization.as_reader(region=FORBIDDEN_REGION)["Functions"] == []


def test_each_level_has_to_allow(organization: Organization) -> None:
    """Where AWS's policy that allows everything is replaced by less, the rest is forbidden."""
    organizations = organization.client("organizations")
    less = organization.guard(organization.member, "profiler only", allow("codeguru-profiler:*"))
    organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=organization.member)

    _, message = organization.as_reader()

    organizations.attach_policy(PolicyId="p-FullAWSAccess", TargetId=organization.member)
    organizations.detach_policy(PolicyId=less, TargetId=organization.member)
    assert message.endswith("because no service control policy allows the lambda:ListFunctions action")
    assert organization.as_reader()["Functions"] == []


def test_policy_of_a_type_that_is_not_enabled_cannot_be_attached(organization: Organization) -> None:
    """Otherwise it would seem to be in force, and be not."""
    organizations = organization.client("organizations")
    made = organizations.create_policy(Name="tags", Description="", Type="TAG_POLICY", Content="{}")

    with pytest.raises(ClientError, match="PolicyTypeNotEnabledException"):
        organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=organization.outer)


def test_region_that_is_not_enabled_for_one_account(organization: Organization) -> None:
    """A fault may be of one account and region; other accounts, and the account's other regions, go on."""
    error = {"code": "UnrecognizedClientException", "status": 403, "message": "The security token is invalid."}
    where = {"account": organization.member, "region": FORBIDDEN_REGION}
    organization.sandbox.set_faults({"service": "lambda", "operation": "*", "error": error, **where})

    code, _ = organization.as_reader(region=FORBIDDEN_REGION)
    elsewhere = organization.as_reader(region=REGION)
    other = organization.client("lambda", region=FORBIDDEN_REGION).list_functions()
    organization.sandbox.clear_faults()

    assert code == "UnrecognizedClientException"
    assert elsewhere["Functions"] == other["Functions"] == []
