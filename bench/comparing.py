"""What a sweep of 100,000 functions takes without a network: its time, that of its log records, and its answer's size.

``python -m bench.comparing`` is the process that is measured, so that nothing else of the bench is in it; its answer is
one line of JSON, a `Compared`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from bench.figures import Figure
from bench.made_up import ACCOUNT, REGION, MadeUp
from profiling_groups.aws import SweepClients
from profiling_groups.functions import Place
from profiling_groups.policy import Policy
from profiling_groups.requests import Backfill
from profiling_groups.sweep import sweep

if TYPE_CHECKING:
    from profiling_groups.outcomes import Outcome
    from profiling_groups.recorder import Recorder
    from profiling_groups.runs import Run, Tally

_ROOT: Final = Path(__file__).resolve().parent.parent
_FUNCTIONS: Final = 100_000
_RUNS: Final = 3
_PLACE: Final = Place(account=ACCOUNT, region=REGION)
# Longer than an outcome's detail may be; and in UTF-8 no character takes more bytes.
_MESSAGE: Final = "\N{MUSICAL SYMBOL G CLEF}" * 2_000


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What it takes.

    Attributes:
        seconds: Processor time from the end of the listing to the run's result, where every function complies.
        logging: Seconds that a log record of each outcome adds.
        answer: Bytes of the answer where every function fails, with as much to say as there can be.
    """

    seconds: float
    logging: float
    answer: int


def compared() -> Compared:
    """Measure, in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "bench.comparing"], cwd=_ROOT, stdout=subprocess.PIPE, check=True)
    return Compared(**json.loads(done.stdout))


def figures(found: Compared) -> list[Figure]:
    """Return what was measured beside its limits."""
    return [
        Figure(
            what="sweep: seconds to compare 100,000 functions that comply",
            measured=found.seconds,
            limit=5,
            shape="{:.1f}",
        ),
        Figure(
            what="sweep: answer about 100,000 functions that all fail (MB)",
            measured=found.answer / 1e6,
            limit=6,
            shape="{:.1f}",
        ),
    ]


def remark(found: Compared) -> str:
    """Return what else was measured, in a line."""
    return f"A log record of each of 100,000 outcomes adds {found.logging:.1f} s to the {found.seconds:.1f} s."


class _Stopwatch:
    """A watcher that begins to measure when all is listed."""

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._began = 0.0

    def warning(self, text: str) -> None:
        raise RuntimeError(text)

    def inventoried(self, *, functions: int, before: Tally, sweep: str) -> None:
        if self._recorder:
            self._recorder.inventoried(functions=functions, before=before, sweep=sweep)
        self._began = time.process_time()

    def outcome(self, outcome: Outcome) -> None:
        if self._recorder:
            self._recorder.outcome(outcome)

    def elapsed(self) -> float:
        """Return the processor time since then, in seconds; another process on the machine does not count."""
        return time.process_time() - self._began


class _Api:
    """The operations that a sweep calls, answered in the process; whoever creates a group has no permission."""

    class exceptions:  # noqa: N801 - botocore's name
        class ConflictException(Exception):  # noqa: N818 - botocore's name
            """Never raised."""

        class ResourceNotFoundException(Exception):  # noqa: N818 - botocore's name
            """Never raised."""

    def __init__(self, account: MadeUp) -> None:
        self._account = account

    def list_functions(self, *, MaxItems: int, Marker: str = "0") -> dict[str, Any]:  # noqa: N803 - botocore's names
        return self._account.list_functions(int(Marker), MaxItems)

    def get_resources(self, *, ResourcesPerPage: int, PaginationToken: str = "0", **_: object) -> dict[str, Any]:  # noqa: N803 - botocore's names
        return self._account.get_resources(int(PaginationToken), ResourcesPerPage)

    def list_profiling_groups(self, *, maxResults: int, nextToken: str = "0", **_: object) -> dict[str, Any]:  # noqa: N803 - botocore's names
        page = self._account.list_profiling_groups(int(nextToken), maxResults)
        for group in page["profilingGroups"]:
            group["createdAt"] = group["updatedAt"] = datetime.fromisoformat(group["createdAt"])
            group["profilingStatus"] = {}
        return page

    def list_tags(self, *, Resource: str) -> dict[str, Any]:  # noqa: N803 - botocore's name
        return self._account.list_tags(Resource)

    def get_service_quota(self, **_: object) -> dict[str, Any]:
        return {"Quota": {"Value": 1e6}}

    def create_profiling_group(self, **_: object) -> None:
        error = {"Code": "AccessDeniedException", "Message": _MESSAGE}
        raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}, "CreateProfilingGroup")  # type: ignore[typeddict-item]  # as much of it as is read


def _swept(account: MadeUp, watcher: _Stopwatch) -> Run:
    api: Any = _Api(account)
    return sweep(
        Backfill(),
        place=_PLACE,
        clients=SweepClients(awslambda=api, profiler=api, tagging=api, quotas=api),
        policy=Policy(),
        now=datetime.now(UTC),
        stop=lambda: False,
        watcher=watcher,
    )


def _seconds(recorder: Recorder | None = None) -> float:
    watch = _Stopwatch(recorder)
    run = _swept(MadeUp(functions=_FUNCTIONS, grouped=True), watch)
    elapsed = watch.elapsed()
    if run.totals is None or run.totals.covered != _FUNCTIONS:
        raise RuntimeError("not every function complies")
    return elapsed


def _work() -> Compared:
    # The logger takes the standard output that there is when it is imported.
    with Path(os.devnull).open("w") as nowhere:
        with redirect_stdout(nowhere):
            from profiling_groups.recorder import Recorder  # noqa: PLC0415 - see above
        seconds = median(_seconds() for _ in range(_RUNS))
        logging = _seconds(Recorder(_PLACE, dry_run=False)) - seconds
    failed = _swept(MadeUp(functions=_FUNCTIONS), _Stopwatch(None))
    # As the runtime client does it under the Python that is deployed.
    answer = json.dumps(failed.to_response(), ensure_ascii=False).encode()
    return Compared(seconds=seconds, logging=logging, answer=len(answer))


if __name__ == "__main__":
    print(json.dumps(asdict(_work())))  # noqa: T201 - the answer
