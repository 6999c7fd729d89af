"""One function: read it as it is now, decide, make it so, and say what was done.

Every entry point ends here. Doing it twice, late or out of order does no harm; nor does doing it while somebody else
changes the function or its group: who has written tags, or deleted, reads the function's tags again, and starts over,
once, where they have changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from botocore.exceptions import ClientError

from profiling_groups import functions, groups, tags
from profiling_groups.aws import explain, is_forbidden
from profiling_groups.decision import Provision, decide, decide_gone, rule_out
from profiling_groups.naming import group_arn
from profiling_groups.outcomes import Action, Outcome
from profiling_groups.plan import Plan, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient

    from profiling_groups.aws import Clients
    from profiling_groups.decision import Skip
    from profiling_groups.events import FunctionChanged
    from profiling_groups.functions import LambdaFunction
    from profiling_groups.policy import Policy

_ROUNDS = 2
MOST_CALLS = _ROUNDS * (2 + 4 + 2 * groups.PERMISSION_ATTEMPTS + 1) + 3
"""How many AWS calls one function takes at the very most: in each round two to read it, four about its group and its
tags, those about its permission, and one to see whether the function has changed meanwhile; and three to give up."""


class UnsettledError(Exception):
    """The function or its group was changed by others whenever it was looked at."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a sweep has seen of a function and its group, moments ago.

    Attributes:
        function: The function as it was; None where it is to be read afresh.
        look_first: Whether the group is there, most likely, so that to create it would be a call in vain.
    """

    function: LambdaFunction | None = None
    look_first: bool = False


def reconcile(  # noqa: PLR0913 - all by keyword
    change: FunctionChanged,
    *,
    clients: Callable[[str], Clients],
    policy: Policy,
    now: datetime,
    known: Known = Known(),
    dry_run: bool = False,
) -> Outcome:
    """Give a function the profiling group that the policy says it should have.

    Costs two reads (none, where the function is known), and then one call to create the group, or two (create,
    describe) to find it there, or four or five to put its tags right and look again. By the policy, two calls more
    about the agent's permission, and one look more after a creation where groups are deleted at once.

    Args:
        change: Which function, and what is known of what happened to it.
        clients: Gives the clients for a region.
        policy: What it should have.
        now: The present.
        known: What has been read already.
        dry_run: Whether to make no writing call, and to say what would be done.

    Returns:
        What was done. Whatever goes wrong comes back as `failed` with its reason; nothing is raised.
    """
    arn = change.function
    outcome = partial(Outcome, function=str(arn), account=arn.account, region=arn.region, dry_run=dry_run)
    if ruled_out := rule_out(arn, policy):
        return outcome(action=Action.SKIPPED, reason=ruled_out.reason, detail=str(ruled_out))
    group: str | None = None
    done: list[Plan] = []
    lost: frozenset[str] = frozenset()
    function = known.function
    try:
        api = clients(arn.region)
        for round_ in range(_ROUNDS):
            if round_ or function is None:
                function = functions.read(api.awslambda, arn)
            decision = decide(function, policy) if function else decide_gone(arn, policy)
            group = decision.group if isinstance(decision, Provision) else decision.leftover
            planned = partial(
                plan,
                decision,
                policy=policy,
                untagged=change.untagged,
                last_needed=min(change.time or now, now),
                now=now,
            )
            look_first = known.look_first or dry_run
            settle = partial(_settle, look_first=look_first, client_token=change.client_token, dry_run=dry_run)
            try:
                done.append(settle(decision, planned, api.profiler))
            except (UnsettledError, api.profiler.exceptions.ResourceNotFoundException):
                if round_ + 1 == _ROUNDS:
                    raise
                # Somebody was at work on the group, too.
                continue
            if dry_run or not _worth_another_look(done[-1], policy):
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
            action=failure.action,
            reason=failure.reason,
            detail=failure.detail,
            error_code=failure.error_code,
        )
    last = done[-1]
    return outcome(
        group=last.group,
        action=_in_all([each.action for each in done]),
        reason=last.reason,
        detail=last.detail,
        dropped_tags=last.dropped,
    )


def _settle(  # noqa: PLR0913 - all by keyword but what it is about
    decision: Provision | Skip,
    planned: Callable[[groups.Group | None], Plan],
    client: CodeGuruProfilerClient,
    *,
    look_first: bool,
    client_token: str,
    dry_run: bool,
) -> Plan:
    """Make it so with one group, and return what that came to."""
    create = partial(_create, client=client, client_token=client_token)
    if isinstance(decision, Provision) and not look_first and create(decision, new := planned(None)):
        return new
    # Somebody was there first: an earlier delivery, a person, or the agent, which creates a missing group without tags.
    name = decision.group if isinstance(decision, Provision) else decision.leftover
    group = groups.find(client, name) if name else None
    todo = planned(group)
    if isinstance(decision, Provision) and todo.action in (Action.EXISTS, Action.UPDATED) and todo.reason is None:
        # Before the tags: should it fail, nobody would look again at what was written.
        todo = _with_agent(todo, decision, client, dry_run=dry_run)
    match decision, todo.action:
        case _ if dry_run:
            pass
        case Provision(), Action.CREATED:
            if not (look_first and create(decision, todo)):
                raise UnsettledError("somebody created or deleted the group while it was looked at")
        case _, Action.UPDATED if group:
            _write(todo.tags, group, client)
        case _, Action.DELETED if name:
            groups.delete(client, name)
    return todo


def _with_agent(todo: Plan, wanted: Provision, client: CodeGuruProfilerClient, *, dry_run: bool) -> Plan:
    """Let the group's policy allow the role that is wanted."""
    ask = groups.lacks_agent if dry_run else groups.allow_agent
    lacking = wanted.agent_role is not None and ask(client, wanted.group, wanted.agent_role)
    return replace(todo, action=Action.UPDATED) if lacking else todo


