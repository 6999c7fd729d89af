"""`policy simulate`, measured: what a hundred times the records take of memory, and how near it comes to mere parsing.

``python -m bench.simulate simulate|parse FOLDER`` is the process that is measured; its answer is one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from math import nan
from pathlib import Path
from statistics import median
from typing import Final

import ijson  # type: ignore[import-untyped]  # it brings no types

from embedded_aws.execution.memory import peak_memory
from ops.__main__ import commands

_ROOT: Final = Path(__file__).resolve().parent.parent
_EVENT: Final = _ROOT / "events" / "create-function.json"
_FEW: Final = 1_000
_MANY: Final = 100_000
_RUNS: Final = 3
# Every second record a creation would be a strange account, and shows best what is held of them. One in fifty is more
# than accounts have, and shows what it costs to look at the others.
_FULL_OF_CREATIONS: Final = 2
_LIKE_ACCOUNTS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What it takes.

    Attributes:
        memory: Peak memory with 100,000 records, all in one file, as a ratio to that with 1,000; not a number where the
            platform does not tell.
        time: Processor time, as a ratio to that of handing out the same records by the same parser.
    """

    memory: float
    time: float


def simulation() -> Simulation:
    """Measure, in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        few, many, usual = (Path(folder, name) for name in ("few", "many", "usual"))
        _write(few, records=_FEW, one_in=_FULL_OF_CREATIONS)
        _write(many, records=_MANY, one_in=_FULL_OF_CREATIONS)
        _write(usual, records=_MANY, one_in=_LIKE_ACCOUNTS)
        # In turns, so that what else the machine does hits both alike.
        ratios = [_measured("simulate", usual)["seconds"] / _measured("parse", usual)["seconds"] for _ in range(_RUNS)]
        memory = _measured("simulate", many)["peak"] / _measured("simulate", few)["peak"]
    return Simulation(memory=memory, time=median(ratios))


def _write(folder: Path, *, records: int, one_in: int) -> None:
    """Write so many records, one in so many of them a creation, as CloudTrail writes them, into one file."""
    folder.mkdir()
    creation = json.loads(_EVENT.read_text())["detail"]
    other = {**creation, "eventName": "UpdateFunctionCode20150331v2"}
    with (folder / "records.json").open("w") as file:
        for number in range(records):
            name = f"function-{number}"
            record = other if number % one_in else creation
            asked, answer = record["requestParameters"], record["responseElements"]
            place, _, _ = answer["functionArn"].rpartition(":")
            named = {
                **record,
                "requestParameters": {**asked, "functionName": name},
                "responseElements": {**answer, "functionName": name, "functionArn": f"{place}:{name}"},
            }
            file.write(("," if number else '{"Records":[') + json.dumps(named, separators=(",", ":")))
        file.write("]}")


def _measured(what: str, folder: Path) -> dict[str, float]:
    done = subprocess.run(  # noqa: S603 - this very module
        [sys.executable, "-m", "bench.simulate", what, str(folder)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _work(what: str, folder: str) -> None:
    """Do it once, and print what it took."""
    began = time.process_time()
    if what == "parse":
        for path in Path(folder).iterdir():
            with path.open("rb") as file:
                for _ in ijson.items(file, "Records.item"):
                    pass
    else:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            policy = str(_ROOT / "policy.yaml")
            commands.main(["policy", "simulate", folder, "--policy", policy, "--json"], standalone_mode=False)
    # After the imports, which the two share.
    seconds = time.process_time() - began
    peak = peak_memory(os.getpid())
    print(json.dumps({"seconds": seconds, "peak": nan if peak is None else peak}))  # noqa: T201 - the answer


if __name__ == "__main__":
    _work(*sys.argv[1:])
