"""`profiling-groups report`: which functions have their group, and which not."""

from __future__ import annotations

import csv
import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ops import (
    following,
    html_report,
    options,
    organization_report,
    output,
    pages,
    report,
    run_tables,
    saved,
    whereabouts,
)
from ops.problems import CannotWorkError
from ops.whereabouts import Whereabouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from ops.organization_report import OrganizationReport
    from ops.pages import Page
    from ops.whereabouts import Said

_COLUMNS = ("status", "function", "group", "reason", "detail", "runtime")


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
    help="Read from the report bucket what this execution of the state machine found, and ask nobody else.",
)
@click.option("--all", "everything", is_flag=True, help="List the covered functions, too, or all accounts and places.")
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
@click.option(
    "--html",
    "html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page for a browser, with all functions, to this file.",
)
@click.option(
    "--from",
    "sources",
    type=click.File("rb"),
    multiple=True,
    metavar="FILE",
    help="With --html: show what --json printed into this file, and ask nobody; several, for several accounts.",
)
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
    html: Path | None,
    sources: tuple[BinaryIO, ...],
) -> None:
    """Tell what each function of the account and region of the AWS credentials has, against a policy file.

    Nothing is changed. `covered` has its group as it should be; `missing` has none, `drifted` one that is not as it
    should be, `skipped` is to have none; `orphaned` is a group of ours that no function needs; `failed` could not be
    looked at. With --json and --csv all are told, and with --html a page is written that sorts and filters them.

    With --organization the deployed state machine looks, in a dry run, at all accounts and regions that it governs, by
    the policy that it was deployed with; how many functions of each unit, account and region are covered is told, the
    worst first.

    With --execution that is told of a sweep that was, of an organization or of one account and region.

    Exit status: 0 all that should have a group are covered; 1 some are not; 2 wrong usage, or AWS cannot be asked. An
    account that cannot be reached does not count, nor does a region that is forbidden.
    """
    form = _Form(html=html, as_json=as_json, as_csv=as_csv, everything=everything)
    form.check()
    part = {"--account": accounts, "--region": regions}
    stack_is_named = context.get_parameter_source("stack") is ParameterSource.COMMANDLINE
    obeyed = {"--policy": policy_path, "--organization-path": paths}
    if sources:
        asked = {"--organization": organization, **part, "--execution": execution, "--stack": stack_is_named}
        given = asked | obeyed
        _refuse(given, "--from or {}, not both: what was saved is shown as it is.")
        context.exit(_of_files(sources, form))
    if not organization:
        _refuse(part, "{} goes with --organization.")
    if organization or execution:
        deployed = "--organization" if organization else "--execution"
        _refuse(obeyed, f"{deployed} or {{}}, not both: what is deployed obeys the policy that it was deployed with.")
        found = organization_report.take(
            options.part(accounts, regions),
            stack=stack,
            organization=organization,
            execution=execution,
            functions=html is not None,
        )
        context.exit(CannotWorkError.exit_code if found is None else _of_organization(found, form))
    _refuse({"--stack": stack_is_named}, "{} goes with --organization, or --execution.")
    context.exit(_of_account(policy_path or options.DEFAULT_POLICY, paths, form))


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How the report is told: to a person, unless one of these is given.

    Attributes:
        html: The file for a page.
        as_json: Whether as JSON.
        as_csv: Whether as CSV.
        everything: Whether a person gets what is covered, too.
    """

    html: Path | None
    as_json: bool
    as_csv: bool
    everything: bool

    def check(self) -> None:
        """See to it that it is one, and can be, before anything is asked.

        Raises:
            click.UsageError: It is not.
        """
        forms = {"--json": self.as_json, "--csv": self.as_csv, "--html": self.html}
        if len(given := [option for option, value in forms.items() if value]) > 1:
            raise click.UsageError(f"{given[0]} or {given[1]}, not both.")
        if self.html and not os.access(self.html.resolve().parent, os.W_OK):
            raise click.UsageError(f"--html: nothing can be written to the folder {self.html.resolve().parent}.")

    def write(self, page: Page, file: Path) -> None:
        """Write a page, and tell in a line what it says.

        Raises:
            OSError: It cannot be written.
        """
        file.write_text(html_report.render(page, now=datetime.now(UTC)), encoding="utf-8", newline="\n")
        total = page.total
        percent = "nothing is known" if total.percent is None else f"{total.percent} % covered"
        output.say(
            f"{page.title}: {percent}, {total.covered:,} of {total.eligible:,} functions that should have a group."
        )
        output.say(f"The page is in {file}")


def _of_account(policy_path: Path, paths: Sequence[Said], form: _Form) -> int:
    """Tell of the account and region of the credentials; return the exit status.

    Raises:
        CannotWorkError: There is no policy, or AWS cannot be asked.
    """
    if not policy_path.is_file():
        raise CannotWorkError(f"there is no {policy_path} here: name the policy file with --policy")
    policy = options.read_policy(policy_path)
    stock = report.take(policy, Whereabouts(paths, policy))
    totals = stock.totals()
    if form.html:
        form.write(pages.of_accounts([stock], source={"Policy": str(policy_path)}), form.html)
    elif form.as_json:
        facts = {"policy": str(policy_path), **asdict(stock.place), "totals": totals}
        output.stream_json(facts, entries=(json.dumps(asdict(entry)) for entry in stock.entries))
    elif form.as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for entry in stock.entries:
            writer.writerow([getattr(entry, column) or "" for column in _COLUMNS])
    else:
        run_tables.print_report(stock, policy=str(policy_path), everything=form.everything)
    return 0 if totals["covered"] == totals["eligible"] else 1


def _of_organization(found: OrganizationReport, form: _Form) -> int:
    """Tell of an organization; return the exit status."""
    if form.html:
        form.write(organization_report.page(found), form.html)
    else:
        organization_report.tell(found, everything=form.everything, as_json=form.as_json, as_csv=form.as_csv)
    following.warn_of(found.left_out)
    return found.exit_status


def _of_files(files: Sequence[BinaryIO], form: _Form) -> int:
    """Write the page about what was saved; return the exit status.

    Raises:
        CannotWorkError: A file is not what was saved, or they do not go together.
    """
    if not form.html:
        raise click.UsageError("--from goes with --html.")
    source = {"From": ", ".join(saved.called(file) for file in files)}
    reports = []
    for file in files:
        match saved.read(file):
            case saved.SavedReport() as one:
                reports.append(one)
            case saved.SavedCoverage() as found if len(files) == 1:
                source |= organization_report.source(found.execution, dry_run=found.dry_run)
                form.write(pages.of_organization(found.total, found.rows, lines=None, source=source), form.html)
                return 0 if found.total.is_covered else 1
            case saved.SavedCoverage():
                raise CannotWorkError(f"{saved.called(file)} is about an organization, and goes with no other file")
    places = [one.report.place for one in reports]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise CannotWorkError(f"two of the files are about {place.account} in {place.region}")
    source["Policy"] = ", ".join(sorted({one.policy for one in reports}))
    page = pages.of_accounts([one.report for one in reports], source=source)
    form.write(page, form.html)
    return 0 if page.total.covered == page.total.eligible else 1


def _refuse(options: Mapping[str, object], message: str) -> None:
    """Refuse what does not go together.

    Args:
        options: What was given for each of these options.
        message: What is said of the first that was given, in place of `{}`.

    Raises:
        click.UsageError: One was.
    """
    for option, value in options.items():
        if value:
            raise click.UsageError(message.format(option))
