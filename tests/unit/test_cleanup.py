"""Groups that no function needs: which of them a backfill deletes, and what keeps each of the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from embedded_aws.moto_services.codeguruprofiler.models import ComputePlatform, codeguruprofiler_backends
from profiling_groups import groups, inventory
from profiling_groups.functions import FunctionArn
from profiling_groups.outcomes import Action
from profiling_groups.policy import (
    Architecture,
    Functions,
    FunctionTags,
    Globs,
    GroupSettings,
    Images,
    Lifecycle,
    Policy,
    WhenDeleted,
)
from tests.unit.account import ACCOUNT, REGION
from tests.unit.marks import adopted_for, created_for
from tests.unit.sweeping import holds_together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_codeguruprofiler.literals import ComputePlatformType
    from mypy_boto3_codeguruprofiler.type_defs import ProfilingGroupDescriptionTypeDef

    from tests.unit.account import Account
    from tests.unit.sweeping import Sweeper

F = "aws-lambda-f"
MARK = "profiling-group-provisioner:created-for"
GROUPS = f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup"
BY_NAME, BY_ARN = "AWS_CODEGURU_PROFILER_GROUP_NAME", "AWS_CODEGURU_PROFILER_GROUP_ARN"
DENIED = (403, "AccessDeniedException")
MISSING = (404, "ResourceNotFoundException")
IN = {"profile": "yes"}
OUT = IN | {"codeguru-profiler": "off"}
BEYOND = timedelta(days=31)


def deleting(
    *, days: int = 0, most: int = 50, name: str = "aws-lambda-{function_name}", functions: Functions | None = None
) -> Policy:
    """Return a policy that deletes; it requires a tag unless it is given other functions."""
    lifecycle = Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=days, max_deletions=most)
    required = Functions(tags=FunctionTags(require={"profile": ("yes",)}))
    return Policy(functions=functions or required, group=GroupSettings(name=name), lifecycle=lifecycle)


AT_ONCE = deleting()
ANY = Functions()
KEEPING = replace(AT_ONCE, lifecycle=Lifecycle())
COMMAND = "aws codeguruprofiler delete-profiling-group --profiling-group-name {} --region eu-west-1"
GONE, OPTED_OUT, EXCLUDED = "function_gone", "opted_out", "excluded_by_policy"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An account with one group, and what a backfill makes of it.

    Attributes:
        said: The outcomes by function; by group, for one that is superseded.
        group: Name of the group.
        tags: Its tags.
        platform: Its compute platform.
        functions: The functions that exist, each with what it is like.
        policy: The policy.
        kept: What the detail says about why the group is kept; None if it is deleted, or nothing is said about it.
        about: The outcome whose detail says so.
    """

    said: Mapping[str, str]
    group: str = F
    tags: Mapping[str, str] = field(default_factory=lambda: created_for("f"))
    platform: ComputePlatformType = "AWSLambda"
    functions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policy: Policy = AT_ONCE
    kept: str | None = None
    about: str = "f"

    @property
    def is_deleted(self) -> bool:
        """Whether the group is deleted."""
        return any(word.startswith("deleted") for word in self.said.values())


