"""IAM policy documents: whether they allow an action on a resource. Pure.

`authorization` asks for the policies of a role, `embedded_aws.events.eventbridge` for those of queues and functions.
moto's own evaluator is not used: it takes `?` and a dot for regular-expression characters, an Allow whose
condition does not hold for a Deny, and knows neither NotResource nor any condition operator but StringEquals.

What is evaluated follows the IAM user guide: an explicit Deny wins, then any Allow, then nothing is allowed.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final

_ARN_PARTS: Final = 6
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_LITERAL_VARIABLES: Final = {"*": "[*]", "?": "[?]", "$": "$"}


class Decision(StrEnum):
    """What a set of policy documents says to a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NOT_ALLOWED = "not allowed"


class UnsupportedConditionError(Exception):
    """A condition whose outcome IAM does not document, or that this module does not know; the request has no answer."""


@dataclass(frozen=True, kw_only=True)
class AccessRequest:
    """A request for access.

    Attributes:
        action: as policies write it, ``lambda:GetFunction``.
        resource: an ARN, or ``*`` for an action that takes no resource.
        context: condition keys in lower case (``aws:sourcearn``) with their value or values.
        principals: for resource policies, what the caller counts as: ``("Service", "events.amazonaws.com")``.
    """

    action: str
    resource: str
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    principals: frozenset[tuple[str, str]] = frozenset()


def evaluate(documents: Iterable[Mapping[str, Any]], request: AccessRequest) -> Decision:
    """What the documents together say to the request.

    A statement with a Principal counts only where one of the request's principals matches it.

    Raises:
        UnsupportedConditionError: a statement that concerns the request has a condition that cannot be evaluated.
    """
    allowed = False
    for document in documents:
        for statement in _listed(document.get("Statement", [])):
            if not _concerns(statement, request):
                continue
            if statement.get("Effect") == "Deny":
                return Decision.DENIED
            allowed = True
    return Decision.ALLOWED if allowed else Decision.NOT_ALLOWED


def _concerns(statement: Mapping[str, Any], request: AccessRequest) -> bool:
    return (
        _principal_matches(statement, request)
        and _element_matches(statement, "Action", lambda pattern: _glob(pattern.lower(), request.action.lower()))
        and _element_matches(statement, "Resource", lambda pattern: _arn_matches(pattern, request))
        and all(
            _condition_holds(operator, key.lower(), [str(value) for value in _listed(expected)], request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def _principal_matches(statement: Mapping[str, Any], request: AccessRequest) -> bool:
    if "NotPrincipal" in statement:
        return not _any_principal(statement["NotPrincipal"], request)
    return "Principal" not in statement or _any_principal(statement["Principal"], request)


def _any_principal(principal: object, request: AccessRequest) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, Mapping):
        return False
    return any(
        value == "*" or (kind, value) in request.principals
        for kind, values in principal.items()
        for value in _listed(values)
    )


def _element_matches(statement: Mapping[str, Any], element: str, matches: Callable[[str], bool]) -> bool:
    """Whether Action or Resource, or their Not- form, covers the request. A trust policy has no Resource."""
    if element in statement:
        return any(matches(pattern) for pattern in _listed(statement[element]))
    negated = f"Not{element}"
    return negated not in statement or not any(matches(pattern) for pattern in _listed(statement[negated]))


def _arn_matches(pattern: str, request: AccessRequest) -> bool:
    """A wildcard stays within its part of the ARN; the sixth part holds all the rest."""
    pattern = _with_variables(pattern, request.context)
    if pattern == "*":
        return True
    parts, patterns = request.resource.split(":", _ARN_PARTS - 1), pattern.split(":", _ARN_PARTS - 1)
    return len(parts) == len(patterns) and all(_glob(p, part) for p, part in zip(patterns, parts, strict=True))


def _with_variables(text: str, context: Mapping[str, str | tuple[str, ...]]) -> str:
    """Policy variables replaced by the request's values; one without a value matches nothing."""

    def value(found: re.Match[str]) -> str:
        name = found[1].lower()
        if name in _LITERAL_VARIABLES:
            return _LITERAL_VARIABLES[name]
        given = context.get(name)
        return given if isinstance(given, str) else "\0"

    return _VARIABLE.sub(value, text)


@cache
def _glob_pattern(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"(\[\*\]|\[\?\]|\*|\?)", pattern)
    wild = {"*": ".*", "?": ".", "[*]": r"\*", "[?]": r"\?"}
    return re.compile("".join(wild.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)


def _glob(pattern: str, text: str) -> bool:
    return _glob_pattern(pattern).fullmatch(text) is not None


def _condition_holds(
    operator: str, key: str, expected: list[str], context: Mapping[str, str | tuple[str, ...]]
) -> bool:
    quantifier, _, base = operator.rpartition(":")
    if_exists = base.endswith("IfExists")
    base = base.removesuffix("IfExists")
    given = context.get(key)
    actual = () if given is None else (given,) if isinstance(given, str) else given
    if base == "Null":
        return (given is None) == (expected[0].lower() == "true")
    negated = "Not" in base
    match = _comparison(base.replace("Not", ""), operator)
    if given is None:
        return if_exists or negated or quantifier == "ForAllValues"
    if not quantifier and not isinstance(given, str):
        # A key that may have several values wants a set operator (IAM user guide, "Multivalued context keys").
        raise UnsupportedConditionError(f"{operator} of {key}")

    def holds(value: str) -> bool:
        return any(match(_with_variables(wanted, context), value) for wanted in expected) != negated

    match quantifier:
        case "ForAllValues":
            return all(holds(value) for value in actual)
        case "ForAnyValue" | "":
            return any(holds(value) for value in actual)
        case _:
            raise UnsupportedConditionError(operator)


def _comparison(base: str, operator: str) -> Callable[[str, str], bool]:
    match base:
        case "StringEquals":
            return lambda wanted, value: wanted == value
        case "StringEqualsIgnoreCase" | "Bool":
            return lambda wanted, value: wanted.lower() == value.lower()
        case "StringLike" | "ArnEquals" | "ArnLike":
            return _glob
        case _:
            raise UnsupportedConditionError(operator)


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON, of which IAM allows a list or a single value nearly everywhere
    return value if isinstance(value, list) else [value]
