"""A sweep: what it makes of an account, what it says of it, and how it goes on where it stopped."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiling_groups.functions import FunctionArn, Place
from profiling_groups.outcomes import Action, Reason
from profiling_groups.policy import Functions, FunctionTags, Globs, GroupSettings, Lifecycle, Policy, WhenDeleted
from tests.unit.account import ACCOUNT, REGION
from tests.unit.marks import adopted_for, created_for
from tests.unit.sweeping import Swept, holds_together

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.unit.account import Account
    from tests.unit.sweeping import Sweeper

BILLING = {"team": "billing"}
OUT = {"codeguru-profiler": "off"}
POLICY = Policy(functions=Functions(names=Globs(exclude=("tmp-*",)), tags=FunctionTags(require={"team": ("*",)})))
AT_ONCE = Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0))

# Each function of an account in which there is one of each kind: how it is created, the tags that its group has before,
# what a sweep says, and the tags that its group has then. None: there is no group.
Row = tuple[str, dict[str, Any], dict[str, str] | None, str, dict[str, str] | None]
MIXED: tuple[Row, ...] = (
    ("adopted", {"tags": BILLING}, adopted_for("adopted", team="old"), "updated", adopted_for("adopted", **BILLING)),
    ("agents", {"tags": BILLING}, {}, "updated", adopted_for("agents", **BILLING)),
    ("drifted", {"tags": BILLING}, created_for("drifted", team="old"), "updated", created_for("drifted", **BILLING)),
    ("image", {"tags": BILLING, "runtime": None}, None, "created", created_for("image", **BILLING)),
    (
        "java",
        {"tags": BILLING, "runtime": "java21", "architecture": "arm64"},
        None,
        "created",
        created_for("java", **BILLING),
    ),
    (
        "kept",
        {"tags": BILLING},
        created_for("kept", own="x", **BILLING),
        "exists",
        created_for("kept", own="x", **BILLING),
    ),
    (
        "named",
        {"tags": BILLING, "variables": {"AWS_CODEGURU_PROFILER_GROUP_NAME": "x"}},
        None,
        "skipped own_group",
        None,
    ),
    ("node", {"tags": BILLING, "runtime": "nodejs22.x"}, None, "skipped unsupported_runtime", None),
    ("out", {"tags": BILLING | OUT}, None, "skipped opted_out", None),
    (
        "out-late",
        {"tags": BILLING | OUT},
        created_for("out-late", **BILLING),
        "skipped opted_out",
        created_for("out-late", **BILLING),
    ),
    ("terraforms", {"tags": BILLING}, {"team": "infra"}, "exists owned_elsewhere", {"team": "infra"}),
    ("tmp-job", {"tags": BILLING}, None, "skipped excluded_by_policy", None),
    ("untagged", {}, None, "skipped excluded_by_policy", None),
    ("us-east-1.edge", {"tags": BILLING}, None, "skipped edge_replica", None),
)
ELIGIBLE, COVERED = 8, 7
MOST_RUNS = 30
"""More than the sweep of functions that come and go takes."""


def fill(account: Account) -> None:
    """Create the functions of `MIXED`, the groups that they have, and two that are nobody's, or of no use."""
    for name, kind, group, _, _ in MIXED:
        account.function(name, **kind)
        if group is not None:
            account.make_group(f"aws-lambda-{name}", tags=group)
    account.function("server", tags=BILLING)
    account.make_group("aws-lambda-server", tags={}, platform="Default")
    account.make_group("aws-lambda-gone", tags=created_for("gone"))


