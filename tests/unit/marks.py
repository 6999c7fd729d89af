"""Tags of profiling groups that this project owns, as tests make them."""

from __future__ import annotations

from profiling_groups.functions import FunctionArn
from profiling_groups.ownership import CREATED_FOR
from tests.unit.account import ACCOUNT, REGION

ADDED = {"managed-by": "profiling-group-provisioner"}
"""What the default policy adds to every group."""


def created_for(name: str) -> dict[str, str]:
    """Return the tags of a group that was created for a function, by the default policy."""
    return {CREATED_FOR: str(FunctionArn(account=ACCOUNT, region=REGION, name=name)), **ADDED}
