"""Where accounts are in their organization, for a policy that asks: as the operator says, or as Organizations does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops.connection import CONFIG, connect
from ops.problems import CannotWorkError
from profiling_groups import organization
from profiling_groups.decision import rule_out_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_organizations import OrganizationsClient

    from profiling_groups.functions import Place
    from profiling_groups.policy import Policy

Said = tuple[str | None, str]
"""An account, or None for any, and its path."""

_SAID: Final = re.compile(
    r"(?:(?P<account>[0-9]{12})=)?"
    # As the Organizations API has ids (API reference: Organization, Root, OrganizationalUnit).
    r"(?P<path>o-[a-z0-9]{10,32}/r-[0-9a-z]{4,32}(?:/ou-[0-9a-z]{4,32}-[0-9a-z]{8,32})*)/?"
)


class UnknownAccountError(Exception):
    """An account is in no place of the organization; the text says so."""


class _OrganizationPath(click.ParamType[Said]):
    name = "path"

    def convert(self, value: str | Said, param: click.Parameter | None, ctx: click.Context | None) -> Said:
        if isinstance(value, tuple):
            return value
        found = _SAID.fullmatch(value)
        if not found:
            example = "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"
            self.fail(f"{value!r} is no organization path, as {example} or 111122223333={example}", param, ctx)
        return found["account"], found["path"] + "/"


option = click.option(
    "--organization-path",
    "paths",
    type=_OrganizationPath(),
    multiple=True,
    metavar="[ACCOUNT=]PATH",
    help="Where an account is in its organization, or where they all are, as aws:PrincipalOrgPaths has it. Asked only"
    " by a policy that speaks of organizational units; Organizations is asked about the rest.",
)


class Whereabouts:
    """Where accounts are.

    Args:
        said: What the operator says of them.
        policies: Those that are asked about functions there. Where none speaks of organizational units, nobody is asked
            where an account is.
    """

    def __init__(self, said: Sequence[Said], *policies: Policy) -> None:
        self._needed = any(policy.needs_organization_path for policy in policies)
        self._said = dict(said)
        self._told: dict[str, str | None] = {}
        self._client: OrganizationsClient | None = None
        self._organization = ""

    def path(self, account: str) -> str | None:
        """Return where an account is; None where no policy wants to know.

        Raises:
            UnknownAccountError: It is not in the organization.
            CannotWorkError: Nobody says where it is.
        """
        if not self._needed:
            return None
        if said := self._said.get(account) or self._said.get(None):
            return said
        if account not in self._told:
            self._told[account] = self._asked(account)
        if found := self._told[account]:
            return found
        raise UnknownAccountError(f"account {account} is not in the organization {self._organization}")

    def _asked(self, account: str) -> str | None:
        try:
            if self._client is None:
                self._client = connect().client("organizations", config=CONFIG)
                self._organization = self._client.describe_organization()["Organization"]["Id"]
            return organization.path(self._client, account, organization=self._organization)
        except (BotoCoreError, ClientError, CannotWorkError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else None
            if code in ("ChildNotFoundException", "AccountNotFoundException"):
                return None
            raise CannotWorkError(
                f"the policy speaks of organizational units, and where account {account} is cannot be asked: {error};"
                f" say it with --organization-path {account}=PATH"
            ) from error


def governing(policy: Policy, place: Place, accounts: Whereabouts) -> Policy:
    """Return the policy that governs a place.

    Raises:
        CannotWorkError: None does, or nobody says where the account is.
    """
    try:
        path = accounts.path(place.account)
    except UnknownAccountError as error:
        raise CannotWorkError(str(error)) from error
    if skip := rule_out_place(policy, account=place.account, region=place.region, organization_path=path):
        raise CannotWorkError(f"by this policy, {skip}")
    return policy.governing(account=place.account, region=place.region, organization_path=path).policy
