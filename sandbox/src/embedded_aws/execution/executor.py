"""Runs Lambda functions: finds or starts an execution environment for each invocation, and reports how it went.

`awslambda` calls it for synchronous invocations, `asynchronous` for events. It owns the pool of environments, the
concurrency limits, time-outs and the error documents that Lambda itself writes. It asks its constructor's callables for
role credentials and permissions, and knows nothing of HTTP.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import tempfile
import threading
import time
import uuid
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from embedded_aws.execution import telemetry
from embedded_aws.execution.deployment import Deployment, find_function
from embedded_aws.execution.environment import CredentialSource, ExecutionEnvironment, Runtime
from embedded_aws.execution.process_reaper import ProcessReaper, remove
from embedded_aws.execution.runtime_api import InitFailedError, RuntimeGoneError, RuntimeResponse, trace_header
from embedded_aws.monitoring import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from moto.awslambda.models import LambdaFunction

    from embedded_aws.execution.telemetry import LogLine, PermissionChecker

INIT_TIMEOUT = 300.0
"""Seconds that a function has to initialise, or its own timeout if that is longer. Lambda gives it 10, and repeats a
slower init within the function's timeout (developer guide, "Lambda execution environment lifecycle"); how long it takes
here depends on the machine, so the limit only ends what would wait for ever."""


class ThrottledError(Exception):
    """The function runs as often at the same time as its reserved concurrency allows, which may be never."""

    def __init__(self, *, reserved: int) -> None:
        super().__init__("Rate Exceeded.")
        self.reserved = reserved


class ExecutorClosedError(Exception):
    """The executor was closed."""


@dataclass(frozen=True, kw_only=True)
class InvocationResult:
    """How an invocation ended.

    Attributes:
        request_id: Lambda's request id.
        payload: What the handler returned, JSON; or an error document with errorType and errorMessage.
        function_error: None, or "Unhandled" for every kind of function error, time-outs and crashes among them.
        log: The invocation's log as CloudWatch gets it: what the function printed between Lambda's own lines.
        executed_version: "$LATEST" or a number.
        duration: Seconds in the handler.
        init_duration: Seconds of a cold start; None when the environment was warm.
        max_memory_mb: Peak resident memory of the process; None where the platform does not tell.
    """

    request_id: str
    payload: bytes
    function_error: str | None
    log: str
    executed_version: str
    duration: float
    init_duration: float | None
    max_memory_mb: int | None


@dataclass(frozen=True, kw_only=True)
class _Invocation:
    request_id: str
    payload: bytes
    trace: str


@dataclass(kw_only=True)
class _Course:
    """How an invocation goes, filled in as it does."""

    lines: list[LogLine]
    started: float  # seconds since the epoch
    duration: float = 0.0
    init_duration: float | None = None
    max_memory_mb: int | None = None
    status: str = "error"  # "success", "error" or "timeout"
    answer: RuntimeResponse = field(default_factory=lambda: RuntimeResponse(body=b"", error_type=None))


class Executor:
    """The synchronous side of Lambda.

    Args:
        endpoint_url: The sandbox's endpoint, which functions see as AWS_ENDPOINT_URL.
        runtime_python: The interpreter that runs functions.
        credentials: Makes session credentials for the execution role.
        permits: Says what the execution role may do, for what Lambda does in its name.

    Raises:
        RuntimeMissingError: the interpreter cannot run functions.
    """

    def __init__(
        self, *, endpoint_url: str, runtime_python: Path, credentials: CredentialSource, permits: PermissionChecker
    ) -> None:
        self._endpoint_url = endpoint_url
        self._credentials = credentials
        self._permits = permits
        self._runtime = Runtime.find(runtime_python)
        self._folder = Path(tempfile.mkdtemp(prefix="sandbox-lambda-"))
        self._reaper = ProcessReaper(self._folder)
        self._home = self._folder / "home"
        self._home.mkdir()
        self._lock = threading.Lock()
        self._unpacking = threading.Lock()
        self._closed = False
        self._running: defaultdict[str, int] = defaultdict(int)  # invocations under way, by unqualified ARN
        self._idle: defaultdict[str, list[ExecutionEnvironment]] = defaultdict(list)  # by ARN
        self._current: dict[str, Deployment] = {}  # what was invoked last, by ARN
        self._environments: set[ExecutionEnvironment] = set()
        self._when_invocation_ends: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def runtime_description(self) -> str:
        """Which Runtime API client on which Python runs the functions."""
        return self._runtime.description

    def invoke(
        self,
        function: LambdaFunction,
        payload: bytes,
        *,
        request_id: str | None = None,
    ) -> InvocationResult:
        """Run a function and wait for it.

        Args:
            function: moto's function, as it is to be run now.
            payload: The event, JSON.
            request_id: Lambda's request id; a new one where it is left out.

        Raises:
            ThrottledError: The function's reserved concurrency is used up.
            ExecutorClosedError: The executor was closed.
        """
        request_id = request_id or str(uuid.uuid4())
        deployment = Deployment.of(function)
        if deployment.obstacle:
            return self._refused(deployment, request_id, deployment.obstacle)
        reserved = function.reserved_concurrency
        invocation = _Invocation(
            request_id=request_id,
            payload=payload,
            trace=trace_header(),
        )
        with self._slot(deployment, None if reserved is None else int(reserved)):
            return self._run(deployment, invocation)

    def when_invocation_ends(self, call: Callable[[], None]) -> None:
        """Set what is called, in the thread of the invocation, when one of any function has ended."""
        self._when_invocation_ends = call

    def is_at_capacity(self, function_arn: str) -> bool:
        """Whether the function runs as often at the same time as its reserved concurrency allows, which is above 0."""
        function = find_function(function_arn)
        if function is None or function.reserved_concurrency is None:
            return False
        unqualified = ":".join(function_arn.split(":")[:7])
        with self._lock:
            return 0 < int(function.reserved_concurrency) <= self._running[unqualified]

    def retire(self, function_arn: str) -> None:
        """End the idle environments of a function that was deleted; those in use end after their use.

        Args:
            function_arn: A qualified ARN for one version, an unqualified one for all.
        """
        with self._lock:
            arns = [arn for arn in self._idle if arn == function_arn or arn.startswith(f"{function_arn}:")]
            idle = [environment for arn in arns for environment in self._idle.pop(arn)]
            for arn in arns:
                self._current.pop(arn, None)
        self._end(idle)

    def close(self) -> None:
        """End all environments. Invocations under way fail; later ones are refused. May be called twice."""
        with self._lock:
            self._closed = True
            environments = list(self._environments)
            self._idle.clear()
        self._end(environments)
        self._reaper.close()
        remove(self._folder)  # the reaper has done so, unless it was killed

    # -- one invocation ------------------------------------------------------------------------------------------------

    def _run(self, deployment: Deployment, invocation: _Invocation) -> InvocationResult:
        environment, cold = self._acquire(deployment)
        course = _Course(
            lines=[telemetry.init_start(deployment, self._runtime.description)] if cold else [],
            started=time.time(),
        )
        reusable = False
        try:
            ready = not cold or self._initialise(environment, invocation, course)
            course.lines.append(telemetry.start(deployment, invocation.request_id))
            reusable = ready and self._handle(environment, invocation, course)
        finally:
            self._release(environment, reusable=reusable)
        if course.status == "timeout":
            course.lines.append(telemetry.time_out(invocation.request_id, deployment.timeout))
        report = telemetry.Report(
            request_id=invocation.request_id,
            duration=course.duration,
            init_duration=course.init_duration,
            max_memory_mb=course.max_memory_mb,
            status=course.status,
            error_type=course.answer.error_type,
        )
        lines = course.lines + telemetry.end(deployment, report)
        telemetry.write_log(deployment, environment.log_stream, lines, self._permits)
        metrics.of_function(deployment.arn, {"Invocations": 1, "Errors": int(course.status != "success")})
        metrics.of_function(deployment.arn, {"Duration": course.duration * 1000}, unit="Milliseconds")
        return InvocationResult(
            request_id=invocation.request_id,
            payload=course.answer.body,
            function_error=None if course.status == "success" else "Unhandled",
            log="".join(line.message + "\n" for line in lines),
            executed_version=deployment.version,
            duration=course.duration,
            init_duration=course.init_duration,
            max_memory_mb=course.max_memory_mb,
        )

    @staticmethod
    def _initialise(environment: ExecutionEnvironment, invocation: _Invocation, course: _Course) -> bool:
        """Wait for a new process to ask for work; False where it fails, and then the course has the error."""
        limit = max(INIT_TIMEOUT, environment.deployment.timeout)
        try:
            asked = environment.api.wait_for_next(limit)
        except InitFailedError as error:
            course.answer = error.answer
        except RuntimeGoneError:
            course.answer = _error("Runtime.ExitError", invocation, environment.exit_reason)
        except TimeoutError:
            course.status = "timeout"
            course.answer = _timed_out(invocation, limit)
        else:
            course.init_duration = asked - environment.started
        course.duration = time.time() - course.started
        course.lines += environment.take_output()
        return course.init_duration is not None

    @staticmethod
    def _handle(environment: ExecutionEnvironment, invocation: _Invocation, course: _Course) -> bool:
        """Let the handler have the event; True where the process may serve another one."""
        timeout = environment.deployment.timeout
        course.started = time.time()
        answered = False
        try:
            course.answer = environment.api.invoke(
                invocation.payload,
                request_id=invocation.request_id,
                function_arn=environment.deployment.arn,
                deadline=course.started + timeout,
                trace=invocation.trace,
            )
        except RuntimeGoneError:
            course.answer = _error("Runtime.ExitError", invocation, environment.exit_reason)
        except TimeoutError:
            course.status = "timeout"
            course.answer = _timed_out(invocation, timeout)
        else:
            answered = True
            course.status = "error" if course.answer.error_type else "success"
        course.duration = time.time() - course.started
        course.max_memory_mb = environment.peak_memory_mb()
        course.lines += environment.take_output()
        return answered

    @staticmethod
    def _refused(deployment: Deployment, request_id: str, obstacle: str) -> InvocationResult:
        document = {"errorType": "Sandbox.UnsupportedFunction", "errorMessage": f"{deployment.arn}: {obstacle}"}
        return InvocationResult(
            request_id=request_id,
            payload=json.dumps(document).encode(),
            function_error="Unhandled",
            log="",
            executed_version=deployment.version,
            duration=0.0,
            init_duration=None,
            max_memory_mb=None,
        )

    # -- the pool ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _slot(self, deployment: Deployment, reserved: int | None) -> Iterator[None]:
        """One of the function's concurrent executions."""
        key = deployment.unqualified_arn
        with self._lock:
            if self._closed:
                raise ExecutorClosedError
            if reserved is not None and self._running[key] >= reserved:
                metrics.of_function(key, {"Throttles": 1})
                raise ThrottledError(reserved=reserved)
            self._running[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[key] -= 1
            self._when_invocation_ends()

    def _acquire(self, deployment: Deployment) -> tuple[ExecutionEnvironment, bool]:
        """An environment for one invocation, and whether it is a new one."""
        while True:
            with self._lock:
                self._current[deployment.arn] = deployment
                idle = self._idle[deployment.arn]
                retired = [environment for environment in idle if environment.deployment != deployment]
                idle[:] = [environment for environment in idle if environment.deployment == deployment]
                candidate = idle.pop() if idle else None
            self._end(retired)
            if candidate is None:
                return self._start(deployment), True
            try:
                candidate.api.wait_for_next(INIT_TIMEOUT)
            except (RuntimeGoneError, TimeoutError):
                self._end([candidate])  # it ended after its last answer
            else:
                if not candidate.has_ended:
                    return candidate, False
                self._end([candidate])  # it ended as it asked for more

    def _start(self, deployment: Deployment) -> ExecutionEnvironment:
        task_root = self._unpack(deployment)
        credentials = self._credentials(deployment.role_arn, deployment.name)
        with self._lock:
            if self._closed:
                raise ExecutorClosedError
            environment = ExecutionEnvironment(
                deployment,
                runtime=self._runtime,
                task_root=task_root,
                home=self._home,
                endpoint_url=self._endpoint_url,
                credentials=credentials,
                reaper=self._reaper,
            )
            self._environments.add(environment)
        return environment

    def _release(self, environment: ExecutionEnvironment, *, reusable: bool) -> None:
        arn = environment.deployment.arn
        with self._lock:
            keep = reusable and not self._closed and self._current.get(arn) == environment.deployment
            if keep:
                self._idle[arn].append(environment)
        if not keep:
            self._end([environment])

    def _end(self, environments: list[ExecutionEnvironment]) -> None:
        for environment in environments:
            environment.close()
        with self._lock:
            self._environments.difference_update(environments)

    def _unpack(self, deployment: Deployment) -> Path:
        """The folder with the function's code, unpacked once for each digest and then read-only, as /var/task is."""
        digest = base64.b64decode(deployment.code_sha256).hex()
        target = self._folder / "task" / digest
        with self._unpacking:
            if not target.exists():
                draft = Path(tempfile.mkdtemp(dir=self._folder))
                with zipfile.ZipFile(io.BytesIO(deployment.code)) as archive:
                    archive.extractall(draft)
                for path in draft.rglob("*"):
                    path.chmod(0o555 if path.is_dir() else 0o444)
                target.parent.mkdir(exist_ok=True)
                draft.rename(target)
                target.chmod(0o555)
        return target


def _error(error_type: str, invocation: _Invocation, message: str) -> RuntimeResponse:
    """The error document that Lambda writes where the runtime could not."""
    document = {"errorType": error_type, "errorMessage": f"RequestId: {invocation.request_id} Error: {message}"}
    return RuntimeResponse(body=json.dumps(document).encode(), error_type=error_type)


def _timed_out(invocation: _Invocation, limit: float) -> RuntimeResponse:
    return _error("Sandbox.Timedout", invocation, f"Task timed out after {limit:.2f} seconds")