def naming(variables: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return a function `g` with these variables."""
    return {"g": {"tags": IN, "variables": variables}}


CASES = {
    # deleted
    "function gone": Case(said={"f": f"deleted {GONE}"}),
    "function opted out": Case(said={"f": f"deleted {OPTED_OUT}"}, functions={"f": {"tags": OUT}}),
    "required tag missing": Case(said={"f": f"deleted {EXCLUDED}"}, functions={"f": {}}),
    "required tag with another value": Case(
        said={"f": f"deleted {EXCLUDED}"}, functions={"f": {"tags": {"profile": "no"}}}
    ),
    "opted out, and names its own default group": Case(
        said={"f": f"deleted {OPTED_OUT}"}, functions={"f": {"tags": OUT, "variables": {BY_NAME: F}}}
    ),
    "created for a function of another group name": Case(
        said={"f": f"deleted {GONE}"}, group="aws-lambda-x", tags=created_for("f")
    ),
    # the function
    "function needs it": Case(said={"f": "updated"}, functions={"f": {"tags": IN}}),
    "function excluded by name": Case(
        said={"f": f"skipped {EXCLUDED}"},
        functions={"f": {"tags": IN}},
        policy=deleting(functions=Functions(names=Globs(exclude=("f",)))),
    ),
    "function gone, its name excluded": Case(
        said={"f": f"orphaned {GONE}"},
        policy=deleting(functions=Functions(names=Globs(exclude=("f",)))),
        kept="named f (functions.names.exclude)",
    ),
    "function of another runtime": Case(
        said={"f": "skipped unsupported_runtime"}, functions={"f": {"tags": OUT, "runtime": "nodejs22.x"}}
    ),
    "function is an image": Case(
        said={"f": f"skipped {EXCLUDED}"},
        functions={"f": {"tags": OUT, "runtime": None}},
        policy=deleting(functions=Functions(images=Images.SKIP)),
    ),
    "function of another architecture": Case(
        said={"f": f"skipped {EXCLUDED}"},
        functions={"f": {"tags": OUT, "architecture": "arm64"}},
        policy=deleting(functions=Functions(architectures=(Architecture.X86_64,))),
    ),
    "function names another group": Case(
        said={"f": "skipped own_group"}, functions={"f": {"tags": OUT, "variables": {BY_NAME: "x"}}}
    ),
    "function reports to another region": Case(
        said={"f": "skipped reports_to_other_region"},
        functions={"f": {"tags": OUT, "variables": {"AWS_CODEGURU_PROFILER_TARGET_REGION": "us-east-1"}}},
    ),
    "superseded": Case(
        said={"f": "created", "/red-f": "orphaned superseded"},
        group="red-f",
        functions={"f": {"tags": {"team": "blue"}}},
        policy=deleting(name="{tag:team}-{function_name}", functions=ANY),
        kept=f"its function's group is blue-f now; to delete it: {COMMAND.format('red-f')}",
        about="/red-f",
    ),
    "superseded, and of an opted-out function": Case(
        said={"f": "skipped opted_out", "/red-f": "orphaned superseded"},
        group="red-f",
        functions={"f": {"tags": {"team": "blue", "codeguru-profiler": "off"}}},
        policy=deleting(name="{tag:team}-{function_name}", functions=ANY),
        kept="its function's group is blue-f now",
        about="/red-f",
    ),
    "superseded, and needed by another function": Case(
        said={"f": "created", "/red-f": "orphaned superseded", "g": "skipped own_group"},
        group="red-f",
        functions={"f": {"tags": {"team": "blue"}}, "g": {"variables": {BY_NAME: "red-f"}}},
        policy=deleting(name="{tag:team}-{function_name}", functions=ANY),
        kept="its function's group is blue-f now; the function g needs this one",
        about="/red-f",
    ),
    # another function
    "named by another function": Case(
        said={"f": f"orphaned {GONE}", "g": "skipped own_group"},
        functions=naming({BY_NAME: F}),
        kept="the function g needs it",
    ),
    "named by another function, by ARN": Case(
        said={"f": f"orphaned {GONE}", "g": "skipped own_group"},
        functions=naming({BY_ARN: f"{GROUPS}/{F}"}),
        kept="the function g needs it",
    ),
    "named by another function, beside an ARN": Case(
        said={"f": f"orphaned {GONE}", "g": "skipped own_group"},
        functions=naming({BY_ARN: f"{GROUPS}/x", BY_NAME: F}),
        kept="the function g needs it",
    ),
    "named by an ARN, beside a name": Case(
        said={"f": f"orphaned {GONE}", "g": "skipped own_group"},
        functions=naming({BY_ARN: f"{GROUPS}/{F}", BY_NAME: "x"}),
        kept="the function g needs it",
    ),
    "named by a function that gets no group": Case(
        said={"f": f"orphaned {GONE}", "g": "skipped unsupported_runtime"},
        functions={"g": {"runtime": "nodejs22.x", "variables": {BY_NAME: F}}},
        kept="the function g needs it",
    ),
    "opted out, and named by another function": Case(
        said={"f": f"orphaned {OPTED_OUT}", "g": "skipped own_group"},
        functions={"f": {"tags": OUT}, **naming({BY_NAME: F})},
        kept="the function g needs it",
    ),
    "another function's by the policy": Case(
        said={"f": f"orphaned {GONE}", "g": "exists owned_elsewhere"},
        group="p-g",
        functions={"g": {"tags": IN}},
        policy=deleting(name="p-{function_name}"),
        kept="the function g needs it",
    ),
    "another function's default": Case(
        said={"f": f"orphaned {GONE}", "g": "created"},
        group="aws-lambda-g",
        functions={"g": {"tags": IN}},
        policy=deleting(name="{runtime}-{function_name}"),
        kept="the function g needs it",
    ),
    # whose it is
    "no mark": Case(said={}, tags={"managed-by": "profiling-group-provisioner"}),
    "no tags": Case(said={}, tags={}),
    "CloudFormation's": Case(said={}, tags=created_for("f") | {"aws:cloudformation:stack-name": "s"}),
    "not for Lambda": Case(said={}, platform="Default"),
    "mark of another account": Case(said={}, tags={MARK: f"arn:aws:lambda:{REGION}:210987654321:function:f"}),
    "mark of another region": Case(said={}, tags={MARK: f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"}),
    "mark of another partition": Case(said={}, tags={MARK: f"arn:aws-cn:lambda:{REGION}:{ACCOUNT}:function:f"}),
    "mark of a version": Case(said={}, tags={MARK: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f:1"}),
    "mark of another function": Case(
        said={"f": f"skipped {OPTED_OUT}", "g": "created", "/aws-lambda-f": "orphaned superseded"},
        tags=created_for("g"),
        functions={"f": {"tags": OUT}, "g": {"tags": IN}},
        kept="the function f needs this one",
        about="/aws-lambda-f",
    ),
    "adopted, function gone": Case(
        said={"f": f"orphaned {GONE}"},
        tags=adopted_for("f"),
        kept=f"it was adopted, and only its owner deletes it: {COMMAND.format(F)}",
    ),
    "adopted, function opted out": Case(
        said={"f": f"orphaned {OPTED_OUT}"},
        tags=adopted_for("f"),
        functions={"f": {"tags": OUT}},
        kept="it was adopted, and only its owner deletes it",
    ),
    "adopted and created": Case(
        said={"f": f"orphaned {GONE}"},
        tags=created_for("f") | adopted_for("f"),
        kept="it was adopted, and only its owner",
    ),
    # policy
    "policy keeps, function gone": Case(said={}, policy=KEEPING),
    "policy keeps, function opted out": Case(
        said={"f": f"skipped {OPTED_OUT}"},
        functions={"f": {"tags": OUT}},
        policy=KEEPING,
        kept="its group is kept (lifecycle.when_function_is_deleted)",
    ),
    "within the grace": Case(said={"f": f"orphaned {GONE}"}, policy=deleting(days=30), kept="it is kept until "),
    "no deletions allowed": Case(
        said={"f": f"orphaned {GONE}"},
        policy=deleting(most=0),
        kept="one backfill deletes 0 groups at most (lifecycle.max_deletions)",
    ),
    "outside the prefix that IAM allows": Case(
        said={"f": f"orphaned {GONE}"},
        group="profiles-f",
        kept="IAM allows to delete groups only if their names begin with aws-lambda- (group.name)",
    ),
}


def fill(account: Account, case: Case) -> None:
    """Create the functions and the group."""
    for name, kind in case.functions.items():
        account.function(name, **kind)
    account.make_group(case.group, tags=case.tags, platform=case.platform)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_group_is_deleted_only_if_it_is_ours_and_not_needed(sweeper: Sweeper, case: Case) -> None:
    """A dry run says the same beforehand, and writes nothing; for a group that is kept no function is read."""
    fill(sweeper.account, case)
    dry = sweeper.sweep(case.policy, dry_run=True)
    assert (dry.words(), dry.writes()) == (case.said, 0)
    swept = sweeper.sweep(case.policy)
    assert swept.words() == case.said
    assert (case.group in sweeper.groups()) is not case.is_deleted
    assert swept.sent["DeleteProfilingGroup"] == case.is_deleted
    assert swept.sent["GetFunctionConfiguration"] == case.is_deleted
    if case.kept:
        assert case.kept in dry.detail(case.about)
        assert case.kept in swept.detail(case.about)
    again = sweeper.sweep(case.policy)
    assert (again.writes(), again.run.counts.get(Action.DELETED)) == (0, None)


# What was listed, and what is so


def omit(name: str) -> Callable[[Any], None]:
    """Return what takes a function out of a listing."""

    def change(parsed: Any) -> None:  # noqa: ANN401 - an answer
        parsed["Functions"] = [each for each in parsed["Functions"] if each["FunctionName"] != name]

    return change


def list_tags(function: str, tags: Mapping[str, str]) -> Callable[[Any], None]:
    """Return what lets the bulk listing have other tags of a function than it has."""

    def change(parsed: Any) -> None:  # noqa: ANN401 - an answer
        others = [each for each in parsed["ResourceTagMappingList"] if not each["ResourceARN"].endswith(f":{function}")]
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
        parsed["ResourceTagMappingList"] = [*others, {"ResourceARN": arn, "Tags": listed}]

    return change


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (IN, "updated"),
        # A fresh ListTags shows it.
        (OUT, f"deleted {OPTED_OUT}"),
        ({}, f"deleted {EXCLUDED}"),
    ],
    ids=["needs it", "opted out", "required tag missing"],
)
def test_a_function_that_no_listing_shows_is_read_before_its_group_is_deleted(
    sweeper: Sweeper, tags: dict[str, str], said: str
) -> None:
    """It was created since, or the listing was wrong."""
    sweeper.account.function("f", tags=tags)
    sweeper.account.make_group(F, tags=created_for("f"))
    sweeper.garble("ListFunctions", omit("f"))
    swept = sweeper.sweep(AT_ONCE)
    assert swept.words() == {"f": said}
    assert sweeper.groups() == ({F: created_for("f", **tags)} if said == "updated" else {})


def test_a_function_that_no_listing_shows_and_the_policy_excludes_keeps_its_group(sweeper: Sweeper) -> None:
    """It has another runtime by now."""
    sweeper.account.function("f", tags=OUT, runtime="nodejs22.x")
    sweeper.account.make_group(F, tags=created_for("f"))
    sweeper.garble("ListFunctions", omit("f"))
    assert sweeper.sweep(AT_ONCE).words() == {"f": "skipped unsupported_runtime"}
    assert F in sweeper.groups()


@pytest.mark.parametrize(
    ("listed", "operation"), [(True, "GetFunctionConfiguration"), (True, "ListTags"), (False, "ListTags")]
)
def test_a_single_404_deletes_no_group(sweeper: Sweeper, operation: str, *, listed: bool) -> None:
    """A function is gone only if it is not listed and its configuration cannot be found either."""
    sweeper.account.function("f", tags=OUT)
    sweeper.account.make_group(F, tags=created_for("f"))
    if not listed:
        sweeper.garble("ListFunctions", omit("f"))
    sweeper.account.fail(operation, MISSING)
    swept = sweeper.sweep(AT_ONCE)
    assert swept.words() == {"f": f"orphaned {GONE}"}
    assert "its function was seen a moment ago" in swept.detail("f")
    assert F in sweeper.groups()


@pytest.mark.parametrize(
    ("listed", "fresh", "said"),
    [
        pytest.param(OUT, IN, "updated", id="opt-out is listed, and was removed"),
        pytest.param({}, IN, "updated", id="required tag is not listed yet"),
        pytest.param({"profile": "no"}, IN, "updated", id="required tag is listed with another value"),
        pytest.param(IN, OUT, "skipped opted_out", id="opt-out is not listed yet"),
        pytest.param(IN, {}, f"skipped {EXCLUDED}", id="required tag is listed, and was removed"),
        pytest.param(OUT, {"profile": "no"}, f"deleted {EXCLUDED}", id="another reason by now"),
    ],
)
def test_fresh_tags_decide_whether_a_function_needs_its_group(
    sweeper: Sweeper, listed: dict[str, str], fresh: dict[str, str], said: str
) -> None:
    """Nothing is deleted by the bulk listing alone; what it does not show yet is deleted by the next backfill."""
    sweeper.account.function("f", tags=fresh)
    sweeper.account.make_group(F, tags=created_for("f"))
    sweeper.garble("GetResources", list_tags("f", listed))
    assert sweeper.sweep(AT_ONCE).words() == {"f": said}
    assert (F in sweeper.groups()) is not said.startswith("deleted")


def test_a_function_that_gets_another_group_name_meanwhile_keeps_its_group(sweeper: Sweeper) -> None:
    """By its fresh tags, the group that was to be deleted is another one's."""
    policy = deleting(name="{tag:team}-{function_name}", functions=ANY)
    sweeper.account.function("f", tags={"team": "blue", "codeguru-profiler": "off"})
    sweeper.account.make_group("red-f", tags=created_for("f"))
    sweeper.garble("GetResources", list_tags("f", {"team": "red", "codeguru-profiler": "off"}))
    assert sweeper.sweep(policy).words() == {"f": "skipped opted_out"}
    assert "red-f" in sweeper.groups()


def test_a_function_that_comes_back_keeps_its_group(sweeper: Sweeper) -> None:
    """It is read directly before the deletion."""
    account = sweeper.account
    account.make_group(F, tags=created_for("f"))
    account.meanwhile("GetFunctionConfiguration", lambda: account.function("f", tags=IN))
    assert sweeper.sweep(AT_ONCE).words() == {"f": "updated"}
    assert sweeper.groups() == {F: created_for("f", **IN)}


def test_a_function_that_comes_back_during_the_deletion_gets_a_group_again(sweeper: Sweeper) -> None:
    """By its event, or by the next backfill."""
    account = sweeper.account
    account.make_group(F, tags=created_for("f"))
    account.meanwhile("DeleteProfilingGroup", lambda: account.function("f", tags=IN))
    assert sweeper.sweep(AT_ONCE).words() == {"f": f"deleted {GONE}"}
    assert sweeper.sweep(AT_ONCE).words() == {"f": "created"}


# What could not be seen


def test_without_all_groups_none_is_deleted(sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though those on the first page are known."""
    monkeypatch.setattr(inventory, "_GROUPS_A_PAGE", 1)
    for name in ("f", "g"):
        sweeper.account.make_group(f"aws-lambda-{name}", tags=created_for(name))
    sweeper.account.function("h", tags=OUT)
    sweeper.account.make_group("aws-lambda-h", tags=created_for("h"))
    sweeper.account.fail("ListProfilingGroups", None, DENIED)
    swept = sweeper.sweep(AT_ONCE)
    assert swept.words() == {"f": f"orphaned {GONE}", "h": f"skipped {OPTED_OUT}"}
    assert "not all groups could be listed" in swept.detail("f")
    assert len(sweeper.groups()) == 3


def test_beside_an_environment_that_cannot_be_read_no_group_is_deleted(sweeper: Sweeper) -> None:
    """It may name any of them; here its function needs no group of its own."""

    def lock(parsed: Any) -> None:  # noqa: ANN401 - an answer
        for each in parsed["Functions"]:
            if each["FunctionName"] == "locked":
                each["Environment"] = {"Error": {"ErrorCode": "AccessDeniedException", "Message": "the key"}}

    sweeper.account.function("locked", tags=IN, runtime="nodejs22.x")
    sweeper.account.function("f", tags=OUT)
    for name in ("f", "gone"):
        sweeper.account.make_group(f"aws-lambda-{name}", tags=created_for(name))
    sweeper.garble("ListFunctions", lock)
    swept = sweeper.sweep(AT_ONCE)
    assert swept.words() == {
        "f": f"orphaned {OPTED_OUT}",
        "gone": f"orphaned {GONE}",
        "locked": "skipped unsupported_runtime",
    }
    for name in ("f", "gone"):
        assert "the environment of locked could not be read, and might name this group" in swept.detail(name)
    assert len(sweeper.groups()) == 2


@pytest.mark.parametrize(
    ("template", "group", "said"),
    [
        ("aws-lambda-{function_name}", F, f"deleted {GONE}"),
        ("{tag:team}-{function_name}", "red-f", f"orphaned {GONE}"),
    ],
)
def test_without_all_tags_no_group_whose_name_is_made_of_tags_is_deleted(
    sweeper: Sweeper, template: str, group: str, said: str
) -> None:
    """It may be the group of a function whose tags are not known, which is not superseded either."""
    sweeper.account.function("g", tags={"team": "red"})
    sweeper.account.make_group(group, tags=created_for("f"))
    sweeper.account.make_group("blue-g", tags=created_for("g"))
    sweeper.account.fail("GetResources", DENIED)
    swept = sweeper.sweep(deleting(name=template, functions=ANY))
    assert swept.words()["f"] == said
    assert (group in sweeper.groups()) is not said.startswith("deleted")
    assert "blue-g" in sweeper.groups()
    if group in sweeper.groups():
        assert "the functions' tags could not be listed" in swept.detail("f")
        assert "/blue-g" not in swept.words()


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("ListTags", {}),
        ("GetFunctionConfiguration", {}),
        ("GetFunctionConfiguration", {"FunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:g"}),
        ("DescribeProfilingGroup", {}),
        ("DescribeProfilingGroup", {"profilingGroup": {"name": F, "arn": f"{GROUPS}/{F}"}}),
        ("DescribeProfilingGroup", {"profilingGroup": {"name": "x", "computePlatform": "AWSLambda", "tags": {}}}),
    ],
    ids=str,
)
def test_an_unreadable_answer_deletes_no_group(sweeper: Sweeper, operation: str, answer: dict[str, Any]) -> None:
    """No answer without tags means a function without them."""

    def cut_off(parsed: Any) -> None:  # noqa: ANN401 - an answer
        parsed.clear()
        parsed.update(answer)

    sweeper.account.function("f", tags=OUT)
    sweeper.account.make_group(F, tags=created_for("f"))
    sweeper.garble(operation, cut_off)
    swept = sweeper.sweep(AT_ONCE)
    assert swept.words() == {"f": "failed service_error"}
    assert [each.error_code for each in swept.outcomes] == ["UnreadableAnswerError"]
    assert F in sweeper.groups()


# The group, directly before it is deleted


def change_group(**changes: object) -> None:
    """Change what the service has of the group."""
    found = codeguruprofiler_backends[ACCOUNT][REGION]._groups  # noqa: SLF001 - no call of the API changes these
    found[F] = replace(found[F], **changes)  # type: ignore[arg-type]  # any of its fields


@pytest.mark.parametrize(
    ("changes", "said", "detail"),
    [
        ({"tags": {}}, f"skipped {GONE}", "aws-lambda-f is gone, or not ours, by now"),
        ({"tags": created_for("g")}, f"skipped {GONE}", "is gone, or not ours, by now"),
        (
            {"tags": created_for("f") | {"aws:cloudformation:stack-name": "s"}},
            f"skipped {GONE}",
            "is gone, or not ours, by now",
        ),
        ({"compute_platform": ComputePlatform.DEFAULT}, f"skipped {GONE}", "is gone, or not ours, by now"),
        ({"tags": adopted_for("f")}, f"orphaned {GONE}", "it was adopted"),
        ({"last_agent_call": "now"}, f"orphaned {GONE}", "it is kept until"),
    ],
    ids=["mark removed", "mark of another", "CloudFormation's", "platform", "adopted", "activity"],
)
def test_a_group_that_changes_before_its_deletion_is_kept(
    sweeper: Sweeper, changes: dict[str, Any], said: str, detail: str
) -> None:
    """It is described directly before."""
    if "last_agent_call" in changes:
        changes = {"last_agent_call": datetime.now(UTC) + BEYOND}
    sweeper.account.make_group(F, tags=created_for("f"))
    sweeper.account.meanwhile("DescribeProfilingGroup", partial(change_group, **changes))
    swept = sweeper.sweep(deleting(days=30), later=BEYOND)
    assert swept.words() == {"f": said}
    assert detail in swept.detail("f")
    assert (swept.writes(), list(sweeper.groups())) == (0, [F])


def test_a_group_that_is_gone_before_its_deletion_is_no_failure(sweeper: Sweeper) -> None:
    """Somebody else has deleted it: before it is described, or after."""
    account = sweeper.account
    account.make_group(F, tags=created_for("f"))
    account.meanwhile("DescribeProfilingGroup", partial(account.remove_group, F))
    swept = sweeper.sweep(AT_ONCE)
    assert [(each.action, each.group) for each in swept.outcomes] == [(Action.SKIPPED, None)]
    account.make_group(F, tags=created_for("f"))
    account.meanwhile("DeleteProfilingGroup", partial(account.remove_group, F))
    assert sweeper.sweep(AT_ONCE).words() == {"f": f"deleted {GONE}"}


# The grace


@pytest.mark.parametrize(
    ("now", "said"),
    [(timedelta(days=29, hours=23), "orphaned"), (timedelta(days=30, minutes=1), "deleted")],
    ids=["within", "after"],
)
@pytest.mark.parametrize("sign", ["created_at", "updated_at", "last_agent_call"])
@pytest.mark.parametrize("tags", [None, OUT], ids=[GONE, OPTED_OUT])
def test_the_grace_counts_from_the_latest_of_the_groups_own_dates(
    sweeper: Sweeper, sign: str, now: timedelta, said: str, tags: dict[str, str] | None
) -> None:
    """Not from when its function was deleted, or was last seen."""
    if tags is not None:
        sweeper.account.function("f", tags=tags)
    sweeper.account.make_group(F, tags=created_for("f"))
    latest = datetime.now(UTC)
    earlier = latest - timedelta(days=400)
    change_group(**{"created_at": earlier, "updated_at": earlier, "last_agent_call": earlier, sign: latest})
    swept = sweeper.sweep(deleting(days=30), later=now)
    assert [each.action for each in swept.outcomes] == [said]
    if said == "orphaned":
        assert f"it is kept until {latest + timedelta(days=30):%Y-%m-%d %H:%M} UTC" in swept.detail("f")


CREATED, UPDATED, ORCHESTRATED, REPORTED = (datetime(2026, 3, day, tzinfo=UTC) for day in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"createdAt": CREATED}, CREATED),
        ({"createdAt": CREATED, "updatedAt": UPDATED}, UPDATED),
        ({"createdAt": CREATED, "profilingStatus": {"latestAgentOrchestratedAt": ORCHESTRATED}}, ORCHESTRATED),
        ({"createdAt": CREATED, "profilingStatus": {"latestAgentProfileReportedAt": REPORTED}}, REPORTED),
        ({"createdAt": REPORTED, "profilingStatus": {"latestAgentProfileReportedAt": CREATED}}, REPORTED),
        ({"profilingStatus": {}}, None),
        ({}, None),
    ],
)
def test_last_activity_is_the_latest_date_of_a_description(dates: Any, expected: datetime | None) -> None:  # noqa: ANN401 - a part of a description
    """Of its creation, its update, its agents' calls and their profiles."""
    found: ProfilingGroupDescriptionTypeDef = {"name": F, "arn": f"{GROUPS}/{F}", "computePlatform": "AWSLambda"}
    assert groups.described(found | dates, arn=found["arn"]).last_active == expected


@pytest.mark.parametrize(("days", "said"), [(30, "orphaned"), (0, "deleted")])
@pytest.mark.parametrize("where", ["ListProfilingGroups", "DescribeProfilingGroup"])
def test_a_group_without_any_date_is_deleted_only_without_a_grace(
    sweeper: Sweeper, where: str, days: int, said: str
) -> None:
    """Its age is not known, be it in the listing or when it is described."""

    def undate(parsed: Any) -> None:  # noqa: ANN401 - an answer
        for each in parsed.get("profilingGroups", [parsed.get("profilingGroup")]):
            for key in ("createdAt", "updatedAt", "profilingStatus"):
                each.pop(key, None)

    sweeper.account.make_group(F, tags=created_for("f"))
    sweeper.garble(where, undate)
    swept = sweeper.sweep(deleting(days=days), later=BEYOND)
    assert [each.action for each in swept.outcomes] == [said]
    assert said == "deleted" or "its age is unknown (lifecycle.orphan_grace_days)" in swept.detail("f")


# How many


@pytest.mark.parametrize("most_new", [40, 1_000], ids=["many invocations", "one"])
@pytest.mark.parametrize("dry_run", [True, False], ids=["dry", "wet"])
def test_a_backfill_deletes_no_more_groups_than_the_policy_allows(
    sweeper: Sweeper, most_new: int, *, dry_run: bool
) -> None:
    """Of 300 it deletes 50, however many invocations it takes, and says of the others that there were too many."""
    backend = codeguruprofiler_backends[ACCOUNT][REGION]
    for number in range(300):
        backend.create_profiling_group(
            f"aws-lambda-f{number:03}",
            compute_platform=ComputePlatform.AWS_LAMBDA,
            profiling_enabled=True,
            tags=created_for(f"f{number:03}"),
        )
    runs = sweeper.sweep_in_pieces(deleting(), most_new=most_new, dry_run=dry_run)
    assert len(runs) == -(-300 // most_new)
    outcomes = [each for run in runs for each in run.outcomes]
    assert Counter(each.action for each in outcomes) == {Action.DELETED: 50, Action.ORPHANED: 250}
    details = {each.detail for each in outcomes if each.action is Action.ORPHANED}
    limit = "one backfill deletes 50 groups at most (lifecycle.max_deletions); the next one continues"
    assert details == {f"its function does not exist; its group is kept: {limit}"}
    assert len(backend.list_profiling_groups(max_results=1_000, next_token=None).groups) == (300 if dry_run else 250)
    # Once the limit is reached nothing more is looked at, but what was on its way.
    assert sum(run.sent["GetFunctionConfiguration"] for run in runs) <= (0 if dry_run else 50 + 16)


def test_a_deletion_that_does_not_happen_does_not_count(sweeper: Sweeper) -> None:
    """Here the function of the first group is back."""
    account = sweeper.account
    for name in ("f", "g", "h"):
        account.make_group(f"aws-lambda-{name}", tags=created_for(name))
    account.function("f", tags=IN)
    sweeper.garble("ListFunctions", omit("f"))
    swept = sweeper.sweep(deleting(most=1))
    assert Counter(swept.words().values()) == {"updated": 1, f"deleted {GONE}": 1, f"orphaned {GONE}": 1}
    holds_together(swept, functions=0, leftovers=3)


def test_an_orphaned_group_names_its_function_and_itself(sweeper: Sweeper) -> None:
    """As the mark does; the group's name need not."""
    sweeper.account.make_group("aws-lambda-x", tags=created_for("f"))
    (outcome,) = sweeper.sweep(deleting(days=30)).outcomes
    arn = FunctionArn(account=ACCOUNT, region=REGION, name="f")
    assert (outcome.function, outcome.group) == (str(arn), "aws-lambda-x")
