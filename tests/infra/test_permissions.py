"""What a policy costs: the role's permissions and the rule's events are those that it asks for, and no others."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infra.permissions import NO_RESOURCE, permissions
from infra.policy_file import PolicyFileError, compiled, read
from profiling_groups.aws import QUOTA_CODE
from profiling_groups.events import triggers
from profiling_groups.functions import FunctionArn, LambdaFunction
from profiling_groups.naming import group_name
from profiling_groups.policy import (
    AdoptExistingGroups,
    Globs,
    GroupSettings,
    GroupTags,
    Lifecycle,
    Match,
    Override,
    Policy,
    WhenDeleted,
    load,
)
from tests.infra.templates import allowances, named
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

NO_TAGS = GroupTags(inherit=Globs(include=()), add={})
ONLY_ITS_OWN = GroupTags(inherit=Globs(include=()))
WRITTEN_ONCE = Lifecycle(keep_tags_in_step=False)
DELETES = Lifecycle(when_function_is_deleted=WhenDeleted.DELETE)
CREATE = "CreateFunction20150331"
CONFIGURE = "UpdateFunctionConfiguration20150331v2"
TAG = "TagResource20170331v2"
UNTAG = "UntagResource20170331v2"
DEFAULT = {"DescribeProfilingGroup", "ListTagsForResource", "TagResource", "UntagResource"}


def on_groups(policy: Policy) -> tuple[set[str], str]:
    """Return what may be done to groups, and to which, without the service's prefixes."""
    (found,) = (each for each in permissions(policy) if each.resource.startswith("profilingGroup/"))
    return {action.removeprefix("codeguru-profiler:") for action in found.actions}, found.resource


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(), DEFAULT),
        # tags: the mark is always written; none of the function's to lose, or none to take off again
        (Policy(tags=NO_TAGS), DEFAULT - {"UntagResource"}),
        (Policy(tags=ONLY_ITS_OWN), DEFAULT - {"UntagResource"}),
        (Policy(tags=GroupTags(add={})), DEFAULT),
        (Policy(lifecycle=WRITTEN_ONCE), DEFAULT - {"UntagResource"}),
        (Policy(lifecycle=WRITTEN_ONCE, tags=NO_TAGS), DEFAULT - {"UntagResource"}),
        # what only some ask for
        (Policy(group=GroupSettings(grant_agent=True)), DEFAULT | {"GetPolicy", "PutPermission"}),
        (Policy(lifecycle=DELETES), DEFAULT | {"DeleteProfilingGroup"}),
        (Policy(lifecycle=replace(DELETES, orphan_grace_days=0)), DEFAULT | {"DeleteProfilingGroup"}),
        (Policy(lifecycle=Lifecycle(orphan_grace_days=0)), DEFAULT),
        # what needs none
        (Policy(lifecycle=Lifecycle(adopt_existing_groups=AdoptExistingGroups.NONE)), DEFAULT),
        (Policy(lifecycle=Lifecycle(max_deletions=0)), DEFAULT),
        (Policy(lifecycle=Lifecycle(follow_configuration=True)), DEFAULT),
        (Policy(group=GroupSettings(profiling_enabled=False)), DEFAULT),
    ],
)
def test_a_policy_asks_for_these_actions_on_groups(policy: Policy, expected: set[str]) -> None:
    """And always for creating one, and for the same reads: of a function, and of all that there is."""
    assert on_groups(policy)[0] == expected
    others = [each for each in permissions(policy) if not each.resource.startswith("profilingGroup/")]
    assert {action: each.resource for each in others for action in each.actions} == {
        "lambda:GetFunctionConfiguration": "function:*",
        "lambda:ListTags": "function:*",
        "codeguru-profiler:CreateProfilingGroup": NO_RESOURCE,
        "lambda:ListFunctions": NO_RESOURCE,
        "tag:GetResources": NO_RESOURCE,
        "codeguru-profiler:ListProfilingGroups": NO_RESOURCE,
        "servicequotas:GetServiceQuota": f"codeguru-profiler/{QUOTA_CODE}",
    }


