"""The Lambda Runtime API, served on loopback for one execution environment.

Lambda's runtimes fetch their work from this API: they ask for the next invocation, run the handler and post what it
returned. `environment` starts one server beside each runtime process; `bench/` starts one by itself to time
cold starts. This module owns the protocol and its limits, and knows nothing of processes, functions or moto.

Source of the protocol: "Using the Lambda runtime API for custom runtimes" in the Lambda developer guide.
"""

from __future__ import annotations

import json
import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

MAX_SYNCHRONOUS_PAYLOAD = 6 * 1024 * 1024
"""Bytes of a request or response of a synchronous invocation (Lambda quotas)."""

MAX_ASYNCHRONOUS_PAYLOAD = 1024 * 1024
"""Bytes of an asynchronous event (Lambda quotas; 256 KB until October 2025)."""

RESPONSE_HEADROOM = 100
"""Bytes by which Lambda lets a response exceed the synchronous limit: it refuses beyond 6,291,556."""

_ROOT = "/2018-06-01/runtime"
_NEXT = f"{_ROOT}/invocation/next"
_INIT_ERROR = f"{_ROOT}/init/error"
_INVOCATION = f"{_ROOT}/invocation/"
_ERROR_TYPE_HEADER = "Lambda-Runtime-Function-Error-Type"


@dataclass(frozen=True, kw_only=True)
class RuntimeResponse:
    """What the runtime posted for an invocation.

    Attributes:
        body: The handler's result, or the error document that the runtime wrote.
        error_type: None for a result, else the error's type, such as "ValueError" or "Runtime.MarshalError".
    """

    body: bytes
    error_type: str | None


class InitFailedError(Exception):
    """The runtime could not load the handler and said why.

    Attributes:
        answer: The error document that it posted.
    """

    def __init__(self, answer: RuntimeResponse) -> None:
        super().__init__(answer.error_type)
        self.answer = answer


class RuntimeGoneError(Exception):
    """The runtime ended, or the API was closed, while something was expected of it."""


@dataclass(frozen=True, kw_only=True)
class _Invocation:
    request_id: str
    payload: bytes
    headers: dict[str, str]


def trace_header() -> str:
    """Return a new X-Ray trace header as Lambda passes it to a runtime: root, parent segment, no sampling."""
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


class RuntimeApi:
    """One runtime's API server: listens from construction until `close`.

    One invocation is under way at a time, as in Lambda; the caller sees to that.

    Attributes:
        address: "host:port", the value for AWS_LAMBDA_RUNTIME_API.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next_at: float | None = None  # when the request for work that now waits came in; None while busy
        self._offered: _Invocation | None = None  # not yet fetched
        self._expected: str | None = None  # request id whose answer is awaited
        self._answer: RuntimeResponse | None = None
        self._init_failure: RuntimeResponse | None = None
        self._gone = False
        self._server = _Server(self)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._serve, name=f"runtime-api-{self.address}", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_for_next(self, timeout: float) -> float:
        """Wait until the runtime asks for work.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The instant, on the clock of `time.monotonic`, at which the request came in.

        Raises:
            InitFailedError: The runtime reported that it could not start.
            RuntimeGoneError: The runtime ended instead.
            TimeoutError: Neither happened in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._next_at or self._init_failure or self._gone, timeout)
            if self._init_failure:
                raise InitFailedError(self._init_failure)
            if self._gone:
                raise RuntimeGoneError
            if self._next_at is None:
                raise TimeoutError
            return self._next_at

    def invoke(
        self,
        payload: bytes,
        *,
        request_id: str,
        function_arn: str,
        deadline: float,
        trace: str | None = None,
    ) -> RuntimeResponse:
        """Give the runtime one event and wait for its answer.

        Args:
            payload: The event, JSON.
            request_id: Lambda's request id.
            function_arn: The ARN that the caller invoked.
            deadline: When the function times out, seconds since the epoch.
            trace: The X-Ray trace header, as `trace_header` makes it; the runtime puts it into _X_AMZN_TRACE_ID.

        Raises:
            RuntimeGoneError: The runtime ended before it answered.
            TimeoutError: There was no answer at the deadline.
        """
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function_arn,
        }
        if trace:
            headers["Lambda-Runtime-Trace-Id"] = trace
        with self._changed:
            self._answer = None
            self._expected = request_id
            self._offered = _Invocation(request_id=request_id, payload=payload, headers=headers)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._answer or self._gone, deadline - time.time())
            self._offered = self._expected = None
            if self._answer:
                return self._answer
            if self._gone:
                raise RuntimeGoneError
            raise TimeoutError

    def runtime_ended(self) -> None:
        """Tell those who wait for the runtime that its process has ended."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop listening and drop the runtime's connection, which makes a runtime that waits for work exit."""
        self.runtime_ended()
        try:
            # Wakes the accept loop, which then sees that it is over.
            socket.create_connection(("127.0.0.1", self._server.server_port), timeout=1).close()
        except OSError:
            return  # closed before

    def fetch(self) -> _Invocation | None:
        """The runtime's side of `invoke`: block until there is work; None when there will be none any more."""
        with self._changed:
            self._next_at = time.monotonic()
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._offered or self._gone)
            invocation, self._offered, self._next_at = self._offered, None, None
            return None if self._gone else invocation

    def answer(self, request_id: str, answer: RuntimeResponse) -> bool:
        """The runtime's answer to an invocation; False if no caller waits for it."""
        with self._changed:
            if request_id != self._expected or self._answer:
                return False
            self._answer = answer
            self._changed.notify_all()
            return True

    def init_failed(self, answer: RuntimeResponse) -> None:
        """The runtime's word that it could not load the handler."""
        with self._changed:
            self._init_failure = answer
            self._changed.notify_all()

    def _serve(self) -> None:
        with self._server:
            while not self._gone:
                self._server.handle_request()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a runtime that was killed while it was connected."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # passed on as they came


