"""Unit tests: no sockets. AWS is moto in this very process, reached through the real SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from profiling_groups import aws
from sandbox import moto_services
from tests.unit.account import REGION, Account

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _closed(socket_disabled: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - it works by being asked for
    """No sockets, and nothing of the developer's own AWS settings."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def clients() -> Iterator[aws.Clients]:
    """The function's own clients, retries and all, on an empty account."""
    moto_services.register()
    aws.clients.cache_clear()
    with mock_aws():
        yield aws.clients(REGION)
    aws.clients.cache_clear()


@pytest.fixture
def account(clients: aws.Clients, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An empty account; the SDK's waits between its retries take no time."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    return Account(clients)
