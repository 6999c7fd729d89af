"""The scenarios of the demos, as `*_scenarios.yaml` states them: what happens to functions, and what should follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML

from demo.table import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOME: Final = "us-east-1"
"""Region of a scenario that names none; the organization's hub is there, too."""
_ADDED_TAGS: Final = {"managed-by": "profiling-group-provisioner"}
"""What the policy that ships adds to the tags of a created or adopted group."""


class Trigger(StrEnum):
    """What makes the provisioner act in a chapter."""

    EVENTS = "events"
    """The events of each scenario."""
    DEPLOYMENT = "deployment"
    """The backfill that the deployment starts, after all that the scenarios change."""
    SCHEDULE = "schedule"
    """The backfill that the schedule starts."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Changes to a function, and the expected outcome.

    Attributes:
        function: The function's name.
        what: The changes in words.
        changes: The changes (`demo.changes`), in order; the outcome of the last event counts.
        expected: The outcome and the group afterwards.
        account: Name of the account in the organization; None without one.
        region: The region.
    """

    function: str
    what: str
    changes: Sequence[Any]
    expected: Result
    account: str | None
    region: str

    @property
    def where(self) -> str | None:
        """Account and region in words; None without an organization."""
        return self.account and f"{self.account}, {self.region}"


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """Scenarios that follow each other.

    Attributes:
        title: What it shows.
        scenarios: In order.
        trigger: What makes the provisioner act.
        policy: Path of the policy file in force, from the repository's root; None if the deployment has its own.
        before: What is done to the organization first: words, name of a method, arguments.
    """

    title: str
    scenarios: Sequence[Scenario]
    trigger: Trigger
    policy: str | None
    before: Sequence[tuple[str, str, Mapping[str, str]]]


def read(name: str) -> tuple[Chapter, ...]:
    """Read a demo's chapters.

    Args:
        name: `single_account` or `organization`.
    """
    chapters = YAML(typ="safe").load(Path(__file__).with_name(f"{name}_scenarios.yaml"))
    return tuple(
        Chapter(
            title=each["title"],
            scenarios=[_scenario(**scenario) for scenario in each["scenarios"]],
            trigger=Trigger(each.get("trigger", "events")),
            policy=each.get("policy"),
            before=each.get("before", ()),
        )
        for each in chapters
    )


def _scenario(  # noqa: PLR0913 - the keys of the file
    *,
    function: str,
    what: str,
    expected: Mapping[str, Any],
    changes: Sequence[Any] = (),
    account: str | None = None,
    region: str = HOME,
) -> Scenario:
    mark, tags = expected.get("mark"), expected.get("tags", {})
    result = Result(
        action=expected["action"],
        reason=expected.get("reason"),
        group=f"aws-lambda-{function}" if mark or tags else None,
        tags=tags | _ADDED_TAGS if mark else tags,
        mark=mark,
    )
    return Scenario(function=function, what=what, changes=changes, expected=result, account=account, region=region)
