"""`profiling-groups policy …`: check a policy file, and see what it does, before it is deployed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra import policy_file
from infra.permissions import permissions
from ops import descriptions, output, records, tables
from ops.account import Account, FunctionProblem, reachable
from ops.comparison import allowed, compare, compare_function
from ops.replay import Replay
from ops.verdicts import verdict
from profiling_groups.events import triggers
from profiling_groups.functions import FunctionReference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.spool import Spool
    from profiling_groups.functions import LambdaFunction
    from profiling_groups.policy import Policy

_POLICY_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_policy_option = click.option(
    "--policy",
    "policy_path",
    type=_POLICY_FILE,
    default="policy.yaml",
    show_default=True,
    metavar="FILE",
    help="The policy file.",
)
_functions_option = click.option(
    "--functions",
    "functions_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Functions as `aws lambda get-function`, `get-function-configuration` or `list-functions` print them, or a "
    "list of such; - reads standard input.",
)


class UnusableError(click.ClickException):
    """A file to go by is none."""

    exit_code = 2


@click.group()
def policy() -> None:
    """Check a policy file, and see what it does, before it is deployed."""


@policy.command(short_help="Check a policy file as synth would.")
@click.argument("file", type=_POLICY_FILE, default="policy.yaml")
@_json_option
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
        _print_json(
            {
                "file": str(file),
                "valid": checked is not None,
                "problems": [asdict(problem) for problem in problems],
                "events": list(triggers(checked)) if checked else [],
                "permissions": [asdict(each) for each in permissions(checked)] if checked else [],
            }
        )
    elif checked:
        tables.print_policy(str(file), triggers(checked), allowed(checked))
    for problem in problems:
        output.warn(str(problem))
    context.exit(0 if checked else 1)


@policy.command(short_help="Tell what a function should have, and why.")
@click.argument("names", nargs=-1, metavar="[FUNCTION]...")
@_policy_option
@_functions_option
@_json_option
@click.pass_context
def explain(
    context: click.Context,
    names: tuple[str, ...],
    policy_path: Path,
    functions_file: str | None,
    *,
    as_json: bool,
) -> None:
    """Tell what each FUNCTION should have, and the rule that says so.

    FUNCTION is a name or an ARN. It is read from the account and region of the AWS credentials; or, with --functions,
    looked for in that file, of which all are explained where none is named.

    Exit status: 0 all were explained; 1 some could not be; 2 wrong usage, or AWS cannot be asked.
    """
    if not names and functions_file is None:
        raise click.UsageError("name a FUNCTION, or give --functions FILE.")
    by = _read_policy(policy_path)
    problems = _Problems()
    found = _selected(functions_file, names, problems) if functions_file else _named(names, problems)
    verdicts = []
    for function in found:
        verdicts.append(verdict(function, by))
        if not as_json:
            tables.print_verdict(verdicts[-1])
    if as_json:
        told = [each.to_json() for each in verdicts]
        _print_json({"policy": str(policy_path), "functions": told, "problems": problems.told})
    context.exit(1 if problems.told else 0)


@policy.command(short_help="Show what it would have done with recorded creations.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_policy_option
@_json_option
@click.pass_context
def simulate(context: click.Context, folder: Path, policy_path: Path, *, as_json: bool) -> None:
    """Show what a policy would have done with every creation of a function that CloudTrail has recorded.

    FOLDER holds the records as they lie in S3: *.json and *.json.gz, nested at will, of any accounts and regions. One
    that is there twice counts twice. What cannot be read, or tells too little to be judged, is named and passed over.

    Exit status: 0 all was read and judged; 1 some could not be, or would be refused; 2 wrong usage.
    """
    by = _read_policy(policy_path)
    with Replay() as replay:
        with output.progress(f"Reading {folder}", total=records.size(folder)) as advance:
            replay.run(folder, by, progress=advance, problem=output.warn)
        if as_json:
            facts = {
                "policy": str(policy_path),
                "records": replay.records,
                "creations": replay.creations,
                "unjudged": replay.unjudged,
                "counts": tables.tally(replay),
            }
            _stream_json(facts, outcomes=replay.outcomes, problems=replay.problems)
        else:
            tables.print_replay(replay, folder=str(folder), policy=str(policy_path))
        context.exit(1 if len(replay.problems) else 0)


@policy.command(short_help="Show what changes between two policy files.")
@click.argument("old", type=_POLICY_FILE)
@click.argument("new", type=_POLICY_FILE)
@_functions_option
@click.option(
    "--account", "of_account", is_flag=True, help="All functions of the account and region of the credentials."
)
@_json_option
@click.pass_context
def diff(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context, old: Path, new: Path, functions_file: str | None, *, of_account: bool, as_json: bool
) -> None:
    """Show what changes from the policy file OLD to NEW; of the functions given, which change hands.

    Exit status: 0 nothing changes; 1 something does, or some function could not be read; 2 wrong usage, or AWS cannot
    be asked.
    """
    if functions_file and of_account:
        raise click.UsageError("--functions or --account, not both.")
    before, after = _read_policy(old), _read_policy(new)
    comparison = compare(before, after)
    problems = _Problems()
    asked, changes = 0, []
    for function in _given(functions_file, problems, of_account=of_account):
        asked += 1
        if change := compare_function(function, before, after):
            changes.append(change)
    if as_json:
        told = [asdict(each) for each in changes] if functions_file or of_account else None
        _print_json(
            {"old": str(old), "new": str(new), **asdict(comparison), "functions": told, "problems": problems.told}
        )
    else:
        tables.print_comparison(comparison, changes, asked=asked if functions_file or of_account else None)
    context.exit(1 if comparison or changes or problems.told else 0)


class _Problems:
    """What could not be read of what was asked for.

    Attributes:
        told: What was told so far.
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, message: str) -> None:
        """Tell of one more."""
        output.warn(message)
        self.told.append(message)


