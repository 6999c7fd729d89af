"""Taking stock: in how many calls, and what becomes of a sweep where a part of it cannot be had."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from profiling_groups import aws, functions, groups, inventory
from profiling_groups.outcomes import Action
from profiling_groups.policy import Functions, Globs, GroupSettings, Policy
from sandbox.moto_services.codeguruprofiler.models import ComputePlatform, codeguruprofiler_backends
from tests.unit.account import ACCOUNT, REGION
from tests.unit.sweeping import OURS, PLACE, holds_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.session import Session

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
    account.make_group("aws-lambda-drifted", tags=OURS)
    account.make_group("aws-lambda-kept", tags=OURS | BILLING)
    return {
        "drifted": "updated",
        "kept": "exists",
        "new": "created",
        "node": "skipped unsupported_runtime",
        "out": "skipped opted_out",
        "own": "skipped own_group",
        "tmp-job": "skipped excluded_by_policy",
        "us-east-1.edge": "skipped edge_replica",
    }


AFTER = {f"aws-lambda-{name}": OURS | BILLING for name in ("drifted", "kept", "new")}


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
            tags=OURS | BILLING,
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
    assert (swept.words(), sweeper.groups()) == ({"new": "created"}, {"billing-new": OURS | BILLING})


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
    assert (swept.words(), swept.sent["ListProfilingGroups"]) == (expected, 2)


@pytest.fixture
def garble(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the answers of an operation be changed before the sweep sees them."""
    build = aws.sweep_clients

    def change(operation: str, how: Callable[[dict[str, Any]], object]) -> None:
        def garbled(region: str, *, session: Session) -> aws.SweepClients:
            clients = build(region, session=session)
            for client in (clients.awslambda, clients.profiler, clients.tagging, clients.quotas):
                client.meta.events.register(f"after-call.*.{operation}", lambda parsed, **_: how(parsed))  # type: ignore[arg-type]  # what it returns is not looked at
            return clients

        monkeypatch.setattr(aws, "sweep_clients", garbled)

    return change


def test_groups_that_are_listed_without_their_tags_are_read_before_they_are_written(
    sweeper: Sweeper, garble: Callable[..., None]
) -> None:
    """That a listing has them is not documented: without, a sweep takes longer, and does nothing else."""
    expected = fill(sweeper.account)
    garble("ListProfilingGroups", lambda parsed: [each.pop("tags") for each in parsed["profilingGroups"]])
    assert sweeper.sweep(Policy(functions=NO_TMP)).words() == expected
    assert sweeper.groups() == AFTER
    again = sweeper.sweep(Policy(functions=NO_TMP))
    assert (again.writes(), again.run.counts.get(Action.UPDATED, 0)) == (0, 0)


def test_tags_of_versions_and_aliases_are_nobodys(sweeper: Sweeper, garble: Callable[..., None]) -> None:
    """Only functions are tagged; what else might be listed does not pass for one."""
    sweeper.account.function("f", tags=BILLING)
    stray = {"ResourceARN": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f:live", "Tags": [{"Key": "a", "Value": "b"}]}
    garble("GetResources", lambda parsed: parsed["ResourceTagMappingList"].append(stray))
    sweeper.sweep()
    assert sweeper.groups() == {"aws-lambda-f": OURS | BILLING}


@pytest.mark.parametrize(
    ("operation", "answer"),
    [("GetResources", {}), ("ListProfilingGroups", {}), ("GetServiceQuota", {}), ("GetServiceQuota", {"Quota": {}})],
    ids=str,
)
def test_a_listing_that_makes_no_sense_is_one_that_could_not_be_had(
    sweeper: Sweeper, garble: Callable[..., None], operation: str, answer: dict[str, Any]
) -> None:
    """What botocore makes of an answer that was cut off."""
    expected = fill(sweeper.account)

    def cut_off(parsed: dict[str, Any]) -> None:
        parsed.clear()
        parsed.update(answer)

    garble(operation, cut_off)
    swept = sweeper.sweep(Policy(functions=NO_TMP))
    assert (swept.words(), sweeper.groups()) == (expected, AFTER)
    assert len(swept.warnings) == 1


def test_without_a_list_of_functions_that_makes_sense_there_is_no_sweep(
    sweeper: Sweeper, garble: Callable[..., None]
) -> None:
    """An account whose functions are not listed is not an empty one."""
    fill(sweeper.account)
    garble("ListFunctions", lambda parsed: parsed.clear())
    with pytest.raises(inventory.InventoryError):
        sweeper.sweep()


def test_what_is_kept_of_each_tells_it_all(sweeper: Sweeper) -> None:
    """Functions and groups come out as they went in, packed though they are meanwhile."""
    account = sweeper.account
    arn = account.function("f", tags=BILLING, architecture="arm64", variables={"AWS_CODEGURU_PROFILER_GROUP_NAME": "x"})
    account.make_group("g", tags=BILLING, platform="Default")
    stock = inventory.take(aws.sweep_clients(REGION, session=aws.session()), place=PLACE, now=datetime.now(UTC))
    assert (stock.functions(), stock.groups(), stock.group("f")) == (["f"], ["g"], None)
    assert stock.function("f") == functions.read(account.clients.awslambda, arn)
    assert stock.group("g") == groups.find(account.clients.profiler, "g")
    assert stock.tags_known
    assert stock.groups_known
