"""The demo's stories, chapter by chapter: what happens to functions, each with what should become of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from demo.changes import (
    created,
    creation_refused,
    deleted,
    group_deleted,
    group_made,
    group_tagged,
    tagged,
    untagged,
)
from demo.table import NO_OUTCOME, NOT_MATCHED, Result, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from demo.account import Account
    from demo.changes import Change
    from embedded_aws.client import SandboxClient

SHIPPED = "policy.yaml"
"""The policy that ships, from the repository's root on."""
CLEAN_UP = "demo/clean-up.yaml"
"""One by which a backfill deletes the groups of functions that are gone or have opted out."""

_OURS = {"managed-by": "profiling-group-provisioner"}
_THEIRS = {"team": "infra", "managed-by": "platform-stack"}


class Heard(Enum):
    """How what happens in a chapter comes to be known."""

    BY_EVENTS = auto()
    """Each story by its own events."""
    BY_DEPLOYMENT = auto()
    """All of it happened before the deployment, which starts a backfill."""
    BY_SCHEDULE = auto()
    """By the backfill that the schedule starts."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """Something that happens to a function.

    Attributes:
        name: The function's name.
        what: What happens, in words.
        happens: What is done, in order; of the events that follow, the last is the one to look at.
        expected: What should become of it.
    """

    name: str
    what: str
    happens: Sequence[Change]
    expected: Result


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """Stories under one policy. They follow each other, and on those of the chapters before.

    Attributes:
        title: What it is about.
        policy: Path of the policy file that is in force, from the repository's root on.
        stories: In order.
        heard: How they come to be known.
    """

    title: str
    policy: str
    stories: Sequence[Story]
    heard: Heard = Heard.BY_EVENTS


def _updated(name: str, **tags: str) -> Result:
    """Return that a group that was created for a function has these tags, and those that the policy adds."""
    return replace(_created(name, **tags), action="updated")


def _created(name: str, **tags: str) -> Result:
    """Return that a function's group was created, with its tags and those that the policy adds."""
    return Result(action="created", group=f"aws-lambda-{name}", tags=tags | _OURS, mark="created-for")


def _adopted(name: str, **tags: str) -> Result:
    """Return that a group that was found without tags has the function's, and those that the policy adds."""
    return Result(action="updated", group=f"aws-lambda-{name}", tags=tags | _OURS, mark="adopted-for")


_OWNED_ELSEWHERE = Result(action="exists", reason="owned_elsewhere", group="aws-lambda-nightly-audit", tags=_THEIRS)
_ORPHANED = replace(_adopted("legacy-import", team="data"), action="orphaned", reason="function_gone")

