"""The threads of a run, and its outcomes as they come in: counted, told to whoever watches, some of them kept.

`sweep` feeds them, and the thread that feeds tells the outcomes. What fails again and again for a reason that does not
lie with one function is not tried with the rest.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol, Self

from profiling_groups.aws import THREADS, explain
from profiling_groups.outcomes import Action, Reason
from profiling_groups.runs import Tally
from profiling_groups.threads import Threads, is_interruption

if TYPE_CHECKING:
    from collections.abc import Callable

    from profiling_groups.outcomes import Outcome

_HOPELESS: Final = 20
"""After so many failures in a row that do not lie with one function, so many are left out before one is tried again."""
_MOST_LEFT_OUT: Final = 320
"""Each time twice as many, up to this: an outage is not prolonged, and its end is not missed."""
# Not `access_denied`: what one team's functions are denied, the next team's are not; and an answer comes at once.
_OF_THE_SERVICE: Final = (Reason.THROTTLED, Reason.SERVICE_ERROR)


@dataclass(frozen=True, kw_only=True)
class Work:
    """Something to do that takes calls.

    Attributes:
        expected: What it should come to.
        do: Does it. Whatever it raises becomes a `failed` outcome.
    """

    expected: Outcome
    do: Callable[[], Outcome]


class Watcher(Protocol):
    """Whoever wants to know how a run goes."""

    def warning(self, text: str) -> None:
        """Something is out of order, and the run goes on in another way."""

    def inventoried(self, *, functions: int, before: Tally, sweep: str) -> None:
        """So many functions there are; this came of the sweep of that id in earlier runs."""

    def outcome(self, outcome: Outcome) -> None:
        """There is an outcome more."""


class Workers:
    """The threads, within a `with` block; at its end all that was begun is done, unless the block is interrupted.

    Args:
        before: What earlier runs of the sweep came to.
        watcher: Is told of each outcome.
        most_outcomes: How many are kept.

    Attributes:
        run: What this run comes to.
        total: What the sweep comes to.
        truncated: Whether there was no room for an outcome that is worth reading.
    """

    def __init__(self, before: Tally, *, watcher: Watcher, most_outcomes: int) -> None:
        self.run = Tally()
        self.truncated = False
        self.total = before.copy()
        self._watcher = watcher
        self._most = most_outcomes
        self._kept: tuple[list[Outcome], ...] = ([], [], [])
        self._threads = Threads(THREADS)
        self._begun: dict[Future[Outcome], Outcome] = {}
        self._in_a_row = 0
        self._last_failure: Outcome | None = None
        self._quota_failure: Outcome | None = None
        self._left_out = 0
        self._to_leave_out = _HOPELESS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            while self._begun and not is_interruption(error):
                self._collect()
        except BaseException as raised:
            error = type(raised)
            raise
        finally:
            self._threads.__exit__(error)

    def take(self, item: Outcome | Work) -> None:
        """Take an outcome, or begin what leads to one; where all threads are busy, wait for one."""
        if isinstance(item, Work):
            not_tried = None
            if self._quota_failure and item.expected.action is Action.CREATED:
                not_tried = _not_tried(item.expected, self._quota_failure, "there may be no more groups")
            elif self._last_failure and self._is_hopeless():
                not_tried = _not_tried(item.expected, self._last_failure, f"{_HOPELESS} in a row failed before it")
            if not_tried:
                self._tell(not_tried, expected=item.expected.action)
                return
            # In hard times one by one, so that what comes of it is known before the next is left out.
            at_once = 1 if self._in_a_row >= _HOPELESS else THREADS
            self._begun[self._threads.submit(item.do)] = item.expected
            while len(self._begun) >= at_once:
                self._collect()
        else:
            self._tell(item, expected=item.action)

    def told(self) -> tuple[Outcome, ...]:
        """Return the outcomes that were kept: failures, then what was done, then the rest.

        An `exists` without a reason is not kept.
        """
        in_order = (sorted(each, key=lambda outcome: outcome.function or "") for each in self._kept)
        return tuple(chain.from_iterable(in_order))[: self._most]

    def _is_hopeless(self) -> bool:
        """Whether the next one is to be left out; one in so many is not, to see."""
        if self._in_a_row < _HOPELESS:
            return False
        if self._left_out < self._to_leave_out:
            self._left_out += 1
            return True
        self._left_out, self._to_leave_out = 0, min(_MOST_LEFT_OUT, 2 * self._to_leave_out)
        return False

    def _collect(self) -> None:
        for future in wait(self._begun, return_when=FIRST_COMPLETED).done:
            expected = self._begun.pop(future)
            try:
                outcome = future.result()
            except Exception as error:  # noqa: BLE001 - a failure like any other
                outcome = _failed(expected, error)
            if outcome.action is not Action.FAILED:
                self._in_a_row, self._to_leave_out = 0, _HOPELESS
            elif outcome.reason in _OF_THE_SERVICE:
                self._in_a_row += 1
                self._last_failure = outcome
            elif outcome.reason is Reason.QUOTA_EXCEEDED:
                self._quota_failure = outcome
            self._tell(outcome, expected=expected.action)

    def _tell(self, outcome: Outcome, *, expected: Action) -> None:
        self.run.add(outcome, expected=expected)
        self.total.add(outcome, expected=expected)
        self._watcher.outcome(outcome)
        if outcome.action is Action.EXISTS and outcome.reason is None:
            return
        failed, done, others = self._kept
        self.truncated |= sum(map(len, self._kept)) >= self._most
        match outcome.action:
            case Action.FAILED:
                kept = failed
            case Action.CREATED | Action.UPDATED | Action.DELETED:
                kept = done
            case _:
                kept = others
        if len(kept) < self._most:
            kept.append(outcome)


def _failed(expected: Outcome, error: Exception) -> Outcome:
    failure = explain(error, function=expected.function or "*", group=expected.group)
    return replace(
        expected, action=failure.action, reason=failure.reason, detail=failure.detail, error_code=failure.error_code
    )


def _not_tried(expected: Outcome, failure: Outcome, why: str) -> Outcome:
    """Return the outcome of what would fail as another one did."""
    return replace(
        expected,
        action=Action.FAILED,
        reason=failure.reason,
        detail=f"not tried, as {why}: {failure.detail}",
        error_code=failure.error_code,
    )
