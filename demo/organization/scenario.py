"""The stories of the organization, chapter by chapter: what happens where, each with what should become of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from demo import scenario
from demo.changes import created, deleted, tagged
from demo.organization.company import ABROAD, HOME, HUB
from demo.scenario import Heard
from demo.table import NO_OUTCOME, NOT_MATCHED, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from demo.organization.company import Company

_OURS = {"managed-by": "profiling-group-provisioner"}
_UNREACHABLE = Result(action="skipped", reason="account_unreachable")


def _created(name: str, **tags: str) -> Result:
    """Return that a function's group was created, with its tags and those that the policy adds."""
    return Result(action="created", group=f"aws-lambda-{name}", tags=tags | _OURS, mark="created-for")


_FOLLOWS = replace(_created("orders-api", team="fulfilment"), action="updated")
_KEPT = replace(_created("orders-api", team="shop"), action=NOT_MATCHED)
_PLAYED = _created("orders-api", team="play", stage="play")


@dataclass(frozen=True, kw_only=True)
class Story(scenario.Story):
    """Something that happens to a function.

    Attributes:
        account: Name of the account.
        region: The region.
    """

    account: str
    region: str = HOME

    @property
    def where(self) -> str:
        """Account and region, in words."""
        return f"{self.account}, {self.region}"


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """Stories that follow each other, and on those of the chapters before.

    Attributes:
        title: What it is about.
        stories: In order.
        heard: How they come to be known.
        changes: What is done to the organization first, each in words.
        by_hand: Account that is made a member by hand before that.
    """

    title: str
    stories: Sequence[Story]
    heard: Heard = Heard.BY_EVENTS
    changes: Sequence[tuple[str, Callable[[Company], None]]] = ()
    by_hand: str | None = None


def _everywhere() -> list[Story]:
    """Functions of one name in every account and region: one event of each, and one group by it."""
    return [
        Story(
            account=account,
            region=region,
            name="orders-api",
            what="created",
            happens=[created(tags={"team": account})],
            expected=_PLAYED if account == "play" else _created("orders-api", team=account),
        )
        for account in ("shop", "billing", "play", HUB)
        for region in (HOME, ABROAD)
    ]


CHAPTERS = (
    Chapter(
        title="Three accounts had functions before the hub and its stack set were deployed",
        heard=Heard.BY_DEPLOYMENT,
        stories=(
            Story(
                account="shop",
                name="checkout",
                what="was there before, with tags",
                happens=[created(tags={"team": "shop"})],
                expected=_created("checkout", team="shop"),
            ),
            Story(
                account="billing",
                region=ABROAD,
                name="invoices",
                what="was there before: Java",
                happens=[created(Runtime="java21", Handler="com.example.Invoices")],
                expected=_created("invoices"),
            ),
            Story(
                account="play",
                name="toy",
                what="was there before; an override adds a tag",
                happens=[created()],
                expected=_created("toy", stage="play"),
            ),
            Story(
                account=HUB,
                name="audit-log",
                what="was there before; a stack set does not reach the management account",
                happens=[created()],
                expected=_UNREACHABLE,
            ),
        ),
    ),
    Chapter(
        title="Functions of one name are created everywhere; the hub's account is a member now, by hand",
        by_hand=HUB,
        stories=_everywhere(),
    ),
    Chapter(
        title="Afterwards, each by the policy of its place",
        stories=(
            Story(
                account="shop",
                region=ABROAD,
                name="orders-api",
                what="retagged: team = fulfilment",
                happens=[tagged({"team": "fulfilment"})],
                expected=_FOLLOWS,
            ),
            Story(
                account="shop",
                name="orders-api",
                what="deleted",
                happens=[deleted],
                expected=_KEPT,
            ),
            Story(
                account="play",
                name="orders-api",
                what="deleted",
                happens=[deleted],
                expected=replace(_PLAYED, action=NOT_MATCHED),
            ),
        ),
    ),
    Chapter(
        title="An account joins",
        changes=(
            (
                "An account is created, with a function in it",
                lambda company: _with_function(company, "analytics", "etl"),
            ),
            (
                "It moves into the unit workloads, and the stack set follows",
                lambda company: company.move("analytics", source="root", destination="workloads"),
            ),
        ),
        stories=(
            Story(
                account="analytics",
                region=ABROAD,
                name="dashboard",
                what="created",
                happens=[created(tags={"team": "data"})],
                expected=_created("dashboard", team="data"),
            ),
        ),
    ),
    Chapter(
        title="The scheduled backfill: what accounts had before they joined, and what no function needs",
        heard=Heard.BY_SCHEDULE,
        stories=(
            Story(
                account="analytics",
                name="etl",
                what="was there before the account joined",
                happens=[],
                expected=_created("etl"),
            ),
            Story(
                account=HUB,
                name="audit-log",
                what="was there before the account became a member",
                happens=[],
                expected=_created("audit-log"),
            ),
            Story(
                account="play",
                name="orders-api",
                what="was deleted; an override deletes groups here",
                happens=[],
                expected=Result(action="deleted", reason="function_gone"),
            ),
            Story(
                account="shop",
                name="orders-api",
                what="was deleted; the policy keeps groups here",
                happens=[],
                expected=replace(_KEPT, action=NO_OUTCOME),
            ),
        ),
    ),
    Chapter(
        title="An account takes the role away",
        changes=(("billing deletes the role", lambda company: company.take_role_away("billing")),),
        stories=[
            Story(account="billing", name=name, what="created", happens=[created()], expected=_UNREACHABLE)
            for name in ("refunds", "reminders")
        ],
    ),
    Chapter(
        title="A control policy forbids a region to a unit, and the scheduled backfill covers the rest",
        heard=Heard.BY_SCHEDULE,
        changes=(
            (
                f"A control policy forbids {ABROAD} to the unit playground",
                lambda company: company.forbid(ABROAD, unit="playground"),
            ),
        ),
        stories=(
            Story(account="billing", name="refunds", what="nothing", happens=[], expected=_UNREACHABLE),
            Story(
                account="play",
                region=ABROAD,
                name="orders-api",
                what="nothing",
                happens=[],
                expected=replace(_PLAYED, action="skipped", reason="region_unsupported"),
            ),
            Story(
                account="play",
                name="toy",
                what="nothing",
                happens=[],
                expected=replace(_created("toy", stage="play"), action="exists"),
            ),
            Story(
                account="shop",
                region=ABROAD,
                name="orders-api",
                what="nothing",
                happens=[],
                expected=replace(_FOLLOWS, action="exists"),
            ),
        ),
    ),
)


def _with_function(company: Company, account: str, function: str) -> None:
    company.add(account)
    created()(company.there(account), function)
