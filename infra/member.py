"""What makes an account a member of an organization's deployment: a template of its own, small and without assets.

In each region it forwards the events that the policy asks for to the hub's bus; in one region it has the role by which
the hub's functions read and write there. `organization` rolls it out by a stack set. It needs no bootstrap, so that
`aws cloudformation deploy`, or any other pipeline, can do so too.
"""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any, Final, cast

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks

from infra import hardening
from infra.dead_letters import dead_letter_queue
from infra.permissions import NO_RESOURCE, Permission, permissions
from infra.provisioner import successful_calls
from infra.trust import rule_principal
from profiling_groups.events import triggers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

    from infra.settings import Organization
    from profiling_groups.policy import Policy

FILE: Final = "ProfilingGroupsMember.template.json"
"""What the template is called beside that of the hub."""
HUB_BUS_ARN: Final = "HubBusArn"
"""The parameter for the hub's bus."""
HUB_ROLE_ARN: Final = "HubRoleArn"
"""The parameter for the role of the hub's functions."""
MOST_BYTES: Final = 51_200
"""The longest template that CloudFormation takes as it is, without a bucket."""
MOST_POLICY_CHARACTERS: Final = 10_240
"""The longest policy of a role, blanks aside (IAM's quotas)."""

# Where the hub's account stands among the parts of an ARN.
_ACCOUNT_PART = 4


class MemberTemplateError(ValueError):
    """What a policy asks for does not fit into a member's template; the text says by how much."""


def template(
    organization: Organization,
    policy: Policy,
    *,
    tags: Mapping[str, str] | None = None,
    permissions_boundary: str | None = None,
) -> str:
    """Return the member's template, checked by cdk-nag.

    Args:
        organization: The organization.
        policy: What its functions are to obey.
        tags: Tags of every resource.
        permissions_boundary: Name of the policy of each account that bounds its roles, or the ARN of another account's
            policy of that name.

    Raises:
        MemberTemplateError: It is longer than CloudFormation or IAM takes it.
    """
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(
            outdir=folder,
            analytics_reporting=False,
            tree_metadata=False,
            post_cli_context={
                # They would only make it longer.
                "aws:cdk:enable-path-metadata": False,
                # What cdk-nag finds fails the synth here: the CLI never comes to see this app.
                "@aws-cdk/core:failSynthOnValidationErrors": True,
                "@aws-cdk/core:appMode": "inmemory",
            },
        )
        stack = _Member(app, "ProfilingGroupsMember", organization=organization, policy=policy)
        hardening.tag(stack, tags or {})
        if permissions_boundary is not None:
            hardening.bound(stack, permissions_boundary, in_own_account=True)
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        made = app.synth().get_stack_artifact(stack.artifact_id).template
    text = json.dumps(made, indent=1) + "\n"
    for what, found, most in (
        ("policy of the members' role", _longest_policy(made), MOST_POLICY_CHARACTERS),
        ("members' template", len(text.encode()), MOST_BYTES),
    ):
        if found > most:
            raise MemberTemplateError(
                f"the {what} comes to {found} characters, and AWS takes {most}: the policy has too many overrides that "
                "give groups names of different beginnings" + (", or there are too many tags" if tags else "")
            )
    return text