@pytest.mark.parametrize(
    ("template", "resource"),
    [
        ("aws-lambda-{function_name}", "profilingGroup/aws-lambda-*"),
        ("aws-lambda-{function_name}-prof", "profilingGroup/aws-lambda-*"),
        ("{function_name}", "profilingGroup/*"),
        ("{account}-{region}-{function_name}", "profilingGroup/{account}-{region}-*"),
        ("a-{account}{tag:team}-{region}-{function_name}", "profilingGroup/a-{account}*"),
        ("{runtime}-{function_name}", "profilingGroup/*"),
    ],
)
def test_groups_are_within_reach_by_how_their_names_begin(template: str, resource: str) -> None:
    """As far as that is the same for all functions of one account and region."""
    assert on_groups(Policy(group=GroupSettings(name=template)))[1] == resource


parts = st.sampled_from(["{account}", "{region}", "{runtime}", "{tag:team}", "{function_name}", "a", "-"])


@given(
    template=st.lists(parts, max_size=24).map("".join),
    name=st.text(min_size=1, max_size=64, alphabet="ab-._") | st.just("n" * 64),
    team=st.text(max_size=256, alphabet="ab-/*"),
    region=st.sampled_from(["eu-west-1", "ap-northeast-1"]),
)
@example(template="{region}" * 22 + "{function_name}", name="n" * 64, team="", region="ap-northeast-1")
@example(template="{region}" * 13 + "{function_name}", name="n" * 64, team="", region="ap-northeast-1")
def test_every_group_that_a_policy_names_is_within_reach(
    tmp_path_factory: pytest.TempPathFactory, template: str, name: str, team: str, region: str
) -> None:
    """Names that had to be changed or cut included; or else the function would be refused its own groups."""
    policy = Policy(group=GroupSettings(name=template))
    file = tmp_path_factory.getbasetemp() / "named.yaml"
    file.write_text(compiled(policy))
    try:
        read(file)
    except PolicyFileError:
        return
    arn = FunctionArn(account="444455556666", region=region, name=name)
    group = group_name(template, LambdaFunction(arn=arn, runtime="python3.13", tags={"team": team}))
    reach = on_groups(policy)[1].format(account=arn.account, region=arn.region)
    assert fnmatchcase(f"profilingGroup/{group}", reach)


# --- with overrides

IN_US = Match(regions=("us-*",))
IN_EU = Match(regions=("eu-*",))


def overridden(base: Policy, *changes: Json) -> Policy:
    """Return a policy with overrides, each for other places."""
    return replace(base, overrides=tuple(Override(match=IN_US, changes=each) for each in changes))


@pytest.mark.parametrize(
    ("policy", "actions", "events"),
    [
        # what any place asks for
        (
            overridden(
                Policy(), {"group": {"grant_agent": True}}, {"lifecycle": {"when_function_is_deleted": "delete"}}
            ),
            DEFAULT | {"GetPolicy", "PutPermission", "DeleteProfilingGroup"},
            [CREATE, TAG, UNTAG],
        ),
        (overridden(Policy(), {"lifecycle": {"follow_configuration": True}}), DEFAULT, [CREATE, TAG, UNTAG, CONFIGURE]),
        (
            overridden(Policy(lifecycle=DELETES), {"lifecycle": {"when_function_is_deleted": "keep"}}),
            DEFAULT | {"DeleteProfilingGroup"},
            [CREATE, TAG, UNTAG],
        ),
        (
            overridden(Policy(lifecycle=WRITTEN_ONCE), {"functions": {"tags": {"require": {"a": ["*"]}}}}),
            DEFAULT - {"UntagResource"},
            [CREATE, TAG, UNTAG],
        ),
        (
            overridden(Policy(lifecycle=WRITTEN_ONCE, tags=NO_TAGS), {"tags": {"add": {"a": "b"}}}),
            DEFAULT - {"UntagResource"},
            [CREATE],
        ),
        # what a place asks for in which two of them meet, though neither does by itself
        (
            overridden(
                Policy(lifecycle=WRITTEN_ONCE, tags=NO_TAGS),
                {"tags": {"inherit": {"include": ["*"]}}},
                {"lifecycle": {"keep_tags_in_step": True}},
            ),
            DEFAULT,
            [CREATE, TAG, UNTAG],
        ),
        (
            overridden(
                Policy(lifecycle=WRITTEN_ONCE, tags=GroupTags(inherit=Globs(include=(), exclude=("*",)), add={})),
                {"tags": {"inherit": {"include": ["team"]}}},
                {"tags": {"inherit": {"exclude": []}}},
            ),
            DEFAULT - {"UntagResource"},
            [CREATE],
        ),
    ],
)
def test_a_policy_with_overrides_asks_for_what_any_place_needs(
    policy: Policy, actions: set[str], events: list[str]
) -> None:
    """One rule and one role are for all of them."""
    assert on_groups(policy)[0] == actions
    assert list(triggers(policy)) == events


