"""What the policy comes to for one function: pure, one screen long, in the order of the policy file.

`reconcile` asks. No boto3, no clock, no environment here: the decision follows from its arguments alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from profiling_groups.functions import REGION
from profiling_groups.naming import group_arn, group_name
from profiling_groups.outcomes import Reason
from profiling_groups.ownership import Ownership, read_ownership
from profiling_groups.policy import Images, matches
from profiling_groups.tags import DroppedTag, WantedTags, inheritable

if TYPE_CHECKING:
    from datetime import datetime

    from profiling_groups.functions import FunctionArn, LambdaFunction
    from profiling_groups.groups import Group
    from profiling_groups.policy import Policy

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

# There is an agent for Python 3 and one for the JVM (CodeGuru Profiler user guide), and no other.
_PROFILABLE = ("python3.*", "java*")
# Lambda@Edge replicates a function into other regions under names like `us-east-1.name`.
_EDGE_REPLICA = re.compile(rf"{REGION.pattern}\..+")


@dataclass(frozen=True, kw_only=True)
class Skip:
    """The function gets no group.

    Attributes:
        reason: Why.
        detail: What was seen that says so.
        rule: The key of the policy that decided; None where no policy could say otherwise.
        leftover: Name of the group that the function has if it was to have one before; None where none is looked for.
    """

    reason: Reason
    detail: str
    rule: str | None = None
    leftover: str | None = None

    def __str__(self) -> str:
        return f"{self.detail} ({self.rule})" if self.rule else self.detail


@dataclass(frozen=True, kw_only=True)
class Provision:
    """The function gets this group.

    Attributes:
        group: The group's name.
        tags: The tags that it should carry.
        dropped: Tags of the function that it does not get.
        profiling_enabled: Whether agents that report to the group may profile, if it is new.
        agent_role: ARN of the role that its resource policy should allow the agent's calls; None for none.
        caveat: What could not be seen, and might have led to another decision.
    """

    group: str
    tags: WantedTags
    dropped: tuple[DroppedTag, ...]
    profiling_enabled: bool
    agent_role: str | None
    caveat: str | None


def rule_out_place(policy: Policy, *, account: str, region: str, organization_path: str | None) -> Skip | None:
    """Return why nothing is done in a place, whatever functions are there; None where the policy governs it.

    Args:
        policy: As it was deployed, for all places.
        account: Account id.
        region: Region code.
        organization_path: Where the account is in its organization; None for not known.
    """
    if rule := policy.ungoverned(account=account, region=region, organization_path=organization_path):
        return Skip(reason=Reason.EXCLUDED_BY_POLICY, detail=f"{account} in {region} is not governed", rule=rule)
    return None


def rule_out(arn: FunctionArn, policy: Policy) -> Skip | None:
    """Return why a function gets no group whatever it is like, if its ARN says so; then it need not be read.

    A replica could not even be: ListTags takes no such name (API model, TaggableResource).
    """
    if arn.region not in PROFILER_REGIONS:
        return Skip(reason=Reason.REGION_UNSUPPORTED, detail=f"CodeGuru Profiler is not offered in {arn.region}")
    if _EDGE_REPLICA.fullmatch(arn.name):
        return Skip(reason=Reason.EDGE_REPLICA, detail="its original is provisioned where it was created")
    if rule := policy.functions.names.turned_away_by(arn.name):
        return Skip(reason=Reason.EXCLUDED_BY_POLICY, detail=f"named {arn.name}", rule=f"functions.names.{rule}")
    return None


def decide(  # noqa: PLR0911 - a chain of early returns, each with its reason
    function: LambdaFunction, policy: Policy
) -> Provision | Skip:
    """Decide what a function should have: is it one that gets a group, does its owner want none, what does it get."""
    wanted = policy.functions
    if ruled_out := rule_out(function.arn, policy):
        return ruled_out
    if function.runtime is not None and (rule := wanted.runtimes.turned_away_by(function.runtime)):
        reason = Reason.EXCLUDED_BY_POLICY if matches(function.runtime, _PROFILABLE) else Reason.UNSUPPORTED_RUNTIME
        return Skip(reason=reason, detail=f"runtime {function.runtime}", rule=f"functions.runtimes.{rule}")
    if function.runtime is None and wanted.images is Images.SKIP:
        return Skip(reason=Reason.EXCLUDED_BY_POLICY, detail="a container image", rule="functions.images")
    if not set(function.architectures) <= set(wanted.architectures):
        seen = ", ".join(function.architectures)
        return Skip(reason=Reason.EXCLUDED_BY_POLICY, detail=f"architecture {seen}", rule="functions.architectures")
    group = group_name(policy.group.name, function)
    if elsewhere := _reports_elsewhere(function, group):
        return elsewhere
    for key, globs in wanted.tags.require.items():
        if key not in function.tags or not matches(function.tags[key], globs):
            by = f"functions.tags.require.{key}"
            return Skip(reason=Reason.EXCLUDED_BY_POLICY, detail=_tagged(function, key), rule=by, leftover=group)
    for key, globs in wanted.tags.opt_out.items():
        if key in function.tags and matches(
            function.tags[key].strip().lower(), [glob.strip().lower() for glob in globs]
        ):
            by = f"functions.tags.opt_out.{key}"
            return Skip(reason=Reason.OPTED_OUT, detail=_tagged(function, key), rule=by, leftover=group)

    inherited, dropped = inheritable(function.tags, policy.tags.inherit)
    return Provision(
        group=group,
        tags=WantedTags(inherited=inherited, added=policy.tags.add),
        dropped=dropped,
        profiling_enabled=policy.group.profiling_enabled,
        agent_role=function.role if policy.group.grant_agent else None,
        caveat=function.environment_error
        and f"its environment could not be read ({function.environment_error}), so a group named there is not known",
    )


def _reports_elsewhere(function: LambdaFunction, group: str) -> Skip | None:
    """Return why the function's agent would not find this group, if its environment says so."""
    if function.named_groups and function.named_groups[0] not in (group, group_arn(function.arn, group)):
        return Skip(reason=Reason.OWN_GROUP, detail=f"its environment names {function.named_groups[0]}")
    if function.target_region not in (None, function.arn.region):
        detail = f"its environment sends its profiles to {function.target_region}"
        return Skip(reason=Reason.REPORTS_TO_OTHER_REGION, detail=detail)
    return None


