"""The state transitions that an execution is charged for, counted by walking the machine's own definition."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.state_machine import Json

STARTING_A_CHILD: Final = 1
"""Transitions that a distributed map is charged for each child workflow that it starts, besides those of the child
(Step Functions developer guide, "Transitions in Distributed Map state")."""


def entered(workflow: Json, answer: Callable[[], Json]) -> list[Json]:
    """Return the states that an execution enters, in order: each is a transition. Maps are entered, not carried out.

    Args:
        workflow: Its definition, whose tasks all succeed. Results go to `ResultPath`; what else shapes a document
            is left alone, as no choice depends on it here.
        answer: What the function that is a task's answers, in order.

    Raises:
        ValueError: A choice is made by something that this cannot tell.
    """
    document: Json = {}
    passed: list[Json] = []
    name: str | None = workflow["StartAt"]
    while name is not None:
        state = workflow["States"][name]
        passed.append(state)
        if state["Type"] == "Task":
            document[state["ResultPath"].removeprefix("$.")] = answer()
        name = _chosen(state, document) if state["Type"] == "Choice" else state.get("Next")
    return passed


def _chosen(state: Json, document: Json) -> str:
    for rule in state["Choices"]:
        found, value = _looked_up(document, rule["Variable"])
        match rule:
            case {"IsPresent": wanted}:
                holds = found == wanted
            case {"BooleanEquals": wanted} | {"NumericEquals": wanted}:
                holds = found and value == wanted
            case _:
                raise ValueError(f"a choice by {rule}")
        if holds:
            return str(rule["Next"])
    return str(state["Default"])


def _looked_up(document: Json, path: str) -> tuple[bool, Any]:
    """Return whether there is something at a path, and what."""
    value: Any = document
    for part in re.findall(r"[^.$\[\]]+", path):
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = value[part]
    return True, value
