"""Questions to the log records, saved in CloudWatch Logs Insights, so that nobody has to know their fields by heart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from profiling_groups.outcomes import Action, LogType


class Source(StrEnum):
    """Whose records."""

    PROVISIONER = "provisioner"
    BACKFILL = "backfill"


_BOTH: Final = (Source.PROVISIONER, Source.BACKFILL)


@dataclass(frozen=True, kw_only=True)
class Query:
    """A saved question.

    Attributes:
        name: What it is called, behind the stack's name.
        log_type: Which records it is about.
        rest: What follows the filter on them, a command each.
        sources: Whose records are asked.
        fields: What is shown of each; none for a query that counts.
    """

    name: str
    log_type: LogType
    rest: tuple[str, ...]
    sources: tuple[Source, ...] = _BOTH
    fields: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The query as Logs Insights takes it."""
        shown = (f"fields {', '.join(('@timestamp', *self.fields))}",) if self.fields else ()
        return "\n| ".join((*shown, f'filter log_type = "{self.log_type}"', *self.rest))


_LATEST: Final = ("sort @timestamp desc", "limit 1000")

QUERIES: Final = (
    Query(
        name="What became of the functions",
        log_type=LogType.OUTCOME,
        rest=("stats count(*) as outcomes by action, reason", "sort outcomes desc"),
    ),
    Query(
        name="What failed, and why",
        log_type=LogType.OUTCOME,
        fields=("account", "region", "function", "reason", "error_code", "detail"),
        rest=(f'filter action = "{Action.FAILED}"', *_LATEST),
    ),
    Query(
        name="Who gets no group, and why",
        log_type=LogType.OUTCOME,
        rest=(
            f'filter action = "{Action.SKIPPED}"',
            "stats latest(reason) as why, latest(detail) as told by account, region, function",
            "sort account, region, function",
            "limit 10000",
        ),
    ),
    Query(
        name="What became of one function (put its name in)",
        log_type=LogType.OUTCOME,
        fields=("action", "reason", "group", "detail", "error_code", "dry_run"),
        rest=('filter function like ":function:NAME"', *_LATEST),
    ),
    Query(
        name="How far the sweeps are",
        log_type=LogType.PROGRESS,
        sources=(Source.BACKFILL,),
        rest=(
            "stats latest(done) as seen, latest(functions) as total, latest(@timestamp) as at by account, region, run",
            "sort at desc",
        ),
    ),
    Query(
        name="Events that contradict their origin",
        log_type=LogType.SECURITY,
        sources=(Source.PROVISIONER,),
        fields=("account", "region", "detail"),
        rest=_LATEST,
    ),
)
