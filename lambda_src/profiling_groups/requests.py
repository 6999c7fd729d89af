"""What a person, or the state machine, may ask of the function: a payload with an `action`. Pure.

`handler` asks, for what is no event. Nothing is done about a payload that is not understood to its last key.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from profiling_groups.functions import FunctionArn, FunctionReference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from profiling_groups.functions import Place

MOST_FUNCTIONS: Final = 500
"""Functions that one request may name: as many as one invocation has time for."""
MOST_SECONDS: Final = 86_400
"""The longest time budget; no invocation has as much."""
MOST_OUTCOMES: Final = 1_000
"""Outcomes that an answer lists; a run's other ones are in the log."""

_QUOTED = 80


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
        dry_run: Whether only to say what would be done.
        cursor: Where an earlier run stopped; None begins anew.
        time_budget_seconds: After how many seconds no new work is taken; None for as long as there is time.
        max_outcomes: How many outcomes the answer lists at most.
    """

    dry_run: bool = False
    cursor: str | None = None
    time_budget_seconds: float | None = None
    max_outcomes: int = MOST_OUTCOMES


def is_request(payload: object) -> bool:
    """Whether a payload asks for something, rather than tells of an event."""
    return isinstance(payload, dict) and "action" in payload


def read(payload: Mapping[str, Any], *, place: Place) -> Provision | Backfill:
    """Read a request.

    Args:
        payload: The payload.
        place: The account and region that it is about.

    Raises:
        InvalidRequestError: It is none.
    """
    rest = dict(payload)
    match rest.pop("action"):
        case "provision":
            _refuse_unknown(rest, ("functions", "dry_run"))
            return Provision(functions=_functions(rest.get("functions"), place), dry_run=_dry_run(rest))
        case "backfill":
            _refuse_unknown(rest, (*(field.name for field in fields(Backfill)), "account", "region"))
            _check_place(rest, place)
            return Backfill(
                dry_run=_dry_run(rest),
                cursor=_cursor(rest.get("cursor")),
                time_budget_seconds=_seconds(rest.get("time_budget_seconds")),
                max_outcomes=_max_outcomes(rest.get("max_outcomes")),
            )
        case other:
            raise InvalidRequestError(f"'action' is {_quote(other)}, neither 'provision' nor 'backfill'")


def _refuse_unknown(rest: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in rest:
        if key not in known:
            meant = get_close_matches(key, known, n=1)
            hint = f"did you mean {meant[0]!r}?" if meant else f"known are {', '.join(known)}"
            raise InvalidRequestError(f"{_quote(key)} is unknown; {hint}")


def _functions(named: object, place: Place) -> tuple[FunctionArn, ...]:
    if not isinstance(named, list) or not named:
        raise InvalidRequestError(f"'functions' is {_quote(named)}, not a list of names or ARNs of functions")
    if len(named) > MOST_FUNCTIONS:
        raise InvalidRequestError(
            f"'functions' names {len(named)}, and there is time for {MOST_FUNCTIONS}; 'backfill' takes all"
        )
    found: dict[FunctionArn, None] = {}
    for number, name in enumerate(named):
        reference = FunctionReference.parse(name) if isinstance(name, str) else None
        if reference is None:
            raise InvalidRequestError(f"'functions[{number}]' is {_quote(name)}, neither a function's name nor its ARN")
        for said, here in ((reference.account, place.account), (reference.region, place.region)):
            if said not in (None, here):
                raise InvalidRequestError(f"'functions[{number}]' is {_quote(name)}, and this is {here}")
        arn = FunctionArn(account=place.account, region=place.region, name=reference.name)
        if name.startswith("arn:") and not name.startswith(str(arn)):
            raise InvalidRequestError(f"'functions[{number}]' is {_quote(name)}, no function's ARN of {place.region}")
        found[arn] = None
    return tuple(found)


def _check_place(rest: Mapping[str, Any], place: Place) -> None:
    for key, here in (("account", place.account), ("region", place.region)):
        said = rest.get(key)
        if said not in (None, here):
            raise InvalidRequestError(
                f"{key!r} is {_quote(said)}, and only functions of {here} can be reached from here"
            )


def _dry_run(rest: Mapping[str, Any]) -> bool:
    said = rest.get("dry_run", False)
    if not isinstance(said, bool):
        raise InvalidRequestError(f"'dry_run' is {_quote(said)}, neither true nor false")
    return said


def _cursor(said: object) -> str | None:
    if not isinstance(said, str | None):
        raise InvalidRequestError(f"'cursor' is {_quote(said)}, neither null nor what an earlier run gave")
    return said


def _seconds(said: object) -> float | None:
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= MOST_SECONDS:
        allowed = f"neither null nor a number of seconds, {MOST_SECONDS} at most"
        raise InvalidRequestError(f"'time_budget_seconds' is {_quote(said)}, {allowed}")
    return float(said)


def _max_outcomes(said: object) -> int:
    if said is None:
        return MOST_OUTCOMES
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= MOST_OUTCOMES:
        raise InvalidRequestError(f"'max_outcomes' is {_quote(said)}, not a whole number from 0 to {MOST_OUTCOMES}")
    return said


def _quote(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}… ({len(text)} characters)"
