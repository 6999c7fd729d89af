"""Payloads of any kind: garbage, and events, requests and cursors with something wrong in them."""

from __future__ import annotations

import json
import re
import tracemalloc
from base64 import urlsafe_b64decode, urlsafe_b64encode
from copy import deepcopy
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiling_groups import requests
from profiling_groups.cursors import StaleCursorError
from profiling_groups.deadline import DeadlineError
from profiling_groups.events import InvalidEventError
from profiling_groups.functions import Place
from profiling_groups.handler import ProvisioningError, handler
from profiling_groups.inventory import InventoryError
from profiling_groups.requests import InvalidRequestError
from tests.records import envelope, record
from tests.unit.account import ACCOUNT, REGION
from tests.unit.invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

    from tests.records import Json
    from tests.unit.account import Account
    from tests.unit.invocation import Traces
    from tests.unit.sweeping import Sweeper

REFUSALS = (InvalidEventError, InvalidRequestError, StaleCursorError)
DOCUMENTED = (*REFUSALS, InventoryError, ProvisioningError, DeadlineError)
"""What the handler may raise; after a refusal no call was made."""
NO_TRIGGER = ("not_a_trigger", "api_call_failed")
NAME = "invoice-renderer"
EVENTS: list[Json] = [
    json.loads(json.dumps(envelope(record(name))).replace("444455556666", ACCOUNT).replace("eu-west-1", REGION))
    for name in ("create-function", "tag-resource", "untag-resource", "create-function-refused", "update-function-code")
]
SHORT_EVENT: Json = {
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "AWS API Call via CloudTrail",
    "source": "aws.lambda",
    "account": ACCOUNT,
    "region": REGION,
    "detail": {
        "eventSource": "lambda.amazonaws.com",
        "eventName": "UntagResource20170331v2",
        "eventID": "0e4a3b9c-1c5f-4f0e-9d6e-2f9f0c1d2e3f",
        "recipientAccountId": ACCOUNT,
        "awsRegion": REGION,
        "requestParameters": {"resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}", "tagKeys": ["team"]},
        "responseElements": {"functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"},
    },
}
"""An event with all that is looked at, and nothing else."""
REQUESTS: list[Json] = [
    {
        "action": "provision",
        "functions": [NAME, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"],
        "dry_run": False,
    },
    {
        "action": "backfill",
        "dry_run": False,
        "cursor": None,
        "time_budget_seconds": 60,
        "max_outcomes": 10,
        "account": ACCOUNT,
        "region": REGION,
    },
]
ORGANIZATION_REQUESTS: list[Json] = [
    *REQUESTS,
    {"action": "targets", "accounts": [ACCOUNT], "regions": [REGION]},
    {
        "action": "backfill",
        "account": ACCOUNT,
        "regions": [REGION, "us-east-1"],
        "organization_path": "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/",
        "dry_run": True,
        "cursor": None,
        "time_budget_seconds": None,
        "max_outcomes": None,
    },
]
MOST_CHARACTERS = 2_000
"""In the message of an error."""
MEGABYTES = 6_000_000
"""The largest payload that Lambda takes, in bytes."""
MOST_MEMORY = 200_000_000


def nested(depth: int) -> list[Any]:
    """Return a list within a list, so many times."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def places(document: object) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a document: the list or object, and the index or key there."""
    match document:
        case dict():
            items: Any = list(document.items())
        case list():
            items = list(enumerate(document))
        case _:
            return
    for key, value in items:
        yield document, key
        yield from places(value)


def words(document: object) -> Iterator[str]:
    """Yield the strings in a document, and its keys."""
    for where, key in places(document):
        yield from (each for each in (key, where[key]) if isinstance(each, str))


# Valid Unicode or not.
TEXT = st.text(st.characters(exclude_categories=()), max_size=12)
WORDS = st.sampled_from(
    sorted(
        {
            *words([EVENTS, ORGANIZATION_REQUESTS]),
            *("eusc-de-east-1", "us-gov-west-1", "111122223333", "arn:aws:lambda:us-east-1:111122223333:function:f"),
            *("functionName", "resource", "tagKeys", "errorCode", "sharedEventID", ""),
        }
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | WORDS, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, documents: list[Json]) -> Json:
    """Return a document with up to three things wrong in it: values, keys that are gone, keys that are new."""
    found = deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(1, 3))):
        where, key = draw(st.sampled_from(list(places([found]))[1:] or [(found, "action")]))
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "remove" if key in where or isinstance(key, int):
                del where[key]
            case "add" if isinstance(where, dict):
                where[draw(TEXT | WORDS)] = draw(JSON)
            case _:
                where[key] = draw(JSON)
    return found


class Function:
    """The function in an account of its own, whose every call is looked at."""

    def __init__(self, account: Account, traces: Traces) -> None:
        self._traces = traces
        self._calls: list[str] = []
        account.function(NAME, tags={"team": "billing"})
        account.function("orders-api")
        account.answer_by(self._answer)

    def _answer(self, request: AWSPreparedRequest, operation: str, carry_out: Callable[[], AWSResponse]) -> AWSResponse:
        self._calls.append(operation)
        assert request.url.split(".")[1] == REGION, request.url
        accounts = re.findall(r":([0-9]{12}):", unquote(f"{request.url} {request.body!r}"))
        assert set(accounts) <= {ACCOUNT}, request.url
        return carry_out()

    def invoke(self, payload: object) -> Json | Exception:
        """Return what it returns or raises, having checked what must hold of that, and of what it left behind."""
        self._calls.clear()
        self._traces.log.seek(0)
        self._traces.log.truncate()
        found: Json | Exception
        try:
            found = handler(payload, Context())
            _parse(json.dumps(found, ensure_ascii=False))
            assert not (found.get("reason") in NO_TRIGGER and self._calls)
        except DOCUMENTED as error:
            found = error
        if isinstance(found, Exception):
            assert len(str(found).encode()) < MOST_CHARACTERS
            assert not (isinstance(found, REFUSALS) and self._calls)
        for line in (self._traces.log.getvalue() + self._traces.capsys.readouterr().out).splitlines():
            _parse(line)
        return found