def _read_policy(path: Path) -> Policy:
    try:
        return policy_file.read(path)
    except policy_file.PolicyFileError as error:
        raise UnusableError(str(error)) from error


def _given(file: str | None, problems: _Problems, *, of_account: bool) -> Iterator[LambdaFunction]:
    """Yield the functions of a file, or of the account, or none."""
    if file:
        yield from _in_file(file, problems)
    elif of_account:
        with reachable():
            yield from Account().all_functions()


def _named(names: tuple[str, ...], problems: _Problems) -> Iterator[LambdaFunction]:
    """Yield the functions of the account that were named."""
    with reachable():
        account = Account()
        for name, reference in _references(names, problems):
            try:
                yield account.function(reference)
            except FunctionProblem as problem:
                problems.tell(f"{name}: {problem}")


def _selected(file: str, names: tuple[str, ...], problems: _Problems) -> Iterator[LambdaFunction]:
    """Yield the functions of a file that were named, or all where none was."""
    if not names:
        yield from _in_file(file, problems)
        return
    functions = list(_in_file(file, problems))
    for name, reference in _references(names, problems):
        found = [each for each in functions if reference.name == each.arn.name]
        found = [each for each in found if reference.account in (None, each.arn.account)]
        found = [each for each in found if reference.region in (None, each.arn.region)]
        if not found:
            problems.tell(f"{name}: is not in {file}")
        yield from found


def _references(names: tuple[str, ...], problems: _Problems) -> Iterator[tuple[str, FunctionReference]]:
    for name in dict.fromkeys(names):
        if reference := FunctionReference.parse(name):
            yield name, reference
        else:
            problems.tell(f"{name}: is neither a function's name nor its ARN")


def _in_file(file: str, problems: _Problems) -> Iterator[LambdaFunction]:
    """Yield the functions that a file describes.

    Raises:
        UnusableError: It is no JSON.
    """
    try:
        with click.open_file(file, "rb") as content:
            document = json.load(content)
    except OSError as error:
        raise UnusableError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"{file} is no JSON: {error}") from error
    untagged = 0
    for number, entry in enumerate(descriptions.entries(document), start=1):
        try:
            described = descriptions.described(entry)
        except descriptions.NotAFunctionError as error:
            problems.tell(f"{file}: entry {number}: {error}")
            continue
        untagged += not described.tagged
        yield described.function
    if untagged:
        output.warn(f"{file}: {untagged} functions without Tags, as list-functions leaves them out; taken for untagged")


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, indent=2))


def _stream_json(facts: dict[str, Any], **lists: Spool) -> None:
    """Print an object of facts and lists, an item of a list at a time."""
    click.echo(json.dumps(facts, indent=2).removesuffix("\n}"), nl=False)
    for key, spool in lists.items():
        click.echo(f',\n  "{key}": [', nl=False)
        for number, line in enumerate(spool.lines()):
            click.echo(f"{',' if number else ''}\n    {line}", nl=False)
        click.echo("\n  ]" if len(spool) else "]", nl=False)
    click.echo("\n}")
