"""The call log: which AWS API calls the sandbox served, by whom and how they ended.

The server writes it; tests, demo and benches read it through the admin API.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import Any, Final

from embedded_aws.http_responses import HttpResponse, error_in
from embedded_aws.request_router import ApiCall

CAPACITY: Final = 100_000
_LONGEST_TEXT: Final = 1_000


class CallLog:
    """The latest calls, at most `capacity`; older ones are dropped. Safe to use from several threads."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._calls: deque[dict[str, object]] = deque(maxlen=capacity)
        self._seq = 0
        self._lock = Lock()

    def add(self, call: ApiCall, *, principal: str | None, answer: HttpResponse) -> None:
        """Note a call and its answer.

        Args:
            call: as it came in.
            principal: ARN of who made it, None for a key that IAM does not know.
            answer: as it went out.
        """
        error = error_in(answer)
        entry = {
            "service": call.service,
            "operation": call.operation,
            "account": call.account,
            "region": call.region,
            "principal": principal,
            "status": answer.status,
            "error_code": error.code if error else None,
            "parameters": _shortened(call.parameters),
        }
        with self._lock:
            self._seq += 1
            self._calls.append({"seq": self._seq, **entry})

    def since(self, seq: int) -> list[dict[str, object]]:
        """The calls after number `seq`, in order; 0 gives all."""
        with self._lock:
            return [entry for entry in self._calls if int(str(entry["seq"])) > seq]

    def clear(self) -> None:
        """Forget the calls; numbers go on rising."""
        with self._lock:
            self._calls.clear()


def _shortened(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """JSON of a size that a hundred thousand calls may have: no code, no long text, no secrets."""
    match value:
        case Mapping():
            return {str(key): {} if key == "Environment" else _shortened(item) for key, item in value.items()}
        case list() | tuple():
            return [_shortened(item) for item in value]
        case bytes():
            return f"<{len(value)} bytes>"
        case bool() | int() | float() | None:
            return value
        case _:
            text = value.isoformat() if isinstance(value, datetime) else str(value)
            return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
