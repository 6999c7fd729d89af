"""What stands in the policy file is what happens: each key, changed alone, through synth, bundle and deployed stack."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from profiling_groups.policy import Match, Policy
from tests.e2e.deployment import ACCOUNT, REGION, adopted_for, created_for, outcome
from tests.records import Json, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.e2e.deployment import Deployment
    from tests.e2e.governed import Governed

HERE = Path(__file__).parent
IMAGE = {
    "PackageType": "Image",
    "Code": {"ImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/image:1"},
}
CREATE = "CreateFunction20150331"
CONFIGURE = "UpdateFunctionConfiguration20150331v2"
TAG = "TagResource20170331v2"
UNTAG = "UntagResource20170331v2"
ALLOWED = frozenset({"DescribeProfilingGroup", "ListTagsForResource", "TagResource", "UntagResource"})
"""What the policy that ships lets the function do to groups that are there."""
DELETES = {"lifecycle.when_function_is_deleted": "delete"}
AT_ONCE = DELETES | {"lifecycle.orphan_grace_days": 0}


def groups(functions: Mapping[str, Mapping[str, object]]) -> Callable[[Deployment], object]:
    """Create functions; seen are the names of the groups that they have got."""

    def see(deployment: Deployment) -> object:
        for name, request in functions.items():
            deployment.create_function(name, **request)
        return set[str]().union(*(deployment.groups(name) for name in functions))

    return see


def tags(name: str, tags: Mapping[str, str]) -> Callable[[Deployment], object]:
    """Create a function with tags; seen are those of its group."""

    def see(deployment: Deployment) -> object:
        return deployment.tags(f"aws-lambda-{deployment.create_function(name, Tags=tags)}")

    return see


def profiling(deployment: Deployment) -> object:
    """Create a function; seen is whether agents may profile."""
    name = deployment.create_function("profiled")
    found = deployment.account.profiler.describe_profiling_group(profilingGroupName=f"aws-lambda-{name}")
    return found["profilingGroup"]["agentOrchestrationConfig"]["profilingEnabled"]


def agents(deployment: Deployment) -> object:
    """Create a function whose group is there and allows another role; seen are the roles that it allows."""
    profiler, other = deployment.account.profiler, deployment.account.role("other")
    profiler.create_profiling_group(
        profilingGroupName="aws-lambda-granted", computePlatform="AWSLambda", clientToken="agent"
    )
    profiler.put_permission(profilingGroupName="aws-lambda-granted", actionGroup="agentPermissions", principals=[other])
    deployment.create_function("granted")
    return deployment.agents("aws-lambda-granted")


def after_tagging(deployment: Deployment) -> object:
    """Create a function, tag and untag it; seen are the tags of its group."""
    deployment.create_function("tagged", Tags={"team": "shop", "cost-center": "4711"})
    deployment.tag("tagged", team="fulfilment", stage="live")
    deployment.untag("tagged", "cost-center")
    return deployment.tags("aws-lambda-tagged")


def after_opting_in(deployment: Deployment) -> object:
    """Create a function, tag it as required, and take the tag off again; seen are its groups after each."""
    deployment.create_function("latecomer")
    seen = [deployment.groups("latecomer")]
    deployment.tag("latecomer", profile="yes")
    seen.append(deployment.groups("latecomer"))
    deployment.untag("latecomer", "profile")
    return [*seen, deployment.groups("latecomer")]


def after_untagging(deployment: Deployment) -> object:
    """Create a function and take a tag off it; seen are those of its group."""
    deployment.create_function("untagged", Tags={"profile": "yes", "team": "shop"})
    deployment.untag("untagged", "team")
    seen = deployment.tags("aws-lambda-untagged")
    # Other cases create it, too.
    deployment.delete_function("untagged")
    deployment.account.profiler.delete_profiling_group(profilingGroupName="aws-lambda-untagged")
    return seen


def after_a_new_runtime(deployment: Deployment) -> object:
    """Create a function under a runtime that cannot be profiled, then give it one that can; seen are its groups."""
    deployment.create_function("moved", Runtime="nodejs22.x")
    deployment.account.awslambda.update_function_configuration(FunctionName="moved", Runtime="python3.13")
    deployment.sandbox.wait_until_idle()
    return deployment.groups("moved")


def after_deletion(name: str) -> Callable[[Deployment], object]:
    """Create and delete a function; seen are its groups, and its groups and outcome after a backfill."""

    def see(deployment: Deployment) -> object:
        deployment.create_function(name)
        deployment.delete_function(name)
        seen = deployment.groups(name)
        run = deployment.backfill()
        return seen, deployment.groups(name), outcome(run, name)

    return see


def after_mass_deletion(deployment: Deployment) -> object:
    """Create and delete three functions, and no others; seen are how many groups are left, and a backfill's counts."""
    deployment.empty()
    for group in deployment.groups(""):
        deployment.account.profiler.delete_profiling_group(profilingGroupName=group)
    for number in range(3):
        deployment.create_function(f"mass-{number}")
        deployment.delete_function(f"mass-{number}")
    run = deployment.backfill()
    return len(deployment.groups("mass-")), run["counts"]["deleted"], run["counts"].get("orphaned", 0)


