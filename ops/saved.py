"""What `report --json` has printed, read again: of an account and region, or of an organization."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from pydantic import TypeAdapter, ValidationError

from ops.coverage import Row, Scope
from ops.problems import CannotWorkError
from ops.report import Entry, Report
from profiling_groups.functions import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """The report of an account and region.

    Attributes:
        policy: The policy file that it was compared with.
        report: What it told.
    """

    policy: str
    report: Report


@dataclass(frozen=True, kw_only=True)
class SavedCoverage:
    """The report of an organization.

    Attributes:
        execution: ARN of the execution that looked.
        dry_run: Whether it wrote nothing.
        total: The figures of all of it.
        rows: Those of its parts, in their order.
    """

    execution: str
    dry_run: bool
    total: Row
    rows: Mapping[Scope, Sequence[Row]]


@dataclass(frozen=True, kw_only=True)
class _Totals:
    functions: int


@dataclass(frozen=True, kw_only=True)
class _OfAccount:
    policy: str
    account: str
    region: str
    totals: _Totals
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class _OfOrganization:
    execution: str
    dry_run: bool
    totals: dict[str, Any]
    ous: tuple[Row, ...]
    accounts: tuple[Row, ...]
    regions: tuple[Row, ...]
    places: tuple[Row, ...]


_LEFT_OUT: Final = ("organization_path", "account", "region", "covered_percent", "detail")
"""What the totals of an organization do not have where there is nothing to say."""


def read(file: BinaryIO) -> SavedReport | SavedCoverage:
    """Read what was saved.

    Args:
        file: Where it is.

    Raises:
        CannotWorkError: It is nothing that `report --json` prints.
    """
    name = called(file)
    try:
        found = json.loads(file.read())
        if isinstance(found, dict) and "entries" not in found and "places" in found:
            return _coverage(TypeAdapter(_OfOrganization).validate_python(found))
        saved = TypeAdapter(_OfAccount).validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise CannotWorkError(f"{name} is not what report --json prints: {where}: {first['msg']}") from error
    except ValueError as error:
        raise CannotWorkError(f"{name} is no JSON: {error}") from error
    except RecursionError as error:
        raise CannotWorkError(f"{name} is not what report --json prints: it is nested too deep") from error
    place = Place(account=saved.account, region=saved.region)
    report = Report(place=place, functions=saved.totals.functions, entries=saved.entries)
    return SavedReport(policy=saved.policy, report=report)


def called(file: BinaryIO) -> str:
    """Return what a file is called; standard input need have no name."""
    return str(getattr(file, "name", "<stdin>"))


def _coverage(saved: _OfOrganization) -> SavedCoverage:
    total = TypeAdapter(Row).validate_python({**dict.fromkeys(_LEFT_OUT), **saved.totals})
    rows = {Scope.OU: saved.ous, Scope.ACCOUNT: saved.accounts, Scope.REGION: saved.regions, Scope.PLACE: saved.places}
    return SavedCoverage(execution=saved.execution, dry_run=saved.dry_run, total=total, rows=rows)
