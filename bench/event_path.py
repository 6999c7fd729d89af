"""The function that an event invokes: AWS calls, cold start, bundle size and peak memory."""

from __future__ import annotations

import tempfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.account_stub import AccountStub
from bench.benchmark_result import BenchmarkResult
from bench.cold_start import ColdStart, measure_cold_start, median_cold_start
from bench.synthetic_account import SyntheticAccount, function_name
from embedded_aws.execution.environment import Runtime
from infra import bundling
from profiling_groups.policy import Policy

if TYPE_CHECKING:
    from rich.console import Console

_ROOT: Final = Path(__file__).resolve().parent.parent
_EVENT: Final = (_ROOT / "events" / "create-function.json").read_text()
_HANDLER: Final = "profiling_groups.handler.handler"
_BASELINE: Final = _ROOT / "bench" / "baseline"
_RUNS: Final = 7
_ACCOUNT: Final = SyntheticAccount(functions=_RUNS + 1)


def measure(console: Console) -> list[BenchmarkResult]:
    """Measure the bundle as it is deployed."""
    runtime = Runtime.find(_ROOT / ".venv-runtime" / "bin" / "python")
    starts: list[ColdStart] = []
    baselines: list[ColdStart] = []
    with tempfile.TemporaryDirectory() as folder, AccountStub(_ACCOUNT) as stub:
        bundle = Path(folder) / "bundle"
        bundling.build(bundle, Policy())

        def start(number: int, *, folder: Path = bundle, handler: str = _HANDLER) -> ColdStart:
            """Handle the creation of a function."""
            event = _EVENT.replace("invoice-renderer", function_name(number)).encode()
            return measure_cold_start(runtime, folder=folder, handler=handler, endpoint=stub.endpoint, event=event)

        def count_calls() -> int:
            return sum(stub.statistics().calls.values())

        start(0)
        create_calls = count_calls()
        start(0)
        exists_calls = count_calls() - create_calls
        # Alternately, so that other load on the machine affects both. Number 0 warms the disk cache.
        for number in range(_RUNS + 1):
            starts.append(start(number))
            baselines.append(start(number, folder=_BASELINE, handler="baseline.handler"))
        bundle_bytes = _zip_size(bundle)
    ours, baseline = median_cold_start(starts[1:]), median_cold_start(baselines[1:])
    console.print(f"Cold starts on {runtime.description}, medians of {_RUNS}; without bytecode, as in Lambda:")
    console.print(f"  provisioner     {ours}")
    console.print(f"  ten bare lines  {baseline}")
    return [
        BenchmarkResult("event: AWS calls to create a group", create_calls, 3),
        BenchmarkResult("event: AWS calls if the group exists", exists_calls, 4),
        BenchmarkResult(
            "event: cold start, as a ratio to ten bare lines",
            ours.seconds / baseline.seconds,
            # The stub answers at once. With answers that are 40 ms late, as AWS's are at best, the ratio is 0.08 lower.
            1.20,
            number_format="{:.2f}",
        ),
        BenchmarkResult("event: zipped bundle (MB)", bundle_bytes / 1e6, 2, number_format="{:.2f}"),
        BenchmarkResult("event: peak memory (MB)", ours.peak_memory, 100),
    ]


def _zip_size(bundle: Path) -> int:
    """Return the bytes of the archive that the CDK CLI uploads."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted(bundle.rglob("*")):
            file.write(path, path.relative_to(bundle))
    return archive.tell()