def after_finding(name: str, tags: Mapping[str, str]) -> Callable[[Deployment], object]:
    """Create a group as another owner would, and then its function; seen are the group's tags, and the outcomes."""

    def see(deployment: Deployment) -> object:
        deployment.make_group(f"aws-lambda-{name}", tags=dict(tags))
        deployment.create_function(name, Tags={"team": "shop"})
        return deployment.tags(f"aws-lambda-{name}"), deployment.outcomes(name)

    return see


def after_a_change_elsewhere(deployment: Deployment) -> object:
    """Create, change and delete a function; seen are its outcomes by events, and its groups after a backfill."""
    deployment.create_function("elsewhere")
    deployment.account.awslambda.update_function_configuration(FunctionName="elsewhere", MemorySize=256)
    deployment.sandbox.wait_until_idle()
    deployment.delete_function("elsewhere")
    deployment.backfill()
    return deployment.outcomes("elsewhere"), deployment.groups("elsewhere")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A key of the policy and what it does.

    Attributes:
        key: The key.
        value: What it is changed to.
        see: What is done, returning what is to be seen afterwards.
        before: What is seen without the change.
        after: What is seen with it.
        beside: Keys without which this one has no meaning; they are changed before, too.
        events: What the rule listens to, with the change.
        allowed: What the role allows to be done to groups, with the change.
        reach: Which groups it reaches, with the change.
    """

    key: str
    value: object
    see: Callable[[Deployment], object]
    before: object
    after: object
    beside: Mapping[str, object] = field(default_factory=dict)
    events: frozenset[str] = frozenset({CREATE, TAG, UNTAG})
    allowed: frozenset[str] = ALLOWED
    reach: str = "aws-lambda-*"


CASES = (
    Case(
        key="functions.names.include",
        value=["*-api"],
        see=groups({"included-api": {}, "included-worker": {}}),
        before={"aws-lambda-included-api", "aws-lambda-included-worker"},
        after={"aws-lambda-included-api"},
    ),
    Case(
        key="functions.names.exclude",
        value=["*-[w-z]orker"],
        see=groups({"excluded-api": {}, "excluded-worker": {}}),
        before={"aws-lambda-excluded-api", "aws-lambda-excluded-worker"},
        after={"aws-lambda-excluded-api"},
    ),
    Case(
        key="functions.runtimes.include",
        value=["java*"],
        see=groups({"only-java": {"Runtime": "java21"}, "only-python": {}}),
        before={"aws-lambda-only-java", "aws-lambda-only-python"},
        after={"aws-lambda-only-java"},
    ),
    Case(
        key="functions.runtimes.exclude",
        value=["python3.9"],
        see=groups({"runtime-new": {}, "runtime-old": {"Runtime": "python3.9"}}),
        before={"aws-lambda-runtime-new", "aws-lambda-runtime-old"},
        after={"aws-lambda-runtime-new"},
    ),
    Case(
        key="functions.images",
        value="skip",
        see=groups({"packed-zip": {}, "packed-image": IMAGE}),
        before={"aws-lambda-packed-zip", "aws-lambda-packed-image"},
        after={"aws-lambda-packed-zip"},
    ),
    Case(
        key="functions.architectures",
        value=["x86_64"],
        see=groups({"built-x86": {"Architectures": ["x86_64"]}, "built-arm": {"Architectures": ["arm64"]}}),
        before={"aws-lambda-built-x86", "aws-lambda-built-arm"},
        after={"aws-lambda-built-x86"},
    ),
    Case(
        key="functions.tags.require",
        value={"stage": ["live", "canary*"], "profile": "y*"},
        see=groups(
            {
                "required-both": {"Tags": {"stage": "canary-2", "profile": "yes"}},
                "required-one": {"Tags": {"stage": "live"}},
                "required-other": {"Tags": {"stage": "test", "profile": "yes"}},
            }
        ),
        before={"aws-lambda-required-both", "aws-lambda-required-one", "aws-lambda-required-other"},
        after={"aws-lambda-required-both"},
    ),
    Case(
        key="functions.tags.require",
        value={"profile": "yes"},
        see=after_opting_in,
        before=[{"aws-lambda-latecomer"}] * 3,
        after=[set(), {"aws-lambda-latecomer"}, {"aws-lambda-latecomer"}],
    ),
    Case(
        key="functions.tags.opt_out",
        value={"profiling": "never"},
        see=groups(
            {
                "opted-new": {"Tags": {"profiling": "Never"}},
                "opted-old": {"Tags": {"codeguru-profiler": "off"}},
            }
        ),
        before={"aws-lambda-opted-new"},
        after={"aws-lambda-opted-old"},
    ),
    Case(
        key="group.name",
        value="prof-{tag:team}-{function_name}",
        see=groups({"named-by-team": {"Tags": {"team": "shop & co"}}, "named-without-team": {}}),
        before={"aws-lambda-named-by-team", "aws-lambda-named-without-team"},
        after={"prof-shop___co-named-by-team", "prof-untagged-named-without-team"},
        reach="prof-*",
    ),
    Case(
        key="group.name",
        value="{account}_{region}_{function_name}",
        see=groups({"named-by-place": {}}),
        before={"aws-lambda-named-by-place"},
        after={f"{ACCOUNT}_{REGION}_named-by-place"},
        reach=f"{ACCOUNT}_{REGION}_*",
    ),
    Case(
        key="group.name",
        value="{runtime}-{function_name}",
        see=groups({"named-by-runtime": {}, "named-image": IMAGE}),
        before={"aws-lambda-named-by-runtime", "aws-lambda-named-image"},
        after={"python3_13-named-by-runtime", "image-named-image"},
        reach="*",
    ),
    Case(
        key="group.name",
        value="prof-{function_name}",
        # Its agent would not look for a group of this name by itself.
        see=groups(
            {
                "named-as-told": {
                    "Environment": {"Variables": {"AWS_CODEGURU_PROFILER_GROUP_NAME": "prof-named-as-told"}}
                }
            }
        ),
        before=set(),
        after={"prof-named-as-told"},
        reach="prof-*",
    ),
    Case(key="group.profiling_enabled", value=False, see=profiling, before=True, after=False),
    Case(
        key="group.grant_agent",
        value=True,
        see=agents,
        before=["other"],
        after=["other", "function"],
        allowed=ALLOWED | {"GetPolicy", "PutPermission"},
    ),
    Case(
        key="tags.inherit.include",
        value=["team", "cost-*"],
        see=tags("inherits-some", {"team": "shop", "cost-center": "4711", "contact": "somebody"}),
        before={"team": "shop", "cost-center": "4711", "contact": "somebody"} | created_for("inherits-some"),
        after={"team": "shop", "cost-center": "4711"} | created_for("inherits-some"),
    ),
    Case(
        key="tags.inherit.include",
        value=[],
        see=after_untagging,
        before={"profile": "yes"} | created_for("untagged"),
        after=created_for("untagged"),
        allowed=ALLOWED - {"UntagResource"},
    ),
    Case(
        key="tags.inherit.exclude",
        value=["contact*"],
        see=tags("inherits-others", {"team": "shop", "contact": "somebody"}),
        before={"team": "shop", "contact": "somebody"} | created_for("inherits-others"),
        after={"team": "shop"} | created_for("inherits-others"),
    ),
    Case(
        key="tags.add",
        value={"managed-by": "platform", "owner": "platform"},
        see=tags("added-to", {"owner": "shop"}),
        before=created_for("added-to") | {"owner": "shop"},
        after=created_for("added-to") | {"owner": "shop", "managed-by": "platform"},
    ),
    Case(
        key="lifecycle.keep_tags_in_step",
        value=False,
        see=after_tagging,
        before={"team": "fulfilment", "stage": "live"} | created_for("tagged"),
        after={"team": "shop", "cost-center": "4711"} | created_for("tagged"),
        events=frozenset({CREATE}),
        allowed=ALLOWED - {"UntagResource"},
    ),
    Case(
        key="lifecycle.keep_tags_in_step",
        value=False,
        # Tags decide who gets a group, so that there is much to listen to, and yet no tag to take off.
        beside={"functions.tags.require": {"profile": "*"}},
        see=after_untagging,
        before={"profile": "yes"} | created_for("untagged"),
        after={"profile": "yes", "team": "shop"} | created_for("untagged"),
        allowed=ALLOWED - {"UntagResource"},
    ),
    Case(
        key="lifecycle.follow_configuration",
        value=True,
        see=after_a_new_runtime,
        before=set(),
        after={"aws-lambda-moved"},
        events=frozenset({CREATE, TAG, UNTAG, CONFIGURE}),
    ),
    Case(
        key="lifecycle.adopt_existing_groups",
        value="none",
        see=after_finding("found-untagged", {}),
        before=({"team": "shop"} | adopted_for("found-untagged"), [("updated", None)]),
        after=({}, [("exists", "owned_elsewhere")]),
    ),
    Case(
        key="lifecycle.adopt_existing_groups",
        value="all",
        see=after_finding("found-tagged", {"team": "infra", "contact": "infra"}),
        before=({"team": "infra", "contact": "infra"}, [("exists", "owned_elsewhere")]),
        after=({"team": "shop", "contact": "infra"} | adopted_for("found-tagged"), [("updated", None)]),
    ),
    Case(
        key="lifecycle.when_function_is_deleted",
        value="delete",
        see=after_deletion("short-lived"),
        before=({"aws-lambda-short-lived"}, {"aws-lambda-short-lived"}, None),
        after=({"aws-lambda-short-lived"}, {"aws-lambda-short-lived"}, ("orphaned", "function_gone")),
        allowed=ALLOWED | {"DeleteProfilingGroup"},
    ),
    Case(
        key="lifecycle.orphan_grace_days",
        value=0,
        see=after_deletion("ungraced"),
        beside=DELETES,
        before=({"aws-lambda-ungraced"}, {"aws-lambda-ungraced"}, ("orphaned", "function_gone")),
        after=({"aws-lambda-ungraced"}, set(), ("deleted", "function_gone")),
        allowed=ALLOWED | {"DeleteProfilingGroup"},
    ),
    Case(
        key="lifecycle.max_deletions",
        value=2,
        see=after_mass_deletion,
        beside=AT_ONCE,
        before=(0, 3, 0),
        after=(1, 2, 1),
        allowed=ALLOWED | {"DeleteProfilingGroup"},
    ),
    Case(
        key="organization.accounts.include",
        value=["9*"],
        see=groups({"account-left-out": {}}),
        before={"aws-lambda-account-left-out"},
        after=set(),
    ),
    Case(
        key="organization.accounts.exclude",
        value=[ACCOUNT],
        see=groups({"account-excluded": {}}),
        before={"aws-lambda-account-excluded"},
        after=set(),
    ),
    Case(
        key="organization.regions.include",
        value=["us-*"],
        see=groups({"region-left-out": {}}),
        before={"aws-lambda-region-left-out"},
        after=set(),
    ),
    Case(
        key="organization.regions.exclude",
        value=[REGION],
        see=groups({"region-excluded": {}}),
        before={"aws-lambda-region-excluded"},
        after=set(),
    ),
    Case(
        key="overrides",
        value=[
            {"match": {"accounts": [ACCOUNT]}, "functions": {"images": "skip", "names": {"exclude": ["*-b"]}}},
            {"match": {"regions": [REGION]}, "functions": {"images": "include"}},
            {"match": {"accounts": ["9*"], "regions": [REGION]}, "functions": {"names": {"exclude": ["*"]}}},
            {"match": {"regions": ["us-*"]}, "functions": {"names": {"exclude": ["*"]}}},
        ],
        see=groups({"override-a": {}, "override-b": {}, "override-image": IMAGE}),
        before={"aws-lambda-override-a", "aws-lambda-override-b", "aws-lambda-override-image"},
        after={"aws-lambda-override-a", "aws-lambda-override-image"},
    ),
    Case(
        key="overrides",
        # What another place asks for is listened to and allowed here, too, and not done.
        value=[
            {
                "match": {"regions": ["us-*"]},
                "lifecycle": {
                    "follow_configuration": True,
                    "when_function_is_deleted": "delete",
                    "orphan_grace_days": 0,
                },
                "group": {"name": "{function_name}", "grant_agent": True},
            },
        ],
        see=after_a_change_elsewhere,
        before=([("created", None)], {"aws-lambda-elsewhere"}),
        after=([("created", None), ("skipped", "not_a_trigger")], {"aws-lambda-elsewhere"}),
        events=frozenset({CREATE, TAG, UNTAG, CONFIGURE}),
        allowed=ALLOWED | {"DeleteProfilingGroup", "GetPolicy", "PutPermission"},
        reach="*",
    ),
    Case(
        key="overrides",
        value=[
            {
                "match": {"accounts": [ACCOUNT], "regions": ["eu-*"]},
                "lifecycle": {"when_function_is_deleted": "delete", "orphan_grace_days": 0},
            },
        ],
        see=after_deletion("only-here"),
        before=({"aws-lambda-only-here"}, {"aws-lambda-only-here"}, None),
        after=({"aws-lambda-only-here"}, set(), ("deleted", "function_gone")),
        allowed=ALLOWED | {"DeleteProfilingGroup"},
    ),
)
IN_AN_ORGANIZATION = {
    "organization.ous.include": "test_organization.py",
    "organization.ous.exclude": "test_organization.py",
    "match.ous": "test_organization.py",
}
"""Keys that no deployment in one account can obey, and where they are tried."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.key}={json.dumps(case.value)}")
def test_a_key_of_the_policy_file_decides_what_happens(case: Case, deployment: Deployment, governed: Governed) -> None:
    """One key changed, the rest as it ships: other groups, and just what that takes is listened to and allowed."""
    before = governed.obey(case.beside) if case.beside else deployment
    assert case.see(before) == case.before
    after = governed.obey({**case.beside, case.key: case.value})
    assert case.see(after) == case.after
    assert after.letters() == []
    assert after.event_names() == case.events
    on_groups = {action: resource for action, resource in after.allowed().items() if "profilingGroup/" in resource}
    assert on_groups.keys() == {f"codeguru-profiler:{action}" for action in case.allowed}
    assert {str(resource).rpartition("/")[2] for resource in on_groups.values()} == {case.reach}


