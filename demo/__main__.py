"""``python -m demo [--events FOLDER]``: the demo in one account.

Exit status 0 if every row is as expected, 1 if not, 2 on wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from demo import records, replay, scenarios
from demo.account import Account
from demo.cdk_cli import DeployError, bootstrap, deploy
from demo.engine import play
from demo.progress import accept_any_name, conclude, console, step
from demo.table import table
from embedded_aws.client import SandboxError, SandboxProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.scenarios import Chapter, Scenario
    from demo.table import Row
    from embedded_aws.client import SandboxClient

_ACCOUNT_REGION: Final = ("123456789012", scenarios.HOME)
_SHIPPED: Final = "policy.yaml"
# Lambda retries a failed event after 1 and 2 minutes; here after 0.6 and 1.2 seconds.
_PACE: Final = "0.01"


class SingleAccount:
    """A sandbox with one account, and the stack in it.

    Args:
        sandbox: The sandbox; its account is bootstrapped.
        account_region: The sandbox's own account and region.
    """

    def __init__(self, sandbox: SandboxClient, account_region: tuple[str, str]) -> None:
        self.sandbox = sandbox
        self.outputs: dict[str, str] = {}
        self.account_region = account_region
        self.hub = Account(sandbox.endpoint, region=account_region[1])

    def account(self, _: Scenario) -> Account:
        """Return the account."""
        return self.hub

    def prepare(self, _: Chapter) -> None:
        """Do nothing: there is no organization."""

    def deploy(self, chapter: Chapter) -> None:
        """Deploy the stack with the chapter's policy."""
        self.deploy_policy(chapter.policy or _SHIPPED)

    def deploy_policy(self, policy: str) -> None:
        """Deploy the stack with a policy file, and wait for the backfill that it starts."""
        account, region = self.account_region
        context = {"policy": policy}
        with step(f"cdk deploy --context policy={policy}") as say:
            self.outputs = deploy(self.sandbox.endpoint, account=account, region=region, say=say, context=context)
            self.sandbox.wait_until_idle()


def main() -> int:
    """Run the demo and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="Deploy the real stack into an embedded AWS and show the outcomes of events."
    )
    parser.add_argument("--events", type=Path, metavar="FOLDER", help="replay the CloudTrail records in this folder")
    accept_any_name()
    folder: Path | None = parser.parse_args().events
    if folder is None:
        return _run(_ACCOUNT_REGION, lambda stage: (play(scenarios.read("single_account"), stage), []))
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder")
    found = records.read(folder)
    if not found.records:
        for problem in found.problems:
            console.print(f"[red]left out:[/] {escape(problem)}")
        parser.error(f"{folder} has no CloudTrail record (*.json or *.json.gz)")
    account_region = replay.choose_account_region(found.records)
    if account_region is None:
        parser.error(f"no record in {folder} is from a region that has CodeGuru Profiler")
    return _run(account_region, partial(_replay, found=found, folder=folder))


def _replay(stage: SingleAccount, *, found: records.Folder, folder: Path) -> tuple[list[Row], list[str]]:
    stage.deploy_policy(_SHIPPED)
    provisioner = stage.outputs["ProvisionerFunctionName"]
    with step("The records are put on the bus, and worked off") as say:
        own = stage.account_region
        not_created = replay.create_functions(found.records, stage.hub, own=own)
        rows, refused = replay.replay(
            found.records, stage.hub, stage.sandbox, provisioner=provisioner, own=own, say=say
        )
    console.print(table(rows, title=escape(f"{len(found.records)} records of {folder}, and what became of them")))
    return rows, [*found.problems, *not_created, *refused]


def _run(account_region: tuple[str, str], act: Callable[[SingleAccount], tuple[list[Row], list[str]]]) -> int:
    """Start a sandbox with this account and region, act there, and return the exit status."""
    account, region = account_region
    options = ["--account", account, "--region", region, "--pace", _PACE]
    try:
        with ExitStack() as stack:
            with step(f"An embedded AWS starts, as account {account} in {region}"):
                sandbox = stack.enter_context(SandboxProcess(options=options))
            with step("cdk bootstrap") as say:
                bootstrap(sandbox.endpoint, account=account, region=region, say=say)
            rows, problems = act(SingleAccount(sandbox, account_region))
            console.print(f"The function ran under {sandbox.health()['runtime']}.")
    except (DeployError, SandboxError) as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 1
    return conclude(rows, problems)


if __name__ == "__main__":
    sys.exit(main())
