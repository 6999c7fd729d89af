"""What a person, or the state machine, may ask of the function: a payload with an `action`. Pure.

`handler` asks, for what is no event. Nothing is done about a payload that is not understood to its last key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from profiling_groups.functions import ACCOUNT, REGION, FunctionArn, FunctionReference, Place
from profiling_groups.text import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_FUNCTIONS: Final = 500
"""Functions that one request may name: as many as one invocation has time for."""
MOST_SECONDS: Final = 86_400
"""The longest time budget; no invocation has as much."""
MOST_LISTED: Final = 10_000
"""Accounts or regions that one request may name."""
MOST_OUTCOMES: Final = 1_000
"""Outcomes that an answer lists; a run's other ones are in the log."""

# Units are nested five deep at most (Organizations, quotas).
_ORGANIZATION_PATH = re.compile(r"o-[a-z0-9]{10,32}/r-[a-z0-9]{4,32}/(?:ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}/){0,5}")
_MAX_KEY_LENGTH = 64
"""Characters of a key that might be a known one, misspelt."""
_MAX_CURSOR_LENGTH = 262_144
"""What Step Functions passes on from one state to the next is no longer, and so is no cursor."""
_LIMITS = ("time_budget_seconds", "max_outcomes")


class InvalidRequestError(ValueError):
    """The payload is nothing that this function accepts; the message names the key and what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Provision:
    """Reconcile these functions.

    Attributes:
        functions: Which, each once, in the order in which they were named.
        dry_run: Whether only to say what would be done.
    """

    functions: tuple[FunctionArn, ...]
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """Reconcile all functions of an account and region.

    Attributes:
        place: Another account or region than the function's own; None for that.
        dry_run: Whether only to say what would be done.
        cursor: Where an earlier run stopped; None begins anew.
        time_budget_seconds: After how many seconds no new work is taken; None for as long as there is time.
        max_outcomes: How many outcomes the answer lists at most.
    """

    place: Place | None = None
    dry_run: bool = False
    cursor: str | None = None
    time_budget_seconds: float | None = None
    max_outcomes: int = MOST_OUTCOMES


@dataclass(frozen=True, kw_only=True)
class BackfillAccount:
    """Reconcile all functions of an account of the organization, region by region.

    Attributes:
        account: Account id.
        regions: Region codes, each once, in this order.
        organization_path: Where the account is, as in `aws:PrincipalOrgPaths`; None where that is to be looked up.
        dry_run: Whether only to say what would be done.
        cursor: Where an earlier run stopped; None begins anew.
        time_budget_seconds: After how many seconds no new work is taken; None for as long as there is time.
        max_outcomes: How many outcomes the answer lists at most.
    """

    account: str
    regions: tuple[str, ...]
    organization_path: str | None = None
    dry_run: bool = False
    cursor: str | None = None
    time_budget_seconds: float | None = None
    max_outcomes: int = MOST_OUTCOMES


@dataclass(frozen=True, kw_only=True)
class Targets:
    """List the accounts and regions of the organization that are governed.

    Attributes:
        accounts: Only these; None for all.
        regions: Only these; None for all.
    """

    accounts: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None


Request = Provision | Backfill | BackfillAccount | Targets


def is_request(payload: object) -> bool:
    """Whether a payload asks for something, rather than tells of an event."""
    return isinstance(payload, dict) and "action" in payload


def read(payload: Mapping[str, Any], *, place: Place, organization: bool = False) -> Request:
    """Read a request.

    Args:
        payload: The payload.
        place: The function's own account and region, which it is about unless it says otherwise.
        organization: Whether other places can be reached from here.

    Raises:
        InvalidRequestError: It is none.
    """
    rest = dict(payload)
    match rest.pop("action"):
        case "provision":
            _refuse_unknown(rest, ("functions", "dry_run"))
            functions = _functions(rest.get("functions"), place, organization=organization)
            return Provision(functions=functions, dry_run=_dry_run(rest))
        case "backfill" if organization and rest.get("regions") is not None:
            _refuse_unknown(rest, ("account", "regions", "organization_path", "dry_run", "cursor", *_LIMITS))
            return BackfillAccount(
                account=_matching(rest, "account", ACCOUNT, "an account id of 12 digits"),
                regions=_several(rest, "regions", REGION, "regions") or (),
                organization_path=_organization_path(rest.get("organization_path")),
                dry_run=_dry_run(rest),
                cursor=_cursor(rest.get("cursor")),
                time_budget_seconds=_seconds(rest.get("time_budget_seconds")),
                max_outcomes=_max_outcomes(rest.get("max_outcomes")),
            )
        case "backfill":
            _refuse_unknown(rest, ("account", "region", "dry_run", "cursor", *_LIMITS))
            return Backfill(
                place=_place(rest, place, organization=organization),
                dry_run=_dry_run(rest),
                cursor=_cursor(rest.get("cursor")),
                time_budget_seconds=_seconds(rest.get("time_budget_seconds")),
                max_outcomes=_max_outcomes(rest.get("max_outcomes")),
            )
        case "targets" if organization:
            _refuse_unknown(rest, ("accounts", "regions"))
            return Targets(
                accounts=_several(rest, "accounts", ACCOUNT, "account ids of 12 digits"),
                regions=_several(rest, "regions", REGION, "regions"),
            )
        case other:
            raise InvalidRequestError(f"'action' is {quote(other)}, neither 'provision' nor 'backfill'")


def _refuse_unknown(rest: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in rest:
        if key not in known:
            could_be_meant = isinstance(key, str) and len(key) <= _MAX_KEY_LENGTH
            meant = get_close_matches(key, known, n=1) if could_be_meant else ()
            hint = f"did you mean {meant[0]!r}?" if meant else f"known are {', '.join(known)}"
            raise InvalidRequestError(f"{quote(key)} is unknown; {hint}")


def _functions(named: object, here: Place, *, organization: bool) -> tuple[FunctionArn, ...]:
    if not isinstance(named, list) or not named:
        raise InvalidRequestError(f"'functions' is {quote(named)}, not a list of names or ARNs of functions")
    if len(named) > MOST_FUNCTIONS:
        raise InvalidRequestError(
            f"'functions' names {len(named)}, and there is time for {MOST_FUNCTIONS}; 'backfill' takes all"
        )
    found: dict[FunctionArn, None] = {}
    for number, name in enumerate(named):
        reference = FunctionReference.parse(name) if isinstance(name, str) else None
        if reference is None:
            raise InvalidRequestError(f"'functions[{number}]' is {quote(name)}, neither a function's name nor its ARN")
        for said, own in ((reference.account, here.account), (reference.region, here.region)):
            if said not in (None, own) and not organization:
                raise InvalidRequestError(f"'functions[{number}]' is {quote(name)}, and this is {own}")
        arn = FunctionArn(
            account=reference.account or here.account, region=reference.region or here.region, name=reference.name
        )
        if name.startswith("arn:") and not name.startswith(str(arn)):
            raise InvalidRequestError(f"'functions[{number}]' is {quote(name)}, no function's ARN of {arn.region}")
        found[arn] = None
    return tuple(found)


def _place(rest: Mapping[str, Any], here: Place, *, organization: bool) -> Place | None:
    if organization:
        given = {"account": here.account, "region": here.region}
        given |= {key: said for key in given if (said := rest.get(key)) is not None}
        place = Place(
            account=_matching(given, "account", ACCOUNT, "an account id of 12 digits"),
            region=_matching(given, "region", REGION, "a region"),
        )
        return None if place == here else place
    for key, own in (("account", here.account), ("region", here.region)):
        said = rest.get(key)
        if said not in (None, own):
            raise InvalidRequestError(f"{key!r} is {quote(said)}, and only functions of {own} can be reached from here")
    return None


def _matching(rest: Mapping[str, Any], key: str, pattern: re.Pattern[str], what: str) -> str:
    said = rest.get(key)
    if not isinstance(said, str) or not pattern.fullmatch(said):
        raise InvalidRequestError(f"{key!r} is {quote(said)}, not {what}")
    return said


def _several(rest: Mapping[str, Any], key: str, pattern: re.Pattern[str], what: str) -> tuple[str, ...] | None:
    said = rest.get(key)
    if said is None:
        return None
    if not isinstance(said, list) or not said:
        raise InvalidRequestError(f"{key!r} is {quote(said)}, not a list of {what}")
    if len(said) > MOST_LISTED:
        raise InvalidRequestError(f"{key!r} names {len(said)}, and may name {MOST_LISTED} at most")
    for number, each in enumerate(said):
        if not isinstance(each, str) or not pattern.fullmatch(each):
            raise InvalidRequestError(f"'{key}[{number}]' is {quote(each)}, and {key!r} a list of {what}")
    return tuple(dict.fromkeys(said))


def _organization_path(said: object) -> str | None:
    if said is None or (isinstance(said, str) and _ORGANIZATION_PATH.fullmatch(said)):
        return said
    raise InvalidRequestError(f"'organization_path' is {quote(said)}, not like o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/")


def _dry_run(rest: Mapping[str, Any]) -> bool:
    said = rest.get("dry_run", False)
    if not isinstance(said, bool):
        raise InvalidRequestError(f"'dry_run' is {quote(said)}, neither true nor false")
    return said


def _cursor(said: object) -> str | None:
    if not isinstance(said, str | None):
        raise InvalidRequestError(f"'cursor' is {quote(said)}, neither null nor what an earlier run gave")
    if said is not None and len(said) > _MAX_CURSOR_LENGTH:
        raise InvalidRequestError(f"'cursor' is {quote(said)}, longer than any that a run gives")
    return said


def _seconds(said: object) -> float | None:
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= MOST_SECONDS:
        allowed = f"neither null nor a number of seconds, {MOST_SECONDS} at most"
        raise InvalidRequestError(f"'time_budget_seconds' is {quote(said)}, {allowed}")
    return float(said)


def _max_outcomes(said: object) -> int:
    if said is None:
        return MOST_OUTCOMES
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= MOST_OUTCOMES:
        raise InvalidRequestError(f"'max_outcomes' is {quote(said)}, not a whole number from 0 to {MOST_OUTCOMES}")
    return said