EXPECTED = {name: word for name, _, _, word, _ in MIXED} | {"server": "exists compute_platform_mismatch"}
GROUPS = {f"aws-lambda-{name}": after for name, _, _, _, after in MIXED if after is not None} | {
    "aws-lambda-server": {},
    "aws-lambda-gone": created_for("gone"),
}


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta()], ids=["settled", "changed a moment ago"])
def test_every_function_comes_to_have_what_the_policy_says(sweeper: Sweeper, later: timedelta) -> None:
    """Whether what was listed is trusted, or read again because the function has only just been changed."""
    fill(sweeper.account)
    swept = sweeper.sweep(POLICY, later=later)
    assert swept.words() == EXPECTED
    assert sweeper.groups() == GROUPS
    holds_together(swept, functions=len(EXPECTED))
    assert swept.run.totals is not None
    assert (swept.run.totals.eligible, swept.run.totals.covered) == (ELIGIBLE, COVERED)
    assert (swept.run.totals.groups, swept.run.totals.quota) == (len(GROUPS), 500)
    assert swept.warnings == []


def test_a_second_sweep_finds_all_as_wanted_in_four_calls(sweeper: Sweeper) -> None:
    """One for each listing, one for the quota; nothing is written."""
    fill(sweeper.account)
    sweeper.sweep(POLICY)
    swept = sweeper.sweep(POLICY)
    mended = {"created": "exists", "updated": "exists"}
    assert swept.words() == {name: mended.get(word, word) for name, word in EXPECTED.items()}
    assert swept.sent == Counter(("ListFunctions", "ListProfilingGroups", "GetResources", "GetServiceQuota"))
    assert sweeper.groups() == GROUPS
    holds_together(swept, functions=len(EXPECTED))


@pytest.mark.parametrize("later", [timedelta(hours=1), timedelta()], ids=["settled", "changed a moment ago"])
@pytest.mark.parametrize(
    "policy",
    [
        POLICY,
        Policy(group=GroupSettings(grant_agent=True)),
        Policy(group=GroupSettings(name="{tag:team}-{function_name}")),
        AT_ONCE,
    ],
    ids=["the policy", "with permissions", "with other names", "with deletions"],
)
def test_a_dry_run_writes_nothing_and_says_what_is_then_done(
    sweeper: Sweeper, later: timedelta, policy: Policy
) -> None:
    """Function by function, and in its counts; what is missing is not counted as covered."""
    fill(sweeper.account)
    before = sweeper.groups()
    dry = sweeper.sweep(policy, dry_run=True, later=later)
    assert sweeper.groups() == before
    assert dry.writes() == 0
    wet = sweeper.sweep(policy, later=later)
    assert dry.words() == wet.words()
    assert all(each.dry_run for each in dry.outcomes)
    assert dry.run.counts == wet.run.counts
    assert dry.run.totals is not None
    assert wet.run.totals is not None
    mended = wet.run.counts[Action.CREATED] + wet.run.counts[Action.UPDATED]
    assert dry.run.totals.covered == wet.run.totals.covered - mended
    again = sweeper.sweep(policy, later=later)
    assert again.writes() == 0
    assert not again.run.counts.keys() & {Action.CREATED, Action.UPDATED, Action.DELETED, Action.FAILED}


def test_permission_for_the_role_is_part_of_what_a_function_should_have(sweeper: Sweeper) -> None:
    """No listing tells of it, so each group that is there costs a call to ask."""
    account = sweeper.account
    account.function("new")
    account.function("old")
    account.make_group("aws-lambda-old", tags=created_for("old"))
    account.function("terraforms")
    account.make_group("aws-lambda-terraforms", tags={"team": "infra"})
    policy = Policy(group=GroupSettings(grant_agent=True))
    assert sweeper.sweep(policy).words() == {
        "new": "created",
        "old": "updated",
        "terraforms": "exists owned_elsewhere",
    }
    assert account.allowed("aws-lambda-new") == account.allowed("aws-lambda-old") == [account.role]
    again = sweeper.sweep(policy)
    assert (again.run.counts, again.writes()) == ({Action.EXISTS: 3}, 0)


def test_what_has_no_profiler_in_its_region_is_skipped(sweeper: Sweeper) -> None:
    """Where the service is not, its address does not resolve either."""
    boto3.client("lambda", region_name="sa-east-1").create_function(
        FunctionName="far", Role=sweeper.account.role, Runtime="python3.13", Handler="a.b", Code={"ZipFile": b"code"}
    )
    swept = sweeper.sweep(place=Place(account=ACCOUNT, region="sa-east-1"))
    assert (swept.words(), swept.writes()) == ({"far": "skipped region_unsupported"}, 0)


