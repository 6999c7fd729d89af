"""Ctrl-C while this process works on an account: it ends in order, and for whoever asks twice at once."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType
    from typing import Self

    from ops.live import Live
    from profiling_groups.aws import SweepClients

INTERRUPTED: Final = 130
"""Exit status, as a shell has it of what ends by a signal: 128, and the number of SIGINT."""


class _AbandonedError(Exception):
    """A call is not sent any more."""


class Interrupts:
    """What Ctrl-C does, within a `with` block in the main thread.

    As long as nothing is written it raises KeyboardInterrupt, and the calls of other threads are not sent any more, so
    that nobody waits for a long list. Afterwards it asks to stop. The second time it ends the process.

    Args:
        clients: Those whose calls are under way.
        live: Is told, and put away at the end.

    Attributes:
        stopping: Whether to stop.
    """

    def __init__(self, clients: SweepClients, live: Live) -> None:
        self.stopping = False
        self._writing = False
        self._live = live
        for client in (clients.awslambda, clients.profiler, clients.tagging, clients.quotas):
            client.meta.events.register_first("request-created", self._refuse)

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def writing(self) -> None:
        """From now on things are written."""
        self._writing = True

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.stopping:
            self._live.__exit__()
            os._exit(INTERRUPTED)
        self.stopping = True
        if not self._writing:
            raise KeyboardInterrupt
        self._live.describe("Finishing what is in flight; Ctrl-C again ends at once")

    def _refuse(self, **_: object) -> None:
        if self.stopping and not self._writing:
            raise _AbandonedError("interrupted")
