"""What all tests have in common."""

from __future__ import annotations

import signal
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.loaders import Loader
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# Neither the machine's speed nor chance decides whether an example passes; --hypothesis-profile chooses another one.
settings.register_profile(
    "tests", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
# For `make fuzz`: other examples in each run, and many more.
settings.register_profile("fuzz", settings.get_profile("tests"), derandomize=False, max_examples=1_000)
settings.load_profile("tests")


class _SharedLoader(Loader):
    """One that may serve every session: botocore writes into what it loads on retries, so each gets its own."""

    def load_data(self, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
        found = super().load_data(name)
        return deepcopy(found) if name == "_retry" else found


@pytest.fixture(scope="session", autouse=True)
def _clients_are_made_fast() -> Iterator[None]:
    """Read each API model once, and work out each event's alias once: tests make thousands of clients."""
    loader = _SharedLoader()
    # botocore has no setting for it.
    alias = cache(EventAliaser(HierarchicalEmitter())._alias_event_name)  # type: ignore[attr-defined]  # noqa: SLF001
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        patch.setattr(EventAliaser, "_alias_event_name", lambda _, name: alias(name))
        # moto's 1,300 patterns for the library requests, which no test here uses, are made anew by each mock.
        patch.setattr("moto.core.models.RESPONSES_METHODS", [])
        yield


@pytest.fixture(scope="session", autouse=True)
def _signals_are_heard() -> None:
    """Of a shell's background job, and so of all that it starts, an interrupt is ignored; under nohup a hang-up is."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # The tests themselves go on; what they start has a handler no more.
        signal.signal(signal.SIGHUP, lambda *_: None)
