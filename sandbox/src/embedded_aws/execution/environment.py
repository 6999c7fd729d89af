"""One execution environment: a runtime process with a function's code, its Runtime API and its output.

`executor` starts, uses and ends environments; this module owns the process, the variables it sees and the pipe that
carries what it prints. Nothing of the sandbox's own environment reaches the function but what `_INHERITED` names.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from embedded_aws.execution import runtime_client_shim, telemetry
from embedded_aws.execution.memory import peak_memory
from embedded_aws.execution.runtime_api import RuntimeApi

if TYPE_CHECKING:
    from embedded_aws.access.authorization import Credentials
    from embedded_aws.execution.deployment import Deployment
    from embedded_aws.execution.process_reaper import ProcessReaper

MAX_OUTPUT = 8 * 1024 * 1024
"""Bytes of output that are kept per invocation; the rest is dropped, and a line says so."""

MAX_LINE = 256 * 1024
"""Bytes of one log event; a longer line is cut (CloudWatch Logs' former limit)."""

_INHERITED = ("PATH", "LANG", "TMPDIR")
_DEFAULTS = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "en_US.UTF-8"}
_MARK_TIMEOUT = 300.0  # seconds until a reader that is stuck behind a flood of output is given up


CredentialSource = Callable[[str, str], "Credentials"]
"""Makes credentials for a role ARN and a session name, as sts:AssumeRole does."""


class RuntimeMissingError(Exception):
    """An interpreter cannot run functions; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The interpreter that runs functions, under awslambdaric.

    Attributes:
        python: its path.
        arguments: what follows the interpreter on the command line, before the handler's name.
        description: versions, for people.
    """

    python: Path
    arguments: tuple[str, ...]
    description: str

    @classmethod
    def find(cls, python: Path) -> Runtime:
        """Return how to run functions with an interpreter.

        Raises:
            RuntimeMissingError: it does not run, or has no awslambdaric.
        """
        python = Path(os.path.abspath(python))  # noqa: PTH100 (resolve() would follow the link out of the environment)
        probe = (
            "import importlib.util, platform, awslambdaric\n"
            "native = importlib.util.find_spec('runtime_client') is not None\n"
            "print(int(native), awslambdaric.__version__, platform.python_version())\n"
        )
        try:
            done = subprocess.run(  # noqa: S603 (the interpreter that the sandbox was told to use)
                [python, "-I", "-c", probe], capture_output=True, text=True, check=True, env={}
            )
        except OSError as error:
            raise RuntimeMissingError(f"{python} does not run: {error}") from error
        except subprocess.CalledProcessError as error:
            reason = str(error.stderr).strip().rpartition("\n")[2]
            message = (
                f"{python} cannot run functions ({reason}). Install embedded-aws[runtime], or name an interpreter."
            )
            raise RuntimeMissingError(message) from error
        native, client, version = done.stdout.split()
        return cls.of(python, native=native == "1", description=f"awslambdaric {client} on Python {version}")

    @classmethod
    def of(cls, python: Path, *, native: bool, description: str) -> Runtime:
        """Return the command line with awslambdaric's native module, or with the shim in its place."""
        # -B: a deployed folder is read-only, no bytecode is written into it.
        if native:
            return cls(python=python, arguments=("-B", "-m", "awslambdaric"), description=description)
        # -P: the shim's folder is not on the path.
        shim = str(Path(runtime_client_shim.__file__).resolve())
        return cls(python=python, arguments=("-B", "-P", shim), description=description)


def default_python() -> Path:
    """Return the interpreter of the nearest ``.venv-runtime`` above the current folder, or this interpreter."""
    folder = Path.cwd()
    built = (each / ".venv-runtime" / "bin" / "python" for each in (folder, *folder.parents))
    return next((python for python in built if python.exists()), Path(sys.executable))


