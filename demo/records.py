"""CloudTrail records in files: one alone, or ``{"Records": [...]}`` as CloudTrail writes to S3; gzipped or not."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Record = dict[str, Any]

_GZIP = b"\x1f\x8b"
_NEEDED = ("eventSource", "eventName", "eventTime", "awsRegion", "recipientAccountId", "eventID")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What was found in a folder.

    Attributes:
        records: The records of all files, oldest first.
        problems: What could not be read, each with file and reason.
    """

    records: Sequence[Record]
    problems: Sequence[str]


def read(folder: Path) -> Folder:
    """Read every ``*.json`` and ``*.json.gz`` in a folder and below it. What is no record is named and passed over."""
    records: list[Record] = []
    problems: list[str] = []
    for path in sorted([*folder.rglob("*.json"), *folder.rglob("*.json.gz")]):
        try:
            content = path.read_bytes()
            document = json.loads(gzip.decompress(content) if content.startswith(_GZIP) else content)
        except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
            problems.append(f"{path}: {error}")
            continue
        found = document["Records"] if isinstance(document, dict) and "Records" in document else [document]
        if not isinstance(found, list):
            problems.append(f"{path}: 'Records' is no list")
            continue
        for number, record in enumerate(found, start=1):
            if problem := _problem(record):
                problems.append(f"{path}: record {number}: {problem}")
            else:
                records.append(record)
    return Folder(records=sorted(records, key=lambda record: str(record["eventTime"])), problems=problems)


def _problem(record: object) -> str | None:
    if not isinstance(record, dict):
        return "not a JSON object"
    missing = [key for key in _NEEDED if not isinstance(record.get(key), str)]
    if missing:
        return f"no CloudTrail record: it has no {', '.join(missing)}"
    if not re.fullmatch(r"[0-9]{12}", record["recipientAccountId"]):
        return f"recipientAccountId is {record['recipientAccountId']!a}, not 12 digits"
    for key in ("requestParameters", "responseElements"):
        if not isinstance(record.get(key), dict | None):
            return f"{key} is neither an object nor null"
    return None
