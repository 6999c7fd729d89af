"""What a sweep of an organization came to, a place at a time: little of each, as there are thousands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ops.executions import Ended
    from ops.results import Failure


class Standing(StrEnum):
    """How a place fared; from the worst on."""

    UNFINISHED = "unfinished"
    """Its sweep failed, or broke off."""
    UNREACHABLE = "unreachable"
    """The role in its account cannot be assumed."""
    UNSUPPORTED = "unsupported"
    """There is no CodeGuru Profiler in the region, or the region is disabled or forbidden for the account."""
    UNGOVERNED = "ungoverned"
    """The policy leaves it out."""
    SWEPT = "swept"
    """Its functions were looked at, all of them."""


_SPARED: Final = {
    Reason.ACCOUNT_UNREACHABLE: Standing.UNREACHABLE,
    Reason.REGION_UNSUPPORTED: Standing.UNSUPPORTED,
    Reason.EXCLUDED_BY_POLICY: Standing.UNGOVERNED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Swept:
    """A place, and what its sweep came to.

    Attributes:
        organization_path: Where its account is, as in `aws:PrincipalOrgPaths`; None where nothing tells.
        account: Account id.
        region: Region code; None where a sweep failed and does not tell of which.
        standing: How it fared.
        dry_run: Whether nothing was written.
        functions: Functions that there are.
        eligible: Those that should have a group.
        covered: Those that have it, as it should be.
        counts: Outcomes about functions and groups, by action.
        detail: Why it was not swept, or why the first of those that failed did.
    """

    organization_path: str | None
    account: str | None
    region: str | None
    standing: Standing
    dry_run: bool
    functions: int = 0
    eligible: int = 0
    covered: int = 0
    counts: Mapping[Action, int]
    detail: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to mend; a place that cannot be helped from here is none."""
        return self.standing is not Standing.UNFINISHED and not self.counts.get(Action.FAILED)


def of_run(run: Mapping[str, Any]) -> Swept:
    """Return what a run tells, as `ops.results` reads it.

    Args:
        run: As JSON values.
    """
    about = [each for each in run["outcomes"] if each["function"] is None and each["group"] is None]
    if about:
        standing = _SPARED.get(about[0]["reason"], Standing.UNFINISHED)
        counts: dict[Action, int] = {}
        detail = about[0]["detail"]
    else:
        standing = Standing.SWEPT if run["complete"] else Standing.UNFINISHED
        counts = {Action(action): count for action, count in run["totals"]["counts"].items()}
        failed = (each for each in run["outcomes"] if each["action"] == Action.FAILED)
        detail = next((f"{each['reason']}: {each['detail']}" for each in failed), None)
    return Swept(
        organization_path=run.get("organization_path"),
        account=run["account"],
        region=run["region"],
        standing=standing,
        dry_run=run["dry_run"],
        functions=run["totals"]["functions"],
        eligible=run["totals"]["eligible"],
        covered=run["totals"]["covered"],
        counts=counts,
        detail=detail,
    )


def of_failure(failure: Failure, *, dry_run: bool) -> Iterator[Swept]:
    """Yield the places of an account that was not swept to the end.

    Args:
        failure: What is known of it.
        dry_run: Whether nothing was to be written.
    """
    for region in failure.regions or (None,):
        yield Swept(
            organization_path=failure.organization_path,
            account=failure.account,
            region=region,
            standing=Standing.UNFINISHED,
            dry_run=dry_run,
            counts={},
            detail=f"{failure.error}: {failure.cause}" if failure.cause else failure.error,
        )


def noted(ended: Ended, places: list[Swept]) -> Ended:
    """Return what came of an execution, as it was, and note in short what is gone through.

    Args:
        ended: What came of it.
        places: Takes each place.
    """
    dry_run = ended.request.get("dry_run", False)

    def runs() -> Iterator[dict[str, Any]]:
        for run in ended.runs:
            places.append(of_run(run))
            yield run

    def failures() -> Iterator[Failure]:
        for failure in ended.failures:
            places.extend(of_failure(failure, dry_run=dry_run))
            yield failure

    return replace(ended, runs=runs(), failures=failures())


def left_out(places: Iterable[Swept], request: Mapping[str, Any]) -> list[str]:
    """Return the accounts and regions that were asked for, and are none of the places.

    Args:
        places: All that were to be swept.
        request: What was asked for: `accounts`, `regions`, or null for all.
    """
    accounts, regions = set(), set()
    for place in places:
        accounts.add(place.account)
        regions.add(place.region)
    missing = [account for account in request.get("accounts") or () if account not in accounts]
    # An account whose sweep failed without a word of its regions may have had any.
    return missing if None in regions else [*missing, *(r for r in request.get("regions") or () if r not in regions)]
