"""What holds for every resource of every template, whatever the policy: for those made by the CDK, too."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped] # it has no types
from policy_sentry.querying.actions import get_action_data

from infra.policy_file import compiled
from profiling_groups.policy import GroupSettings, Lifecycle, Match, Override, Policy, WhenDeleted
from tests.infra.templates import allowances, text
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]

ORGANIZATION: Final = {
    "id": "o-a1b2c3d4e5",
    "ous": ["ou-ab12-11111111"],
    "regions": ["us-east-1", "eu-west-1"],
    "accounts": ["444455556666"],
}
MOST: Final = Policy(
    group=GroupSettings(grant_agent=True),
    lifecycle=Lifecycle(follow_configuration=True, when_function_is_deleted=WhenDeleted.DELETE),
    overrides=(Override(match=Match(regions=("eu-*",)), changes={"group": {"name": "{tag:team}-{function_name}"}}),),
)
"""It asks for every permission, on groups of any name in some region."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is synthesized for a policy and settings.

    Attributes:
        plain: The template without an organization.
        hub: An organization's.
        member: Its members'.
    """

    plain: Json
    hub: Json
    member: Json

    def all(self) -> Iterator[tuple[str, Json]]:
        """Yield the templates by name."""
        yield from vars(self).items()

    def resources(self, *kinds: str) -> Iterator[tuple[str, Json]]:
        """Yield all resources, or those of some types, with the names of their templates and their own."""
        for which, template in self.all():
            for logical_id, resource in template["Resources"].items():
                if not kinds or resource["Type"] in kinds:
                    yield f"{which}.{logical_id}", resource


def deployment(folder: Path, policy: Policy, **settings: object) -> Deployment:
    """Synthesize every template; cdk-nag's checks are part of it."""
    file = folder / "governance.yaml"
    file.write_text(compiled(policy))

    def made(name: str, **more: object) -> Path:
        return synthesize(folder / name, region="eu-west-1", policy=str(file), **settings, **more)

    plain, hub = made("plain"), made("hub", organization=ORGANIZATION)
    return Deployment(
        plain=json.loads((plain / "ProfilingGroups.template.json").read_text()),
        hub=json.loads((hub / "ProfilingGroups.template.json").read_text()),
        member=json.loads((hub / "ProfilingGroupsMember.template.json").read_text()),
    )


