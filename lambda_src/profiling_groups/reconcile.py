"""One function: read it as it is now, decide, make it so, and say what was done.

Every entry point ends here. Doing it twice, late or out of order does no harm; nor does doing it while somebody else
changes the function or its group: who has written tags, or deleted, reads the function's tags again, and starts over,
once, where they have changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from profiling_groups import functions, groups, tags
from profiling_groups.aws import explain
from profiling_groups.decision import Provision, Skip, decide, decide_gone, objection_to_deleting, rule_out
from profiling_groups.naming import group_arn
from profiling_groups.outcomes import Action, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient

    from profiling_groups.aws import Clients
    from profiling_groups.events import FunctionChanged
    from profiling_groups.policy import Policy

_ROUNDS = 2
MOST_CALLS = _ROUNDS * (2 + 4 + 2 * groups.PERMISSION_ATTEMPTS + 1) + 3
"""How many AWS calls one function takes at the very most: in each round two to read it, four about its group and its
tags, those about its permission, and one to see whether the function has changed meanwhile; and three to give up."""


class UnsettledError(Exception):
    """The function or its group was changed by others whenever it was looked at."""


@dataclass(frozen=True, kw_only=True)
class _Result:
    """What one round came to.

    Attributes:
        action: What was done.
        reason: Why, where the action alone does not tell.
        detail: A sentence for a person.
        group: Name of the group, where there is one to speak of.
        dropped: Tags that the group does not get.
        look_again: Whether to read the function's tags again: what was done is wrong if they have changed since.
            Whatever else is done, the run for the event of such a change finds, and puts right.
    """

    action: Action
    reason: Reason | None = None
    detail: str | None = None
    group: str | None = None
    dropped: tuple[tags.DroppedTag, ...] = ()
    look_again: bool = False


def reconcile(change: FunctionChanged, *, clients: Callable[[str], Clients], policy: Policy, now: datetime) -> Outcome:
    """Give a function the profiling group that the policy says it should have.

    Costs two reads, and then one call to create the group, or two (create, describe) to find it there, or four or five
    to put its tags right and look again. By the policy, two calls more about the agent's permission, and one look more
    after a creation where groups are deleted at once.

    Args:
        change: Which function, and what is known of what happened to it.
        clients: Gives the clients for a region.
        policy: What it should have.
        now: The present.

    Returns:
        What was done. Whatever goes wrong comes back as `failed` with its reason; nothing is raised.
    """
    arn = change.function
    outcome = partial(Outcome, function=str(arn), account=arn.account, region=arn.region)
    if ruled_out := rule_out(arn, policy):
        return outcome(action=Action.SKIPPED, reason=ruled_out.reason, detail=str(ruled_out))
    group: str | None = None
    results: list[_Result] = []
    lost: frozenset[str] = frozenset()
    try:
        api = clients(arn.region)
        for _ in range(_ROUNDS):
            function = functions.read(api.awslambda, arn)
            match decide(function, policy) if function else decide_gone(arn, policy):
                case Provision(group=group) as wanted:
                    results.append(_provision(wanted, api.profiler, policy=policy, change=change))
                case Skip(leftover=group) as skip:
                    results.append(_pass_over(skip, api.profiler, policy=policy, change=change, now=now))
            if not results[-1].look_again:
                break
            carried = function.tags if function else None
            found = functions.read_tags(api.awslambda, arn)
            if found == carried:
                break
            # What it has lost since, the group has got from here.
            lost = frozenset(carried or ()) - frozenset(found or ())
            change = replace(change, untagged=change.untagged | lost)
        else:
            _give_up(lost, group, api.profiler, policy=policy)
    except Exception as error:  # noqa: BLE001 - an answer that makes no sense is a failure like any other, with its record
        failure = explain(error, function=str(arn), group=group_arn(arn, group) if group else None)
        return outcome(
            group=group,
            action=Action.FAILED,
            reason=failure.reason,
            detail=failure.detail,
            error_code=failure.error_code,
        )
    result = results[-1]
    return outcome(
        group=result.group,
        action=_in_all([each.action for each in results]),
        reason=result.reason,
        detail=result.detail,
        dropped_tags=result.dropped,
    )


def _provision(
    wanted: Provision, client: CodeGuruProfilerClient, *, policy: Policy, change: FunctionChanged
) -> _Result:
    """Create the group, or put the one that is there right."""
    new = tags.change({}, wanted.tags)
    result = _Result(
        action=Action.CREATED, group=wanted.group, detail=wanted.caveat, dropped=wanted.dropped + new.dropped
    )
    if groups.create(
        client,
        wanted.group,
        tags=new.put,
        profiling_enabled=wanted.profiling_enabled,
        client_token=change.client_token,
    ):
        if wanted.agent_role:
            groups.allow_agent(client, wanted.group, wanted.agent_role)
        # Its function may be gone, and whoever was to delete the group has been here, and found none.
        return replace(result, look_again=policy.deletes_at_once)
    # Somebody was there first: an earlier delivery, a person, or the agent, which creates a missing group without tags.
    group = groups.find(client, wanted.group)
    if group is None:
        raise UnsettledError("somebody deleted the group while its tags were to be put right")
    if group.compute_platform != groups.COMPUTE_PLATFORM:
        return _Result(
            action=Action.EXISTS,
            reason=Reason.COMPUTE_PLATFORM_MISMATCH,
            group=wanted.group,
            detail=f"the group is not for {groups.COMPUTE_PLATFORM} and was left as it is",
            dropped=wanted.dropped,
        )
    # Before the tags: should it fail, nobody would look again at what was written.
    allowed = wanted.agent_role is not None and groups.allow_agent(client, wanted.group, wanted.agent_role)
    drift = _drift(group, wanted, policy=policy, change=change)
    tagged = _write(drift, group, client)
    return replace(
        result,
        action=Action.UPDATED if tagged or allowed else Action.EXISTS,
        dropped=wanted.dropped + drift.dropped,
        look_again=tagged,
    )


def _give_up(lost: Collection[str], name: str | None, client: CodeGuruProfilerClient, *, policy: Policy) -> NoReturn:
    """Take off a group what its function has lost while it was written, and raise.

    Whoever tries again knows nothing of it, and would take it for somebody's own; what is taken off too much, it puts.
    """
    if name and (group := groups.find(client, name)):
        nothing = tags.WantedTags(inherited={}, added=policy.tags.add)
        untagged = tags.passed_on(lost, policy.tags.inherit)
        _write(tags.change(group.tags, nothing, untagged=untagged), group, client)
    raise UnsettledError("somebody changed the function whenever its group was right")


def _write(change: tags.TagChange, group: groups.Group, client: CodeGuruProfilerClient) -> bool:
    """Make a change of a group's tags; False where there is nothing to do."""
    if change.remove:
        groups.remove_tags(client, group, change.remove)
    if change.put:
        groups.put_tags(client, group, change.put)
    return bool(change.remove or change.put)


