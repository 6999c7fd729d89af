"""What a request must satisfy: the constraints of the API model, and the tag rules beside it. Pure.

botocore checks types and minimum lengths only before it sends; the rest is the server's to refuse.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sized
from typing import Final, cast

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

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
