"""A log group with an end: each function has one of its own, and so has the state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

if TYPE_CHECKING:
    from constructs import Construct


def log_group(scope: Construct, construct_id: str, *, retention_days: int, name: str | None = None) -> logs.LogGroup:
    """Return a new log group, which goes with the stack.

    Args:
        scope: What it belongs to.
        construct_id: Its id there.
        retention_days: How long its records are kept.
        name: Its name; None lets CloudFormation choose.
    """
    made = logs.LogGroup(scope, construct_id, log_group_name=name, removal_policy=cdk.RemovalPolicy.DESTROY)
    # The construct's own property is an enum, and the setting a number.
    cast("logs.CfnLogGroup", made.node.default_child).retention_in_days = retention_days
    return made
