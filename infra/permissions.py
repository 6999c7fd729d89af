"""What a policy asks to be allowed: the actions, on which resources. No CDK here: the command line tells of it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from profiling_groups.aws import QUOTA_CODE
from profiling_groups.naming import fixed_beginning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from profiling_groups.policy import Policy

NO_RESOURCE: Final = "*"
"""What actions without a resource type are allowed on, in the governed regions only."""


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Actions of one service on one kind of resource.

    Attributes:
        service: Name of the service in ARNs.
        actions: What is allowed, with the service's prefix.
        resource: Last part of the resource's ARN, as IAM's glob; `{account}` and `{region}` are those of the stack.
            `NO_RESOURCE` where the Service Authorization Reference names none.
        reason: Why it is no narrower.
    """

    service: str
    actions: tuple[str, ...]
    resource: str
    reason: str


def permissions(policy: Policy) -> tuple[Permission, ...]:
    """Return what the function must be allowed so that it can do what the policy says, and nothing else.

    With overrides, whatever it can come to in one place or another: one role has it all.
    """
    # Key by key, as several overrides may meet in a place.
    anywhere = policy.variants()
    inherited = [each.tags.inherit for each in anywhere]
    inherits = any(globs.include for globs in inherited) and any("*" not in globs.exclude for globs in inherited)
    loses_tags = inherits and any(each.lifecycle.keep_tags_in_step for each in anywhere)
    on_groups = (
        "DescribeProfilingGroup",
        "ListTagsForResource",
        # The creation sets a mark (`profiling_groups.ownership`).
        "TagResource",
        *["UntagResource"] * loses_tags,
        *["GetPolicy", "PutPermission"] * any(each.group.grant_agent for each in anywhere),
        *["DeleteProfilingGroup"] * any(each.lifecycle.deletes for each in anywhere),
    )
    return (
        Permission(
            service="lambda",
            actions=("lambda:GetFunctionConfiguration", "lambda:ListTags"),
            resource="function:*",
            reason="Which functions there will be is not known beforehand; only their configuration and tags are read.",
        ),
        *(
            Permission(
                service="codeguru-profiler",
                actions=tuple(f"codeguru-profiler:{action}" for action in on_groups),
                resource=f"profilingGroup/{beginning}*",
                reason="One group per function, under names that the policy gives; "
                + (f"all begin with {beginning}." if beginning else "they have no beginning in common."),
            )
            for beginning in _beginnings(each.group.name for each in anywhere)
        ),
        Permission(
            service="codeguru-profiler",
            actions=("codeguru-profiler:CreateProfilingGroup",),
            resource=NO_RESOURCE,
            # AWS's managed policy for the agent has groups as its resources. This holds under both readings.
            reason="The Service Authorization Reference gives it no resource type.",
        ),
        # What a sweep reads in bulk.
        *(
            Permission(
                service=service,
                actions=(action,),
                resource=NO_RESOURCE,
                reason="It lists what there is, and knows no resource.",
            )
            for service, action in (
                ("lambda", "lambda:ListFunctions"),
                ("tag", "tag:GetResources"),
                ("codeguru-profiler", "codeguru-profiler:ListProfilingGroups"),
            )
        ),
        Permission(
            service="servicequotas",
            actions=("servicequotas:GetServiceQuota",),
            resource=f"codeguru-profiler/{QUOTA_CODE}",
            reason="It is the one quota of groups.",
        ),
    )


def _beginnings(templates: Iterable[str]) -> list[str]:
    """Return what names by these templates begin with, without those that another one covers."""
    found = list(dict.fromkeys(map(fixed_beginning, templates)))
    return [each for each in found if not any(each != other and each.startswith(other) for other in found)]
