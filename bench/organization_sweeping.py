"""The processes that sweep an organization's accounts: each is one of Lambda's environments, and takes one at a time.

``python -m bench.organization_sweeping PLAN`` starts them, with the stub's URL in its environment; its answer is one
line of JSON, a `Worked`.
"""

from __future__ import annotations

import gc
import io
import json
import multiprocessing
import os
import subprocess
import sys
import time
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import cache
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.organization_stub import BUCKET, HUB_REGION, ORGANIZATION, QUEUE, ROLE
from embedded_aws.execution.memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infra.state_machine import Json

_ROOT: Final = Path(__file__).resolve().parent.parent
_HUB: Final = "999900001111"
_SECONDS: Final = 900.0
MEMORY_MB: Final = 1769


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        payloads: What the function is asked, one after the other; each again with its cursor until it is complete.
        at_once: How many processes share them.
        ous: The organization's units.
        regions: Its regions.
    """

    payloads: Sequence[Json]
    at_once: int
    ous: tuple[str, ...]
    regions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came of a payload.

    Attributes:
        answer: The last answer; for a sweep without the details of its outcomes.
        invocations: How many there were until it was complete.
        raised: What was raised instead of an answer; None for nothing.
        began: When the first one began, in seconds of a clock that all processes share.
        ended: When the last one ended.
        processor: Seconds of processor time.
        log_bytes: Bytes that were logged.
        answer_bytes: Bytes of the longest answer.
        peak: Highest resident memory of its process so far, in bytes; not a number where it is not told.
    """

    answer: Json
    invocations: int
    raised: str | None
    began: float
    ended: float
    processor: float
    log_bytes: int
    answer_bytes: int
    peak: float


def work(plan: Plan, *, endpoint: str) -> list[Answered]:
    """Do it, and return what came of each payload, in their order."""
    aws = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.organization_sweeping"],
        cwd=_ROOT,
        env={**os.environ, **aws},
        input=json.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return [Answered(**each) for each in json.loads(done.stdout)]


class _Log(io.TextIOBase):
    """Where the log goes: nowhere."""

    written = 0

    def write(self, text: str) -> int:
        self.written += len(text)
        return len(text)


_LOG: Final = _Log()


@dataclass(frozen=True, kw_only=True)
class _Context:
    """As much of an invocation's context as is logged."""

    function_name: str = "ProfilingGroups-BackfillFunction0A1B2C3D-0a1b2c3d4e5f"
    memory_limit_in_mb: int = MEMORY_MB
    invoked_function_arn: str = f"arn:aws:lambda:{HUB_REGION}:{_HUB}:function:{function_name}"
    aws_request_id: str = "6a1b2c3d-0000-4000-8000-0123456789ab"


@cache
def _function(ous: tuple[str, ...], regions: tuple[str, ...]) -> Callable[[Json], Json]:
    """Return what runs in Lambda, as the handler runs it for a hub."""
    # The logger takes the standard output that there is when it is imported.
    with redirect_stdout(_LOG):
        from profiling_groups.observability import logger, publish  # noqa: PLC0415 - see above
        from profiling_groups.requested import answer  # noqa: PLC0415
    from profiling_groups.functions import Place  # noqa: PLC0415
    from profiling_groups.organization import Hub  # noqa: PLC0415
    from profiling_groups.policy import Policy  # noqa: PLC0415
    from profiling_groups.reach import of_a_hub  # noqa: PLC0415

    hub = Hub(
        organization=ORGANIZATION,
        role_name=ROLE,
        member_queue=QUEUE,
        ous=ous,
        accounts=(),
        regions=regions,
        report_bucket=BUCKET,
    )
    reach = of_a_hub(hub, Policy(), region=HUB_REGION)

    @logger.inject_lambda_context(clear_state=True)
    def invoke(payload: Json, _: Any) -> Json:  # noqa: ANN401 - Lambda's own
        try:
            return answer(payload, here=Place(account=_HUB, region=HUB_REGION), reach=reach, seconds=_SECONDS)
        finally:
            publish()

    def call(payload: Json) -> Json:
        with redirect_stdout(_LOG):
            found: Json = invoke(payload, _Context())
        return found

    return call


def _answered(call: Callable[[Json], Json], payload: Json) -> Answered:
    began, processor, logged = time.monotonic(), time.process_time(), _LOG.written
    answer: Json = {"cursor": payload.get("cursor")}
    raised, invocations, longest = None, 0, 0
    while invocations == 0 or not answer.get("complete", True):
        invocations += 1
        try:
            answer = call(payload if invocations == 1 else {**payload, "cursor": answer["cursor"]})
        except Exception as error:  # noqa: BLE001 - that there is one is what is asked
            raised = f"{type(error).__name__}: {error}"
            break
        # As the runtime client sends it.
        longest = max(longest, len(json.dumps(answer, ensure_ascii=False).encode()))
    peak = peak_memory(os.getpid())
    return Answered(
        answer=answer,
        invocations=invocations,
        raised=raised,
        began=began,
        ended=time.monotonic(),
        processor=time.process_time() - processor,
        log_bytes=_LOG.written - logged,
        answer_bytes=longest,
        peak=nan if peak is None else peak,
    )


def _in_process(job: tuple[Json, tuple[str, ...], tuple[str, ...]]) -> Answered:
    payload, ous, regions = job
    return _answered(_function(ous, regions), payload)


def _work() -> None:
    given = json.load(sys.stdin)
    ous, regions = tuple(given["ous"]), tuple(given["regions"])
    # Imported once, and built anew in each process.
    _function(ous, regions)
    _function.cache_clear()
    gc.freeze()
    jobs = [(payload, ous, regions) for payload in given["payloads"]]
    with multiprocessing.get_context("fork").Pool(given["at_once"]) as pool:
        done = pool.map(_in_process, jobs, chunksize=1)
    print(json.dumps([asdict(each) for each in done]))  # noqa: T201 - the answer


if __name__ == "__main__":
    _work()
