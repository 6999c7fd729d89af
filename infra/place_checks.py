"""What is wrong with what a policy says of places: which are governed, and what is otherwise in some of them.

`policy_file` asks, and knows the lines. The values are of the right types already. No CDK here.
"""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from infra.policy_checks import bad_globs, contradictions
from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.policy_checks import Key
    from profiling_groups.policy import Match

# As the Organizations API has them (API reference: Organization, Root, OrganizationalUnit; Id).
_UNIT: Final = re.compile(r"ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32}")
_PART_OF_PATH: Final = re.compile(rf"o-[a-z0-9]{{10,32}}|{_UNIT.pattern}")
_GLOB: Final = re.compile(r"[*?[]")
_ACCOUNT_DIGITS: Final = 12
# What fnmatch takes for one character or, as for `*`, any number.
_PART_OF_GLOB: Final = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def misplaced(policy: Policy) -> Iterator[tuple[Key, str]]:
    """Yield what is wrong with what is said of places, each with its key."""
    governed = policy.organization
    for name, globs, objection in (
        ("accounts", governed.accounts, _no_account),
        ("ous", governed.ous, _no_unit),
        ("regions", governed.regions, _no_region),
    ):
        yield from bad_globs(("organization", name, "include"), globs.include, objection)
        yield from bad_globs(("organization", name, "exclude"), globs.exclude, objection)
    before: set[Key] = set()
    for number, override in enumerate(policy.overrides):
        key: Key = ("overrides", number)
        yield from _unmatchable((*key, "match"), override.match)
        named = set(keys_named(override.changes))
        if not named:
            yield key, "changes nothing; name what is otherwise there, in functions, group, tags or lifecycle"
        elif policy.variants()[number + 1] == policy.variants()[0] and not named & before:
            yield key, "changes nothing: all that it names is so without it"
        before |= named
        for wrong, said in contradictions(policy.variants()[number + 1]):
            # Each is about one key; what is wrong with the others is wrong without the override, too.
            if any(wrong[: len(each)] == each for each in named):
                yield (*key, *wrong), said


def without_organization(policy: Policy) -> Iterator[tuple[Key, str]]:
    """Yield what is wrong with a policy for a deployment in one account: nobody can tell there where accounts are."""
    said = "organizational units are known only to a deployment for an organization (context key 'organization')"
    units = policy.organization.ous
    if units.exclude:
        yield ("organization", "ous", "exclude"), said
    if "*" not in units.include:
        yield ("organization", "ous", "include"), said
    for number, override in enumerate(policy.overrides):
        if override.match.ous:
            yield ("overrides", number, "match", "ous"), f"{said}; accounts and regions are known everywhere"


def _unmatchable(key: Key, match: Match) -> Iterator[tuple[Key, str]]:
    if not (match.accounts or match.ous or match.regions):
        yield key, "must name accounts, ous or regions; what holds everywhere stands at the top level"
    yield from bad_globs((*key, "accounts"), match.accounts, _no_account)
    yield from bad_globs((*key, "ous"), match.ous, _no_unit)
    yield from bad_globs((*key, "regions"), match.regions, _no_region)


def keys_named(changes: Mapping[str, Any], section: object = Policy(), key: Key = ()) -> Iterator[Key]:
    """Yield the keys of the policy that an override names, for each of which it has another value.

    Args:
        changes: The override's.
        section: Of the policy, that they are about.
        key: The section's.
    """
    for name, value in changes.items():
        if is_dataclass(default := getattr(section, name)):
            yield from keys_named(value, default, (*key, name))
        else:
            yield (*key, name)


def _account_like(glob: str) -> str | None:
    """Return an account id that a glob matches; None where there is none."""
    parts = _PART_OF_GLOB.findall(glob)
    missing = _ACCOUNT_DIGITS - sum(part != "*" for part in parts)
    account = ""
    for part in parts:
        if part == "*":
            account += "0" * missing
            missing = 0
        else:
            account += next((digit for digit in "0123456789" if fnmatchcase(digit, part)), "")
    return account if len(account) == _ACCOUNT_DIGITS else None


def _no_account(glob: str) -> str | None:
    return None if _account_like(glob) else "no account id, which is 12 digits, is like that"


def _no_region(glob: str) -> str | None:
    if any(fnmatchcase(region, glob) for region in PROFILER_REGIONS):
        return None
    return f"no region that has CodeGuru Profiler is like that; those are {', '.join(sorted(PROFILER_REGIONS))}"


def _no_unit(unit: str) -> str | None:
    if unit == "*" or _UNIT.fullmatch(unit):
        return None
    if "/" not in unit:
        return (
            "it is neither the id of an organizational unit (ou-ab12-11111111) or a root (r-ab12), nor a glob on an"
            " organization path (o-a1b2c3d4e5/r-ab12/*)"
        )
    *parts, end = unit.split("/")
    if end and not end.endswith("*"):
        return "an organization path ends in a slash, and so must a glob on it, or in *"
    for part in parts:
        if not _GLOB.search(part) and not _PART_OF_PATH.fullmatch(part):
            return f"an organization path consists of ids, as o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/, not of {part!a}"
    return None
