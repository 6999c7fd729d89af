"""A sweep in a process of its own, to be killed: ``python sweeper.py CURSOR_FILE``.

It goes on from the cursor in the file, if there is one, in runs of few functions; after each it leaves the cursor
there. Each outcome is a line of its output. The endpoint and the credentials are in the environment.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from profiling_groups import aws
from profiling_groups.functions import Place
from profiling_groups.policy import Policy
from profiling_groups.requests import Backfill
from profiling_groups.sweep import sweep

if TYPE_CHECKING:
    from profiling_groups.outcomes import Outcome
    from profiling_groups.runs import Tally

_FUNCTIONS_OF_A_RUN = 8


class _Printer:
    """A watcher that prints what it hears, a line at a time."""

    def warning(self, text: str) -> None:
        _say(f"warning {text}")

    def inventoried(self, *, functions: int, before: Tally, sweep: str) -> None:
        _say(f"sweep {sweep}: {functions} functions, {before.counts.total()} done")

    def outcome(self, outcome: Outcome) -> None:
        _say(f"{outcome.action} {outcome.function} {outcome.detail}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Sweep until all is done."""
    file = Path(sys.argv[1])
    region = os.environ["AWS_REGION"]
    place = Place(account=os.environ["ACCOUNT"], region=region)
    cursor = file.read_text() if file.exists() else None
    complete = False
    while not complete:
        left = iter(range(_FUNCTIONS_OF_A_RUN))
        run = sweep(
            Backfill(cursor=cursor),
            place=place,
            clients=aws.sweep_clients(region, session=aws.session()),
            policy=Policy(),
            now=datetime.now(UTC),
            stop=lambda left=left: next(left, None) is None,  # type: ignore[misc]  # bound now
            watcher=_Printer(),
        )
        cursor, complete = run.cursor, run.complete
        if cursor:
            written = file.with_suffix(".new")
            written.write_text(cursor)
            written.replace(file)
    file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