@pytest.mark.parametrize(
    ("templates", "beginnings"),
    [
        (["aws-lambda-{function_name}", "aws-lambda-{function_name}-x"], ["aws-lambda-"]),
        (["aws-lambda-{function_name}", "p-{function_name}"], ["aws-lambda-", "p-"]),
        # one that covers others swallows them, wherever it stands
        (["prof-a-{function_name}", "prof-{function_name}", "q-{function_name}"], ["prof-", "q-"]),
        (["prof-{function_name}", "prof-{account}-{function_name}"], ["prof-"]),
        (["a-{function_name}", "{function_name}", "b-{function_name}"], [""]),
        (["{account}-{function_name}", "{region}-{function_name}"], ["{account}-", "{region}-"]),
    ],
)
def test_groups_are_within_reach_by_each_way_in_which_names_begin(templates: list[str], beginnings: list[str]) -> None:
    """And by no more statements than that takes."""
    base, *others = templates
    policy = overridden(Policy(group=GroupSettings(name=base)), *({"group": {"name": name}} for name in others))
    found = [each for each in permissions(policy) if each.resource.startswith("profilingGroup/")]
    assert [each.resource for each in found] == [f"profilingGroup/{beginning}*" for beginning in beginnings]
    assert {each.actions for each in found} == {found[0].actions}


tag_settings = st.fixed_dictionaries(
    {},
    optional={
        "inherit": st.fixed_dictionaries(
            {}, optional={key: st.sampled_from([[], ["*"], ["team"]]) for key in ("include", "exclude")}
        ),
        "add": st.sampled_from([{}, {"managed-by": "us"}]),
    },
)
some_changes = st.fixed_dictionaries(
    {},
    optional={
        "functions": st.sampled_from([{"tags": {"require": {"a": ["b"]}}}, {"images": "skip"}]),
        "group": st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["p-{function_name}", "{function_name}", "p-{region}-{function_name}"]),
                "grant_agent": st.booleans(),
            },
        ),
        "tags": tag_settings,
        "lifecycle": st.fixed_dictionaries(
            {},
            optional={
                "keep_tags_in_step": st.booleans(),
                "follow_configuration": st.booleans(),
                "when_function_is_deleted": st.sampled_from(["keep", "delete"]),
            },
        ),
    },
)
some_matches = st.sampled_from([IN_US, IN_EU, Match(accounts=("1*",)), Match(ous=("r-ab12",))])


@given(
    base=some_changes,
    otherwise=st.lists(st.builds(Override, match=some_matches, changes=some_changes), max_size=4),
    region=st.sampled_from(["us-east-1", "eu-west-1"]),
    account=st.sampled_from(["111122223333", "444455556666"]),
    path=st.sampled_from(["o-a1b2c3d4e5/r-ab12/", "o-a1b2c3d4e5/r-zz99/", None]),
)
def test_whatever_governs_a_place_is_listened_to_and_allowed(
    base: Json, otherwise: list[Override], region: str, account: str, path: str | None
) -> None:
    """In every place, whichever overrides meet there."""
    policy = replace(load(base), overrides=tuple(otherwise))
    there = policy.governing(account=account, region=region, organization_path=path).policy
    assert not there.overrides
    assert set(triggers(there)) <= set(triggers(policy))
    for needed in permissions(there):
        allowed = [each for each in permissions(policy) if each.service == needed.service]
        assert any(
            set(needed.actions) <= set(each.actions) and needed.resource.startswith(each.resource.removesuffix("*"))
            for each in allowed
        )


