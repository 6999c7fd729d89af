"""``python -m demo.organization``: the demo of an organization.

Exit status 0 if every row is as expected, 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.markup import escape

from demo import scenarios
from demo.cdk_cli import DeployError, bootstrap, deploy
from demo.engine import play
from demo.organization_fixture import ABROAD, HUB, OrganizationFixture
from demo.progress import conclude, console, step
from demo.scenarios import HOME
from demo.table import Result, Row, table
from embedded_aws.client import SandboxError, SandboxProcess, cli_environment

if TYPE_CHECKING:
    from demo.account import Account
    from demo.scenarios import Chapter, Scenario
    from embedded_aws.client import SandboxClient

_ROOT: Final = Path(__file__).resolve().parents[1]
_ACCOUNT: Final = "123456789012"
# Lambda retries a failed event after 1 and 2 minutes; here after 0.6 and 1.2 seconds.
_PACE: Final = "0.01"
_TEMPLATE: Final = "ProfilingGroupsMember.template.json"
_UNREACHED: Final = "an account cannot be reached"
"""The functions' warning about an account whose role they cannot assume: one for each account."""


class Organization:
    """A sandbox with an organization, and the hub in it.

    Args:
        sandbox: The sandbox; its account is bootstrapped.
        fixture: The organization.
        folder: For the policy file and what is synthesized.
    """

    def __init__(self, sandbox: SandboxClient, fixture: OrganizationFixture, folder: Path) -> None:
        self.sandbox = sandbox
        self.outputs: dict[str, str] = {}
        self._fixture = fixture
        self._folder = folder

    @property
    def hub(self) -> Account:
        """The hub's account and region."""
        return self._fixture.account(HUB)

    def account(self, scenario: Scenario) -> Account:
        """Return the account and region of a scenario's function."""
        return self._fixture.account(scenario.account or HUB, scenario.region)

    def prepare(self, chapter: Chapter) -> None:
        """Change the organization as the chapter says, and wait for what follows."""
        for words, method, arguments in chapter.before:
            with step(words):
                if method == "deploy_member":
                    template = (self._folder / "cdk.out" / _TEMPLATE).read_text()
                    arns = {"HubBusArn": self.outputs["EventBusArn"], "HubRoleArn": self.outputs["HubRoleArn"]}
                    self._fixture.deploy_member(**arguments, template=template, parameters=arns)
                else:
                    getattr(self._fixture, method)(**arguments)
                self.sandbox.wait_until_idle()

    def deploy(self, _: Chapter) -> None:
        """Deploy the hub with the stack set of its members, and wait for the backfill that it starts."""
        policy = self._folder / "policy.yaml"
        shipped = (_ROOT / "policy.yaml").read_text().partition("\noverrides:")[0]
        overrides = Path(__file__).with_name("overrides.yaml").read_text()
        policy.write_text(f"{shipped}\n{overrides.replace('PLAYGROUND', self._fixture.units['playground'])}")
        organization = json.dumps(
            {
                "id": self._fixture.id,
                "ous": [self._fixture.units[name] for name in ("workloads", "playground")],
                "regions": [HOME, ABROAD],
                "accounts": [self._fixture.accounts[HUB]],
            }
        )
        with step(f"cdk deploy --context organization='{organization}'") as say:
            self.outputs = deploy(
                self.sandbox.endpoint,
                account=_ACCOUNT,
                region=HOME,
                say=say,
                context={"policy": str(policy), "organization": organization},
                output=self._folder / "cdk.out",
            )
            self.sandbox.wait_until_idle()

    def report(self) -> list[Row]:
        """Print the coverage report, and return what is known of the last backfill."""
        machine = self.outputs["BackfillStateMachineArn"]
        execution = self.hub.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"][0]
        names = {number: name for name, number in self._fixture.accounts.items()}
        records = self.hub.records(self.outputs["ProvisionerFunctionName"])
        warned = [names[record["account"]] for record in records if record.get("message") == _UNREACHED]
        with step("profiling-groups report --organization"):
            done = subprocess.run(
                ["profiling-groups", "report", "--organization"],  # noqa: S607 - found as the Makefile finds it
                cwd=_ROOT,
                env=self._environment(),
                check=False,
                capture_output=True,
                text=True,
            )
        console.print(f"\nThe accounts: {', '.join(f'{name} is {number}' for number, name in names.items())}.\n")
        console.print(escape(done.stdout + (done.stderr if done.returncode > 1 else "")))
        return [
            _fact("the execution of the backfill", execution["status"], expected="SUCCEEDED"),
            _fact("warnings of accounts that cannot be reached, for two events", ", ".join(warned), expected="billing"),
            _fact("exit status of profiling-groups report", str(done.returncode), expected="0"),
        ]

    def _environment(self) -> dict[str, str]:
        neutral = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        chosen = cli_environment(self.sandbox.endpoint, account=_ACCOUNT, region=HOME)
        # That one is for the CDK CLI alone.
        del chosen["AWS_ENDPOINT_URL_S3"]
        return neutral | chosen


def main() -> int:
    """Run the demo and return the exit status."""
    argparse.ArgumentParser(
        prog="make demo-org", description="Govern an organization of accounts in an embedded AWS from one of them."
    ).parse_args()
    options = ["--account", _ACCOUNT, "--region", HOME, "--pace", _PACE]
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            with step("An embedded AWS starts, with an organization of four accounts"):
                sandbox = stack.enter_context(SandboxProcess(options=options))
                fixture = OrganizationFixture(sandbox.endpoint, account=_ACCOUNT)
            with step("cdk bootstrap") as say:
                bootstrap(sandbox.endpoint, account=_ACCOUNT, region=HOME, say=say)
            stage = Organization(sandbox, fixture, folder)
            rows = play(scenarios.read("organization"), stage)
            reported = stage.report()
            console.print(table(reported, title="The last backfill, and what the operator is told"))
    except (DeployError, SandboxError) as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 1
    return conclude([*rows, *reported])


def _fact(what: str, found: str, *, expected: str) -> Row:
    return Row(where="", function="", what=what, result=Result(action=found), expected=[Result(action=expected)])


if __name__ == "__main__":
    sys.exit(main())
