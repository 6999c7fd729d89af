"""The organization that a hub governs: which accounts there are, and where in it each of them is.

`reach` and `requested` ask, in an organization. The client is an argument: no boto3 here. It is that of the management
account, or of one that is delegated administrator of some service (Organizations API reference).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from profiling_groups import listing
from profiling_groups.functions import UnreadableAnswerError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from mypy_boto3_organizations import OrganizationsClient

    from profiling_groups.policy import Policy

_ACTIVE = "ACTIVE"
_ROOT = "ROOT"


@dataclass(frozen=True, kw_only=True)
class Hub:
    """What a deployment that governs an organization was told at synth.

    Attributes:
        organization: Id of the organization.
        role_name: Name of the role in each account that may be assumed from here.
        member_queue: Name of the dead-letter queue in each account and region.
        ous: Ids of organizational units, or of the root, whose accounts are governed.
        accounts: Ids of accounts that are governed besides.
        regions: Regions in which they are.
        report_bucket: Where lists of targets go; None for the function that needs none.
    """

    organization: str
    role_name: str
    member_queue: str
    ous: tuple[str, ...]
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    report_bucket: str | None

    def has_unit_above(self, organization_path: str) -> bool:
        """Whether an account at a path is in one of the units that are governed, or in a unit below."""
        organization, *units = organization_path.split("/")
        return organization == self.organization and not set(self.ous).isdisjoint(units)


@dataclass(frozen=True, kw_only=True)
class Target:
    """An account, and the regions of it, that a sweep is to look at.

    Attributes:
        account: Account id.
        regions: Region codes, in order.
        organization_path: Where the account is, as in `aws:PrincipalOrgPaths`.
    """

    account: str
    regions: tuple[str, ...]
    organization_path: str


def hub(environment: Mapping[str, str]) -> Hub | None:
    """Return what the environment of the function says; None where it is deployed for its own account alone."""

    def listed(name: str) -> tuple[str, ...]:
        return tuple(part for part in environment.get(name, "").split(",") if part)

    if "MEMBER_ROLE_NAME" not in environment:
        return None
    return Hub(
        organization=environment["ORGANIZATION_ID"],
        role_name=environment["MEMBER_ROLE_NAME"],
        member_queue=environment["MEMBER_QUEUE_NAME"],
        ous=listed("ORGANIZATION_OUS"),
        accounts=listed("ORGANIZATION_ACCOUNTS"),
        regions=listed("ORGANIZATION_REGIONS"),
        report_bucket=environment.get("REPORT_BUCKET"),
    )


def path(client: OrganizationsClient, child: str, *, organization: str) -> str:
    """Return where an account, or a unit, is: `o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/`, a unit itself included.

    Costs one call for each unit above it, and one for the root.

    Raises:
        botocore.exceptions.ClientError: It is not in the organization (ChildNotFoundException), or the caller may not
            ask.
        UnreadableAnswerError: An answer does not name its one parent, or one that is below it.
    """
    steps: list[str] = [] if child.isdigit() else [child]
    while not child.startswith("r-"):
        match client.list_parents(ChildId=child):
            case {"Parents": [{"Id": str(parent)}]} if parent not in steps:
                steps.append(child := parent)
            case _:
                raise UnreadableAnswerError(f"the answer to list_parents does not name the parent of {child}")
    return "/".join([organization, *reversed(steps)]) + "/"


def targets(
    client: OrganizationsClient,
    hub: Hub,
    policy: Policy,
    *,
    accounts: Collection[str] | None,
    regions: Collection[str] | None,
) -> Iterator[Target]:
    """Yield the accounts that are active and governed, each once, with their governed regions.

    Costs one call for each 20 accounts of a unit and for each 20 units in it, and a few more for each account that is
    governed besides.

    Args:
        client: Organizations'.
        hub: What is governed.
        policy: What it leaves out again.
        accounts: Only these; None for all.
        regions: Only these; None for all.

    Raises:
        botocore.exceptions.ClientError: There is no such unit or account, or the caller may not ask.
        UnreadableAnswerError: An answer is not one to what was asked.
        DeadlineError: The invocation ran out of time.
    """
    seen: set[str] = set()
    wanted = None if accounts is None else frozenset(accounts)
    for account, where in _members(client, hub):
        if account in seen or (wanted is not None and account not in wanted):
            continue
        seen.add(account)
        governed = tuple(
            region
            for region in hub.regions
            if (regions is None or region in regions)
            and policy.ungoverned(account=account, region=region, organization_path=where) is None
        )
        if governed:
            yield Target(account=account, regions=governed, organization_path=where)


def _members(client: OrganizationsClient, hub: Hub) -> Iterator[tuple[str, str]]:
    """Yield the ids of the active accounts, with their paths; one that is named in several ways comes several times."""
    units = {unit: path(client, unit, organization=hub.organization) for unit in hub.ous}
    unread = list(units)
    while unread:
        unit = unread.pop(0)
        where = units[unit]
        pages = partial(listing.pages, marker="NextToken", next_marker="NextToken", ParentId=unit)
        for page in pages(client.list_accounts_for_parent, items="Accounts"):
            yield from ((each["Id"], where) for each in page["Accounts"] if _is_active(each))
        for page in pages(client.list_organizational_units_for_parent, items="OrganizationalUnits"):
            # A unit that is named itself, or comes again, is read once.
            found = [each["Id"] for each in page["OrganizationalUnits"]]
            below = {each: f"{where}{each}/" for each in found if each not in units}
            units |= below
            unread += below
    for account in hub.accounts:
        if _is_active(client.describe_account(AccountId=account)["Account"]):
            yield account, path(client, account, organization=hub.organization)


def _is_active(account: Mapping[str, Any]) -> bool:
    # `State` has come beside `Status`, which is to go in September 2026 (API reference, Account).
    return str(account.get("State", account.get("Status"))) == _ACTIVE
