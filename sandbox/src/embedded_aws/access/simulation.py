"""IAM's policy simulator, as far as operators ask it about roles: SimulatePrincipalPolicy, which moto lacks.

It answers by the same evaluation by which calls of functions and state machines are refused, and with what that leaves
out: see `authorization`. Policies and a permissions boundary of the request itself are not taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from embedded_aws.access import authorization
from embedded_aws.access.authorization import AssumedRole
from embedded_aws.access.policies import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

_DECISIONS: Final = {
    Decision.ALLOWED: "allowed",
    Decision.DENIED: "explicitDeny",
    Decision.NOT_ALLOWED: "implicitDeny",
}
_SESSION: Final = "simulation"


def install() -> None:
    """Extend moto; a second call changes nothing."""
    IamResponse.simulate_principal_policy = _simulate  # type: ignore[attr-defined] # extends moto


def _simulate(self: IamResponse) -> ActionResult:
    arn = self._get_param("PolicySourceArn")
    if ":role/" not in arn:
        raise NotImplementedError(f"SimulatePrincipalPolicy of {arn}")
    self.backend.get_role_by_arn(arn)  # or NoSuchEntity
    role = AssumedRole.of(arn, _SESSION)
    entries = self._get_param("ContextEntries", [])
    context = {each["ContextKeyName"].lower(): _value(each) for each in entries}
    results = [
        _result(role, action=action, resource=resource, context=context)
        for action in self._get_param("ActionNames", [])
        for resource in self._get_param("ResourceArns", []) or ["*"]
    ]
    return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _value(entry: Mapping[str, Any]) -> str | tuple[str, ...]:
    """Return what a context entry gives its key: several values only if it is of a list type (IAM API)."""
    values = tuple(entry.get("ContextKeyValues", []))
    return values if entry["ContextKeyType"].endswith("List") or len(values) != 1 else values[0]


def _result(
    role: AssumedRole, *, action: str, resource: str, context: dict[str, str | tuple[str, ...]]
) -> dict[str, Any]:
    own, bound = authorization.evaluate_role(role, action=action, resource=resource, context=context)
    decision = bound if own is Decision.ALLOWED else own
    if Decision.DENIED in {own, bound}:
        decision = Decision.DENIED
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": _DECISIONS[decision],
        "MatchedStatements": [],
        "MissingContextValues": [],
        "OrganizationsDecisionDetail": {"AllowedByOrganizations": bound is Decision.ALLOWED},
    }
