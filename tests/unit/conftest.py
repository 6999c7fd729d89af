"""Unit tests: no sockets. AWS is moto in this very process, reached through the real SDK."""

from __future__ import annotations

import gc
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from embedded_aws import moto_services
from embedded_aws.moto_extensions import inventory
from infra.policy_file import compiled
from profiling_groups import aws, handler, observability, pacing
from profiling_groups.outcomes import REASONS, Outcome
from profiling_groups.policy import Policy
from tests.unit.account import REGION, Account
from tests.unit.invocation import Traces
from tests.unit.organization import World
from tests.unit.sweeping import Clock, Sweeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.session import Session


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _closed(socket_disabled: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - it works by being asked for
    """No sockets, and nothing of the developer's own AWS settings."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture(scope="session", autouse=True)
def _known_reasons() -> Iterator[None]:
    """Let no test come by an outcome with a reason that its action may not have: nobody would see it counted."""
    make = Outcome.__init__

    def checked(self: Outcome, **given: Any) -> None:  # noqa: ANN401 - any of its fields
        make(self, **given)
        assert self.reason is None or self.reason in REASONS[self.action], f"{self.action} because of {self.reason}"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outcome, "__init__", checked)
        yield


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[aws.Clients]:
    """The function's own clients, retries and all, on an empty account."""
    # With them it would keep for good what the test before has left: gigabytes, in the end.
    monkeypatch.setattr(gc, "freeze", lambda: None)
    moto_services.register()
    inventory.install()
    aws.clients.cache_clear()
    with mock_aws():
        yield aws.clients(REGION)
    aws.clients.cache_clear()


@pytest.fixture
def account(clients: aws.Clients, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An empty account; the SDK's waits between its retries take no time."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    return Account(clients)


@pytest.fixture(scope="session")
def session() -> Session:
    """One for all: to build the clients of a sweep is quick then."""
    kept = aws.session()
    # All that the imports have left: to look through it for garbage would be half the time of a thousand sweeps.
    gc.freeze()
    return kept


@pytest.fixture
def sweeper(account: Account, session: Session, monkeypatch: pytest.MonkeyPatch) -> Sweeper:
    """Sweeps an empty account, by a clock that is ahead of all waits."""
    monkeypatch.setattr(pacing, "time", Clock())
    monkeypatch.setattr(aws, "session", lambda: session)
    found = Sweeper(account)
    build = aws.sweep_clients

    def watched(region: str, *, session: Session) -> aws.SweepClients:
        built = build(region, session=session)
        found.watch(built)
        return built

    monkeypatch.setattr(aws, "sweep_clients", watched)
    return found


@pytest.fixture
def organization(clients: aws.Clients, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: ARG001 - for moto
    """An organization with nothing in it but the hub's own account, which manages it."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setattr(pacing, "time", Clock())
    return World(monkeypatch)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Traces:
    """Catch the log records and metrics."""
    log = StringIO()
    monkeypatch.setattr(observability.logger.registered_handler, "stream", log)
    return Traces(log, capsys)


@pytest.fixture
def operators_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder with the policy that ships, with a region; the credentials are everybody's."""
    (tmp_path / "policy.yaml").write_bytes((ROOT / "policy.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", REGION)


@pytest.fixture
def obey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Policy], None]]:
    """Let the handler find a policy as the bundle carries it; the one that ships, until told otherwise."""
    file = tmp_path / "policy.json"
    monkeypatch.setattr(handler, "_POLICY_FILE", file)

    def write(policy: Policy) -> None:
        file.write_text(compiled(policy))
        handler._reach.cache_clear()  # noqa: SLF001 - an execution environment knows one policy only

    write(Policy())
    yield write
    handler._reach.cache_clear()  # noqa: SLF001 - as above
