"""``python -m demo [--events FOLDER]``: the demo.

Exit status 0 if all came as expected, 1 if not, 2 on wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from demo import records, replay, scenario
from demo.account import Account
from demo.cdk_cli import DeployError, bootstrap, deploy
from demo.progress import conclude, console, step, take_any_name
from demo.scenario import Heard
from demo.table import table
from embedded_aws.client import SandboxError, SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.table import Row
    from embedded_aws.client import SandboxClient

_PLACE = "123456789012", "us-east-1"
# Lambda would try a failing event again after 1 and 2 minutes; here after 0.6 and 1.2 seconds.
_PACE = "0.01"


def main() -> int:
    """Run the demo and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="Deploy for real into an embedded AWS, and show what becomes of events."
    )
    parser.add_argument("--events", type=Path, metavar="FOLDER", help="replay the CloudTrail records in this folder")
    take_any_name()
    folder: Path | None = parser.parse_args().events
    if folder is None:
        return _run(_PLACE, _stories)
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
    return _run(place, partial(_recorded, found=found, folder=folder))


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """Where it happens: a sandbox, and the account and region that it plays."""

    sandbox: SandboxClient
    account: Account
    place: tuple[str, str]

    def deploy(self, policy: str) -> _Deployed:
        """Deploy the stack with the policy of this path, and wait for what it starts."""
        account, region = self.place
        with step(f"cdk deploy --context policy={policy}") as say:
            outputs = deploy(self.sandbox.endpoint, account=account, region=region, say=say, context={"policy": policy})
            self.sandbox.wait_until_idle()
        return _Deployed(provisioner=outputs["ProvisionerFunctionName"], sweeper=outputs["BackfillFunctionName"])


@dataclass(frozen=True, kw_only=True)
class _Deployed:
    """Names of the functions that were deployed."""

    provisioner: str
    sweeper: str


def _stories(stage: _Stage) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    deployed: _Deployed | None = None
    for chapter in scenario.CHAPTERS:
        records = len(stage.account.outcomes(deployed.sweeper)) if deployed else 0
        if chapter.heard is not Heard.BY_EVENTS:
            scenario.let_happen(chapter.stories, stage.account)
        if chapter.heard is Heard.BY_DEPLOYMENT or deployed is None:
            deployed = stage.deploy(chapter.policy)
        with step(chapter.title):
            if chapter.heard is Heard.BY_SCHEDULE:
                stage.sandbox.fire_schedules()
                stage.sandbox.wait_until_idle()
            told = (
                scenario.tell(chapter.stories, stage.account, stage.sandbox, provisioner=deployed.provisioner)
                if chapter.heard is Heard.BY_EVENTS
                else scenario.swept(chapter.stories, stage.account, stage.account.outcomes(deployed.sweeper)[records:])
            )
        console.print(table(told, title=escape(chapter.title)))
        rows += told
    return rows, []


def _recorded(stage: _Stage, *, found: records.Folder, folder: Path) -> tuple[list[Row], list[str]]:
    provisioner = stage.deploy(scenario.SHIPPED).provisioner
    with step("The records are put on the bus, and worked off") as say:
        not_held = replay.hold_functions(found.records, stage.account, place=stage.place)
        rows, refused = replay.replay(
            found.records, stage.account, stage.sandbox, provisioner=provisioner, place=stage.place, say=say
        )
    console.print(table(rows, title=escape(f"{len(found.records)} records of {folder}, and what became of them")))
    return rows, [*found.problems, *not_held, *refused]


def _run(place: tuple[str, str], act: Callable[[_Stage], tuple[list[Row], list[str]]]) -> int:
    """Start a sandbox that plays this account and region, act there, and say whether all came as expected."""
    account, region = place
    options = ["--account", account, "--region", region, "--pace", _PACE]
    try:
        with ExitStack() as stack:
            with step(f"An embedded AWS starts, as account {account} in {region}"):
                sandbox = stack.enter_context(SandboxProcess(options=options))
            with step("cdk bootstrap") as say:
                bootstrap(sandbox.endpoint, account=account, region=region, say=say)
            stage = _Stage(sandbox=sandbox, account=Account(sandbox.endpoint, region=region), place=place)
            rows, problems = act(stage)
            console.print(f"The function ran under {sandbox.health()['runtime']}.")
    except (DeployError, SandboxError) as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 1
    return conclude(rows, problems)


if __name__ == "__main__":
    sys.exit(main())