class _Handler(BaseHTTPRequestHandler):
    """Translates HTTP to the methods of `RuntimeApi`."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave in one packet: without it each answer waits for a delayed ACK
    disable_nagle_algorithm = True

    @property
    def api(self) -> RuntimeApi:
        assert isinstance(self.server, _Server)  # noqa: S101 (narrows a type; the class is built by _Server only)
        return self.server.api

    def do_GET(self) -> None:
        """Serve GET /runtime/invocation/next."""
        if self.path != _NEXT:
            self._reply(HTTPStatus.NOT_FOUND, _problem("NotFound", f"No such resource: {self.path}"))
            return
        invocation = self.api.fetch()
        if invocation is None:
            self.close_connection = True
            return
        self._reply(HTTPStatus.OK, invocation.payload, invocation.headers)

    def do_POST(self) -> None:
        """Serve POST of a response, an error or an init error."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        error_type = self.headers.get(_ERROR_TYPE_HEADER) or _error_type_in(body)
        if self.path == _INIT_ERROR:
            self.api.init_failed(RuntimeResponse(body=body, error_type=error_type))
            self._reply(HTTPStatus.ACCEPTED, b'{"status":"OK"}')
            return
        request_id, _, verb = self.path.removeprefix(_INVOCATION).partition("/")
        if not self.path.startswith(_INVOCATION) or verb not in ("response", "error"):
            self._reply(HTTPStatus.NOT_FOUND, _problem("NotFound", f"No such resource: {self.path}"))
            return
        limit = MAX_SYNCHRONOUS_PAYLOAD + RESPONSE_HEADROOM
        if len(body) > limit:
            message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
            kind = "Function.ResponseSizeTooLarge"
            self.api.answer(request_id, RuntimeResponse(body=_problem(kind, message), error_type=kind))
            self._reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _problem("RequestEntityTooLarge", message))
            return
        if not self.api.answer(
            request_id, RuntimeResponse(body=body, error_type=error_type if verb == "error" else None)
        ):
            self._reply(HTTPStatus.BAD_REQUEST, _problem("InvalidRequestID", "Invalid request ID"))
            return
        self._reply(HTTPStatus.ACCEPTED, b'{"status":"OK"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's parameter name)
        """Keep quiet: one line per request would bury the function's own output."""

    def _reply(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _problem(error_type: str, message: str) -> bytes:
    return json.dumps({"errorMessage": message, "errorType": error_type}).encode()


def _error_type_in(body: bytes) -> str:
    """The error type in a runtime's error document, for runtimes that leave out the header."""
    try:
        return str(json.loads(body)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "Runtime.Unknown"
