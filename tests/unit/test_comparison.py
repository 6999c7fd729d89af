"""What was listed against what the policy wants: when it is trusted, when it is read again, and what that costs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from profiling_groups.policy import Functions, FunctionTags, GroupSettings, Lifecycle, Policy, WhenDeleted
from tests.unit.account import ACCOUNT, REGION
from tests.unit.marks import adopted_for, created_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.sweeping import Sweeper

F = "aws-lambda-f"
GROUPS = f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup"
BY_NAME, BY_ARN = "AWS_CODEGURU_PROFILER_GROUP_NAME", "AWS_CODEGURU_PROFILER_GROUP_ARN"
DENIED = (403, "AccessDeniedException")
BILLING, OUT = {"team": "billing"}, {"codeguru-profiler": "off"}
LISTINGS = ("ListFunctions", "GetResources", "ListProfilingGroups", "GetServiceQuota")
REQUIRING = Policy(functions=Functions(tags=FunctionTags(require={"team": ("*",)})))
BY_TEAM = Policy(group=GroupSettings(name="{tag:team}-{function_name}"))
DELETING = Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0))


def list_tags(tags: Mapping[str, str]) -> Callable[[Any], None]:
    """Return what lets the bulk listing have these tags of the function `f`, whatever it has."""

    def change(parsed: Any) -> None:  # noqa: ANN401 - an answer
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        parsed["ResourceTagMappingList"] = [{"ResourceARN": arn, "Tags": listed}] if listed else []

    return change


@pytest.mark.parametrize(
    ("policy", "listed", "tags", "group", "said", "after"),
    [
        pytest.param(Policy(), {}, OUT, None, "skipped opted_out", None, id="opt-out is not listed yet"),
        pytest.param(
            Policy(),
            BILLING,
            BILLING | OUT,
            created_for("f"),
            "skipped opted_out",
            created_for("f"),
            id="opt-out, and a drift",
        ),
        pytest.param(Policy(), OUT, BILLING, None, "skipped opted_out", None, id="opt-out was removed"),
        pytest.param(
            Policy(),
            {"team": "old"},
            BILLING,
            created_for("f", **BILLING),
            "exists",
            created_for("f", **BILLING),
            id="new value is not listed yet, and written",
        ),
        pytest.param(
            Policy(),
            {"team": "old"},
            BILLING,
            created_for("f", own="x"),
            "updated",
            created_for("f", own="x", **BILLING),
            id="new value is not listed yet, nor written",
        ),
        pytest.param(
            Policy(),
            {"team": "old"},
            BILLING,
            None,
            "created",
            created_for("f", **BILLING),
            id="new value, and no group",
        ),
        pytest.param(
            Policy(), {"team": "old"}, BILLING, {}, "updated", adopted_for("f", **BILLING), id="new value, and adoption"
        ),
        pytest.param(
            Policy(),
            BILLING | {"stage": "test"},
            BILLING,
            created_for("f", **BILLING),
            "exists",
            created_for("f", **BILLING),
            id="removed tag is still listed",
        ),
        pytest.param(
            Policy(),
            BILLING | {"stage": "test"},
            {},
            None,
            "created",
            created_for("f"),
            id="removed tags, and no group",
        ),
        pytest.param(
            Policy(),
            {},
            BILLING,
            created_for("f", **BILLING),
            "exists",
            created_for("f", **BILLING),
            id="new tag is not listed yet, and written",
        ),
        pytest.param(REQUIRING, BILLING, {}, None, "skipped excluded_by_policy", None, id="required tag was removed"),
        pytest.param(REQUIRING, {}, BILLING, None, "skipped excluded_by_policy", None, id="required tag is not listed"),
        pytest.param(
            BY_TEAM, {"team": "old"}, BILLING, None, "created", created_for("f", **BILLING), id="name of a new value"
        ),
    ],
)
def test_a_stale_listing_of_tags_leads_to_no_wrong_write(  # noqa: PLR0913, PLR0917 - a row of the table
    sweeper: Sweeper,
    policy: Policy,
    listed: dict[str, str],
    tags: dict[str, str],
    group: dict[str, str] | None,
    said: str,
    after: dict[str, str] | None,
) -> None:
    """No group for a function that is opted out by now, no old value, no failure; though the function is settled."""
    sweeper.account.function("f", tags=tags)
    if group is not None:
        sweeper.account.make_group(F, tags=group)
    sweeper.garble("GetResources", list_tags(listed))
    swept = sweeper.sweep(policy)
    assert swept.words() == {"f": said}
    name = "billing-f" if policy is BY_TEAM else F
    assert sweeper.groups() == ({} if after is None else {name: after})
    assert swept.writes() == (said in {"created", "updated"})


@pytest.mark.parametrize(
    ("tags", "group", "calls", "said"),
    [
        pytest.param(BILLING, created_for("f", **BILLING), [], "exists", id="as wanted"),
        pytest.param(BILLING, {"team": "infra"}, [], "exists owned_elsewhere", id="external"),
        pytest.param(OUT, created_for("f"), [], "skipped opted_out", id="opted out"),
        pytest.param(BILLING, None, ["ListTags", "CreateProfilingGroup"], "created", id="missing"),
        pytest.param(
            BILLING,
            created_for("f"),
            ["ListTags", "DescribeProfilingGroup", "TagResource", "ListTags"],
            "updated",
            id="drifted",
        ),
        pytest.param(
            BILLING,
            {},
            ["ListTags", "DescribeProfilingGroup", "ListTagsForResource", "TagResource", "ListTags"],
            "updated",
            id="to be adopted",
        ),
    ],
)
def test_only_what_is_written_costs_calls(
    sweeper: Sweeper, tags: dict[str, str], group: dict[str, str] | None, calls: list[str], said: str
) -> None:
    """Before each write the function's tags are read; after a tag write, again."""
    sweeper.account.function("f", tags=tags)
    if group is not None:
        sweeper.account.make_group(F, tags=group)
    swept = sweeper.sweep()
    assert swept.words() == {"f": said}
    assert swept.sent == Counter(LISTINGS) + Counter(calls)


