"""Faults: what shall go wrong, set through the admin API.

A fault names a service and an operation (or ``*``), perhaps the one account or region, and says what happens to such
calls: an error, a rate limit, a delay, a halt, a connection that breaks. The server asks for the effect on each call
before it is carried out; EventBridge's delivery asks for the Lambda operation Invoke, a stack set for each of its
stacks.
"""

import difflib
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from threading import Event, Lock
from typing import Any, Final

from embedded_aws.http_responses import ApiError
from embedded_aws.request_router import error_status, known_services, operation_names, throttling_error

_ERROR_KEYS: Final = frozenset({"code", "status", "message"})
_LONGEST_LATENCY_MS: Final = 600_000


class FaultSpecError(Exception):
    """A fault that cannot be; the text names the service, operation or key."""


class Connection(StrEnum):
    """How a connection breaks."""

    RESET = "reset"  # before the call is carried out
    RESET_AFTER = "reset_after"  # after it: the work is done, the client does not learn of it


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What the faults do to one call.

    Attributes:
        latency: seconds to wait first.
        held_by: what has to be lifted first.
        error: the answer instead of the call, with its HTTP status.
        connection: how the connection breaks, if it does.
    """

    latency: float = 0.0
    held_by: "tuple[_Armed, ...]" = ()
    error: tuple[int, ApiError] | None = None
    connection: Connection | None = None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One setting, checked.

    Attributes:
        service: botocore's id of the service.
        operation: its name in the model, or ``*``.
        account: whose calls are meant: of the role that signs them, or of the operator's key; None for everybody's.
        region: in which; None for all.
        error: code, HTTP status (None: what the model says) and text of the answer given instead.
        after: how many calls pass before it happens to any.
        times: to how many calls it happens; None for good.
        rate_per_second: how many calls a second the fault lets through; it happens to those above. Without an `error`
            they get the service's own throttling error.
        burst: how many calls may come at once under `rate_per_second`; at least 1.
        latency_ms: milliseconds that a call takes longer.
        hold: whether a call waits until other faults are set, or none; it is carried out then.
        connection: how the connection breaks.
    """

    service: str
    operation: str
    account: str | None
    region: str | None
    error: tuple[str, int | None, str] | None
    after: int
    times: int | None
    rate_per_second: float | None
    burst: float
    latency_ms: int | None
    hold: bool
    connection: Connection | None

    def describe(self) -> dict[str, object]:
        """As the admin API shows it."""
        error = None if self.error is None else dict(zip(("code", "status", "message"), self.error, strict=True))
        return asdict(self) | {"error": error}


def parse_fault(spec: object) -> Fault:
    """Check one fault as it comes in JSON.

    Raises:
        FaultSpecError: a key, service or operation that is not known, or a value that cannot be.
    """
    if not isinstance(spec, Mapping):
        message = f"a fault must be an object, not {type(spec).__name__}"
        raise FaultSpecError(message)
    _only_known(spec, frozenset(each.name for each in fields(Fault)), "key")
    service, operation = str(spec.get("service")), str(spec.get("operation", "*"))
    _only_known([service], known_services(), "service")
    if operation != "*":
        _only_known([operation], operation_names(service), f"operation of {service}")
    connection = spec.get("connection")
    # Not in a set, which would want to hash what may be a list or an object.
    if connection is not None and connection not in list(Connection):
        message = f"connection must be one of {', '.join(Connection)}, not {connection!r}"
        raise FaultSpecError(message)
    fault = Fault(
        service=service,
        operation=operation,
        account=_text(spec, "account", re.compile(r"\d{12}"), "an account id of 12 digits"),
        region=_text(spec, "region", re.compile(r"[a-z]{2,}(-[a-z]+)+-\d"), "the name of a region"),
        error=_parse_error(spec.get("error")),
        after=_whole(spec, "after", least=0) or 0,
        times=_whole(spec, "times", least=1),
        rate_per_second=_number(spec, "rate_per_second"),
        burst=max(_number(spec, "burst") or 1.0, 1.0),
        latency_ms=_whole(spec, "latency_ms", least=0, most=_LONGEST_LATENCY_MS),
        hold=_flag(spec, "hold"),
        connection=Connection(connection) if connection else None,
    )
    numbers = (fault.rate_per_second, fault.latency_ms)
    if not (fault.error or fault.hold or fault.connection) and numbers == (None, None):
        message = f"a fault of {service}.{operation} needs one of error, rate_per_second, latency_ms, hold, connection"
        raise FaultSpecError(message)
    return fault


def _text(spec: Mapping[str, Any], key: str, form: re.Pattern[str], what: str) -> str | None:
    value = spec.get(key)
    if value is not None and not (isinstance(value, str) and form.fullmatch(value)):
        message = f"{key} must be {what}, not {value!r}"
        raise FaultSpecError(message)
    return value


