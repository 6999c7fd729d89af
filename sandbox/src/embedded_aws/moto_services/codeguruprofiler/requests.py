"""Which operation a request is, and its parameters under the names of the API model. Called by `responses`. Pure.

moto has a router and a parser of its own, made to be lenient: a request without a required query parameter matches no
operation there, an empty path label selects another operation, a boolean `banana` reads as false. This backend has to
refuse what AWS would refuse, so it reads the request literally and leaves the judgement to `validation`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast
from urllib.parse import parse_qs, unquote

from botocore.model import ListShape, Shape, StructureShape
from moto.core.model import OperationModel
from moto.core.utils import get_service_model

from .exceptions import ValidationError
from .validation import constraint_violations

_LABEL = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Target:
    """The operation that a request is for.

    Attributes:
        operation: Its model; the name is `operation.name`.
        labels: The values of the labels in its path, percent-decoded: `{"profilingGroupName": "checkout"}`.
    """

    operation: OperationModel
    labels: Mapping[str, str]


def target(method: str, raw_path: str) -> Target | None:
    """Find the operation of the API model for a request.

    Args:
        method: The HTTP method.
        raw_path: The path as it was sent, still percent-encoded, without the query: an ARN in `/tags/{resourceArn}`
            has its slash encoded, and only so is it one label.

    Returns:
        None when the model has no such operation. A label may be empty: that is the right operation with a value that
        breaks its constraints.
    """
    for operation, pattern in _routes():
        found = pattern.fullmatch(raw_path)
        if found and operation.http["method"] == method:
            labels = {name: unquote(value) for name, value in found.groupdict().items()}
            return Target(operation=operation, labels=labels)
    return None


def parameters(wanted: Target, *, query: str, body: bytes) -> dict[str, object]:
    """Read an operation's parameters and check them against the API model.

    Args:
        wanted: The operation and the labels of its path.
        query: The raw query string.
        body: The request's body, JSON or empty.

    Returns:
        The parameters that were given, under the model's names; nulls and unknown members are left out.

    Raises:
        ValidationError: The body is no JSON object, or a constraint of the model is broken.
    """
    # Every operation of this service has an input.
    shape = cast("StructureShape", wanted.operation.input_shape)
    in_query = parse_qs(query, keep_blank_values=True)
    in_body = _json_object(body)
    given: dict[str, object] = {}
    for name, member in shape.members.items():
        on_the_wire = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                given[name] = wanted.labels[on_the_wire]
            case "querystring" if on_the_wire in in_query:
                given[name] = _from_query(member, in_query[on_the_wire])
            case None if in_body.get(on_the_wire) is not None:
                given[name] = in_body[on_the_wire]
    if violations := list(constraint_violations(shape, given)):
        raise ValidationError(violations)
    return given


@cache
def _routes() -> list[tuple[OperationModel, re.Pattern[str]]]:
    return list(_make_routes())


def _make_routes() -> Iterator[tuple[OperationModel, re.Pattern[str]]]:
    model = get_service_model("codeguruprofiler")
    for name in model.operation_names:
        operation = model.operation_model(name)
        # Alternating literal, label name, literal, ...
        parts = _LABEL.split(operation.http["requestUri"])
        pattern = "".join(
            f"(?P<{part}>[^/]*)" if position % 2 else re.escape(part) for position, part in enumerate(parts)
        )
        yield operation, re.compile(pattern)


def _from_query(shape: Shape, values: list[str]) -> object:
    """Turn query text into the model's type; text that is not of the type stays text, for the check to refuse."""
    if isinstance(shape, ListShape):
        return values
    text = values[0]
    match shape.type_name:
        case "boolean" if text in {"true", "false"}:
            return text == "true"
        case "integer" if re.fullmatch(r"-?[0-9]{1,10}", text):
            return int(text)
    return text


def _json_object(body: bytes) -> dict[str, object]:
    if not body:
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        violation = "The request body is not valid JSON"
        raise ValidationError([violation]) from error
    if not isinstance(content, dict):
        violation = "The request body is not a JSON object"
        raise ValidationError([violation])
    return content
