"""How far the sweep of an organization is: how many of its accounts are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.connection import CONFIG
from ops.live import HowFar

if TYPE_CHECKING:
    import boto3

_ENDED: Final = ("succeeded", "failed", "timedOut", "aborted")


class MapProgress:
    """The items of an execution's distributed map, counted by Step Functions.

    Args:
        session: The operator's.
        execution: ARN of the execution.
    """

    def __init__(self, session: boto3.Session, execution: str) -> None:
        self._client = session.client("stepfunctions", config=CONFIG)
        self._execution = execution
        self._map_run: str | None = None

    def latest(self) -> HowFar | None:
        """Return how far it is; None as long as the accounts are being listed.

        Raises:
            botocore.exceptions.BotoCoreError: AWS could not be reached.
            botocore.exceptions.ClientError: It may not be asked.
        """
        if self._map_run is None:
            found = self._client.list_map_runs(executionArn=self._execution)["mapRuns"]
            if not found:
                return None
            self._map_run = found[0]["mapRunArn"]
        counts = self._client.describe_map_run(mapRunArn=self._map_run)["itemCounts"]
        ended = {status: counts[status] for status in _ENDED}
        failed = sum(ended.values()) - ended["succeeded"]
        return HowFar(
            functions=counts["total"],
            done=sum(ended.values()),
            counts={"failed": failed} if failed else {},
            of="accounts",
        )
