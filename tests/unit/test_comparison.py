"""Groups that no function needs: which of them a sweep finds, which of these it deletes, and which never."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from profiling_groups.outcomes import Action
from profiling_groups.policy import (
    Functions,
    FunctionTags,
    Globs,
    GroupSettings,
    GroupTags,
    Lifecycle,
    Policy,
    WhenDeleted,
)
from tests.unit.sweeping import OURS, holds_together

if TYPE_CHECKING:
    from mypy_boto3_codeguruprofiler.literals import ComputePlatformType

    from tests.unit.sweeping import Sweeper

FUNCTIONS = Functions(names=Globs(exclude=("tmp-*",)), tags=FunctionTags(require={"profile": ("yes",)}))
DELETING = Policy(functions=FUNCTIONS, lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE))
AT_ONCE = Policy(
    functions=FUNCTIONS, lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0)
)
WITHIN = timedelta(days=29)
BEYOND = timedelta(days=31)
WANTED = {"profile": "yes"}
GROUPS = "arn:aws:codeguru-profiler:eu-west-1:123456789012:profilingGroup"
DIGEST = "aws-lambda-some-function--0123456789abcdef"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A group, perhaps with a function, and what becomes of it.

    Attributes:
        group: Its name.
        tags: Its tags.
        platform: Its compute platform.
        function: Name of a function that there is.
        kind: What that is like.
        said: What a sweep says within the grace, after it, and where there is none; None where it says nothing.
    """

    group: str
    tags: dict[str, str] = field(default_factory=lambda: OURS)
    platform: ComputePlatformType = "AWSLambda"
    function: str | None = None
    kind: dict[str, Any] = field(default_factory=dict)
    said: tuple[str | None, str | None, str | None]


NOTHING = (None, None, None)
CASES = {
    "its function is gone": Case(
        group="aws-lambda-f", said=("orphaned function_gone", "deleted function_gone", "deleted function_gone")
    ),
    "it is somebody's": Case(group="aws-lambda-f", tags={"managed-by": "terraform"}, said=NOTHING),
    "it is not marked": Case(group="aws-lambda-f", tags={}, said=NOTHING),
    "it is not for Lambda": Case(group="aws-lambda-f", platform="Default", said=NOTHING),
    "its function has opted out": Case(
        group="aws-lambda-f",
        function="f",
        kind={"tags": WANTED | {"codeguru-profiler": "off"}},
        said=("orphaned opted_out", "deleted opted_out", "deleted opted_out"),
    ),
    "its function lacks a tag": Case(
        group="aws-lambda-f",
        function="f",
        said=("orphaned excluded_by_policy", "deleted excluded_by_policy", "deleted excluded_by_policy"),
    ),
    "its function is excluded by its name": Case(
        group="aws-lambda-tmp-f",
        function="tmp-f",
        kind={"tags": WANTED},
        said=("skipped excluded_by_policy",) * 3,
    ),
    "its function has another runtime now": Case(
        group="aws-lambda-f",
        function="f",
        kind={"tags": WANTED, "runtime": "nodejs22.x"},
        said=("skipped unsupported_runtime",) * 3,
    ),
    "its function names another group now": Case(
        group="aws-lambda-f",
        function="f",
        kind={"tags": WANTED, "variables": {"AWS_CODEGURU_PROFILER_GROUP_NAME": "mine"}},
        said=("skipped own_group",) * 3,
    ),
    "a function names it": Case(
        group="aws-lambda-f",
        function="g",
        kind={
            "variables": {"AWS_CODEGURU_PROFILER_GROUP_ARN": "arn:aws:codeguru-profiler:::profilingGroup/aws-lambda-f"}
        },
        said=("skipped own_group",) * 3,
    ),
    "its name does not tell its function": Case(
        group=DIGEST,
        said=("orphaned function_gone", "deleted function_gone", "orphaned function_gone"),
    ),
    "it has a name by another template": Case(group="profiles-f", said=("orphaned function_gone",) * 3),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    ("when", "policy", "later"),
    [(0, DELETING, WITHIN), (1, DELETING, BEYOND), (2, AT_ONCE, timedelta(hours=1))],
    ids=["within its grace", "after its grace", "without a grace"],
)
def test_what_becomes_of_a_group(sweeper: Sweeper, case: Case, when: int, policy: Policy, later: timedelta) -> None:
    """Only one that is ours, that no function needs, and that nothing speaks for is deleted; the next sweep agrees."""
    if case.function:
        sweeper.account.function(case.function, **case.kind)
    sweeper.account.make_group(case.group, tags=case.tags, platform=case.platform)
    word = case.said[when]
    swept = sweeper.sweep(policy, later=later)
    assert list(swept.words().values()) == ([word] if word else [])
    deleted = word is not None and word.startswith("deleted")
    assert sweeper.groups() == ({} if deleted else {case.group: case.tags})
    assert swept.run.totals is not None
    assert (swept.run.totals.eligible, swept.run.totals.groups) == (0, 0 if deleted else 1)
    again = sweeper.sweep(policy, later=later)
    assert again.writes() == 0
    assert Action.DELETED not in again.run.counts


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_under_a_policy_that_keeps_groups_none_is_deleted(sweeper: Sweeper, case: Case) -> None:
    """Nor spoken of, unless there is a function to speak of."""
    if case.function:
        sweeper.account.function(case.function, **case.kind)
    sweeper.account.make_group(case.group, tags=case.tags, platform=case.platform)
    swept = sweeper.sweep(Policy(functions=FUNCTIONS), later=BEYOND)
    assert len(swept.outcomes) == (1 if case.function else 0)
    assert {each.action for each in swept.outcomes} <= {Action.SKIPPED}
    assert (swept.writes(), sweeper.groups()) == (0, {case.group: case.tags})


