"""What moto's Lambda lacks: running functions without Docker, and configuration that moto forgets.

The server calls `install` once before it serves. From then on Invoke goes to the executor or to the queue of
asynchronous events, and functions keep their whole configuration (`lambda_configuration`). Everything else of Lambda
stays moto's. Owns the Invoke operation as the API shows it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from moto.awslambda import urls
from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction, LambdaStorage
from moto.awslambda.responses import LambdaResponse

from embedded_aws.execution.executor import ThrottledError
from embedded_aws.execution.runtime_api import MAX_ASYNCHRONOUS_PAYLOAD, MAX_SYNCHRONOUS_PAYLOAD
from embedded_aws.moto_extensions import lambda_configuration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedded_aws.execution.asynchronous import AsynchronousInvoker
    from embedded_aws.execution.executor import Executor

    Response = tuple[int, dict[str, str], bytes]

_LOG_TAIL = 4096  # bytes of X-Amz-Log-Result before encoding
_PARTIAL_ARN: Final = re.compile(r"(?:\d{12}:)?function:(?P<name>[^:]+(?::[^:]+)?)")
_ARN: Final = re.compile(r"(?:(?:arn:[\w-]+:lambda:[\w-]+:)?\d{12}:)?function:(?P<name>[^:]+)")

# moto's own, which the replacements below call.
_create_function: Final = LambdaBackend.create_function
_find_function: Final = LambdaStorage.get_function_by_name_or_arn_with_qualifier
_delete_function: Final = LambdaBackend.delete_function
_enrich_response: Final = LambdaResponse._enrich_response  # noqa: SLF001 (moto has no public place to set a request id)


class _RequestTooLargeError(LambdaClientError):
    code = 413

    def __init__(self, size: int, invocation_type: str, limit: int) -> None:
        message = f"{size} byte payload is too large for the {invocation_type} invocation type (limit {limit} bytes)"
        super().__init__("RequestTooLargeException", message)


class _TooManyRequestsError(LambdaClientError):
    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


def install(executor: Executor, invoker: AsynchronousInvoker) -> None:
    """Make moto's Lambda run functions. Called again, it switches to the new executor and invoker.

    Args:
        executor: Runs synchronous invocations.
        invoker: Takes events.
    """
    lambda_configuration.install()
    # moto finds no operation for a name with other characters; to AWS it is a function that there is not.
    for path in list(urls.url_paths):
        urls.url_paths[path.replace(r"[\w_:%-]+", "[^/]+")] = urls.url_paths.pop(path)
    service = _InvokeService(executor=executor, invoker=invoker)

    def invoke(self: LambdaResponse) -> Response:
        return service.invoke(self)

    def delete_function(self: LambdaBackend, function_name: str, qualifier: str | None = None) -> None:
        function = self.get_function(function_name, qualifier)
        _delete_function(self, function_name, qualifier)
        executor.retire(function.function_arn)

    replacements: dict[type, dict[str, Any]] = {
        LambdaResponse: {"invoke": invoke, "_enrich_response": staticmethod(_keep_request_id)},
        LambdaBackend: {"create_function": _create_by_arn_too, "delete_function": delete_function},
        LambdaStorage: {"get_function_by_name_or_arn_with_qualifier": _find_by_partial_arn_too},
    }
    for target, members in replacements.items():
        for name, member in members.items():
            setattr(target, name, member)


@dataclass(frozen=True, kw_only=True)
class _InvokeService:
    executor: Executor
    invoker: AsynchronousInvoker

    def invoke(self, request: LambdaResponse) -> Response:
        """The Invoke operation."""
        name = unquote(request.path.rstrip("/").rsplit("/", 2)[-2])
        function = request.backend.get_function(name, request.querystring.get("Qualifier", [None])[0])
        payload: bytes = request.raw_body or b"{}"
        match request.headers.get("X-Amz-Invocation-Type", "RequestResponse"):
            case "DryRun":
                return 204, {"status": "204"}, b""
            case "Event":
                _check(payload, "Event", MAX_ASYNCHRONOUS_PAYLOAD)
                request_id = self.invoker.submit(function.function_arn, payload)
                return 202, {"status": "202", "x-amzn-requestid": request_id}, b""
            case _:
                _check(payload, "RequestResponse", MAX_SYNCHRONOUS_PAYLOAD)
                return self._invoke_synchronously(function, payload, request.headers)

    def _invoke_synchronously(
        self, function: LambdaFunction, payload: bytes, request_headers: Mapping[str, str]
    ) -> Response:
        try:
            result = self.executor.invoke(function, payload)
        except ThrottledError as error:
            raise _TooManyRequestsError from error
        headers = {
            "content-type": "application/json",
            "x-amz-executed-version": result.executed_version,
            "x-amzn-requestid": result.request_id,
        }
        if result.function_error:
            headers["x-amz-function-error"] = result.function_error
        if request_headers.get("X-Amz-Log-Type") == "Tail":
            headers["x-amz-log-result"] = base64.b64encode(result.log.encode()[-_LOG_TAIL:]).decode()
        return 200, headers, result.payload


def _check(payload: bytes, invocation_type: str, limit: int) -> None:
    if len(payload) > limit:
        raise _RequestTooLargeError(len(payload), invocation_type, limit)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise LambdaClientError("InvalidRequestContentException", message) from error


def _keep_request_id(headers: dict[str, str], body: object) -> tuple[dict[str, str], object]:
    """Moto gives every answer a random request id; an invocation has one already."""
    request_id = headers.get("x-amzn-requestid")
    headers, body = _enrich_response(headers, body)
    if request_id:
        headers["x-amzn-requestid"] = request_id
    return headers, body


def _create_by_arn_too(self: LambdaBackend, spec: dict[str, Any]) -> LambdaFunction:
    """Lambda takes an ARN, whole or partial, in place of the name; to moto it would be the name."""
    arn = _ARN.fullmatch(spec.get("FunctionName") or "")
    return _create_function(self, spec | {"FunctionName": arn["name"]} if arn else spec)


def _find_by_partial_arn_too(self: LambdaStorage, name_or_arn: str, qualifier: str | None = None) -> LambdaFunction:
    """Moto knows names and full ARNs; Lambda takes "123456789012:function:name" and "function:name" as well."""
    partial = _PARTIAL_ARN.fullmatch(name_or_arn)
    return _find_function(self, partial["name"] if partial else name_or_arn, qualifier)
