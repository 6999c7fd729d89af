"""The members' roles: assumed once, renewed in time, and not asked for again and again where they cannot be had."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from profiling_groups import members
from profiling_groups.functions import Place
from profiling_groups.members import Members
from tests.unit.account import REGION

if TYPE_CHECKING:
    from tests.unit.invocation import Traces
    from tests.unit.organization import World

OTHER_REGION = "us-east-1"


@pytest.fixture
def reached() -> Members:
    """The members, as a hub reaches them."""
    return Members("ProfilingGroupProvisioner", hub=REGION)


def test_a_role_is_assumed_once_for_all_regions_and_calls(organization: World, reached: Members) -> None:
    """And each account by its own."""
    first, second = organization.account(), organization.account()
    for region in (REGION, OTHER_REGION):
        organization.function("same", account=first, region=region)
        place = Place(account=first, region=region)
        found = reached.clients(place).awslambda.list_functions()["Functions"]
        assert [each["FunctionArn"].split(":")[3:5] for each in found] == [[region, first]]
        assert reached.sweep_clients(place).awslambda.list_functions()["Functions"]
    assert reached.clients(Place(account=second, region=REGION)).awslambda.list_functions()["Functions"] == []
    assert {what: count for what, count in organization.sent.items() if "Assume" in what} == {
        f"AssumeRole {first}": 1,
        f"AssumeRole {second}": 1,
    }


def test_clients_of_a_place_are_kept(organization: World, reached: Members) -> None:
    """To build them is most of what a further event costs."""
    place = Place(account=organization.account(), region=REGION)
    assert reached.clients(place) is reached.clients(place)


def test_a_session_is_renewed_before_it_ends(
    organization: World, reached: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clients that are kept use the new one."""
    monkeypatch.setattr(members, "_RENEWED_BEFORE_SECONDS", 4000)
    account = organization.account()
    clients = reached.clients(Place(account=account, region=REGION))
    clients.awslambda.list_functions()
    assert organization.sent[f"AssumeRole {account}"] > 1


def test_an_account_that_cannot_be_reached_is_asked_for_once_and_told_once(
    organization: World, reached: Members, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For some minutes; then it is tried again, as somebody may have given the role back."""
    account = organization.account()
    organization.deny(f"AssumeRole {account}", code="AccessDenied", message="is not authorized to perform")
    for region in (REGION, OTHER_REGION, REGION):
        with pytest.raises(ClientError, match="not authorized"):
            reached.clients(Place(account=account, region=region))
    assert organization.sent[f"AssumeRole {account}"] == 1
    (warning,) = traces.records()
    assert (warning["level"], warning["account"]) == ("WARNING", account)
    organization.recover()
    later = time.monotonic() + 301
    monkeypatch.setattr("profiling_groups.members.time", SimpleNamespace(monotonic=lambda: later))
    assert reached.clients(Place(account=account, region=REGION))
