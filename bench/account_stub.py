"""A loopback AWS with one account of any size, which throttles creations: in a process of its own.

Otherwise its Python and that of the client would wait for each other. ``python -m bench.account_stub SETTINGS`` is that
process: it prints its port, and serves until its standard input ends, which it does with whoever has started it.
"""

from __future__ import annotations

import json
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

from bench.made_up import MadeUp, created
from bench.throttle import Bucket, Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT: Final = Path(__file__).resolve().parent.parent
_SEEN: Final = "/seen"
_CREATE: Final = "CreateProfilingGroup"
_UNLIMITED: Final = Limit(rate=1e9, burst=1e9)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a stub has seen.

    Attributes:
        calls: Calls by operation, those that were turned away among them.
        created: Groups that were created.
        refused: Creations that were turned away.
        repeated: Creations of a group that was there.
        seconds: From the first request for a creation to the last answer to one; 0 before.
    """

    calls: Mapping[str, int]
    created: int
    refused: int
    repeated: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a stub is like.

    Attributes:
        account: What there is.
        limit: Of creations.
        latency: Seconds that every answer takes.
    """

    account: MadeUp
    limit: Limit = _UNLIMITED
    latency: float = 0.0


class AccountStub:
    """The server, until the end of its `with` block.

    Attributes:
        endpoint: Its URL.
    """

    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this very module
            [sys.executable, "-m", "bench.account_stub", json.dumps(asdict(settings))],
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

    def seen(self) -> Seen:
        """Ask what it has seen so far."""
        with urlopen(self.endpoint + _SEEN) as answer:  # noqa: S310 - loopback
            return Seen(**json.load(answer))


@dataclass(kw_only=True)
class _Account:
    """The account as it changes: what there was, and the groups that were created since."""

    settings: Settings
    bucket: Bucket
    calls: Counter[str] = field(default_factory=Counter)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeated: int = 0
    first: float | None = None
    last: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, operation: str, query: Mapping[str, str], request: Mapping[str, Any]) -> tuple[int, object]:
        """Return status and body for a request, after as long as that takes."""
        if operation == _SEEN:
            return 200, asdict(self._seen())
        now = time.monotonic()
        with self.lock:
            self.calls[operation] += 1
        answer = self._create(request, now) if operation == _CREATE else self._read(operation, query, request)
        time.sleep(self.settings.latency)
        if operation == _CREATE:
            with self.lock:
                self.last = time.monotonic()
        return answer

    def _create(self, request: Mapping[str, Any], now: float) -> tuple[int, object]:
        with self.lock:
            self.first = self.first or now
        if not self.bucket.take(now):
            return 429, {"message": "Rate exceeded"}
        name = request["profilingGroupName"]
        with self.lock:
            if name in self.groups:
                self.repeated += 1
                return 409, {"message": f"there is {name} already"}
            self.groups[name] = created(request)
        return 201, self.groups[name]

    def _read(self, operation: str, query: Mapping[str, str], request: Mapping[str, Any]) -> tuple[int, object]:
        account = self.settings.account
        match operation:
            case "ListFunctions":
                return 200, account.list_functions(int(query.get("Marker", 0)), int(query["MaxItems"]))
            case "GetResources":
                return 200, account.get_resources(
                    int(request.get("PaginationToken") or 0), int(request["ResourcesPerPage"])
                )
            case "ListProfilingGroups":
                return 200, account.list_profiling_groups(int(query.get("nextToken", 0)), int(query["maxResults"]))
            case "GetServiceQuota":
                return 200, {"Quota": {"Value": 1e6}}
            case "ListTags":
                return 200, account.list_tags(query["Resource"])
        return 404, {"message": f"the stub has no {operation}"}

    def _seen(self) -> Seen:
        with self.lock:
            return Seen(
                calls=dict(self.calls),
                created=len(self.groups),
                refused=self.bucket.refused,
                repeated=self.repeated,
                seconds=self.last - self.first if self.first else 0.0,
            )


def _operation(method: str, path: str, target: str | None) -> tuple[str, dict[str, str]]:
    """Return the operation, and what its path says about the resource."""
    if target:
        return target.rpartition(".")[2], {}
    match method, path.strip("/").split("/"):
        case "GET", ["2015-03-31", "functions"]:
            return "ListFunctions", {}
        case "GET", ["2017-03-31", "tags", arn]:
            return "ListTags", {"Resource": unquote(arn)}
        case "GET", ["profilingGroups"]:
            return "ListProfilingGroups", {}
        case "POST", ["profilingGroups"]:
            return _CREATE, {}
    return path if path == _SEEN else f"{method} {unquote(path)}", {}


def _handler(account: _Account) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise the body of an answer would wait for the client's acknowledgement of its head: 40 ms.
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)
            operation, resource = _operation(self.command, url.path, self.headers.get("X-Amz-Target"))
            query = {key: values[0] for key, values in parse_qs(url.query).items()} | resource
            status, answer = account.answer(operation, query, json.loads(body) if body else {})
            self._send(status, json.dumps(answer).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if error := {404: "ResourceNotFoundException", 409: "ConflictException", 429: "ThrottlingException"}.get(
                status
            ):
                self.send_header("x-amzn-ErrorType", error)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    request_queue_size = 64


def _serve(settings: str) -> None:
    given = json.loads(settings)
    limit = Limit(**given["limit"])
    account = _Account(
        settings=Settings(account=MadeUp(**given["account"]), limit=limit, latency=given["latency"]),
        bucket=Bucket(limit),
    )
    with _Server(("127.0.0.1", 0), _handler(account)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)  # noqa: T201 - the answer
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