def test_every_key_of_the_policy_has_its_case() -> None:
    """But the version of the file's form, of which there is one; and what only an organization knows."""
    assert {case.key for case in CASES} == set(keys(Policy())) - {"version", *IN_AN_ORGANIZATION}
    overrides = [case.value for case in CASES if case.key == "overrides"]
    matched = {name for value in overrides if isinstance(value, list) for each in value for name in each["match"]}
    assert {each.name for each in fields(Match)} == matched | {"ous"}


@pytest.mark.xfail(not (HERE / "test_organization.py").exists(), reason="no organization is deployed in tests yet")
@pytest.mark.parametrize(("key", "file"), IN_AN_ORGANIZATION.items())
def test_what_only_an_organization_knows_is_tried_there(key: str, file: str) -> None:
    """The case of a key names it."""
    assert key in (HERE / file).read_text()


def keys(section: object, *above: str) -> Iterator[str]:
    """Yield the keys of a section of the policy, and those of the sections in it."""
    assert is_dataclass(section)
    for each in fields(section):
        value = getattr(section, each.name)
        if is_dataclass(value):
            yield from keys(value, *above, each.name)
        else:
            yield ".".join((*above, each.name))


def test_a_group_keeps_in_step_with_its_functions_tags(deployment: Deployment) -> None:
    """A new value, a new key, a key that goes; what only the group has is somebody's own, and what we add stays."""
    name = deployment.create_function(Tags={"team": "shop", "cost-center": "4711", "managed-by": "terraform"})
    group = f"aws-lambda-{name}"
    own = {"team": "shop", "cost-center": "4711", "managed-by": "terraform"}
    assert deployment.tags(group) == created_for(name) | own
    arn = deployment.account.profiler.describe_profiling_group(profilingGroupName=group)["profilingGroup"]["arn"]
    deployment.account.profiler.tag_resource(resourceArn=arn, tags={"reviewed": "yes"})
    deployment.tag(name, team="fulfilment", stage="live")
    deployment.untag(name, "cost-center", "managed-by", "reviewed-not")
    assert deployment.tags(group) == {"team": "fulfilment", "stage": "live", "reviewed": "yes"} | created_for(name)
    assert deployment.outcomes(name) == [("created", None), ("updated", None), ("updated", None)]


