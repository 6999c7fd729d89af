"""The processes in which a backfill is measured, so that nothing else of the benchmark affects time or memory.

``python -m bench.backfill_process FILE run`` runs one over HTTP, with the stub's URL in its environment, and writes a
`BackfillMeasurement` to the file as JSON. ``… FILE compare FUNCTIONS`` runs one without a network, and writes a
`ComparisonMeasurement`. Standard output is the log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from bench.synthetic_account import ACCOUNT, REGION, SyntheticAccount
from embedded_aws.execution.memory import peak_memory
from profiling_groups import aws
from profiling_groups.functions import Place
from profiling_groups.policy import Policy
from profiling_groups.recorder import Recorder
from profiling_groups.requests import Backfill
from profiling_groups.sweep import sweep

if TYPE_CHECKING:
    from profiling_groups.outcomes import Outcome
    from profiling_groups.runs import Run, Tally
    from profiling_groups.workers import Watcher

_ROOT: Final = Path(__file__).resolve().parent.parent
_ACCOUNT_REGION: Final = Place(account=ACCOUNT, region=REGION)
_RUNS: Final = 3
# Longer than the detail of an outcome may be, in a character of the longest UTF-8 encoding.
_MESSAGE: Final = "\N{MUSICAL SYMBOL G CLEF}" * 2_000


@dataclass(frozen=True, kw_only=True)
class BackfillMeasurement:
    """A backfill over HTTP.

    Attributes:
        peak_memory: Peak resident memory, in bytes; not a number if the platform does not report it.
        covered: Functions that have a group.
    """

    peak_memory: float
    covered: int


@dataclass(frozen=True, kw_only=True)
class ComparisonMeasurement:
    """A backfill without a network.

    Attributes:
        seconds: Processor time from the end of the listing to the result, if every function complies.
        logging_seconds: Processor time that one log record for each function adds.
        answer_bytes: Size of the answer if every function fails with the longest possible message.
    """

    seconds: float
    logging_seconds: float
    answer_bytes: int


def run_backfill(endpoint: str) -> BackfillMeasurement:
    """Run a backfill against a stub, in a process of its own."""
    return BackfillMeasurement(**_in_process("run", AWS_ENDPOINT_URL=endpoint))


def compare(functions: int) -> ComparisonMeasurement:
    """Measure the comparison of this many functions, in a process of its own."""
    return ComparisonMeasurement(**_in_process("compare", str(functions)))


def _in_process(*arguments: str, **environment: str) -> dict[str, Any]:
    credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "measurement.json")
        subprocess.run(  # noqa: S603 - this module
            [sys.executable, "-m", "bench.backfill_process", str(file), *arguments],
            cwd=_ROOT,
            env={**os.environ, **credentials, **environment},
            # The log.
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return dict(json.loads(file.read_text()))


class _Stopwatch:
    """A progress listener that measures processor time from the end of the listing."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self._recorder = recorder
        self._started_at = 0.0

    def warning(self, text: str) -> None:
        raise RuntimeError(text)

    def inventoried(self, *, functions: int, before: Tally, sweep: str) -> None:
        if self._recorder:
            self._recorder.inventoried(functions=functions, before=before, sweep=sweep)
        self._started_at = time.process_time()

    def outcome(self, outcome: Outcome) -> None:
        if self._recorder:
            self._recorder.outcome(outcome)

    def elapsed(self) -> float:
        return time.process_time() - self._started_at


class _Api:
    """The operations of a backfill, in this process. Creating a group is denied."""

    class exceptions:  # noqa: N801 - botocore's name
        class ConflictException(Exception):  # noqa: N818 - botocore's name
            """Never raised."""

        class ResourceNotFoundException(Exception):  # noqa: N818 - botocore's name
            """Never raised."""

    def __init__(self, account: SyntheticAccount) -> None:
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
        raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 403}}, "CreateProfilingGroup")  # type: ignore[typeddict-item]  # the part that is read


def _backfill(clients: aws.SweepClients, listener: Watcher) -> Run:
    return sweep(
        Backfill(),
        place=_ACCOUNT_REGION,
        clients=clients,
        policy=Policy(),
        now=datetime.now(UTC),
        stop=lambda: False,
        watcher=listener,
    )


def _run() -> BackfillMeasurement:
    """Do what an invocation in Lambda does, except for its metrics."""
    clients = aws.sweep_clients(REGION, session=aws.session())
    run = _backfill(clients, Recorder(_ACCOUNT_REGION, dry_run=False))
    # As Lambda serializes the answer.
    json.dumps(run.to_response())
    if run.totals is None:
        raise TypeError("a backfill has totals")
    peak = peak_memory(os.getpid())
    return BackfillMeasurement(peak_memory=nan if peak is None else peak, covered=run.totals.covered)


def _backfill_offline(account: SyntheticAccount, listener: Watcher) -> Run:
    api: Any = _Api(account)
    return _backfill(aws.SweepClients(awslambda=api, profiler=api, tagging=api, quotas=api), listener)


def _compare(functions: int) -> ComparisonMeasurement:
    def seconds(recorder: Recorder | None = None) -> float:
        stopwatch = _Stopwatch(recorder)
        run = _backfill_offline(SyntheticAccount(functions=functions, grouped=True), stopwatch)
        elapsed = stopwatch.elapsed()
        if run.totals is None or run.totals.covered != functions:
            raise RuntimeError("not every function complies")
        return elapsed

    comparison = median(seconds() for _ in range(_RUNS))
    logging = seconds(Recorder(_ACCOUNT_REGION, dry_run=False)) - comparison
    failed = _backfill_offline(SyntheticAccount(functions=functions), _Stopwatch())
    # As the runtime client of the deployed Python version serializes it.
    answer = json.dumps(failed.to_response(), ensure_ascii=False).encode()
    return ComparisonMeasurement(seconds=comparison, logging_seconds=logging, answer_bytes=len(answer))


if __name__ == "__main__":
    file, command, *rest = sys.argv[1:]
    measurement = _run() if command == "run" else _compare(int(rest[0]))
    Path(file).write_text(json.dumps(asdict(measurement)))
