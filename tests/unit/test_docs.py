"""What the documents say is so: commands, files, keys, words and permissions are those of the code."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session
import click
import pytest
from botocore import xform_name

from demo import scenarios
from infra.settings import Settings
from ops.__main__ import commands as cli
from profiling_groups.aws import QUOTA_CODE
from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.events import FunctionChanged, changed, read
from profiling_groups.metric_names import NAMESPACE
from profiling_groups.observability import metrics
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.policy import GroupSettings, Policy
from profiling_groups.reconcile import reconcile
from profiling_groups.runs import Totals
from tests.unit.sweeping import finish

if TYPE_CHECKING:
    from demo.scenarios import Scenario
    from profiling_groups.functions import FunctionArn
    from tests.unit.account import Account

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def tables(heading: str) -> list[list[list[str]]]:
    """Return the cells of the tables whose first column has this heading, without backquotes."""
    found = [part.split("\n\n")[0].splitlines()[2:] for part in README.split(f"\n| {heading} |")[1:]]
    return [[[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in each] for each in found]


def table(heading: str) -> list[list[str]]:
    """Return the cells of the one table whose first column has this heading."""
    (found,) = tables(heading)
    return found


def test_every_make_target_that_is_named_exists() -> None:
    """In the README, and in what the Makefile's help says."""
    named = set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)", README))
    assert named - {"test"} <= TARGETS
    assert {"demo", "test", "synth", "check", "sandbox", "bench", "deploy"} <= TARGETS


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))))
def test_every_file_that_is_linked_exists(link: str) -> None:
    """Relative to the README."""
    assert (ROOT / link).exists()


def test_every_command_that_is_named_is_one_of_the_command_lines() -> None:
    """With the options that it takes; and each of them is named."""
    found: set[tuple[str, ...]] = set()
    for line in re.findall(r"^profiling-groups (.*)", README, re.MULTILINE):
        words = re.split(r" <|  |#|<\(", line)[0].split()
        command: click.Command = cli
        path: list[str] = []
        while isinstance(command, click.Group):
            path.append(words.pop(0))
            command = command.commands[path[-1]]
        taken = {option for each in command.params for option in each.opts}
        assert {word for word in words if word.startswith("-")} <= taken
        found.add(tuple(path))
    assert found == set(paths(cli))


def paths(command: click.Command) -> list[tuple[str, ...]]:
    """Return the words that name each command below this one."""
    if not isinstance(command, click.Group):
        return [()]
    return [(name, *rest) for name, below in command.commands.items() for rest in paths(below)]


def test_the_metrics_of_a_backfill_are_all_named() -> None:
    """And no others."""
    totals = Totals(
        sweep="s",
        began=datetime(2026, 3, 4, 9, 30, tzinfo=UTC),
        functions=3,
        eligible=2,
        covered=1,
        counts={Action.CREATED: 1, Action.FAILED: 1, Action.SKIPPED: 1},
        groups=125,
        quota=500,
    )
    try:
        finish(totals, now=datetime(2026, 3, 4, 9, 31, tzinfo=UTC), count_dead_letters=lambda _: 7)
        emitted = {name: sum(each["Value"]) for name, each in metrics.provider.metric_set.items()}
    finally:
        metrics.provider.clear_metrics()
    assert emitted == {
        "backfill.functions": 3,
        "backfill.eligible": 2,
        "backfill.covered": 1,
        "backfill.covered_percent": 50,
        "backfill.created": 1,
        "backfill.failed": 1,
        "backfill.quota_used_percent": 25,
        "backfill.duration": 60,
        "backfill.member_dead_letters": 7,
    }
    assert set(re.findall(r"(?<!\[)`(backfill\.\w+)`", README)) == emitted.keys()


def test_the_settings_are_those_of_the_code_with_their_defaults() -> None:
    """In the code's order."""
    rows = {key: json.loads(default) for key, default, _ in table("key")}
    assert list(rows.items()) == list(asdict(Settings()).items())


def test_every_action_and_reason_is_explained_and_no_other() -> None:
    """One vocabulary."""
    rows = [(action, reason) for action, reason, _ in table("action")]
    assert {action for action, _ in rows} == set(Action)
    assert sorted(reason for _, reason in rows if reason) == sorted(Reason)


