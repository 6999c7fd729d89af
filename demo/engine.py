"""Plays the chapters of a demo on a stage: makes the changes, waits for what follows, and returns a row for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rich.markup import escape

from demo.changes import apply_changes
from demo.progress import console, step
from demo.scenarios import Trigger
from demo.table import Row, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.account import Account
    from demo.scenarios import Chapter, Scenario
    from demo.table import Result
    from embedded_aws.client import SandboxClient


class Stage(Protocol):
    """Where a demo is played: a sandbox with one account, or with an organization."""

    sandbox: SandboxClient
    outputs: dict[str, str]
    """Outputs of the deployed stack; empty before the deployment."""

    @property
    def hub(self) -> Account:
        """The account and region that the stack is deployed to."""

    def account(self, scenario: Scenario) -> Account:
        """Return the account and region of a scenario's function."""

    def prepare(self, chapter: Chapter) -> None:
        """Do what a chapter says is done to the organization first."""

    def deploy(self, chapter: Chapter) -> None:
        """Deploy the stack with the chapter's policy, and wait for the backfill that it starts."""


def play(chapters: Sequence[Chapter], stage: Stage) -> list[Row]:
    """Play the chapters, print a table for each, and return all rows."""
    rows: list[Row] = []
    for chapter in chapters:
        found = _play(chapter, stage)
        console.print(table(found, title=escape(chapter.title)))
        rows += found
    return rows


def _play(chapter: Chapter, stage: Stage) -> list[Row]:
    stage.prepare(chapter)
    before = len(backfill_records(stage))
    if chapter.trigger is not Trigger.EVENTS:
        for scenario in chapter.scenarios:
            apply_changes(scenario, stage.account(scenario))
    if chapter.trigger is Trigger.DEPLOYMENT:
        stage.deploy(chapter)
    with step(chapter.title):
        if chapter.trigger is Trigger.EVENTS:
            return [run_scenario(each, stage) for each in chapter.scenarios]
        if chapter.trigger is Trigger.SCHEDULE:
            stage.sandbox.fire_schedules()
            stage.sandbox.wait_until_idle()
        outcomes = backfill_records(stage)[before:]
        return [_backfilled(each, stage, outcomes) for each in chapter.scenarios]


def run_scenario(scenario: Scenario, stage: Stage) -> Row:
    """Make a scenario's changes, wait for what their events lead to, and return it."""
    provisioner = stage.outputs["ProvisionerFunctionName"]
    events, records = len(stage.sandbox.invocations()), len(stage.hub.outcomes(provisioner))
    account = stage.account(scenario)
    apply_changes(scenario, account)
    stage.sandbox.wait_until_idle()
    outcomes = stage.hub.outcomes(provisioner)[records:]
    result = account.result(
        outcomes[-1] if outcomes else None,
        matched=len(stage.sandbox.invocations()) > events,
        group=f"aws-lambda-{scenario.function}",
    )
    return _row(scenario, result)


def backfill_records(stage: Stage) -> list[dict[str, Any]]:
    """Return the outcome records of all backfills so far."""
    return stage.hub.outcomes(stage.outputs["BackfillFunctionName"]) if stage.outputs else []


def _backfilled(scenario: Scenario, stage: Stage, outcomes: Sequence[dict[str, Any]]) -> Row:
    account = stage.account(scenario)
    arn = account.function_arn(scenario.function)
    # If nothing in the account and region could be read, the one outcome there names no function.
    found = (
        each
        for each in outcomes
        if each["function"] == arn or (each["function"] is None and f":{each['region']}:{each['account']}:" in arn)
    )
    result = account.result(next(found, None), matched=bool(outcomes), group=f"aws-lambda-{scenario.function}")
    return _row(scenario, result)


def _row(scenario: Scenario, result: Result) -> Row:
    return Row(
        where=scenario.where,
        function=scenario.function,
        what=scenario.what,
        result=result,
        expected=[scenario.expected],
    )
