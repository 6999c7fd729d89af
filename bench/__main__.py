"""``python -m bench``: measure, and print each figure beside its limit. Exit status 1 where one is beyond it."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import comparing, memory, organization, throughput
from bench.cold_start import ColdStart, cold_start, middle
from bench.figures import Figure
from bench.simulate import simulation
from bench.stub import Stub
from embedded_aws.execution.environment import Runtime
from infra import bundling
from profiling_groups.policy import Policy

_ROOT = Path(__file__).resolve().parent.parent
_EVENT = (_ROOT / "events" / "create-function.json").read_bytes()
_RUNS = 7
_HANDLER = "profiling_groups.handler.handler"


def main() -> int:
    """Measure everything and return the exit status."""
    console = Console()
    runtime = Runtime.find(_ROOT / ".venv-runtime" / "bin" / "python")
    ours, baseline, figures = _provisioner(console, runtime)
    console.print("policy simulate, on 100,000 records …")
    simulated = simulation()
    figures += [
        Figure(
            what="policy simulate: memory for 100 times the records, as a ratio",
            measured=simulated.memory,
            limit=1.25,
            shape="{:.2f}",
        ),
        # Room for a machine with other work. To wrap every record as an event, not only the creations, would be beyond.
        Figure(
            what="policy simulate: time, as a ratio to parsing alone",
            measured=simulated.time,
            limit=1.5,
            shape="{:.2f}",
        ),
    ]
    console.print("sweeps that create, each against a limit …")
    laps = throughput.laps()
    console.print("sweeps of 10,000 and of 100,000 functions that comply …")
    figures += [*throughput.figures(laps), *memory.figures(memory.held())]
    console.print("100,000 functions, without a network …")
    compared = comparing.compared()
    figures += comparing.figures(compared)
    console.print("an organization's accounts …")
    organized = organization.simulated()
    figures += organization.figures(organized)
    _print(console, figures)
    _remark(console, runtime, ours, baseline)
    console.print("\n".join(throughput.remarks(laps)), highlight=False)
    console.print(comparing.remark(compared), highlight=False)
    console.print("\n".join(organization.remarks(organized)), highlight=False, soft_wrap=True)
    return 0 if all(figure.held for figure in figures) else 1


def _provisioner(console: Console, runtime: Runtime) -> tuple[ColdStart, ColdStart, list[Figure]]:
    """Measure the function that an event starts, as it is deployed."""
    with tempfile.TemporaryDirectory() as folder, Stub() as stub:
        bundle = Path(folder) / "bundle"
        bundling.build(bundle, Policy())
        ours, baseline = _cold_starts(console, runtime, bundle, stub)
        creating = _calls(runtime, bundle, stub)
        stub.group_exists = True
        finding = _calls(runtime, bundle, stub)
        zipped = _zipped(bundle)
    ratio = ours.total / baseline.total
    return (
        ours,
        baseline,
        [
            Figure(what="AWS calls to create a group", measured=creating, limit=3),
            Figure(what="AWS calls to find it already there", measured=finding, limit=4),
            Figure(what="cold start, as a ratio to ten bare lines", measured=ratio, limit=1.10, shape="{:.2f}"),
            Figure(what="bundle, zipped (MB)", measured=zipped / 1e6, limit=2, shape="{:.2f}"),
            Figure(what="peak memory (MB)", measured=ours.peak_memory, limit=100),
        ],
    )


def _cold_starts(console: Console, runtime: Runtime, bundle: Path, stub: Stub) -> tuple[ColdStart, ColdStart]:
    """Measure both in turns, so that what else the machine does hits both alike; the first of each warms the disk."""
    ours, baseline = [], []
    for _ in track(range(_RUNS + 1), description="cold starts", console=console):
        ours.append(cold_start(runtime, folder=bundle, handler=_HANDLER, endpoint=stub.endpoint, event=_EVENT))
        bare = _ROOT / "bench" / "baseline"
        baseline.append(
            cold_start(runtime, folder=bare, handler="baseline.handler", endpoint=stub.endpoint, event=_EVENT)
        )
    return middle(ours[1:]), middle(baseline[1:])


def _calls(runtime: Runtime, bundle: Path, stub: Stub) -> int:
    stub.calls.clear()
    cold_start(runtime, folder=bundle, handler=_HANDLER, endpoint=stub.endpoint, event=_EVENT)
    return len(stub.calls)


def _zipped(bundle: Path) -> int:
    """Return the size of the bundle as the CDK CLI uploads it, in bytes."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted(bundle.rglob("*")):
            file.write(path, path.relative_to(bundle))
    return archive.tell()


def _print(console: Console, figures: list[Figure]) -> None:
    table = Table("", "measured", "limit", "", title="What it costs")
    for figure in figures:
        shown, limit = figure.shape.format(figure.measured), figure.shape.format(figure.limit)
        table.add_row(
            figure.what, shown, f"{figure.bound} {limit}", "[green]held[/]" if figure.held else "[red]beyond[/]"
        )
    console.print(table)


def _remark(console: Console, runtime: Runtime, ours: ColdStart, baseline: ColdStart) -> None:
    console.print(
        f"Cold starts on {runtime.description}, medians of {_RUNS}, the bundle without bytecode as in Lambda:"
    )
    for name, start in (("ours", ours), ("ten bare lines", baseline)):
        console.print(
            f"  {name:15} {start.total * 1000:4.0f} ms = {start.initialise * 1000:.0f} to the first `next`"
            f" + {start.invoke * 1000:.0f} for the first event; peak {start.peak_memory:.0f} MB"
        )


if __name__ == "__main__":
    sys.exit(main())
