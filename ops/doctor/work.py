"""What the deployment has done of late: events worked on, dead letters, groups used of the quota, the last sweep."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from infra.schedules import SILENT_PERIODS, longest_gap_hours
from ops.doctor.commands import DEPLOY, DEPLOY_ANEW, aws
from ops.doctor.findings import Verdict
from profiling_groups.aws import QUOTA_CODE
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ops.doctor.commands import Commands
    from ops.letters import Tally

WARN_PERCENT: Final = 80
"""So much of the quota used is near the end of it."""
FAIL_PERCENT: Final = 98
"""So much of it is the end, by the time that somebody is there: 490 of 500."""

_LONGEST_DETAIL: Final = 200
_MOST_REASONS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Function:
    """One of the deployment's functions.

    Attributes:
        name: Its name.
        configuration: As GetFunctionConfiguration has it; None where it is gone.
        concurrency: How much is reserved for it; None for none.
        role: ARN of the role that it was deployed with.
        deployed_concurrency: How much was reserved by the template.
    """

    name: str
    configuration: Mapping[str, Any] | None
    concurrency: int | None
    role: str | None
    deployed_concurrency: int | None


def check_functions(functions: Sequence[Function]) -> Verdict:
    """See whether the functions are there, and ready to be invoked."""
    for each in functions:
        found = each.configuration
        if found is None:
            return Verdict.failed(
                f"the function {each.name} is gone, and CloudFormation does not make it anew by itself; groups and"
                " reports outlive the stack",
                mend=DEPLOY_ANEW,
            )
        if each.concurrency == 0:
            wanted = each.deployed_concurrency
            mend = (
                aws("lambda", "delete-function-concurrency", FunctionName=each.name)
                if wanted is None
                else aws(
                    "lambda",
                    "put-function-concurrency",
                    FunctionName=each.name,
                    ReservedConcurrentExecutions=wanted,
                )
            )
            return Verdict.failed(f"the function {each.name} is throttled altogether: 0 is reserved for it", mend=mend)
        if found.get("State", "Active") not in ("Active", "Inactive") or found.get("LastUpdateStatus") == "Failed":
            why = found.get("StateReason") or found.get("LastUpdateStatusReason") or found.get("State")
            return Verdict.failed(f"the function {each.name} cannot be invoked: {why}", mend=DEPLOY)
        if each.role and found.get("Role") != each.role:
            return Verdict.failed(
                f"the function {each.name} runs in the name of another role than was deployed, {found.get('Role')}",
                mend=aws("lambda", "update-function-configuration", FunctionName=each.name, Role=each.role),
            )
    return Verdict.passed(f"{' and '.join(each.name for each in functions)} are ready")


@dataclass(frozen=True, kw_only=True)
class Record:
    """An outcome's record in a log.

    Attributes:
        at: When.
        function: About which function.
        action: What was done.
        reason: Why.
        detail: What else was said.
    """

    at: datetime
    function: str | None
    action: str
    reason: str | None
    detail: str | None


def check_outcomes(records: Sequence[Record], *, complete: bool, commands: Commands) -> Verdict:
    """See how the functions have fared with what they were given of late.

    Args:
        records: Outcomes of the last day, of both functions.
        complete: Whether these are all.
        commands: The deployment's.
    """
    if not records:
        return Verdict.passed("nothing was to be done in the last day, as far as the logs tell")
    latest = sorted(records, key=lambda record: record.at)
    counts = Counter(record.action for record in latest)
    told = ", ".join(f"{counts[action]:,} {action}" for action in Action if counts[action])
    told = f"{'' if complete else 'at least '}{told} in the last day"
    standing = {record.function: record for record in latest}
    failing = [record for record in standing.values() if record.action == Action.FAILED]
    if not failing:
        return Verdict.passed(told)
    last = failing[-1]
    said = _shortened(f"{last.reason}: {last.detail}")
    detail = f"{told}; {len(failing):,} of these functions are not done since, the last at {_time(last.at)}: {said}"
    if latest[-1].action == Action.FAILED:
        return Verdict.failed(detail, mend=_mend(last, commands))
    return Verdict.warned(detail, mend=_mend(last, commands))


def _mend(record: Record, commands: Commands) -> str:
    match record.reason:
        case Reason.ACCESS_DENIED | Reason.THROTTLED | Reason.SERVICE_ERROR | Reason.CONCURRENT_CHANGE if (
            record.function
        ):
            return commands.work_on(record.function)
        case _:
            return commands.sweep()


def check_letters(tally: Tally, *, waiting: int, hidden: int, commands: Commands) -> Verdict:
    """See whether events wait that could not be worked on.

    Args:
        tally: Those that were looked at.
        waiting: How many wait, by the queue's own count.
        hidden: How many somebody else is looking at.
        commands: The deployment's.
    """
    groups = tally.groups()
    seen = sum(group.letters for group in groups)
    if not seen and not hidden:
        return Verdict.passed("no dead letter is waiting")
    if not seen:
        return Verdict.warned(
            f"{hidden:,} dead letters are being looked at by somebody else", mend=commands.replay("--dry-run")
        )
    counts: Counter[str] = Counter()
    for group in groups:
        counts[f"{group.cause.reason or 'of nobody'} ({group.cause.origin})"] += group.letters
    reasons = [f"{number:,} {reason}" for reason, number in counts.items()]
    told = ", ".join(reasons[:_MOST_REASONS]) + (", and others" if len(reasons) > _MOST_REASONS else "")
    more = "" if waiting <= seen else f"; looked at {seen:,} of about {waiting:,}"
    message = groups[0].example.message
    last = f"; {_shortened(message)}" if message else ""
    return Verdict.failed(f"dead letters are waiting: {told}{more}{last}", mend=commands.replay())


def check_quota(*, used: int, quota: int, is_known: bool) -> Verdict:
    """See how much room there is for groups.

    Args:
        used: How many there are.
        quota: How many there may be.
        is_known: Whether Service Quotas has said so; otherwise it is the default.
    """
    percent = 100 * used / quota if quota else 100
    detail = f"{used:,} of {quota:,} profiling groups are used{'' if is_known else ', by the default quota'}"
    if percent >= FAIL_PERCENT:
        return Verdict.failed(detail, mend=_quota_request(quota))
    if percent >= WARN_PERCENT:
        return Verdict.warned(detail, mend=_quota_request(quota))
    return Verdict.passed(detail)


def _quota_request(quota: int) -> str:
    """Return the command that asks for twice as much room."""
    return aws(
        "service-quotas",
        "request-service-quota-increase",
        ServiceCode="codeguru-profiler",
        QuotaCode=QUOTA_CODE,
        DesiredValue=2 * quota,
    )


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """An execution of the state machine that sweeps everything, for real.

    Attributes:
        arn: Its ARN.
        status: As Step Functions calls it.
        began: When it began.
        ended: When it ended; None while it runs.
    """

    arn: str
    status: str
    began: datetime
    ended: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The schedule as it was deployed, and as it is.

    Attributes:
        name: Its name.
        expression: When it comes due, now; as deployed where it is gone.
        deployed: As CreateSchedule takes it.
        found: As GetSchedule has it; None where it is gone.
    """

    name: str
    deployed: Mapping[str, Any]
    found: Mapping[str, Any] | None

    @property
    def expression(self) -> str:
        """When it comes due."""
        return str((self.found or self.deployed)["ScheduleExpression"])


