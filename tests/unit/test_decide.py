"""The decision table: what the policy that ships, and others, come to for functions of every kind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from profiling_groups.decision import Provision, Skip, decide, rule_out_place
from profiling_groups.functions import FunctionArn, LambdaFunction
from profiling_groups.outcomes import Reason
from profiling_groups.policy import (
    Architecture,
    Functions,
    FunctionTags,
    Globs,
    GroupSettings,
    GroupTags,
    Images,
    Organization,
    Policy,
    Runtimes,
    Units,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIPPED = Policy()
ROLE = "arn:aws:iam::444455556666:role/renderer"
FUNCTION = LambdaFunction(
    arn=FunctionArn(account="444455556666", region="eu-west-1", name="renderer"), runtime="python3.13", role=ROLE
)
GROUP = "aws-lambda-renderer"
OWN_ARN = "arn:aws:codeguru-profiler:eu-west-1:444455556666:profilingGroup"
OTHER_REGION = OWN_ARN.replace("eu-west-1", "eu-west-2")
OTHER_ACCOUNT = OWN_ARN.replace("444455556666", "444455556667")


def named(name: str) -> LambdaFunction:
    """Return the function under another name."""
    return replace(FUNCTION, arn=replace(FUNCTION.arn, name=name))


def runs(runtime: str | None) -> LambdaFunction:
    """Return the function with another runtime."""
    return replace(FUNCTION, runtime=runtime)


def tagged(**tags: str) -> LambdaFunction:
    """Return the function with tags; an underscore stands for a dash."""
    return replace(FUNCTION, tags={key.replace("_", "-"): value for key, value in tags.items()})


def names(*include: str, exclude: tuple[str, ...] = ()) -> Policy:
    """Return a policy on names."""
    return Policy(functions=Functions(names=Globs(include=include, exclude=exclude)))


def tags(
    *, require: Mapping[str, tuple[str, ...]] | None = None, opt_out: Mapping[str, tuple[str, ...]] | None = None
) -> Policy:
    """Return a policy on the functions' tags."""
    shipped = FunctionTags()
    return Policy(
        functions=Functions(
            tags=FunctionTags(require=require or {}, opt_out=shipped.opt_out if opt_out is None else opt_out)
        )
    )


RUNTIMES = Policy(functions=Functions(runtimes=Runtimes(exclude=("python3.8", "java8*"))))
JAVA = Policy(functions=Functions(runtimes=Runtimes(include=("java*",))))
ANYTHING = Policy(functions=Functions(runtimes=Runtimes(include=("*",))))
NO_IMAGES = Policy(functions=Functions(images=Images.SKIP))
INTEL = Policy(functions=Functions(architectures=(Architecture.X86_64,)))
BY_TEAM = Policy(group=GroupSettings(name="prof-{tag:team}-{function_name}"))