def test_the_fields_of_the_log_record_are_all_named() -> None:
    """And those of the code."""
    sentence = README.split("the fields ")[1].split(", and counts")[0]
    assert re.findall(r"`(\w+)`", sentence) == [
        "function",
        "group",
        "action",
        "reason",
        "detail",
        "account",
        "region",
        "dry_run",
        "error_code",
        "dropped_tags",
    ]
    assert set(re.findall(r"`(\w+)`", sentence)) == {field.name for field in fields(Outcome)}
    assert f"`{NAMESPACE}`" in README


def test_the_limits_are_those_that_the_code_knows() -> None:
    """Regions, and the quota's code."""
    sentence = README.split("is offered in ")[1].split(". Anywhere")[0]
    assert set(re.findall(r"[a-z]{2}-[a-z]+-\d", sentence)) == PROFILER_REGIONS
    assert QUOTA_CODE in README


def test_the_demos_tables_are_the_demos() -> None:
    """A chapter each: function, what happened, action, reason, group, the keys of the tags, and the mark."""
    chapters = scenarios.read("single_account")
    assert tables("function") == [[cells(each) for each in chapter.scenarios] for chapter in chapters]
    assert re.findall(r"^\*\*(.+)\*\*$", README, re.MULTILINE) == [chapter.title for chapter in chapters]


def test_the_table_of_the_organizations_demo_is_that_demos() -> None:
    """All chapters in one, with account and region."""
    found = [each for chapter in scenarios.read("organization") for each in chapter.scenarios]
    assert table("where") == [[each.where, *cells(each)] for each in found]


def cells(scenario: Scenario) -> list[str]:
    """Return what a table of the README shows of a scenario."""
    expected = scenario.expected
    tags = sorted(expected.tags, key=lambda key: (key == "managed-by", key))
    group = (expected.group or "", ", ".join(tags), expected.mark or "")
    return [scenario.function, scenario.what, expected.action, expected.reason or "", *group]


def test_it_costs_the_calls_that_are_told(account: Account) -> None:
    """Counted, by the policy that ships and by those that cost more."""

    def calls(arn: FunctionArn, policy: Policy) -> int:
        account.sent.clear()
        reconcile(
            FunctionChanged(function=arn, client_token="4e1f"),  # noqa: S106 - no password
            clients=lambda _: account.clients,
            policy=policy,
        )
        return len(account.sent)

    shipped, function = Policy(), account.function("shipped")
    creation = calls(function, shipped)
    as_wanted = calls(function, shipped)
    account.retag(function, {"team": "billing"})
    following = calls(function, shipped)
    granting = calls(account.function("granting"), Policy(group=GroupSettings(grant_agent=True))) - creation
    account.make_group("aws-lambda-adopted", tags={})
    adoption = calls(account.function("adopted"), shipped)
    costs = " ".join(README.split("### What it costs")[1].split("## ")[0].split())
    assert f"A creation takes {creation} AWS calls " in costs
    assert f"A change of tags takes {as_wanted} calls, or {following} where the group has to follow." in costs
    assert f"An adoption takes {adoption}." in costs
    assert f"`group.grant_agent` adds {granting} to a creation." in costs


def test_the_example_event_is_one_that_the_function_accepts() -> None:
    """The one that the README shows."""
    (path,) = set(re.findall(r"\((events/\S+)\)", README))
    assert isinstance(changed(read(json.loads((ROOT / path).read_text())), Policy()), FunctionChanged)


def test_every_aws_command_is_one_of_the_api_with_parameters_that_it_has() -> None:
    """The AWS CLI makes its commands and options from the API models; the ones listed here are its own."""
    own = {"query", "output", "cli-binary-format"}
    commands = re.findall(r"^ *aws ([a-z]+) ([a-z-]+)(.*)$", README, re.MULTILINE)
    assert len(commands) >= 5
    session = botocore.session.get_session()
    for service, command, rest in commands:
        model = session.get_service_model(service)
        operation = next(name for name in model.operation_names if xform_name(name, "-") == command)
        shape = model.operation_model(operation).input_shape
        members = {xform_name(member, "-") for member in (shape.members if shape else ())}
        assert set(re.findall(r" --([a-z-]+)", rest.partition("#")[0])) - own <= members, command
