"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from infra import policy_file
from ops.problems import CannotWorkError

if TYPE_CHECKING:
    from profiling_groups.policy import Policy

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


def read_policy(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        CannotWorkError: It is none.
    """
    try:
        return policy_file.read(path)
    except policy_file.PolicyFileError as error:
        raise CannotWorkError(str(error)) from error
