"""What `docs/backfill.md` says is so: commands, requests, answers, words and calls are those of the code."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import click
import pytest
from botocore import xform_name

from infra import state_machine
from ops.__main__ import commands as cli
from ops.coverage import Row, Scope
from ops.report import PROBLEMS, Entry, Status
from ops.swept import Standing
from profiling_groups import cursors, requests, workers
from profiling_groups.functions import Place
from profiling_groups.inventory import InventoryError
from profiling_groups.outcomes import Action, Reason
from profiling_groups.policy import Lifecycle, Policy, WhenDeleted
from profiling_groups.runs import AccountRun, Run, Totals
from tests.unit.marks import created_for

if TYPE_CHECKING:
    from tests.unit.sweeping import Sweeper

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "backfill.md"
TEXT = PAGE.read_text()
PROSE = " ".join(TEXT.split())
PLACE = Place(account="444455556666", region="eu-west-1")


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading, without backquotes."""
    (_, found) = TEXT.split(f"\n| {heading} |")
    rows = found.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split(" |")] for row in rows]


def words(text: str) -> list[str]:
    """Return what stands in backquotes, blocks of code apart."""
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def test_the_commands_are_those_that_there_are_with_options_that_they_take() -> None:
    """Those in the table, and those on the way."""
    shown = [row[0] for row in table("command")]
    assert {line.split()[1] for line in shown} == {"backfill", "report"}
    for name, rest in re.findall(r"profiling-groups (\w+)([^`\n]*)", TEXT):
        command = cli.commands[name]
        assert isinstance(command, click.Command)
        taken = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"(--[a-z-]+)", rest)) <= taken
    known = {option for name in ("backfill", "report") for each in cli.commands[name].params for option in each.opts}
    assert {word for word in words(TEXT) if re.fullmatch("--[a-z-]+", word)} <= known


@pytest.mark.parametrize(("file", "kind"), [("backfill", requests.Backfill), ("provision", requests.Provision)])
def test_the_examples_are_requests_that_are_accepted(file: str, kind: type) -> None:
    """Each is linked, and asks for what it is called."""
    assert f"(../events/{file}.json)" in TEXT
    assert isinstance(requests.read(json.loads((ROOT / "events" / f"{file}.json").read_text()), place=PLACE), kind)


def test_the_keys_of_a_request_are_those_that_are_accepted() -> None:
    """With their defaults, and their limits."""
    rows = table("key")
    told = {key: default for keys, of, default, _ in rows for key in keys.split(", ") if of != "provision"}
    accepted = {field.name for field in fields(requests.Backfill)} - {"place"}
    assert set(told) == {"action", "account", "region", *accepted}
    assert {key for keys, of, *_ in rows for key in keys.split(", ") if of != "backfill"} == {
        "action",
        *(field.name for field in fields(requests.Provision)),
    }
    defaults = {key: json.loads(default) for key, default in told.items() if default}
    default = requests.Backfill()
    for key, value in defaults.items():
        assert getattr(default, key, None) == value
    assert requests.read({"action": "backfill", **defaults}, place=PLACE) == default
    assert f"up to {requests.MOST_FUNCTIONS} names or ARNs" in PROSE
    assert defaults["max_outcomes"] == requests.MOST_OUTCOMES


def test_the_keys_of_an_answer_are_those_that_are_given() -> None:
    """Of the run, and of its totals; in their order."""
    counts: dict[Action, int] = {}
    totals = Totals(
        sweep="", began=datetime.now(UTC), functions=0, eligible=0, covered=0, counts=counts, groups=0, quota=0
    )
    run = Run(
        action="backfill",
        place=PLACE,
        dry_run=False,
        complete=True,
        cursor=None,
        counts=counts,
        outcomes=(),
        truncated=False,
        totals=totals,
    ).to_response()
    sentence = PROSE.split("The answer is a *run*: ")[1].split(". Each outcome")[0]
    of_run, of_totals = sentence.split("`totals` of the whole sweep so far: ")
    said = [word for word in words(of_run) if word not in ("exists", "backfill")]
    assert [*said, "totals"] == list(run)
    assert words(of_totals) == list(run["totals"])


def test_a_cursor_is_good_for_a_day() -> None:
    """And its errors are called by their names."""
    assert timedelta(days=1) == cursors.MAX_AGE
    assert InventoryError.__name__ in words(TEXT)
    sentence = PROSE.split("One of another account")[1].split(": begin anew")[0]
    assert words(sentence) == [requests.InvalidRequestError.__name__, cursors.StaleCursorError.__name__]


def test_the_machines_input_and_reports_are_those_of_its_definition() -> None:
    """Its keys, how many outcomes it lists, and where the results lie."""
    found: dict[str, Any] = state_machine.definition(
        partition="aws", account="a", region="r", function_arn="f", bucket="b"
    )
    prepare, every = found["States"]["Prepare"], found["States"]["Every target"]
    sentence = PROSE.split("Its input may have ")[1].split(";")[0]
    assert words(sentence) == list(prepare["Parameters"]["defaults"])
    payload = prepare["Parameters"]["fixed"]
    assert f"It lists {payload['max_outcomes']} outcomes at most" in PROSE
    assert f"under `{every['ResultWriter']['Parameters']['Prefix']}/`" in PROSE


