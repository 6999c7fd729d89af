"""A loopback AWS endpoint with one synthetic account and a rate limit for CreateProfilingGroup.

It is a process of its own, so that it does not share the interpreter lock with the client. ``python -m
bench.account_stub SETTINGS`` prints its port and serves until its standard input is closed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

from bench.synthetic_account import SyntheticAccount, created_group, function_configuration, number_of, profiling_group
from bench.token_bucket import RateLimit, TokenBucket

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT: Final = Path(__file__).resolve().parent.parent
_STATISTICS: Final = "/statistics"
_CREATE: Final = "CreateProfilingGroup"
_ROUTES: Final = {
    "GetFunctionConfiguration": r"GET /2015-03-31/functions/(?P<name>[^/]+)/configuration",
    "ListFunctions": r"GET /2015-03-31/functions/?",
    "ListTags": r"GET /2017-03-31/tags/(?P<name>[^/]+)",
    "DescribeProfilingGroup": r"GET /profilingGroups/(?P<name>[^/]+)",
    "ListProfilingGroups": r"GET /profilingGroups/?",
    _CREATE: r"POST /profilingGroups/?",
    _STATISTICS: f"GET {_STATISTICS}",
}
UNLIMITED: Final = RateLimit(rate=1e9, burst=1e9)
_ERRORS: Final = {404: "ResourceNotFoundException", 409: "ConflictException", 429: "ThrottlingException"}


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The requests that a stub has received.

    Attributes:
        calls: Calls by operation, including throttled ones.
        created: Groups that were created.
        throttled: Creations that were throttled.
        repeated: Creations of a group that existed.
        seconds: From the first creation request to the last answer to one; 0 if there was none.
    """

    calls: Mapping[str, int]
    created: int
    throttled: int
    repeated: int
    seconds: float


class AccountStub:
    """The server process, until the end of its `with` block.

    Args:
        account: The account.
        limit: Rate limit of creations.
        latency: Seconds that each answer takes.

    Attributes:
        endpoint: Its URL.
    """

    def __init__(self, account: SyntheticAccount, *, limit: RateLimit = UNLIMITED, latency: float = 0.0) -> None:
        settings = json.dumps({"account": asdict(account), "limit": asdict(limit), "latency": latency})
        self._process = subprocess.Popen(  # noqa: S603 - this module
            [sys.executable, "-m", "bench.account_stub", settings],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port = self._process.stdout.readline().strip() if self._process.stdout else ""
        self.endpoint = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def statistics(self) -> Statistics:
        """Return the statistics so far."""
        with urlopen(self.endpoint + _STATISTICS) as answer:  # noqa: S310 - loopback
            return Statistics(**json.load(answer))


@dataclass(kw_only=True)
class _State:
    """The account, and the groups that were created since the start."""

    account: SyntheticAccount
    bucket: TokenBucket
    latency: float
    calls: Counter[str] = field(default_factory=Counter)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeated: int = 0
    first: float | None = None
    last: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, operation: str, request: Mapping[str, Any]) -> tuple[int, object]:
        """Return status and body, after the latency."""
        if operation == _STATISTICS:
            return 200, asdict(self._statistics())
        now = time.monotonic()
        with self.lock:
            self.calls[operation] += 1
        answer = self._create(request, now) if operation == _CREATE else self._read(operation, request)
        time.sleep(self.latency)
        if operation == _CREATE:
            with self.lock:
                self.last = time.monotonic()
        return answer

    def _create(self, request: Mapping[str, Any], now: float) -> tuple[int, object]:
        with self.lock:
            self.first = self.first or now
        if not self.bucket.try_acquire(now):
            return 429, {"message": "Rate exceeded"}
        name = request["profilingGroupName"]
        with self.lock:
            if name in self.groups or self.account.grouped:
                self.repeated += 1
                return 409, {"message": f"{name} exists"}
            self.groups[name] = created_group(request)
        return 201, self.groups[name]

    def _read(self, operation: str, request: Mapping[str, Any]) -> tuple[int, object]:
        account = self.account
        token = int(request.get("Marker") or request.get("PaginationToken") or request.get("nextToken") or 0)
        answer: object
        match operation:
            case "GetFunctionConfiguration":
                answer = function_configuration(number_of(request["name"]))
            case "ListTags":
                answer = account.list_tags(request["name"])
            case "DescribeProfilingGroup":
                answer = self.groups.get(request["name"]) or profiling_group(number_of(request["name"]))
            case "ListFunctions":
                answer = account.list_functions(token, int(request["MaxItems"]))
            case "GetResources":
                answer = account.get_resources(token, int(request["ResourcesPerPage"]))
            case "ListProfilingGroups":
                answer = account.list_profiling_groups(token, int(request["maxResults"]))
            case "GetServiceQuota":
                answer = {"Quota": {"Value": 1e6}}
            case _:
                return 404, {"message": f"the stub does not implement {operation}"}
        return 200, answer

    def _statistics(self) -> Statistics:
        with self.lock:
            return Statistics(
                calls=dict(self.calls),
                created=len(self.groups),
                throttled=self.bucket.throttled,
                repeated=self.repeated,
                seconds=self.last - self.first if self.first else 0.0,
            )


def _route(method: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the operation, and the resource that the path names."""
    for operation, route in _ROUTES.items():
        if match := re.fullmatch(route, f"{method} {path}"):
            return operation, {key: unquote(value) for key, value in match.groupdict().items()}
    return f"{method} {path}", {}


def _handler(state: _State) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Nagle's algorithm would delay the body by up to 40 ms.
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)
            operation, resource = _route(self.command, url.path)
            if target := self.headers.get("X-Amz-Target"):
                operation = target.rpartition(".")[2]
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            status, answer = state.answer(operation, {**query, **resource, **(json.loads(body) if body else {})})
            content = json.dumps(answer).encode()
            self.send_response(status)
            if status in _ERRORS:
                self.send_header("x-amzn-ErrorType", _ERRORS[status])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _serve  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return Handler


def _serve(settings: str) -> None:
    given = json.loads(settings)
    account, bucket = SyntheticAccount(**given["account"]), TokenBucket(RateLimit(**given["limit"]))
    state = _State(account=account, bucket=bucket, latency=given["latency"])
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(state)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)  # noqa: T201 - the answer
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
