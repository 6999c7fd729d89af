"""`profiling-groups policy …`: check a policy file, and see what it does, before it is deployed."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra import policy_file
from ops import asked_for, options, output, records, tables, whereabouts
from ops.comparison import allowed, compare, compare_function
from ops.problems import Problems
from ops.simulation import Simulation
from ops.verdicts import verdict, what, where
from ops.whereabouts import UnknownAccountError, Whereabouts
from profiling_groups.events import triggers
from profiling_groups.functions import ACCOUNT, REGION

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

    from ops.whereabouts import Said
    from profiling_groups.functions import LambdaFunction

_functions_option = click.option(
    "--functions",
    "functions_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Functions as `aws lambda get-function`, `get-function-configuration` or `list-functions` print them, or a "
    "list of such; - reads standard input.",
)


class _Id(click.ParamType[str]):
    """An account id or a region, by the look of it."""

    def __init__(self, pattern: re.Pattern[str], name: str) -> None:
        self._pattern = pattern
        self.name = name

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not self._pattern.fullmatch(value):
            self.fail(f"{value!r} is no {self.name}", param, ctx)
        return value


@click.group()
def policy() -> None:
    """Check a policy file, and see what it does, before it is deployed."""


@policy.command(short_help="Check a policy file as synth would.")
@click.argument("file", type=options.POLICY_FILE, default="policy.yaml")
@options.as_json
@click.pass_context
def validate(context: click.Context, file: Path, *, as_json: bool) -> None:
    """Check FILE (policy.yaml) as synth would, and show what follows from it.

    Exit status: 0 it is a policy; 1 it is none; 2 wrong usage.
    """
    problems: tuple[policy_file.Problem, ...] = ()
    checked = None
    try:
        checked = policy_file.read(file)
    except policy_file.PolicyFileError as error:
        problems = error.problems
    if as_json:
        output.print_json(
            {
                "file": str(file),
                "valid": checked is not None,
                "problems": [asdict(problem) for problem in problems],
                "events": list(triggers(checked)) if checked else [],
                "permissions": [asdict(each) for each in allowed(checked)] if checked else [],
                "overrides": [{"match": where(each), "keys": what(each)} for each in checked.overrides]
                if checked
                else [],
                "needs_organization": checked is not None and checked.needs_organization_path,
            }
        )
    elif checked:
        tables.print_policy(str(file), checked, triggers(checked), allowed(checked))
    for problem in problems:
        output.warn(str(problem))
    context.exit(0 if checked else 1)


@policy.command(short_help="Tell what a function should have, and why.")
@click.argument("names", nargs=-1, metavar="[FUNCTION]...")
@options.policy
@_functions_option
@click.option("--account", type=_Id(ACCOUNT, "account id"), help="Judge them as if they were in this account.")
@click.option("--region", type=_Id(REGION, "region"), help="Judge them as if they were in this region.")
@whereabouts.option
@options.as_json
@click.pass_context
def explain(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context,
    names: tuple[str, ...],
    policy_path: Path,
    functions_file: str | None,
    paths: Sequence[Said],
    *,
    account: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Tell what each FUNCTION should have, the rule that says so, and which overrides apply to it.

    FUNCTION is a name or an ARN. It is read from the account and region of the AWS credentials; or, with --functions,
    looked for in that file, of which all are explained where none is named.

    Exit status: 0 all were explained; 1 some could not be; 2 wrong usage, or AWS cannot be asked.
    """
    if not names and functions_file is None:
        raise click.UsageError("name a FUNCTION, or give --functions FILE.")
    by = options.read_policy(policy_path)
    problems = Problems()
    if functions_file is None:
        found = asked_for.named(names, problems)
    elif names:
        found = asked_for.named_in_file(functions_file, names, problems)
    else:
        found = asked_for.in_file(functions_file, problems)
    accounts = Whereabouts(paths, by)
    verdicts = []
    for function in found:
        arn = function.arn
        arn = replace(arn, account=account or arn.account, region=region or arn.region)
        try:
            path = accounts.path(arn.account)
        except UnknownAccountError as error:
            problems.tell(f"{arn}: {error}")
            continue
        verdicts.append(verdict(replace(function, arn=arn), by, organization_path=path))
        if not as_json:
            tables.print_verdict(verdicts[-1], overrides=len(by.overrides))
    if as_json:
        told = [each.to_json() for each in verdicts]
        output.print_json({"policy": str(policy_path), "functions": told, "problems": problems.told})
    context.exit(1 if problems.told else 0)


