"""An organization's hub: the bus to which its members forward their events, and the stack set that makes them members.

`member` has the template that the stack set rolls out. The hub's functions read and write nothing but through the role
that it gives them in each account, that of the hub included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import member
from profiling_groups.events import SOURCE

if TYPE_CHECKING:
    from infra.settings import Organization


class HubBus(Construct):
    """A bus to which rules in governed accounts may forward Lambda's events, and nobody else may put any.

    Args:
        scope: The stack.
        construct_id: Its id there.
        organization: The organization.

    Attributes:
        bus: The bus.
    """

    def __init__(self, scope: Construct, construct_id: str, *, organization: Organization) -> None:
        super().__init__(scope, construct_id)
        self.bus = events.EventBus(
            self,
            "Bus",
            event_bus_name=organization.name,
            description="What the organization's Lambda functions come to, as the rules of its accounts forward it",
        )
        forwarded = {
            # No more than a second line of defence, and both hold if the key is missing: EventBridge takes events of
            # AWS's own services from nobody else, and the rule asks for the source again.
            # `events:source` is an array, which takes a set operator (service authorization reference).
            "ForAllValues:StringEquals": {"events:source": SOURCE},
            "BoolIfExists": {"events:eventBusInvocation": "true"},
        }
        member: dict[str, object] = {"aws:PrincipalOrgID": organization.id}
        governed: dict[str, dict[str, object]] = {
            "Units": {
                "StringEquals": member,
                "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": _paths(organization)},
            }
        }
        if organization.accounts:
            governed["Accounts"] = {"StringEquals": member | {"aws:PrincipalAccount": list(organization.accounts)}}
        for sid, conditions in governed.items():
            self.bus.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=sid,
                    principals=[iam.StarPrincipal()],
                    actions=["events:PutEvents"],
                    resources=[self.bus.event_bus_arn],
                    conditions=conditions | forwarded,
                )
            )


def _paths(organization: Organization) -> list[str]:
    """Return patterns of the paths of accounts in the units, or below them; nothing is above the root."""
    return [
        f"{organization.id}/{unit}/*" if unit.startswith("r-") else f"{organization.id}/*/{unit}/*"
        for unit in organization.ous
    ]


class MemberStackSet(Construct):
    """The stack set that makes every account of the organization's units a member, and later ones as they join.

    It is operated from the hub's region, and lives there alone.

    Args:
        scope: The stack.
        construct_id: Its id there.
        organization: The organization.
        template: What it rolls out, as `member.template` gives it.
        hub: The hub's bus.
        role: The role of the hub's functions.

    Attributes:
        name: The stack set's name.
    """

    def __init__(  # noqa: PLR0913 - its props, all by keyword
        self,
        scope: Construct,
        construct_id: str,
        *,
        organization: Organization,
        template: str,
        hub: HubBus,
        role: iam.Role,
    ) -> None:
        super().__init__(scope, construct_id)
        self.name = organization.member_name
        others = [region for region in organization.regions if region != organization.role_region]
        stack_set = cdk.CfnStackSet(
            self,
            "StackSet",
            stack_set_name=self.name,
            description="Makes accounts members of Profiling Group Provisioner",
            permission_model="SERVICE_MANAGED",
            call_as=organization.call_as,
            auto_deployment=cdk.CfnStackSet.AutoDeploymentProperty(
                enabled=organization.auto_deployment,
                # CloudFormation takes this where it is enabled only. An account that leaves keeps nothing of ours.
                retain_stacks_on_account_removal=False if organization.auto_deployment else None,
            ),
            managed_execution={"Active": True},
            capabilities=["CAPABILITY_NAMED_IAM"],
            operation_preferences=cdk.CfnStackSet.OperationPreferencesProperty(
                # One region after the other: what goes wrong in the first, where the roles are, stops there.
                region_concurrency_type="SEQUENTIAL",
                region_order=[organization.role_region, *others],
                failure_tolerance_percentage=organization.failure_tolerance_percentage,
                max_concurrent_percentage=organization.max_concurrent_percentage,
                # By default no more accounts are worked on at the same time than may fail.
                concurrency_mode="SOFT_FAILURE_TOLERANCE",
            ),
            stack_instances_group=[
                cdk.CfnStackSet.StackInstancesProperty(
                    deployment_targets=cdk.CfnStackSet.DeploymentTargetsProperty(
                        organizational_unit_ids=list(organization.ous)
                    ),
                    regions=[organization.role_region, *others],
                )
            ],
            parameters=[
                cdk.CfnStackSet.ParameterProperty(parameter_key=key, parameter_value=value)
                for key, value in (
                    (member.HUB_BUS_ARN, hub.bus.event_bus_arn),
                    (member.HUB_ROLE_ARN, role.role_arn),
                )
            ],
            template_body=template,
        )
        # With the bus's policy: from the first account on, what is forwarded is taken.
        stack_set.node.add_dependency(hub)


def environment(organization: Organization) -> dict[str, str]:
    """Return the variables by which the hub's functions know the organization, and what to count under."""
    counted = {"POWERTOOLS_SERVICE_NAME": organization.service} if organization.namespace else {}
    return {
        **counted,
        "MEMBER_ROLE_NAME": organization.role_name,
        "MEMBER_QUEUE_NAME": organization.member_queue_name,
        "ORGANIZATION_ID": organization.id,
        "ORGANIZATION_OUS": ",".join(organization.ous),
        "ORGANIZATION_ACCOUNTS": ",".join(organization.accounts),
        "ORGANIZATION_REGIONS": ",".join(organization.regions),
    }


def act_through_members(role: iam.Role, organization: Organization) -> None:
    """Allow the hub's functions to be a member's role anywhere in the organization, and to ask what accounts it has."""
    members = f"iam::*:role/{organization.role_name}"
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["sts:AssumeRole"],
            resources=[f"arn:{cdk.Aws.PARTITION}:{members}"],
            # An account that has left, and a stranger's role of that name, are out of reach.
            conditions={"StringEquals": {"aws:ResourceOrgID": organization.id}},
        )
    )
    # The account in these ARNs is the organization's management account, which no setting names.
    accounts, units, roots = (
        f"organizations::*:{kind}/{organization.id}/{ids}"
        for kind, ids in (("account", "*"), ("ou", "ou-*"), ("root", "r-*"))
    )
    for actions, resources in (
        (["DescribeAccount"], [accounts]),
        (["ListParents"], [accounts, units]),
        (["ListAccountsForParent", "ListOrganizationalUnitsForParent"], [units, roots]),
    ):
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[f"organizations:{action}" for action in actions],
                resources=[f"arn:{cdk.Aws.PARTITION}:{resource}" for resource in resources],
            )
        )
    for resource, reason in {
        members: "The one role of that name in each account of the organization, as its condition says.",
        **dict.fromkeys((accounts, units, roots), "Which accounts and units the organization has is what it reads."),
    }.items():
        cdk.Validations.of(role).acknowledge(
            cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:{resource}]", reason=reason)
        )
