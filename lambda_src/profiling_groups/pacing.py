"""How fast a service may be called, found out by calling it: the SDK's adaptive retry mode, for many calls at once.

`aws` attaches it to the clients of a sweep. Each operation has a pace of its own, which all threads share. It rises
until the service throttles; between two throttled answers the service grants calls at just its limit, so their number
tells the limit, and the pace stays close below it, trying now and then for more (a cubic curve, as CUBIC in TCP,
RFC 9438). Where the limit falls, the pace is cut until calls pass again. A throttled call is sent again in its turn, so
that none is lost, and threads that wait cost nothing.
"""

from __future__ import annotations

import random
import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's name for it

from profiling_groups import deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSRequest
    from botocore.client import BaseClient

_FIRST: Final = 20.0
"""Calls per second to begin with."""
_LEAST: Final = 0.5
_MOST: Final = 100.0
"""Calls per second; to find a limit beyond this would cost more throttled calls than it saves time."""
_RISE_SECONDS: Final = 0.4
"""In this time the pace grows to 2.7 times itself, until the service throttles for the first time."""
_ENOUGH: Final = 8
"""Calls that have to pass between two throttled ones before their number tells the limit."""
_BELOW: Final = 0.98
"""The pace after a throttled call, as a share of the limit."""
_CUT: Final = 0.7
"""What becomes of a pace whose limit is not known."""
_FIRST_CUT: Final = 0.6
_CLIMB_SECONDS: Final = 2.5
_CLIMB_CALLS: Final = 20
"""How long it takes to be back at the limit, and at least how many calls."""
_RECOVER_SECONDS: Final = 2.0
_CURVE: Final = 0.03
"""How steeply it rises beyond."""
_LATENESS: Final = 0.01
"""Seconds that a call may come late and be made up for."""

_TRIES: Final = 4
"""How often a call is tried in all where the service, or the way there, is out of order."""
_PATIENCE_SECONDS: Final = 30.0
"""How long throttled calls are sent again without a single one of the operation being let through."""
_THROTTLING: Final = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded"}
)
_TOO_MANY_REQUESTS: Final = 429
_QUOTA_EXCEEDED: Final = 402
_OUT_OF_ORDER: Final = frozenset({500, 502, 503, 504})


def attach(client: BaseClient) -> None:
    """Pace the calls of a client, and decide in place of the SDK which of them are sent again."""
    paces = _Paces()
    service = client.meta.service_model.service_id.hyphenize()
    events = client.meta.events
    events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
    # Before it is signed: a signature is good for five minutes only.
    events.register_first(f"request-created.{service}", paces.before)
    events.register(f"needs-retry.{service}", cast("Callable[..., None]", paces.after))


class _Paces:
    """The paces of one client's operations."""

    def __init__(self) -> None:
        self._deadline = deadline.current()
        self._paces: dict[str, _Pace] = {}
        self._quota_errors: dict[str, Any] = {}

    def before(self, *, request: AWSRequest, operation_name: str, **_: object) -> None:
        """Wait until the request may be sent.

        Raises:
            botocore.exceptions.ClientError: The service has said that a quota is exhausted, so that no further call of
                this operation is sent: the same error.
            DeadlineError: The invocation that the sweep is part of ran out of time. Threads that are stuck outlast it,
                and must not write during a later one.
        """
        # Atomic, and made but once for all practical purposes.
        pace = self._paces.setdefault(operation_name, _Pace())
        if operation_name not in self._quota_errors:
            pace.wait()
        self._deadline.check()
        # It may have been said while this one waited.
        if error := self._quota_errors.get(operation_name):
            raise ClientError(error, operation_name)
        request.context["sent"] = time.monotonic()

    def after(
        self,
        *,
        response: tuple[Any, Any] | None,
        operation: Any,  # noqa: ANN401 - botocore's OperationModel
        attempts: int,
        caught_exception: Exception | None,
        request_dict: dict[str, Any],
        **_: object,
    ) -> float | None:
        """Learn from an answer; return the seconds to wait before the call is sent again, None where it is not."""
        pace = self._paces[operation.name]
        sent = request_dict["context"]["sent"]
        status, error = 0, {}
        if response is not None:
            status, error = response[0].status_code, response[1].get("Error", {})
        if status == _TOO_MANY_REQUESTS or error.get("Code") in _THROTTLING:
            pace.throttled(sent)
            return 0.0 if pace.hopeful() else None
        if response is not None:
            pace.passed()
        if status == _QUOTA_EXCEEDED and response is not None:
            self._quota_errors[operation.name] = response[1]
        lost = isinstance(caught_exception, ConnectionError | HTTPClientError)
        if (lost or status in _OUT_OF_ORDER) and attempts < _TRIES:
            return random.uniform(0, 2 ** (attempts - 1))  # noqa: S311 - so that threads do not try again together
        return None


