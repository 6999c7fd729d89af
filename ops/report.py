"""Coverage: what each function of an account and region has now, against what the policy says. Nothing is written.

It is a sweep's own comparison, as a dry run, in words of a state rather than of a deed.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, assert_never

from botocore.session import get_session

from ops import output
from ops.connection import connect, place, reachable
from ops.interrupts import Interrupts
from ops.live import HowFar, Live
from ops.problems import CannotWorkError
from ops.whereabouts import governing
from profiling_groups import aws, inventory
from profiling_groups.cleanup import orphaned_groups
from profiling_groups.comparison import Comparison
from profiling_groups.inventory import InventoryError, RegionUnsupportedError
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.runs import Tally
from profiling_groups.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.whereabouts import Whereabouts
    from profiling_groups.functions import Place
    from profiling_groups.inventory import Inventory
    from profiling_groups.policy import Policy


class Status(StrEnum):
    """What a function has, or a group is; in the order in which a person wants to read it."""

    FAILED = "failed"
    """It could not be looked at."""
    MISSING = "missing"
    """The function should have a group, and has none, or one that is of no use."""
    DRIFTED = "drifted"
    """The function has its group; its tags, or who may report to it, are not as they should be."""
    ORPHANED = "orphaned"
    """The group was created or adopted by this project, and no function needs it."""
    SKIPPED = "skipped"
    """The function is to have no group."""
    COVERED = "covered"
    """The function has its group, as it should be; or, with the reason `owned_elsewhere`, one that others manage."""


PROBLEMS: Final = (Status.FAILED, Status.MISSING, Status.DRIFTED)
"""About functions that should have a group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A function, or a group that no function needs.

    Attributes:
        status: How it stands.
        function: ARN of the function; None for a group whose function nothing tells.
        group: Name of the group; None where there is none to speak of.
        reason: Why, where the status alone does not tell.
        detail: A sentence for a person.
        runtime: Runtime identifier of the function; None for a container image, and for a group.
    """

    status: Status
    function: str | None
    group: str | None
    reason: Reason | None
    detail: str | None
    runtime: str | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """The coverage of an account and region.

    Attributes:
        place: Account and region.
        functions: How many functions there are.
        entries: All of them, and the groups that no function needs, by status and name.
    """

    place: Place
    functions: int
    entries: tuple[Entry, ...]

    def counts(self) -> dict[Status, int]:
        """Return how many entries there are of each status."""
        found = Counter(entry.status for entry in self.entries)
        return {status: found[status] for status in Status}

    def totals(self) -> dict[str, Any]:
        """Return the figures, as JSON values."""
        counts = self.counts()
        covered = counts[Status.COVERED]
        return {
            "functions": self.functions,
            "eligible": eligible(counts),
            "covered": covered,
            "covered_percent": percent(covered, eligible(counts)),
            "counts": counts,
        }


class _Collector:
    """The watcher of a comparison: shows how far it is, and keeps what comes of it."""

    def __init__(self, live: Live, stock: Inventory, functions: int) -> None:
        self.entries: list[Entry] = []
        self._live = live
        self._stock = stock
        self._functions = functions
        self._counts: Counter[str] = Counter()

    def warning(self, text: str) -> None:
        output.warn(text)

    def inventoried(self, *, functions: int, before: Tally, sweep: str) -> None:
        raise NotImplementedError  # it is sweeps that tell

    def outcome(self, outcome: Outcome) -> None:
        status = status_of(outcome.action, outcome.reason)
        (_, _, name) = (outcome.function or "").rpartition(":")
        runtime = self._stock.function(name).runtime
        self.entries.append(_entry(status, outcome, group=outcome.group, runtime=runtime))
        self._counts[status] += 1
        self._live.show(HowFar(functions=self._functions, done=len(self.entries), counts=self._counts))


def take(policy: Policy, accounts: Whereabouts) -> Report:
    """Take stock of the account and region of the credentials.

    Args:
        policy: The policy of all places.
        accounts: Tells where the account is, if the policy asks.

    Costs one call for each 50 functions, each 100 with tags and each 1,000 groups, and one or two for each group that
    has drifted.

    Raises:
        CannotWorkError: AWS cannot be asked, the functions cannot be listed, or the policy does not govern them.
    """
    with reachable(), Live("Listing") as live:
        session = connect()
        here = place(session)
        policy = governing(policy, here, accounts)
        clients = aws.sweep_clients(here.region, session=get_session())
        now = datetime.now(UTC)
        with Interrupts(clients, live):
            try:
                stock = inventory.take(clients, place=here, now=now)
            except (InventoryError, RegionUnsupportedError) as error:
                raise CannotWorkError(f"the functions cannot be listed: {error}") from error
            for warning in stock.warnings:
                output.warn(warning)
            live.describe("Comparing")
            names = stock.functions()
            compare = Comparison.of(
                stock, clients=clients, policy=policy, backfill="", deleted_before=0, now=now, dry_run=True
            )
            collector = _Collector(live, stock, len(names))
            with Workers(Tally(), watcher=collector, most_outcomes=0) as workers:
                for name in names:
                    workers.take(compare.function(name))
            entries = collector.entries
            for name in orphaned_groups(stock, policy):
                found = compare.cleanup.orphan(name)
                outcome = found if isinstance(found, Outcome) else found.expected
                entries.append(_entry(Status.ORPHANED, outcome, group=name))
    order = list(Status)
    entries.sort(key=lambda each: (order.index(each.status), each.function or "", each.group or ""))
    return Report(place=here, functions=len(names), entries=tuple(entries))


def percent(covered: int, eligible: int) -> float:
    """Return how many percent are covered, to a tenth, rounded down: all is all."""
    return math.floor(1000 * covered / eligible) / 10 if eligible else 100.0


def eligible(counts: Mapping[Status, int]) -> int:
    """Return how many of the entries counted are functions that should have a group."""
    return sum(counts.get(status, 0) for status in (*PROBLEMS, Status.COVERED))


def status_of(action: Action, reason: Reason | None) -> Status:
    """Return the state that a dry run's outcome tells of."""
    match action:
        case Action.EXISTS:
            return Status.MISSING if reason is Reason.COMPUTE_PLATFORM_MISMATCH else Status.COVERED
        case Action.CREATED:
            return Status.MISSING
        case Action.UPDATED:
            return Status.DRIFTED
        case Action.DELETED | Action.ORPHANED:
            return Status.ORPHANED
        case Action.SKIPPED:
            return Status.SKIPPED
        case Action.FAILED:
            return Status.FAILED
        case never:
            assert_never(never)


def status_after(action: Action, reason: Reason | None, *, dry_run: bool) -> Status | None:
    """Return the state that an outcome leaves; None where nothing is left.

    Args:
        action: What was done.
        reason: Why.
        dry_run: Whether it was only said.
    """
    match action:
        case Action.CREATED | Action.UPDATED if not dry_run:
            return Status.COVERED
        case Action.DELETED if not dry_run:
            return None
        case _:
            return status_of(action, reason)


def _entry(status: Status, outcome: Outcome, *, group: str | None, runtime: str | None = None) -> Entry:
    return Entry(
        status=status,
        function=outcome.function,
        group=group,
        reason=outcome.reason,
        detail=outcome.detail,
        runtime=runtime,
    )
