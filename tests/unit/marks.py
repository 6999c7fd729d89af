"""Tags of profiling groups that this project owns, as tests make them."""

from __future__ import annotations

from profiling_groups.functions import FunctionArn
from profiling_groups.ownership import ADOPTED_FOR, CREATED_FOR
from tests.unit.account import ACCOUNT, REGION

ADDED = {"managed-by": "profiling-group-provisioner"}
"""What the default policy adds to every group."""


def created_for(name: str, **tags: str) -> dict[str, str]:
    """Return the tags of a group that was created for a function, by the default policy; more of them by key."""
    return {CREATED_FOR: _arn(name), **ADDED, **tags}


def adopted_for(name: str, **tags: str) -> dict[str, str]:
    """Return the tags of a group that was adopted for a function, by the default policy; more of them by key."""
    return {ADOPTED_FOR: _arn(name), **ADDED, **tags}


def _arn(name: str) -> str:
    return str(FunctionArn(account=ACCOUNT, region=REGION, name=name))
