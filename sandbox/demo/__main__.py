"""``python -m sandbox.demo [--events FOLDER]``: the demo.

Exit status 0 if all came as expected, 1 if not, 2 on wrong usage.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from sandbox.cdk_cli import DeployError, bootstrap, deploy
from sandbox.client import SandboxError, SandboxProcess
from sandbox.demo import records, replay, scenario
from sandbox.demo.account import Account
from sandbox.demo.table import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.client import SandboxClient
    from sandbox.demo.table import Row

_PLACE = "123456789012", "us-east-1"
# Lambda would try a failing event again after 1 and 2 minutes; here after 0.6 and 1.2 seconds.
_PACE = "0.01"

# Into a file or a pipe goes a table that need not be folded.
console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else 180)


def main() -> int:
    """Run the demo and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="Deploy for real into an embedded AWS, and show what becomes of events."
    )
    parser.add_argument("--events", type=Path, metavar="FOLDER", help="replay the CloudTrail records in this folder")
    # A recorded name may be no valid Unicode.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    folder: Path | None = parser.parse_args().events
    if folder is None:
        return _run(_PLACE, _stories, title="Functions created through the Lambda API, and what became of them")
    if not folder.is_dir():
        parser.error(f"{folder} is no folder")
    found = records.read(folder)
    if not found.records:
        for problem in found.problems:
            console.print(f"[red]left out:[/] {escape(problem)}")
        parser.error(f"{folder} holds no CloudTrail record (*.json or *.json.gz)")
    place = replay.place(found.records)
    if place is None:
        parser.error(f"no record of {folder} is of a region that has CodeGuru Profiler")

    def recorded(
        account: Account, sandbox: SandboxClient, provisioner: str, say: Callable[[str], None]
    ) -> tuple[list[Row], list[str]]:
        not_held = replay.hold_functions(found.records, account, place=place)
        rows, refused = replay.replay(found.records, account, sandbox, provisioner=provisioner, place=place, say=say)
        return rows, [*found.problems, *not_held, *refused]

    return _run(place, recorded, title=f"{len(found.records)} records of {folder}, and what became of them")


def _stories(
    account: Account, sandbox: SandboxClient, provisioner: str, _say: Callable[[str], None]
) -> tuple[list[Row], list[str]]:
    return scenario.tell(account, sandbox, provisioner=provisioner), []


def _run(
    place: tuple[str, str],
    act: Callable[[Account, SandboxClient, str, Callable[[str], None]], tuple[list[Row], list[str]]],
    *,
    title: str,
) -> int:
    """Deploy into a sandbox that plays this account and region, act there, and print what became of it."""
    account, region = place
    options = ["--account", account, "--region", region, "--pace", _PACE]
    try:
        with ExitStack() as stack:
            with _step(f"An embedded AWS starts, as account {account} in {region}"):
                sandbox = stack.enter_context(SandboxProcess(options=options))
            with _step("cdk bootstrap") as say:
                bootstrap(sandbox.endpoint, account=account, region=region, say=say)
            with _step("cdk deploy") as say:
                outputs = deploy(sandbox.endpoint, account=account, region=region, say=say)
            with _step("Events happen, and are worked off") as say:
                seen = Account(sandbox.endpoint, region=region)
                rows, problems = act(seen, sandbox, outputs["ProvisionerFunctionName"], say)
            console.print(table(rows, title=escape(title)))
            console.print(f"The function ran under {sandbox.health()['runtime']}.")
    except (DeployError, SandboxError) as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 1
    for problem in problems:
        console.print(f"[red]left out:[/] {escape(problem)}")
    surprises = sum(not row.as_expected for row in rows)
    told = [f"{len(rows) - surprises} of {len(rows)} came as expected"]
    told += [f"{surprises} did not"] * bool(surprises) + [f"{len(problems)} left out, see above"] * bool(problems)
    console.print(f"[{'red' if len(told) > 1 else 'green'}]{', '.join(told)}.[/]")
    return 1 if surprises or problems else 0


@contextmanager
def _step(what: str) -> Iterator[Callable[[str], None]]:
    """Show that a step is under way, its latest line, and how long it took."""
    began = time.monotonic()
    if not console.is_terminal:
        console.print(f"… {what}")
    with console.status(f"{what} …") as status:
        yield lambda line: status.update(f"{what} … [dim]{escape(line[: console.width - len(what) - 8])}[/]")
    console.print(f"✓ {what} ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    sys.exit(main())
