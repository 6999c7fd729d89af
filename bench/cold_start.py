"""Cold starts under the stock runtime client: from the start of the process to the answer to its first event."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from math import nan
from statistics import median
from typing import TYPE_CHECKING

from bench.synthetic_account import ACCOUNT, REGION
from embedded_aws.execution.memory import peak_memory
from embedded_aws.execution.runtime_api import RuntimeApi

if TYPE_CHECKING:
    from pathlib import Path

    from embedded_aws.execution.environment import Runtime

_TIMEOUT = 30.0
_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:provisioner"


@dataclass(frozen=True, kw_only=True)
class ColdStart:
    """The time and memory of a cold start.

    Attributes:
        init_seconds: From the start of the process to its first request for work.
        invoke_seconds: From the delivery of the event to its answer.
        peak_memory: Peak resident memory, in MB (10^6 bytes); not a number if the platform does not report it.
    """

    init_seconds: float
    invoke_seconds: float
    peak_memory: float

    @property
    def seconds(self) -> float:
        """Both times together, without the wait in between."""
        return self.init_seconds + self.invoke_seconds

    def __str__(self) -> str:
        return (
            f"{self.seconds * 1000:4.0f} ms = {self.init_seconds * 1000:.0f} ms to the first `next`"
            f" + {self.invoke_seconds * 1000:.0f} ms for the first event; peak {self.peak_memory:.0f} MB"
        )


def measure_cold_start(runtime: Runtime, *, folder: Path, handler: str, endpoint: str, event: bytes) -> ColdStart:
    """Start `handler` in `folder` as Lambda does, send it one event, and stop it.

    Raises:
        RuntimeError: The handler answered with an error, which is in the message.
    """
    with RuntimeApi() as api:
        environment = {
            "PATH": os.environ["PATH"],
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": str(folder),
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "provisioner",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_ENDPOINT_URL": endpoint,
            "HOME": "/nonexistent",
        }
        started_at = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - the project's own runtime
            [runtime.python, *runtime.arguments, handler],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            init_seconds = api.wait_for_next(_TIMEOUT) - started_at
            invoked_at = time.monotonic()
            answer = api.invoke(event, request_id="1", function_arn=_ARN, deadline=time.time() + _TIMEOUT)
            invoke_seconds = time.monotonic() - invoked_at
        finally:
            peak = peak_memory(process.pid) or nan
            process.kill()
            process.wait()
    if answer.error_type is not None:
        raise RuntimeError(f"{handler} failed: {answer.body.decode()}")
    return ColdStart(init_seconds=init_seconds, invoke_seconds=invoke_seconds, peak_memory=peak / 1e6)


def median_cold_start(starts: list[ColdStart]) -> ColdStart:
    """Return the median times and the highest memory."""
    return ColdStart(
        init_seconds=median(start.init_seconds for start in starts),
        invoke_seconds=median(start.invoke_seconds for start in starts),
        peak_memory=max(start.peak_memory for start in starts),
    )
