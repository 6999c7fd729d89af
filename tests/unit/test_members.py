"""The members' roles: assumed once, renewed in time, and not asked for again and again where they cannot be had."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

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


def test_a_role_that_is_taken_away_while_its_session_lives_is_found_out_once(
    organization: World, reached: Members, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first call that is denied; once the role is back, it is by a new session that it is used."""
    account = organization.account()
    place = Place(account=account, region=REGION)
    clients = reached.clients(place)
    assert clients.awslambda.list_functions()["Functions"] == []
    organization.deny(f"AssumeRole {account}", code="AccessDenied", message="is not authorized to perform")
    organization.deny("ListFunctions")
    for _ in range(2):
        with pytest.raises(ClientError) as refused:
            clients.awslambda.list_functions()
        assert refused.value.operation_name == "AssumeRole"
    assert organization.sent[f"AssumeRole {account}"] == 2
    assert [record["message"] for record in traces.records()] == ["an account cannot be reached"]
    organization.recover()
    later = time.monotonic() + 301
    monkeypatch.setattr("profiling_groups.members.time", SimpleNamespace(monotonic=lambda: later))
    assert reached.clients(place).awslambda.list_functions()["Functions"] == []
    assert organization.sent[f"AssumeRole {account}"] == 3


@pytest.mark.parametrize(
    ("message", "assumed"), [("not authorized", 2), ("explicit deny in a service control policy", 1)]
)
def test_what_a_role_may_not_do_is_no_reason_to_doubt_it_again_and_again(
    organization: World, reached: Members, message: str, assumed: int
) -> None:
    """Once is enough; and what the organization forbids is none at all."""
    account = organization.account()
    clients = reached.sweep_clients(Place(account=account, region=REGION))
    organization.deny("ListFunctions", message=message)
    for _ in range(3):
        with pytest.raises(ClientError, match=message):
            clients.awslambda.list_functions()
    assert organization.sent[f"AssumeRole {account}"] == assumed


def test_accounts_share_connections_but_not_credentials(organization: World, reached: Members) -> None:
    """Each service of a region has its own, as have the sweeps, which are more patient."""
    places = [Place(account=organization.account(), region=region) for region in (REGION, REGION, OTHER_REGION)]
    here, there, elsewhere = (reached.sweep_clients(place) for place in places)
    assert _connections(here.awslambda) is _connections(there.awslambda)
    separate = [here.awslambda, here.tagging, elsewhere.awslambda, reached.clients(places[0]).awslambda]
    assert len({id(_connections(client)) for client in separate}) == len(separate)
    for clients, place in ((here, places[0]), (there, places[1])):
        organization.function("same", account=place.account, region=REGION)
        (function,) = clients.awslambda.list_functions()["Functions"]
        assert function["FunctionArn"].split(":")[4] == place.account


def test_however_many_accounts_there_are_few_sessions_are_kept(organization: World, reached: Members) -> None:
    """But all credentials, so that none is asked for again."""
    accounts = [organization.account() for _ in range(members._MOST_SESSIONS + 1)]  # noqa: SLF001 - the number itself
    for account in (*accounts, accounts[0]):
        reached.sweep_clients(Place(account=account, region=REGION))
    assert reached._sessions.cache_info().currsize == members._MOST_SESSIONS  # noqa: SLF001 - memory tells by nothing else
    assert {organization.sent[f"AssumeRole {account}"] for account in accounts} == {1}


def _connections(client: Any) -> Any:  # noqa: ANN401 - botocore's own
    return client._endpoint.http_session  # noqa: SLF001 - there is no public way
