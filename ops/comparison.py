"""What changes between two policies: keys, events, permissions, and which functions change hands. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from infra.permissions import permissions
from infra.place_checks import keys_named
from ops.verdicts import Verdict, verdict, where
from profiling_groups.events import triggers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from profiling_groups.functions import LambdaFunction
    from profiling_groups.policy import Policy

_Thing = TypeVar("_Thing")


class Kind(StrEnum):
    """In what the decisions about a function differ."""

    GAINS_GROUP = "gains_group"
    LOSES_GROUP = "loses_group"
    RENAMED = "renamed"
    """Its group has another name. The one under the old name is orphaned (`superseded`), and never deleted."""
    RETAGGED = "retagged"
    AGENT = "agent"
    """Its role comes to be allowed on the group, or is not allowed any more by this policy."""
    REASON = "reason"
    """It gets no group, as before, for another reason."""
    GROUP_GOES = "group_goes"
    """A group that this project created for it is deleted, which was kept before, or was kept for longer."""
    GROUP_STAYS = "group_stays"
    """The other way round."""


@dataclass(frozen=True, kw_only=True)
class KeyChange:
    """A key of the policy file with another value.

    Attributes:
        key: The key, with dots.
        old: Its value before, as JSON; None where it was not there.
        new: Its value now.
    """

    key: str
    old: Any
    new: Any


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """An action that a policy asks to be allowed.

    Attributes:
        action: The action, with the service's prefix.
        resource: Last part of the ARN of what it is allowed on, as IAM's glob.
    """

    action: str
    resource: str


@dataclass(frozen=True, kw_only=True)
class Exchange(Generic[_Thing]):
    """What is not there any more, and what is new.

    Attributes:
        lost: In the order of the old one.
        gained: In the order of the new one.
    """

    lost: tuple[_Thing, ...]
    gained: tuple[_Thing, ...]

    def __bool__(self) -> bool:
        return bool(self.lost or self.gained)


@dataclass(frozen=True, kw_only=True)
class FunctionChange:
    """A function about which the policies do not agree.

    Attributes:
        kinds: In what.
        old: The decision by the old policy.
        new: The decision by the new one.
    """

    kinds: tuple[Kind, ...]
    old: Verdict
    new: Verdict


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What differs between two policies, whatever the functions.

    Attributes:
        keys: Keys with another value.
        events: Names of events listened to.
        permissions: Actions allowed.
    """

    keys: tuple[KeyChange, ...]
    events: Exchange[str]
    permissions: Exchange[Allowed]

    def __bool__(self) -> bool:
        return bool(self.keys or self.events or self.permissions)


def compare(old: Policy, new: Policy) -> Comparison:
    """Compare two policies. The order of globs and the like, which means nothing, does not count."""
    before, after = dict(_keys(old)), dict(_keys(new))
    keys = [key for key in {**before, **after} if _unordered(before.get(key)) != _unordered(after.get(key))]
    return Comparison(
        keys=tuple(KeyChange(key=key, old=before.get(key), new=after.get(key)) for key in keys),
        events=_exchange(triggers(old), triggers(new)),
        permissions=_exchange(allowed(old), allowed(new)),
    )


def compare_function(
    function: LambdaFunction, old: Policy, new: Policy, *, organization_path: str | None = None
) -> FunctionChange | None:
    """Compare what two policies come to for a function; None where that is the same.

    Args:
        function: The function.
        old: One policy, of all places.
        new: The other one.
        organization_path: Where the function's account is in its organization, if one of them asks.
    """
    before, after = (verdict(function, each, organization_path=organization_path) for each in (old, new))
    kinds = (*_kinds(before, after), *_kinds_of_leftover(before, after))
    return FunctionChange(kinds=kinds, old=before, new=after) if kinds else None


def allowed(policy: Policy) -> tuple[Allowed, ...]:
    """Return what a policy asks to be allowed, action by action."""
    return tuple(
        Allowed(action=action, resource=each.resource) for each in permissions(policy) for action in each.actions
    )


def _kinds(old: Verdict, new: Verdict) -> Iterator[Kind]:
    if old.group is None and new.group is None:
        if (old.reason, old.rule) != (new.reason, new.rule):
            yield Kind.REASON
    elif old.group is None:
        yield Kind.GAINS_GROUP
    elif new.group is None:
        yield Kind.LOSES_GROUP
    else:
        if old.group != new.group:
            yield Kind.RENAMED
        if old.tags != new.tags:
            yield Kind.RETAGGED
        if old.agent_role != new.agent_role:
            yield Kind.AGENT


def _kinds_of_leftover(old: Verdict, new: Verdict) -> Iterator[Kind]:
    for group in dict.fromkeys(filter(None, (old.leftover, new.leftover))):
        before, after = _spared_days(old, group), _spared_days(new, group)
        if after < before:
            yield Kind.GROUP_GOES
        elif after > before:
            yield Kind.GROUP_STAYS


def _spared_days(verdict: Verdict, group: str) -> float:
    """Return for how long a group that is there is spared: without end, unless it is left over and goes."""
    return inf if verdict.leftover != group or verdict.spared_days is None else verdict.spared_days


def _exchange(old: tuple[_Thing, ...], new: tuple[_Thing, ...]) -> Exchange[_Thing]:
    return Exchange(
        lost=tuple(each for each in old if each not in new), gained=tuple(each for each in new if each not in old)
    )


def _keys(policy: Policy) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a policy, each with its value; those of an override as it names them."""
    yield from _values({name: value for name, value in asdict(policy).items() if name != "overrides"})
    for number, override in enumerate(policy.overrides):
        above = f"overrides.{number}"
        yield from ((f"{above}.match.{name}", globs) for name, globs in where(override).items())
        for key in keys_named(override.changes):
            value: Any = override.changes
            for part in key:
                value = value[part]
            yield f"{above}.{'.'.join(map(str, key))}", value


def _values(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a section, and of those in it, each with its key."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _values(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _unordered(value: object) -> object:
    match value:
        case tuple() | list():
            return frozenset(value)
        case dict():
            return {key: _unordered(each) for key, each in value.items()}
    return value
