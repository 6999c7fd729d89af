"""Text from outside: quoted in messages at a bounded length, and encodable whatever it holds. Pure."""

from __future__ import annotations

from typing import Any, Final

_QUOTED: Final = 80
"""Characters of a string that a message repeats."""
_BITS: Final = 256
"""Python refuses to write a whole number of thousands of digits."""


def quote(value: object) -> str:
    """Return a JSON value as a message quotes it: a list or an object by its kind only, as it may be huge or nested."""
    match value:
        case str():
            shown = repr(value[:_QUOTED])
            return shown if len(value) <= _QUOTED else f"{shown}… ({len(value)} characters)"
        case list() | dict() if value:
            return "a list" if isinstance(value, list) else "a JSON object"
        case int() if value.bit_length() > _BITS:
            return f"a whole number of {value.bit_length()} bits"
        case int() | float() | list() | dict() | None:
            return repr(value)
    return f"of type {type(value).__name__}"


def encodable(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a JSON value with the code of each character in it that UTF-8 cannot encode: lone surrogates.

    The Lambda runtime encodes answers and messages outside of any error handling, and ends with an error there.
    """
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {encodable(key): encodable(each) for key, each in value.items()}
        case list() | tuple():
            return [encodable(each) for each in value]
    return value
