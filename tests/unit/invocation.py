"""What surrounds the handler when it is invoked: what Lambda tells it, and what it leaves behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.typing import LambdaContext

if TYPE_CHECKING:
    from io import StringIO

    import pytest

    from tests.records import Json


class Context(LambdaContext):
    """What Lambda tells a handler about the invocation.

    Args:
        seconds_left: The time that Lambda leaves.
    """

    _function_name = "provisioner"
    _memory_limit_in_mb = 512
    _invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:provisioner"
    _aws_request_id = "6f0a2c1e"

    def __init__(self, *, seconds_left: float = 900.0) -> None:
        self._seconds_left = seconds_left

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]  # a method, as in Lambda
        """Return the time that Lambda leaves."""
        return int(self._seconds_left * 1000)


@dataclass
class Traces:
    """What the function leaves behind: log records, and metrics in CloudWatch's embedded format."""

    log: StringIO
    capsys: pytest.CaptureFixture[str]

    def records(self, log_type: str | None = None) -> list[Json]:
        """Return the log records, or those of one type."""
        found = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [each for each in found if log_type in (None, each.get("log_type"))]

    def metrics(self) -> Json:
        """Return the one blob of metrics."""
        (line,) = self.capsys.readouterr().out.splitlines()
        found: Json = json.loads(line)
        return found
