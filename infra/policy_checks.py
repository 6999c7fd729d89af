"""What is wrong with a policy whose values are of the right types: globs, templates, tags, and what contradicts itself.

`policy_file` asks, and knows the lines. What is said of places is `place_checks`'s. No CDK here.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Final

from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.naming import FORBIDDEN, PLACEHOLDERS
from profiling_groups.tags import MAX_TAGS, objection, stray_character

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from profiling_groups.policy import Globs, Policy

Key = tuple[str | int, ...]
"""A place in the file: keys, and indices in lists."""

LONGEST_TEMPLATE: Final = 200
"""Characters of a name template, account and region filled in. A name of 255 that has to be cut has room for it and the
digest."""
LONGEST_GRACE_DAYS: Final = 3650
_NO_GLOBS: Final = {
    "{": "braces are no part of a glob, so list several globs instead",
    "}": "braces are no part of a glob, so list several globs instead",
    "[^": "none of these characters is written [!abc]",
    "[[:": "classes such as [:alpha:] are no part of a glob",
    "\\": "nothing is taken literally by a backslash; write [*] for an asterisk",
}


def contradictions(policy: Policy) -> Iterator[tuple[Key, str]]:
    """Yield what is wrong with values that are of the right type, each with its key: those outside of any override."""
    globs: Mapping[Key, Globs] = {
        ("functions", "names"): policy.functions.names,
        ("functions", "runtimes"): policy.functions.runtimes,
        ("tags", "inherit"): policy.tags.inherit,
    }
    for key, each in globs.items():
        yield from bad_globs((*key, "include"), each.include)
        yield from bad_globs((*key, "exclude"), each.exclude)
    for key, by_tag in (
        (("functions", "tags", "require"), policy.functions.tags.require),
        (("functions", "tags", "opt_out"), policy.functions.tags.opt_out),
    ):
        for tag, values in by_tag.items():
            # Those of opt_out are compared in lower case.
            yield from bad_globs((*key, tag), tuple(map(str.lower, values)) if "opt_out" in key else values)
    if problem := _bad_template(policy.group.name):
        yield ("group", "name"), problem
    for tag, value in policy.tags.add.items():
        if problem := objection(tag, value):
            yield ("tags", "add", tag), f"cannot be a group's tag: {problem}"
    # One of those that a group may carry is its mark.
    if len(policy.tags.add) >= MAX_TAGS:
        yield ("tags", "add"), f"must be at most {MAX_TAGS - 1} tags, not {len(policy.tags.add)}"
    days = policy.lifecycle.orphan_grace_days
    if not 0 <= days <= LONGEST_GRACE_DAYS:
        yield ("lifecycle", "orphan_grace_days"), f"must be 0 to {LONGEST_GRACE_DAYS}, not {days}"
    if policy.lifecycle.max_deletions < 0:
        yield ("lifecycle", "max_deletions"), f"must be 0 or more, not {policy.lifecycle.max_deletions}"


def bad_globs(
    key: Key, globs: tuple[str, ...], besides: Callable[[str], str | None] | None = None
) -> Iterator[tuple[Key, str]]:
    """Yield what is wrong with the globs of a list, each with its key.

    Args:
        key: The list's.
        globs: What stands in it.
        besides: Tells what is wrong with one that is a glob.
    """
    for number, glob in enumerate(globs):
        if problem := _bad_glob(glob) or (besides and besides(glob)):
            yield (*key, number), f"is a bad glob, {glob!a}: {problem}; allowed: *, ?, [abc], [a-z], [!abc]"


def _bad_glob(glob: str) -> str | None:
    """Return what is wrong with a glob, or would mean something else in a shell; None where nothing is."""
    if not glob:
        return "it is empty"
    for text, meaning in _NO_GLOBS.items():
        if text in glob:
            return meaning
    # As fnmatch takes it, a ] that comes first in a set closes nothing.
    sets = re.findall(r"\[!?+(\]?+[^\]]*)\]", glob)
    if "[" in re.sub(r"\[!?+\]?+[^\]]*\]", "", glob):
        return "a [ is not closed"
    for body in sets:
        for low, high in re.findall(r"(.)-(.)", body):
            if low > high:
                return f"there is nothing from {low} to {high}"
    return None


def _bad_template(template: str) -> str | None:
    allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS) + ", {tag:KEY}"
    length = len(template.replace("{account}", "0" * 12).replace("{region}", max(PROFILER_REGIONS, key=len)))
    if length > LONGEST_TEMPLATE:
        return f"must have at most {LONGEST_TEMPLATE} characters with account and region filled in, not {length}"
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        return f"is no template, {template!a}: {error}; allowed placeholders: {allowed}"
    for literal, field, key, conversion in parts:
        if found := FORBIDDEN.search(literal):
            return (
                f"has {found[0]!a}: a group's name has only letters, digits, - and _; allowed placeholders: {allowed}"
            )
        if field is None:
            continue
        written = "{" + field + (f"!{conversion}" if conversion else "") + (f":{key}" if key else "") + "}"
        # Reserved keys may well be read.
        is_tag = field == "tag" and key and stray_character(key) is None
        if conversion or not (is_tag or (field in PLACEHOLDERS and not key)):
            return f"has the unknown placeholder {written}; allowed: {allowed}"
    if "function_name" not in (field for _, field, _, _ in parts):
        return f"must have {{function_name}}, not {template!a}; allowed besides: {allowed}"
    return None
