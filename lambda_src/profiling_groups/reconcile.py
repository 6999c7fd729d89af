"""One function: read it as it is now, decide, make it so, and say what was done.

Every entry point ends here. Doing it twice, late or out of order does no harm.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from profiling_groups import functions, groups, tags
from profiling_groups.aws import explain
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.policy import Policy, Provision, Skip, decide, rule_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient

    from profiling_groups.aws import Clients
    from profiling_groups.functions import FunctionArn


def reconcile(arn: FunctionArn, *, clients: Callable[[str], Clients], policy: Policy, client_token: str) -> Outcome:
    """Give a function the profiling group that the policy says it should have.

    Costs two reads, and then one call to create the group, or two (create, describe) to find it there, or three to put
    its tags right.

    Args:
        arn: Which function.
        clients: Gives the clients for a region.
        policy: What it should have.
        client_token: For CreateProfilingGroup; the same whenever the same event is tried again.

    Returns:
        What was done. Whatever goes wrong comes back as `failed` with its reason; nothing is raised.
    """
    outcome = partial(Outcome, function=str(arn), account=arn.account, region=arn.region)
    if ruled_out := rule_out(arn):
        return outcome(action=Action.SKIPPED, reason=ruled_out.reason, detail=ruled_out.detail)
    group: str | None = None
    resource = str(arn)
    try:
        api = clients(arn.region)
        function = functions.read(api.awslambda, arn)
        if function is None:
            return outcome(action=Action.SKIPPED, reason=Reason.FUNCTION_GONE)
        decision = decide(function, policy)
        if isinstance(decision, Skip):
            return outcome(action=Action.SKIPPED, reason=decision.reason, detail=decision.detail)
        group = decision.group
        resource = groups.arn(arn, group)
        action, reason, left_out = _apply(decision, api.profiler, client_token=client_token)
    except Exception as error:  # noqa: BLE001 - an answer that makes no sense is a failure like any other, with its record
        failure = explain(error, resource=resource)
        return outcome(
            group=group,
            action=Action.FAILED,
            reason=failure.reason,
            detail=failure.detail,
            error_code=failure.error_code,
        )
    detail = None
    if reason is Reason.COMPUTE_PLATFORM_MISMATCH:
        detail = f"the group is not for {groups.COMPUTE_PLATFORM} and was left as it is"
    elif function.environment_error:
        detail = (
            f"its environment could not be read ({function.environment_error}), so a group named there is not known"
        )
    return outcome(group=group, action=action, reason=reason, detail=detail, dropped_tags=decision.dropped + left_out)


def _apply(
    wanted: Provision, client: CodeGuruProfilerClient, *, client_token: str
) -> tuple[Action, Reason | None, tuple[tags.DroppedTag, ...]]:
    """Create the group, or put the tags of the one that is there right; also say which tags it has no room for."""
    new = tags.change({}, wanted.tags)
    if groups.create(
        client,
        wanted.group,
        tags=new.put,
        profiling_enabled=wanted.profiling_enabled,
        client_token=client_token,
    ):
        return Action.CREATED, None, new.dropped
    # Somebody was there first: an earlier delivery, a person, or the agent, which creates a missing group without tags.
    group = groups.describe(client, wanted.group)
    if group.compute_platform != groups.COMPUTE_PLATFORM:
        return Action.EXISTS, Reason.COMPUTE_PLATFORM_MISMATCH, ()
    drift = tags.change(group.tags, wanted.tags)
    if not drift.put:
        return Action.EXISTS, None, drift.dropped
    groups.put_tags(client, group, drift.put)
    return Action.UPDATED, None, drift.dropped
