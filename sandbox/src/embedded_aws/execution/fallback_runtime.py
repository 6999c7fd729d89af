"""A stand-in for awslambdaric where it cannot be had: it speaks the same Runtime API with nothing but the stdlib.

`environment` runs this file as a script under the runtime's Python where awslambdaric is missing (it has no
wheels for macOS). It covers what functions commonly see: handler lookup, context object, error documents, log format.
It does not cover SnapStart hooks, custom marshallers and Lambda managed instances.
"""

from __future__ import annotations

import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[Any, "Context"], Any]

_ROOT = "/2018-06-01/runtime"


@dataclass(kw_only=True)
class Context:
    """The context object of a Python handler, with the attributes that Lambda documents."""

    aws_request_id: str
    invoked_function_arn: str
    deadline_ms: int = field(repr=False)
    client_context: SimpleNamespace | None = None
    identity: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
    )
    tenant_id: str | None = None
    function_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_NAME"])
    function_version: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_VERSION"])
    memory_limit_in_mb: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    log_group_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_LOG_GROUP_NAME"])
    log_stream_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_LOG_STREAM_NAME"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function times out, never negative."""
        return max(0, self.deadline_ms - int(time.time() * 1000))


class _RequestIds(logging.Filter):
    current = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.current
        return True


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        document = {
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": getattr(record, "aws_request_id", ""),
        }
        if record.exc_info:
            document["stackTrace"] = self.formatException(record.exc_info)
        return json.dumps(document)


def _set_up_logging(request_ids: _RequestIds) -> None:
    handler = logging.StreamHandler(sys.stdout)
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == "JSON":
        formatter: logging.Formatter = _JsonFormatter()
    else:
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S"
        )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(request_ids)
    logging.getLogger().addHandler(handler)
    if level := os.environ.get("AWS_LAMBDA_LOG_LEVEL"):
        logging.getLogger().setLevel(level)


class _LoadError(Exception):
    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def _load(handler: str) -> Handler:
    module_name, dot, function_name = handler.rpartition(".")
    if not dot:
        raise _LoadError("Runtime.MalformedHandlerName", f"Bad handler '{handler}'")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise _LoadError("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise _LoadError("Runtime.UserCodeSyntaxError", message) from error
    function: Handler | None = getattr(module, function_name, None)
    if function is None:
        raise _LoadError("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return function


def _error_document(error: Exception, request_id: str) -> dict[str, Any]:
    if isinstance(error, _LoadError):
        return {"errorMessage": str(error), "errorType": error.error_type, "requestId": request_id, "stackTrace": []}
    own = __file__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != own]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(frames),
    }


def _log_error(document: dict[str, Any]) -> None:
    """Write the error as one log record; carriage returns keep its lines together."""
    lines = [f"[ERROR] {document['errorType']}: {document['errorMessage']}", "Traceback (most recent call last):"]
    lines += [line for frame in document["stackTrace"] for line in frame.splitlines()]
    sys.stdout.write("\r".join(lines) + "\n")


def _fetch(address: str) -> tuple[dict[str, str], bytes]:
    connection = http.client.HTTPConnection(address)
    connection.request("GET", f"{_ROOT}/invocation/next")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return {name.lower(): value for name, value in response.getheaders()}, body


def _post(address: str, path: str, body: bytes, error_type: str | None = None) -> None:
    headers = {"Content-Type": "application/json"}
    if error_type:
        headers["Lambda-Runtime-Function-Error-Type"] = error_type
    connection = http.client.HTTPConnection(address)
    connection.request("POST", _ROOT + path, body, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != http.HTTPStatus.ACCEPTED:
        sys.exit(f"The Runtime API refused {path}: {response.status}")


def _encode(result: object) -> bytes:
    if isinstance(result, bytes):
        return result
    try:
        return json.dumps(result, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise _LoadError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def main(handler_name: str) -> None:
    """Load the handler, then serve invocations until the Runtime API goes away."""
    sys.stderr.write("This is a stand-in for awslambdaric, which this Python does not have.\n")
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    request_ids = _RequestIds()
    _set_up_logging(request_ids)
    try:
        handler = _load(handler_name)
    except Exception as error:  # noqa: BLE001 (whatever importing the function's code raises is reported)
        document = _error_document(error, "")
        _log_error(document)
        _post(address, "/init/error", json.dumps(document).encode(), document["errorType"])
        sys.exit(1)
    while True:
        headers, event = _fetch(address)
        request_ids.current = request_id = headers["lambda-runtime-aws-request-id"]
        if trace := headers.get("lambda-runtime-trace-id"):
            os.environ["_X_AMZN_TRACE_ID"] = trace
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        client_context = headers.get("lambda-runtime-client-context")
        context = Context(
            aws_request_id=request_id,
            invoked_function_arn=headers["lambda-runtime-invoked-function-arn"],
            deadline_ms=int(headers["lambda-runtime-deadline-ms"]),
            client_context=SimpleNamespace(**json.loads(client_context)) if client_context else None,
        )
        try:
            result = _encode(handler(json.loads(event), context))
        except Exception as error:  # noqa: BLE001 (whatever the handler raises is its answer)
            document = _error_document(error, request_id)
            _log_error(document)
            _post(address, f"/invocation/{request_id}/error", json.dumps(document).encode(), document["errorType"])
        else:
            _post(address, f"/invocation/{request_id}/response", result)


if __name__ == "__main__":
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])  # run with -P, so that this file's own folder is not on the path
    main(sys.argv[1])
