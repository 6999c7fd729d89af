"""A hub's organization: whether its members are members, and what the last sweep could not reach."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ops.doctor import work
from ops.doctor.commands import DEPLOY_ANEW, aws
from ops.doctor.findings import Verdict
from ops.swept import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ops.doctor.commands import Commands
    from ops.swept import Swept

_NAMED: Final = 3
"""As many accounts are named one by one."""
# A closed account stays in the set until it is gone for good, and nothing is to be done about it.
_SPARED: Final = frozenset({"SKIPPED_SUSPENDED_ACCOUNT"})
_UNDER_WAY: Final = frozenset({"PENDING", "RUNNING"})


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A place of the stack set.

    Attributes:
        account: Account id.
        region: Region code.
        status: `CURRENT`, `OUTDATED` or `INOPERABLE`.
        detailed_status: How the last operation ended there.
        reason: Why it is not current.
    """

    account: str
    region: str
    status: str
    detailed_status: str | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class StackSet:
    """The stack set as it was deployed.

    Attributes:
        name: Its name.
        call_as: As what the hub's account works on it.
        units: Whose accounts become members.
    """

    name: str
    call_as: str
    units: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Room:
    """How much of the quota of groups is used in a place.

    Attributes:
        account: Account id.
        region: Region code.
        groups: How many there are.
        quota: How many there may be.
    """

    account: str
    region: str
    groups: int
    quota: int


def check_stack_set(stack_set: StackSet, instances: Sequence[Instance] | None) -> Verdict:
    """See whether the members' stacks are current.

    Args:
        stack_set: As it was deployed.
        instances: Its instances; None where there is no such set.
    """
    if instances is None:
        return Verdict.failed(f"the stack set {stack_set.name} is gone", mend=DEPLOY_ANEW)
    late = [each for each in instances if each.status != "CURRENT" and each.detailed_status not in _SPARED]
    accounts = len({each.account for each in instances})
    if not late:
        return Verdict.passed(f"all {len(instances):,} stack instances in {accounts:,} accounts are current")
    told = _several([f"{each.account} in {each.region}" for each in late])
    first = next((each for each in late if each.reason), late[0])
    detail = f"{len(late):,} of {len(instances):,} stack instances are not current: {told}"
    if all(each.detailed_status in _UNDER_WAY for each in late):
        return Verdict.warned(f"{detail}; they are being worked on")
    mend = aws(
        "cloudformation",
        "update-stack-instances",
        StackSetName=stack_set.name,
        DeploymentTargets={"OrganizationalUnitIds": list(stack_set.units)},
        Regions=sorted({each.region for each in late}),
        CallAs=stack_set.call_as,
    )
    return Verdict.failed(f"{detail}; {first.account}: {first.reason or first.detailed_status}", mend=mend)


def check_accounts(places: Sequence[Swept] | None, *, outputs: Mapping[str, str], commands: Commands) -> Verdict:
    """See what the last sweep could not reach, or not finish.

    Args:
        places: What it came to, a place at a time; None where its results are not there any more.
        outputs: Those of the hub's stack.
        commands: The hub's.
    """
    if places is None:
        return Verdict.cannot_be_told("no sweep has left its results", mend=commands.sweep())
    standings = Counter(place.standing for place in places)
    unfinished = _where(places, Standing.UNFINISHED)
    unreachable = _where(places, Standing.UNREACHABLE)
    unsupported = _where(places, Standing.UNSUPPORTED)
    told = []
    if unfinished:
        told.append(f"not swept to the end: {_several(unfinished)}")
    if unreachable:
        told.append(f"out of reach, as the role in them cannot be assumed: {_several(unreachable)}")
    if unsupported:
        told.append(f"disabled, forbidden or without CodeGuru Profiler: {_several(unsupported)}")
    swept = f"{standings[Standing.SWEPT]:,} of {len(places):,} places were swept"
    if not told:
        return Verdict.passed(swept)
    detail = f"{swept}; {'; '.join(told)}"
    if unfinished:
        return Verdict.failed(detail, mend=commands.sweep())
    if unreachable:
        return Verdict.warned(
            detail,
            mend="in the account: aws cloudformation deploy --template-file cdk.out/ProfilingGroupsMember.template.json"
            " --stack-name ProfilingGroupsMember --capabilities CAPABILITY_NAMED_IAM --parameter-overrides"
            f" HubBusArn={outputs.get('EventBusArn')} HubRoleArn={outputs.get('HubRoleArn')}",
        )
    # It is somebody's decision, and no failure.
    return Verdict.passed(detail)


def check_room(rooms: Sequence[Room] | None, *, commands: Commands) -> Verdict:
    """See where there is the least room for groups, by what the last sweep has found."""
    if not rooms:
        return Verdict.cannot_be_told("no sweep has left its results", mend=commands.sweep())
    worst = max(rooms, key=lambda room: room.groups / room.quota)
    verdict = work.check_quota(used=worst.groups, quota=worst.quota, is_known=True)
    where = f"{worst.account} in {worst.region}"
    return Verdict(
        status=verdict.status,
        detail=f"most in {where}, of {len(rooms):,} places: {verdict.detail}",
        mend=f"in {where}: {verdict.mend}" if verdict.mend else None,
    )


def _where(places: Sequence[Swept], standing: Standing) -> list[str]:
    return [f"{place.account} in {place.region}" for place in places if place.standing is standing]


def _several(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")