@pytest.mark.parametrize(
    ("policy", "function", "expected", "rule"),
    [
        # runtimes
        (SHIPPED, runs("python3.8"), GROUP, None),
        (SHIPPED, runs("python3.14"), GROUP, None),
        (SHIPPED, runs("java8.al2"), GROUP, None),
        (SHIPPED, runs("java21"), GROUP, None),
        (SHIPPED, runs("python2.7"), Reason.UNSUPPORTED_RUNTIME, "functions.runtimes.include"),
        (SHIPPED, runs("nodejs22.x"), Reason.UNSUPPORTED_RUNTIME, "functions.runtimes.include"),
        (SHIPPED, runs("provided.al2023"), Reason.UNSUPPORTED_RUNTIME, "functions.runtimes.include"),
        (SHIPPED, runs("dotnet8"), Reason.UNSUPPORTED_RUNTIME, "functions.runtimes.include"),
        (SHIPPED, runs("ruby3.3"), Reason.UNSUPPORTED_RUNTIME, "functions.runtimes.include"),
        (RUNTIMES, runs("python3.8"), Reason.EXCLUDED_BY_POLICY, "functions.runtimes.exclude"),
        (RUNTIMES, runs("java8.al2"), Reason.EXCLUDED_BY_POLICY, "functions.runtimes.exclude"),
        (RUNTIMES, runs("java21"), GROUP, None),
        (JAVA, runs("python3.13"), Reason.EXCLUDED_BY_POLICY, "functions.runtimes.include"),
        (ANYTHING, runs("nodejs22.x"), GROUP, None),
        # container images
        (SHIPPED, runs(None), GROUP, None),
        (JAVA, runs(None), GROUP, None),
        (NO_IMAGES, runs(None), Reason.EXCLUDED_BY_POLICY, "functions.images"),
        (NO_IMAGES, FUNCTION, GROUP, None),
        # architectures
        (SHIPPED, replace(FUNCTION, architectures=("arm64",)), GROUP, None),
        (INTEL, FUNCTION, GROUP, None),
        (INTEL, replace(FUNCTION, architectures=("arm64",)), Reason.EXCLUDED_BY_POLICY, "functions.architectures"),
        # names
        (names("prod-*"), named("prod-renderer"), "aws-lambda-prod-renderer", None),
        (names("prod-*"), FUNCTION, Reason.EXCLUDED_BY_POLICY, "functions.names.include"),
        (names("*", exclude=("render*",)), FUNCTION, Reason.EXCLUDED_BY_POLICY, "functions.names.exclude"),
        (names("renderer", exclude=("renderer",)), FUNCTION, Reason.EXCLUDED_BY_POLICY, "functions.names.exclude"),
        (names("Renderer"), FUNCTION, Reason.EXCLUDED_BY_POLICY, "functions.names.include"),
        (names("[p-t]*?r"), FUNCTION, GROUP, None),
        (names(), FUNCTION, Reason.EXCLUDED_BY_POLICY, "functions.names.include"),
        (SHIPPED, named("us-east-1.renderer"), Reason.EDGE_REPLICA, None),
        (SHIPPED, named("us-gov-west-1.renderer"), Reason.EDGE_REPLICA, None),
        (SHIPPED, named("us-east-1-renderer"), "aws-lambda-us-east-1-renderer", None),
        (SHIPPED, named("renderer.v2"), "aws-lambda-renderer-v2--16b3c1ac69ed3ce3", None),
        (SHIPPED, replace(FUNCTION, arn=replace(FUNCTION.arn, region="sa-east-1")), Reason.REGION_UNSUPPORTED, None),
        # a group of its own
        (SHIPPED, replace(FUNCTION, named_groups=(f"{OWN_ARN}/mine",)), Reason.OWN_GROUP, None),
        (SHIPPED, replace(tagged(codeguru_profiler="off"), named_groups=("mine",)), Reason.OWN_GROUP, None),
        (SHIPPED, replace(FUNCTION, named_groups=(f"{OWN_ARN}/mine", GROUP)), Reason.OWN_GROUP, None),
        (SHIPPED, replace(FUNCTION, named_groups=(f"{OTHER_REGION}/{GROUP}",)), Reason.OWN_GROUP, None),
        (SHIPPED, replace(FUNCTION, named_groups=(f"{OTHER_ACCOUNT}/{GROUP}",)), Reason.OWN_GROUP, None),
        # the group that the policy gives it, by another way
        (SHIPPED, replace(FUNCTION, named_groups=(GROUP,)), GROUP, None),
        (SHIPPED, replace(FUNCTION, named_groups=(f"{OWN_ARN}/{GROUP}",)), GROUP, None),
        (SHIPPED, replace(FUNCTION, named_groups=(f"{OWN_ARN}/{GROUP}", "mine")), GROUP, None),
        (BY_TEAM, replace(tagged(team="a"), named_groups=(GROUP,)), Reason.OWN_GROUP, None),
        # another region
        (SHIPPED, replace(FUNCTION, target_region="eu-west-2"), Reason.REPORTS_TO_OTHER_REGION, None),
        (SHIPPED, replace(FUNCTION, target_region="eu-west-1"), GROUP, None),
        (SHIPPED, replace(FUNCTION, target_region="eu-west-2", named_groups=("mine",)), Reason.OWN_GROUP, None),
        (BY_TEAM, replace(tagged(team="a"), named_groups=("prof-a-renderer",)), "prof-a-renderer", None),
        (BY_TEAM, replace(tagged(team="a"), named_groups=(f"{OWN_ARN}/prof-a-renderer",)), "prof-a-renderer", None),
        (BY_TEAM, replace(tagged(team="b"), named_groups=("prof-a-renderer",)), Reason.OWN_GROUP, None),
        (BY_TEAM, FUNCTION, "prof-untagged-renderer", None),
        # opting in
        (tags(require={"profile": ("on", "yes*")}), tagged(profile="on"), GROUP, None),
        (tags(require={"profile": ("on", "yes*")}), tagged(profile="yes, please"), GROUP, None),
        (tags(require={"profile": ("*",)}), tagged(profile=""), GROUP, None),
        (
            tags(require={"profile": ("*",)}),
            FUNCTION,
            Reason.EXCLUDED_BY_POLICY,
            "functions.tags.require.profile",
        ),
        (
            tags(require={"profile": ("on",)}),
            tagged(profile="On"),
            Reason.EXCLUDED_BY_POLICY,
            "functions.tags.require.profile",
        ),
        (
            tags(require={"profile": ("on",), "env": ("prod",)}),
            tagged(profile="on", env="dev"),
            Reason.EXCLUDED_BY_POLICY,
            "functions.tags.require.env",
        ),
        # opting out
        (SHIPPED, tagged(codeguru_profiler="off"), Reason.OPTED_OUT, "functions.tags.opt_out.codeguru-profiler"),
        (SHIPPED, tagged(codeguru_profiler="false"), Reason.OPTED_OUT, "functions.tags.opt_out.codeguru-profiler"),
        (SHIPPED, tagged(codeguru_profiler=" No "), Reason.OPTED_OUT, "functions.tags.opt_out.codeguru-profiler"),
        (
            SHIPPED,
            replace(tagged(codeguru_profiler="OFF"), runtime=None),
            Reason.OPTED_OUT,
            "functions.tags.opt_out.codeguru-profiler",
        ),
        (SHIPPED, tagged(codeguru_profiler="on"), GROUP, None),
        (SHIPPED, tagged(codeguru_profiler=""), GROUP, None),
        (SHIPPED, tagged(CodeGuru_Profiler="off"), GROUP, None),
        (SHIPPED, tagged(profiler="off"), GROUP, None),
        (
            tags(opt_out={"profile": ("N*",)}),
            tagged(profile="never"),
            Reason.OPTED_OUT,
            "functions.tags.opt_out.profile",
        ),
        (tags(opt_out={"profile": ("*",)}), FUNCTION, GROUP, None),
        (tags(opt_out={}), tagged(codeguru_profiler="off"), GROUP, None),
        (
            tags(require={"profile": ("on",)}),
            tagged(profile="on", codeguru_profiler="off"),
            Reason.OPTED_OUT,
            "functions.tags.opt_out.codeguru-profiler",
        ),
    ],
)
def test_a_function_gets_this_group_or_is_skipped_for_this_reason(
    policy: Policy, function: LambdaFunction, expected: str | Reason, rule: str | None
) -> None:
    """Case by case, with the key of the policy that decided."""
    match decide(function, policy):
        case Provision(group=group):
            assert group == expected
        case Skip() as skip:
            assert (skip.reason, skip.rule) == (expected, rule)
            assert skip.detail


