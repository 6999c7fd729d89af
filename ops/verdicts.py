"""What a policy comes to for one function, in all that it decides: as `policy explain` shows it. Pure.

The decision is `profiling_groups.decision`'s; here it is only laid out flat, with the tags that a new group would get.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, assert_never

from profiling_groups import tags
from profiling_groups.decision import Provision, Skip, decide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from profiling_groups.functions import FunctionArn, LambdaFunction
    from profiling_groups.outcomes import Reason
    from profiling_groups.policy import Policy
    from profiling_groups.tags import DroppedTag


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision about a function.

    Attributes:
        function: ARN of the function.
        group: Name of the group that it gets; None where it gets none.
        reason: Why it gets none; None where it gets one.
        detail: What was seen that says so, or could not be seen.
        rule: The key of the policy that decided against it; None where no policy could say otherwise.
        tags: The tags that its group gets when it is new.
        dropped_tags: Tags of the function that the group does not get.
        profiling_enabled: Whether agents that report to a new group may profile; None without a group.
        agent_role: ARN of the role that the group's resource policy comes to allow; None for none.
        leftover: Name of the group that it has if it was to have one before; None where none is looked for.
        spared_days: For how many days after its last sign of life that group is spared before it is deleted, if it is
            ours; None where there is none, or it is kept for good.
    """

    function: str
    group: str | None = None
    reason: Reason | None = None
    detail: str | None = None
    rule: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    dropped_tags: tuple[DroppedTag, ...] = ()
    profiling_enabled: bool | None = None
    agent_role: str | None = None
    leftover: str | None = None
    spared_days: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return asdict(self)


def verdict(function: LambdaFunction, policy: Policy) -> Verdict:
    """Ask the policy about a function."""
    return laid_out(decide(function, policy), function.arn, policy)


def laid_out(decision: Provision | Skip, function: FunctionArn, policy: Policy) -> Verdict:
    """Lay out what the policy came to about a function."""
    match decision:
        case Provision() as wanted:
            new = tags.change({}, wanted.tags)
            return Verdict(
                function=str(function),
                group=wanted.group,
                detail=wanted.caveat,
                tags=new.put,
                dropped_tags=wanted.dropped + new.dropped,
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
