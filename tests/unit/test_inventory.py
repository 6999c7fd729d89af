"""Taking stock: in how many calls, and what becomes of a sweep where a part of it cannot be had."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import cycle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict

from embedded_aws.moto_services.codeguruprofiler.models import ComputePlatform, codeguruprofiler_backends
from profiling_groups import aws, functions, groups, inventory
from profiling_groups.outcomes import Action
from profiling_groups.policy import Functions, Globs, GroupSettings, Lifecycle, Policy, WhenDeleted
from tests.unit.account import ACCOUNT, REGION
from tests.unit.marks import adopted_for, created_for
from tests.unit.sweeping import PLACE, holds_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest

    from tests.unit.account import Account
    from tests.unit.sweeping import Sweeper

DENIED = (403, "AccessDeniedException")
BILLING = {"team": "billing"}
# What is ruled out by what is listed of a function, its tags aside.
RULED_OUT: dict[str, dict[str, Any]] = {
    "node": {"runtime": "nodejs22.x"},
    "own": {"variables": {"AWS_CODEGURU_PROFILER_GROUP_NAME": "x"}},
    "tmp-job": {},
    "us-east-1.edge": {},
}
NO_TMP = Functions(names=Globs(exclude=("tmp-*",)))


def fill(account: Account) -> dict[str, str]:
    """Create functions, some of whose groups are missing or drifted; return what a sweep says of them."""
    for name, kind in RULED_OUT.items():
        account.function(name, tags=BILLING, **kind)
    for name in ("drifted", "kept", "new"):
        account.function(name, tags=BILLING)
    account.function("out", tags={"codeguru-profiler": "off"})
    account.function("terraforms", tags=BILLING)
    account.make_group("aws-lambda-drifted", tags=created_for("drifted"))
    account.make_group("aws-lambda-kept", tags=created_for("kept", **BILLING))
    account.make_group("aws-lambda-terraforms", tags={"team": "infra"})
    return {
        "drifted": "updated",
        "kept": "exists",
        "new": "created",
        "node": "skipped unsupported_runtime",
        "out": "skipped opted_out",
        "own": "skipped own_group",
        "terraforms": "exists owned_elsewhere",
        "tmp-job": "skipped excluded_by_policy",
        "us-east-1.edge": "skipped edge_replica",
    }


AFTER = {f"aws-lambda-{name}": created_for(name, **BILLING) for name in ("drifted", "kept", "new")} | {
    "aws-lambda-terraforms": {"team": "infra"}
}


def test_all_is_listed_in_the_largest_pages_that_there_are(sweeper: Sweeper) -> None:
    """50 functions, 100 of those that have tags, 1,000 groups."""
    backend = codeguruprofiler_backends[ACCOUNT][REGION]
    backend.quota = 2_000
    for number in range(120):
        sweeper.account.function(f"f{number:03}", tags=BILLING)
    for number in range(1_001):
        backend.create_profiling_group(
            f"aws-lambda-f{number:03}",
            compute_platform=ComputePlatform.AWS_LAMBDA,
            profiling_enabled=True,
            tags=created_for(f"f{number:03}", **BILLING),
        )
    swept = sweeper.sweep()
    assert set(swept.words().values()) == {"exists"}
    assert swept.sent == {"ListFunctions": 3, "GetResources": 2, "ListProfilingGroups": 2, "GetServiceQuota": 1}


def test_where_the_tags_cannot_be_had_at_once_each_function_is_asked_for_its_own(sweeper: Sweeper) -> None:
    """All comes to the same; a warning says why it takes longer, and what needs no tags costs no call."""
    expected = fill(sweeper.account)
    sweeper.account.fail("GetResources", DENIED)
    swept = sweeper.sweep(Policy(functions=NO_TMP))
    assert swept.words() == expected
    assert sweeper.groups() == AFTER
    holds_together(swept, functions=len(expected))
    (warning,) = swept.warnings
    assert warning.startswith("the tags of all functions could not be listed at once; each function's are read on")
    assert "access_denied: tag:GetResources on *" in warning
    again = sweeper.sweep(Policy(functions=NO_TMP))
    assert (again.sent["ListTags"], again.writes()) == (len(expected) - len(RULED_OUT), 0)


def test_where_names_are_made_of_tags_even_what_is_ruled_out_is_asked_for_them(sweeper: Sweeper) -> None:
    """Otherwise a dry run and a report would call its group by another name."""
    sweeper.account.function("new", tags=BILLING)
    sweeper.account.fail("GetResources", DENIED)
    swept = sweeper.sweep(Policy(group=GroupSettings(name="{tag:team}-{function_name}")))
    assert (swept.words(), sweeper.groups()) == ({"new": "created"}, {"billing-new": created_for("new", **BILLING)})


def test_a_function_that_is_gone_when_it_is_asked_for_its_tags_is_skipped(sweeper: Sweeper) -> None:
    """It was there when it was listed."""
    arn = sweeper.account.function("brief", tags=BILLING)
    sweeper.account.fail("GetResources", DENIED)
    sweeper.account.meanwhile("ListTags", lambda: sweeper.account.remove_function(arn))
    assert sweeper.sweep().words() == {"brief": "skipped function_gone"}


@pytest.mark.parametrize("pages", [0, 1], ids=["no page", "one page of two"])
def test_where_groups_cannot_be_listed_each_is_looked_for(
    sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    """All comes to the same, in a dry run, too; how many groups there are is not known."""
    monkeypatch.setattr(inventory, "_GROUPS_A_PAGE", 1)
    expected = fill(sweeper.account)
    sweeper.account.fail("ListProfilingGroups", *[None] * pages, DENIED)
    dry = sweeper.sweep(Policy(functions=NO_TMP), dry_run=True)
    assert (dry.words(), dry.writes()) == (expected, 0)
    sweeper.account.fail("ListProfilingGroups", *[None] * pages, DENIED)
    swept = sweeper.sweep(Policy(functions=NO_TMP))
    assert swept.words() == expected
    assert sweeper.groups() == AFTER
    (warning,) = swept.warnings
    assert "codeguru-profiler:ListProfilingGroups" in warning
    assert swept.run.totals is not None
    assert swept.run.totals.groups is None


def test_groups_are_listed_page_by_page(sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last one."""
    monkeypatch.setattr(inventory, "_GROUPS_A_PAGE", 1)
    expected = fill(sweeper.account)
    swept = sweeper.sweep(Policy(functions=NO_TMP))
    assert (swept.words(), swept.sent["ListProfilingGroups"]) == (expected, 3)