def _longest_policy(made: dict[str, Any]) -> int:
    roles = [each["Properties"] for each in made["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    documents = [policy["PolicyDocument"] for role in roles for policy in role["Policies"]]
    return max(len(json.dumps(_filled_in(each), separators=(",", ":"))) for each in documents)


def _filled_in(part: Any) -> Any:  # noqa: ANN401 - what stands in a template's JSON
    """Return a part of the template with something as long in place of its references."""
    match part:
        case {"Ref": "AWS::Partition"}:
            return "aws"
        case {"Ref": "AWS::AccountId"}:
            return "0" * 12
        case {"Fn::Join": ["", list(parts)]}:
            return "".join(str(_filled_in(each)) for each in parts)
        case dict():
            return {key: _filled_in(each) for key, each in part.items()}
        case list():
            return [_filled_in(each) for each in part]
    return part


class _Member(cdk.Stack):
    def __init__(self, scope: Construct, construct_id: str, *, organization: Organization, policy: Policy) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Lets the organization's Profiling Group Provisioner give this account's Lambda functions "
            "their profiling groups",
            synthesizer=cdk.BootstraplessSynthesizer(),
        )
        bus = _arn(self, HUB_BUS_ARN, "events:[a-z0-9-]+:[0-9]{12}:event-bus/", "The hub's bus: its output EventBusArn")
        hub = _arn(self, HUB_ROLE_ARN, "iam::[0-9]{12}:role/", "The role of the hub's functions: its output HubRoleArn")
        self._forward(bus, organization=organization, event_names=triggers(policy))
        self._trust(hub, organization=organization, policy=policy)

    def _forward(self, bus_arn: str, *, organization: Organization, event_names: tuple[str, ...]) -> None:
        """Forward this region's events.

        EventBridge takes no retry policy for a bus, and tries for 24 hours by itself; then the event is a dead letter.
        """
        name = organization.member_name
        role = iam.Role(
            self,
            "Forwarder",
            assumed_by=rule_principal(name),
            inline_policies={
                "Forward": iam.PolicyDocument(
                    statements=[iam.PolicyStatement(actions=["events:PutEvents"], resources=[bus_arn])]
                )
            },
        )
        letters = dead_letter_queue(self, "DeadLetters", queue_name=organization.member_queue_name)
        events.Rule(
            self,
            "Rule",
            rule_name=name,
            description="Forwards what the policy asks to hear of this account's Lambda functions to the hub",
            # An account whose own bus takes other accounts' events does not pass them on.
            event_pattern=successful_calls(event_names, account=cdk.Aws.ACCOUNT_ID),
            targets=[
                targets.EventBus(
                    events.EventBus.from_event_bus_arn(self, "HubBus", bus_arn),
                    role=role.without_policy_updates(),
                    dead_letter_queue=letters,
                )
            ],
        )
        cdk.CfnOutput(self, "DeadLetterQueueUrl", value=letters.queue_url)

    def _trust(self, hub_role_arn: str, *, organization: Organization, policy: Policy) -> None:
        """Give the account its role, in the one region that has it.

        The hub's role is trusted by its name, as a principal of its account. Were it the principal itself, IAM would
        keep the id of the role that there is now, and the members would not know one that is made anew.
        """
        allowed = (
            *permissions(policy),
            Permission(
                service="sqs",
                actions=("sqs:GetQueueAttributes",),
                resource=organization.member_queue_name,
                reason="The one dead-letter queue of each region.",
            ),
        )
        role = iam.Role(
            self,
            "Role",
            role_name=organization.role_name,
            description="What the organization's Profiling Group Provisioner may do in this account",
            assumed_by=iam.AccountPrincipal(
                cdk.Fn.select(_ACCOUNT_PART, cdk.Fn.split(":", hub_role_arn))
            ).with_conditions(
                {
                    "ArnEquals": {"aws:PrincipalArn": hub_role_arn},
                    "StringEquals": {"aws:PrincipalOrgID": organization.id},
                }
            ),
            inline_policies={
                "ProfilingGroups": iam.PolicyDocument(
                    minimize=True,
                    statements=[
                        iam.PolicyStatement(
                            actions=list(each.actions),
                            resources=[_resource(each, partition=cdk.Aws.PARTITION, account=cdk.Aws.ACCOUNT_ID)],
                            conditions={"StringEquals": {"aws:RequestedRegion": list(organization.regions)}},
                        )
                        for each in allowed
                    ],
                )
            },
        )
        here = cdk.CfnCondition(
            self,
            "InRoleRegion",
            expression=cdk.Fn.condition_equals(cdk.Aws.REGION, organization.role_region),
        )
        cast("iam.CfnRole", role.node.default_child).cfn_options.condition = here
        for each in allowed:
            found = _resource(each, partition="<AWS::Partition>", account="<AWS::AccountId>")
            reason = f"{each.reason} Its condition names the regions."
            cdk.Validations.of(role).acknowledge(
                cdk.Acknowledgment(id=f"AwsSolutions-IAM5[Resource::{found}]", reason=reason)
            )


def _arn(scope: Construct, name: str, kind: str, description: str) -> str:
    return cdk.CfnParameter(
        scope, name, description=description, allowed_pattern=f"arn:[a-z-]+:{kind}.+"
    ).value_as_string


def _resource(permission: Permission, *, partition: str, account: str) -> str:
    """Return what a permission is about, in any region: one role serves all of an account."""
    if permission.resource == NO_RESOURCE:
        return NO_RESOURCE
    return f"arn:{partition}:{permission.service}:*:{account}:{permission.resource.format(account=account, region='*')}"
