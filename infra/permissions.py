"""What a policy asks to be allowed: the actions, on which resources. No CDK here: the command line tells of it too."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING

from profiling_groups.policy import WhenDeleted

if TYPE_CHECKING:
    from profiling_groups.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Actions of one service on one kind of resource.

    Attributes:
        service: Name of the service in ARNs.
        actions: What is allowed, with the service's prefix.
        resource: Last part of the resource's ARN, as IAM's glob; `{account}` and `{region}` are those of the stack.
        reason: Why the glob is no narrower.
    """

    service: str
    actions: tuple[str, ...]
    resource: str
    reason: str


def permissions(policy: Policy) -> tuple[Permission, ...]:
    """Return what the function must be allowed so that it can do what the policy says, and nothing else."""
    has_tags = bool(policy.tags.add or policy.tags.inherit.include)
    loses_tags = policy.lifecycle.keep_tags_in_step and bool(policy.tags.inherit.include)
    deletes = policy.lifecycle.when_function_is_deleted is WhenDeleted.DELETE
    on_groups = (
        "CreateProfilingGroup",
        "DescribeProfilingGroup",
        *["TagResource"] * has_tags,
        *["UntagResource"] * loses_tags,
        *["GetPolicy", "PutPermission"] * policy.group.grant_agent,
        *["DeleteProfilingGroup"] * deletes,
    )
    beginning = _fixed_beginning(policy.group.name)
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
    )


def _fixed_beginning(template: str) -> str:
    """Return how all names by a template begin. An end that they share may be cut off, or have a digest behind it."""
    beginning = ""
    for literal, field, _, _ in Formatter().parse(template):
        beginning += literal
        if field not in (None, "account", "region"):
            break
        beginning += "{" + field + "}" if field else ""
    return beginning
