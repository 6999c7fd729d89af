"""HTTP answers, and how each AWS protocol says that a call failed.

Used by whatever answers a call in moto's stead (authorization, faults, the server's own errors), and by the call log
and CloudTrail to read the error out of an answer that moto gave.
"""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from uuid import uuid4
from xml.sax.saxutils import escape

_ACCESS_DENIED: Final = {"query": "AccessDenied", "ec2": "UnauthorizedOperation", "rest-xml": "AccessDenied"}
_JSON_CONTENT_TYPE: Final = {"json": "application/x-amz-json-1.1", "rest-json": "application/json"}
_XML: Final = {
    "query": (
        "<ErrorResponse><Error><Type>{type}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>{request_id}</RequestId></ErrorResponse>"
    ),
    "ec2": (
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
        "<RequestID>{request_id}</RequestID></Response>"
    ),
    "rest-xml": "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>",
}


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """A whole HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def failed(self) -> bool:
        """Whether the status says that the call was refused or went wrong."""
        return self.status >= HTTPStatus.BAD_REQUEST

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, kw_only=True)
class ApiError:
    """An AWS error: the code that SDKs turn into an exception, and its text."""

    code: str
    message: str


def json_response(status: int, document: object) -> HttpResponse:
    """An answer with a JSON document as its body."""
    return HttpResponse(
        status=status, headers=(("Content-Type", "application/json"),), body=json.dumps(document, default=str).encode()
    )


def access_denied_code(protocol: str) -> str:
    """The code that services of that protocol give for a call that IAM refuses."""
    return _ACCESS_DENIED.get(protocol, "AccessDeniedException")


def error_response(protocol: str, *, status: int, error: ApiError) -> HttpResponse:
    """The error in the protocol's own shape.

    Args:
        protocol: botocore's name: ``rest-json``, ``json``, ``query``, ``ec2``, ``rest-xml``, ``smithy-rpc-v2-cbor``.
        status: HTTP status.
        error: what went wrong.
    """
    headers = {"x-amzn-RequestId": str(uuid4()), "Content-Type": "application/xml"}
    if protocol in _XML:
        body = (
            _XML[protocol]
            .format(
                type="Receiver" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "Sender",
                code=escape(error.code),
                message=escape(error.message),
                request_id=headers["x-amzn-RequestId"],
            )
            .encode()
        )
    elif protocol == "smithy-rpc-v2-cbor":
        headers |= {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        # A map of two pairs of texts, each text with a length of two bytes (RFC 8949).
        texts = [text.encode() for text in ("__type", error.code, "message", error.message)]
        body = b"\xa2" + b"".join(b"\x79" + len(text).to_bytes(2) + text for text in texts)
    else:
        headers |= {
            "Content-Type": _JSON_CONTENT_TYPE.get(protocol, "application/json"),
            "x-amzn-ErrorType": error.code,
        }
        document = {"message": error.message} | ({} if protocol == "rest-json" else {"__type": error.code})
        body = json.dumps(document).encode()
    return HttpResponse(status=status, headers=tuple(headers.items()), body=body)


def error_in(answer: HttpResponse) -> ApiError | None:
    """The error that a failed answer carries, whatever the protocol; None where the call succeeded."""
    if not answer.failed:
        return None
    text = answer.body.decode("utf-8", errors="replace")
    try:
        document = json.loads(text)
    except ValueError:
        found = dict(re.findall(r"<(Code|Message)>([^<]*)</", text))
        document = {"code": found.get("Code"), "message": found.get("Message", text[:200])}
    if not isinstance(document, dict):
        document = {"message": text[:200]}
    code = (
        answer.header("x-amzn-errortype") or document.get("__type") or document.get("code") or f"HTTP {answer.status}"
    )
    message = document.get("message") or document.get("Message") or ""
    return ApiError(code=str(code).split("#")[-1].split(":")[0], message=str(message))
