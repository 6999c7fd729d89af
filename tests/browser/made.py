"""Pages as `report --html` writes them, about an account that is made up."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import cycle
from typing import TYPE_CHECKING, Final

from ops import html_report, pages
from ops.report import Entry, Report, Status
from profiling_groups.functions import FunctionArn, Place
from profiling_groups.outcomes import Reason

if TYPE_CHECKING:
    from pathlib import Path

PLACE: Final = Place(account="123456789012", region="eu-west-1")
_RUNTIMES: Final = ("python3.13", "java21", None)
_STATES: Final = (
    *[(Status.COVERED, None, None)] * 5,
    (Status.MISSING, None, None),
    (Status.DRIFTED, None, "tags to change: team"),
    (Status.FAILED, Reason.THROTTLED, "ThrottlingException: lambda:ListTags"),
    (Status.SKIPPED, Reason.OPTED_OUT, "tag codeguru-profiler=off"),
    (Status.SKIPPED, Reason.EXCLUDED_BY_POLICY, "named (functions.names.exclude)"),
)


def entries(number: int) -> list[Entry]:
    """Return entries about so many functions: of ten, five are covered, three should be, two need no group."""
    made = []
    for each, (status, reason, detail), runtime in zip(range(number), cycle(_STATES), cycle(_RUNTIMES), strict=False):
        name = f"team-{each % 37}-service-{each}"
        made.append(
            Entry(
                status=status,
                function=str(FunctionArn(account=PLACE.account, region=PLACE.region, name=name)),
                group=None if status is Status.SKIPPED else f"aws-lambda-{name}",
                reason=reason,
                detail=detail,
                runtime=runtime,
            )
        )
    return made


def write(file: Path, listed: list[Entry]) -> str:
    """Write a page about these to a file, and return its address."""
    stock = Report(place=PLACE, functions=len(listed), entries=tuple(listed))
    made = pages.of_accounts([stock], source={"Policy": "policy.yaml"})
    file.write_text(html_report.render(made, now=datetime(2026, 3, 4, 9, 30, tzinfo=UTC)), encoding="utf-8")
    return file.as_uri()
