"""Wrong answers of AWS, for every call that an event or a backfill makes; what must hold whatever comes back."""

from __future__ import annotations

import json
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
from hypothesis import settings

from profiling_groups import handler
from profiling_groups.handler import ProvisioningError
from profiling_groups.inventory import InventoryError
from profiling_groups.outcomes import REASONS, Action
from profiling_groups.policy import GroupSettings, Lifecycle, Policy, WhenDeleted
from sandbox.moto_services.codeguruprofiler.models import codeguruprofiler_backends
from tests.records import envelope, record
from tests.unit.account import ACCOUNT, REGION
from tests.unit.invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.exceptions import HTTPClientError

    from tests.records import Json
    from tests.unit.account import Account
    from tests.unit.sweeping import Sweeper

OPERATIONS = (
    *("GetFunctionConfiguration", "ListTags", "ListFunctions", "GetResources", "GetServiceQuota"),
    *("CreateProfilingGroup", "DescribeProfilingGroup", "ListProfilingGroups", "ListTagsForResource"),
    *("TagResource", "UntagResource", "DeleteProfilingGroup", "GetPolicy", "PutPermission"),
)
POLICY = Policy(
    group=GroupSettings(grant_agent=True),
    lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0),
)
BODIES = (b"", b"{", b"<html>", b"{}", b"[]", b"null", b'"x"', b"7", b"\xff\xfe", b'{"message": "ok"}', b'{"x": NaN}')
ERRORS = (
    (400, "ValidationException"),
    (402, "ServiceQuotaExceededException"),
    (403, "AccessDeniedException"),
    (404, "ResourceNotFoundException"),
    (409, "ConflictException"),
    (418, ""),
    (429, "ThrottlingException"),
    (500, "InternalServerException"),
)
# An empty list would be a lie that nobody can see through; the rest is not an answer of the API's.
WRONG_VALUES = (None, 7, "x", {"x": 1}, [7], True)
Spoil: TypeAlias = "Callable[[AWSPreparedRequest, Callable[[], AWSResponse], Random], AWSResponse | Exception]"
"""Answers a call in place of AWS, given what carries it out."""


def function_arn(name: str) -> str:
    """Return the ARN of a function of the account."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def created_for(name: str) -> dict[str, str]:
    """Return the mark of a group that was created for a function."""
    return {"profiling-group-provisioner:created-for": function_arn(name)}


def errors(status: int, code: str) -> Spoil:
    """Return what answers with an error, without carrying the call out."""
    return lambda request, _, __: _response(request, status, b'{"message": "m"}', code)


def breaks(error: type[HTTPClientError]) -> Spoil:
    """Return what breaks the connection before the call is carried out."""
    return lambda request, _, __: error(endpoint_url=request.url)


def says(body: bytes, *, carries_out: bool) -> Spoil:
    """Return what carries the call out, or does not, and answers with success and another body."""

    def spoil(request: AWSPreparedRequest, carry_out: Callable[[], AWSResponse], _: Random) -> AWSResponse:
        if carries_out:
            carry_out()
        return _response(request, 200, body)

    return spoil


def mutates(request: AWSPreparedRequest, carry_out: Callable[[], AWSResponse], random: Random) -> AWSResponse:
    """Answer with one key gone, or with a value that cannot be one of the API's."""
    document = json.loads(carry_out().content or b"{}")
    if places := list(_places(document)):
        where, key = random.choice(places)
        if random.random() < 0.5:
            del where[key]
        else:
            where[key] = random.choice(WRONG_VALUES)
    return _response(request, 200, json.dumps(document).encode())


