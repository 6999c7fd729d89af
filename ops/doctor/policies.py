"""IAM policy documents, as far as they can be read from outside: who may do what. Pure.

IAM itself is asked first, by SimulatePrincipalPolicy; this is for operators who may not ask that, and for the policies
of resources. Conditions whose key is not known are taken to be met by what allows, and not by what denies: what is
refused here is refused in AWS, but not all of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

Document = Mapping[str, Any]

_NEGATED: Final = "Not"
_IF_EXISTS: Final = "IfExists"
_SAMPLE: Final = "doctor"
"""What stands for the asterisks of a resource when somebody is asked about it."""


class Decision(StrEnum):
    """What policies say to a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NOT_ALLOWED = "not allowed"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody wants to do.

    Attributes:
        action: As policies write it.
        resource: An ARN, or `*`.
        principal: Kind and name of who it is, for the policies of resources: `("Service", "events.amazonaws.com")`.
        context: Values of condition keys, in small letters.
    """

    action: str
    resource: str
    principal: tuple[str, str] | None = None
    context: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a role is to be allowed, by its template.

    Attributes:
        actions: What.
        resources: On which ARNs, as globs.
        context: Values of condition keys under which it is allowed.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    context: Mapping[str, tuple[str, ...]]

    def samples(self, *, account: str, region: str) -> tuple[str, ...]:
        """Return an ARN of each kind, as one that is asked about must be complete."""
        return tuple(_sample(resource, account=account, region=region) for resource in self.resources)


def decide(documents: Iterable[Document], request: Request) -> Decision:
    """Return what policies together say to a request."""
    allowed = False
    for document in documents:
        for statement in listed(document.get("Statement", [])):
            if not _concerns(statement, request):
                continue
            if statement.get("Effect") == "Deny":
                return Decision.DENIED
            allowed = True
    return Decision.ALLOWED if allowed else Decision.NOT_ALLOWED


def statements(document: Document) -> list[Statement]:
    """Return what a policy allows."""
    return [
        Statement(
            actions=tuple(listed(each["Action"])),
            resources=tuple(listed(each.get("Resource", "*"))),
            context={
                key: tuple(listed(expected))
                for operator, keys in each.get("Condition", {}).items()
                if _NEGATED not in operator
                for key, expected in keys.items()
            },
        )
        for each in listed(document.get("Statement", []))
        if each.get("Effect") == "Allow" and "Action" in each
    ]


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON, of which IAM takes one or a list
    """Return a value of a policy as a list."""
    return value if isinstance(value, list) else [value]


def is_same(one: object, other: object) -> bool:
    """Whether two policies say the same, in whatever order; a list of one is as good as what is in it."""
    return _plain(one) == _plain(other)


def _plain(value: object) -> object:
    match value:
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case [only]:
            return _plain(only)
        case list():
            return sorted((_plain(each) for each in value), key=repr)
    return value


def _concerns(statement: Document, request: Request) -> bool:
    lenient = statement.get("Effect") != "Deny"
    return (
        _is_about_principal(statement, request.principal)
        and _covers(statement, "Action", request.action, small=True)
        and _covers(statement, "Resource", request.resource)
        and all(
            _holds(operator, listed(expected), request.context.get(key.lower()), lenient=lenient)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _is_about_principal(statement: Document, principal: tuple[str, str] | None) -> bool:
    named = statement.get("Principal")
    if principal is None or named is None or named == "*":
        return True
    kind, name = principal
    return isinstance(named, Mapping) and bool({"*", name} & set(listed(named.get(kind, []))))


def _covers(statement: Document, element: str, value: str, *, small: bool = False) -> bool:
    def matches(key: str) -> bool:
        globs = listed(statement[key])
        return any(
            _glob(each.lower() if small else each).fullmatch(value.lower() if small else value) for each in globs
        )

    if element in statement:
        return matches(element)
    # A trust policy has no resource.
    return not matches(f"{_NEGATED}{element}") if f"{_NEGATED}{element}" in statement else True


def _holds(operator: str, expected: list[Any], actual: str | None, *, lenient: bool) -> bool:
    if actual is None:
        return lenient
    base = operator.rpartition(":")[2].removesuffix(_IF_EXISTS)
    wanted = [str(each) for each in expected]
    match base.replace(_NEGATED, ""):
        case "StringEquals":
            met = actual in wanted
        case "StringEqualsIgnoreCase" | "Bool":
            met = actual.lower() in [each.lower() for each in wanted]
        case "StringLike" | "ArnLike" | "ArnEquals":
            met = any(_glob(each).fullmatch(actual) for each in wanted)
        case _:
            return lenient
    return met is not (_NEGATED in base)


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(each) or re.escape(each) for each in pattern), re.DOTALL)


def _sample(resource: str, *, account: str, region: str) -> str:
    if resource == "*":
        return resource
    parts = resource.split(":", 5)
    for place, value in ((3, region), (4, account)):
        if parts[place] == "*":
            parts[place] = value
    return ":".join(parts).replace("*", _SAMPLE)
