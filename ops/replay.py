"""A folder of CloudTrail records, simulated: counted in memory, and the rest of it on the disk."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ops import records
from ops.simulation import is_creation, simulate
from ops.spool import Spool
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from profiling_groups.policy import Policy


class Replay:
    """What came of a folder. A context manager: what is on the disk goes with it.

    Attributes:
        records: How many records were read.
        counts: How many creations came to each action and reason.
        outcomes: What came of each creation, as `Simulated.to_json` has it.
        problems: What could not be read or judged: `file` and `message`.
    """

    def __init__(self) -> None:
        self.records = 0
        self.counts: Counter[tuple[Action, Reason | None]] = Counter()
        self.outcomes = Spool()
        self.problems = Spool()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.outcomes.close()
        self.problems.close()

    def run(
        self,
        folder: Path,
        policy: Policy,
        *,
        progress: Callable[[int], object],
        problem: Callable[[str], object],
    ) -> None:
        """Read a folder.

        Args:
            folder: Where the records are.
            policy: What would have decided.
            progress: Is told how many more bytes were read, as they lie on the disk.
            problem: Is told of each problem at once.
        """

        def pass_over(file: str, message: str) -> None:
            self.problems.add({"file": file, "message": message})
            problem(f"{file}: {message}")

        for path in records.files(folder, lambda error: pass_over(str(error.filename), str(error.strerror))):
            creations = 0
            try:
                for record in records.read(path, progress):
                    self.records += 1
                    if not is_creation(record):
                        continue
                    creations += 1
                    simulated = simulate(record, policy)
                    outcome = simulated.outcome
                    self.counts[outcome.action, outcome.reason] += 1
                    self.outcomes.add(simulated.to_json())
                    if outcome.action is Action.FAILED:
                        pass_over(str(path), f"creation {creations}, event {record.get('eventID')}: {outcome.detail}")
            except records.UnreadableError as error:
                pass_over(str(path), str(error))
