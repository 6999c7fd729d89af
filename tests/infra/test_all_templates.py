"""What holds for every statement and every role of every template, whatever the policy: those made by the CDK, too."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from policy_sentry.querying.actions import get_action_data

from infra.policy_file import compiled
from profiling_groups.policy import GroupSettings, Lifecycle, Match, Override, Policy, WhenDeleted
from tests.infra.templates import text
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
