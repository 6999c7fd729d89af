"""What has been listed against what the policy wants: for each function an outcome, or the work that leads to one.

`sweep` asks, function by function. A function whose group is as wanted takes no call; whatever has to be written is
left to `reconcile`, which reads the function's tags again first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from profiling_groups import cursors, functions
from profiling_groups.cleanup import Cleanup, DeletionLimit
from profiling_groups.decision import Provision, Skip, decide
from profiling_groups.events import FunctionChanged
from profiling_groups.naming import depends_on_tags, group_arn
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.ownership import Ownership, read_ownership
from profiling_groups.plan import plan
from profiling_groups.reconcile import Known, reconcile
from profiling_groups.workers import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from profiling_groups.aws import SweepClients
    from profiling_groups.functions import FunctionArn, LambdaFunction
    from profiling_groups.inventory import Inventory
    from profiling_groups.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What has been listed, and what is to become of it.

    Attributes:
        stock: What has been listed.
        clients: Clients made for this backfill.
        policy: What the functions should have.
        reconcile: Reconciles a function with AWS as it is now.
        cleanup: What becomes of groups that their functions do not need.
        dry_run: Whether only to say what would be done.
    """

    stock: Inventory
    clients: SweepClients
    policy: Policy
    reconcile: Callable[[Known, FunctionArn], Outcome]
    cleanup: Cleanup
    dry_run: bool

    @classmethod
    def of(  # noqa: PLR0913 - all by keyword but the inventory
        cls,
        stock: Inventory,
        *,
        clients: SweepClients,
        policy: Policy,
        backfill: str,
        deleted_before: int,
        now: datetime,
        dry_run: bool,
    ) -> Comparison:
        """Return a comparison of an inventory with a policy.

        Args:
            stock: What has been listed.
            clients: Clients made for this backfill.
            policy: What the functions should have.
            backfill: Id of the backfill, the same for all of its invocations.
            deleted_before: How many groups its earlier invocations have deleted.
            now: Current time, UTC.
            dry_run: Whether only to say what would be done.
        """

        def reconcile_now(known: Known, arn: FunctionArn) -> Outcome:
            change = FunctionChanged(function=arn, client_token=cursors.client_token(backfill, arn))
            return reconcile(change, clients=lambda _: clients, policy=policy, known=known, dry_run=dry_run)

        cleanup = Cleanup(
            stock=stock,
            clients=clients,
            policy=policy,
            limit=DeletionLimit(policy.lifecycle.max_deletions - deleted_before),
            reconcile=partial(reconcile_now, Known()),
            now=now,
            dry_run=dry_run,
        )
        return cls(
            stock=stock, clients=clients, policy=policy, reconcile=reconcile_now, cleanup=cleanup, dry_run=dry_run
        )

    def function(self, name: str) -> Outcome | Work:
        """Return what is to be done about a function.

        Args:
            name: Its name, one of those listed.
        """
        function = self.stock.function(name)
        decision = decide(function, self.policy)
        if self.stock.tags_known or self._needs_no_tags(decision):
            return self._compare(function, decision)
        expected = self._outcome(function, Action.SKIPPED)
        return Work(expected=expected, do=partial(self._compare_with_tags, function))

    def _needs_no_tags(self, decision: Provision | Skip) -> bool:
        """Whether a decision about a function without its tags would be the same with them."""
        return isinstance(decision, Skip) and decision.leftover is None and not depends_on_tags(self.policy.group.name)

    def _compare_with_tags(self, function: LambdaFunction) -> Outcome:
        """Go on with a function whose tags are read on their own."""
        tags = functions.read_tags(self.clients.awslambda, function.arn)
        if tags is None:
            return self.reconcile(Known(), function.arn)
        function = replace(function, tags=tags)
        item = self._compare(function, decide(function, self.policy))
        return item.do() if isinstance(item, Work) else item

    def _compare(self, function: LambdaFunction, decision: Provision | Skip) -> Outcome | Work:
        match decision:
            case Provision():
                return self._provide(function, decision)
            case Skip():
                return self._skip(function, decision)

    def _provide(self, function: LambdaFunction, wanted: Provision) -> Outcome | Work:
        group = self.stock.group(wanted.group)
        planned = plan(wanted, group, function=function.arn, policy=self.policy)
        expected = Outcome(
            function=str(function.arn),
            group=planned.group,
            action=planned.action,
            reason=planned.reason,
            detail=planned.detail,
            account=function.arn.account,
            region=function.arn.region,
            dry_run=self.dry_run,
            dropped_tags=planned.dropped,
        )
        is_known = group.tags_known if group else self.stock.groups_known
        # No listing says whom a group's policy allows to report.
        is_as_wanted = planned.action is Action.EXISTS and (planned.reason is not None or not wanted.agent_role)
        if is_known and (is_as_wanted or (self.dry_run and planned.action is Action.CREATED)):
            return expected
        known = Known(
            # What was changed a moment ago may have been listed as it was before.
            function=function if self.stock.is_settled(function.arn.name) else None,
            # A group that could not be listed exists, most likely.
            look_first=group is not None or not self.stock.groups_known,
        )
        return Work(expected=expected, do=partial(self.reconcile, known, function.arn))

    def _skip(self, function: LambdaFunction, skip: Skip) -> Outcome | Work:
        group = self.stock.group(skip.leftover) if skip.leftover else None
        if group is None or skip.leftover is None or read_ownership(group, function.arn) is Ownership.EXTERNAL:
            detail = f"{skip}{self._missing_own_group(function)}" if skip.reason is Reason.OWN_GROUP else str(skip)
            return replace(self._outcome(function, Action.SKIPPED), reason=skip.reason, detail=detail)
        if self.policy.lifecycle.deletes:
            return self.cleanup.unneeded(skip.leftover, group, function.arn, skip)
        return replace(
            self._outcome(function, Action.SKIPPED),
            group=skip.leftover,
            reason=skip.reason,
            detail=f"{skip}; its group is kept (lifecycle.when_function_is_deleted)",
        )

    def _missing_own_group(self, function: LambdaFunction) -> str:
        """Return what is to be said if the group that a function names is one of this account's, and does not exist."""
        named = function.named_groups[0]
        name = named.rpartition("/")[2]
        is_of_this_account = named in (name, group_arn(function.arn, name))
        if self.stock.groups_known and is_of_this_account and self.stock.group(name) is None:
            return ", which does not exist"
        return ""

    def _outcome(self, function: LambdaFunction, action: Action) -> Outcome:
        return Outcome(
            function=str(function.arn),
            action=action,
            account=function.arn.account,
            region=function.arn.region,
            dry_run=self.dry_run,
        )
