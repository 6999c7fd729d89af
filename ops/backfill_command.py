"""`profiling-groups backfill`: give the functions that already exist their groups."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ops import deployment, executions, local, options, output, run_tables, whereabouts
from ops.connection import connect, reachable
from ops.interrupts import INTERRUPTED
from ops.live import Live
from ops.problems import CannotWorkError
from ops.whereabouts import Whereabouts
from profiling_groups.outcomes import Action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import boto3

    from ops.whereabouts import Said

_COMMAND: Final = ("profiling-groups", "backfill")
_DEFAULT_POLICY: Final = Path("policy.yaml")


@click.command(short_help="Give the functions that already exist their groups.")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be done.")
@click.option(
    "--function",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this function, by name or ARN; may be given several times.",
)
@click.option("--local", "locally", is_flag=True, help="Sweep from here, with your own credentials: nothing deployed.")
@click.option(
    "--policy",
    "policy_path",
    type=options.POLICY_FILE,
    metavar="FILE",
    help="With --local: the policy file.  [default: policy.yaml]",
)
@whereabouts.option
@click.option("--cursor", metavar="CURSOR", help="Go on where an earlier run stopped.")
@click.option(
    "--time-budget",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Take no new work after so long. With --local, the run ends and gives a cursor; the state machine goes on"
    " from it in another invocation.",
)
@click.option(
    "--stack", default=deployment.STACK, show_default=True, metavar="NAME", help="The stack that was deployed."
)
@click.option("--execution", metavar="ARN", help="Start nothing; follow this execution of the state machine.")
@options.as_json
@click.pass_context
def backfill(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context,
    *,
    names: tuple[str, ...],
    policy_path: Path | None,
    paths: Sequence[Said],
    cursor: str | None,
    time_budget: float | None,
    stack: str,
    execution: str | None,
    dry_run: bool,
    locally: bool,
    as_json: bool,
) -> None:
    """Give every function of the account and region of the AWS credentials what the policy says it should have.

    The state machine that is deployed does it, and is followed to its end; Ctrl-C leaves it running. With --local this
    process does it; Ctrl-C lets what is in flight finish, and tells the command that goes on.

    Exit status: 0 all is done; 1 some functions failed, or not all were looked at; 2 wrong usage, or AWS or the
    deployment cannot be asked.
    """
    _refuse_what_excludes_each_other(
        {
            "--execution": execution,
            "--local": locally,
            "--function": names,
            "--cursor": cursor,
            "--time-budget": time_budget is not None,
            "--dry-run": dry_run,
            "--policy": policy_path,
            "--organization-path": paths,
        }
    )
    if names:
        payload: dict[str, Any] = {"action": "provision", "functions": list(names), "dry_run": dry_run}
    else:
        payload = {"action": "backfill", "dry_run": dry_run, "cursor": cursor, "time_budget_seconds": time_budget}
    if locally:
        context.exit(_sweep_here(payload, policy_path, paths, as_json=as_json))
    with reachable():
        session = connect()
        if names:
            found = deployment.find(session, stack)
            run = deployment.invoke(session, found.sweeper, payload)
            context.exit(_tell(run, as_json=as_json))
        context.exit(_follow(session, execution, payload, stack=stack, as_json=as_json))


def _refuse_what_excludes_each_other(given: Mapping[str, object]) -> None:
    chosen = [option for option, value in given.items() if value]
    apart = {
        "--execution": {
            *("--local", "--function", "--cursor", "--time-budget", "--dry-run", "--policy", "--organization-path")
        },
        "--function": {"--cursor", "--time-budget"},
    }
    for option, others in apart.items():
        if option in chosen and (wrong := [other for other in chosen if other in others]):
            raise click.UsageError(f"{option} or {wrong[0]}, not both.")
    for option in ("--policy", "--organization-path"):
        if option in chosen and "--local" not in chosen:
            raise click.UsageError(
                f"{option} goes with --local; what is deployed obeys the policy that it was deployed with."
            )


def _sweep_here(payload: dict[str, Any], policy_path: Path | None, paths: Sequence[Said], *, as_json: bool) -> int:
    """Do it in this process; return the exit status."""
    path = policy_path or _DEFAULT_POLICY
    if not path.is_file():
        raise CannotWorkError(f"there is no {path} here: name the policy file with --policy")
    policy = options.read_policy(path)
    try:
        done = local.run(payload, policy, Whereabouts(paths, policy))
    except KeyboardInterrupt:
        output.warn("Interrupted before anything was done.")
        raise
    status = _tell(done.run, as_json=as_json)
    if cursor := done.run["cursor"]:
        go_on = [*_COMMAND, "--local", *(["--policy", str(policy_path)] if policy_path else [])]
        for account, where in paths:
            go_on += ["--organization-path", f"{account}={where}" if account else where]
        go_on += ["--dry-run"] if payload["dry_run"] else []
        go_on += (
            [] if payload["time_budget_seconds"] is None else ["--time-budget", f"{payload['time_budget_seconds']:g}"]
        )
        output.warn(f"Not all is done. Go on within a day: {shlex.join([*go_on, '--cursor', cursor])}")
    return INTERRUPTED if done.interrupted else status


def _follow(
    session: boto3.Session, execution: str | None, payload: dict[str, Any], *, stack: str, as_json: bool
) -> int:
    """Have the state machine do it, or follow one that does; return the exit status."""
    sweeper = None
    try:
        found = deployment.find(session, stack)
        sweeper = found.sweeper
    except CannotWorkError as error:
        if execution is None:
            raise
        output.warn(f"how far it is cannot be told: {error.message}")
    if execution is None:
        request = {key: value for key, value in payload.items() if key != "action"}
        execution = executions.start(session, found.machine, request)
        output.warn(f"Started {execution}")
    again = shlex.join([*_COMMAND, "--execution", execution])
    try:
        with reachable(), Live("Sweeping") as live:
            ended = executions.follow(session, execution, sweeper=sweeper, live=live)
    except KeyboardInterrupt:
        output.warn(f"The state machine goes on. To follow it again: {again}")
        output.warn(f"To stop it: aws stepfunctions stop-execution --execution-arn {execution}")
        raise
    except CannotWorkError as error:
        raise CannotWorkError(f"{error.message} (to follow it again: {again})") from error
    if as_json:
        output.print_json(asdict(ended))
    else:
        run_tables.print_ended(ended)
    if ended.status != "SUCCEEDED":
        why = f": {ended.error}: {ended.cause}" if ended.error else ""
        output.warn(f"The execution has ended as {ended.status}{why}")
        output.warn("Once the cause is mended, it goes on where it stopped:")
        output.warn(f"  aws stepfunctions redrive-execution --execution-arn {execution}")
        output.warn(f"  {again}")
        return 1
    return 1 if ended.failures else max((_status(run) for run in ended.runs), default=0)


def _tell(run: dict[str, Any], *, as_json: bool) -> int:
    """Print a run; return the exit status."""
    if as_json:
        output.print_json(run)
    else:
        run_tables.print_run(run)
    return _status(run)


def _status(run: Mapping[str, Any]) -> int:
    """Return the exit status that a run comes to: of the whole sweep, not of its last part."""
    counts = run["totals"]["counts"] if run.get("totals") else run["counts"]
    return 1 if counts.get(Action.FAILED) or not run["complete"] else 0
