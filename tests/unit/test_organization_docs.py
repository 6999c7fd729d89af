"""What docs/organization.md says is so: keys, defaults, commands, outputs, requests and words are those of the code."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
import pytest

from infra import member, settings
from infra.settings import Organization
from infra.state_machine import TARGETS_PREFIX
from ops.__main__ import commands
from profiling_groups import requests
from profiling_groups.functions import Place
from profiling_groups.outcomes import Action, Reason
from profiling_groups.policy import Policy

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "organization.md").read_text()
EXAMPLE = "{" + re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)[0] + "}"
PLACE = Place(account="444455556666", region="eu-west-1")


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading."""
    found = TEXT.split(f"\n| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in found]


def example() -> Organization:
    """Return the organization of the page's example."""
    found = settings.read(json.loads(EXAMPLE), default_region=None).organization
    assert found is not None
    return found


def test_the_keys_of_an_organization_are_those_of_the_settings() -> None:
    """In their order, each with its default; those that follow from other keys say from which."""
    rows = {key.strip("`"): default for key, default, _ in table("key")}
    made = {each.name: getattr(example(), each.name) for each in fields(Organization)}
    required = [each.name for each in fields(Organization) if each.default is MISSING]
    assert sorted(rows) == sorted(made)
    assert [key for key, default in rows.items() if not default] == ["id", "ous", "regions"]
    assert set(required) == {"id", "ous", "regions", "role_region", "role_name"}
    assert made["role_region"] == made["regions"][0]
    assert rows["role_name"] == json.dumps(made["role_name"])
    told: dict[str, Any] = {key: json.loads(text) for key, text in rows.items() if key not in {*required, "call_as"}}
    assert told == {
        each.name: list(each.default) if isinstance(each.default, tuple) else each.default
        for each in fields(Organization)
        if each.name in told
    }


def test_the_members_template_takes_the_parameters_that_are_handed_over() -> None:
    """From the outputs of the hub's stack, whose names are tested with its template."""
    template = json.loads(member.template(example(), Policy()))
    handed = dict(re.findall(r"(\w+)=<(\w+)>", TEXT.split("--parameter-overrides")[1].splitlines()[0]))
    assert handed == {"HubBusArn": "EventBusArn", "HubRoleArn": "HubRoleArn"}
    assert set(template["Parameters"]) == set(handed)
    assert f"cdk.out/{member.FILE}" in TEXT


def test_every_command_that_is_named_is_one_of_the_command_lines() -> None:
    """With its options."""
    named = re.findall(r"`profiling-groups ([a-z]+)([^`]*)`", TEXT)
    assert {command for command, _ in named} == {"backfill", "report"}
    for command, rest in named:
        found = commands.commands[command]
        assert isinstance(found, click.Command)
        assert set(re.findall(r"--[a-z-]+", rest)) <= {option for each in found.params for option in each.opts}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))))
def test_every_file_that_is_linked_exists(link: str) -> None:
    """Relative to the page."""
    assert (ROOT / "docs" / link).exists()


def test_the_requests_are_those_that_a_hub_accepts() -> None:
    """With all of their keys, and no other."""
    account, targets = (set(re.findall(r"`([a-z_]+)`", f"`regions` {keys}")) for _, keys, _ in table("request"))
    payload: dict[str, Any] = dict.fromkeys(account) | {
        "account": PLACE.account,
        "regions": ["eu-west-1"],
        "dry_run": False,
    }
    found = requests.read({"action": "backfill", **payload}, place=PLACE, organization=True)
    assert isinstance(found, requests.BackfillAccount)
    assert account == {each.name for each in fields(found)}
    found = requests.read({"action": "targets", **dict.fromkeys(targets)}, place=PLACE, organization=True)
    assert isinstance(found, requests.Targets)
    assert targets == {each.name for each in fields(found)}
    assert f"`{TARGETS_PREFIX}/`" in TEXT


def test_the_outcomes_are_of_the_vocabulary() -> None:
    """Each with its metric."""
    for outcome, _, _ in table("outcome"):
        action, reason = re.findall(r"`([a-z_]+)`", outcome)
        assert action in set(Action)
        assert reason in set(Reason)
    for metric in re.findall(r"`(skipped\.[a-z_]+)`", TEXT):
        assert metric.removeprefix("skipped.") in set(Reason)
