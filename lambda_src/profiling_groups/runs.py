"""The result of a request: what was done in one run, counted, with the outcomes that are worth reading. Pure.

`sweep` makes one; Lambda's callers and the state machine get it, the command line prints it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from profiling_groups.functions import Place
    from profiling_groups.outcomes import Outcome

_HAS_GROUP = (Action.CREATED, Action.EXISTS, Action.UPDATED)


@dataclass(kw_only=True)
class Tally:
    """Outcomes, counted as they come.

    Attributes:
        counts: How many there were of each action.
        eligible: How many were about functions that should have a group.
        covered: How many of these functions have it, as it should be.
    """

    counts: Counter[Action] = field(default_factory=Counter)
    eligible: int = 0
    covered: int = 0

    def add(self, outcome: Outcome, *, expected: Action) -> None:
        """Count one more.

        Args:
            outcome: The outcome.
            expected: What it should have come to.
        """
        self.counts[outcome.action] += 1
        has_group = outcome.action in _HAS_GROUP
        self.eligible += has_group or (outcome.action is Action.FAILED and expected is not Action.DELETED)
        # A group of another compute platform is useless, one that others manage is not; a dry run has made none.
        is_usable = outcome.reason in (None, Reason.OWNED_ELSEWHERE)
        as_it_should_be = is_usable and (outcome.action is Action.EXISTS or not outcome.dry_run)
        self.covered += has_group and as_it_should_be

    def copy(self) -> Tally:
        """Return one to go on counting with."""
        return Tally(counts=Counter(self.counts), eligible=self.eligible, covered=self.covered)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """A whole sweep so far, over all of its runs.

    Attributes:
        sweep: Its id; None where nothing was swept.
        began: When its first run did.
        functions: Functions that there are, as of the last look.
        eligible: Of those looked at so far, the ones that should have a group.
        covered: Of these, the ones that have it now, as it should be.
        counts: Outcomes by action.
        groups: Groups that there are now; None where not all could be listed.
        quota: How many there may be; None before the end of the sweep.
    """

    sweep: str | None
    began: datetime
    functions: int
    eligible: int
    covered: int
    counts: Mapping[Action, int]
    groups: int | None
    quota: int | None

    def to_response(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "sweep": self.sweep,
            "began": self.began.isoformat(timespec="seconds"),
            "functions": self.functions,
            "eligible": self.eligible,
            "covered": self.covered,
            "counts": named(self.counts),
            "groups": self.groups,
            "quota": self.quota,
        }


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of one request.

    Attributes:
        action: What was asked for: `provision` or `backfill`.
        place: Where.
        dry_run: Whether nothing was written because the caller asked so.
        complete: Whether all was looked at; otherwise the caller goes on with `cursor`.
        cursor: Where to go on; None where there is nothing left to do.
        counts: Outcomes of this run by action.
        outcomes: The outcomes but those with `exists`, as far as there is room: failures, then what was done, then what
            was not.
        truncated: Whether there was no room for some.
        totals: The whole sweep so far; None for `provision`.
    """

    action: str
    place: Place
    dry_run: bool
    complete: bool
    cursor: str | None
    counts: Mapping[Action, int]
    outcomes: tuple[Outcome, ...]
    truncated: bool
    totals: Totals | None = None

    def to_response(self) -> dict[str, Any]:
        """Return it as JSON values."""
        response = {
            "action": self.action,
            "account": self.place.account,
            "region": self.place.region,
            "dry_run": self.dry_run,
            "complete": self.complete,
            "cursor": self.cursor,
            "counts": named(self.counts),
            "outcomes": [outcome.to_response() for outcome in self.outcomes],
            "truncated": self.truncated,
        }
        if self.totals is None:
            return response
        return {**response, "totals": self.totals.to_response()}

    def to_result(self) -> dict[str, Any]:
        """Return it as JSON values without what was asked, as one of several in the answer about an account."""
        left_out = ("action", "cursor")
        return {key: value for key, value in self.to_response().items() if key not in left_out}

    def without_outcomes(self) -> Run:
        """Return it without the outcomes that it lists; one about the place itself stays, as nothing else tells why."""
        kept = tuple(outcome for outcome in self.outcomes if outcome.function is None and outcome.group is None)
        return replace(self, outcomes=kept, truncated=self.truncated or len(kept) < len(self.outcomes))


@dataclass(frozen=True, kw_only=True)
class AccountRun:
    """What came of a request about an account with several regions.

    Attributes:
        account: Account id.
        regions: The regions that were asked for.
        organization_path: Where the account is, as in `aws:PrincipalOrgPaths`; None where nobody has said.
        dry_run: Whether nothing was written because the caller asked so.
        complete: Whether all was looked at; otherwise the caller goes on with `cursor`.
        cursor: Where to go on; None where there is nothing left to do.
        runs: What came of each region that was looked at so far, as `Run.to_result`.
    """

    account: str
    regions: tuple[str, ...]
    organization_path: str | None
    dry_run: bool
    complete: bool
    cursor: str | None
    runs: tuple[Mapping[str, Any], ...]

    def to_response(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"action": "backfill", **asdict(self)}


def named(counts: Mapping[Action, int]) -> dict[str, int]:
    """Return the counts in the vocabulary's order, without those of which there are none."""
    return {action.value: counts[action] for action in Action if counts.get(action)}