def _drift(group: groups.Group, wanted: Provision, *, policy: Policy, change: FunctionChanged) -> tags.TagChange:
    """Return what is to be done about the tags of a group that is there."""
    if policy.lifecycle.keep_tags_in_step:
        untagged = tags.passed_on(change.untagged, policy.tags.inherit)
        return tags.change(group.tags, wanted.tags, untagged=untagged)
    if tags.adopted(group.tags, wanted.tags):
        return tags.TagChange(remove=(), put={}, dropped=())
    return tags.change(group.tags, wanted.tags)


def _pass_over(
    skip: Skip, client: CodeGuruProfilerClient, *, policy: Policy, change: FunctionChanged, now: datetime
) -> _Result:
    """Give the function nothing; a group that it does not need any more goes where the policy says so."""
    skipped = _Result(action=Action.SKIPPED, reason=skip.reason, detail=str(skip))
    group = groups.find(client, skip.leftover) if skip.leftover else None
    if skip.leftover is None or group is None or group.compute_platform != groups.COMPUTE_PLATFORM:
        return skipped
    objection = objection_to_deleting(group, policy, last_needed=min(change.time or now, now), now=now)
    if objection is None:
        groups.delete(client, skip.leftover)
        return replace(skipped, action=Action.DELETED, group=skip.leftover, look_again=True)
    return replace(
        skipped,
        action=Action.ORPHANED if policy.lifecycle.deletes else Action.SKIPPED,
        group=skip.leftover,
        detail=f"{skip}; its group stays: {objection}",
    )


def _in_all(actions: list[Action]) -> Action:
    """Return what was done in several rounds: a group that was created and then put right was created."""
    if actions[-1] in (Action.EXISTS, Action.UPDATED):
        return next(each for each in (Action.CREATED, Action.UPDATED, Action.EXISTS) if each in actions)
    return actions[-1]
