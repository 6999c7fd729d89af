"""The deployed functions of a synthesized stack, run as Lambda runs them: the asset under awslambdaric.

Nothing here knows the project's code. What it goes by is public: app.py, cdk.json, the template's outputs, the asset's
folder, and the function's environment and handler as the template states them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.contract.wire import Server, World

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parents[2]
REGION: Final = "eu-west-1"
_RUNTIME: Final = ROOT / ".venv-runtime" / "bin" / "python"
_TIMEOUT: Final = 600.0
"""Seconds; generous, for it only ends a run that hangs."""
_SKIPPED_SLEEP: Final = '''
"""In the runtime process, a sleep takes no time; the monotonic clock moves on instead."""
import threading, time

_lock, _skipped, _monotonic, _sleep = threading.Lock(), [0.0], time.monotonic, time.sleep

def sleep(seconds):
    with _lock:
        _skipped[0] += seconds
    _sleep(0)

time.sleep = sleep
time.monotonic = lambda: _monotonic() + _skipped[0]
'''


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an invocation left.

    Attributes:
        is_error: Whether the function raised.
        body: What it returned, or the error document.
        records: Its log records, and its metrics in CloudWatch's embedded format.
    """

    is_error: bool
    body: Any
    records: tuple[Json, ...]


def synthesize(folder: Path, *, context: Mapping[str, object], policy: Mapping[str, object]) -> Path:
    """Synthesize the app into a folder with a policy; return the folder."""
    folder.mkdir(parents=True)
    file = folder / "policy.yaml"
    # JSON is YAML.
    file.write_text(json.dumps(policy))
    context = {**json.loads((ROOT / "cdk.json").read_text())["context"], "policy": str(file), **context}
    environment = {
        **os.environ,
        "CDK_OUTDIR": str(folder),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "PYTHONPATH": str(ROOT / "lambda_src"),
    }
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class DeployedFunction:
    """One function of the stack, as a process; started at the first invocation.

    Args:
        assembly: The synthesized folder.
        output: The stack output that has the function's name.
        folder: Where its output goes.
    """

    def __init__(self, assembly: Path, *, output: str, folder: Path) -> None:
        template = json.loads((assembly / "ProfilingGroups.template.json").read_text())
        logical_id = template["Outputs"][output]["Value"]["Ref"]
        self._properties = template["Resources"][logical_id]["Properties"]
        self._asset = assembly / f"asset.{self._properties['Code']['S3Key'].removesuffix('.zip')}"
        self._name = output
        self._folder = folder
        self._server: Server | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / f"{output}.log"
        self._read_to = 0

    def close(self) -> None:
        """End the process."""
        if self._process and self._server:
            self._process.kill()
            self._process.wait()
            self._server.close()
            self._process = self._server = None

    def invoke(self, payload: object, world: World, *, account: str, seconds: float) -> Result:
        """Invoke the function in an account, against a world.

        Args:
            payload: What it is given.
            world: What exists.
            account: The account of its own ARN.
            seconds: How long Lambda would let it run.
        """
        server = self._server or self._start()
        server.world = world
        arn = f"arn:aws:lambda:{REGION}:{account}:function:{self._name}"
        kind, body = server.invoke(payload, function_arn=arn, seconds=seconds, timeout=_TIMEOUT)
        with self._log.open() as log:
            log.seek(self._read_to)
            lines = log.readlines()
            self._read_to = log.tell()
        records = tuple(json.loads(line) for line in lines if line.startswith("{"))
        return Result(is_error=kind == "error", body=body, records=records)

    def _start(self) -> Server:
        self._server = server = Server()
        startup = self._folder / "startup"
        startup.mkdir(exist_ok=True)
        (startup / "sitecustomize.py").write_text(_SKIPPED_SLEEP)
        variables = self._properties.get("Environment", {}).get("Variables", {})
        environment = {
            **{name: value if isinstance(value, str) else "intrinsic" for name, value in variables.items()},
            "_HANDLER": self._properties["Handler"],
            "AWS_ACCESS_KEY_ID": "own",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": f"http://{server.address}",
            "AWS_LAMBDA_FUNCTION_NAME": self._name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_RUNTIME_API": server.address,
            "LAMBDA_TASK_ROOT": str(self._asset),
            "HOME": str(self._folder),
            "PYTHONPATH": f"{startup}{os.pathsep}{self._asset}",
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [_RUNTIME, "-B", "-u", "-m", "awslambdaric", self._properties["Handler"]],
                cwd=self._asset,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return server