def test_a_function_that_goes_away_between_its_listing_and_its_turn_is_skipped(sweeper: Sweeper) -> None:
    """It is read again, as it has only just been created."""
    arn = sweeper.account.function("brief")
    sweeper.account.meanwhile("GetFunctionConfiguration", lambda: sweeper.account.remove_function(arn))
    swept = sweeper.sweep(later=timedelta())
    assert (swept.words(), sweeper.groups()) == ({"brief": "skipped function_gone"}, {})


def test_a_function_retagged_during_a_tag_write_fails_and_the_next_backfill_resolves_it(sweeper: Sweeper) -> None:
    """The failure says that it was changed; the old value does not stay."""
    account = sweeper.account
    arn = account.function("busy", tags={"team": "billing"})
    account.make_group("aws-lambda-busy", tags=created_for("busy"))
    account.meanwhile("TagResource", partial(account.retag, arn, {"team": "search"}))
    swept = sweeper.sweep()
    assert swept.words() == {"busy": "failed concurrent_change"}
    holds_together(swept, functions=1)
    assert sweeper.sweep().words() == {"busy": "updated"}
    assert sweeper.groups() == {"aws-lambda-busy": created_for("busy", team="search")}


def test_a_group_that_the_agent_creates_meanwhile_is_adopted(sweeper: Sweeper) -> None:
    """The agent creates it without tags."""
    account = sweeper.account
    account.function("raced", tags=BILLING)
    account.meanwhile("CreateProfilingGroup", lambda: account.make_group("aws-lambda-raced", tags={}))
    assert sweeper.sweep().words() == {"raced": "updated"}
    assert sweeper.groups() == {"aws-lambda-raced": adopted_for("raced", **BILLING)}


def test_an_answer_lists_failures_first_and_says_where_it_left_some_out(sweeper: Sweeper) -> None:
    """What exists as wanted is left out in any case; each outcome is told to the watcher all the same."""
    account = sweeper.account
    for name in ("a", "b", "c", "d"):
        account.function(name)
    account.make_group("aws-lambda-d", tags=created_for("d"))
    account.fail("CreateProfilingGroup", None, None, (400, "ValidationException"))
    short = sweeper.sweep(max_outcomes=2)
    assert [each.action for each in short.run.outcomes] == [Action.FAILED, Action.CREATED]
    assert short.run.truncated
    assert len(short.outcomes) == 4
    account.recover()
    whole = sweeper.sweep(max_outcomes=2)
    assert ([each.action for each in whole.run.outcomes], whole.run.truncated) == ([Action.CREATED], False)


def test_an_answer_lists_what_exists_with_a_reason(sweeper: Sweeper) -> None:
    """A group of another owner, or of another compute platform."""
    account = sweeper.account
    for name in ("ours", "theirs", "default"):
        account.function(name)
    account.make_group("aws-lambda-ours", tags=created_for("ours"))
    account.make_group("aws-lambda-theirs", tags={"team": "infra"})
    account.make_group("aws-lambda-default", tags={}, platform="Default")
    listed = sweeper.sweep().run.outcomes
    assert [(each.group, each.reason) for each in listed] == [
        ("aws-lambda-default", Reason.COMPUTE_PLATFORM_MISMATCH),
        ("aws-lambda-theirs", Reason.OWNED_ELSEWHERE),
    ]


def test_an_empty_account_takes_a_sweep_to_know(sweeper: Sweeper) -> None:
    """And no outcome."""
    swept = sweeper.sweep()
    holds_together(swept, functions=0)
    assert swept.outcomes == []