CHAPTERS = (
    Chapter(
        title="Functions that were there before the deployment",
        policy=SHIPPED,
        heard=Heard.BY_DEPLOYMENT,
        stories=(
            Story(
                name="payroll",
                what="was there before, with tags",
                happens=[created(tags={"team": "people"})],
                expected=_created("payroll", team="people"),
            ),
            Story(
                name="search-indexer",
                what="was there before; the agent had created its group",
                happens=[created(tags={"team": "search"}), group_made()],
                expected=_adopted("search-indexer", team="search"),
            ),
            Story(
                name="image-proxy",
                what="was there before: Node.js",
                happens=[created(Runtime="nodejs20.x")],
                expected=Result(action="skipped", reason="unsupported_runtime"),
            ),
        ),
    ),
    Chapter(
        title="Functions are created",
        policy=SHIPPED,
        stories=(
            Story(
                name="orders-api",
                what="created: Python, with tags",
                happens=[
                    created(tags={"team": "shop", "cost-center": "4711", "aws:cloudformation:stack-name": "orders"})
                ],
                expected=_created("orders-api", team="shop", **{"cost-center": "4711"}),
            ),
            Story(
                name="invoice-renderer",
                what="created: Java",
                happens=[created(Runtime="java21", Handler="com.example.Renderer")],
                expected=_created("invoice-renderer"),
            ),
            Story(
                name="thumbnailer",
                what="created: a container image",
                happens=[
                    created(
                        tags={"team": "media"},
                        PackageType="Image",
                        Code={"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/thumbnailer:1"},
                    )
                ],
                expected=_created("thumbnailer", team="media"),
            ),
            Story(
                name="web-frontend",
                what="created: Node.js",
                happens=[created(Runtime="nodejs22.x")],
                expected=Result(action="skipped", reason="unsupported_runtime"),
            ),
            Story(
                name="broken-worker",
                what="creation refused: its role cannot be assumed",
                happens=[creation_refused],
                expected=Result(action=NOT_MATCHED),
            ),
            Story(
                name="batch-cleanup",
                what="created: opted out by its tag",
                happens=[created(tags={"codeguru-profiler": "off"})],
                expected=Result(action="skipped", reason="opted_out"),
            ),
            Story(
                name="report-writer",
                what="created: its environment names another group",
                happens=[created(Environment={"Variables": {"AWS_CODEGURU_PROFILER_GROUP_NAME": "reports"}})],
                expected=Result(action="skipped", reason="own_group"),
            ),
            Story(
                name="stock-sync",
                what="created: its environment names its own default group",
                happens=[
                    created(Environment={"Variables": {"AWS_CODEGURU_PROFILER_GROUP_NAME": "aws-lambda-stock-sync"}})
                ],
                expected=_created("stock-sync"),
            ),
            Story(
                name="legacy-import",
                what="created: the agent created its group first, without tags",
                happens=[group_made(), created(tags={"team": "data"})],
                expected=_adopted("legacy-import", team="data"),
            ),
            Story(
                name="nightly-audit",
                what="created: Terraform had created its group, with tags",
                happens=[group_made(tags=_THEIRS), created(tags={"team": "audit", "managed-by": "sam"})],
                expected=_OWNED_ELSEWHERE,
            ),
        ),
    ),
    Chapter(
        title="Afterwards, under the policy that ships: tags are kept in step, groups are kept",
        policy=SHIPPED,
        stories=(
            Story(
                name="orders-api",
                what="retagged: team = fulfilment",
                happens=[tagged({"team": "fulfilment"})],
                expected=_updated("orders-api", team="fulfilment", **{"cost-center": "4711"}),
            ),
            Story(
                name="orders-api",
                what="untagged: cost-center",
                happens=[untagged("cost-center")],
                expected=_updated("orders-api", team="fulfilment"),
            ),
            Story(
                name="thumbnailer",
                what="untagged: team; somebody has tagged its group",
                happens=[group_tagged({"reviewed": "yes"}), untagged("team")],
                expected=_updated("thumbnailer", reviewed="yes"),
            ),
            Story(
                name="nightly-audit",
                what="retagged: team = risk; the group is Terraform's",
                happens=[tagged({"team": "risk"})],
                expected=_OWNED_ELSEWHERE,
            ),
            Story(
                name="nightly-audit",
                what="untagged: managed-by",
                happens=[untagged("managed-by")],
                expected=_OWNED_ELSEWHERE,
            ),
            Story(
                name="batch-cleanup",
                what="opts in: loses its tag codeguru-profiler",
                happens=[untagged("codeguru-profiler")],
                expected=_created("batch-cleanup"),
            ),
            Story(
                name="invoice-renderer",
                what="opts out: tagged codeguru-profiler = off",
                happens=[tagged({"codeguru-profiler": "off"})],
                expected=replace(_created("invoice-renderer"), action="skipped", reason="opted_out"),
            ),
            Story(
                name="stock-sync",
                what="deleted",
                happens=[deleted],
                expected=replace(_created("stock-sync"), action=NOT_MATCHED),
            ),
            Story(
                name="legacy-import",
                what="deleted; its group was adopted",
                happens=[deleted],
                expected=replace(_adopted("legacy-import", team="data"), action=NOT_MATCHED),
            ),
        ),
    ),
    Chapter(
        title="Drift, made by hand, and corrected by the scheduled backfill",
        policy=SHIPPED,
        heard=Heard.BY_SCHEDULE,
        stories=(
            Story(
                name="payroll",
                what="somebody has deleted its group",
                happens=[group_deleted],
                expected=_created("payroll", team="people"),
            ),
            Story(
                name="search-indexer",
                what="somebody has changed its group's tags",
                happens=[group_tagged({"team": "nobody", "reviewed": "yes"})],
                expected=_adopted("search-indexer", team="search", reviewed="yes"),
            ),
            Story(
                name="orders-api",
                what="nothing",
                happens=[],
                expected=replace(_updated("orders-api", team="fulfilment"), action="exists"),
            ),
            Story(
                name="nightly-audit",
                what="nothing; the group is Terraform's",
                happens=[],
                expected=_OWNED_ELSEWHERE,
            ),
        ),
    ),
    Chapter(
        title="A policy that deletes is deployed, and the backfill deletes what no function needs",
        policy=CLEAN_UP,
        heard=Heard.BY_DEPLOYMENT,
        stories=(
            Story(
                name="stock-sync",
                what="was deleted before",
                happens=[],
                expected=Result(action="deleted", reason="function_gone"),
            ),
            Story(
                name="invoice-renderer",
                what="had opted out before",
                happens=[],
                expected=Result(action="deleted", reason="opted_out"),
            ),
            Story(
                name="legacy-import",
                what="was deleted before; its group was adopted",
                happens=[],
                expected=_ORPHANED,
            ),
        ),
    ),
    Chapter(
        title="Afterwards, under the policy that deletes: events delete nothing",
        policy=CLEAN_UP,
        stories=(
            Story(
                name="orders-api",
                what="deleted",
                happens=[deleted],
                expected=replace(_updated("orders-api", team="fulfilment"), action=NOT_MATCHED),
            ),
            Story(
                name="batch-cleanup",
                what="opts out: tagged codeguru-profiler = off",
                happens=[tagged({"codeguru-profiler": "off"})],
                expected=replace(_created("batch-cleanup"), action="skipped", reason="opted_out"),
            ),
            Story(
                name="nightly-audit",
                what="deleted; the group is Terraform's",
                happens=[deleted],
                expected=replace(_OWNED_ELSEWHERE, action=NOT_MATCHED, reason=None),
            ),
        ),
    ),
    Chapter(
        title="The next backfill deletes the groups that it created, and no others",
        policy=CLEAN_UP,
        heard=Heard.BY_SCHEDULE,
        stories=(
            Story(
                name="orders-api",
                what="was deleted",
                happens=[],
                expected=Result(action="deleted", reason="function_gone"),
            ),
            Story(
                name="batch-cleanup",
                what="has opted out",
                happens=[],
                expected=Result(action="deleted", reason="opted_out"),
            ),
            Story(
                name="nightly-audit",
                what="was deleted; the group is Terraform's",
                happens=[],
                expected=replace(_OWNED_ELSEWHERE, action=NO_OUTCOME, reason=None),
            ),
            Story(
                name="legacy-import",
                what="was deleted; its group was adopted",
                happens=[],
                expected=_ORPHANED,
            ),
        ),
    ),
)