def test_tagging_a_function_that_should_have_a_group_and_has_none_creates_it(deployment: Deployment) -> None:
    """It was there before the stack; any event of it will do."""
    name = deployment.hold_function(f"held-{uuid4().hex[:8]}", Tags={"team": "shop"})
    deployment.untag(name, "team")
    assert deployment.tags(f"aws-lambda-{name}") == created_for(name)
    assert deployment.outcomes(name) == [("created", None)]


def test_an_event_that_comes_late_changes_nothing(deployment: Deployment) -> None:
    """The tag was taken off and put on again; the first of these is delivered once more."""
    name = deployment.create_function(Tags={"team": "shop"})
    deployment.untag(name, "team")
    deployment.tag(name, team="fulfilment")
    late = json.loads(json.dumps(record("untag-resource")).replace("invoice-renderer", name))
    deliver(deployment, late)
    assert deployment.outcomes(name)[-1] == ("exists", None)
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "fulfilment"} | created_for(name)


def test_opting_out_leaves_the_group_and_opting_in_takes_it_up_again(deployment: Deployment) -> None:
    """While it is out, its tags are its own affair."""
    name = deployment.create_function(Tags={"team": "shop"})
    deployment.tag(name, **{"codeguru-profiler": "Off"})
    deployment.tag(name, team="fulfilment")
    assert deployment.outcomes(name)[1:] == [("skipped", "opted_out")] * 2
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "shop"} | created_for(name)
    deployment.untag(name, "codeguru-profiler")
    assert deployment.outcomes(name)[3:] == [("updated", None)]
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "fulfilment"} | created_for(name)


