"""What has been listed against what the policy wants: for each function an outcome, or the work that leads to one.

`sweep` asks, function by function, and then group by group. A function whose group is as wanted takes no call; whatever
has to be written is left to `reconcile`, which looks again before it changes or deletes anything that is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from profiling_groups import cursors, functions, groups
from profiling_groups.aws import explain
from profiling_groups.decision import Provision, Skip, decide, decide_gone, objection_to_deleting, rule_out
from profiling_groups.events import FunctionChanged
from profiling_groups.naming import agents_name, depends_on_tags, fixed_beginning, function_named, group_name
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.plan import Plan, plan
from profiling_groups.policy import OWNER_TAG
from profiling_groups.reconcile import Known, reconcile
from profiling_groups.workers import Work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from profiling_groups.aws import SweepClients
    from profiling_groups.functions import FunctionArn, LambdaFunction
    from profiling_groups.groups import Group
    from profiling_groups.inventory import Inventory
    from profiling_groups.policy import Policy

# A sweep does not know when a group was last needed; it goes by the group's own signs of life.
_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


def leftovers(stock: Inventory, policy: Policy) -> Iterator[str]:
    """Yield the names of the groups of ours that no function needs, in order.

    Ours are those for Lambda whose managed-by tag is the policy's. A function needs the group that the policy's name
    template gives it, whether or not it is to have one now, that under which its agent looks, and one that it names.
    Where that cannot be told, for want of the tags that the names are made of, there are none.
    """
    ours = policy.tags.add.get(OWNER_TAG)
    if ours is None or (depends_on_tags(policy.group.name) and not stock.tags_known):
        return
    needed: set[str] = set()
    for name in stock.functions():
        function = stock.function(name)
        needed |= {group_name(policy.group.name, function), agents_name(name)}
        if function.own_group:
            needed.add(function.own_group.rpartition("/")[2])
    for name in stock.groups():
        group = stock.group(name)
        is_ours = group and group.compute_platform == groups.COMPUTE_PLATFORM and group.tags.get(OWNER_TAG) == ours
        if is_ours and name not in needed:
            yield name


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What has been listed, and what is to become of it.

    Attributes:
        stock: What has been listed.
        clients: Clients made for this sweep.
        policy: What the functions should have.
        sweep: Id of the sweep.
        now: The present.
        dry_run: Whether only to say what would be done.
    """

    stock: Inventory
    clients: SweepClients
    policy: Policy
    sweep: str
    now: datetime
    dry_run: bool

    def function(self, name: str) -> Outcome | Work:
        """Tell what is to be done about a function.

        Args:
            name: Its name, one of those listed.
        """
        function = self.stock.function(name)
        decision = decide(function, self.policy)
        if self.stock.tags_known or self._needs_no_tags(decision):
            return self._compared(function, decision)
        expected = self._outcome(function.arn, Plan(action=Action.SKIPPED, group=None))
        return Work(expected=expected, do=partial(self._with_tags, expected, function.arn))

    def leftover(self, name: str) -> Outcome | Work:
        """Tell what is to be done about a group that no function needs.

        Args:
            name: Its name, one of `leftovers`.
        """
        place = self.stock.place
        if arn := function_named(self.policy.group.name, name, account=place.account, region=place.region):
            planned = self._plan(decide_gone(arn, self.policy), self.stock.group(name))
            expected = self._outcome(arn, planned)
            if ruled_out := rule_out(arn, self.policy):
                detail = f"it does not exist; its group stays: {ruled_out}"
                return replace(expected, action=Action.ORPHANED, group=name, detail=detail)
            work = Work(expected=expected, do=partial(self._reconcile, arn, Known()))
            return work if planned.action is Action.DELETED and not self.dry_run else expected
        expected = self._of_an_unknown_function(name, self.stock.group(name))
        work = Work(expected=expected, do=partial(self._delete, expected))
        return work if expected.action is Action.DELETED and not self.dry_run else expected

    def _needs_no_tags(self, decision: Provision | Skip) -> bool:
        """Whether a decision about a function without its tags would be the same with them."""
        return isinstance(decision, Skip) and decision.leftover is None and not depends_on_tags(self.policy.group.name)

    def _compared(self, function: LambdaFunction, decision: Provision | Skip) -> Outcome | Work:
        name = decision.group if isinstance(decision, Provision) else decision.leftover
        group = self.stock.group(name) if name else None
        planned = self._plan(decision, group)
        expected = self._outcome(function.arn, planned)
        unsure = name is not None and group is None and not self.stock.groups_known
        match decision, planned.action:
            case Provision(agent_role=str()), Action.EXISTS if planned.reason is None:
                calls = True  # no listing tells whom a group lets report
            case _, Action.UPDATED:
                calls = True
            case _, Action.CREATED:
                calls = unsure or not self.dry_run
            case _, Action.DELETED:
                calls = not self.dry_run
            case _:
                calls = unsure and self.policy.lifecycle.deletes
        if not calls:
            return expected
        # What was changed a moment ago may have been listed as it was, and nothing is deleted by a listing.
        trusted = planned.action is not Action.DELETED and self.stock.is_settled(function.arn.name)
        # A group that could not be listed is there, most likely.
        look_first = group is not None or not self.stock.groups_known
        known = Known(function=function if trusted else None, look_first=look_first)
        return Work(expected=expected, do=partial(self._reconcile, function.arn, known))

    def _plan(self, decision: Provision | Skip, group: Group | None) -> Plan:
        return plan(decision, group, policy=self.policy, untagged=(), last_needed=_LONG_AGO, now=self.now)

    def _outcome(self, arn: FunctionArn, planned: Plan) -> Outcome:
        return Outcome(
            function=str(arn),
            group=planned.group,
            action=planned.action,
            reason=planned.reason,
            detail=planned.detail,
            account=arn.account,
            region=arn.region,
            dry_run=self.dry_run,
            dropped_tags=planned.dropped,
        )

    def _reconcile(self, arn: FunctionArn, known: Known) -> Outcome:
        change = FunctionChanged(function=arn, client_token=cursors.client_token(self.sweep, arn), time=_LONG_AGO)
        return reconcile(
            change,
            clients=lambda _: self.clients,
            policy=self.policy,
            now=self.now,
            known=known,
            dry_run=self.dry_run,
        )

    def _with_tags(self, expected: Outcome, arn: FunctionArn) -> Outcome:
        """Go on with a function whose tags are read on their own."""
        try:
            tags = functions.read_tags(self.clients.awslambda, arn)
            if tags is None:
                return self._reconcile(arn, Known())
            function = self.stock.function(arn.name, tags)
            item = self._compared(function, decide(function, self.policy))
        except Exception as error:  # noqa: BLE001 - a failure like any other
            return _failed(expected, error)
        return item.do() if isinstance(item, Work) else item

    def _of_an_unknown_function(self, name: str, group: Group | None) -> Outcome:
        """Tell what becomes of a group whose name does not tell the function that it was for."""
        gone = Outcome(
            function=None,
            group=name,
            action=Action.DELETED,
            reason=Reason.FUNCTION_GONE,
            detail="no function needs it",
            account=self.stock.place.account,
            region=self.stock.place.region,
            dry_run=self.dry_run,
        )
        if group is None:
            return replace(gone, action=Action.SKIPPED, group=None, detail=f"{name} is gone already")
        if objection := self._objection(group, name):
            return replace(gone, action=Action.ORPHANED, detail=f"no function needs it; it stays: {objection}")
        return gone

    def _objection(self, group: Group, name: str) -> str | None:
        """Return why a group whose name does not tell its function stays; None where it may go."""
        place = self.stock.place
        beginning = fixed_beginning(self.policy.group.name).format(account=place.account, region=place.region)
        if not name.startswith(beginning):
            # As the group of another name template: the permissions follow from this one.
            return f"only groups whose names begin with {beginning} may be deleted (group.name)"
        if self.policy.deletes_at_once:
            # Nobody could look whether the function has come back meanwhile.
            return "its name does not tell its function, so it goes by a grace only (lifecycle.orphan_grace_days)"
        return objection_to_deleting(group, self.policy, last_needed=_LONG_AGO, now=self.now)

    def _delete(self, expected: Outcome) -> Outcome:
        """Delete a group whose name does not tell its function, if that is still right."""
        name = str(expected.group)
        try:
            now = self._of_an_unknown_function(name, groups.find(self.clients.profiler, name))
            if now.action is not Action.DELETED:
                return now
            if arn := self._needing(name):
                return replace(now, action=Action.SKIPPED, reason=None, detail=f"{arn} needs it")
            groups.delete(self.clients.profiler, name)
        except Exception as error:  # noqa: BLE001 - a failure like any other
            return _failed(expected, error)
        return now

    def _needing(self, group: str) -> FunctionArn | None:
        """Return the function that needs a group after all, read afresh: nothing is deleted by a listing."""
        for name in self.stock.functions():
            if name in group:
                function = functions.read(self.clients.awslambda, self.stock.function(name).arn)
                if function and group_name(self.policy.group.name, function) == group:
                    return function.arn
        return None


def _failed(expected: Outcome, error: Exception) -> Outcome:
    failure = explain(error, function=expected.function or "*", group=expected.group)
    return replace(
        expected, action=failure.action, reason=failure.reason, detail=failure.detail, error_code=failure.error_code
    )
