"""Resources that come and go, when a stack is updated.

Moto asks for conditions when a stack is created. An update fails there on a resource that was not made, and neither
makes what is wanted only now nor takes away what no longer is. What a template has lost and gets back counts as still
there. The server calls `install`.
"""

from collections.abc import Callable
from typing import Any

from moto.cloudformation import parsing
from moto.cloudformation.models import Stack

from embedded_aws.moto_extensions.patching import extend


def install() -> None:
    """Extend moto; a second call changes nothing."""
    extend(parsing.ResourceMap, "update", _update)
    extend(parsing, "parse_and_update_resource", _update_resource)
    Stack.stack_resources = property(_stack_resources)  # type: ignore[assignment,method-assign] # extends moto


def _update(
    original: Callable[..., None],
    self: parsing.ResourceMap,
    template: dict[str, Any],
    parameters: dict[str, Any] | None = None,
) -> None:
    lost = self.build_resource_diff(template, parameters)["Remove"]
    original(self, template, parameters)
    for name in lost:
        self._parsed_resources.pop(name, None)
    _apply_conditions(self)


def _update_resource(
    original: Callable[..., Any],
    logical_id: str,
    resource_json: dict[str, Any],
    resources_map: parsing.ResourceMap,
    **place: str,
) -> Any:  # noqa: ANN401 - any of moto's resources
    existing = resources_map._parsed_resources.get(logical_id)  # noqa: SLF001 - moto offers nothing else
    if existing is None or not _is_wanted(resources_map, resource_json):
        # Made or taken away once all else is done.
        return existing
    return original(logical_id, resource_json, resources_map, **place)


def _stack_resources(self: Stack) -> list[Any]:
    """Moto lists nothing, literally, in the place of a resource whose condition does not hold."""
    return [resource for resource in self.resource_map.values() if resource is not None]


def _is_wanted(resources: parsing.ResourceMap, resource_json: dict[str, Any]) -> bool:
    condition = resource_json.get("Condition")
    return condition is None or bool(resources.lazy_condition_map[condition])


def _apply_conditions(resources: parsing.ResourceMap) -> None:
    """Make what is wanted by now, take away what no longer is."""
    made = resources._parsed_resources  # noqa: SLF001 - moto offers nothing else
    for name, resource_json in resources._resource_json_map.items():  # noqa: SLF001 - moto offers nothing else
        existing, wanted = made.get(name), _is_wanted(resources, resource_json)
        if existing is not None and not wanted:
            resources._delete_resource(existing, resource_json)  # noqa: SLF001 - moto offers nothing else
            made.pop(name)
        if existing is None and wanted:
            # Asked for, it is made.
            made.pop(name, None)
            _ = resources[name]