SPOILS = (
    *(errors(*each) for each in ERRORS),
    *(breaks(each) for each in (ConnectionClosedError, ReadTimeoutError)),
    *(says(body, carries_out=True) for body in BODIES),
    # An empty answer is what some operations give, and would be a lie that nobody can see through.
    *(says(body, carries_out=False) for body in BODIES if body not in (b"", b"{}")),
    *[mutates] * (settings().max_examples // 10),
)
"""Every kind of wrong answer; of the random ones, more in `make fuzz`."""


class Wire:
    """Spoils the answers of one operation.

    Args:
        operation: Whose answers are wrong.
        spoil: How they are.
        random: Chooses what is left to chance.

    Attributes:
        regions: To which calls went.
        spoiled: How many answers were wrong.
    """

    def __init__(self, operation: str, spoil: Spoil, random: Random) -> None:
        self._operation = operation
        self._spoil = spoil
        self._random = random
        self.regions: set[str] = set()
        self.spoiled = 0

    def answer(
        self, request: AWSPreparedRequest, operation: str, carry_out: Callable[[], AWSResponse]
    ) -> AWSResponse | Exception:
        """Answer a call in place of AWS: the first of the operation is wrong, later ones most often."""
        self.regions.add(request.url.split(".")[1])
        if operation != self._operation or (self.spoiled and self._random.random() < 0.3):
            return carry_out()
        self.spoiled += 1
        return self._spoil(request, carry_out, self._random)


def _places(document: Any) -> Iterator[tuple[dict[str, Any], str]]:  # noqa: ANN401 - JSON
    """Yield the keys that an answer has by the API model: one tag less would be a lie that nobody can see through."""
    match document:
        case dict():
            for key, value in document.items():
                yield document, key
                if key not in ("Tags", "tags", "Variables"):
                    yield from _places(value)
        case list():
            for value in document:
                yield from _places(value)


def _response(request: AWSPreparedRequest, status: int, body: bytes, code: str = "") -> AWSResponse:
    raw = BytesIO(body)
    raw.stream = lambda: iter([raw.read()])  # type: ignore[attr-defined]  # all that botocore asks of it
    return AWSResponse(request.url, status, HeadersDict({"x-amzn-ErrorType": code} if code else {}), raw)  # type: ignore[arg-type]  # as botocore makes it


NEEDED = ("aws-lambda-living", "aws-lambda-drifted", "theirs", "aws-lambda-foreign", "aws-lambda-named")


@pytest.fixture
def inhabited(account: Account) -> Account:
    """An account with a group of every kind, and functions that need, lack and refuse one."""
    account.function("new", tags={"team": "a"})
    account.function("living", tags={"team": "a"})
    account.make_group("aws-lambda-living", tags={**created_for("living"), "team": "a"})
    account.function("drifted", tags={"team": "a"})
    account.make_group("aws-lambda-drifted", tags={**created_for("drifted"), "team": "old"})
    account.function("foreign", tags={"team": "a"})
    account.make_group("aws-lambda-foreign", tags={"team": "infra"})
    account.function("untagged")
    account.make_group("aws-lambda-untagged", tags={})
    account.function("refusing", tags={"codeguru-profiler": "off"})
    account.function("user", variables={"AWS_CODEGURU_PROFILER_GROUP_NAME": "aws-lambda-named"})
    account.make_group("aws-lambda-named", tags=created_for("named"))
    account.make_group("theirs", tags={"team": "infra"})
    account.make_group("aws-lambda-gone", tags=created_for("gone"))
    account.sent.clear()
    return account


def check(account: Account, wire: Wire, outcomes: list[dict[str, Any]]) -> None:
    """Hold what was answered to what became of the account."""
    groups = {name: account.group(name)["tags"] for name in account.groups()}
    assert set(NEEDED) <= groups.keys(), "a group that is needed, or another's, was deleted"
    assert groups["theirs"] == groups["aws-lambda-foreign"] == {"team": "infra"}, "another's group was written to"
    assert "aws-lambda-refusing" not in groups, "an opted-out function got a group"
    assert wire.regions <= {REGION}
    for each in outcomes:
        action, reason = Action(each["action"]), each["reason"]
        assert reason is None or reason in REASONS[action]
        if action is Action.CREATED:
            assert each["group"] in groups, "a creation is claimed that did not happen"
        if action is Action.DELETED:
            assert each["group"] not in groups, "a deletion is claimed that did not happen"
        if action is Action.UPDATED:
            assert groups[each["group"]].get("team", "a") == "a", "an update is claimed that did not happen"
    json.dumps(outcomes, allow_nan=False, ensure_ascii=False).encode()


def creation(name: str) -> Json:
    """Return the event of a function's creation."""
    detail = record("create-function") | {"recipientAccountId": ACCOUNT, "awsRegion": REGION, "responseElements": None}
    detail["requestParameters"]["functionName"] = name
    return envelope(detail) | {"account": ACCOUNT, "region": REGION}


def invoke(account: Account, wire: Wire, event: Json) -> None:
    """Invoke the handler with wrong answers, check what must hold, and put the groups back."""
    backend = codeguruprofiler_backends[ACCOUNT][REGION]
    before = dict(backend._groups)  # noqa: SLF001 - the groups are values; nothing else puts them back as quickly
    account.answer_by(wire.answer)
    try:
        answer = handler.handler(event, Context())
    except (ProvisioningError, InventoryError):
        answer = {"outcomes": []}
    account.recover()
    check(account, wire, answer.get("outcomes", [answer]))
    backend._groups.clear()  # noqa: SLF001 - as above
    backend._groups.update(before)  # noqa: SLF001 - as above


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("way", ["events", "backfill"])
def test_wrong_answers_lose_nothing_and_claim_nothing(
    inhabited: Account, sweeper: Sweeper, obey: Callable[[Policy], None], way: str, operation: str
) -> None:
    """Only documented errors; what is needed stays; nothing is claimed that did not happen."""
    assert sweeper.account is inhabited
    obey(POLICY)
    random = Random(operation)  # noqa: S311 - a choice of tests
    names = ("new", "drifted", "untagged", "foreign", "refusing")
    for event in [creation(name) for name in names] if way == "events" else [{"action": "backfill"}]:
        for spoil in random.sample(SPOILS, k=min(len(SPOILS), settings().max_examples // 10)):
            wire = Wire(operation, spoil, random)
            invoke(inhabited, wire, event)
            if not wire.spoiled:
                # No such call is made about this function.
                break
