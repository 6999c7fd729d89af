"""Wrong answers of AWS: errors, broken connections, and successes with something else in them than the API has."""

from __future__ import annotations

import json
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.exceptions import HTTPClientError

BODIES = (b"", b"{", b"<html>", b"{}", b"[]", b"null", b'"x"', b"7", b"\xff\xfe", b'{"message": "ok"}', b'{"x": NaN}')
ERRORS = (
    (400, "ValidationException"),
    (402, "ServiceQuotaExceededException"),
    (403, "AccessDeniedException"),
    (404, "ResourceNotFoundException"),
    (409, "ConflictException"),
    (418, ""),
    (429, "ThrottlingException"),
    (500, "InternalServerException"),
)
# An empty list would be a lie that nobody can see through; the rest is not an answer of the API's.
WRONG_VALUES = (None, 7, "x", {"x": 1}, [7], True)
Spoil: TypeAlias = "Callable[[AWSPreparedRequest, Callable[[], AWSResponse], Random], AWSResponse | Exception]"
"""Answers a call in place of AWS, given what carries it out."""


def errors(status: int, code: str) -> Spoil:
    """Return what answers with an error, without carrying the call out."""
    return lambda request, _, __: _response(request, status, b'{"message": "m"}', code)


def breaks(error: type[HTTPClientError]) -> Spoil:
    """Return what breaks the connection before the call is carried out."""
    return lambda request, _, __: error(endpoint_url=request.url)


def says(body: bytes, *, carries_out: bool) -> Spoil:
    """Return what carries the call out, or does not, and answers with success and another body."""

    def spoil(request: AWSPreparedRequest, carry_out: Callable[[], AWSResponse], _: Random) -> AWSResponse:
        if carries_out:
            carry_out()
        return _response(request, 200, body)

    return spoil


def mutates(request: AWSPreparedRequest, carry_out: Callable[[], AWSResponse], random: Random) -> AWSResponse:
    """Answer with one key gone, or with a value that cannot be one of the API's."""
    body = carry_out().content
    if body.startswith(b"<"):
        elements = re.findall(rb"<(\w+)>", body)
        name = random.choice(elements)
        return _response(request, 200, re.sub(rb"<%b>.*?</%b>" % (name, name), b"", body, flags=re.DOTALL))
    document = json.loads(body or b"{}")
    if places := list(_places(document)):
        where, key = random.choice(places)
        if random.random() < 0.5:
            del where[key]
        else:
            where[key] = random.choice(WRONG_VALUES)
    return _response(request, 200, json.dumps(document).encode())


SPOILS = (
    *(errors(*each) for each in ERRORS),
    *(breaks(each) for each in (ConnectionClosedError, ReadTimeoutError)),
    *(says(body, carries_out=True) for body in BODIES),
    # An empty answer is what some operations give, and would be a lie that nobody can see through.
    *(says(body, carries_out=False) for body in BODIES if body not in (b"", b"{}")),
    *[mutates] * (settings().max_examples // 10),
)
"""Every kind of wrong answer; of the random ones, more in `make fuzz`."""


class Wire:
    """Spoils the answers of one operation.

    Args:
        operation: Whose answers are wrong.
        spoil: How they are.
        random: Chooses what is left to chance.

    Attributes:
        regions: To which calls went.
        spoiled: How many answers were wrong.
    """

    def __init__(self, operation: str, spoil: Spoil, random: Random) -> None:
        self._operation = operation
        self._spoil = spoil
        self._random = random
        self.regions: set[str] = set()
        self.spoiled = 0

    def answer(
        self, request: AWSPreparedRequest, operation: str, carry_out: Callable[[], AWSResponse]
    ) -> AWSResponse | Exception:
        """Answer a call in place of AWS: the first of the operation is wrong, later ones most often."""
        if region := re.search(r"\.([a-z]{2}-[a-z]+-\d)\.", request.url):
            self.regions.add(region[1])
        if operation != self._operation or (self.spoiled and self._random.random() < 0.3):
            return carry_out()
        self.spoiled += 1
        return self._spoil(request, carry_out, self._random)


def _places(document: Any) -> Iterator[tuple[dict[str, Any], str]]:  # noqa: ANN401 - JSON
    """Yield the keys that an answer has by the API model: one tag less would be a lie that nobody can see through."""
    match document:
        case dict():
            for key, value in document.items():
                yield document, key
                if key not in ("Tags", "tags", "Variables"):
                    yield from _places(value)
        case list():
            for value in document:
                yield from _places(value)


def _response(request: AWSPreparedRequest, status: int, body: bytes, code: str = "") -> AWSResponse:
    raw = BytesIO(body)
    raw.stream = lambda: iter([raw.read()])  # type: ignore[attr-defined]  # all that botocore asks of it
    return AWSResponse(request.url, status, HeadersDict({"x-amzn-ErrorType": code} if code else {}), raw)  # type: ignore[arg-type]  # as botocore makes it