@pytest.mark.parametrize("dry_run", [False, True], ids=["wet", "dry"])
@pytest.mark.parametrize("most_new", [1, 2, 5, len(EXPECTED) - 1, len(EXPECTED), len(EXPECTED) + 1])
def test_a_sweep_that_is_stopped_goes_on_where_it_was(sweeper: Sweeper, most_new: int, dry_run: bool) -> None:  # noqa: FBT001 - a column of the table
    """Wherever that is: each function has one outcome in all, and the totals are those of one long run."""
    fill(sweeper.account)
    whole = sweeper.sweep(AT_ONCE, dry_run=True)
    runs = sweeper.sweep_in_pieces(AT_ONCE, most_new=most_new, dry_run=dry_run)
    assert all(len(each.outcomes) == most_new for each in runs[:-1])
    told = Swept(outcomes=[outcome for each in runs for outcome in each.outcomes])
    assert told.words() == whole.words()
    assert len(told.outcomes) == len(whole.outcomes)
    counts: Counter[Action] = Counter()
    for each in runs:
        assert each.before is not None
        assert each.before.counts == counts
        counts.update(each.run.counts)
        assert each.run.totals is not None
        assert each.run.totals.counts == counts
    first, last = runs[0].run.totals, runs[-1].run.totals
    assert first is not None
    assert last is not None
    assert whole.run.totals is not None
    assert last.eligible == whole.run.totals.eligible
    assert (last.sweep, last.began) == (first.sweep, first.began)
    if not dry_run:
        assert sweeper.sweep(AT_ONCE).writes() == 0


NAMES = tuple(f"f{number}" for number in range(8))


def disturb(account: Account, there: dict[str, dict[str, str]], random: Random) -> None:
    """Create, delete and tag a few functions."""
    for name in random.sample(NAMES, random.randint(0, 3)):
        arn = FunctionArn(account=ACCOUNT, region=REGION, name=name)
        tags = random.choice([{}, {"team": "red"}, {"team": "blue"}, OUT])
        if name not in there:
            account.function(name, tags=tags)
            there[name] = tags
        elif random.random() < 0.5:
            account.remove_function(arn)
            del there[name]
        else:
            account.retag(arn, tags)
            there[name] = there[name] | tags


@settings(
    max_examples=15,
    # Every example begins with an empty account.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(random=st.randoms(use_true_random=False), most_new=st.integers(1, 4), later=st.sampled_from([0, 1]))
def test_functions_may_come_and_go_between_the_runs_of_a_sweep(
    sweeper: Sweeper, random: Random, most_new: int, later: int
) -> None:
    """No function has two outcomes, one that was there all the time has one, and the next sweep leaves nothing over.

    If a function is made again without its tag, the group that it had keeps the tag.
    """
    sweeper.empty()
    there: dict[str, dict[str, str]] = {}
    sweep = partial(sweeper.sweep, AT_ONCE, later=timedelta(hours=later))
    disturb(sweeper.account, there, random)
    always = set(there)
    runs: Sequence[Swept] = []
    cursor: str | None = None
    while not runs or cursor:
        runs = [*runs, sweep(cursor=cursor, most_new=most_new)]
        assert len(runs) < MOST_RUNS
        cursor = runs[-1].run.cursor
        assert Action.FAILED not in runs[-1].run.counts
        disturb(sweeper.account, there, random)
        always &= set(there)
    reasons = [outcome for each in runs for outcome in each.outcomes]
    looked_at = [each.function for each in reasons if each.action in {Action.CREATED, Action.EXISTS, Action.UPDATED}]
    assert len(looked_at) == len(set(looked_at))
    told = {str(each.function).rpartition(":")[2] for each in reasons}
    assert always <= told
    sweep()
    wanted = {name: created_for(name, **tags) for name, tags in there.items() if not OUT.items() <= tags.items()}
    groups = sweeper.groups()
    assert groups.keys() == {f"aws-lambda-{name}" for name in wanted}
    for name, tags in wanted.items():
        found = groups[f"aws-lambda-{name}"]
        assert found.items() >= tags.items()
        assert found.keys() - tags.keys() <= {"team"}
    assert sweep().writes() == 0