def _parse(text: str) -> None:
    """Read JSON as the strict do: UTF-8, and no number that is none."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    json.loads(text.encode(), parse_constant=refuse)


@pytest.fixture
def function(obey: object, sweeper: Sweeper, traces: Traces) -> Function:
    """The function, under the policy that ships."""
    assert obey
    return Function(sweeper.account, traces)


# The account is the same for all examples: nothing that holds depends on what others have left in it.
fuzzed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)


@fuzzed
@given(payload=JSON)
def test_garbage_is_refused(function: Function, payload: object) -> None:
    """Whatever JSON it is, or nearly JSON."""
    function.invoke(payload)


@fuzzed
@given(event=mutated(EVENTS))
def test_events_with_something_wrong_do_no_harm(function: Function, event: Json) -> None:
    """They are refused, ignored, or about a function of the account."""
    function.invoke(event)


@fuzzed
@given(request=mutated(REQUESTS))
def test_requests_with_something_wrong_do_no_harm(function: Function, request: Json) -> None:
    """They are refused, or done here."""
    function.invoke(request)


@fuzzed
@given(request=mutated(ORGANIZATION_REQUESTS))
def test_an_organizations_requests_are_understood_or_refused(request: Json) -> None:
    """By a hub, which understands more."""
    if not requests.is_request(request):
        return
    try:
        found: object = requests.read(request, place=Place(account=ACCOUNT, region=REGION), organization=True)
    except InvalidRequestError as error:
        found = str(error)
    assert isinstance(found, requests.Request) or len(str(found).encode()) < MOST_CHARACTERS


def opened(cursor: str) -> Json:
    """Return what is in a cursor."""
    found: Json = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[12:])
    return found


def is_writable(value: object) -> bool:
    """Whether Python writes a value as JSON."""
    try:
        return bool(json.dumps(value))
    except (RecursionError, ValueError):
        return False


def sealed(state: object) -> str:
    """Return a cursor with this in it, as anybody can make one."""
    text = json.dumps(state).encode()
    return urlsafe_b64encode(sha256(text).hexdigest()[:12].encode() + text).decode().rstrip("=")


@pytest.fixture
def state(function: Function) -> Json:
    """What is in a cursor with which a backfill goes on."""
    run = function.invoke({"action": "backfill", "time_budget_seconds": 0})
    assert isinstance(run, dict)
    return opened(run["cursor"])


@fuzzed
@given(data=st.data())
def test_cursors_with_something_wrong_do_no_harm(function: Function, state: Json, data: st.DataObject) -> None:
    """They are refused, or a run goes on from there."""
    cursor = sealed(data.draw(mutated([state]) | JSON))
    function.invoke({"action": "backfill", "cursor": cursor, "dry_run": data.draw(st.booleans())})


def test_no_value_anywhere_in_a_cursor_does_harm(function: Function, state: Json) -> None:
    """As in other payloads."""
    for changed in spoiled(state, [each for each in EXTREMES if is_writable(each)]):
        function.invoke({"action": "backfill", "cursor": sealed(changed)})


EXTREMES: tuple[object, ...] = (
    *(None, True, -1, 10**400, -(10**5_000), float("nan"), float("-inf")),
    *("", "\ud800", "x" * 100_000, [], {}, nested(100_000), {"a": nested(100_000)}),
)
HUGE = ("x" * MEGABYTES, "a:" * (MEGABYTES // 2), "ou-ab12-11111111/" * (MEGABYTES // 17), "\ud800" * (MEGABYTES // 3))


def spoiled(document: Json, values: Sequence[object]) -> Iterator[Json]:
    """Yield a document with each of these values in each place, and as each key."""
    for where, key in list(places(document)):
        before = where[key]
        for value in values:
            where[key] = value
            yield document
        where[key] = before
        if isinstance(where, dict):
            for value in values:
                if isinstance(value, str | int | float):
                    where[value] = where.pop(key)
                    yield document
                    where[key] = where.pop(value)


@pytest.mark.parametrize("document", [SHORT_EVENT, *REQUESTS], ids=["event", "provision", "backfill"])
def test_no_value_anywhere_does_harm(function: Function, document: Json) -> None:
    """Numbers that are none, or beyond all range; nested beyond all depth."""
    for payload in spoiled(deepcopy(document), EXTREMES):
        function.invoke(payload)


@pytest.mark.parametrize("document", [SHORT_EVENT, *REQUESTS], ids=["event", "provision", "backfill"])
def test_a_huge_payload_takes_little_memory(function: Function, document: Json) -> None:
    """No regular expression, search for similar keys or message makes much more of it."""
    tracemalloc.start()
    try:
        for payload in spoiled(deepcopy(document), HUGE):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            function.invoke(payload)
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < MOST_MEMORY
    finally:
        tracemalloc.stop()
