"""What the SDK is told to do in another way than by itself: with the same result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from botocore.utils import parse_timestamp

from profiling_groups import aws
from tests.unit.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.unit.account import Account


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-06T07:09:00.000Z",
        "2024-05-06T07:09:00Z",
        "2024-05-06T07:08:09.123+0200",
        "2024-05-06T07:09:00.123456-07:00",
        "Mon, 06 May 2024 07:09:00 GMT",
        "Tue, 07 May 2024 07:09:00 GMT",
        "20240506T070900Z",
        "1714979340",
        1714979340,
        1714979340.5,
    ],
)
def test_times_are_read_as_the_sdk_reads_them(text: str | float) -> None:
    """In whatever form a protocol has them; only sooner."""
    assert aws.read_time(text) == parse_timestamp(text)  # type: ignore[arg-type]  # its stubs know of no numbers


def test_what_is_no_time_is_refused_as_by_the_sdk() -> None:
    """An answer like that is one that cannot be read."""
    with pytest.raises(ValueError, match="Invalid timestamp"):
        aws.read_time("Tomorrow")


def test_sessions_read_times_that_way() -> None:
    """It is what the parsers of their clients' answers are made with."""
    factory = aws.session().get_component("response_parser_factory")
    assert factory._defaults["timestamp_parser"] is aws.read_time  # noqa: SLF001 - it tells by nothing else


@pytest.mark.parametrize("service", ["organizations", "s3", "sts"])
def test_a_client_of_one_service_leaves_the_retries_of_others_alone(
    service: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a service's own are: botocore would write them into those that all have."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    aws.client(service, region=REGION)
    built = aws.clients_of(aws.session(), REGION)
    account.watch(built.awslambda)
    for status, code in ((429, "TooManyRequestsException"), (400, "ThrottlingException"), (500, "ServiceException")):
        account.sent.clear()
        account.fail("ListTags", (status, code))
        with pytest.raises(ClientError):
            built.awslambda.list_tags(Resource=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders")
        assert account.sent == ["ListTags"] * 4, code