def _parse_error(error: object) -> tuple[str, int | None, str] | None:
    if error is None:
        return None
    if not isinstance(error, Mapping) or not isinstance(error.get("code"), str):
        message = "error must be an object with a code"
        raise FaultSpecError(message)
    _only_known(error, _ERROR_KEYS, "key of error")
    text = str(error.get("message", f"{error['code']} (set as a fault of the sandbox)"))
    return error["code"], _whole(error, "status", least=400, most=599), text


def _only_known(names: Iterable[str], known: frozenset[str], what: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise FaultSpecError(f"unknown {what} {name!r}{hint}")


def _whole(spec: Mapping[str, Any], key: str, *, least: int, most: int | None = None) -> int | None:
    value = spec.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        limits = f"from {least} to {most}" if most is not None else f"of at least {least}"
        message = f"{key} must be a whole number {limits}, not {value!r}"
        raise FaultSpecError(message)
    return value


def _flag(spec: Mapping[str, Any], key: str) -> bool:
    value = spec.get(key, False)
    if not isinstance(value, bool):
        message = f"{key} must be true or false, not {value!r}"
        raise FaultSpecError(message)
    return value


def _number(spec: Mapping[str, Any], key: str) -> float | None:
    value = spec.get(key)
    if value is None:
        return None
    # Python reads NaN and Infinity in JSON, though JSON has neither, and integers of any size.
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= sys.float_info.max:
        message = f"{key} must be a finite number above 0, not {value!r}"
        raise FaultSpecError(message)
    return float(value)


@dataclass(kw_only=True, eq=False)
class _Armed:
    """A fault and how far it has come."""

    fault: Fault
    passes: int
    left: int | None
    tokens: float
    held: int = 0
    lifted: Event = field(default_factory=Event)
    refilled: float = field(default_factory=time.monotonic)

    def over_rate(self, rate: float) -> bool:
        """Take a token; whether there was none."""
        now = time.monotonic()
        self.tokens = min(self.fault.burst, self.tokens + (now - self.refilled) * rate)
        self.refilled = now
        if self.tokens < 1:
            return True
        self.tokens -= 1
        return False


class Faults:
    """The faults that are set. Safe to use from several threads."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._lock = Lock()

    def replace(self, faults: list[Fault]) -> None:
        """Set these instead of what was set; counts and rates start over."""
        with self._lock:
            for armed in self._armed:
                armed.lifted.set()
            self._armed = [
                _Armed(fault=fault, passes=fault.after, left=fault.times, tokens=fault.burst) for fault in faults
            ]

    def describe(self) -> list[dict[str, object]]:
        """The faults that are set, each with how often it is still to happen and how many calls it holds now.

        ``left`` is null for good.
        """
        with self._lock:
            return [armed.fault.describe() | {"left": armed.left, "held": armed.held} for armed in self._armed]

    def effect(
        self, service: str, operation: str | None, *, account: str | None = None, region: str | None = None
    ) -> Effect:
        """What happens to a call that comes now. It counts: a fault with ``times`` happens that often.

        Delays add up; of errors and broken connections the first that is set wins. A fault of one account or region
        does not happen to a call of which that is not told.
        """
        latency, held_by, error, connection = 0.0, [], None, None
        with self._lock:
            for armed in self._armed:
                fault = armed.fault
                if fault.service != service or fault.operation not in {"*", operation} or armed.left == 0:
                    continue
                if fault.account not in {None, account} or fault.region not in {None, region}:
                    continue
                if armed.passes:
                    armed.passes -= 1
                    continue
                if fault.rate_per_second is not None and not armed.over_rate(fault.rate_per_second):
                    continue
                if (fault.error or fault.rate_per_second or fault.connection) and (error or connection):
                    continue
                if armed.left is not None:
                    armed.left -= 1
                latency += (fault.latency_ms or 0) / 1000
                if fault.hold:
                    held_by.append(armed)
                error = error or _error_of(fault, service, operation)
                connection = connection or fault.connection
        return Effect(latency=latency, held_by=tuple(held_by), error=error, connection=connection)

    def delay(self, effect: Effect) -> None:
        """Wait as long as the call has to."""
        time.sleep(effect.latency)
        for armed in effect.held_by:
            with self._lock:
                armed.held += 1
            armed.lifted.wait()
            with self._lock:
                armed.held -= 1


def _error_of(fault: Fault, service: str, operation: str | None) -> tuple[int, ApiError] | None:
    known = operation if operation in operation_names(service) else None
    if fault.error is not None:
        code, status, message = fault.error
        if status is None:
            status = error_status(service, known, code) if known else 400
        return status, ApiError(code=code, message=message)
    if fault.rate_per_second is not None:
        code, status = throttling_error(service, known) if known else ("ThrottlingException", 400)
        return status, ApiError(code=code, message="Rate exceeded")
    return None