def check_schedule(schedule: Schedule | None) -> Verdict:
    """See whether the schedule will start the next sweep."""
    if schedule is None:
        return Verdict.passed("none was deployed: backfill_schedule is null")
    wanted = {key: value for key, value in schedule.deployed.items() if key != "Name"} | {"State": "ENABLED"}
    if schedule.found is None:
        return Verdict.failed(
            f"the schedule {schedule.name} is gone, and no sweep heals what no event has told of",
            mend=aws("scheduler", "create-schedule", Name=schedule.name, **wanted),
        )
    update = aws("scheduler", "update-schedule", Name=schedule.name, **wanted)
    if schedule.found.get("State") != "ENABLED":
        return Verdict.failed(f"the schedule {schedule.name} is disabled", mend=update)
    if schedule.found["Target"]["Arn"] != schedule.deployed["Target"]["Arn"]:
        return Verdict.failed(f"the schedule {schedule.name} starts something else", mend=update)
    return Verdict.passed(f"{schedule.expression}, enabled")


def check_sweep(sweeps: Sequence[Sweep], *, schedule: Schedule | None, now: datetime, commands: Commands) -> Verdict:
    """See whether the last sweep has come to its end, and not too long ago.

    Args:
        sweeps: Executions, the latest first, as far back as the last that succeeded.
        schedule: When there should be one; None where nothing starts them but deployments.
        now: The time.
        commands: The deployment's.
    """
    done = next((each for each in sweeps if each.status == "SUCCEEDED"), None)
    running = [each for each in sweeps if each.status in ("RUNNING", "PENDING_REDRIVE")]
    failed = next((each for each in sweeps if each.status not in ("SUCCEEDED", "RUNNING", "PENDING_REDRIVE")), None)
    longest = silence(schedule.expression) if schedule else None
    under_way = f"; one runs since {_time(running[0].began)}" if running else ""
    if done is None or (longest and now - done.began > longest):
        when = "no sweep has succeeded" if done is None else f"the last sweep that succeeded began {_time(done.began)}"
        limit = f", more than two periods of {schedule.expression} ago" if done and schedule else ""
        why = f"; one has ended as {failed.status}" if failed else ""
        if running:
            return Verdict.warned(f"{when}{limit}{why}{under_way}", mend=commands.sweep("--execution", running[0].arn))
        return Verdict.failed(f"{when}{limit}{why}", mend=commands.sweep())
    told = f"the last sweep that succeeded began {_time(done.began)}{under_way}"
    if failed and failed.began > done.began:
        return Verdict.warned(
            f"{told}; after that, one has ended as {failed.status}",
            mend=aws("stepfunctions", "redrive-execution", executionArn=failed.arn),
        )
    return Verdict.passed(told)


def silence(expression: str) -> timedelta | None:
    """Return how long it may be silent between sweeps: two periods of the schedule; None where there is no telling."""
    hours = longest_gap_hours(expression)
    return None if hours is None else SILENT_PERIODS * timedelta(hours=hours)


def out_of_order(error: str, *, commands: Commands) -> Verdict:
    """Return what is said of a CodeGuru Profiler that does not answer."""
    return Verdict.failed(
        f"it is out of order: {error}",
        mend=f"wait until it is in order again (https://health.aws.amazon.com), then: {commands.replay()}",
    )


def _time(at: datetime) -> str:
    return at.astimezone().isoformat(sep=" ", timespec="minutes")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}…"
