"""The groups that no function needs, and their deletion: the only place where anything is deleted.

A backfill asks, with all functions and groups of an account and region at hand. A group goes only if this project
created it, its function is gone or has opted out, no other function needs it, all of that could be seen, and the group
has been inactive for the policy's grace. Directly before the deletion the function and the group are read again. What
is kept is reported as `orphaned`, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING, Final

from profiling_groups import functions, groups
from profiling_groups.decision import Skip, decide, deletion_blocker, deletion_command, rule_out
from profiling_groups.naming import agents_name, depends_on_tags, fixed_beginning, group_arn, group_name
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.ownership import marked_function
from profiling_groups.workers import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from profiling_groups.aws import SweepClients
    from profiling_groups.functions import FunctionArn
    from profiling_groups.groups import Group
    from profiling_groups.inventory import Inventory
    from profiling_groups.policy import Policy

_GONE: Final = Skip(reason=Reason.FUNCTION_GONE, detail="its function does not exist")


def orphaned_groups(stock: Inventory, policy: Policy) -> Iterator[str]:
    """Yield the names of the groups of ours that are not the group of a listed function, in order."""
    name_needs_tags = depends_on_tags(policy.group.name) and not stock.tags_known
    for name in stock.groups():
        arn = stock.group_owner(name)
        if arn is None:
            continue
        if not stock.has_function(arn.name) or (
            not name_needs_tags and group_name(policy.group.name, stock.function(arn.name)) != name
        ):
            yield name


class DeletionLimit:
    """How many groups may still be deleted; for several threads.

    Args:
        left: The number.
    """

    def __init__(self, left: int) -> None:
        self._left = left
        self._lock = Lock()

    @property
    def is_reached(self) -> bool:
        """Whether there may be no more."""
        return self._left <= 0

    def take(self) -> bool:
        """Count one deletion; False if there may be no more."""
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
            return True


@dataclass(frozen=True, kw_only=True)
class Cleanup:
    """What becomes of the groups of one account and region that no function needs.

    Attributes:
        stock: What has been listed.
        clients: Clients made for this backfill.
        policy: What may become of a group.
        limit: How many groups may be deleted.
        reconcile: Reconciles a function that turns out to need its group after all.
        now: Current time, UTC.
        dry_run: Whether only to say what would be done.
    """

    stock: Inventory
    clients: SweepClients
    policy: Policy
    limit: DeletionLimit
    reconcile: Callable[[FunctionArn], Outcome]
    now: datetime
    dry_run: bool

    @cached_property
    def needed_by(self) -> Mapping[str, str]:
        """For each group of ours that another function than its own needs, one such function's name.

        A function needs the group that the policy's name gives it, the one that its agent looks for by default, and
        those that its environment names.
        """
        found: dict[str, str] = {}
        for function_name in self.stock.functions():
            function = self.stock.function(function_name)
            needed = {group_name(self.policy.group.name, function), agents_name(function_name)}
            needed |= {named.rpartition("/")[2] for named in function.named_groups}
            for name in needed:
                owner = self.stock.group_owner(name)
                if owner and owner.name != function_name:
                    found.setdefault(name, function_name)
        return found

    def orphan(self, name: str) -> Outcome | Work:
        """Return what becomes of a group, or the work that decides it.

        Args:
            name: Its name, one of `orphaned_groups`.
        """
        group, arn = self.stock.group(name), self.stock.group_owner(name)
        if group is None or arn is None:
            raise ValueError(f"{name} is not an orphaned group")
        if self.stock.has_function(arn.name):
            current = group_name(self.policy.group.name, self.stock.function(arn.name))
            user = self.needed_by.get(name)
            advice = f"the function {user} needs this one" if user else f"to delete it: {deletion_command(group)}"
            detail = f"its function's group is {current} now; {advice}"
            return self._outcome(Action.ORPHANED, name, arn, Skip(reason=Reason.SUPERSEDED, detail=detail))
        if excluded := rule_out(arn, self.policy):
            return self._kept(name, arn, _GONE, str(excluded))
        return self.unneeded(name, group, arn, _GONE)

    def unneeded(self, name: str, group: Group, arn: FunctionArn, why: Skip) -> Outcome | Work:
        """Return what becomes of a group that its function does not need, or the work that decides it.

        Args:
            name: Its name.
            group: The group as it was listed.
            arn: The function that it is for.
            why: Why the function does not need it.
        """
        blocker = self._blocker(name) or deletion_blocker(group, arn, self.policy, now=self.now)
        if blocker or self.limit.is_reached:
            return self._kept(name, arn, why, blocker or self._limit_reached())
        expected = self._outcome(Action.DELETED, name, arn, why)
        if not self.dry_run:
            return Work(expected=expected, do=partial(self._delete, expected, name, arn))
        return expected if self.limit.take() else self._kept(name, arn, why, self._limit_reached())

    def _blocker(self, name: str) -> str | None:
        """Return what keeps a group, of all that is not known of the group itself."""
        account_region = self.stock.place
        prefix = fixed_beginning(self.policy.group.name).format(
            account=account_region.account, region=account_region.region
        )
        if not name.startswith(prefix):
            return f"IAM allows to delete groups only if their names begin with {prefix} (group.name)"
        if not self.stock.groups_known:
            return "not all groups could be listed"
        if unreadable := self.stock.unreadable_environments:
            return f"the environment of {unreadable[0]} could not be read, and might name this group"
        if depends_on_tags(self.policy.group.name) and not self.stock.tags_known:
            return "the functions' tags could not be listed, so the names of their groups are not known"
        if other := self.needed_by.get(name):
            return f"the function {other} needs it"
        return None

    def _delete(self, expected: Outcome, name: str, arn: FunctionArn) -> Outcome:
        """Delete a group, if that is right by a fresh look at its function and at the group itself."""
        found = functions.read_configuration(self.clients.awslambda, arn)
        tags = functions.read_tags(self.clients.awslambda, arn) if found else None
        function = None if found is None or tags is None else replace(found, tags=tags)
        if function is None and (found or self.stock.has_function(arn.name)):
            return self._kept(name, arn, _GONE, "its function was seen a moment ago")
        why = decide(function, self.policy) if function else _GONE
        if not isinstance(why, Skip) or (function and why.leftover != name):
            # It needs its group after all.
            return self.reconcile(arn)
        group = groups.find(self.clients.profiler, group_arn(arn, name))
        if group is None or marked_function(group) != arn:
            return replace(expected, action=Action.SKIPPED, group=None, detail=f"{name} is gone, or not ours, by now")
        if blocker := deletion_blocker(group, arn, self.policy, now=self.now):
            return self._kept(name, arn, why, blocker)
        if not self.limit.take():
            return self._kept(name, arn, why, self._limit_reached())
        groups.delete(self.clients.profiler, name)
        return self._outcome(Action.DELETED, name, arn, why)

    def _limit_reached(self) -> str:
        limit = self.policy.lifecycle.max_deletions
        return f"one backfill deletes {limit} groups at most (lifecycle.max_deletions); the next one continues"

    def _kept(self, name: str, arn: FunctionArn, why: Skip, blocker: str) -> Outcome:
        outcome = self._outcome(Action.ORPHANED, name, arn, why)
        return replace(outcome, detail=f"{why}; its group is kept: {blocker}")

    def _outcome(self, action: Action, name: str, arn: FunctionArn, why: Skip) -> Outcome:
        return Outcome(
            function=str(arn),
            group=name,
            action=action,
            reason=why.reason,
            detail=str(why),
            account=arn.account,
            region=arn.region,
            dry_run=self.dry_run,
        )
