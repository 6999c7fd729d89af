"""How far the deployed sweep is, from the records of its progress in its log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ops.connection import CONFIG
from ops.live import HowFar

if TYPE_CHECKING:
    from datetime import datetime

    import boto3

_LOG_TYPE: Final = "progress"
_LATE_MS: Final = 10_000
"""So much later than a newer one may a record come to be found (CloudWatch Logs takes some seconds)."""


class ProgressLog:
    """The log of the function that sweeps, read on from where it was read to.

    Several sweeps may write to it at once. The one that is followed is the first to begin since; which sweep an
    execution has begun, nothing tells.

    Args:
        session: The operator's.
        group: Name of the log group.
        since: When the execution began, or began again.
        dry_run: Whether it writes nothing.
        resumes: Whether it goes on with a sweep that has something done already.
    """

    def __init__(self, session: boto3.Session, group: str, *, since: datetime, dry_run: bool, resumes: bool) -> None:
        self._client = session.client("logs", config=CONFIG)
        self._group = group
        self._read_to = int(since.timestamp() * 1000)
        self._dry_run = dry_run
        self._resumes = resumes
        self._sweep: str | None = None
        self._latest: HowFar | None = None

    def latest(self) -> HowFar | None:
        """Return how far the sweep is by the last record; None before the first.

        Raises:
            botocore.exceptions.BotoCoreError: AWS could not be reached.
            botocore.exceptions.ClientError: The log is not there, or may not be read.
        """
        pages = self._client.get_paginator("filter_log_events").paginate(
            logGroupName=self._group, filterPattern=_LOG_TYPE, startTime=self._read_to
        )
        newest = self._read_to
        for page in pages:
            for event in page["events"]:
                newest = max(newest, event["timestamp"] - _LATE_MS)
                self._take(event["message"])
        self._read_to = newest
        return self._latest

    def _take(self, message: str) -> None:
        try:
            record = json.loads(message)
        except ValueError:
            return
        if not isinstance(record, dict) or record.get("log_type") != _LOG_TYPE:
            return
        if self._sweep is None:
            if record["dry_run"] is not self._dry_run or (record["done"] and not self._resumes):
                return
            self._sweep = record["run"]
        if record["run"] != self._sweep:
            return
        if self._latest is None or record["done"] >= self._latest.done:
            self._latest = HowFar(functions=record["functions"], done=record["done"], counts=record["counts"])