@pytest.fixture(scope="module", params=[Policy(), MOST], ids=["shipped", "most"])
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Return the templates for a policy."""
    return deployment(tmp_path_factory.mktemp("deployment"), request.param)


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - what stands in a template's JSON
    """Return a list, where one stands for itself."""
    return value if isinstance(value, list) else [value]


# --- what roles may do


def statements(deployed: Deployment) -> Iterator[tuple[str, Json]]:
    """Yield what roles are allowed, each statement with the name of its resource."""
    for name, resource in deployed.resources("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"):
        properties = resource["Properties"]
        assert not properties.get("ManagedPolicyArns"), f"{name}: what a managed policy allows does not show here"
        documents = [
            properties.get("PolicyDocument"),
            *(each["PolicyDocument"] for each in properties.get("Policies", [])),
        ]
        for document in filter(None, documents):
            yield from ((name, statement) for statement in listed(document["Statement"]))


def resource_types(action: str) -> set[str]:
    """Return the formats of the ARNs that an action takes, by the Service Authorization Reference."""
    found = get_action_data(*action.split(":"))
    assert isinstance(found, dict), f"there is no action {action}"
    (entries,) = found.values()
    # An asterisk beside other formats says only that they are optional.
    return {each["resource_arn_format"] for each in entries} - {"*"}


def is_of_type(arn: str, arn_format: str) -> bool:
    """Whether an ARN of a template may be one of a format."""
    parts = re.split(r"\$\{\w+\}", arn_format)
    return re.fullmatch(".*".join(map(re.escape, parts)), arn) is not None


def test_an_action_is_on_all_resources_only_if_it_has_no_resource_type(deployed: Deployment) -> None:
    """Otherwise it is on ARNs of a type that it takes: on others it allows nothing."""
    seen = set()
    for name, statement in statements(deployed):
        assert not statement.keys() & {"NotAction", "NotResource"}, name
        for action in listed(statement["Action"]):
            seen.add(action)
            formats = resource_types(action)
            for resource in map(text, listed(statement["Resource"])):
                assert (resource == "*") is (not formats), f"{name}: {action} on {resource}"
                if resource.startswith("arn:"):
                    assert any(is_of_type(resource, each) for each in formats), f"{name}: {action} on {resource}"
    assert {"codeguru-profiler:CreateProfilingGroup", "codeguru-profiler:TagResource", "sts:AssumeRole"} <= seen


def test_what_has_no_resource_type_is_allowed_in_the_governed_regions_only(deployed: Deployment) -> None:
    """Creating a group, and what lists functions, tags and groups."""
    ours = re.compile("(codeguru-profiler|lambda|tag):")
    places: dict[str, Any] = {
        "plain": {"Ref": "AWS::Region"},
        "member": ORGANIZATION["regions"],
    }
    seen: dict[str, set[str]] = {}
    for name, statement in statements(deployed):
        if statement["Resource"] == "*" and (actions := set(filter(ours.match, listed(statement["Action"])))):
            which = name.partition(".")[0]
            assert statement["Condition"] == {"StringEquals": {"aws:RequestedRegion": places[which]}}, name
            seen.setdefault(which, set()).update(actions)
    actions = {
        "codeguru-profiler:CreateProfilingGroup",
        "codeguru-profiler:ListProfilingGroups",
        "lambda:ListFunctions",
        "tag:GetResources",
    }
    assert seen == {"plain": actions, "member": actions}


def test_a_resource_policy_is_about_its_own_resource(deployed: Deployment) -> None:
    """A key's policy has an asterisk for the key itself."""
    for name, resource in deployed.resources():
        document = resource.get("Properties", {}).get("PolicyDocument") or resource.get("Properties", {}).get(
            "Statement"
        )
        if resource["Type"].startswith("AWS::IAM::") or document is None:
            continue
        for statement in listed(document.get("Statement", document)):
            assert "*" not in listed(statement["Resource"]), name
            service = resource["Type"].split("::")[1].lower()
            assert {each.partition(":")[0] for each in listed(statement["Action"])} == {service}, name


# --- who may be a role


def test_a_role_that_a_service_assumes_names_account_and_source(deployed: Deployment) -> None:
    """Or else anybody's rule, schedule or state machine could have the service act in its name."""
    seen = set()
    for name, role in deployed.resources("AWS::IAM::Role"):
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        service = trust["Principal"].get("Service")
        # Lambda asks for the role of a function of the same account only, and gives no source.
        if service in {None, "lambda.amazonaws.com"}:
            continue
        seen.add(service)
        conditions = {key: value for keys in trust["Condition"].values() for key, value in keys.items()}
        assert conditions.keys() == {"aws:SourceAccount", "aws:SourceArn"}, name
        assert text(conditions["aws:SourceAccount"]) == "<AWS::AccountId>", name
        source = text(conditions["aws:SourceArn"])
        assert source.startswith(f"arn:<AWS::Partition>:{service.partition('.')[0]}:<AWS::Region>:<AWS::AccountId>:"), (
            name
        )
    assert seen == {"events.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com"}


def test_a_role_that_a_rule_needs_trusts_that_rule(deployed: Deployment) -> None:
    """By its name, as each needs the other."""
    rules = {
        text(rule["Properties"]["Name"])
        for _, rule in deployed.resources("AWS::Events::Rule")
        if "Name" in rule["Properties"]
    }
    trusted = {
        text(statement["Condition"]["ArnEquals"]["aws:SourceArn"]).rpartition("/")[2]
        for _, role in deployed.resources("AWS::IAM::Role")
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        if statement["Principal"].get("Service") == "events.amazonaws.com"
    }
    assert trusted == rules == {"<AWS::StackName>-deployed", "ProfilingGroupsMember"}


