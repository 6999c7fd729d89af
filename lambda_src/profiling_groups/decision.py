"""What the policy comes to for one function: pure, one screen long, in the order of the policy file.

`reconcile` asks. No boto3, no clock, no environment here: the decision follows from its arguments alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from profiling_groups.functions import LambdaFunction
from profiling_groups.naming import agents_name, follows_from_the_arn, group_arn, group_name
from profiling_groups.outcomes import Reason
from profiling_groups.policy import OWNER_TAG, Images, matches
from profiling_groups.tags import DroppedTag, WantedTags, inheritable

if TYPE_CHECKING:
    from datetime import datetime

    from profiling_groups.functions import FunctionArn
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
_EDGE_REPLICA = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+\..+")


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
    if function.own_group and not _named_as_told(function, group):
        return Skip(reason=Reason.OWN_GROUP, detail=f"its environment names {function.own_group}")
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


def decide_gone(arn: FunctionArn, policy: Policy) -> Skip:
    """Decide about a function that does not exist (any more)."""
    if not policy.lifecycle.deletes:
        return Skip(reason=Reason.FUNCTION_GONE, detail="it does not exist")
    if not follows_from_the_arn(policy.group.name):
        return Skip(
            reason=Reason.FUNCTION_GONE,
            detail="it does not exist, so what its group was called cannot be told",
            rule="group.name",
        )
    leftover = group_name(policy.group.name, LambdaFunction(arn=arn, runtime=None))
    return Skip(reason=Reason.FUNCTION_GONE, detail="it does not exist", leftover=leftover)


def objection_to_deleting(group: Group, policy: Policy, *, last_needed: datetime, now: datetime) -> str | None:
    """Return why a group that no function needs any more stays; None where it may go.

    Args:
        group: The group as it is now.
        policy: What may become of it.
        last_needed: When a function was last known to need it, as far as the group itself does not tell.
        now: The present.
    """
    if not policy.lifecycle.deletes:
        return "the policy keeps it (lifecycle.when_function_is_deleted)"
    ours = policy.tags.add.get(OWNER_TAG)
    if ours is None or group.tags.get(OWNER_TAG) != ours:
        return f"its tag {OWNER_TAG} is not the one that the policy adds"
    grace = timedelta(days=policy.lifecycle.orphan_grace_days)
    spared_until = max(group.last_active or now, last_needed) + grace
    # Without a grace no clock is asked: that of another machine may be ahead.
    if grace and now < spared_until:
        return f"it is spared until {spared_until:%Y-%m-%d %H:%M} UTC (lifecycle.orphan_grace_days)"
    return None


def _named_as_told(function: LambdaFunction, group: str) -> bool:
    """Whether a function names the very group that the policy gives, as it must where the agent looks for another."""
    names = (group, group_arn(function.arn, group))
    return function.own_group in names and group != agents_name(function.arn.name)


def _tagged(function: LambdaFunction, key: str) -> str:
    return f"tagged {key} = {function.tags[key]}" if key in function.tags else f"not tagged {key}"
