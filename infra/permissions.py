"""What a policy asks to be allowed: the actions, on which resources. No CDK here: the command line tells of it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from profiling_groups.aws import QUOTA_CODE
from profiling_groups.naming import fixed_beginning

if TYPE_CHECKING:
    from profiling_groups.policy import Policy

NO_RESOURCE: Final = "*"
"""What actions are allowed on that know no resource."""


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
    """Return what the function must be allowed so that it can do what the policy says, and nothing else."""
    inherits = not policy.tags.inherit.takes_nothing
    has_tags = inherits or bool(policy.tags.add)
    loses_tags = inherits and policy.lifecycle.keep_tags_in_step
    on_groups = (
        "CreateProfilingGroup",
        "DescribeProfilingGroup",
        *["TagResource"] * has_tags,
        *["UntagResource"] * loses_tags,
        *["GetPolicy", "PutPermission"] * policy.group.grant_agent,
        *["DeleteProfilingGroup"] * policy.lifecycle.deletes,
    )
    beginning = fixed_beginning(policy.group.name)
    return (
        Permission(
            service="lambda",
            actions=("lambda:GetFunctionConfiguration", "lambda:ListTags"),
            resource="function:*",
            reason="Which functions there will be is not known beforehand; only their configuration and tags are read.",
        ),
        Permission(
            service="codeguru-profiler",
            actions=tuple(f"codeguru-profiler:{action}" for action in on_groups),
            resource=f"profilingGroup/{beginning}*",
            reason="One group per function, under names that the policy gives; "
            + (f"all begin with {beginning}." if beginning else "they have no beginning in common."),
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
