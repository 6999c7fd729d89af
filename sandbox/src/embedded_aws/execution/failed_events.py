"""What Lambda sends to the queues of a function whose asynchronous event has failed for good.

`asynchronous` composes these and sends them. Owns the two formats: the invocation record of an on-failure destination
and the message of a dead-letter queue. Pure.

Source: "Capturing records of Lambda asynchronous invocations" in the Lambda developer guide.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_MAX_ERROR_MESSAGE = 1024  # bytes, of the ErrorMessage attribute


class Condition(StrEnum):
    """Why Lambda gave the event up."""

    RETRIES_EXHAUSTED = "RetriesExhausted"
    EVENT_AGE_EXCEEDED = "EventAgeExceeded"
    ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"


@dataclass(frozen=True, kw_only=True)
class Response:
    """What came of the last attempt.

    Attributes:
        status_code: 200 where the function ran, well or not; 429 where it was throttled, 404 where it was gone.
        executed_version: "$LATEST" or a number; None where the function did not run.
        function_error: "Unhandled" where the function failed.
        payload: The function's error document; None where it did not run.
        error_message: The error in words.
    """

    status_code: int
    executed_version: str | None
    function_error: str | None
    payload: bytes | None
    error_message: str


@dataclass(frozen=True, kw_only=True)
class FailedEvent:
    """An event that was given up.

    Attributes:
        request_id: The request id, the same for all attempts.
        function_arn: The function's ARN with its qualifier.
        condition: Why it was given up.
        invoke_count: How often the function ran.
        payload: The event.
        response: What came of the last attempt.
    """

    request_id: str
    function_arn: str
    condition: Condition
    invoke_count: int
    payload: bytes
    response: Response


def decoded(payload: bytes) -> object:
    """The value of a JSON text; text that is no JSON, as it is."""
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")


def destination_record(event: FailedEvent, now: datetime) -> str:
    """The body of the message to an on-failure destination."""
    record: dict[str, object] = {
        "version": "1.0",
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": event.function_arn,
            "condition": event.condition.value,
            "approximateInvokeCount": event.invoke_count,
        },
        "requestPayload": decoded(event.payload),
    }
    response = event.response
    context: dict[str, object] = {"statusCode": response.status_code}
    if response.executed_version is not None:
        context["executedVersion"] = response.executed_version
    if response.function_error is not None:
        context["functionError"] = response.function_error
    record["responseContext"] = context
    record["responsePayload"] = None if response.payload is None else decoded(response.payload)
    return json.dumps(record, ensure_ascii=False)


def dead_letter_attributes(event: FailedEvent) -> dict[str, dict[str, str]]:
    """The attributes of the message to a dead-letter queue; its body is the event itself, untouched."""
    message = event.response.error_message.encode()[:_MAX_ERROR_MESSAGE].decode(errors="ignore")
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": event.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": str(event.response.status_code)},
    }
    if message:  # SQS refuses an empty value
        attributes["ErrorMessage"] = {"DataType": "String", "StringValue": message}
    return attributes
