"""What a deployment governs, and how it gets there: its own account and region, or those of an organization.

`handler` builds one `Reach` and keeps it. Whoever acts on a place asks it first by which policy, if any.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final, cast

from profiling_groups import aws
from profiling_groups.aws import Failure, explain
from profiling_groups.decision import Skip, rule_out_place
from profiling_groups.outcomes import Action, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_organizations import OrganizationsClient

    from profiling_groups.aws import Clients, SweepClients
    from profiling_groups.functions import FunctionArn, Place
    from profiling_groups.organization import Hub
    from profiling_groups.policy import Policy

_PATH_SECONDS: Final = 3600
"""For how long it is believed where an account is in its organization; accounts are moved seldom."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a deployment governs, and how it gets there.

    Attributes:
        hub: The organization; None where the deployment governs the account and region that it is in.
        policy: The policy of all places.
        clients: Gives the clients for a place.
        sweep_clients: Gives clients for one sweep of a place.
        organization_path: Gives where an account is in its organization; None for not known.
        forget_refusals: Lets accounts that could not be reached be tried anew.
        count_dead_letters: Counts the messages in a member's own dead-letter queue; None where there are no members.
    """

    hub: Hub | None
    policy: Policy
    clients: Callable[[Place], Clients]
    sweep_clients: Callable[[Place], SweepClients]
    organization_path: Callable[[str], str | None]
    forget_refusals: Callable[[], None]
    count_dead_letters: Callable[[Place], int] | None

    def foreign_event_reason(self, place: Place, *, own: Place) -> str | None:
        """Return why an event of an account and region is not acted on; None where it is.

        Which accounts' events reach a hub is for the policy of its bus to say.

        Args:
            place: The envelope's account and region.
            own: Those of this deployment.
        """
        if self.hub is None:
            return None if place == own else f"an event of {place.account} in {place.region}, not of this deployment"
        return None if place.region in self.hub.regions else f"{place.region} is not governed"

    def governing(self, place: Place, *, organization_path: str | None = None) -> Policy | Skip | Failure:
        """Return the policy that governs a place, or why none does, or what kept it from being found out.

        Args:
            place: Account and region.
            organization_path: Where the account is, if the caller knows; looked up otherwise, where it matters.
        """
        path = organization_path
        if path is None and self.policy.needs_organization_path:
            try:
                path = self.organization_path(place.account)
            except Exception as error:  # noqa: BLE001 - an answer that makes no sense is a failure like any other
                return explain(error, function=place.account, group=None)
        if skip := rule_out_place(self.policy, account=place.account, region=place.region, organization_path=path):
            return skip
        return self.policy.governing(account=place.account, region=place.region, organization_path=path).policy


def let_be(why: Skip | Failure, *, place: Place, function: FunctionArn | None = None, dry_run: bool = False) -> Outcome:
    """Return the outcome where nothing was tried.

    Args:
        why: What stands against it.
        place: Account and region.
        function: The function, where it is about one.
        dry_run: Whether the caller wanted nothing written anyway.
    """
    failure = why if isinstance(why, Failure) else None
    return Outcome(
        function=str(function) if function else None,
        action=failure.action if failure else Action.SKIPPED,
        account=place.account,
        region=place.region,
        reason=why.reason,
        detail=str(why),
        error_code=failure.error_code if failure else None,
        dry_run=dry_run,
    )


def of_its_own(policy: Policy) -> Reach:
    """Return the reach of a deployment that governs the account and region that it is in, with its own credentials."""
    return Reach(
        hub=None,
        policy=policy,
        clients=lambda place: aws.clients(place.region),
        sweep_clients=lambda place: aws.sweep_clients(place.region, session=aws.session()),
        organization_path=lambda _: None,
        forget_refusals=lambda: None,
        count_dead_letters=None,
    )


def of_a_hub(hub: Hub, policy: Policy, *, region: str) -> Reach:
    """Return the reach of a deployment that governs an organization.

    Args:
        hub: What it was told at synth.
        policy: The policy of all places.
        region: The region that it is in.
    """
    # Of no use to a deployment without them.
    from profiling_groups import organization  # noqa: PLC0415
    from profiling_groups.members import Members  # noqa: PLC0415

    members = Members(hub.role_name, hub=region)

    @lru_cache(maxsize=10_000)
    def path(account: str, _period: int) -> str:
        return organization.path(organization_client(), account, organization=hub.organization)

    @lru_cache(maxsize=1)
    def organization_client() -> OrganizationsClient:
        return cast("OrganizationsClient", aws.client("organizations", region=region))

    return Reach(
        hub=hub,
        policy=policy,
        clients=members.clients,
        sweep_clients=members.sweep_clients,
        organization_path=lambda account: path(account, int(time.monotonic() // _PATH_SECONDS)),
        forget_refusals=members.forget_refusals,
        count_dead_letters=partial(members.count_dead_letters, queue=hub.member_queue),
    )
