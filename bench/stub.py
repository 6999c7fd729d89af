"""A loopback stand-in for the AWS operations of a creation, with fixed answers: it takes next to no time itself."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_FUNCTION = "arn:aws:lambda:eu-west-1:444455556666:function:invoice-renderer"
_CONFIGURATION = {
    "FunctionName": "invoice-renderer",
    "FunctionArn": _FUNCTION,
    "Runtime": "python3.13",
    "Architectures": ["arm64"],
}
_TAGS = {"Tags": {"team": "billing", "cost-center": "4711"}}
_GROUP = {
    "name": "aws-lambda-invoice-renderer",
    "arn": "arn:aws:codeguru-profiler:eu-west-1:444455556666:profilingGroup/aws-lambda-invoice-renderer",
    "computePlatform": "AWSLambda",
    "tags": {
        "team": "billing",
        "cost-center": "4711",
        "managed-by": "profiling-group-provisioner",
        "profiling-group-provisioner:created-for": _FUNCTION,
    },
}


class Stub:
    """The server, from construction until the end of its `with` block.

    Attributes:
        endpoint: Its URL.
        calls: Method and path of every request so far, without the query.
        group_exists: Whether creating a group meets a conflict.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.group_exists = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str) -> tuple[int, Mapping[str, object]]:
        """Return status and body for a request."""
        self.calls.append(f"{method} {path}")
        match method, path.split("/")[1:3]:
            case "GET", ["2015-03-31", "functions"]:
                return 200, _CONFIGURATION
            case "GET", ["2017-03-31", "tags"]:
                return 200, _TAGS
            case "POST", ["profilingGroups"] if self.group_exists:
                return 409, {"message": "there is one"}
            case "POST", ["profilingGroups"]:
                return 201, _GROUP
            case "GET", ["profilingGroups", _]:
                return 200, _GROUP
        return 404, {"message": f"the stub has no {method} {path}"}


def _handler(stub: Stub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = stub.answer(self.command, self.path.partition("?")[0])
            body = json.dumps(answer).encode()
            self.send_response(status)
            if status == 409:  # noqa: PLR2004 - the one error of the stub
                self.send_header("x-amzn-ErrorType", "ConflictException")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
