"""The functions that a command was asked about: named, out of a file, or all of the account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ops import descriptions, output
from ops.account import Account, FunctionProblem
from ops.connection import reachable
from ops.problems import CannotWorkError
from profiling_groups.functions import FunctionReference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ops.problems import Problems
    from profiling_groups.functions import LambdaFunction


def of_account() -> Iterator[LambdaFunction]:
    """Yield all functions of the account and region of the credentials.

    Raises:
        CannotWorkError: AWS cannot be asked.
    """
    with reachable():
        yield from Account().all_functions()


def named(names: Sequence[str], problems: Problems) -> Iterator[LambdaFunction]:
    """Yield the functions of the account that were named.

    Args:
        names: Names or ARNs.
        problems: Is told of each that cannot be read.

    Raises:
        CannotWorkError: AWS cannot be asked.
    """
    with reachable():
        account = Account()
        for name, reference in _references(names, problems):
            try:
                yield account.function(reference)
            except FunctionProblem as problem:
                problems.tell(f"{name}: {problem}")


def in_file(file: str, problems: Problems) -> Iterator[LambdaFunction]:
    """Yield the functions that a file describes.

    Args:
        file: Its path; `-` for standard input.
        problems: Is told of each entry that is no function.

    Raises:
        CannotWorkError: It cannot be read, or is no JSON.
    """
    try:
        with click.open_file(file, "rb") as content:
            document = json.load(content)
    except OSError as error:
        raise CannotWorkError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CannotWorkError(f"{file} is no JSON: {error}") from error
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


def named_in_file(file: str, names: Sequence[str], problems: Problems) -> Iterator[LambdaFunction]:
    """Yield the functions that a file describes and that were named.

    Args:
        file: As for `in_file`.
        names: Names or ARNs; what one leaves out, account or region, may be any.
        problems: Is told, as by `in_file`, and of each name that is not there.

    Raises:
        CannotWorkError: As for `in_file`.
    """
    functions = list(in_file(file, problems))
    for name, reference in _references(names, problems):
        found = [each for each in functions if _is_meant(each, reference)]
        if not found:
            problems.tell(f"{name}: is not in {file}")
        yield from found


def _is_meant(function: LambdaFunction, reference: FunctionReference) -> bool:
    arn = function.arn
    return (
        reference.name == arn.name
        and reference.account in (None, arn.account)
        and reference.region in (None, arn.region)
    )


def _references(names: Sequence[str], problems: Problems) -> Iterator[tuple[str, FunctionReference]]:
    """Yield each name once, with what it refers to."""
    for name in dict.fromkeys(names):
        if reference := FunctionReference.parse(name):
            yield name, reference
        else:
            problems.tell(f"{name}: is neither a function's name nor its ARN")
