"""Text that is not valid Unicode: the runtime encodes answers, messages and records, and would end where it cannot."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict

from profiling_groups.cursors import StaleCursorError
from profiling_groups.events import InvalidEventError
from profiling_groups.handler import ProvisioningError, handler
from profiling_groups.inventory import InventoryError
from profiling_groups.requests import InvalidRequestError
from tests.records import envelope, record
from tests.unit.account import ACCOUNT
from tests.unit.invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest

    from tests.records import Json
    from tests.unit.account import Account
    from tests.unit.invocation import Traces
    from tests.unit.sweeping import Sweeper

pytestmark = pytest.mark.usefixtures("obey")

DOCUMENTED = (InvalidEventError, InvalidRequestError, StaleCursorError, InventoryError, ProvisioningError)
CREATION: Json = json.loads(json.dumps(envelope(record("create-function"))).replace("444455556666", ACCOUNT))
NAME = "invoice-renderer"
PROVISION: Json = {"action": "provision", "functions": [NAME]}
BACKFILL: Json = {"action": "backfill"}
LONE = "\ud800"
IN_JSON = r"\ud800"


def invoke(payload: object, traces: Traces) -> Json | Exception:
    """Invoke the handler as the runtime does: with what it returns or raises encoded, and what it logs."""
    found: Json | Exception
    try:
        found = handler(payload, Context())
        json.dumps(found, ensure_ascii=False).encode()
    except DOCUMENTED as error:
        str(error).encode()
        found = error
    traces.log.getvalue().encode()
    traces.capsys.readouterr().out.encode()
    assert all(each["timestamp"] for each in traces.records())
    return found


class Rewritten:
    """An account whose answers are rewritten on their way.

    Attributes:
        account: The account.
        texts: JSON that is written in place of other JSON.
        refused: An operation that is refused, with a message that is no valid Unicode.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.texts: dict[str, str] = {}
        self.refused: str | None = None
        self.account.answer_by(self._answer)

    def _answer(self, request: AWSPreparedRequest, operation: str, carry_out: Callable[[], AWSResponse]) -> AWSResponse:
        if operation == self.refused:
            return _response(
                request.url, 403, {"x-amzn-ErrorType": "AccessDeniedException"}, f'{{"message":"{IN_JSON}"}}'
            )
        answer = carry_out()
        body = answer.text
        for text, other in self.texts.items():
            body = body.replace(text, other)
        return _response(answer.url, answer.status_code, answer.headers, body)


def _response(url: str, status: int, headers: Any, body: str) -> AWSResponse:  # noqa: ANN401 - as botocore makes it
    raw: Any = SimpleNamespace(stream=lambda: iter([body.encode()]))
    return AWSResponse(url, status, HeadersDict(headers), raw)  # type: ignore[arg-type]  # as botocore makes it


@pytest.fixture
def rewritten(sweeper: Sweeper) -> Rewritten:
    """An account with two functions."""
    account = sweeper.account
    account.function(NAME, tags={"team": "billing"})
    account.function("other", variables={"AWS_CODEGURU_PROFILER_GROUP_NAME": "theirs"}, runtime="java21")
    return Rewritten(account)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("python3.13", IN_JSON),
        ("python3.13", f"python3.{IN_JSON}"),
        ("theirs", f"their{IN_JSON}s"),
        ("billing", IN_JSON),
        ('"team"', f'"{IN_JSON}"'),
        ("x86_64", IN_JSON),
        ("role/function", f"role/{IN_JSON}"),
        (":other", f":{IN_JSON}"),
        ('"other"', f'"{IN_JSON}"'),
    ],
)
@pytest.mark.parametrize(
    "payload", [CREATION, PROVISION | {"functions": [NAME, "other"]}, BACKFILL], ids=["event", "provision", "backfill"]
)
def test_a_function_with_such_text_does_no_harm(
    text: str, other: str, payload: Json, rewritten: Rewritten, traces: Traces
) -> None:
    """Whatever of it is so: there is an outcome for each function, and a backfill completes."""
    rewritten.texts = {text: other}
    found = invoke(payload, traces)
    if payload is BACKFILL:
        assert isinstance(found, dict)
        assert (found["complete"], sum(found["counts"].values())) == (True, 2)


@pytest.mark.parametrize("operation", ["GetFunctionConfiguration", "CreateProfilingGroup", "ListFunctions"])
@pytest.mark.parametrize("payload", [CREATION, PROVISION, BACKFILL], ids=["event", "provision", "backfill"])
def test_an_error_message_with_such_text_does_no_harm(
    operation: str, payload: Json, rewritten: Rewritten, traces: Traces
) -> None:
    """Of an exception, or in an outcome."""
    rewritten.refused = operation
    found = invoke(payload, traces)
    if operation != "ListFunctions" or payload is BACKFILL:
        said = str(found) if isinstance(found, Exception) else found["outcomes"][0]["detail"]
        assert said.endswith(r": \ud800")


@pytest.mark.parametrize(
    "payload",
    [
        LONE,
        [LONE],
        {LONE: LONE},
        CREATION | {"id": LONE},
        CREATION | {"account": LONE},
        CREATION | {"source": LONE},
        CREATION | {"detail-type": LONE},
        CREATION | {"detail": CREATION["detail"] | {"eventName": LONE}},
        CREATION | {"detail": CREATION["detail"] | {"errorCode": LONE}},
        CREATION | {"detail": CREATION["detail"] | {"eventID": LONE}},
        CREATION | {"detail": CREATION["detail"] | {"recipientAccountId": LONE}},
        CREATION
        | {"detail": CREATION["detail"] | {"responseElements": None, "requestParameters": {"functionName": LONE}}},
        {"action": LONE},
        BACKFILL | {LONE: None},
        BACKFILL | {"cursor": LONE},
        PROVISION | {"functions": [LONE]},
        PROVISION | {"functions": [f"function:{NAME}:{LONE}"]},
    ],
    ids=ascii,
)
def test_a_payload_with_such_text_does_no_harm(payload: object, rewritten: Rewritten, traces: Traces) -> None:
    """It is refused, or it does not matter."""
    assert rewritten.account.sent == []
    invoke(payload, traces)
