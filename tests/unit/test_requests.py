"""What may be asked of the function, and what is said to whoever asks for something else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_groups.functions import FunctionArn, Place
from profiling_groups.requests import MOST_FUNCTIONS, Backfill, InvalidRequestError, Provision, is_request, read

PLACE = Place(account="444455556666", region="eu-west-1")
ARN = "arn:aws:lambda:eu-west-1:444455556666:function:orders-api"
EVENTS = Path(__file__).parents[2] / "events"


def nested(depth: int) -> list[Any]:
    """Return a list within a list, so many times."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


DEEP = nested(100_000)


def function(name: str) -> FunctionArn:
    """Return a function of the place."""
    return FunctionArn(account=PLACE.account, region=PLACE.region, name=name)


@pytest.mark.parametrize(
    ("payload", "request_"),
    [
        ({"action": "backfill"}, Backfill()),
        (json.loads((EVENTS / "backfill.json").read_text()), Backfill()),
        (
            {"action": "backfill", "cursor": None, "time_budget_seconds": None, "account": None, "region": None},
            Backfill(),
        ),
        (
            {
                "action": "backfill",
                "dry_run": True,
                "cursor": "c",
                "time_budget_seconds": 2,
                "max_outcomes": 0,
                "account": "444455556666",
                "region": "eu-west-1",
            },
            Backfill(dry_run=True, cursor="c", time_budget_seconds=2.0, max_outcomes=0),
        ),
        ({"action": "backfill", "max_outcomes": None, "time_budget_seconds": 0.5}, Backfill(time_budget_seconds=0.5)),
        ({"action": "provision", "functions": ["orders-api"]}, Provision(functions=(function("orders-api"),))),
        (
            json.loads((EVENTS / "provision.json").read_text()),
            Provision(functions=(function("invoice-renderer"), function("orders-api")), dry_run=True),
        ),
        (
            {"action": "provision", "functions": ["b", ARN, "a", f"{ARN}:$LATEST", "b", "444455556666:function:a"]},
            Provision(functions=(function("b"), function("orders-api"), function("a"))),
        ),
    ],
    ids=repr,
)
def test_what_is_understood(payload: dict[str, Any], request_: Backfill | Provision) -> None:
    """Null is as good as nothing, and a function that is named twice is one."""
    assert is_request(payload)
    assert read(payload, place=PLACE) == request_


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"action": "sweep"}, "'action' is 'sweep', neither 'provision' nor 'backfill'"),
        ({"action": None}, "'action' is None"),
        ({"action": ["backfill"]}, "'action' is a list"),
        ({"action": "backfill", "dryrun": True}, "'dryrun' is unknown; did you mean 'dry_run'?"),
        ({"action": "backfill", "functions": ["a"]}, "'functions' is unknown; known are account, region, dry_run,"),
        ({"action": "provision", "functions": ["a"], "cursor": None}, "'cursor' is unknown"),
        ({"action": "provision", "functions": ["a"], "Functions": ["b"]}, "did you mean 'functions'?"),
        ({"action": "backfill", "dry_run": "true"}, "'dry_run' is 'true', neither true nor false"),
        ({"action": "backfill", "dry_run": None}, "'dry_run' is None, neither true nor false"),
        ({"action": "backfill", "dry_run": 1}, "'dry_run' is 1, neither true nor false"),
        ({"action": "provision", "functions": ["a"], "dry_run": 0}, "'dry_run' is 0, neither true nor false"),
        ({"action": "backfill", "cursor": 7}, "'cursor' is 7, neither null nor what an earlier run gave"),
        ({"action": "backfill", "time_budget_seconds": "60"}, "'time_budget_seconds' is '60', neither null nor"),
        ({"action": "backfill", "time_budget_seconds": True}, "'time_budget_seconds' is True"),
        ({"action": "backfill", "time_budget_seconds": -1}, "'time_budget_seconds' is -1"),
        ({"action": "backfill", "time_budget_seconds": float("nan")}, "'time_budget_seconds' is nan"),
        ({"action": "backfill", "time_budget_seconds": float("inf")}, "'time_budget_seconds' is inf"),
        ({"action": "backfill", "max_outcomes": 1_001}, "'max_outcomes' is 1001, not a whole number from 0 to 1000"),
        ({"action": "backfill", "max_outcomes": -1}, "'max_outcomes' is -1"),
        ({"action": "backfill", "max_outcomes": 1.0}, "'max_outcomes' is 1.0"),
        ({"action": "backfill", "max_outcomes": True}, "'max_outcomes' is True"),
        ({"action": "backfill", "account": "1"}, "'account' is '1', and only functions of 444455556666 can be reached"),
        ({"action": "backfill", "region": "us-east-1"}, "'region' is 'us-east-1', and only functions of eu-west-1"),
        ({"action": "provision"}, "'functions' is None, not a list of names or ARNs"),
        ({"action": "provision", "functions": []}, "'functions' is [], not a list of names or ARNs"),
        ({"action": "provision", "functions": "orders-api"}, "'functions' is 'orders-api', not a list"),
        ({"action": "provision", "functions": ["a", ""]}, "'functions[1]' is '', neither a function's name nor its"),
        ({"action": "provision", "functions": [7]}, "'functions[0]' is 7, neither"),
        (
            {"action": "provision", "functions": ["arn:aws:sns:eu-west-1:444455556666:t"]},
            "'functions[0]' is 'arn:aws:sns",
        ),
        ({"action": "provision", "functions": ["a", ARN.replace("4444", "1111")]}, "'functions[1]' is 'arn:"),
        ({"action": "provision", "functions": [ARN.replace("eu-west-1", "us-east-1")]}, "and this is eu-west-1"),
        ({"action": "provision", "functions": ["a"] * 501}, "'functions' names 501, and there is time for 500"),
        ({"action": "backfill", "cursor": ["x" * 1_000]}, "'cursor' is a list, neither null nor"),
        ({"action": "backfill", "cursor": "x" * 300_000}, "… (300000 characters), longer than any that a run gives"),
        (
            {"action": "backfill", "time_budget_seconds": 10**400},
            "'time_budget_seconds' is a whole number of 1329 bits",
        ),
        ({"action": "backfill", "max_outcomes": -(10**5_000)}, "'max_outcomes' is a whole number of 16610 bits"),
        ({"action": "backfill", 7: True}, "7 is unknown; known are"),
        ({"action": "backfill", "x" * 1_000: True}, "… (1000 characters) is unknown; known are"),
        ({"action": "backfill", "dry_run": DEEP}, "'dry_run' is a list"),
        ({"action": DEEP}, "'action' is a list"),
        ({"action": "backfill", "account": DEEP}, "'account' is a list"),
        ({"action": "provision", "functions": [DEEP]}, "'functions[0]' is a list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_names_its_key(payload: dict[str, Any], message: str) -> None:
    """And what is wrong with it, as short as can be."""
    with pytest.raises(InvalidRequestError, match=re.escape(message)) as caught:
        read(payload, place=PLACE)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("key", ["accounts", "regions"])
def test_what_is_refused_of_an_organization_names_its_key(key: str) -> None:
    """A list of anything but what it is to be a list of, or too long."""
    good = {"accounts": PLACE.account, "regions": PLACE.region}[key]
    for wrong, message in (
        (DEEP, f"'{key}[0]' is a"),
        ([good] * 10_001, f"'{key}' names 10001, and may name 10000 at most"),
        ({good: good}, f"'{key}' is a JSON object, not a list of"),
    ):
        with pytest.raises(InvalidRequestError, match=re.escape(message)):
            read({"action": "targets", key: wrong}, place=PLACE, organization=True)
    path = "o-a1b2c3d4e5/r-ab12/" + "ou-ab12-11111111/" * 300_000
    payload = {"action": "backfill", "account": PLACE.account, "regions": [PLACE.region], "organization_path": path}
    with pytest.raises(InvalidRequestError, match=r"'organization_path' is .* \(5100020 characters\), not like o-a1b"):
        read(payload, place=PLACE, organization=True)


def test_as_many_functions_as_there_is_time_for_may_be_named() -> None:
    """One more is one too many; see above."""
    read({"action": "provision", "functions": [f"f{number}" for number in range(MOST_FUNCTIONS)]}, place=PLACE)


@pytest.mark.parametrize("payload", [None, [], "action", {}, {"detail-type": "x"}, {"Action": "backfill"}])
def test_what_has_no_action_is_no_request(payload: object) -> None:
    """It is taken for an event."""
    assert not is_request(payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["functions", "dry_run", "cursor", "time_budget_seconds", "max_outcomes", "account", "region"]


@given(action=st.sampled_from(["backfill", "provision"]) | JSON, rest=st.dictionaries(st.sampled_from(KEYS), JSON))
def test_nothing_else_comes_of_a_payload(action: object, rest: dict[str, Any]) -> None:
    """A request, or an error with a message: whatever JSON it is."""
    try:
        assert isinstance(read({"action": action, **rest}, place=PLACE), Backfill | Provision)
    except InvalidRequestError as error:
        assert str(error).startswith("'")  # noqa: PT017 - either is right
