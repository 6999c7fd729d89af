"""The processes that are measured while they make groups, or see that all is made.

``python -m bench.sweeping HOW FUNCTIONS`` is one, with the stub's URL in its environment; its answer is one line of
JSON, a `Worked`. HOW is `sweep` for what runs in Lambda. The others are what one would do instead: to create all groups
on a few threads, with the SDK's retries of that mode, or each again and again until it passes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from bench.made_up import ACCOUNT, REGION
from embedded_aws.execution.memory import peak_memory

if TYPE_CHECKING:
    from botocore.config import _RetryDict  # the stubs' own; there is no public name
    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient

How = Literal["sweep", "legacy", "adaptive", "unpaced"]
_ROOT: Final = Path(__file__).resolve().parent.parent
_THREADS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Worked:
    """What one came to.

    Attributes:
        peak: Its highest resident memory, in bytes; not a number where it is not told.
        lost: Functions that have no group in the end.
        covered: Functions that have one.
    """

    peak: float
    lost: int
    covered: int


class Sweeping:
    """One such process, which begins at once.

    Args:
        how: What it does.
        endpoint: URL of the stub.
        functions: How many functions the stub has.
    """

    def __init__(self, how: How, *, endpoint: str, functions: int) -> None:
        aws = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._process = subprocess.Popen(  # noqa: S603 - this very module
            [sys.executable, "-m", "bench.sweeping", how, str(functions)],
            cwd=_ROOT,
            env={**os.environ, **aws},
            stdout=subprocess.PIPE,
        )

    def worked(self) -> Worked:
        """Wait for its end, and return what it came to.

        Raises:
            RuntimeError: It broke.
        """
        answer, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError("the process that was measured broke")
        return Worked(**json.loads(answer))


def _sweep() -> tuple[int, int]:
    """Do what an invocation in Lambda does, but for its metrics, and return how many have a group and how many not."""
    # The logger takes the standard output that there is when it is imported.
    with Path(os.devnull).open("w") as nowhere:
        with redirect_stdout(nowhere):
            from profiling_groups.recorder import Recorder  # noqa: PLC0415 - see above
        from profiling_groups import aws  # noqa: PLC0415 - only for what is ours
        from profiling_groups.functions import Place  # noqa: PLC0415
        from profiling_groups.policy import Policy  # noqa: PLC0415
        from profiling_groups.requests import Backfill  # noqa: PLC0415
        from profiling_groups.sweep import sweep  # noqa: PLC0415

        place = Place(account=ACCOUNT, region=REGION)
        run = sweep(
            Backfill(),
            place=place,
            clients=aws.sweep_clients(REGION, session=aws.session()),
            policy=Policy(),
            now=datetime.now(UTC),
            stop=lambda: False,
            watcher=Recorder(place, dry_run=False),
        )
        # What a run of Lambda's ends with.
        json.dumps(run.to_response())
    if run.totals is None:
        raise TypeError("a sweep has totals")
    return run.totals.covered, run.totals.functions - run.totals.covered


def _create_all(how: Literal["legacy", "adaptive", "unpaced"], functions: int) -> tuple[int, int]:
    """Create a group for each, on a few threads; one that was given up is lost."""
    retries: _RetryDict = {"total_max_attempts": 1} if how == "unpaced" else {"mode": how}
    client = cast(
        "CodeGuruProfilerClient",
        get_session().create_client(
            "codeguruprofiler", region_name=REGION, config=Config(retries=retries, max_pool_connections=_THREADS)
        ),
    )

    def create(number: int) -> bool:
        while True:
            try:
                client.create_profiling_group(profilingGroupName=f"aws-lambda-{number}", clientToken=str(number))
            except ClientError:
                if how != "unpaced":
                    return False
            else:
                return True

    with ThreadPoolExecutor(_THREADS) as threads:
        covered = sum(threads.map(create, range(functions)))
    return covered, functions - covered


def _work(how: How, functions: int) -> None:
    """Do it once, and print what it came to."""
    covered, lost = _sweep() if how == "sweep" else _create_all(how, functions)
    peak = peak_memory(os.getpid())
    worked = Worked(peak=nan if peak is None else peak, lost=lost, covered=covered)
    print(json.dumps(asdict(worked)))  # noqa: T201 - the answer


if __name__ == "__main__":
    _work(cast("How", sys.argv[1]), int(sys.argv[2]))
