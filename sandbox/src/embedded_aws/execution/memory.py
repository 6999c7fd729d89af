"""How much memory a process has taken. `environment` reports it as Lambda does; the benches measure by it.

A module of its own, so that a process can ask about itself without loading what would count then.
"""

from __future__ import annotations

import re
from pathlib import Path


def peak_memory(pid: int) -> int | None:
    """Peak resident memory of a process so far, in bytes; None once it has ended, or where it is not told."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    peak = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(peak[1]) * 1024 if peak else None