def deletion_blocker(group: Group, function: FunctionArn, policy: Policy, *, now: datetime) -> str | None:
    """Return why a group that its function does not need is kept; None if the group itself allows the deletion.

    Args:
        group: The group as it is now.
        function: The function that it was for.
        policy: What may become of it.
        now: Current time, UTC.
    """
    if not policy.lifecycle.deletes:
        return "the policy keeps it (lifecycle.when_function_is_deleted)"
    match read_ownership(group, function):
        case Ownership.ADOPTED:
            return f"it was adopted, and only its owner deletes it: {deletion_command(group)}"
        case Ownership.EXTERNAL:
            return "it is managed by somebody else"
    grace = timedelta(days=policy.lifecycle.orphan_grace_days)
    # Without a grace no clock is consulted: AWS's may differ from this machine's.
    if grace and group.last_active is None:
        return "its age is unknown (lifecycle.orphan_grace_days)"
    if grace and group.last_active and now < (kept_until := group.last_active + grace):
        return f"it is kept until {kept_until:%Y-%m-%d %H:%M} UTC (lifecycle.orphan_grace_days)"
    return None


def deletion_command(group: Group) -> str:
    """Return the AWS CLI command that deletes a group with its profiles."""
    _, _, _, region, _, resource = group.arn.split(":", 5)
    name = resource.rpartition("/")[2]
    return f"aws codeguruprofiler delete-profiling-group --profiling-group-name {name} --region {region}"


def _tagged(function: LambdaFunction, key: str) -> str:
    return f"tagged {key} = {function.tags[key]}" if key in function.tags else f"not tagged {key}"