def test_a_group_inherits_every_tag_but_reserved_ones_and_is_marked_as_managed() -> None:
    """What is dropped is named."""
    function = replace(FUNCTION, tags={"team": "billing", "aws:cloudformation:stack-name": "s", "odd": "a;b"})
    decision = decide(function, SHIPPED)
    assert isinstance(decision, Provision)
    assert decision.tags.inherited == {"team": "billing"}
    assert decision.tags.added == {"managed-by": "profiling-group-provisioner"}
    assert {tag.key for tag in decision.dropped} == {"aws:cloudformation:stack-name", "odd"}


def test_the_rest_of_a_group_is_the_policys_to_say() -> None:
    """Tags, profiling, and the agent's permission."""
    policy = Policy(
        group=GroupSettings(profiling_enabled=False, grant_agent=True),
        tags=GroupTags(inherit=Globs(include=("team",)), add={"env": "prod"}),
    )
    decision = decide(tagged(team="a", cost="b"), policy)
    assert isinstance(decision, Provision)
    assert (decision.tags.inherited, decision.tags.added) == ({"team": "a"}, {"env": "prod"})
    assert (decision.profiling_enabled, decision.agent_role) == (False, ROLE)
    shipped = decide(FUNCTION, SHIPPED)
    assert isinstance(shipped, Provision)
    assert (shipped.profiling_enabled, shipped.agent_role) == (True, None)


@pytest.mark.parametrize(
    ("policy", "function", "leftover"),
    [
        (SHIPPED, tagged(codeguru_profiler="off"), GROUP),
        (tags(require={"profile": ("on",)}), FUNCTION, GROUP),
        (BY_TEAM, tagged(codeguru_profiler="off", team="a"), "prof-a-renderer"),
        (SHIPPED, runs("nodejs22.x"), None),
        (names("prod-*"), FUNCTION, None),
        (SHIPPED, replace(FUNCTION, named_groups=("mine",)), None),
    ],
)
def test_only_a_function_that_opts_out_by_its_tags_may_leave_a_group_behind(
    policy: Policy, function: LambdaFunction, leftover: str | None
) -> None:
    """For the others none is looked for: that would cost a call for each Node.js function."""
    decision = decide(function, policy)
    assert isinstance(decision, Skip)
    assert decision.leftover == leftover


@pytest.mark.parametrize(
    ("organization", "rule"),
    [
        (Organization(), None),
        (Organization(accounts=Globs(exclude=("4444*",))), "organization.accounts.exclude"),
        (Organization(ous=Units(include=("ou-ab12-11111111",))), "organization.ous.include"),
        (Organization(regions=Globs(include=("us-*",))), "organization.regions.include"),
    ],
)
def test_a_place_that_is_not_governed_is_told_by_the_key(organization: Organization, rule: str | None) -> None:
    """That is against it."""
    found = rule_out_place(
        Policy(organization=organization),
        account=FUNCTION.arn.account,
        region=FUNCTION.arn.region,
        organization_path="o-a1b2c3d4e5/r-ab12/",
    )
    detail = "444455556666 in eu-west-1 is not governed"
    assert found == (Skip(reason=Reason.EXCLUDED_BY_POLICY, detail=detail, rule=rule) if rule else None)
