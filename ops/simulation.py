"""A folder of CloudTrail records, and what a policy would have done with each creation in it.

Counts are held in memory and the rest on the disk, so that a million records take no more memory than a thousand.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any

from ops import records
from ops.creations import is_creation, simulate
from ops.descriptions import NotAFunctionError
from ops.whereabouts import UnknownAccountError
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Self

    from ops.whereabouts import Whereabouts
    from profiling_groups.policy import Policy


class Spool:
    """JSON objects on the disk, in the order in which they came. They are gone when it is closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - closed by `close`
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: dict[str, Any]) -> None:
        """Keep one more."""
        self._file.write(json.dumps(item) + "\n")
        self._count += 1

    def lines(self) -> Iterator[str]:
        """Yield them as JSON."""
        self._file.seek(0)
        return (line.removesuffix("\n") for line in self._file)

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield them."""
        return map(json.loads, self.lines())

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()


class Simulation:
    """What came of a folder. A context manager: what is on the disk goes with it.

    Attributes:
        records: How many records were read.
        counts: How many creations came to each action and reason.
        unjudged: How many creations could not be judged, as their records do not tell enough. They count nowhere else.
        outcomes: What came of each of the others, as `Simulated.to_json` has it.
        problems: What could not be read or judged: `file` and `message`.
    """

    def __init__(self) -> None:
        self.records = 0
        self.counts: Counter[tuple[Action, Reason | None]] = Counter()
        self.unjudged = 0
        self.outcomes = Spool()
        self.problems = Spool()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.outcomes.close()
        self.problems.close()

    @property
    def creations(self) -> int:
        """How many creations were among the records."""
        return self.counts.total() + self.unjudged

    def tally(self) -> list[dict[str, Any]]:
        """Return how many creations came to each action and reason, most first, as JSON values."""
        most_first = sorted(self.counts.items(), key=lambda each: (-each[1], each[0][0], str(each[0][1])))
        return [{"action": action, "reason": reason, "count": count} for (action, reason), count in most_first]

    def run(
        self,
        folder: Path,
        policy: Policy,
        whereabouts: Whereabouts,
        *,
        progress: Callable[[int], object],
        problem: Callable[[str], object],
    ) -> None:
        """Read a folder.

        Args:
            folder: Where the records are.
            policy: What would have decided.
            whereabouts: Where accounts are, if the policy asks.
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
                    if message := self._take(record, policy, whereabouts):
                        pass_over(str(path), f"creation {creations}, event {record.get('eventID')}: {message}")
            except records.UnreadableError as error:
                pass_over(str(path), str(error))

    def _take(self, record: records.Record, policy: Policy, whereabouts: Whereabouts) -> str | None:
        """Count a creation; return what is wrong with it, if the function would refuse it, or it cannot be judged."""
        try:
            simulated = simulate(record, policy, whereabouts.path)
        except (NotAFunctionError, UnknownAccountError) as error:
            self.unjudged += 1
            return f"cannot be judged: {error}"
        outcome = simulated.outcome
        self.counts[outcome.action, outcome.reason] += 1
        self.outcomes.add(simulated.to_json())
        return outcome.detail if outcome.action is Action.FAILED else None
