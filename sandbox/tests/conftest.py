"""Settings and fixtures of all tests: API models, signals, and moto's own state."""

from __future__ import annotations

import signal
import sys
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import Loader
from moto.cloudformation import parsing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


class _SharedLoader(Loader):
    """A loader that serves every session. botocore writes into what it loads for retries, so each gets a copy."""

    def load_data(self, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
        found = super().load_data(name)
        return deepcopy(found) if name == "_retry" else found


@pytest.fixture(scope="session", autouse=True)
def _shared_api_models() -> Iterator[None]:
    """Read each API model once: reading them for each session would take a large part of the time of many tests."""
    loader = _SharedLoader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


@pytest.fixture(scope="session", autouse=True)
def _default_signals() -> None:
    """Handle SIGINT and SIGHUP, which a shell's background jobs and nohup ignore, and so would their children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # The tests themselves go on; a process that they start has the default handler.
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="module", autouse=True)
def _unextended_moto() -> Iterator[None]:
    """Restore what a file's tests have replaced in moto: the next file in this process expects moto's own."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("moto.")]
    classes = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    extended: list[ModuleType | type] = [*modules, *(each for each in classes if each.__module__.startswith("moto."))]
    before = [(each, dict(vars(each))) for each in extended]
    paths = [(module.url_paths, dict(module.url_paths)) for module in modules if hasattr(module, "url_paths")]
    yield
    for each, members in before:
        _restore(each, members)
    for current, original in paths:
        current.clear()
        current.update(original)
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()


def _restore(holder: ModuleType | type, members: dict[str, object]) -> None:
    for name in vars(holder).keys() - members.keys():
        delattr(holder, name)
    for name, member in members.items():
        if vars(holder)[name] is not member:
            setattr(holder, name, member)
