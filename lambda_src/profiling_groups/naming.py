"""Names of profiling groups: total (every function gets a valid one) and injective (no two functions share one)."""

import re
from hashlib import sha256

MAX_LENGTH = 255
"""Longest name that CreateProfilingGroup takes (API model, ProfilingGroupName)."""

_AGENT_PREFIX = "aws-lambda-"
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST_LENGTH = 16
_LOOKS_CHANGED = re.compile(rf"--[0-9a-f]{{{_DIGEST_LENGTH}}}\Z")


def group_name(function_name: str) -> str:
    """Return the group's name: the one under which the agent looks for it, `aws-lambda-<function name>`.

    Where that is no valid group name (`[A-Za-z0-9_-]`, at most 255 characters), the characters at fault become `-`,
    what is too long is cut, and `--` with 16 hex digits of the function name's SHA-256 is put behind it. A plain name
    that happens to end like that gets its digest too, so that nothing plain can equal something changed.
    """
    plain = _AGENT_PREFIX + function_name
    clean = _FORBIDDEN.sub("-", plain)
    if clean == plain and len(plain) <= MAX_LENGTH and not _LOOKS_CHANGED.search(plain):
        return plain
    digest = "--" + sha256(function_name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return clean[: MAX_LENGTH - len(digest)] + digest