# --- hardened accounts

TAGS: Final = {"team": "platform", "cost-center": "42", "codeguru-profiler": "wanted"}
KEY: Final = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY: Final = "arn:aws:iam::444455556666:policy/platform/boundary"
VPC: Final = {"subnet_ids": ["subnet-11111111", "subnet-2222222222222222a"], "security_group_ids": ["sg-33333333"]}
ENCRYPTED: Final = {
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::Lambda::Function": ("KmsKeyArn",),
    "AWS::S3::Bucket": (
        "BucketEncryption",
        "ServerSideEncryptionConfiguration",
        0,
        "ServerSideEncryptionByDefault",
        "KMSMasterKeyID",
    ),
}
"""Where a resource of each type names its key."""


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Return the templates with every setting of a hardened account."""
    folder = tmp_path_factory.mktemp("hardened")
    made = deployment(folder, MOST, tags=TAGS, permissions_boundary=BOUNDARY, kms_key_arn=KEY, vpc=VPC)
    for which in ("plain", "hub"):
        manifest = json.loads((folder / which / "manifest.json").read_text())
        assert manifest["artifacts"]["ProfilingGroups"]["properties"]["tags"] == TAGS
    return made


def tag_property(kind: str) -> str | None:
    """Return the property for the tags of a resource type, by its CloudFormation schema; None if it takes none."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-west-1", kind).schema
    tagging = schema.get("tagging", {})
    if not tagging.get("taggable", schema.get("taggable", True)):
        return None
    name = str(tagging.get("tagProperty", "/properties/Tags")).rpartition("/")[2]
    return name if name in schema["properties"] else None


def test_every_resource_that_takes_tags_has_them(hardened: Deployment) -> None:
    """In the hub, its stack set included, and in its members; a function keeps the tag that opts it out."""
    tagged = set()
    for name, resource in hardened.resources():
        if (where := tag_property(resource["Type"])) is None:
            continue
        tagged.add(resource["Type"])
        expected = TAGS | ({"codeguru-profiler": "off"} if resource["Type"] == "AWS::Lambda::Function" else {})
        found = resource["Properties"].get(where, [])
        assert {each["Key"]: each["Value"] for each in found} == expected, name
    assert {"AWS::CloudFormation::StackSet", "AWS::IAM::Role", "AWS::Events::Rule", *ENCRYPTED} <= tagged


def test_every_role_has_the_permissions_boundary(hardened: Deployment) -> None:
    """In members it is the policy of that name in their own account."""
    for name, role in hardened.resources("AWS::IAM::Role"):
        theirs = "arn:<AWS::Partition>:iam::<AWS::AccountId>:policy/platform/boundary"
        assert text(role["Properties"]["PermissionsBoundary"]) == (theirs if name.startswith("member.") else BOUNDARY)


def boundaries(deployed: Deployment, which: str) -> set[str]:
    """Return the boundaries of the roles of a template."""
    roles = [role for name, role in deployed.resources("AWS::IAM::Role") if name.startswith(f"{which}.")]
    return {text(role["Properties"]["PermissionsBoundary"]) for role in roles}


@pytest.mark.parametrize(
    ("given", "hub", "member"),
    [
        (
            "boundary",
            "arn:<AWS::Partition>:iam::<AWS::AccountId>:policy/boundary",
            "arn:<AWS::Partition>:iam::<AWS::AccountId>:policy/boundary",
        ),
        # AWS's own policies are in every account.
        (
            "arn:aws:iam::aws:policy/PowerUserAccess",
            "arn:aws:iam::aws:policy/PowerUserAccess",
            "arn:<AWS::Partition>:iam::aws:policy/PowerUserAccess",
        ),
    ],
)
def test_a_boundary_may_be_given_by_its_name(tmp_path: Path, given: str, hub: str, member: str) -> None:
    """Then it is a policy of the account that the stack is deployed to."""
    made = deployment(tmp_path, Policy(), tags=TAGS, permissions_boundary=given)
    assert boundaries(made, "plain") == boundaries(made, "hub") == {hub}
    assert boundaries(made, "member") == {member}
    # The stack's own key takes the tags, too.
    assert len(list(made.resources("AWS::KMS::Key"))) == 2
    test_every_resource_that_takes_tags_has_them(made)


