"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from infra import policy_file
from ops import deployment
from ops.problems import CannotWorkError
from profiling_groups import requests
from profiling_groups.functions import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from profiling_groups.policy import Policy

DEFAULT_POLICY: Final = Path("policy.yaml")
"""The policy file that is meant, and deployed, unless another one is named."""
POLICY_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
policy = click.option(
    "--policy",
    "policy_path",
    type=POLICY_FILE,
    default="policy.yaml",
    show_default=True,
    metavar="FILE",
    help="The policy file.",
)
stack = click.option(
    "--stack", default=deployment.STACK, show_default=True, metavar="NAME", help="The stack that was deployed."
)
organization = click.option(
    "--organization", is_flag=True, help="All accounts and regions of the organization that the stack governs."
)
accounts = click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="ID",
    help="With --organization: only this account; may be given several times.",
)
regions = click.option(
    "--region",
    "regions",
    multiple=True,
    metavar="REGION",
    help="With --organization: only this region; may be given several times.",
)

_NOWHERE: Final = Place(account="", region="")


def part(accounts: Sequence[str], regions: Sequence[str]) -> dict[str, list[str] | None]:
    """Return the part of an organization that was asked for, as its state machine takes it.

    Raises:
        click.UsageError: It is none, which would be known but after the machine was started.
    """
    asked = {"accounts": list(accounts) or None, "regions": list(regions) or None}
    try:
        requests.read({"action": "targets", **asked}, place=_NOWHERE, organization=True)
    except requests.InvalidRequestError as error:
        raise click.UsageError(str(error)) from error
    return asked


def read_policy(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        CannotWorkError: It is none.
    """
    try:
        return policy_file.read(path)
    except policy_file.PolicyFileError as error:
        raise CannotWorkError(str(error)) from error