class ExecutionEnvironment:
    """A runtime process, running from construction until it ends by itself or is closed.

    Attributes:
        deployment: What it runs.
        api: Its Runtime API.
        log_stream: The name of its log stream.
        started: When the process was started, on the clock of `time.monotonic`.
    """

    def __init__(  # noqa: PLR0913 (what a process needs; all are the executor's to give)
        self,
        deployment: Deployment,
        *,
        runtime: Runtime,
        task_root: Path,
        home: Path,
        endpoint_url: str,
        credentials: Credentials,
        reaper: ProcessReaper,
    ) -> None:
        self.deployment = deployment
        self.log_stream = telemetry.log_stream_name(deployment.version, datetime.now(UTC))
        self.api = RuntimeApi()
        self._reaper = reaper
        self._output = _Output()
        self.started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 (running what was deployed is the purpose)
            [runtime.python, *runtime.arguments, deployment.handler or ""],
            cwd=task_root,
            env=self._variables(task_root=task_root, home=home, endpoint_url=endpoint_url, credentials=credentials),
            stdin=subprocess.DEVNULL,
            stdout=self._output.write_end,
            stderr=self._output.write_end,
            start_new_session=True,  # a process group of its own: killed whole, and not by Ctrl-C
        )
        reaper.watch(self._process.pid)
        self._ended = threading.Event()
        threading.Thread(target=self._reap, name=f"reap-{self._process.pid}", daemon=True).start()

    @property
    def exit_reason(self) -> str:
        """How the process ended, in Lambda's words; call it after a RuntimeGoneError."""
        self._ended.wait()
        match self._process.returncode:
            case 0:
                return "Runtime exited without providing a reason"
            case code if code < 0:
                return f"Runtime exited with error: signal: {_signal_words(-code)}"
            case code:
                return f"Runtime exited with error: exit status {code}"

    @property
    def has_ended(self) -> bool:
        """Whether the process is over, whether or not that has been dealt with yet."""
        if not hasattr(os, "waitid"):
            return self._ended.is_set()
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
        except ChildProcessError:
            return True

    def take_output(self) -> list[telemetry.LogLine]:
        """All that the process has printed since the last call."""
        return self._output.take()

    def peak_memory_mb(self) -> int | None:
        """Peak resident memory of the process so far; None once it has ended, or where the platform does not tell."""
        peak = peak_memory(self._process.pid)
        return None if peak is None else -(-peak // 2**20)

    def close(self) -> None:
        """Kill the process and all that it started. May be called twice."""
        if not self._ended.is_set():
            self._kill()
        self._ended.wait()
        self.api.close()
        self._output.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self._process.pid, signal.SIGKILL)

    def _reap(self) -> None:
        # Waits without reaping first, so that the group's number is not reused before the group is killed.
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            self._kill()
        self._process.wait()
        self._reaper.release(self._process.pid)
        self._ended.set()
        self.api.runtime_ended()

    def _variables(self, *, task_root: Path, home: Path, endpoint_url: str, credentials: Credentials) -> dict[str, str]:
        """The function's environment: what it was deployed with, then Lambda's own, which wins."""
        deployment = self.deployment
        variables = {name: os.environ.get(name, _DEFAULTS.get(name, "")) for name in _INHERITED}
        variables = {name: value for name, value in variables.items() if value}
        variables |= dict(deployment.variables)
        variables |= {
            "_HANDLER": deployment.handler or "",
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_DEFAULT_REGION": deployment.region,
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{deployment.runtime}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(deployment.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": deployment.name,
            "AWS_LAMBDA_FUNCTION_VERSION": deployment.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": deployment.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream,
            "AWS_LAMBDA_RUNTIME_API": self.api.address,
            "AWS_REGION": deployment.region,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_SESSION_TOKEN": credentials.session_token,
            # Not Lambda's: hides the ~/.aws of the sandbox's user from the SDK.
            "HOME": str(home),
            "LAMBDA_TASK_ROOT": str(task_root),
            "TZ": ":UTC",
        }
        if deployment.json_logs:
            variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
            if deployment.log_level:
                variables["AWS_LAMBDA_LOG_LEVEL"] = deployment.log_level
        return variables


def _signal_words(number: int) -> str:
    """A signal as Lambda's host prints it: "killed", "segmentation fault"."""
    return (signal.strsignal(number) or f"signal {number}").lower()


class _Output:
    """The pipe that takes a process's stdout and stderr.

    The sandbox keeps a write end of its own: a mark that it writes after the runtime has answered comes out behind all
    that the function printed before, so `take` knows when it has everything. The mark is random, so that no function
    can print it.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        self._mark = f"\0{secrets.token_hex(16)}\0".encode()
        self._writing = threading.Lock()
        self._closed = False
        self._arrived = threading.Condition()
        self._lines: list[telemetry.LogLine] = []
        self._size = 0  # bytes since the last mark
        self._marks_seen = 0
        self._marks_written = 0
        threading.Thread(target=self._read, name="function-output", daemon=True).start()

    def take(self) -> list[telemetry.LogLine]:
        with self._writing:
            if not self._closed:
                os.write(self.write_end, self._mark)
                self._marks_written += 1
            expected = self._marks_written
        with self._arrived:
            self._arrived.wait_for(lambda: self._marks_seen >= expected, _MARK_TIMEOUT)
            taken, self._lines = self._lines, []
            return taken

    def close(self) -> None:
        with self._writing:
            if not self._closed:
                self._closed = True
                os.close(self.write_end)  # all other write ends went with the process group: the reader ends

    def _read(self) -> None:
        rest = b""
        with open(self._read_end, "rb", buffering=0) as pipe:  # noqa: PTH123 (a descriptor, not a path)
            while chunk := pipe.read(65536):
                *finished, rest = (rest + chunk).split(self._mark)
                for output in finished:
                    # What stands before the mark without a line's end is a line all the same.
                    self._keep(output.removesuffix(b"\n").split(b"\n") if output else [])
                    self._note_mark()
                *lines, rest = rest.split(b"\n")
                if len(rest) > MAX_LINE:
                    lines.append(rest[: -len(self._mark)])
                    rest = rest[-len(self._mark) :]  # may be the beginning of a mark
                self._keep(lines)

    def _keep(self, lines: list[bytes]) -> None:
        now = int(time.time() * 1000)
        with self._arrived:
            for line in lines:
                self._size += len(line) + 1
                if self._size <= MAX_OUTPUT:
                    # Runtimes separate the lines of one record, such as a traceback, by carriage returns.
                    text = line.decode(errors="replace").rstrip("\r").replace("\r", "\n")
                    self._lines.append(telemetry.LogLine(timestamp=now, message=text))

    def _note_mark(self) -> None:
        with self._arrived:
            if self._size > MAX_OUTPUT:
                text = f"[sandbox] output beyond {MAX_OUTPUT} bytes was dropped, of {self._size} in all"
                self._lines.append(telemetry.LogLine(timestamp=int(time.time() * 1000), message=text))
            self._size = 0
            self._marks_seen += 1
            self._arrived.notify_all()
