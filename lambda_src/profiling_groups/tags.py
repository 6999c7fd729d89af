"""Tags: which of a function's may go on its group, and what a group's are short of. Pure.

The limits are those of the CloudFormation schema of AWS::CodeGuruProfiler::ProfilingGroup and of AWS tagging at large.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from profiling_groups.policy import Globs

MAX_TAGS = 50
MAX_KEY_LENGTH = 128
MAX_VALUE_LENGTH = 256
RESERVED_PREFIX = "profiling-group-provisioner:"
"""What the keys of this project's own marks begin with (`ownership`); nothing else may set or remove them."""
_PUNCTUATION = frozenset(" +-=._:/@")
# What nearly every value is; a sweep looks at millions.
_PLAIN_VALUE = re.compile(rf"[A-Za-z0-9 +=._:/@-]{{0,{MAX_VALUE_LENGTH}}}")
_DIFFERENT_KEYS = 1_000


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
    """The tags that a group should carry, in the order in which they take up its room.

    Attributes:
        mark: Whose the group is (`ownership`); empty if the mark that it has is not to be written.
        added: By the policy; only where the group lacks the key.
        inherited: From the function; its value wins over the group's.
    """

    mark: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str]
    inherited: Mapping[str, str]

    def ordered_keys(self) -> tuple[str, ...]:
        """Return the keys, those first that are left out last."""
        return tuple(dict.fromkeys((*self.mark, *self.added, *sorted(self.inherited))))


@dataclass(frozen=True, kw_only=True)
class TagChange:
    """How a group's tags differ from those that it should carry.

    Attributes:
        remove: Keys to remove before anything is written.
        put: All tags that one TagResource call sends, those included that the group has already: a service control
            policy that demands a tag looks at each call. Empty if there is nothing to write.
        dropped: Tags beyond the 50 that a resource may carry.
    """

    remove: tuple[str, ...]
    put: Mapping[str, str]
    dropped: tuple[DroppedTag, ...]


def inheritable(tags: Mapping[str, str], inherit: Globs) -> tuple[dict[str, str], tuple[DroppedTag, ...]]:
    """Split a function's tags into those that its group gets and those that it does not, each with the reason.

    Args:
        tags: The function's tags.
        inherit: The keys that the policy passes on.
    """
    kept: dict[str, str] = {}
    dropped: list[DroppedTag] = []
    for key, value in sorted(tags.items()):
        why = objection(key, value)
        if why is None and (rule := inherit.turned_away_by(key)):
            why = f"tags.inherit.{rule} of the policy"
        if why:
            dropped.append(DroppedTag(key=key, why=why))
        else:
            kept[key] = value
    return kept, tuple(dropped)


def change(current: Mapping[str, str], wanted: WantedTags, *, untagged: Collection[str] = ()) -> TagChange:
    """Return how the tags of a group that carries `current` (nothing, for a new one) differ from the wanted ones.

    Keys that only the group has belong to others: they are not touched, and they take up room.

    Args:
        current: The group's tags.
        wanted: The tags that it should carry.
        untagged: Inherited keys that the function has lost. They are removed from the group, or get the value that the
            policy adds, unless the function has them again.
    """
    lost = {key for key in untagged if key in current and key not in wanted.inherited}
    kept = {key: value for key, value in current.items() if key not in lost}
    right = {**wanted.added, **kept, **wanted.inherited, **wanted.mark}
    remove = tuple(sorted(lost - right.keys()))
    missing = [key for key in wanted.ordered_keys() if key not in current]
    room = max(0, MAX_TAGS - len(current) + len(remove))
    left_out = missing[room:]
    put = {key: right[key] for key in wanted.ordered_keys() if key not in left_out}
    if put.items() <= current.items():
        put = {}
    dropped = tuple(DroppedTag(key=key, why=f"a group carries at most {MAX_TAGS} tags") for key in left_out)
    return TagChange(remove=remove, put=put, dropped=dropped)


def passed_on(keys: Collection[str], inherit: Globs) -> frozenset[str]:
    """Return the keys that the policy passes on from a function to its group."""
    return frozenset(key for key in keys if not _objection_to_key(key) and not inherit.turned_away_by(key))


def objection(key: str, value: str) -> str | None:
    """Return what forbids a profiling group to carry a tag; None where nothing does."""
    if why := _objection_to_key(key):
        return why
    if _PLAIN_VALUE.fullmatch(value):
        return None
    if len(value) > MAX_VALUE_LENGTH:
        return f"a value has at most {MAX_VALUE_LENGTH} characters"
    stray = stray_character(value)
    return f"{stray!a} may not stand in a value" if stray else None


@lru_cache(_DIFFERENT_KEYS)
def _objection_to_key(key: str) -> str | None:
    if key.lower().startswith("aws:"):
        return "reserved for AWS"
    if key.lower().startswith(RESERVED_PREFIX):
        return "reserved for the marks of Profiling Group Provisioner"
    if not 1 <= len(key) <= MAX_KEY_LENGTH:
        return f"a key has 1 to {MAX_KEY_LENGTH} characters"
    stray = stray_character(key)
    return f"{stray!a} may not stand in a key" if stray else None


def stray_character(text: str) -> str | None:
    """Return the first character that may stand neither in a tag's key nor in its value; None where all may."""
    for character in text:
        if not (character.isalpha() or character.isdecimal() or character in _PUNCTUATION):
            return character
    return None
