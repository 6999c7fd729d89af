"""What a sweep of an account that complies takes: calls for 10,000 functions, and memory for ten times as many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bench.account_stub import AccountStub, Settings
from bench.figures import Figure
from bench.made_up import MadeUp
from bench.sweeping import Sweeping

_FEW: Final = 10_000
_MANY: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class Held:
    """What it takes.

    Attributes:
        calls: Calls for 10,000 functions.
        growth: Bytes of peak memory that each function beyond these adds, up to 100,000.
        peak: Peak memory with 100,000, in bytes. Both are not a number where the platform does not tell.
    """

    calls: int
    growth: float
    peak: float


def held() -> Held:
    """Measure, in processes of their own."""
    calls, few = _swept(_FEW)
    _, many = _swept(_MANY)
    return Held(calls=calls, growth=(many - few) / (_MANY - _FEW), peak=many)


def figures(found: Held) -> list[Figure]:
    """Return what was measured beside its limits."""
    return [
        Figure(what="sweep: AWS calls about 10,000 functions that comply", measured=found.calls, limit=320),
        Figure(what="sweep: memory of a function, 10,000 → 100,000 (bytes)", measured=found.growth, limit=2_048),
        Figure(what="sweep: peak memory with 100,000 functions (MB)", measured=found.peak / 1e6, limit=512),
    ]


def _swept(functions: int) -> tuple[int, float]:
    """Sweep so many functions, and return how many calls that took, and how much memory."""
    with AccountStub(Settings(account=MadeUp(functions=functions, grouped=True))) as stub:
        worked = Sweeping("sweep", endpoint=stub.endpoint, functions=functions).worked()
        seen = stub.seen()
    if worked.covered != functions or seen.created:
        raise RuntimeError("not every function complies")
    return sum(seen.calls.values()), worked.peak
