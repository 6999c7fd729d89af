"""`profiling-groups doctor`: why nothing happens, and the command that mends it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.exceptions import BotoCoreError, ClientError

from ops import connection, options, output
from ops.connection import connect, reachable
from ops.doctor import canary, checkup
from ops.doctor.findings import Finding, Status
from ops.doctor.reading import Reading
from ops.problems import CannotWorkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from profiling_groups.policy import Policy

CANARY: Final = "canary"
CREDENTIALS: Final = "credentials"
_LOG_IN: Final = "aws sts get-caller-identity (until it answers: aws sso login, AWS_PROFILE, AWS_REGION)"
_CANARY_LOOKS_AT: Final = "a function that is made, its profiling group, and how long that takes"


@click.command(short_help="Find out why nothing happens, and what mends it.")
@options.stack
@click.option(
    "--policy",
    "policy_path",
    type=options.POLICY_FILE,
    metavar="FILE",
    help="The policy file that should be deployed.  [default: policy.yaml, if it is here]",
)
@click.option(
    "--canary", "with_canary", is_flag=True, help="Create a tiny function, wait for its group, and remove both."
)
@click.option("--canary-role", metavar="ARN", help="The canary's role; without, one is made, and removed again.")
@click.option(
    "--canary-timeout",
    type=click.FloatRange(min=1),
    default=900,
    show_default=True,
    metavar="SECONDS",
    help="For how long the canary's group is waited for.",
)
@options.as_json
@click.pass_context
def doctor(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context,
    *,
    stack: str,
    policy_path: Path | None,
    with_canary: bool,
    canary_role: str | None,
    canary_timeout: float,
    as_json: bool,
) -> None:
    """Check all that stands between a new function and its profiling group, with the AWS credentials that are there.

    Of what is not in order it tells the one command, or setting, that mends it. Nothing is written, but with --canary.
    In the account of a hub it looks at the hub and its stack set, in a member's at what makes it a member.

    Exit status: 0 nothing fails, though there may be warnings; 1 something fails; 2 wrong usage, or AWS cannot be asked
    at all.
    """
    if canary_role and not with_canary:
        raise click.UsageError("--canary-role goes with --canary.")
    if policy_path is None and options.DEFAULT_POLICY.is_file():
        policy_path = options.DEFAULT_POLICY
    policy = options.read_policy(policy_path) if policy_path else None
    facts: dict[str, Any] = {"stack": stack, "policy": str(policy_path) if policy_path else None}
    try:
        session = connect()
        place = connection.place(session)
    except (BotoCoreError, ClientError, CannotWorkError, ValueError) as error:
        said = error.message if isinstance(error, CannotWorkError) else str(error)
        _tell([_credentials(Status.FAIL, said, mend=_LOG_IN)], facts, as_json=as_json)
        context.exit(CannotWorkError.exit_code)
    facts |= asdict(place)
    findings = [_credentials(Status.PASS, f"account {place.account}, region {place.region}")]
    reading = Reading(session, place, stack=stack)
    with reachable():
        patient = checkup.Patient(reading=reading, policy=policy, policy_path=policy_path, now=datetime.now(UTC))
        findings += checkup.examine(patient)
        if with_canary:
            finding, latency = _fly(reading, policy, findings, role=canary_role, timeout=canary_timeout)
            findings.append(finding)
            facts["latency_seconds"] = latency
    _tell(findings, facts, as_json=as_json)
    context.exit(1 if any(each.status is Status.FAIL for each in findings) else 0)


def _credentials(status: Status, detail: str, mend: str | None = None) -> Finding:
    return Finding(id=CREDENTIALS, status=status, looked_at="sts:GetCallerIdentity", detail=detail, mend=mend)


def _fly(
    reading: Reading, policy: Policy | None, findings: Sequence[Finding], *, role: str | None, timeout: float
) -> tuple[Finding, float | None]:
    """Send the canary, unless it is known that nothing would come of it."""
    in_the_way = next(
        (each.id for each in findings if each.status is Status.FAIL and each.id in checkup.ON_THE_WAY), None
    )
    if in_the_way:
        skipped = Finding(
            id=CANARY,
            status=Status.SKIPPED,
            looked_at=_CANARY_LOOKS_AT,
            detail=f"of no use before {in_the_way} is in order",
            mend=None,
        )
        return skipped, None
    flight = canary.fly(reading, policy=policy, role=role, timeout=timeout)
    verdict = flight.verdict
    finding = Finding(
        id=CANARY, status=verdict.status, looked_at=_CANARY_LOOKS_AT, detail=verdict.detail, mend=verdict.mend
    )
    return finding, flight.latency_seconds


def _tell(findings: Sequence[Finding], facts: dict[str, Any], *, as_json: bool) -> None:
    counts = Counter(each.status for each in findings)
    if as_json:
        numbers = {status: counts[status] for status in Status}
        output.stream_json({**facts, "counts": numbers}, findings=(json.dumps(asdict(each)) for each in findings))
        return
    order = list(Status)
    problems = [each for each in findings if each.status in (Status.FAIL, Status.WARN)]
    for each in sorted(problems, key=lambda finding: order.index(finding.status)):
        output.say(f"{each.status}  {each.id}: {each.detail}")
        output.say(f"      looked at: {each.looked_at}")
        if each.mend:
            output.say(f"      {each.mend}")
        output.say()
    _table(each for each in findings if each not in problems)
    told = [f"{counts[status]} {_WORDS[status]}" for status in Status if counts[status]]
    output.say()
    output.say(f"{', '.join(told)}.")


def _table(findings: Iterable[Finding]) -> None:
    rows = [(each.status, each.id, each.detail) for each in findings]
    if rows:
        output.table(("status", "check", "found"), rows)


_WORDS: Final = {
    Status.FAIL: "failed",
    Status.WARN: "with a warning",
    Status.SKIPPED: "skipped",
    Status.PASS: "passed",
}