class _Pace:
    """How fast one operation is called, by all threads together."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._lock = Lock()
        self._rate = _FIRST
        self._rising = True
        self._sent = float("-inf")
        self._waited = False
        self._stuck_since: float | None = None
        # The curve of the pace since it was cut: the pace aimed at, how far below it began, when it is reached.
        self._cut_at = float("-inf")
        self._aim = _FIRST
        self._depth = 0.0
        self._climb = _CLIMB_SECONDS
        # Calls that have passed: when, and how many since the throttled call from which the limit is measured.
        self._passed: deque[float] = deque(maxlen=int(_MOST))
        self._since: float | None = None
        self._count = 0

    def wait(self) -> None:
        """Return when the next call may be sent; one thread at a time, the others queue behind it."""
        with self._turn:
            waited = False
            while (delay := self._sent + 1 / self._rate - time.monotonic()) > 0:
                waited = True
                time.sleep(delay)
            with self._lock:
                now = time.monotonic()
                self._waited = waited
                self._sent = max(self._sent + 1 / self._rate, now - _LATENESS)

    def passed(self) -> None:
        """A call was let through."""
        now = time.monotonic()
        with self._lock:
            self._stuck_since = None
            self._count += 1
            self._passed.append(now)
            if not self._waited:
                # Whoever calls is slower than the pace, which thereby tells nothing.
                return
            if self._rising:
                rate = self._rate + 1 / _RISE_SECONDS
            else:
                x = (now - self._cut_at) / self._climb - 1
                rate = self._aim * (1 + (self._depth if x < 0 else _CURVE) * x**3)
            self._rate = min(_MOST, max(_LEAST, rate))

    def throttled(self, sent: float) -> None:
        """A call that was sent then was turned away."""
        now = time.monotonic()
        with self._lock:
            self._stuck_since = self._stuck_since or now
            if sent < self._cut_at:
                # It was on its way already.
                return
            limit = None
            if self._since is not None and self._count >= _ENOUGH:
                limit = self._count / (now - self._since)
            if self._since is None or limit is not None:
                self._since, self._count = now, 0
            if limit is not None:
                self._aim = max(_LEAST, min(limit, self._rate))
                self._rate = max(_LEAST, self._aim * _BELOW)
                self._climb = max(_CLIMB_SECONDS, _CLIMB_CALLS / self._aim)
            else:
                cut = _FIRST_CUT if self._rising else _CUT
                lately = sum(1 for when in self._passed if when > now - 1)
                self._aim = max(_LEAST, min(_MOST, max(self._rate * (1 + cut) / 2, lately)))
                self._rate = max(_LEAST, self._rate * cut)
                self._climb = _RECOVER_SECONDS
            self._rising = False
            self._depth = 1 - self._rate / self._aim
            self._cut_at = now

    def hopeful(self) -> bool:
        """Whether it is not for long that every call of the operation was turned away."""
        with self._lock:
            return self._stuck_since is None or time.monotonic() - self._stuck_since < _PATIENCE_SECONDS
