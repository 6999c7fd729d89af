"""IAM: whether a role may do what it was deployed to do, as IAM's simulator has it, or else its policies."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ops.doctor import policies
from ops.doctor.commands import aws
from ops.doctor.findings import Verdict
from ops.doctor.policies import Decision, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ops.doctor.policies import Document

_NAMED: Final = 3
"""As many lacking permissions are named one by one."""
_TRACING: Final = "xray:"
"""Without these all works as well."""


@dataclass(frozen=True, kw_only=True)
class DeployedRole:
    """A role as it was deployed.

    Attributes:
        name: Its name.
        trust: Who may assume it.
        policies: What it may do, by the names of its policies.
        boundary: ARN of its permissions boundary, if it was deployed with one.
    """

    name: str
    trust: Document
    policies: Mapping[str, Document]
    boundary: str | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was said to one action of a role.

    Attributes:
        action: The action.
        resource: On what.
        decision: What was said.
        by_organization: Whether a control policy of the organization is against it.
        by_boundary: Whether the role's permissions boundary is.
    """

    action: str
    resource: str
    decision: Decision
    by_organization: bool = False
    by_boundary: bool = False


@dataclass(frozen=True, kw_only=True)
class RolePolicies:
    """The policies that a role has now.

    Attributes:
        own: Its inline policies, by name.
        attached: Managed policies, by ARN.
    """

    own: Mapping[str, Document] = field(default_factory=dict)
    attached: Mapping[str, Document] = field(default_factory=dict)

    def decide(self, request: Request) -> Decision:
        """Return what they say together."""
        return policies.decide([*self.own.values(), *self.attached.values()], request)


def check(
    role: DeployedRole, *, trust: Document, asked: Sequence[Asked], now: Callable[[], RolePolicies | None]
) -> Verdict:
    """See whether a role is trusted and allowed what it was deployed for.

    Args:
        role: As it was deployed.
        trust: Who may assume it now.
        asked: What was said to each of its actions.
        now: Reads its policies, for what mends it; None where they may not be read.
    """
    if not policies.is_same(trust, role.trust):
        return Verdict.failed(
            f"the role {role.name} trusts somebody else than was deployed",
            mend=aws("iam", "update-assume-role-policy", RoleName=role.name, PolicyDocument=json.dumps(role.trust)),
        )
    lacking = [each for each in asked if each.decision is not Decision.ALLOWED]
    if not lacking:
        return Verdict.passed(f"the role {role.name} may do all {len(asked)} things that it was deployed for")
    vital = [each for each in lacking if not each.action.startswith(_TRACING)]
    first = (vital or lacking)[0]
    names = list(dict.fromkeys(each.action for each in vital or lacking))
    told = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    detail = f"the role {role.name} may not {told}, on {first.resource}{_why(first)}"
    make = Verdict.failed if vital else Verdict.warned
    return make(detail, mend=_mend(role, vital or lacking, now))


def _why(asked: Asked) -> str:
    if asked.by_organization:
        return ": a service control policy is against it"
    if asked.by_boundary:
        return ": its permissions boundary is against it"
    return ": a policy denies it" if asked.decision is Decision.DENIED else ": no policy allows it"


def _mend(role: DeployedRole, lacking: Sequence[Asked], now: Callable[[], RolePolicies | None]) -> str:
    asked = lacking[0]
    if asked.by_organization:
        return f"in the organization's management account, let its service control policies allow {asked.action}"
    if asked.by_boundary and role.boundary:
        return f"let the permissions boundary {role.boundary} allow {asked.action}"
    if asked.by_boundary:
        return aws("iam", "delete-role-permissions-boundary", RoleName=role.name)
    if asked.decision is Decision.DENIED and (command := _without_denial(role, _request(asked), now())):
        return command
    put = [
        aws("iam", "put-role-policy", RoleName=role.name, PolicyName=name, PolicyDocument=json.dumps(document))
        for name, document in role.policies.items()
        if any(policies.decide([document], _request(each)) is Decision.ALLOWED for each in lacking)
    ]
    return " && ".join(put) or f"let the role {role.name} do {asked.action}"


def _request(asked: Asked) -> Request:
    return Request(action=asked.action, resource=asked.resource)


def _without_denial(role: DeployedRole, request: Request, now: RolePolicies | None) -> str | None:
    """Return the command that takes away the policy that denies; None where it is one of the deployed, put right."""
    if now is None:
        return f"take from the role {role.name} the policy that denies {request.action}"
    for name, document in now.own.items():
        if name not in role.policies and policies.decide([document], request) is Decision.DENIED:
            return aws("iam", "delete-role-policy", RoleName=role.name, PolicyName=name)
    for arn, document in now.attached.items():
        if policies.decide([document], request) is Decision.DENIED:
            return aws("iam", "detach-role-policy", RoleName=role.name, PolicyArn=arn)
    return None
