"""One function: read it as it is now, decide, apply, and return what was done.

Every entry point ends here. Doing it twice, late or out of order does no harm. After a tag write, the function's tags
are read once more: if somebody changed them meanwhile, that is a failure, which a retry resolves. Nothing is deleted
here (`cleanup`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from profiling_groups import functions, groups
from profiling_groups.aws import explain, is_forbidden
from profiling_groups.decision import Skip, decide, rule_out
from profiling_groups.functions import UnreadableAnswerError
from profiling_groups.naming import group_arn
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.ownership import Ownership, is_adoptable, read_ownership
from profiling_groups.plan import Plan, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient

    from profiling_groups.aws import Clients
    from profiling_groups.decision import Provision
    from profiling_groups.events import FunctionChanged
    from profiling_groups.functions import FunctionArn, LambdaFunction
    from profiling_groups.policy import Policy

MOST_CALLS: Final = 2 * 2 + 3 + 2 + 2 * groups.PERMISSION_ATTEMPTS + 1
"""How many AWS calls one function takes at most: two to read it, twice if it was just created; three to find its group
and the group's tags, two to write them; those about its permission; and one to read the function's tags again."""
_CREATION_WAIT_SECONDS: Final = 2.0
"""How long a function that was just created gets to become readable: Lambda's reads may lag behind its writes."""


class ConcurrentChangeError(Exception):
    """Somebody else changed the function or its group at the same time."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a backfill has listed of a function and its group.

    Attributes:
        function: The function's configuration; None if it is to be read again. Its tags are read again in any case.
        look_first: Whether the group exists, most likely, so that to create it would be a call in vain.
    """

    function: LambdaFunction | None = None
    look_first: bool = False


def reconcile(
    change: FunctionChanged,
    *,
    clients: Callable[[str], Clients],
    policy: Policy,
    known: Known = Known(),
    dry_run: bool = False,
) -> Outcome:
    """Give a function the profiling group that the policy says it should have.

    Costs two reads of the function (one, if a backfill has listed it), and then one call to create the group, or two
    (create, describe) to find it there; three or four more to adopt it or to correct its tags. By the policy, two calls
    more about the agent's permission.

    Args:
        change: Which function, and what is known of what happened to it.
        clients: Gives the clients for a region.
        policy: What it should have.
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
    try:
        api = clients(arn.region)
        function = _read(change, api, known)
        if function is None:
            return outcome(action=Action.SKIPPED, reason=Reason.FUNCTION_GONE, detail="it does not exist")
        decision = decide(function, policy)
        if isinstance(decision, Skip):
            return outcome(action=Action.SKIPPED, reason=decision.reason, detail=str(decision))
        group = decision.group
        done = _provide(decision, function, change, api=api, policy=policy, known=known, dry_run=dry_run)
    except Exception as error:  # noqa: BLE001 - an answer that makes no sense is a failure like any other, with its record
        if isinstance(error, ConcurrentChangeError):
            return outcome(group=group, action=Action.FAILED, reason=Reason.CONCURRENT_CHANGE, detail=str(error))
        failure = explain(error, function=str(arn), group=group_arn(arn, group) if group else None)
        return outcome(
            group=group,
            action=failure.action,
            reason=failure.reason,
            detail=failure.detail,
            error_code=failure.error_code,
        )
    return outcome(group=group, action=done.action, reason=done.reason, detail=done.detail, dropped_tags=done.dropped)


def _read(change: FunctionChanged, api: Clients, known: Known) -> LambdaFunction | None:
    if known.function:
        tags = functions.read_tags(api.awslambda, change.function)
        return None if tags is None else replace(known.function, tags=tags)
    function = functions.read(api.awslambda, change.function)
    if function is None and change.is_creation:
        time.sleep(_CREATION_WAIT_SECONDS)
        function = functions.read(api.awslambda, change.function)
    return function


def _provide(  # noqa: PLR0913 - all by keyword but what it is about
    wanted: Provision,
    function: LambdaFunction,
    change: FunctionChanged,
    *,
    api: Clients,
    policy: Policy,
    known: Known,
    dry_run: bool,
) -> Plan:
    """Create the group, or find it and correct what differs; return what was done."""
    client = api.profiler
    planned = partial(plan, wanted, function=function.arn, policy=policy, untagged=change.untagged)
    arn = group_arn(function.arn, wanted.group)
    create = partial(_create, wanted, planned(None), arn, client=client, client_token=change.client_token)
    if not known.look_first and not dry_run and create():
        return planned(None)
    # Somebody was first: an earlier delivery, a person, or the agent, which creates a missing group without tags.
    group = _find(client, wanted.group, function.arn, policy)
    todo = planned(group)
    if todo.reason is not None:
        return todo
    if dry_run:
        lacks_agent = group and wanted.agent_role and groups.lacks_agent(client, wanted.group, wanted.agent_role)
        return replace(todo, action=Action.UPDATED) if lacks_agent else todo
    if group is None:
        if not create():
            raise ConcurrentChangeError(f"the group {wanted.group} was created or deleted while it was looked at")
        return todo
    return _update(todo, group, wanted, function, api=api)


def _find(client: CodeGuruProfilerClient, name: str, function: FunctionArn, policy: Policy) -> groups.Group | None:
    """Read a group, with its tags once more if they are what an adoption would go by."""
    group = groups.find(client, group_arn(function, name))
    if (
        group
        and read_ownership(group, function) is Ownership.EXTERNAL
        and is_adoptable(group, policy.lifecycle.adopt_existing_groups)
    ):
        return groups.read_tags(client, group)
    return group


def _update(todo: Plan, group: groups.Group, wanted: Provision, function: LambdaFunction, *, api: Clients) -> Plan:
    client = api.profiler
    try:
        # Before the tags: should it fail, nobody would look again at a group whose tags are right.
        if wanted.agent_role and groups.allow_agent(client, wanted.group, wanted.agent_role):
            todo = replace(todo, action=Action.UPDATED)
        if todo.tags.remove:
            groups.remove_tags(client, group, todo.tags.remove)
        if todo.tags.put:
            groups.put_tags(client, group, todo.tags.put)
    except client.exceptions.ResourceNotFoundException as error:
        raise ConcurrentChangeError(f"the group {wanted.group} was deleted while it was updated") from error
    wrote_tags = todo.tags.remove or todo.tags.put
    if wrote_tags and functions.read_tags(api.awslambda, function.arn) != function.tags:
        raise ConcurrentChangeError("the function's tags were changed while those of its group were written")
    return todo


def _create(wanted: Provision, new: Plan, arn: str, *, client: CodeGuruProfilerClient, client_token: str) -> bool:
    """Create the group; False if there is one of that name, or if only a look can say whether there is."""
    try:
        created = groups.create(
            client,
            arn,
            tags=new.tags.put,
            profiling_enabled=wanted.profiling_enabled,
            client_token=client_token,
        )
    except UnreadableAnswerError:
        if groups.find(client, arn) is None:
            raise
        return False
    except ClientError as error:
        if is_forbidden(error):
            # To tell a creation like this one from the whole service: then this is forbidden, too, and says so.
            groups.find(client, arn)
        raise
    if created and wanted.agent_role:
        groups.allow_agent(client, wanted.group, wanted.agent_role)
    return created