def test_what_is_not_tried_is_told_with_its_reasons() -> None:
    """After so many in a row, and how many are left out."""
    reasons = {str(reason) for reason in workers._OF_THE_SERVICE}  # noqa: SLF001 - no caller's business
    told = PROSE.split("functions in a row failed because")[1].split("The next sweep")[0]
    assert set(words(told)) - {"failed"} == reasons
    assert f"when {workers._HOPELESS} functions in a row failed" in PROSE  # noqa: SLF001 - as above
    assert f"up to {workers._MOST_LEFT_OUT} is tried" in PROSE  # noqa: SLF001 - as above


def test_the_statuses_are_those_of_the_report() -> None:
    """In its order; with its columns."""
    assert [status for status, _ in table("status")] == list(Status)
    assert words(PROSE.split("of all that should have a group: ")[1].split(". A person")[0])[0] == Status.COVERED
    assert set(words(PROSE.split("of all that should have a group: ")[1].split(". A person")[0])) == {
        Status.COVERED,
        *PROBLEMS,
    }
    assert words(PROSE.split("in the columns ")[1].split(". An orphaned")[0]) == [each.name for each in fields(Entry)]


def test_it_costs_the_calls_that_are_told(sweeper: Sweeper) -> None:
    """Counted: pages, a creation, a change of tags."""
    sweep_costs = PROSE.split("## What it costs")[1].split("##")[0]
    for number in range(51):
        sweeper.account.function(f"worker-{number:02}", tags={"team": "payments"})
    sweeper.sweep()
    settled = sweeper.sweep().sent
    assert (settled["ListFunctions"], settled["GetResources"], settled["ListProfilingGroups"]) == (2, 1, 1)
    assert settled.total() == 5  # and the quota
    assert (
        "one call for each 50 functions, one for each 100 that have tags, and one for each 1,000 groups" in sweep_costs
    )
    sweeper.account.function("new")
    missing = sweeper.sweep().sent.total() - settled.total()
    drifting = sweeper.account.function("adrift")
    sweeper.account.make_group(f"aws-lambda-{drifting.name}", tags=created_for(drifting.name, team="payments"))
    sweeper.sweep()
    sweeper.account.retag(drifting, {"team": "fulfilment"})
    drifted = sweeper.sweep().sent.total() - settled.total()
    assert (missing, drifted) == (2, 4)
    assert "two for each group that is missing, and four for each that has drifted" in sweep_costs
    agents = sweeper.account.function("agents")
    sweeper.account.make_group(f"aws-lambda-{agents.name}", tags={})
    untagged = sweeper.sweep().sent.total() - settled.total()
    sweeper.account.retag(agents, {"codeguru-profiler": "off"})
    sweeper.account.retag(drifting, {"codeguru-profiler": "off"})
    lifecycle = Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0)
    unneeded = sweeper.sweep(Policy(lifecycle=lifecycle)).sent.total() - settled.total()
    assert (untagged, unneeded) == (5, 4)
    assert "To adopt a group takes five, to delete one up to four." in sweep_costs


def test_every_word_is_one_of_the_vocabulary() -> None:
    """Actions, reasons, statuses, keys: what looks like one is one."""
    said = {word for word in words(TEXT) if re.fullmatch(r"[a-z]+(_[a-z]+)*", word)}
    of_requests = {key for keys, *_ in table("key") for key in keys.split(", ")}
    of_runs = {each.name for kind in (Run, Totals, Entry) for each in fields(kind)} | {"account", "region"}
    # In an organization.
    of_requests |= {each.name for kind in (requests.BackfillAccount, requests.Targets) for each in fields(kind)}
    of_runs |= {each.name for kind in (AccountRun, Row) for each in fields(kind)} | {*Scope, *Standing}
    settings = json.loads((ROOT / "cdk.json").read_text())["context"]
    known = {*Action, *Reason, *Status, *of_requests, *of_runs, *settings}
    assert said - known - {"log_type", "progress", "provision", "backfill", "report"} == {"managed-by"} & said


def test_every_link_leads_somewhere() -> None:
    """To a file, and there to a heading, where it names one."""
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        file, _, anchor = link.partition("#")
        target = PAGE.parent / file if file else PAGE
        assert target.is_file(), link
        titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        headings = {re.sub(r"[^\w -]", "", title).replace(" ", "-").lower() for title in titles}
        assert not anchor or anchor in headings, link


def test_every_aws_command_is_one_of_the_api_with_parameters_that_it_has() -> None:
    """The AWS CLI makes its commands and options from the API models; the ones listed here are its own."""
    own = {"query", "output", "cli-binary-format"}
    shown = re.findall(r"^aws ([a-z]+) ([a-z-]+)(.*)$", TEXT, re.MULTILINE)
    assert len(shown) == 3
    session = botocore.session.get_session()
    for service, command, rest in shown:
        model = session.get_service_model(service)
        operation = next(name for name in model.operation_names if xform_name(name, "-") == command)
        shape = model.operation_model(operation).input_shape
        members = {xform_name(member, "-") for member in (shape.members if shape else ())}
        assert set(re.findall(r" --([a-z-]+)", rest)) - own <= members, command
