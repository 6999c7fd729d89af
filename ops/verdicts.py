"""What a policy comes to for one function, in all that it decides: as `policy explain` shows it. Pure.

The decision is `profiling_groups.decision`'s; here it is only laid out flat, with the tags that a new group would get.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, assert_never

from infra.place_checks import keys_named
from profiling_groups.decision import Provision, Skip, decide, rule_out_place
from profiling_groups.plan import plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from profiling_groups.functions import FunctionArn, LambdaFunction
    from profiling_groups.outcomes import Reason
    from profiling_groups.policy import AdoptExistingGroups, Override, Policy
    from profiling_groups.tags import DroppedTag


@dataclass(frozen=True, kw_only=True)
class Applied:
    """An override that applies to a function.

    Attributes:
        number: Its place in the policy's list, from 0 on.
        match: What it is for: accounts, organizational units, regions.
        decides: The keys for which it has the last word.
    """

    number: int
    match: Mapping[str, Sequence[str]]
    decides: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision about a function.

    Attributes:
        function: ARN of the function.
        group: Name of the group that it gets; None where it gets none.
        reason: Why it gets none; None where it gets one.
        detail: What was seen that says so, or could not be seen.
        rule: The key of the policy that decided against it; None where no policy could say otherwise.
        tags: The tags that its group gets when it is new, the mark that names its function included.
        adopts: Which existing groups of that name are adopted; None without a group.
        dropped_tags: Tags of the function that the group does not get.
        profiling_enabled: Whether agents that report to a new group may profile; None without a group.
        agent_role: ARN of the role that the group's resource policy comes to allow; None for none.
        leftover: Name of the group that it has if it was to have one before; None where none is looked for.
        organization_path: Where the account is in its organization; None where the policy does not ask.
        overrides: Those that apply to it, in order.
        rule_by: Number of the override that has set the rule; None where the policy itself has, or there is none.
        spared_days: For how many days after its last activity a backfill keeps that group before it is deleted, if this
            project created it; None where there is none, or it is kept for good.
    """

    function: str
    group: str | None = None
    reason: Reason | None = None
    detail: str | None = None
    rule: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    adopts: AdoptExistingGroups | None = None
    dropped_tags: tuple[DroppedTag, ...] = ()
    profiling_enabled: bool | None = None
    agent_role: str | None = None
    leftover: str | None = None
    spared_days: int | None = None
    organization_path: str | None = None
    overrides: tuple[Applied, ...] = ()
    rule_by: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return asdict(self)


def verdict(function: LambdaFunction, policy: Policy, *, organization_path: str | None = None) -> Verdict:
    """Ask the policy about a function.

    Args:
        function: The function.
        policy: The policy of all places.
        organization_path: Where the function's account is in its organization, if the policy asks.
    """
    arn = function.arn
    if turned_away := rule_out_place(
        policy, account=arn.account, region=arn.region, organization_path=organization_path
    ):
        return replace(laid_out(turned_away, arn, policy), organization_path=organization_path)
    governed = policy.governing(account=arn.account, region=arn.region, organization_path=organization_path)
    found = laid_out(decide(function, governed.policy), arn, governed.policy)
    applied = _applied(policy, governed.overrides)
    return replace(
        found,
        organization_path=organization_path,
        overrides=applied,
        rule_by=_last_word(found.rule, applied) if found.rule else None,
    )


def where(override: Override) -> Mapping[str, Sequence[str]]:
    """Return what an override is for, as far as it names it."""
    return {name: globs for name, globs in asdict(override.match).items() if globs}


def what(override: Override) -> tuple[str, ...]:
    """Return the keys that an override names."""
    return tuple(".".join(map(str, key)) for key in keys_named(override.changes))


def _applied(policy: Policy, numbers: Sequence[int]) -> tuple[Applied, ...]:
    found: list[Applied] = []
    later: set[str] = set()
    for number in reversed(numbers):
        override = policy.overrides[number]
        decides = tuple(key for key in what(override) if key not in later)
        found.insert(0, Applied(number=number, match=where(override), decides=decides))
        later.update(decides)
    return tuple(found)


def _last_word(rule: str, applied: Sequence[Applied]) -> int | None:
    """Return the override that has set what a rule says."""
    for each in applied:
        if any(f"{rule}.".startswith(f"{key}.") for key in each.decides):
            return each.number
    return None


def laid_out(decision: Provision | Skip, function: FunctionArn, policy: Policy) -> Verdict:
    """Lay out what the policy of its place came to about a function."""
    match decision:
        case Provision() as wanted:
            new = plan(wanted, None, function=function, policy=policy)
            return Verdict(
                function=str(function),
                group=wanted.group,
                detail=wanted.caveat,
                tags=new.tags.put,
                adopts=policy.lifecycle.adopt_existing_groups,
                dropped_tags=new.dropped,
                profiling_enabled=wanted.profiling_enabled,
                agent_role=wanted.agent_role,
            )
        case Skip() as skip:
            return Verdict(
                function=str(function),
                reason=skip.reason,
                detail=skip.detail,
                rule=skip.rule,
                leftover=skip.leftover,
                spared_days=policy.lifecycle.orphan_grace_days if skip.leftover and policy.lifecycle.deletes else None,
            )
        case never:
            assert_never(never)
