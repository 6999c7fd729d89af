"""`profiling-groups backfill`: give the functions that already exist their groups."""

from __future__ import annotations

import json
import shlex
from collections import deque
from dataclasses import asdict
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final

import click

from ops import deployment, following, local, options, organization_tables, output, run_tables, swept, whereabouts
from ops.connection import connect, reachable
from ops.interrupts import INTERRUPTED
from ops.problems import CannotWorkError
from ops.whereabouts import Whereabouts
from profiling_groups.outcomes import Action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ops.executions import Ended
    from ops.swept import Swept
    from ops.whereabouts import Said

_COMMAND: Final = ("profiling-groups", "backfill")


@click.command(short_help="Give the functions that already exist their groups.")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would be done.")
@click.option(
    "--function",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this function, by name or ARN; may be given several times.",
)
@options.organization
@options.accounts
@options.regions
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
@options.stack
@click.option("--execution", metavar="ARN", help="Start nothing; follow this execution of the state machine.")
@click.option("--all", "everything", is_flag=True, help="With --organization: list all that failed, or was not swept.")
@options.as_json
@click.pass_context
def backfill(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context,
    *,
    names: tuple[str, ...],
    accounts: tuple[str, ...],
    regions: tuple[str, ...],
    policy_path: Path | None,
    paths: Sequence[Said],
    cursor: str | None,
    time_budget: float | None,
    stack: str,
    execution: str | None,
    dry_run: bool,
    locally: bool,
    organization: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """Give every function of the account and region of the AWS credentials what the policy says it should have.

    The state machine that is deployed does it, and is followed to its end; Ctrl-C leaves it running. With --local this
    process does it; Ctrl-C lets what is in flight finish, and tells the command that goes on. With --organization it is
    the functions of all accounts and regions that the deployment governs.

    Exit status: 0 all is done; 1 some functions failed, or not all were looked at; 2 wrong usage, or AWS or the
    deployment cannot be asked. An account that cannot be reached is no failure, nor is a region that is forbidden.
    """
    _refuse_what_excludes_each_other(
        {
            "--execution": execution,
            "--organization": organization,
            "--local": locally,
            "--function": names,
            "--account": accounts,
            "--region": regions,
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
    part = options.part(accounts, regions)
    if locally:
        context.exit(_sweep_here(payload, policy_path, paths, as_json=as_json))
    with reachable():
        session = connect()
        if names:
            found = deployment.find(session, stack)
            if organization:
                following.check(found, stack, organization=organization)
            run = deployment.invoke(session, found.sweeper, payload)
            context.exit(_tell(run, as_json=as_json))
        machine = following.find(session, stack, organization=organization, execution=execution, command=_COMMAND)
        if execution:
            ended = machine.follow(execution, what="Sweeping")
        else:
            what = part if organization else {"cursor": cursor}
            request = {"dry_run": dry_run, **what, "time_budget_seconds": time_budget}
            ended = machine.carry_out(request, what="Sweeping")
        places = _tell_ended(ended, organization=machine.organization, everything=everything, as_json=as_json)
        if ended.status != following.SUCCEEDED:
            machine.explain(ended)
            context.exit(1)
        left_out = swept.left_out(places, ended.request)
        following.warn_of(left_out)
        context.exit(1 if left_out or not all(place.is_well for place in places) else 0)


def _refuse_what_excludes_each_other(given: Mapping[str, object]) -> None:
    chosen = [option for option, value in given.items() if value]
    apart = {
        "--execution": {
            *("--local", "--function", "--account", "--region"),
            *("--cursor", "--time-budget", "--dry-run", "--policy", "--organization-path"),
        },
        "--function": {"--account", "--region", "--cursor", "--time-budget"},
        "--organization": {"--local", "--cursor", "--policy", "--organization-path"},
    }
    for option, others in apart.items():
        if option in chosen and (wrong := [other for other in chosen if other in others]):
            raise click.UsageError(f"{option} or {wrong[0]}, not both.")
    for option in ("--account", "--region"):
        if option in chosen and "--organization" not in chosen:
            raise click.UsageError(f"{option} goes with --organization.")
    for option in ("--policy", "--organization-path"):
        if option in chosen and "--local" not in chosen:
            raise click.UsageError(
                f"{option} goes with --local; what is deployed obeys the policy that it was deployed with."
            )


def _sweep_here(payload: dict[str, Any], policy_path: Path | None, paths: Sequence[Said], *, as_json: bool) -> int:
    """Do it in this process; return the exit status."""
    path = policy_path or options.DEFAULT_POLICY
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


def _tell_ended(ended: Ended, *, organization: bool, everything: bool, as_json: bool) -> list[Swept]:
    """Print what came of an execution; return it in short."""
    places: list[Swept] = []
    dry_run = ended.request.get("dry_run", False)
    ended = swept.noted(ended, places)
    if as_json:
        facts = {key: getattr(ended, key) for key in ("execution", "status", "error", "cause")}
        output.stream_json(
            facts,
            runs=(json.dumps(run) for run in ended.runs),
            failures=(json.dumps(asdict(failure)) for failure in ended.failures),
        )
        return places
    runs = iter(ended.runs)
    first = tuple(islice(runs, 1))
    # Where the stack was not found, the results tell.
    organization |= any("organization_path" in run for run in first)
    if organization and ended.status == following.SUCCEEDED:
        deque(chain(runs, ended.failures), maxlen=0)
        organization_tables.print_swept(places, dry_run=dry_run, everything=everything)
    else:
        run_tables.print_runs(chain(first, runs))
        following.warn_of_failures(ended)
    return places


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
