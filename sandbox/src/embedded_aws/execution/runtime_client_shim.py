"""awslambdaric's native module ``runtime_client`` in pure Python, for platforms where it installs without that module.

`environment.Runtime` runs this file as a script there: it takes the native module's name and starts awslambdaric. It is
part of no package then, so it imports the standard library only.
"""

from __future__ import annotations

import http.client
import os
import runpy
import sys

_INVOCATION = "/2018-06-01/runtime/invocation"
_HEADERS = (
    "Content-Type",
    "Lambda-Runtime-Aws-Request-Id",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Trace-Id",
)
_DEADLINE = "Lambda-Runtime-Deadline-Ms"
_user_agent = ""


def initialize_client(user_agent: str) -> None:
    """Set the User-Agent header of later requests."""
    global _user_agent  # noqa: PLW0603 - the native module has functions only, so its state is the module's
    _user_agent = user_agent


def next() -> tuple[bytes, dict[str, str | int | None]]:  # noqa: A001 - the native module's name for it
    """Wait for the next invocation and return its event and its headers."""
    response, body = _request("GET", f"{_INVOCATION}/next")
    headers: dict[str, str | int | None] = {name: response.getheader(name) for name in _HEADERS}
    headers[_DEADLINE] = int(response.headers[_DEADLINE])
    return body, headers


def post_invocation_result(
    invoke_id: str, result: bytes, content_type: str, _invocation_id: str | None = None, /
) -> None:
    """Post what the handler returned."""
    _request("POST", f"{_INVOCATION}/{invoke_id}/response", result, {"Content-Type": content_type})


def post_error(invoke_id: str, document: str, xray_cause: str, _invocation_id: str | None = None, /) -> None:
    """Post an error document."""
    headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-XRay-Error-Cause": xray_cause}
    _request("POST", f"{_INVOCATION}/{invoke_id}/error", document.encode(), headers)


def _request(
    method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Call the Runtime API.

    Raises:
        RuntimeError: it refuses the request, as the native module reports it.
    """
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        connection.request(method, path, body, {"User-Agent": _user_agent, **(headers or {})})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status >= http.HTTPStatus.MULTIPLE_CHOICES:
        raise RuntimeError(f"The Runtime API refused {path}: {response.status}")
    return response, answer


if __name__ == "__main__":
    # As with `python -m awslambdaric`, which this script's command line stands for.
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - nothing more to import
    sys.modules["runtime_client"] = sys.modules["__main__"]
    runpy.run_module("awslambdaric", run_name="__main__")
