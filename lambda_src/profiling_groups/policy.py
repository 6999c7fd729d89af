"""The governance policy and what it decides about a function: pure, and one screen long.

`reconcile` asks. No boto3, no clock, no environment here: the decision follows from the function and the policy alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from profiling_groups.naming import group_name
from profiling_groups.outcomes import Reason
from profiling_groups.tags import DroppedTag, WantedTags, inheritable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from profiling_groups.functions import FunctionArn, LambdaFunction

PROFILER_REGIONS = frozenset(
    {
        "ap-northeast-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "us-east-1",
        "us-east-2",
        "us-west-2",
    }
)
"""Regions that have CodeGuru Profiler: those of botocore's endpoints.json, to which a test holds this list, because to
read that file would cost every cold start. Elsewhere botocore makes up an endpoint that does not resolve."""

# Lambda@Edge replicates a function into other regions under names like `us-east-1.name`.
_EDGE_REPLICA = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+\..+")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Who gets a group, and what it looks like. The defaults are the policy that ships.

    Attributes:
        runtimes: Globs on the runtime identifier of the functions that CodeGuru Profiler can profile.
        images: Whether container images, which have no runtime to go by, get a group.
        opt_out: Tag keys, each with the values (in any case) by which a function is left alone.
        added_tags: Tags that a group gets where it lacks the key.
        profiling_enabled: Whether agents that report to a new group may profile.
    """

    runtimes: tuple[str, ...] = ("python3.*", "java*")
    images: bool = True
    opt_out: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"codeguru-profiler": ("off",)})
    added_tags: Mapping[str, str] = field(default_factory=lambda: {"managed-by": "profiling-group-provisioner"})
    profiling_enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class Skip:
    """The function gets no group.

    Attributes:
        reason: Why.
        detail: What was seen that says so.
    """

    reason: Reason
    detail: str


@dataclass(frozen=True, kw_only=True)
class Provision:
    """The function gets this group.

    Attributes:
        group: The group's name.
        tags: The tags that it should carry.
        dropped: Tags of the function that a group may not carry.
        profiling_enabled: Whether agents that report to the group may profile.
    """

    group: str
    tags: WantedTags
    dropped: tuple[DroppedTag, ...]
    profiling_enabled: bool


def rule_out(arn: FunctionArn) -> Skip | None:
    """Return why a function gets no group whatever it is like, if its ARN says so; then it need not be read.

    A replica could not even be: ListTags takes no such name (API model, TaggableResource).
    """
    if arn.region not in PROFILER_REGIONS:
        return Skip(reason=Reason.REGION_UNSUPPORTED, detail=f"CodeGuru Profiler is not offered in {arn.region}")
    if _EDGE_REPLICA.fullmatch(arn.name):
        return Skip(reason=Reason.EDGE_REPLICA, detail="its original is provisioned where it was created")
    return None


def decide(function: LambdaFunction, policy: Policy) -> Provision | Skip:
    """Decide what a function should have: can it be profiled, does its owner want it left alone, what does it get."""
    if ruled_out := rule_out(function.arn):
        return ruled_out
    if function.runtime is None and not policy.images:
        return Skip(reason=Reason.UNSUPPORTED_RUNTIME, detail="a container image")
    if function.runtime is not None and not any(fnmatchcase(function.runtime, glob) for glob in policy.runtimes):
        return Skip(reason=Reason.UNSUPPORTED_RUNTIME, detail=function.runtime)
    if function.own_group:
        return Skip(reason=Reason.OWN_GROUP, detail=f"its environment names {function.own_group}")
    for key, values in policy.opt_out.items():
        if function.tags.get(key, "").strip().lower() in values:
            return Skip(reason=Reason.OPTED_OUT, detail=f"tagged {key} = {function.tags[key]}")

    inherited, dropped = inheritable(function.tags)
    return Provision(
        group=group_name(function.arn.name),
        tags=WantedTags(inherited=inherited, added=policy.added_tags),
        dropped=dropped,
        profiling_enabled=policy.profiling_enabled,
    )
