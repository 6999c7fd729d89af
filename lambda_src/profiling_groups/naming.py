"""Names of profiling groups: total (every function gets a valid one) and injective (no two of one place share one).

A template is a format string with the placeholders of `PLACEHOLDERS` and `{tag:KEY}`, `{function_name}` among them;
`infra.policy_file` sees to that.
"""

from __future__ import annotations

import re
from hashlib import sha256
from string import Formatter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from profiling_groups.functions import FunctionArn, LambdaFunction

MAX_LENGTH: Final = 255
"""Longest name that CreateProfilingGroup takes (API model, ProfilingGroupName)."""
PLACEHOLDERS: Final = ("function_name", "account", "region", "runtime")
"""The placeholders of a template besides `{tag:KEY}`."""
FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_-]")
"""A character that no group's name may have."""
UNTAGGED: Final = "untagged"
"""What stands for `{tag:KEY}` where the function lacks the tag, or has it without a value."""
IMAGE: Final = "image"
"""What stands for `{runtime}` in the name of a container image's group."""

_OF_THE_PLACE = ("account", "region")
_DIGEST_LENGTH = 16
_LOOKS_CHANGED = re.compile(rf"--[0-9a-f]{{{_DIGEST_LENGTH}}}\Z")


def agents_name(function_name: str) -> str:
    """Return the name under which the agent looks for a function's group unless it is told another one."""
    return f"aws-lambda-{function_name}"


def group_arn(function: FunctionArn, name: str) -> str:
    """Return the ARN that a group of this name has in the function's account and region."""
    return f"arn:{function.partition}:codeguru-profiler:{function.region}:{function.account}:profilingGroup/{name}"


def fixed_beginning(template: str) -> str:
    """Return what all names by this template begin with; `{account}` and `{region}` are left in it.

    An end that they share is no use: it may be cut off, or have a digest behind it.
    """
    beginning = ""
    for literal, field, _, _ in Formatter().parse(template):
        beginning += literal
        if field not in (None, *_OF_THE_PLACE):
            break
        beginning += "{" + field + "}" if field else ""
    return beginning


def depends_on_tags(template: str) -> bool:
    """Whether names by this template can be told only with the function's tags."""
    return any(field == "tag" for _, field, _, _ in Formatter().parse(template))


def group_name(template: str, function: LambdaFunction) -> str:
    """Return the name of a function's group.

    In the value of a tag or a runtime, a character that a group's name may not have (only `[A-Za-z0-9_-]`) becomes `_`.
    In the function's own name it becomes `-`, and then `--` with 16 hex digits of that name's SHA-256 is put behind the
    whole. So it is, too, where the whole is longer than 255 characters, and cut; where it ends as if it had a digest;
    and where it might be another function's, because the function's name cannot be read back from it. (By the template
    `{tag:team}-{function_name}`, `a-b-c` belongs to function `b-c` of team `a`; `c` of team `a-b` gets a digest.)
    """
    plain = ""
    # The text around the parts that differ between functions of one place, and which of these is the function's name.
    fixed, own = [""], 0
    for literal, field, key, _ in Formatter().parse(template):
        value = _value(field, key or "", function)
        plain += literal + value
        fixed[-1] += literal
        if field in _OF_THE_PLACE:
            fixed[-1] += value
        elif field is not None:
            if field == "function_name" and not own:
                own = len(fixed)
            fixed.append("")
    clean = FORBIDDEN.sub("-", plain)
    mine = _read_back(plain, before=fixed[:own], after=fixed[own:]) == function.arn.name
    if clean == plain and 1 <= len(plain) <= MAX_LENGTH and mine and not _LOOKS_CHANGED.search(plain):
        return plain
    digest = "--" + sha256(function.arn.name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return clean[: MAX_LENGTH - len(digest)] + digest


def _value(field: str | None, key: str, function: LambdaFunction) -> str:
    match field:
        case "function_name":
            return function.arn.name
        case "account":
            return function.arn.account
        case "region":
            return function.arn.region
        case "runtime":
            return FORBIDDEN.sub("_", function.runtime or IMAGE)
        case "tag":
            return FORBIDDEN.sub("_", function.tags.get(key) or UNTAGGED)
    return ""


def _read_back(name: str, *, before: list[str], after: list[str]) -> str:
    """Return the part of the name that would be taken for the function's: as much as the text around it leaves.

    What matters is that this follows from the name and the template alone.
    """
    start, end = 0, len(name)
    for text in before:
        start = max(start, name.find(text, start)) + len(text)
    for text in reversed(after):
        end = name.rfind(text, 0, end)
    return name[start:end]
