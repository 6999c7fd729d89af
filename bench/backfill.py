"""A backfill of one account and region: creation rate, calls, memory, comparison time, and size of the answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from bench.account_stub import UNLIMITED, AccountStub
from bench.backfill_process import compare, run_backfill
from bench.benchmark_result import BenchmarkResult
from bench.synthetic_account import SyntheticAccount
from bench.token_bucket import RateLimit

if TYPE_CHECKING:
    from rich.console import Console

    from bench.account_stub import Statistics
    from bench.backfill_process import BackfillMeasurement

_LATENCY: Final = 0.05
_BURST: Final = 5
# Creations a second, functions, smallest share of the rate that passes, largest share of throttled answers that passes.
_RATES: Final = ((5, 200, 0.95, 0.08), (20, 600, 0.97, 0.03), (50, 600, 0.95, 0.05))
_FEW: Final = 10_000
_MANY: Final = 100_000


def measure_rates(console: Console) -> list[BenchmarkResult]:
    """Create groups against three rate limits at the same time: these runs mostly wait."""
    console.print(f"Rate limits are token buckets with a burst of {_BURST}; an answer takes {_LATENCY * 1000:.0f} ms.")
    with ThreadPoolExecutor(len(_RATES)) as threads:
        return [result for results in threads.map(_measure_rate, *zip(*_RATES, strict=True)) for result in results]


def _measure_rate(rate: float, functions: int, min_share: float, max_throttled: float) -> list[BenchmarkResult]:
    limit = RateLimit(rate=rate, burst=_BURST)
    run, seen = _backfill(SyntheticAccount(functions=functions), limit=limit, latency=_LATENCY)
    if run.covered != seen.created:
        raise RuntimeError(f"{seen.created} groups were created, but the backfill reports {run.covered}")
    calls = seen.calls["CreateProfilingGroup"] - seen.throttled + seen.calls.get("ListTags", 0)
    name = f"backfill at {rate:.0f} creations a second"
    return [
        BenchmarkResult(
            f"{name}: share of the limit",
            limit.min_seconds(seen.created) / seen.seconds,
            min_share,
            is_minimum=True,
            number_format="{:.1%}",
        ),
        BenchmarkResult(
            f"{name}: throttled answers for each group",
            seen.throttled / functions,
            max_throttled,
            number_format="{:.1%}",
        ),
        BenchmarkResult(f"{name}: groups lost or created twice", functions - seen.created + seen.repeated, 0),
        BenchmarkResult(f"{name}: AWS calls to create a group", calls / seen.created, 2, number_format="{:.1f}"),
    ]


def measure_compliant(_: Console) -> list[BenchmarkResult]:
    """Run backfills that find nothing to do."""
    calls, few = _measure_compliant(_FEW)
    _calls, many = _measure_compliant(_MANY)
    return [
        BenchmarkResult(f"backfill: AWS calls for {_FEW:,} compliant functions", calls, 320),
        BenchmarkResult(
            f"backfill: memory for each function, {_FEW:,} → {_MANY:,} (bytes)", (many - few) / (_MANY - _FEW), 2_048
        ),
        BenchmarkResult(f"backfill: peak memory for {_MANY:,} functions (MB)", many / 1e6, 512),
    ]


def _measure_compliant(functions: int) -> tuple[int, float]:
    """Return the number of calls, and the peak memory in bytes."""
    run, seen = _backfill(SyntheticAccount(functions=functions, grouped=True))
    if run.covered != functions or seen.created:
        raise RuntimeError("not every function complies")
    return sum(seen.calls.values()), run.peak_memory


def measure_comparison(console: Console) -> list[BenchmarkResult]:
    """Compare functions with their groups without a network."""
    found = compare(_MANY)
    console.print(
        f"To compare {_MANY:,} functions takes {found.seconds:.1f} s of processor time,"
        f" to log a record for each {found.logging_seconds:.1f} s."
    )
    return [
        BenchmarkResult(
            f"backfill: time to compare {_MANY:,} functions, as a ratio to logging them",
            found.seconds / found.logging_seconds,
            1.25,
            number_format="{:.2f}",
        ),
        BenchmarkResult(
            f"backfill: answer if {_MANY:,} functions fail (MB)", found.answer_bytes / 1e6, 6, number_format="{:.1f}"
        ),
    ]


def _backfill(
    account: SyntheticAccount, *, limit: RateLimit = UNLIMITED, latency: float = 0.0
) -> tuple[BackfillMeasurement, Statistics]:
    with AccountStub(account, limit=limit, latency=latency) as stub:
        return run_backfill(stub.endpoint), stub.statistics()