def test_groups_that_are_listed_without_their_tags_are_read_before_they_are_written(sweeper: Sweeper) -> None:
    """That a listing has them is not documented: without, a sweep takes longer, and does nothing else."""
    expected = fill(sweeper.account)
    sweeper.account.function("agents", tags=BILLING)
    sweeper.account.make_group("aws-lambda-agents", tags={})
    sweeper.garble("ListProfilingGroups", lambda parsed: [each.pop("tags") for each in parsed["profilingGroups"]])
    assert sweeper.sweep(Policy(functions=NO_TMP)).words() == expected | {"agents": "updated"}
    assert sweeper.groups() == AFTER | {"aws-lambda-agents": adopted_for("agents", **BILLING)}
    again = sweeper.sweep(Policy(functions=NO_TMP))
    assert (again.writes(), again.run.counts.get(Action.UPDATED, 0)) == (0, 0)


def test_names_may_be_left_out_beside_descriptions(sweeper: Sweeper) -> None:
    """The API model says that they are; the service may as well give both."""
    expected = fill(sweeper.account)
    sweeper.garble(
        "ListProfilingGroups",
        lambda parsed: parsed.update(profilingGroupNames=[each["name"] for each in parsed["profilingGroups"]]),
    )
    swept = sweeper.sweep(Policy(functions=NO_TMP))
    assert (swept.words(), swept.warnings) == (expected, [])


