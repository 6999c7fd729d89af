"""Tags: which of a function's may go on its group, and what a group's are short of. Pure.

The limits are those of the CloudFormation schema of AWS::CodeGuruProfiler::ProfilingGroup and of AWS tagging at large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TAGS = 50
MAX_KEY_LENGTH = 128
MAX_VALUE_LENGTH = 256
_PUNCTUATION = frozenset(" +-=._:/@")


@dataclass(frozen=True, kw_only=True)
class DroppedTag:
    """A tag of the function that does not go on the group.

    Attributes:
        key: The tag's key.
        why: What stands against it.
    """

    key: str
    why: str


@dataclass(frozen=True, kw_only=True)
class WantedTags:
    """What a group's tags should come to.

    Attributes:
        inherited: From the function; its value wins over the group's.
        added: By the policy; only where the key is missing.
    """

    inherited: Mapping[str, str]
    added: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TagChange:
    """The tags to write on a group, and those for which it has no room.

    Attributes:
        put: Tags to write; empty where the group is as wanted.
        dropped: Tags beyond the 50 that a resource may carry.
    """

    put: Mapping[str, str]
    dropped: tuple[DroppedTag, ...]


def inheritable(tags: Mapping[str, str]) -> tuple[dict[str, str], tuple[DroppedTag, ...]]:
    """Split a function's tags into those that a group may carry and those that it may not, each with what is wrong."""
    kept: dict[str, str] = {}
    dropped: list[DroppedTag] = []
    for key, value in sorted(tags.items()):
        if why := _objection(key, value):
            dropped.append(DroppedTag(key=key, why=why))
        else:
            kept[key] = value
    return kept, tuple(dropped)


def change(current: Mapping[str, str], wanted: WantedTags) -> TagChange:
    """Return what is to be written on a group that carries `current` (nothing, for a new one).

    Keys that only the group has are somebody's own: they are not touched, and they take up room. The policy's own
    tags come first, then the function's by key, so that every run leaves out the same ones.
    """
    put = {key: value for key, value in wanted.inherited.items() if key in current and current[key] != value}
    missing = {
        key: value
        for key, value in {**wanted.added, **dict(sorted(wanted.inherited.items()))}.items()
        if key not in current
    }
    room = max(0, MAX_TAGS - len(current))
    fitting = list(missing.items())[:room]
    dropped = tuple(DroppedTag(key=key, why=f"a group carries at most {MAX_TAGS} tags") for key in list(missing)[room:])
    return TagChange(put=put | dict(fitting), dropped=dropped)


def _objection(key: str, value: str) -> str | None:
    if key.lower().startswith("aws:"):
        return "reserved for AWS"
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        return f"a key has 1 to {MAX_KEY_LENGTH} characters"
    if len(value) > MAX_VALUE_LENGTH:
        return f"a value has at most {MAX_VALUE_LENGTH} characters"
    for what, text in (("key", key), ("value", value)):
        for character in text:
            if not (character.isalpha() or character.isdecimal() or character in _PUNCTUATION):
                return f"{character!a} may not stand in a {what}"
    return None
