"""Recorded events: a folder of CloudTrail records, through the deployed rule and function."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from demo.table import NOT_MATCHED, Result, Row
from embedded_aws.client import SandboxError
from embedded_aws.request_router import regions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from demo.account import Account
    from demo.records import Record
    from embedded_aws.client import SandboxClient

_BATCH = 100
# What the policy that ships listens to.
_HEARD = ("CreateFunction20150331", "TagResource20170331v2", "UntagResource20170331v2")
_WORKED_ON = ["created", "exists", "updated", "skipped"]


def choose_account_region(records: Sequence[Record]) -> tuple[str, str] | None:
    """Return the account and region for the sandbox to take as its own: those of most creations, else of most records.

    None where no record is of a region that has CodeGuru Profiler.
    """
    regions = regions_of("codeguru-profiler")
    near = [record for record in records if record["awsRegion"] in regions]
    counted = Counter(map(_account_region, [record for record in near if _is_creation(record)] or near))
    return counted.most_common(1)[0][0] if counted else None


def create_functions(records: Sequence[Record], account: Account, *, own: tuple[str, str]) -> list[str]:
    """Create the functions that the successful creations describe, without an event; say which could not be."""
    created = {_name(record): record for record in records if _is_creation(record) and _account_region(record) == own}
    problems = []
    account.logging(on=False)
    for name, record in created.items():
        try:
            account.awslambda.create_function(**_request(record, account))
        except (BotoCoreError, ClientError) as error:
            problems.append(f"function {name} of record {record['eventID']}: {error}")
    account.logging(on=True)
    return problems


def replay(  # noqa: PLR0913 - the records, where they go, and who is told
    records: Sequence[Record],
    account: Account,
    sandbox: SandboxClient,
    *,
    provisioner: str,
    own: tuple[str, str],
    say: Callable[[str], None],
) -> tuple[list[Row], list[str]]:
    """Put the records on the bus one after the other, wait for what becomes of them, and return it, a row a record.

    Args:
        records: Oldest first.
        account: The account that the sandbox plays.
        sandbox: Takes the records.
        provisioner: Name of the deployed function.
        own: Account and region that the sandbox plays.
        say: Called with how far it has come.

    Returns:
        The rows, and which records the bus did not take, each with the reason.
    """
    delivered = []
    problems = []
    for number, record in enumerate(records, start=1):
        try:
            delivered.append((record, *sandbox.put_cloudtrail(record)))
        except SandboxError as error:
            problems.append(f"record {record['eventID']}: {error}")
        if number % _BATCH == 0:
            say(f"{number} of {len(records)}")
            sandbox.wait_until_idle()
    sandbox.wait_until_idle()
    outcomes = {outcome.get("correlation_id"): outcome for outcome in account.outcomes(provisioner)}
    rows = []
    for record, delivery in delivered:
        outcome = outcomes.get(delivery["envelope_id"])
        result = account.result(outcome, matched=bool(delivery["matched_rules"]))
        actions = _WORKED_ON if _is_heard(record) and _account_region(record) == own else [NOT_MATCHED]
        # Which of them depends on the function; any will do.
        expected = [result] if result.action in actions else [Result(action=action) for action in actions]
        rows.append(
            Row(
                function=_name(record),
                what=_what(record, own=own),
                result=result,
                expected=expected,
            )
        )
    return rows, problems


def _is_heard(record: Record) -> bool:
    return (
        record["eventSource"] == "lambda.amazonaws.com"
        and record["eventName"] in _HEARD
        and record.get("errorCode") is None
    )


def _is_creation(record: Record) -> bool:
    return _is_heard(record) and record["eventName"] == "CreateFunction20150331"


def _account_region(record: Record) -> tuple[str, str]:
    return record["recipientAccountId"], record["awsRegion"]


def _name(record: Record) -> str:
    """Return the name of the function that a record is about, as far as it says."""
    for block, key in (
        ("responseElements", "functionName"),
        ("requestParameters", "functionName"),
        ("requestParameters", "resource"),
    ):
        elements = record.get(block)
        if isinstance(elements, dict) and isinstance(elements.get(key), str):
            name: str = elements[key]
            return name.rpartition(":function:")[2] or name
    return "-"


def _what(record: Record, *, own: tuple[str, str]) -> str:
    elsewhere = (
        ""
        if _account_region(record) == own
        else f" in account {_account_region(record)[0]}, {_account_region(record)[1]}"
    )
    service = str(record["eventSource"]).removesuffix(".amazonaws.com")
    refused = f", refused: {record['errorCode']}" if record.get("errorCode") else ""
    return f"{record['eventTime']} {service} {record['eventName']}{elsewhere}{refused}"


def _request(record: Record, account: Account) -> dict[str, Any]:
    """Return what CreateFunction is told so that the record's function comes about."""
    made: dict[str, Any] = record.get("responseElements") or {}
    asked: dict[str, Any] = record.get("requestParameters") or {}
    role = str(made.get("role") or asked.get("role") or "").rpartition("/")[2] or "function"
    request: dict[str, Any] = {
        "FunctionName": _name(record),
        "Role": account.role(role),
        "Tags": asked.get("tags") or {},
        "Architectures": made.get("architectures") or ["x86_64"],
    }
    if made.get("packageType", asked.get("packageType")) == "Image":
        return request | {"PackageType": "Image", "Code": {"ImageUri": "image:recorded"}}
    return request | {
        "Runtime": made.get("runtime") or asked.get("runtime"),
        "Handler": made.get("handler") or asked.get("handler") or "app.handler",
        "Code": {"ZipFile": b"no code is run"},
    }
