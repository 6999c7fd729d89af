"""Which accounts and regions an organization has that are governed, and where in it an account is."""

from __future__ import annotations

from collections import Counter
from itertools import cycle
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from profiling_groups import organization as subject
from profiling_groups.functions import UnreadableAnswerError
from profiling_groups.organization import Target
from profiling_groups.policy import Globs, Organization, Policy, Units
from tests.unit.account import REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_organizations import OrganizationsClient

    from tests.unit.organization import World

US = "us-east-1"


@pytest.fixture
def client(organization: World) -> OrganizationsClient:
    """The client that asks."""
    assert organization
    return boto3.client("organizations", region_name=REGION)


def test_a_path_leads_from_the_organization_down_to_the_account(
    organization: World, client: OrganizationsClient
) -> None:
    """In the form of aws:PrincipalOrgPaths; a unit's own ends with itself."""
    outer = organization.unit("outer")
    inner = organization.unit("inner", parent=outer)
    account, top = organization.account(unit=inner), organization.account()
    start = f"{organization.id}/{organization.root}/"
    for child, path in (
        (account, f"{start}{outer}/{inner}/"),
        (top, start),
        (inner, f"{start}{outer}/{inner}/"),
        (organization.root, start),
    ):
        assert subject.path(client, child, organization=organization.id) == path


def test_targets_are_the_active_accounts_of_the_units_with_their_governed_regions(
    organization: World, client: OrganizationsClient
) -> None:
    """Those below the units, and those that are named besides; each once, with its path."""
    outer, other = organization.unit("outer"), organization.unit("other")
    inner = organization.unit("inner", parent=outer)
    many = [organization.account(unit=outer) for _ in range(45)]
    deep, besides, elsewhere = (
        organization.account(unit=inner),
        organization.account(unit=other),
        organization.account(unit=other),
    )
    closed = organization.account(unit=outer)
    organization.close(closed)
    hub = organization.hub(ous=(outer, inner), accounts=(besides,), regions=(REGION, US))
    found = list(subject.targets(client, hub, Policy(), accounts=None, regions=None))
    start = f"{organization.id}/{organization.root}/"
    assert {each.account for each in found} == {*many, deep, besides}
    assert len(found) == 47
    assert {each.organization_path for each in found} == {
        f"{start}{outer}/",
        f"{start}{outer}/{inner}/",
        f"{start}{other}/",
    }
    assert {each.regions for each in found} == {(REGION, US)}
    assert elsewhere not in {each.account for each in found}


def test_what_the_policy_does_not_govern_is_no_target(organization: World, client: OrganizationsClient) -> None:
    """Nor what the request leaves out; an account without a region is none at all."""
    unit, spared = organization.unit("unit"), organization.unit("spared")
    first, second, third = (organization.account(unit=unit) for _ in range(3))
    organization.account(unit=spared)
    policy = Policy(
        organization=Organization(
            accounts=Globs(exclude=(second,)), ous=Units(exclude=(spared,)), regions=Globs(exclude=("us-*",))
        )
    )
    hub = organization.hub(ous=(unit, spared), regions=(REGION, US))
    path = f"{organization.id}/{organization.root}/{unit}/"

    def targets(**only: tuple[str, ...]) -> list[Target]:
        asked = {"accounts": None, "regions": None} | only
        return list(subject.targets(client, hub, policy, **asked))

    both = [Target(account=each, regions=(REGION,), organization_path=path) for each in (first, third)]
    assert targets() == both
    assert targets(accounts=(third, second)) == both[1:]
    assert targets(regions=(US,)) == []


class Answers:
    """Organizations' client, whose answers make no sense; or whatever else is given for an operation."""

    def __init__(self, **answers: object) -> None:
        self._answers = answers
        self.calls: Counter[str] = Counter()

    def __getattr__(self, operation: str) -> Callable[..., object]:
        def call(**request: str) -> object:
            self.calls[operation] += 1
            answer = self._answers[operation]
            return answer(**request) if callable(answer) else answer

        return call


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"Parents": []},
        {"Parents": [{"Id": 1}]},
        {"Parents": [{"Id": "ou-1"}]},
        lambda ChildId: {"Parents": [{"Id": "ou-2" if ChildId == "ou-1" else "ou-1"}]},  # noqa: N803 - the API's name
    ],
    ids=["nothing", "no parent", "no id", "its own parent", "round"],
)
def test_a_path_that_does_not_lead_to_a_root_is_refused(answer: object) -> None:
    """An account is nowhere else because of it."""
    client: Any = Answers(list_parents=answer)
    with pytest.raises(UnreadableAnswerError, match="does not name the parent of ou-"):
        subject.path(client, "ou-1", organization="o-1")


def test_units_that_contain_each_other_are_read_once(organization: World) -> None:
    """A listing of them ends, whatever it says."""
    below = {"r-1": [{"Id": "ou-1"}], "ou-1": [{"Id": "r-1"}, {"Id": "ou-1"}, {"Id": "ou-2"}], "ou-2": [{"Id": "ou-1"}]}
    client: Any = Answers(
        list_accounts_for_parent=lambda ParentId: {"Accounts": [{"Id": f"in {ParentId}", "State": "ACTIVE"}]},  # noqa: N803
        list_organizational_units_for_parent=lambda ParentId: {"OrganizationalUnits": below[ParentId]},  # noqa: N803
    )
    hub = organization.hub(ous=("r-1",))
    found = subject.targets(client, hub, Policy(), accounts=None, regions=None)
    assert [each.account for each in found] == ["in r-1", "in ou-1", "in ou-2"]


def test_accounts_that_are_listed_in_a_circle_are_not_listed(organization: World) -> None:
    """What was not listed is not "not there": no targets at all."""
    pages = cycle("abc")
    client: Any = Answers(list_accounts_for_parent=lambda **_: {"Accounts": [], "NextToken": next(pages)})
    hub = organization.hub(ous=("r-1",))
    with pytest.raises(UnreadableAnswerError, match="leads back"):
        list(subject.targets(client, hub, Policy(), accounts=None, regions=None))
    assert client.calls.total() == 4


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (
            {
                "MEMBER_ROLE_NAME": "R",
                "MEMBER_QUEUE_NAME": "Q",
                "ORGANIZATION_ID": "o-1",
                "ORGANIZATION_OUS": "r-1,ou-2",
                "ORGANIZATION_ACCOUNTS": "",
                "ORGANIZATION_REGIONS": "us-east-1",
                "REPORT_BUCKET": "b",
            },
            subject.Hub(
                organization="o-1",
                role_name="R",
                member_queue="Q",
                ous=("r-1", "ou-2"),
                accounts=(),
                regions=("us-east-1",),
                report_bucket="b",
            ),
        ),
    ],
    ids=["for its own account", "for an organization"],
)
def test_the_environment_tells_whether_there_is_an_organization(
    environment: dict[str, str], expected: subject.Hub | None
) -> None:
    """And all that a function has to know of it."""
    assert subject.hub(environment) == expected