def tell(stories: Sequence[Story], account: Account, sandbox: SandboxClient, *, provisioner: str) -> list[Row]:
    """Let the stories happen one after the other, wait for what becomes of each, and return it.

    Args:
        stories: What happens.
        account: Where.
        sandbox: Its sandbox.
        provisioner: Name of the function that hears of it.
    """
    return [_row(story, happen(story, account, sandbox, hub=account, provisioner=provisioner)) for story in stories]


def let_happen(stories: Sequence[Story], account: Account) -> None:
    """Let all of the stories happen."""
    for story in stories:
        for change in story.happens:
            change(account, story.name)


def swept(stories: Sequence[Story], account: Account, outcomes: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return what became of stories by a backfill.

    Args:
        stories: What happened.
        account: Where.
        outcomes: The records of the backfill.
    """
    by_name = {str(outcome["function"]).rpartition(":")[2]: outcome for outcome in outcomes}
    return [
        _row(story, account.result(by_name.get(story.name), matched=bool(outcomes), group=f"aws-lambda-{story.name}"))
        for story in stories
    ]


def _row(story: Story, result: Result) -> Row:
    return Row(function=story.name, what=story.what, result=result, expected=[story.expected])


def happen(story: Story, account: Account, sandbox: SandboxClient, *, hub: Account, provisioner: str) -> Result:
    """Let a story happen, wait for what becomes of it, and return that.

    Args:
        story: What happens.
        account: Where.
        sandbox: Its sandbox.
        hub: Where the function is that hears of it.
        provisioner: Name of that function.
    """
    events, records = len(sandbox.invocations()), len(hub.outcomes(provisioner))
    for change in story.happens:
        change(account, story.name)
    sandbox.wait_until_idle()
    outcomes = hub.outcomes(provisioner)[records:]
    return account.result(
        outcomes[-1] if outcomes else None,
        matched=len(sandbox.invocations()) > events,
        group=f"aws-lambda-{story.name}",
    )
