"""`profiling-groups report`: which functions have their group, and which not."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ops import options, output, report, run_tables, whereabouts
from ops.whereabouts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ops.whereabouts import Said

_COLUMNS = ("status", "function", "group", "reason", "detail")


@click.command("report", short_help="Tell which functions have their group, and which not.")
@options.policy
@whereabouts.option
@click.option("--all", "everything", is_flag=True, help="List the covered functions, too.")
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@click.pass_context
def report_command(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context,
    policy_path: Path,
    paths: Sequence[Said],
    *,
    everything: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Tell what each function of the account and region of the AWS credentials has, against a policy file.

    Nothing is changed. `covered` has its group as it should be; `missing` has none, `drifted` one that is not as it
    should be, `skipped` is to have none; `orphaned` is a group of ours that no function needs; `failed` could not be
    looked at. With --json and --csv all are told.

    Exit status: 0 all that should have a group are covered; 1 some are not; 2 wrong usage, or AWS cannot be asked.
    """
    if as_json and as_csv:
        raise click.UsageError("--json or --csv, not both.")
    policy = options.read_policy(policy_path)
    found = report.take(policy, Whereabouts(paths, policy))
    totals = found.totals()
    if as_json:
        facts = {"policy": str(policy_path), **asdict(found.place), "totals": totals}
        output.stream_json(facts, entries=(json.dumps(asdict(entry)) for entry in found.entries))
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for entry in found.entries:
            writer.writerow([getattr(entry, column) or "" for column in _COLUMNS])
    else:
        run_tables.print_report(found, policy=str(policy_path), everything=everything)
    context.exit(0 if totals["covered"] == totals["eligible"] else 1)