def test_under_a_policy_that_marks_no_group_none_is_known_as_ours(sweeper: Sweeper) -> None:
    """What cannot be told from somebody's is not deleted."""
    sweeper.account.make_group("aws-lambda-f", tags={})
    swept = sweeper.sweep(Policy(tags=GroupTags(add={}), lifecycle=AT_ONCE.lifecycle))
    assert (swept.outcomes, sweeper.groups()) == ([], {"aws-lambda-f": {}})


def test_a_name_that_is_made_of_tags_goes_by_the_grace_only(sweeper: Sweeper) -> None:
    """A function that has changed its team has a new group by its new name, and leaves the old one over."""
    arn = sweeper.account.function("f", tags={"team": "red"})
    policy = Policy(group=GroupSettings(name="{tag:team}-{function_name}"), lifecycle=DELETING.lifecycle)
    sweeper.sweep(policy)
    sweeper.account.retag(arn, {"team": "blue"})
    assert sweeper.sweep(policy, later=WITHIN).words() == {"f": "created", "/red-f": "orphaned function_gone"}
    assert sweeper.groups().keys() == {"red-f", "blue-f"}
    swept = sweeper.sweep(policy, later=BEYOND)
    assert swept.words() == {"f": "exists", "/red-f": "deleted function_gone"}
    holds_together(swept, functions=1, leftovers=1)
    assert sweeper.groups() == {"blue-f": OURS | {"team": "blue"}}


def test_a_function_that_has_come_back_keeps_its_group(sweeper: Sweeper) -> None:
    """It is looked for again before its group is deleted."""
    account = sweeper.account
    account.make_group("aws-lambda-f", tags=OURS)
    account.meanwhile("GetFunctionConfiguration", lambda: account.function("f", tags=WANTED))
    assert sweeper.sweep(AT_ONCE).words() == {"f": "updated"}
    assert sweeper.groups() == {"aws-lambda-f": OURS | WANTED}


def test_a_function_that_comes_back_while_its_group_is_deleted_gets_it_again(sweeper: Sweeper) -> None:
    """It is looked for once more afterwards."""
    account = sweeper.account
    account.make_group("aws-lambda-f", tags=OURS)
    account.meanwhile("DeleteProfilingGroup", lambda: account.function("f", tags=WANTED))
    assert sweeper.sweep(AT_ONCE).words() == {"f": "created"}
    assert sweeper.groups() == {"aws-lambda-f": OURS | WANTED}


def test_a_function_that_has_opted_in_again_keeps_its_group(sweeper: Sweeper) -> None:
    """Its tags are read again, however long ago it was changed: nothing is deleted by a listing."""
    account = sweeper.account
    arn = account.function("f", tags={"profile": "no"})
    account.make_group("aws-lambda-f", tags=OURS)
    account.meanwhile("GetFunctionConfiguration", partial(account.retag, arn, WANTED))
    assert sweeper.sweep(AT_ONCE).words() == {"f": "updated"}
    assert sweeper.groups() == {"aws-lambda-f": OURS | WANTED}


@pytest.mark.parametrize(
    "group", [pytest.param("aws-lambda-f", id="by name"), pytest.param(DIGEST, id="by its signs of life only")]
)
def test_a_group_that_somebody_has_taken_over_meanwhile_stays(sweeper: Sweeper, group: str) -> None:
    """It is read again before it is deleted."""
    account = sweeper.account
    account.make_group(group, tags=OURS)

    def take_over() -> None:
        account.clients.profiler.tag_resource(resourceArn=account.group(group)["arn"], tags={"managed-by": "terraform"})

    account.meanwhile("DescribeProfilingGroup", take_over)
    swept = sweeper.sweep(DELETING, later=BEYOND)
    assert [each.action for each in swept.outcomes] == [Action.ORPHANED]
    assert sweeper.groups() == {group: {"managed-by": "terraform"}}


def test_a_group_that_is_gone_before_its_turn_is_no_failure(sweeper: Sweeper) -> None:
    """Somebody else has cleaned up."""
    account = sweeper.account
    account.make_group(DIGEST, tags=OURS)
    account.meanwhile(
        "DescribeProfilingGroup", lambda: account.clients.profiler.delete_profiling_group(profilingGroupName=DIGEST)
    )
    swept = sweeper.sweep(DELETING, later=BEYOND)
    assert [(each.action, each.group) for each in swept.outcomes] == [(Action.SKIPPED, None)]
