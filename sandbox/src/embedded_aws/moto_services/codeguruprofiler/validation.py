"""Requests: their operation, their parameters, the constraints of the API model and the tag rules.

moto's own router and parser are lenient: a request without a required query parameter matches no operation there, an
empty path label selects another operation, a boolean `banana` reads as false. botocore checks types and minimum lengths
only. This backend refuses what AWS refuses, so it reads the request literally and checks it against the model.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from functools import cache
from typing import Final, cast
from urllib.parse import parse_qs, unquote

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from moto.core.model import OperationModel
from moto.core.utils import get_service_model

from .exceptions import ValidationError

_LABEL: Final = re.compile(r"\{(\w+)\}")
MAX_TAGS: Final = 50
MAX_TAG_KEY_LENGTH: Final = 128
MAX_TAG_VALUE_LENGTH: Final = 256
# Every type that occurs in the inputs; another one must not pass unchecked, and fails the look-up.
_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "structure": (dict, "a structure"),
    "map": (dict, "a map"),
    "list": (list, "a list"),
    "string": (str, "a string"),
    "boolean": (bool, "a boolean"),
    "integer": (int, "an integer"),
}
_TAG_PUNCTUATION: Final = frozenset(" +-=._:/@")


def constraint_violations(shape: Shape, value: object, path: str = "") -> Iterator[str]:
    """Say what in `value` breaks the API model.

    Args:
        shape: A shape of the model; its whole tree is followed. Members that the model does not know are ignored, as
            AWS ignores them, and a null is an absent member.
        value: The value as JSON has it, query parameters already turned into their types.
        path: Where the value stands in the request, in the model's names: `agentOrchestrationConfig.profilingEnabled`.

    Yields:
        One sentence per violation, in the words AWS uses; nothing when the value is valid.
    """
    expected, noun = _TYPES[shape.type_name]
    if not isinstance(value, expected):
        yield _violation(path, f"Member must be {noun}")
        return
    yield from _outside(shape, value, path)
    match shape:
        case StructureShape():
            yield from _in_structure(shape, cast("dict[str, object]", value), path)
        case MapShape():
            for key, member in cast("dict[str, object]", value).items():
                yield from constraint_violations(shape.key, key, f"{path}.{key}.key")
                yield from constraint_violations(shape.value, member, f"{path}.{key}.value")
        case ListShape():
            for position, member in enumerate(cast("list[object]", value), start=1):
                yield from constraint_violations(shape.member, member, f"{path}.{position}.member")
        case StringShape():
            yield from _in_string(shape, cast("str", value), path)


def tag_violations(tags: Mapping[str, str]) -> Iterator[str]:
    """Say which tags AWS would refuse. How many there may be is judged where the resource's other tags are known.

    The rules are those of the CloudFormation schema: key 1-128 characters and not prefixed `aws:` in any case, value
    0-256, both of letters, digits, space and `+ - = . _ : / @`. Letters and digits of every script count (Unicode
    categories L* and Nd); marks, other numbers and other spaces do not.
    """
    for key, value in tags.items():
        where = f"tags.{key}"
        if not 1 <= len(key) <= MAX_TAG_KEY_LENGTH:
            yield _violation(where, f"Tag key must have length between 1 and {MAX_TAG_KEY_LENGTH}")
        if key.casefold().startswith("aws:"):
            yield _violation(where, "Tag key must not begin with the reserved prefix aws:")
        if len(value) > MAX_TAG_VALUE_LENGTH:
            yield _violation(where, f"Tag value must have length less than or equal to {MAX_TAG_VALUE_LENGTH}")
        if not all(_is_tag_character(character) for character in key + value):
            yield _violation(where, "Tag must consist of letters, digits, spaces and + - = . _ : / @")


def _is_tag_character(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("L") or category == "Nd" or character in _TAG_PUNCTUATION


def _in_structure(shape: StructureShape, value: dict[str, object], path: str) -> Iterator[str]:
    prefix = f"{path}." if path else ""
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from constraint_violations(member, value[name], prefix + name)
        elif name in shape.required_members:
            yield _violation(prefix + name, "Member must not be null")


def _in_string(shape: StringShape, value: str, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _violation(path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    # The model's patterns are Java's: they match the whole value, and \w is ASCII.
    if pattern is not None and not re.fullmatch(pattern, value, re.ASCII):
        yield _violation(path, f"Member must satisfy regular expression pattern: {pattern}")


def _outside(shape: Shape, value: object, path: str) -> Iterator[str]:
    """Check `min` and `max`, which mean the value of a number and the length of anything else."""
    what, measure = ("value", value) if isinstance(value, int) else ("length", len(cast("Sized", value)))
    least = cast("int | None", shape.metadata.get("min"))
    most = cast("int | None", shape.metadata.get("max"))
    if least is not None and measure < least:
        yield _violation(path, f"Member must have {what} greater than or equal to {least}")
    if most is not None and measure > most:
        yield _violation(path, f"Member must have {what} less than or equal to {most}")


def _violation(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


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
    model, routes = get_service_model("codeguruprofiler"), []
    for name in model.operation_names:
        operation = model.operation_model(name)
        # Alternating literal, label name, literal, ...
        parts = _LABEL.split(operation.http["requestUri"])
        pattern = "".join(
            f"(?P<{part}>[^/]*)" if position % 2 else re.escape(part) for position, part in enumerate(parts)
        )
        routes.append((operation, re.compile(pattern)))
    return routes


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
