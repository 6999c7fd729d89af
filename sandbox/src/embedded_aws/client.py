"""The other end of the admin API, and the sandbox as a process of its own.

Tests, demo and benches use it. The standard library is all that it needs.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

# Limits are for what would never come: on a slow machine all of this takes its time.
_START_SECONDS: Final = 600.0
_STOP_SECONDS: Final = 300.0
_ANSWER_SECONDS: Final = 300.0
_IDLE_SECONDS: Final = 1800.0
_POLL_SECONDS: Final = 0.02


class SandboxError(Exception):
    """The sandbox refused an admin request, did not start, or did not become idle; the text says why."""


def cli_environment(endpoint: str, *, account: str, region: str) -> dict[str, str]:
    """Return the variables with which the CDK CLI and every SDK work on a sandbox and on nothing else.

    Except S3: only the CDK CLI resolves the bucket hosts, by a script that Node.js preloads.
    """
    port = endpoint.rpartition(":")[2]
    shim = str(Path(__file__).with_name("resolve_buckets.cjs")).replace("\\", "\\\\").replace('"', '\\"')
    return {
        # moto hands out template URLs only for endpoints called localhost.
        "AWS_ENDPOINT_URL": f"http://localhost:{port}",
        "AWS_ENDPOINT_URL_S3": f"http://s3.moto.test:{port}",
        # The CDK CLI remembers for good which account an access key belongs to.
        "AWS_ACCESS_KEY_ID": f"sandbox{account}",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": region,
        # botocore reads only this one.
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Quoted, because Node.js splits it at blanks.
        "NODE_OPTIONS": f'--require "{shim}"',
    }


class SandboxClient:
    """The admin API of a running sandbox.

    Args:
        endpoint: its URL.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def health(self) -> dict[str, str]:
        """Account, region, endpoint, and what runs the functions."""
        return dict(self._ask("GET", "health"))

    def calls(self, *, since: int = 0) -> list[dict[str, Any]]:
        """The AWS API calls served after number `since`, in order."""
        return list(self._ask("GET", f"calls?since={since}"))

    def clear_calls(self) -> None:
        """Forget the calls; their numbers go on rising."""
        self._ask("DELETE", "calls")

    def faults(self) -> list[dict[str, Any]]:
        """The faults that are set."""
        return list(self._ask("GET", "faults"))

    def set_faults(self, *faults: dict[str, object]) -> None:
        """Set these faults instead of those that are set.

        Raises:
            SandboxError: a service, operation or key is not known.
        """
        self._ask("PUT", "faults", list(faults))

    def clear_faults(self) -> None:
        """Let everything go right again."""
        self._ask("DELETE", "faults")

    def set_quota(self, profiling_groups: int, *, account: str | None = None, region: str | None = None) -> None:
        """How many profiling groups an account may have in a region; the sandbox's own where none is named."""
        self._ask("PUT", "quota", {"profiling_groups": profiling_groups, **_place(account, region)})

    def put_cloudtrail(self, *records: dict[str, Any]) -> list[dict[str, Any]]:
        """Let EventBridge have these CloudTrail records, each in its account and region.

        Returns:
            For each its ``event_id``, the ``envelope_id`` of the event and the ``matched_rules``.
        """
        return list(self._ask("POST", "cloudtrail", {"Records": list(records)}))

    def schedules(self, *, account: str | None = None, region: str | None = None) -> list[dict[str, Any]]:
        """The schedules of an account and region, by default the sandbox's own.

        Returns:
            For each its name, group, expression, state and target.
        """
        return list(self._ask("GET", f"schedules?{urlencode(_place(account, region))}"))

    def fire_schedules(
        self, name: str | None = None, *, account: str | None = None, region: str | None = None
    ) -> list[str]:
        """Let a schedule come due, or all that are enabled, in an account and region; the sandbox's own by default.

        Returns:
            The names of those that were fired.

        Raises:
            SandboxError: there is no such schedule, it is disabled, or its target could not be called.
        """
        named = {} if name is None else {"name": name}
        return list(self._ask("POST", "schedules", named | _place(account, region)))

    def age(self, seconds: float, *, account: str | None = None, region: str | None = None) -> int:
        """Let all executions of state machines have been so much earlier, in the sandbox's own place by default.

        Returns:
            How many there are.
        """
        answer = self._ask("POST", "age", {"seconds": seconds, **_place(account, region)})
        return int(answer["executions"])

    def invocations(self) -> list[dict[str, Any]]:
        """The asynchronous invocations, with their attempts and results."""
        return list(self._ask("GET", "invocations"))

    def idle(self) -> bool:
        """Whether no event is in delivery, no execution runs and no invocation is pending."""
        return bool(self._ask("GET", "idle")["idle"])

    def wait_until_idle(self) -> None:
        """Wait until `idle`.

        Raises:
            SandboxError: it is not, after half an hour.
        """
        deadline = time.monotonic() + _IDLE_SECONDS
        while not self.idle():
            if time.monotonic() > deadline:
                message = f"the sandbox is not idle after {_IDLE_SECONDS:g} s: {self.invocations()}"
                raise SandboxError(message)
            time.sleep(_POLL_SECONDS)

    def _ask(self, method: str, what: str, document: object = None) -> Any:  # noqa: ANN401 - JSON
        body = None if document is None else json.dumps(document).encode()
        request = Request(f"{self.endpoint}/_sandbox/{what}", data=body, method=method)  # noqa: S310 - our own http
        try:
            with urlopen(request, timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - our own http
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise SandboxError(json.load(error)["error"]) from None


def _place(account: str | None, region: str | None) -> dict[str, str]:
    """What of the two is given, as the admin API has it."""
    given = {"account": account, "region": region}
    return {key: value for key, value in given.items() if value is not None}


class SandboxProcess:
    """A sandbox for the duration of a ``with`` block: ``python -m embedded_aws`` as a child process.

    Args:
        options: more command line options of ``python -m embedded_aws``.
    """

    def __init__(self, *, options: Sequence[str] = ()) -> None:
        self._command = [sys.executable, "-m", "embedded_aws", *options]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> SandboxClient:
        """Start it and wait until it is ready.

        Raises:
            SandboxError: it is not within ten minutes, or it ends; what it wrote to standard error is there to read.
        """
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            self._command, stdout=subprocess.PIPE, text=True
        )
        try:
            return SandboxClient(_first_line(self._process)["endpoint"])
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process's number; 0 before it was started."""
        return self._process.pid if self._process else 0

    def stop(self) -> int:
        """End it as Ctrl-C would, or by force where it does not.

        Returns:
            Its exit status: 0 where it ended by itself, or was never started.
        """
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.returncode


def _first_line(process: subprocess.Popen[str]) -> dict[str, str]:
    """The line of JSON with which the sandbox says that it is ready."""
    output = process.stdout
    if output is None or not select.select([output], [], [], _START_SECONDS)[0]:
        message = f"the sandbox did not start within {_START_SECONDS:g} s"
        raise SandboxError(message)
    line = output.readline()
    if not line:
        message = f"the sandbox ended with exit status {process.wait()} instead of starting"
        raise SandboxError(message)
    return dict(json.loads(line))
