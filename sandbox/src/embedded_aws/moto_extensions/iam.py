"""Roles of a stack as CloudFormation keeps them: of an update moto takes no more than the description.

`install` is called once, by the server.
"""

from __future__ import annotations

import json
from typing import Any, Final

from moto.iam.models import Role

_SESSION_SECONDS: Final = 3600

_create = Role.create_from_cloudformation_json


def install() -> None:
    """Extend moto; a second call changes nothing."""
    Role.create_from_cloudformation_json = classmethod(_create_role)  # type: ignore[assignment] # extends moto
    Role.update_from_cloudformation_json = classmethod(_update_role)  # type: ignore[assignment] # extends moto


def _create_role(
    _cls: type[Role],
    /,
    resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
    **more: Any,  # noqa: ANN401 - moto's signature
) -> Role:
    role = _create(resource_name, cloudformation_json, account_id, region_name, **more)
    _put_policies(role, cloudformation_json["Properties"])
    return role


def _update_role(  # noqa: PLR0913, PLR0917 - moto's signature
    cls: type[Role],
    original_resource: Role,
    new_resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
) -> Role:
    """In place, unless it gets another name or path."""
    properties = cloudformation_json["Properties"]
    place = (properties.get("RoleName", original_resource.name), properties.get("Path", "/"))
    if place != (original_resource.name, original_resource.path):
        name = properties.get("RoleName", new_resource_name)
        made = cls.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)
        cls.delete_from_cloudformation_json(original_resource.name, cloudformation_json, account_id, region_name)
        return made
    original_resource.assume_role_policy_document = _text(properties["AssumeRolePolicyDocument"])
    original_resource.description = properties.get("Description", "")
    original_resource.max_session_duration = properties.get("MaxSessionDuration", _SESSION_SECONDS)
    original_resource.permissions_boundary_arn = properties.get("PermissionsBoundary")
    original_resource.tags = list(properties.get("Tags", []))
    _put_policies(original_resource, properties)
    return original_resource


def _put_policies(role: Role, properties: dict[str, Any]) -> None:
    """Give the role the policies that stand in its own resource; those of resources of their own stay."""
    wanted = {policy["PolicyName"]: _text(policy["PolicyDocument"]) for policy in properties.get("Policies", [])}
    for former in getattr(role, "sandbox_own_policies", frozenset()) - wanted.keys():
        role.policies.pop(former, None)
    role.policies.update(wanted)
    role.sandbox_own_policies = frozenset(wanted)  # type: ignore[attr-defined] # remembered for the next update


def _text(document: object) -> str:
    """The document as the IAM API takes it; a YAML template may hold a date for its version."""
    return document if isinstance(document, str) else json.dumps(document, default=str)