@pytest.mark.parametrize(
    ("variables", "groups", "said"),
    [
        ({BY_NAME: "x"}, [], "its environment names x, which does not exist"),
        ({BY_NAME: "x"}, ["x"], "its environment names x"),
        ({BY_ARN: f"{GROUPS}/x"}, [], f"its environment names {GROUPS}/x, which does not exist"),
        ({BY_ARN: f"{GROUPS}/x"}, ["x"], f"its environment names {GROUPS}/x"),
        # The agent goes by the ARN.
        ({BY_ARN: f"{GROUPS}/x", BY_NAME: "y"}, ["y"], f"its environment names {GROUPS}/x, which does not exist"),
        # What other accounts and regions have is not known.
        (
            {BY_ARN: f"{GROUPS.replace(ACCOUNT, '210987654321')}/x"},
            [],
            f"its environment names {GROUPS.replace(ACCOUNT, '210987654321')}/x",
        ),
        (
            {BY_ARN: f"{GROUPS.replace(REGION, 'us-east-1')}/x"},
            [],
            f"its environment names {GROUPS.replace(REGION, 'us-east-1')}/x",
        ),
    ],
)
def test_an_own_group_that_does_not_exist_is_said(
    sweeper: Sweeper, variables: dict[str, str], groups: list[str], said: str
) -> None:
    """All groups are listed; the agent would report to none."""
    sweeper.account.function("f", variables=variables)
    for name in groups:
        sweeper.account.make_group(name, tags={"team": "infra"})
    swept = sweeper.sweep(DELETING)
    assert (swept.words(), swept.detail("f")) == ({"f": "skipped own_group"}, said)
    sweeper.account.fail("ListProfilingGroups", DENIED)
    assert "does not exist" not in sweeper.sweep(DELETING).detail("f")