# --- in the template


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Policy], Json]:
    """Return the template for a policy; cdk-nag's checks are part of it."""

    def make(policy: Policy) -> Json:
        folder = tmp_path_factory.mktemp("policy")
        file = folder / "governance.yaml"
        file.write_text(compiled(policy))
        made = synthesize(folder / "out", region="eu-west-1", policy=str(file))
        template: Json = json.loads((made / "ProfilingGroups.template.json").read_text())
        return template

    return make


def statements(template: Json) -> dict[str, set[str]]:
    """Return what the functions' role may do that follows from the policy, by resource: not logs and the like."""
    found = {
        resource: {action for action in actions if re.match(r"(lambda|codeguru-profiler|tag|servicequotas):", action)}
        for resource, actions in allowances(template, "Role").items()
    }
    return {resource: actions for resource, actions in found.items() if actions}


def test_the_rule_and_the_role_follow_from_the_policy(synthesized: Callable[[Policy], Json]) -> None:
    """Everything asked for, in one place or another; there names begin with a tag's value: any group is in reach."""
    policy = Policy(
        group=GroupSettings(grant_agent=True),
        lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE),
        overrides=(
            Override(match=IN_US, changes={"lifecycle": {"follow_configuration": True}}),
            Override(match=IN_EU, changes={"group": {"name": "{tag:team}-{function_name}"}}),
        ),
    )
    template = synthesized(policy)
    rule = named(template, "ProvisionerRule")
    assert rule["Properties"]["EventPattern"]["detail"]["eventName"] == list(triggers(policy))
    assert set(triggers(policy)) == {CREATE, TAG, UNTAG, CONFIGURE}
    place = "<AWS::Region>:<AWS::AccountId>"
    assert statements(template) == {
        f"arn:<AWS::Partition>:lambda:{place}:function:*": {"lambda:GetFunctionConfiguration", "lambda:ListTags"},
        f"arn:<AWS::Partition>:codeguru-profiler:{place}:profilingGroup/*": {
            f"codeguru-profiler:{action}" for action in DEFAULT | {"GetPolicy", "PutPermission", "DeleteProfilingGroup"}
        },
        "*": {
            "codeguru-profiler:CreateProfilingGroup",
            "lambda:ListFunctions",
            "tag:GetResources",
            "codeguru-profiler:ListProfilingGroups",
        },
        f"arn:<AWS::Partition>:servicequotas:{place}:codeguru-profiler/{QUOTA_CODE}": {"servicequotas:GetServiceQuota"},
    }


@pytest.mark.parametrize(
    ("templates", "reach"),
    [
        (["{function_name}"], {"*"}),
        (["{account}-{function_name}"], {"<AWS::AccountId>-*"}),
        (["a-{function_name}", "{region}-{function_name}", "a-b-{function_name}"], {"a-*", "<AWS::Region>-*"}),
    ],
)
def test_the_checks_pass_whatever_names_begin_with(
    synthesized: Callable[[Policy], Json], templates: list[str], reach: set[str]
) -> None:
    """cdk-nag's finding about the glob is acknowledged by its very text, which follows the template."""
    base, *others = templates
    plain = Policy(group=GroupSettings(name=base), tags=NO_TAGS, lifecycle=WRITTEN_ONCE)
    found = statements(synthesized(overridden(plain, *({"group": {"name": name}} for name in others))))
    on_groups = {each.rpartition("/")[2]: found[each] for each in found if ":codeguru-profiler:" in each}
    actions = {f"codeguru-profiler:{action}" for action in DEFAULT - {"UntagResource"}}
    assert on_groups == {each: actions for each in reach}  # noqa: C420 - no set is to be shared
