"""Reading a template: values as text, and what a role may do."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]


def text(value: Any) -> str:  # noqa: ANN401 - what stands in a template's JSON
    """Return a value with its references in angle brackets, without the hashes of logical ids."""
    match value:
        case {"Ref": str(name)}:
            return f"<{_plain(name)}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{_plain(name)}.{attribute}>"
        case {"Fn::Join": ["", list(parts)]}:
            return "".join(text(part) for part in parts)
    return str(value)


def named(template: Json, name: str) -> Json:
    """Return the one resource of a logical id, given without its hash."""
    (found,) = (each for logical_id, each in template["Resources"].items() if _plain(logical_id) == name)
    resource: Json = found
    return resource


def allowances(template: Json, role: str) -> dict[str, set[str]]:
    """Return what a role may do, by resource.

    Args:
        template: The template.
        role: The role's logical id, without its hash.
    """
    found: dict[str, set[str]] = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::IAM::Policy" and f"<{role}>" in map(text, resource["Properties"]["Roles"]):
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                for each in _listed(statement["Resource"]):
                    found.setdefault(text(each), set()).update(_listed(statement["Action"]))
    return found


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - what stands in a template's JSON
    return value if isinstance(value, list) else [value]


def _plain(logical_id: str) -> str:
    return re.sub(r"(?<=.)[0-9A-F]{8}$", "", logical_id)