@policy.command(short_help="Show what it would have done with recorded creations.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@options.policy
@whereabouts.option
@options.as_json
@click.pass_context
def simulate(context: click.Context, folder: Path, policy_path: Path, paths: Sequence[Said], *, as_json: bool) -> None:
    """Show what a policy would have done with every creation of a function that CloudTrail has recorded.

    FOLDER holds the records as they lie in S3: *.json and *.json.gz, nested at will, of any accounts and regions. One
    that is there twice counts twice. What cannot be read, or tells too little to be judged, is named and passed over.

    Exit status: 0 all was read and judged; 1 some could not be, or would be refused; 2 wrong usage.
    """
    by = options.read_policy(policy_path)
    with Simulation() as simulation:
        with output.progress(f"Reading {folder}", total=records.size(folder)) as advance:
            simulation.run(folder, by, Whereabouts(paths, by), progress=advance, problem=output.warn)
        if as_json:
            facts = {
                "policy": str(policy_path),
                "records": simulation.records,
                "creations": simulation.creations,
                "unjudged": simulation.unjudged,
                "counts": simulation.tally(),
            }
            output.stream_json(facts, outcomes=simulation.outcomes.lines(), problems=simulation.problems.lines())
        else:
            tables.print_simulation(simulation, folder=str(folder), policy=str(policy_path))
        context.exit(1 if len(simulation.problems) else 0)


@policy.command(short_help="Show what changes between two policy files.")
@click.argument("old", type=options.POLICY_FILE)
@click.argument("new", type=options.POLICY_FILE)
@_functions_option
@click.option(
    "--account", "of_account", is_flag=True, help="All functions of the account and region of the credentials."
)
@whereabouts.option
@options.as_json
@click.pass_context
def diff(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context,
    old: Path,
    new: Path,
    functions_file: str | None,
    paths: Sequence[Said],
    *,
    of_account: bool,
    as_json: bool,
) -> None:
    """Show what changes from the policy file OLD to NEW; of the functions given, which change hands.

    Exit status: 0 nothing changes; 1 something does, or some function could not be read; 2 wrong usage, or AWS cannot
    be asked.
    """
    if functions_file and of_account:
        raise click.UsageError("--functions or --account, not both.")
    before, after = options.read_policy(old), options.read_policy(new)
    comparison = compare(before, after)
    problems = Problems()
    found: Iterable[LambdaFunction] = ()
    if functions_file:
        found = asked_for.in_file(functions_file, problems)
    elif of_account:
        found = asked_for.of_account()
    accounts = Whereabouts(paths, before, after)
    asked, changes = 0, []
    for function in found:
        try:
            path = accounts.path(function.arn.account)
        except UnknownAccountError as error:
            problems.tell(f"{function.arn}: {error}")
            continue
        asked += 1
        if change := compare_function(function, before, after, organization_path=path):
            changes.append(change)
    if as_json:
        told = [asdict(each) for each in changes] if functions_file or of_account else None
        output.print_json(
            {"old": str(old), "new": str(new), **asdict(comparison), "functions": told, "problems": problems.told}
        )
    else:
        tables.print_comparison(comparison, changes, asked=asked if functions_file or of_account else None)
    context.exit(1 if comparison or changes or problems.told else 0)
