"""HTTP answers, and how each AWS protocol says that a call failed.

Used by whatever answers a call in moto's stead (authorization, faults, the server's own errors), and by the journal and
CloudTrail to read the error out of an answer that moto gave.
"""

import json
import re
from dataclasses import dataclass
from typing import Final
from uuid import uuid4
from xml.sax.saxutils import escape

_ACCESS_DENIED: Final = {"query": "AccessDenied", "ec2": "UnauthorizedOperation", "rest-xml": "AccessDenied"}
_JSON_CONTENT_TYPE: Final = {"json": "application/x-amz-json-1.1", "rest-json": "application/json"}
_ERROR_STATUS: Final = 400
_CBOR_TEXT: Final = 0x60
_CBOR_ONE_BYTE_LENGTH: Final = 24
_CBOR_TWO_BYTE_LENGTH: Final = 256


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def failed(self) -> bool:
        """Whether the status says that the call was refused or went wrong."""
        return self.status >= _ERROR_STATUS

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, kw_only=True)
class ApiError:
    """An AWS error: the code that SDKs turn into an exception, and its text."""

    code: str
    message: str


def json_answer(status: int, document: object) -> Answer:
    """An answer with a JSON document as its body."""
    return Answer(
        status=status, headers=(("Content-Type", "application/json"),), body=json.dumps(document, default=str).encode()
    )


def access_denied_code(protocol: str) -> str:
    """The code that services of that protocol give for a call that IAM refuses."""
    return _ACCESS_DENIED.get(protocol, "AccessDeniedException")


def error_answer(protocol: str, *, status: int, error: ApiError) -> Answer:
    """The error in the protocol's own shape.

    Args:
        protocol: botocore's name: ``rest-json``, ``json``, ``query``, ``ec2``, ``rest-xml``, ``smithy-rpc-v2-cbor``.
        status: HTTP status.
        error: what went wrong.
    """
    request_id = str(uuid4())
    common = (("x-amzn-RequestId", request_id),)
    code, message = escape(error.code), escape(error.message)
    match protocol:
        case "query":
            kind = "Receiver" if status >= 500 else "Sender"  # noqa: PLR2004 - HTTP's own border between the two
            text = (
                f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                f"<RequestId>{request_id}</RequestId></ErrorResponse>"
            )
            return Answer(status=status, headers=(*common, ("Content-Type", "text/xml")), body=text.encode())
        case "ec2":
            text = (
                f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
                f"<RequestID>{request_id}</RequestID></Response>"
            )
            return Answer(status=status, headers=(*common, ("Content-Type", "text/xml")), body=text.encode())
        case "rest-xml":
            text = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
            return Answer(status=status, headers=(*common, ("Content-Type", "application/xml")), body=text.encode())
        case "smithy-rpc-v2-cbor":
            body = _cbor_map({"__type": error.code, "message": error.message})
            headers = (*common, ("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor"))
            return Answer(status=status, headers=headers, body=body)
        case _:
            document = (
                {"message": error.message}
                if protocol == "rest-json"
                else {
                    "__type": error.code,
                    "message": error.message,
                }
            )
            content_type = _JSON_CONTENT_TYPE.get(protocol, "application/json")
            headers = (*common, ("Content-Type", content_type), ("x-amzn-ErrorType", error.code))
            return Answer(status=status, headers=headers, body=json.dumps(document).encode())


def error_in(answer: Answer) -> ApiError | None:
    """The error that a failed answer carries, whatever the protocol; None where the call succeeded."""
    if not answer.failed:
        return None
    header = answer.header("x-amzn-errortype")
    text = answer.body.decode("utf-8", errors="replace")
    try:
        document = json.loads(text)
    except ValueError:
        code = re.search(r"<Code>([^<]*)</Code>", text)
        message = re.search(r"<Message>([^<]*)</Message>", text)
        return ApiError(
            code=header or (code[1] if code else f"HTTP {answer.status}"), message=message[1] if message else text[:200]
        )
    if not isinstance(document, dict):
        return ApiError(code=header or f"HTTP {answer.status}", message=text[:200])
    code_text = header or str(document.get("__type") or document.get("code") or f"HTTP {answer.status}")
    message_text = str(document.get("message") or document.get("Message") or "")
    return ApiError(code=code_text.split("#")[-1].split(":")[0], message=message_text)


def _cbor_map(entries: dict[str, str]) -> bytes:
    """A CBOR map of texts (RFC 8949), which is all that an error needs; fewer than 24 entries."""
    return bytes([0xA0 | len(entries)]) + b"".join(_cbor_text(k) + _cbor_text(v) for k, v in entries.items())


def _cbor_text(text: str) -> bytes:
    data = text.encode()
    length = len(data)
    if length < _CBOR_ONE_BYTE_LENGTH:
        return bytes([_CBOR_TEXT | length]) + data
    if length < _CBOR_TWO_BYTE_LENGTH:
        return bytes([_CBOR_TEXT | 24, length]) + data
    return bytes([_CBOR_TEXT | 25]) + length.to_bytes(2) + data[:65535]