def test_what_is_stored_is_encrypted_with_the_key_that_is_given(hardened: Deployment) -> None:
    """It stays in the hub: a member's queue has no key of another account."""
    seen = set()
    for name, resource in hardened.resources(*ENCRYPTED):
        found: Any = resource["Properties"]
        if name.startswith("member."):
            assert found["SqsManagedSseEnabled"] is True
            assert KEY not in json.dumps(hardened.member)
            continue
        seen.add(resource["Type"])
        assert "SqsManagedSseEnabled" not in found, name
        for part in ENCRYPTED[resource["Type"]]:
            found = found[part]
        assert found == KEY, name
    assert seen == set(ENCRYPTED)
    assert not list(hardened.resources("AWS::KMS::Key"))


def test_the_roles_that_store_something_may_use_the_key(hardened: Deployment) -> None:
    """Identity policies say so, as the key's own policy is somebody else's."""
    for which in ("plain", "hub"):
        using = {
            text(role)
            for name, policy in hardened.resources("AWS::IAM::Policy")
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            for role in policy["Properties"]["Roles"]
            if name.startswith(f"{which}.") and statement["Resource"] == KEY
            if set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
        }
        assert using == {"<Role>", "<BackfillMachineRole>"}


def test_every_function_runs_in_the_vpc(hardened: Deployment) -> None:
    """Members have no functions."""
    functions = list(hardened.resources("AWS::Lambda::Function"))
    assert len(functions) == 4
    for name, function in functions:
        assert function["Properties"]["VpcConfig"] == {
            "SubnetIds": VPC["subnet_ids"],
            "SecurityGroupIds": VPC["security_group_ids"],
        }, name


def test_lambda_may_make_its_network_interfaces_there_only(hardened: Deployment) -> None:
    """The actions are those of AWS's managed policy AWSLambdaVPCAccessExecutionRole, but for the logs."""
    place = "arn:<AWS::Partition>:ec2:<AWS::Region>"
    interfaces = f"{place}:<AWS::AccountId>:network-interface/*"
    for template in (hardened.plain, hardened.hub):
        allowed = {
            resource: {action.partition(":")[2] for action in actions if action.startswith("ec2:")}
            for resource, actions in allowances(template, "Role").items()
        }
        assert {resource: actions for resource, actions in allowed.items() if actions} == {
            interfaces: {
                "CreateNetworkInterface",
                "DeleteNetworkInterface",
                "AssignPrivateIpAddresses",
                "UnassignPrivateIpAddresses",
            },
            f"{place}:*:subnet/subnet-11111111": {"CreateNetworkInterface"},
            f"{place}:*:subnet/subnet-2222222222222222a": {"CreateNetworkInterface"},
            f"{place}:*:security-group/sg-33333333": {"CreateNetworkInterface"},
            "*": {"DescribeNetworkInterfaces", "DescribeSubnets"},
        }


def test_a_hardened_deployment_holds_to_the_service_authorization_reference(hardened: Deployment) -> None:
    """What these settings ask to be allowed, too."""
    test_an_action_is_on_all_resources_only_if_it_has_no_resource_type(hardened)
    test_a_role_that_a_service_assumes_names_account_and_source(hardened)


def test_without_these_settings_nothing_of_them_is_there(deployed: Deployment) -> None:
    """Their absence changes nothing."""
    for name, resource in deployed.resources():
        properties = resource.get("Properties", {})
        assert not properties.keys() & {"PermissionsBoundary", "VpcConfig", "KmsKeyId", "KmsKeyArn"}, name
        assert properties.get("Tags", []) in ([], [{"Key": "codeguru-profiler", "Value": "off"}]), name
