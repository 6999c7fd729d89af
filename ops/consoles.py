"""Addresses in the AWS console, of the right partition and region. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from profiling_groups.functions import REGION, partition

if TYPE_CHECKING:
    from profiling_groups.functions import FunctionArn

_HOSTS: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""Of the partitions whose console is on the public internet."""


def of_function(arn: FunctionArn) -> str | None:
    """Return the address of a function's page; None where the console is not known."""
    home = _home(arn.region)
    return home and f"{home}/lambda/home?region={arn.region}#/functions/{_quoted(arn.name)}"


def of_group(name: str, *, region: str) -> str | None:
    """Return the address of a profiling group's page, as AWS's own sample application links to it; or None, as above.

    Args:
        name: Name of the group.
        region: Its region.
    """
    home = _home(region)
    return home and f"{home}/codeguru/profiler/profile?profileName={_quoted(name)}"


def _home(region: str) -> str | None:
    # What stands in a host's name must be no other's.
    host = _HOSTS.get(partition(region)) if REGION.fullmatch(region) else None
    return host and f"https://{region}.{host}"


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")
