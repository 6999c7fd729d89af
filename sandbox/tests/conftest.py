"""Tests here extend moto as the sandbox does, in the process of the tests; each file leaves moto as it found it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from moto.cloudformation import parsing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@pytest.fixture(scope="module", autouse=True)
def _moto_as_it_was() -> Iterator[None]:
    """Put back what the file has replaced: whose tests come next in the process counts on moto's own."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("moto.")]
    classes = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    extended: list[ModuleType | type] = [*modules, *(each for each in classes if each.__module__.startswith("moto."))]
    before = [(each, dict(vars(each))) for each in extended]
    paths = [(module.url_paths, dict(module.url_paths)) for module in modules if hasattr(module, "url_paths")]
    yield
    for each, members in before:
        _restore(each, members)
    for now, was in paths:
        now.clear()
        now.update(was)
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()


def _restore(holder: ModuleType | type, members: dict[str, object]) -> None:
    for name in vars(holder).keys() - members.keys():
        delattr(holder, name)
    for name, member in members.items():
        if vars(holder)[name] is not member:
            setattr(holder, name, member)
