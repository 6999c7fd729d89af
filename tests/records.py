"""Real-shaped CloudTrail records, and the envelopes in which EventBridge delivers them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_FOLDER = Path(__file__).parent / "fixtures" / "cloudtrail"


def record(name: str) -> Json:
    """Read one of the CloudTrail records in `fixtures/cloudtrail`, afresh each time."""
    found: Json = json.loads((_FOLDER / f"{name}.json").read_text())
    return found


def envelope(detail: Json) -> Json:
    """Wrap a CloudTrail record as EventBridge delivers it."""
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws." + detail["eventSource"].removesuffix(".amazonaws.com"),
        "account": detail["recipientAccountId"],
        "time": detail["eventTime"],
        "region": detail["awsRegion"],
        "resources": [],
        "detail": detail,
    }