def test_tags_of_versions_and_aliases_are_nobodys(sweeper: Sweeper) -> None:
    """Only functions are tagged; what else might be listed does not pass for one."""
    sweeper.account.function("f", tags=BILLING)
    stray = {"ResourceARN": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f:live", "Tags": [{"Key": "a", "Value": "b"}]}
    sweeper.garble("GetResources", lambda parsed: parsed["ResourceTagMappingList"].append(stray))
    sweeper.account.make_group("aws-lambda-f", tags=created_for("f", **BILLING))
    assert sweeper.sweep().words() == {"f": "exists"}


def become(answer: dict[str, Any]) -> Callable[[Any], None]:
    """Return what makes another answer of one."""

    def change(parsed: Any) -> None:  # noqa: ANN401 - an answer
        parsed.clear()
        parsed.update(answer)

    return change


KEPT = "aws-lambda-kept"
KEPT_ARN = f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/{KEPT}"
HTML = {"message": "<html>"}
"""What botocore makes of another JSON document than the API's; of one that is none it makes `{}`."""


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("GetResources", {}),
        ("GetResources", HTML),
        ("GetResources", {"ResourceTagMappingList": [{}]}),
        (
            "GetResources",
            {"ResourceTagMappingList": [{"ResourceARN": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}]},
        ),
        ("ListProfilingGroups", {}),
        ("ListProfilingGroups", HTML),
        ("ListProfilingGroups", {"profilingGroupNames": []}),
        ("ListProfilingGroups", {"profilingGroupNames": [KEPT], "profilingGroups": []}),
        ("ListProfilingGroups", {"profilingGroupNames": [], "profilingGroups": [{}]}),
        ("ListProfilingGroups", {"profilingGroupNames": [], "profilingGroups": [{"name": KEPT}]}),
        ("ListProfilingGroups", {"profilingGroupNames": [], "profilingGroups": [{"name": KEPT, "arn": KEPT_ARN}]}),
        (
            "ListProfilingGroups",
            {
                "profilingGroupNames": [],
                "profilingGroups": [{"name": KEPT, "arn": f"{KEPT_ARN}-2", "computePlatform": "AWSLambda"}],
            },
        ),
        ("GetServiceQuota", {}),
        ("GetServiceQuota", {"Quota": {}}),
    ],
    ids=str,
)
def test_a_listing_that_makes_no_sense_is_one_that_could_not_be_had(
    sweeper: Sweeper, operation: str, answer: dict[str, Any]
) -> None:
    """It never means that there is nothing: all is as if the call had failed, and nothing is deleted."""
    expected = fill(sweeper.account)
    sweeper.account.function("late", tags=BILLING | {"codeguru-profiler": "off"})
    sweeper.account.make_group("aws-lambda-late", tags=created_for("late"))
    sweeper.garble(operation, become(answer))
    policy = Policy(functions=NO_TMP, lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE))
    swept = sweeper.sweep(policy, later=timedelta(days=31))
    late = "skipped opted_out" if operation == "ListProfilingGroups" else "deleted opted_out"
    assert swept.words() == expected | {"late": late}
    assert sweeper.groups() == AFTER | ({"aws-lambda-late": created_for("late")} if late.startswith("skipped") else {})
    assert len(swept.warnings) == 1


@pytest.mark.parametrize(
    "answer",
    [{}, HTML, {"Functions": [{}]}, {"Functions": [{"FunctionName": "f"}]}, {"Functions": [{"FunctionArn": "f"}]}],
    ids=str,
)
def test_without_a_list_of_functions_that_makes_sense_there_is_no_sweep(
    sweeper: Sweeper, answer: dict[str, Any]
) -> None:
    """An account whose functions are not listed is not an empty one."""
    fill(sweeper.account)
    before = sweeper.groups()
    sweeper.garble("ListFunctions", become(answer))
    with pytest.raises(inventory.InventoryError, match="service_error: UnreadableAnswerError"):
        sweeper.sweep()
    assert sweeper.groups() == before


@pytest.mark.parametrize(
    ("operation", "token"),
    [("ListFunctions", "NextMarker"), ("GetResources", "PaginationToken"), ("ListProfilingGroups", "nextToken")],
)
def test_a_listing_whose_pages_go_round_is_one_that_could_not_be_had(
    sweeper: Sweeper, operation: str, token: str
) -> None:
    """It ends, and what was not in it is not taken for gone."""
    expected = fill(sweeper.account)
    tokens = cycle("abc")
    pages: list[bytes] = []

    def answer(request: AWSPreparedRequest, called: str, carry_out: Callable[[], AWSResponse]) -> AWSResponse:
        if called != operation:
            return carry_out()
        pages.append(pages[0] if pages else carry_out().content)
        body = json.dumps(json.loads(pages[0]) | {token: next(tokens)}).encode()
        raw: Any = SimpleNamespace(stream=lambda: iter([body]))
        return AWSResponse(request.url, 200, HeadersDict({}), raw)  # type: ignore[arg-type]  # as botocore makes it

    sweeper.account.answer_by(answer)
    policy = Policy(functions=NO_TMP, lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE))
    if operation == "ListFunctions":
        with pytest.raises(inventory.InventoryError, match="list_functions leads back to a page"):
            sweeper.sweep(policy)
        assert len(pages) == 4
        return
    swept = sweeper.sweep(policy)
    assert "leads back to a page" in swept.warnings[0]
    assert (swept.words(), sweeper.groups()) == (expected, AFTER)


def test_what_is_kept_of_each_tells_it_all(sweeper: Sweeper) -> None:
    """Functions and groups come out as they went in, packed though they are meanwhile."""
    account = sweeper.account
    arn = account.function("f", tags=BILLING, architecture="arm64", variables={"AWS_CODEGURU_PROFILER_GROUP_NAME": "x"})
    account.make_group("g", tags=BILLING, platform="Default")
    stock = inventory.take(aws.sweep_clients(REGION, session=aws.session()), place=PLACE, now=datetime.now(UTC))
    assert (stock.functions(), stock.groups(), stock.group("f")) == (["f"], ["g"], None)
    assert stock.function("f") == functions.read(account.clients.awslambda, arn)
    assert stock.group("g") == groups.find(
        account.clients.profiler, f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/g"
    )
    assert stock.tags_known
    assert stock.groups_known