def _create(wanted: Provision, new: Plan, *, client: CodeGuruProfilerClient, client_token: str) -> bool:
    """Create the group; False where there is one of that name."""
    try:
        created = groups.create(
            client,
            wanted.group,
            tags=new.tags.put,
            profiling_enabled=wanted.profiling_enabled,
            client_token=client_token,
        )
    except ClientError as error:
        if is_forbidden(error):
            # To tell a creation like this one from the whole service: then this is forbidden, too, and says so.
            groups.find(client, wanted.group)
        raise
    if created and wanted.agent_role:
        groups.allow_agent(client, wanted.group, wanted.agent_role)
    return created


def _worth_another_look(done: Plan, policy: Policy) -> bool:
    """Return whether what was done is wrong if the function's tags have changed since it was read.

    Whatever else is done, the run for the event of such a change finds, and puts right.
    """
    match done.action:
        case Action.CREATED:
            # Its function may be gone, and whoever was to delete the group has been here, and found none.
            return policy.deletes_at_once
        case Action.UPDATED:
            return bool(done.tags.remove or done.tags.put)
    return done.action is Action.DELETED


def _give_up(lost: Collection[str], name: str | None, client: CodeGuruProfilerClient, *, policy: Policy) -> NoReturn:
    """Take off a group what its function has lost while it was written, and raise.

    Whoever tries again knows nothing of it, and would take it for somebody's own; what is taken off too much, it puts.
    """
    if name and (group := groups.find(client, name)):
        nothing = tags.WantedTags(inherited={}, added=policy.tags.add)
        untagged = tags.passed_on(lost, policy.tags.inherit)
        _write(tags.change(group.tags, nothing, untagged=untagged), group, client)
    raise UnsettledError("somebody changed the function whenever its group was right")


def _write(change: tags.TagChange, group: groups.Group, client: CodeGuruProfilerClient) -> None:
    """Make a change of a group's tags."""
    if change.remove:
        groups.remove_tags(client, group, change.remove)
    if change.put:
        groups.put_tags(client, group, change.put)


def _in_all(actions: list[Action]) -> Action:
    """Return what was done in several rounds: a group that was created and then put right was created."""
    if actions[-1] in (Action.EXISTS, Action.UPDATED):
        return next(each for each in (Action.CREATED, Action.UPDATED, Action.EXISTS) if each in actions)
    return actions[-1]
