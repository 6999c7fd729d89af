"""Who may assume a role on behalf of a rule: EventBridge, for that rule of this account and region alone."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam


def rule_principal(rule_name: str) -> iam.ServicePrincipal:
    """Return EventBridge as the principal of a role, for a rule on the default bus that is given a name.

    A name, because the role trusts the rule, and the rule needs the role.
    """
    rule_arn = f"arn:{cdk.Aws.PARTITION}:events:{cdk.Aws.REGION}:{cdk.Aws.ACCOUNT_ID}:rule/{rule_name}"
    return iam.ServicePrincipal(
        "events.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID},
            "ArnEquals": {"aws:SourceArn": rule_arn},
        },
    )
