"""How far a sweep is, on standard error while it runs: a bar on a terminal; elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ops import output

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_BAR_EVERY_SECONDS: Final = 0.1
_LINE_EVERY_SECONDS: Final = 10.0
_SAMPLE_EVERY_SECONDS: Final = 1.0
_SAMPLES: Final = 60
"""How many samples the rate is taken from: what comes next resembles the last minute, not all that was before."""
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE


@dataclass(frozen=True, kw_only=True)
class HowFar:
    """How far a sweep is.

    Attributes:
        functions: How many functions there are, or whatever else is counted.
        done: How many outcomes there are so far.
        counts: How many of each action.
        of: What is counted, where it is not functions.
    """

    functions: int
    done: int
    counts: Mapping[str, int]
    of: str = ""


class Live:
    """Shows how far a sweep is, within a `with` block.

    Args:
        what: What is under way, in a word or two.
    """

    def __init__(self, what: str) -> None:
        console = Console(file=sys.stderr, highlight=False, emoji=False)
        self._on_terminal = console.is_terminal
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[far]}"))
        self._bar = Progress(*columns, console=console, transient=True, disable=not self._on_terminal)
        self._task = self._bar.add_task(what, total=None, far="")
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        self._every = _BAR_EVERY_SECONDS if self._on_terminal else _LINE_EVERY_SECONDS
        self._shown_at = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def describe(self, what: str) -> None:
        """Say in another word or two what is under way."""
        self._bar.update(self._task, description=what)

    def show(self, far: HowFar) -> None:
        """Show how far it is, unless that was shown a moment ago."""
        now = time.monotonic()
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE_EVERY_SECONDS:
            self._samples.append((now, far.done))
        if now - self._shown_at < self._every:
            return
        self._shown_at = now
        text = told(far, rate=self._rate(now, far.done))
        if self._on_terminal:
            self._bar.update(self._task, total=max(far.functions, far.done), completed=far.done, far=text)
        else:
            output.warn(text)

    def _rate(self, now: float, done: int) -> float:
        began, before = self._samples[0]
        return (done - before) / (now - began) if now > began else 0.0


def told(far: HowFar, *, rate: float) -> str:
    """Say how far a sweep is.

    Args:
        far: How far.
        rate: How many per second, lately.
    """
    parts = [f"{far.done:,} of {far.functions:,} {far.of}".rstrip()]
    if rate > 0:
        parts.append(f"{rate:,.0f}/s" if rate >= 1 else f"{rate * _MINUTE:,.0f}/min")
        if far.done < far.functions:
            parts.append(f"{_lasting((far.functions - far.done) / rate)} left")
    parts += [f"{action} {count:,}" for action, count in far.counts.items()]
    return ", ".join(parts)


def _lasting(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