def test_a_group_outlives_its_function_and_serves_the_next_of_that_name(deployment: Deployment) -> None:
    """The deletion is not even heard of."""
    name = deployment.create_function(Tags={"team": "shop"})
    deployment.delete_function(name)
    assert deployment.outcomes(name) == [("created", None)]
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "shop"} | created_for(name)
    deployment.create_function(name, Tags={"team": "fulfilment"})
    assert deployment.outcomes(name)[1:] == [("updated", None)]
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "fulfilment"} | created_for(name)


def test_what_a_policy_does_not_ask_for_is_neither_listened_to_nor_allowed(deployment: Deployment) -> None:
    """The one that ships asks neither for deletions nor for permissions, nor hears of configuration and deletions."""
    assert deployment.event_names() == {CREATE, TAG, UNTAG}
    on_groups = {
        action.partition(":")[2] for action, resource in deployment.allowed().items() if "profilingGroup/" in resource
    }
    assert on_groups == ALLOWED


@pytest.mark.parametrize("resource", ["event-source-mapping:c3a2a9a4", "code-signing-config:csc-0f6c4a4e9d0b2f3f0"])
@pytest.mark.parametrize("name", ["tag-resource", "untag-resource"])
def test_tags_of_what_is_no_function_pass_the_rule_and_are_skipped_without_a_call(
    deployment: Deployment, name: str, resource: str
) -> None:
    """Lambda's TagResource and UntagResource take other resources, too; a rule cannot tell them apart by name."""
    event = record(name)
    event["requestParameters"]["resource"] = f"arn:aws:lambda:{REGION}:{ACCOUNT}:{resource}"
    before = max(call["seq"] for call in deployment.sandbox.calls())
    result = deliver(deployment, event)
    assert (result["action"], result["reason"], result["function"]) == ("skipped", "not_a_trigger", None)
    services = {call["service"] for call in deployment.sandbox.calls(since=before)}
    assert "codeguruprofiler" not in services


def deliver(deployment: Deployment, event: Json) -> Json:
    """Put a CloudTrail record on the bus and return what the function has made of it."""
    event |= {"eventID": str(uuid4())}
    (delivery,) = deployment.sandbox.put_cloudtrail(event)
    assert delivery["matched_rules"] != []
    deployment.sandbox.wait_until_idle()
    found: Json
    (found,) = (
        each["result"]
        for each in deployment.sandbox.invocations()
        if each["payload"]["detail"]["eventID"] == event["eventID"]
    )
    return found
