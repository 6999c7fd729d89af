"""Cold starts under the stock runtime client: a process from its start to the answer to its first event."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from math import nan
from statistics import median
from typing import TYPE_CHECKING

from embedded_aws.execution.memory import peak_memory
from embedded_aws.execution.runtime_api import RuntimeApi

if TYPE_CHECKING:
    from pathlib import Path

    from embedded_aws.execution.environment import Runtime

_TIMEOUT = 30.0
_ARN = "arn:aws:lambda:eu-west-1:444455556666:function:provisioner"


@dataclass(frozen=True, kw_only=True)
class ColdStart:
    """What one took.

    Attributes:
        initialise: Seconds from the start of the process to its first request for work.
        invoke: Seconds from handing it the event to its answer.
        peak_memory: Highest resident memory of the process, in MB (10^6 bytes); not a number where it is not told.
    """

    initialise: float
    invoke: float
    peak_memory: float

    @property
    def total(self) -> float:
        """Seconds from the start of the process to its first answer, less what it waited in between."""
        return self.initialise + self.invoke


def cold_start(runtime: Runtime, *, folder: Path, handler: str, endpoint: str, event: bytes) -> ColdStart:
    """Start `handler` in `folder` as Lambda would, give it one event, and end it.

    Raises:
        RuntimeError: It answered with an error, which the text holds.
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
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_ENDPOINT_URL": endpoint,
            "HOME": "/nonexistent",
        }
        began = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - the runtime that was built for this
            [runtime.python, *runtime.arguments, handler],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            initialise = api.wait_for_next(_TIMEOUT) - began
            handed = time.monotonic()
            answer = api.invoke(event, request_id="1", function_arn=_ARN, deadline=time.time() + _TIMEOUT)
            invoke = time.monotonic() - handed
        finally:
            peak = peak_memory(process.pid)
            process.kill()
            process.wait()
    if answer.error_type is not None:
        raise RuntimeError(f"{handler} failed: {answer.body.decode()}")
    return ColdStart(initialise=initialise, invoke=invoke, peak_memory=nan if peak is None else peak / 1e6)


def middle(starts: list[ColdStart]) -> ColdStart:
    """Return the medians of the times, and the highest memory."""
    return ColdStart(
        initialise=median(start.initialise for start in starts),
        invoke=median(start.invoke for start in starts),
        peak_memory=max(start.peak_memory for start in starts),
    )
