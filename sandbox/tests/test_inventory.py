"""Taking stock of an account in the sandbox: functions, their tags and groups in pages, and the quota of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws.client import SandboxClient, SandboxProcess
from support import client, package

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, REGION = "810987654321", "eu-north-1"
NAMES = [f"function-{number:03}" for number in range(123)]


class Account:
    """Clients of the sandbox, and functions of which two in three have ten tags each."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox
        names = ("iam", "lambda", "resourcegroupstaggingapi", "service-quotas")
        self.clients = {name: client(sandbox, name, region=REGION) for name in names}
        role = self.clients["iam"].create_role(RoleName="functions", AssumeRolePolicyDocument="{}")
        self._role = role["Role"]["Arn"]
        for number in range(len(NAMES)):
            self.create(number)

    def create(self, number: int) -> None:
        """Create the function of that number."""
        self.clients["lambda"].create_function(
            FunctionName=NAMES[number],
            Runtime="python3.13",
            Handler="app.main",
            Role=self._role,
            Code={"ZipFile": package()},
            Tags=tags(number),
        )

    def delete(self, number: int) -> None:
        """Delete it."""
        self.clients["lambda"].delete_function(FunctionName=NAMES[number])

    def functions(self, **page: Any) -> dict[str, Any]:  # noqa: ANN401 - any parameter
        """One page of functions."""
        return dict(self.clients["lambda"].list_functions(**page))

    def tagged(self, **page: Any) -> dict[str, Any]:  # noqa: ANN401 - any parameter
        """One page of functions' tags."""
        tagging = self.clients["resourcegroupstaggingapi"]
        return dict(tagging.get_resources(ResourceTypeFilters=["lambda:function"], ResourcesPerPage=80, **page))


def tags(number: int) -> dict[str, str]:
    """The tags of a function."""
    return {f"key-{key}": f"{number}" for key in range(10)} if number % 3 else {}


def arn(name: str) -> str:
    """The ARN of a function."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """An account full of functions."""
    with SandboxProcess(options=["--account", ACCOUNT, "--region", REGION]) as sandbox:
        yield Account(sandbox)


def test_functions_come_fifty_at_a_time_whatever_is_asked_for(account: Account) -> None:
    """Each once, without the state that AWS leaves out of a list."""
    pages = [account.functions(MaxItems=10_000)]
    while marker := pages[-1].get("NextMarker"):
        pages.append(account.functions(MaxItems=10_000, Marker=marker))

    assert [len(page["Functions"]) for page in pages] == [50, 50, 23]
    listed = [function for page in pages for function in page["Functions"]]
    assert sorted(function["FunctionName"] for function in listed) == NAMES
    assert {function["FunctionArn"] for function in listed} == {arn(name) for name in NAMES}
    assert not [function for function in listed if "State" in function or "LastUpdateStatus" in function]
    assert len(account.functions(MaxItems=7)["Functions"]) == 7


def test_tagged_functions_come_in_pages_with_all_their_tags(account: Account) -> None:
    """As many resources as asked for, however many tags they have; the last page's token is empty."""
    first = account.tagged()
    again = account.tagged(PaginationToken=first["PaginationToken"])
    last = account.tagged(PaginationToken=first["PaginationToken"])

    assert (len(first["ResourceTagMappingList"]), last["PaginationToken"]) == (80, "")
    assert again["ResourceTagMappingList"] == last["ResourceTagMappingList"]
    mappings = first["ResourceTagMappingList"] + last["ResourceTagMappingList"]
    assert {mapping["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in mapping["Tags"]} for mapping in mappings} == {
        arn(name): tags(number) for number, name in enumerate(NAMES) if tags(number)
    }


def test_a_page_survives_what_comes_and_goes_before_it_is_asked_for(account: Account) -> None:
    """What was there all the time is listed once, whatever became of the last function of the page before."""
    first = account.functions()
    account.delete(49)
    second = account.functions(Marker=first["NextMarker"])
    account.create(49)

    listed = [function["FunctionName"] for function in first["Functions"] + second["Functions"]]
    assert listed == NAMES[:100]


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("lambda", lambda client: client.list_functions(Marker="of my own"), "InvalidParameterValueException"),
        (
            "resourcegroupstaggingapi",
            lambda client: client.get_resources(PaginationToken="of my own"),
            "PaginationTokenExpiredException",
        ),
    ],
)
def test_token_of_ones_own_is_refused(account: Account, service: str, call: Any, code: str) -> None:  # noqa: ANN401 - a lambda over an untyped client
    """With the service's own error."""
    with pytest.raises(ClientError) as caught:
        call(account.clients[service])

    assert caught.value.response["Error"]["Code"] == code


def test_quota_of_groups_is_the_one_that_is_enforced(account: Account) -> None:
    """Service Quotas tells what the sandbox was set to; of other quotas it knows moto's."""
    quotas = account.clients["service-quotas"]
    wanted = {"ServiceCode": "codeguru-profiler", "QuotaCode": "L-DA8D4E8D"}

    before = quotas.get_service_quota(**wanted)["Quota"]["Value"]
    account.sandbox.set_quota(7)
    after = quotas.get_service_quota(**wanted)["Quota"]["Value"]

    assert (before, after) == (500.0, 7.0)
    with pytest.raises(ClientError) as caught:
        quotas.get_service_quota(ServiceCode="codeguru-profiler", QuotaCode="L-OTHER")
    assert caught.value.response["Error"]["Code"] == "NoSuchResourceException"


def test_more_groups_are_granted_at_once_and_no_fewer_than_there_may_be(account: Account) -> None:
    """A request for as many as there may be already is refused."""
    quotas = account.clients["service-quotas"]
    wanted = {"ServiceCode": "codeguru-profiler", "QuotaCode": "L-DA8D4E8D"}
    account.sandbox.set_quota(7)

    asked = quotas.request_service_quota_increase(**wanted, DesiredValue=8.0)["RequestedQuota"]

    assert (asked["Status"], asked["DesiredValue"]) == ("APPROVED", 8.0)
    assert quotas.get_service_quota(**wanted)["Quota"]["Value"] == 8.0
    with pytest.raises(ClientError) as caught:
        quotas.request_service_quota_increase(**wanted, DesiredValue=8.0)
    assert caught.value.response["Error"]["Code"] == "IllegalArgumentException"
