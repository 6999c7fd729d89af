"""Sweeps of an account of moto's: what they are given, and what came of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.awslambda.models import lambda_backends

from embedded_aws.moto_services.codeguruprofiler.models import codeguruprofiler_backends
from profiling_groups import aws, sweep
from profiling_groups.functions import Place
from profiling_groups.outcomes import Action, Reason
from profiling_groups.policy import Policy
from profiling_groups.recorder import Recorder
from profiling_groups.requests import Backfill
from profiling_groups.runs import Run
from tests.unit.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.model import OperationModel

    from profiling_groups.aws import SweepClients
    from profiling_groups.outcomes import Outcome
    from profiling_groups.runs import Tally, Totals
    from tests.unit.account import Account

PLACE = Place(account=ACCOUNT, region=REGION)
WRITES = frozenset({"CreateProfilingGroup", "TagResource", "UntagResource", "DeleteProfilingGroup", "PutPermission"})
"""The operations that change something."""
_NEVER = 1_000_000


class Clock:
    """A clock that goes on when somebody sleeps, and only then; `pacing` takes it for the module `time`."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = Lock()

    def monotonic(self) -> float:
        """Return the seconds that have been slept in all."""
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass."""
        with self._lock:
            self._now += seconds


@dataclass(kw_only=True)
class Swept:
    """What a sweep told and did; the watcher of that sweep.

    Attributes:
        run: What it returned.
        warnings: What was out of order.
        outcomes: One for each function, and each group that was left over.
        functions: How many functions it said that there are.
        before: What it said that earlier runs came to.
        sent: The operations that it sent, retries included.
    """

    warnings: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    functions: int | None = None
    before: Tally | None = None
    sent: Counter[str] = field(default_factory=Counter)
    run: Run = field(init=False)

    def warning(self, text: str) -> None:
        """Note it."""
        self.warnings.append(text)

    def inventoried(self, *, functions: int, before: Tally, sweep: str) -> None:
        """Note it."""
        assert sweep
        self.functions, self.before = functions, before

    def outcome(self, outcome: Outcome) -> None:
        """Note it."""
        self.outcomes.append(outcome)

    def words(self) -> dict[str, str]:
        """Return each outcome's action, with its reason, by the name of the function, or of the superseded group."""
        return {_subject(each): f"{each.action} {each.reason or ''}".strip() for each in self.outcomes}

    def detail(self, name: str) -> str:
        """Return the detail of the outcome about a function, by its name."""
        (found,) = (each.detail for each in self.outcomes if _subject(each) == name)
        return found or ""

    def writes(self) -> int:
        """Return how many calls were sent that change something."""
        return sum(count for operation, count in self.sent.items() if operation in WRITES)


def _subject(outcome: Outcome) -> str:
    """Return what an outcome is about: a function has one, and each group of its that is superseded another."""
    if outcome.function is None or outcome.reason is Reason.SUPERSEDED:
        return f"/{outcome.group}"
    return outcome.function.rpartition(":")[2]


def holds_together(swept: Swept, *, functions: int, leftovers: int = 0) -> None:
    """Assert that a whole sweep's numbers add up: one outcome for each function and leftover, each counted once."""
    about = [_subject(each) for each in swept.outcomes]
    assert len(about) == functions + leftovers, about
    assert len(set(about)) == len(about), about
    run = swept.run
    assert (run.complete, run.cursor) == (True, None)
    assert run.counts == Counter(each.action for each in swept.outcomes)
    assert run.totals is not None
    assert run.totals.counts == run.counts
    assert run.totals.functions == swept.functions == functions
    assert set(run.outcomes) == {each for each in swept.outcomes if each.action is not Action.EXISTS or each.reason}
    failed = [each for each in swept.outcomes if each.action is Action.FAILED]
    assert all(each.reason and each.detail for each in failed), failed
    assert all(each.error_code or each.reason is Reason.CONCURRENT_CHANGE for each in failed), failed


def finish(totals: Totals, *, now: datetime, count_dead_letters: Callable[[Place], int] | None = None) -> None:
    """Let a whole sweep that has come to this be told and counted, as at its end."""
    run = Run(
        action="backfill",
        place=PLACE,
        dry_run=False,
        complete=True,
        cursor=None,
        counts=totals.counts,
        outcomes=(),
        truncated=False,
        totals=totals,
    )
    Recorder(PLACE, dry_run=False, count_dead_letters=count_dead_letters).finish(run, now=now)


class Sweeper:
    """Sweeps the account.

    Attributes:
        account: What is swept.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self._garbled: dict[str, Callable[[Any], object]] = {}

    def watch(self, clients: SweepClients) -> None:
        """Let the account see the calls of a backfill's clients, and give garbled answers to them."""
        each = (clients.awslambda, clients.profiler, clients.tagging, clients.quotas)
        self.account.watch(*each)
        for client in each:
            client.meta.events.register("after-call", self._garble)

    def garble(self, operation: str, how: Callable[[Any], object]) -> None:
        """Let backfills see other answers of an operation than AWS gives: `how` changes them in place."""
        self._garbled[operation] = how

    def _garble(self, parsed: Any, model: OperationModel, **_: object) -> None:  # noqa: ANN401 - an answer
        how = self._garbled.get(model.name)
        if how and "Error" not in parsed:
            how(parsed)

    def empty(self) -> None:
        """Take everything out of the account."""
        self.account.recover()
        lambda_backends[ACCOUNT][REGION].reset()
        codeguruprofiler_backends[ACCOUNT][REGION].reset()

    def sweep(  # noqa: PLR0913 - all by keyword but the policy
        self,
        policy: Policy | None = None,
        *,
        dry_run: bool = False,
        cursor: str | None = None,
        most_new: int = _NEVER,
        max_outcomes: int = 1_000,
        later: timedelta = timedelta(hours=1),
        place: Place = PLACE,
    ) -> Swept:
        """Sweep once.

        Args:
            policy: What to obey; the policy that ships, for none.
            dry_run: Whether to write nothing.
            cursor: Where to go on.
            most_new: After how many functions (or groups) no more is begun.
            max_outcomes: How many outcomes the run lists.
            later: How long after the present it is: after a quarter of an hour, what was done now is settled.
            place: Account and region.
        """
        found = Swept()
        self.account.sent.clear()
        asked = 0

        def stop() -> bool:
            nonlocal asked
            asked += 1
            return asked >= most_new

        found.run = sweep.sweep(
            Backfill(dry_run=dry_run, cursor=cursor, max_outcomes=max_outcomes),
            place=place,
            clients=aws.sweep_clients(place.region, session=aws.session()),
            policy=policy or Policy(),
            now=datetime.now(UTC).replace(microsecond=0) + later,
            stop=stop,
            watcher=found,
        )
        found.sent.update(self.account.sent)
        return found

    def sweep_in_pieces(self, policy: Policy, *, most_new: int, dry_run: bool = False) -> list[Swept]:
        """Sweep with as many runs as it takes, each of which looks at so many functions (or groups)."""
        runs = [self.sweep(policy, most_new=most_new, dry_run=dry_run)]
        while (cursor := runs[-1].run.cursor) is not None:
            assert not runs[-1].run.complete
            assert runs[-1].outcomes
            runs.append(self.sweep(policy, most_new=most_new, dry_run=dry_run, cursor=cursor))
        return runs

    def groups(self) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of every group, by its name, past all faults."""
        return {name: self.account.group(name)["tags"] for name in self.account.groups()}
