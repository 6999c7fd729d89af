"""``python -m demo.organization``: the demo of an organization.

Exit status 0 if all came as expected, 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape

from demo import scenario
from demo.cdk_cli import DeployError, bootstrap, deploy
from demo.organization.company import ABROAD, HOME, HUB, Company
from demo.organization.scenario import CHAPTERS
from demo.progress import conclude, console, step
from demo.scenario import SHIPPED, Heard
from demo.table import Result, Row, table
from embedded_aws.client import SandboxError, SandboxProcess, cli_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from demo.organization.scenario import Chapter, Story
    from embedded_aws.client import SandboxClient

_ROOT: Final = Path(__file__).resolve().parents[2]
_ACCOUNT: Final = "123456789012"
# Lambda would try a failing event again after 1 and 2 minutes; here after 0.6 and 1.2 seconds.
_PACE: Final = "0.01"
_TEMPLATE: Final = "ProfilingGroupsMember.template.json"
_UNREACHED: Final = "an account cannot be reached"
"""What the functions say, once for each account, whose role they cannot assume."""


def main() -> int:
    """Run the demo and return the exit status."""
    argparse.ArgumentParser(
        prog="make demo-org", description="Govern an organization of accounts in an embedded AWS from one of them."
    ).parse_args()
    options = ["--account", _ACCOUNT, "--region", HOME, "--pace", _PACE]
    rows: list[Row] = []
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            with step("An embedded AWS starts, with an organization of four accounts"):
                sandbox = stack.enter_context(SandboxProcess(options=options))
                company = Company(sandbox.endpoint, account=_ACCOUNT)
            with step("cdk bootstrap") as say:
                bootstrap(sandbox.endpoint, account=_ACCOUNT, region=HOME, say=say)
            hub: _Hub | None = None
            for chapter in CHAPTERS:
                if hub is None:
                    _let_happen(chapter.stories, company)
                    hub = _deploy(sandbox, company, folder)
                told = hub.tell(chapter)
                console.print(table(told, title=escape(chapter.title)))
                rows += told
            if hub is not None:
                told = hub.report()
                console.print(table(told, title="The last backfill, and what the operator is told"))
                rows += told
    except (DeployError, SandboxError) as error:
        console.print(f"[red]{escape(str(error))}[/]")
        return 1
    return conclude(rows)


def _deploy(sandbox: SandboxClient, company: Company, folder: Path) -> _Hub:
    """Deploy the hub with the stack set of its members, and wait for what that starts."""
    policy = folder / "policy.yaml"
    shipped, _, _ = (_ROOT / SHIPPED).read_text().partition("\noverrides:")
    overrides = (Path(__file__).with_name("overrides.yaml")).read_text()
    policy.write_text(f"{shipped}\n{overrides.replace('PLAYGROUND', company.units['playground'])}")
    organization = {
        "id": company.id,
        "ous": [company.units[name] for name in ("workloads", "playground")],
        "regions": [HOME, ABROAD],
        "accounts": [company.accounts[HUB]],
    }
    shown = json.dumps(organization)
    with step(f"cdk deploy --context organization='{shown}'") as say:
        outputs = deploy(
            sandbox.endpoint,
            account=_ACCOUNT,
            region=HOME,
            say=say,
            context={"policy": str(policy), "organization": shown},
            output=folder / "cdk.out",
        )
        sandbox.wait_until_idle()
    return _Hub(
        sandbox=sandbox, company=company, outputs=outputs, template=(folder / "cdk.out" / _TEMPLATE).read_text()
    )


@dataclass(frozen=True, kw_only=True)
class _Hub:
    """The hub, deployed.

    Attributes:
        sandbox: Where.
        company: What it governs.
        outputs: Of its stack.
        template: What makes an account a member.
    """

    sandbox: SandboxClient
    company: Company
    outputs: Mapping[str, str]
    template: str

    def tell(self, chapter: Chapter) -> list[Row]:
        """Let a chapter happen, and return what became of it."""
        if chapter.by_hand:
            with step(f"{chapter.by_hand} is made a member by hand"):
                arns = {"HubBusArn": self.outputs["EventBusArn"], "HubRoleArn": self.outputs["HubRoleArn"]}
                self.company.deploy_member(chapter.by_hand, template=self.template, parameters=arns)
        for what, change in chapter.changes:
            with step(what):
                change(self.company)
                self.sandbox.wait_until_idle()
        with step(chapter.title):
            match chapter.heard:
                case Heard.BY_EVENTS:
                    return [self._happen(story) for story in chapter.stories]
                case Heard.BY_DEPLOYMENT:
                    return self._swept(chapter.stories, since=0)
                case Heard.BY_SCHEDULE:
                    before = len(self._records("BackfillFunctionName"))
                    self.sandbox.fire_schedules()
                    self.sandbox.wait_until_idle()
                    return self._swept(chapter.stories, since=before)

    def report(self) -> list[Row]:
        """Show the coverage as the operator asks for it, and return what is known of the last backfill."""
        machine = self.outputs["BackfillStateMachineArn"]
        steps = self.company.there(HUB).client("stepfunctions")
        execution = steps.list_executions(stateMachineArn=machine)["executions"][0]
        names = {number: name for name, number in self.company.accounts.items()}
        records = self._records("ProvisionerFunctionName")
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
            _fact(
                "warnings of accounts that cannot be reached, for two events",
                ", ".join(warned),
                expected="billing",
            ),
            _fact("exit status of profiling-groups report", str(done.returncode), expected="0"),
        ]

    def _happen(self, story: Story) -> Row:
        there = self.company.there(story.account, story.region)
        hub = self.company.there(HUB)
        provisioner = self.outputs["ProvisionerFunctionName"]
        return _row(story, scenario.happen(story, there, self.sandbox, hub=hub, provisioner=provisioner))

    def _swept(self, stories: Sequence[Story], *, since: int) -> list[Row]:
        """Return what became of stories by a backfill, whose records are those after the first so many."""
        outcomes = [
            record for record in self._records("BackfillFunctionName")[since:] if record.get("log_type") == "outcome"
        ]
        rows = []
        for story in stories:
            account = self.company.accounts[story.account]
            arn = f"arn:aws:lambda:{story.region}:{account}:function:{story.name}"
            # Where nothing could be looked at, the outcome is about the place as a whole.
            found = (
                each
                for each in outcomes
                if (each["account"], each["region"]) == (account, story.region) and each["function"] in (arn, None)
            )
            there = self.company.there(story.account, story.region)
            result = there.result(next(found, None), matched=True, group=f"aws-lambda-{story.name}")
            rows.append(_row(story, result))
        return rows

    def _records(self, function: str) -> list[dict[str, Any]]:
        return self.company.there(HUB).records(self.outputs[function])

    def _environment(self) -> dict[str, str]:
        neutral = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        chosen = cli_environment(self.sandbox.endpoint, account=_ACCOUNT, region=HOME)
        # That one is for the CDK CLI alone.
        del chosen["AWS_ENDPOINT_URL_S3"]
        return neutral | chosen


def _let_happen(stories: Sequence[Story], company: Company) -> None:
    for story in stories:
        scenario.let_happen([story], company.there(story.account, story.region))


def _row(story: Story, result: Result) -> Row:
    return Row(where=story.where, function=story.name, what=story.what, result=result, expected=[story.expected])


def _fact(what: str, found: str, *, expected: str) -> Row:
    return Row(where="", function="", what=what, result=Result(action=found), expected=[Result(action=expected)])


if __name__ == "__main__":
    sys.exit(main())
