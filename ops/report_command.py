"""`profiling-groups report`: which functions have their group, and which not."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from ops import options, organization_report, output, report, run_tables, whereabouts
from ops.problems import CannotWorkError
from ops.whereabouts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ops.whereabouts import Said

_DEFAULT_POLICY: Final = Path("policy.yaml")
_COLUMNS = ("status", "function", "group", "reason", "detail")


@click.command("report", short_help="Tell which functions have their group, and which not.")
@click.option(
    "--policy", "policy_path", type=options.POLICY_FILE, metavar="FILE", help="The policy file.  [default: policy.yaml]"
)
@whereabouts.option
@options.organization
@options.accounts
@options.regions
@options.stack
@click.option(
    "--execution",
    metavar="ARN",
    help="With --organization: read what this execution of the state machine found, and start none.",
)
@click.option("--all", "everything", is_flag=True, help="List the covered functions, too, or all accounts and places.")
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@click.pass_context
def report_command(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context,
    policy_path: Path | None,
    paths: Sequence[Said],
    *,
    organization: bool,
    accounts: tuple[str, ...],
    regions: tuple[str, ...],
    stack: str,
    execution: str | None,
    everything: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Tell what each function of the account and region of the AWS credentials has, against a policy file.

    Nothing is changed. `covered` has its group as it should be; `missing` has none, `drifted` one that is not as it
    should be, `skipped` is to have none; `orphaned` is a group of ours that no function needs; `failed` could not be
    looked at. With --json and --csv all are told.

    With --organization the deployed state machine looks, in a dry run, at all accounts and regions that it governs, by
    the policy that it was deployed with; how many functions of each unit, account and region are covered is told, the
    worst first.

    Exit status: 0 all that should have a group are covered; 1 some are not; 2 wrong usage, or AWS cannot be asked. An
    account that cannot be reached does not count, nor does a region that is forbidden.
    """
    if as_json and as_csv:
        raise click.UsageError("--json or --csv, not both.")
    named = {
        "--account": accounts,
        "--region": regions,
        "--execution": execution,
        "--stack": context.get_parameter_source("stack") is ParameterSource.COMMANDLINE,
    }
    if organization:
        if policy_path or paths:
            raise click.UsageError(
                f"--organization or {'--policy' if policy_path else '--organization-path'}, not both: what is deployed"
                " obeys the policy that it was deployed with."
            )
        found = organization_report.take(options.part(accounts, regions), stack=stack, execution=execution)
        if found is None:
            context.exit(CannotWorkError.exit_code)
        context.exit(organization_report.tell(found, everything=everything, as_json=as_json, as_csv=as_csv))
    if wrong := [option for option, value in named.items() if value]:
        raise click.UsageError(f"{wrong[0]} goes with --organization.")
    policy_path = policy_path or _DEFAULT_POLICY
    if not policy_path.is_file():
        raise CannotWorkError(f"there is no {policy_path} here: name the policy file with --policy")
    policy = options.read_policy(policy_path)
    stock = report.take(policy, Whereabouts(paths, policy))
    totals = stock.totals()
    if as_json:
        facts = {"policy": str(policy_path), **asdict(stock.place), "totals": totals}
        output.stream_json(facts, entries=(json.dumps(asdict(entry)) for entry in stock.entries))
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for entry in stock.entries:
            writer.writerow([getattr(entry, column) or "" for column in _COLUMNS])
    else:
        run_tables.print_report(stock, policy=str(policy_path), everything=everything)
    context.exit(0 if totals["covered"] == totals["eligible"] else 1)
