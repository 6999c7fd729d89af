"""What docs/policy.md says is so: keys, defaults, costs, order, names and commands are those of the code."""

from __future__ import annotations

import re
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from ruamel.yaml import YAML

from infra.permissions import permissions
from infra.policy_file import PolicyFileError, read
from ops.__main__ import commands
from profiling_groups.decision import Skip, decide, deletion_command, rule_out_place
from profiling_groups.events import triggers
from profiling_groups.functions import FunctionArn, LambdaFunction
from profiling_groups.groups import Group
from profiling_groups.naming import group_arn, group_name
from profiling_groups.outcomes import Action, Reason
from profiling_groups.ownership import ADOPTED_FOR, COMPUTE_PLATFORM, CREATED_FOR
from profiling_groups.policy import AdoptExistingGroups, Globs, Match, Policy
from profiling_groups.tags import RESERVED_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from infra.permissions import Permission

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "policy.md"
TEXT = PAGE.read_text()
EXAMPLES = re.findall(
    r"```yaml\n(.*?)```\n\n(?:```text\n(.*?)```\n|((?:Permissions|Events): [^\n]*)\n)?", TEXT, re.DOTALL
)
FUNCTION = LambdaFunction(
    arn=FunctionArn(account="111122223333", region="eu-west-1", name="orders-api"), runtime="python3.13"
)


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading."""
    found = TEXT.split(f"\n| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in found]


def keys(section: object = Policy(), prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk the keys that a policy file may have, with their defaults, in the code's order; globs count as one key."""
    for each in fields(section):  # type: ignore[arg-type]  # a dataclass it is
        value = getattr(section, each.name)
        if is_dataclass(value) and not isinstance(value, Globs):
            yield from keys(value, f"{prefix}{each.name}.")
        else:
            yield prefix + each.name, value


KEYS = dict(keys())


def section(key: str) -> str:
    """Return what is written about a key."""
    found = re.split(rf"^### `{re.escape(key)}`\n", TEXT, flags=re.MULTILINE)
    assert len(found) == 2, f"{key} has {len(found) - 1} sections of its own"
    return re.split(r"^##+ ", found[1], maxsplit=1, flags=re.MULTILINE)[0]


def read_text(folder: Path, text: str) -> Policy:
    """Read a policy of this text by way of a file."""
    file = folder / "policy.yaml"
    file.write_text(text)
    return read(file)


def costs(policy: Policy) -> str:
    """Return what the page should say of a policy's costs beside the default's; nothing where they are the same."""

    def beside(own: Sequence[str], default: Sequence[str]) -> str:
        also = ", ".join(f"`{each}`" for each in own if each not in default)
        without = ", ".join(f"`{each}`" for each in default if each not in own)
        parts = [f"{word} {each}" for word, each in (("also", also), ("without", without)) if each]
        return " and ".join(parts)

    (on_groups, others), (on_default, default_others) = on_groups_and_others(policy), on_groups_and_others(Policy())
    assert others == default_others
    (actions,), (by_default,) = {each.actions for each in on_groups}, {each.actions for each in on_default}
    resources, default = [each.resource for each in on_groups], [each.resource for each in on_default]
    also = "also " if set(default) < set(resources) else ""
    reach = ", ".join(f"`{each}`" for each in resources if each not in default)
    allowed = ", ".join(part for part in (beside(actions, by_default), f"{also}on {reach}" if reach else "") if part)
    heard = beside(triggers(policy), triggers(Policy()))
    return " ".join(f"{what}: {each}." for what, each in (("Permissions", allowed), ("Events", heard)) if each)


def on_groups_and_others(policy: Policy) -> tuple[list[Permission], list[Permission]]:
    """Return what a policy needs to be allowed on groups, and all else."""
    needed = permissions(policy)
    on_groups = [each for each in needed if each.resource.startswith("profilingGroup/")]
    return on_groups, [each for each in needed if each not in on_groups]


def test_every_key_is_documented_and_no_other() -> None:
    """In the order of the file."""
    assert re.findall(r"^### `(.+)`$", TEXT, re.MULTILINE) == list(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_default_of_a_key_is_the_codes(key: str) -> None:
    """Written as it would be in the file."""
    (written,) = re.findall(r"^Default: `(.+)`$", section(key), re.MULTILINE)
    value = KEYS[key]
    expected = asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
    assert YAML(typ="safe").load(written) == plain(expected)


def plain(value: Any) -> Any:  # noqa: ANN401 - values in, JSON out
    """Return a value as YAML has it: lists, dicts, strings."""
    match value:
        case tuple():
            return [plain(each) for each in value]
        case dict():
            return {key: plain(each) for key, each in value.items()}
        case str():
            return str(value)
    return value


@pytest.mark.parametrize("key", [key for key in KEYS if key != "version"])
def test_the_example_of_a_key_sets_it(key: str, tmp_path: Path) -> None:
    """To something else than its default."""
    (example,) = re.findall(r"```yaml\n(.*?)```", section(key), re.DOTALL)
    assert dict(keys(read_text(tmp_path, example)))[key] != KEYS[key]


@pytest.mark.parametrize(("example", "problems", "said"), EXAMPLES)
def test_every_example_is_a_policy_that_costs_what_is_said(
    example: str, problems: str, said: str, tmp_path: Path
) -> None:
    """Or else it is one of a bad file, and its problems are the ones told."""
    try:
        policy = read_text(tmp_path, example)
    except PolicyFileError as error:
        assert str(error).replace(f"{tmp_path}/", "") + "\n" == problems  # noqa: PT017 - or it would have been told
    else:
        assert said == costs(policy)


def test_what_an_override_may_match_is_told_key_by_key() -> None:
    """And which sections may follow."""
    assert [row[0].strip("`") for row in table("`match` names")] == [each.name for each in fields(Match)]
    sections = [each.name for each in fields(Policy) if each.name not in ("version", "organization", "overrides")]
    (told,) = re.findall(r"Any keys of (.+) may follow", TEXT)
    assert re.findall(r"`(\w+)`", told) == sections


def test_the_marks_and_values_are_those_of_the_code() -> None:
    """What says whose a group is, what may be adopted, and the command that deletes a group."""
    marks = [re.findall(rf"`({RESERVED_PREFIX}[a-z-]+)`", recognized) for _, recognized, *_ in table("group")]
    assert marks == [[CREATED_FOR], [ADOPTED_FOR], []]
    assert [value.strip("`") for value, _ in table("value")] == list(AdoptExistingGroups)
    group = Group(
        arn=group_arn(FUNCTION.arn, "g"), compute_platform=COMPUTE_PLATFORM, tags={}, tags_known=True, last_active=None
    )
    command = deletion_command(group).replace(" g ", " <group> ").replace(FUNCTION.arn.region, "<region>")
    assert command in TEXT.splitlines()


def test_there_are_recipes() -> None:
    """A page whose examples are not found would pass all the same."""
    assert len(EXAMPLES) == TEXT.count("```yaml") >= len(KEYS) + 5


def test_the_costs_of_the_default_are_the_codes() -> None:
    """They are written out once; all else is told beside them."""
    said = [(re.findall(r"`(.+?)`", actions), resource.strip("`")) for actions, resource in table("do this")]
    assert said == [(list(each.actions), each.resource) for each in permissions(Policy())]
    (sentence,) = re.findall(r"^and hears of (.*), as CloudTrail", TEXT, re.MULTILINE)
    assert re.findall(r"`(.+?)`", sentence) == list(triggers(Policy()))


def test_a_function_is_asked_in_the_order_of_the_table(tmp_path: Path) -> None:
    """One against which everything stands, and then one thing less at a time."""
    policy = read_text(
        tmp_path,
        """
functions:
  names: {exclude: [secret]}
  runtimes: {include: ["python3.*"]}
  images: skip
  architectures: [arm64]
  tags: {require: {stage: prod}, opt_out: {stage: PROD}}
organization:
  accounts: {exclude: ["4444*"]}
""",
    )
    elsewhere = replace(FUNCTION.arn, account="444455556666", region="sa-east-1", name="us-east-1.orders-api")
    function = replace(
        FUNCTION, arn=elsewhere, runtime="nodejs22.x", named_groups=("mine",), target_region="eu-central-1"
    )
    mended: list[Mapping[str, Any]] = [
        {"arn": replace(elsewhere, account=FUNCTION.arn.account)},
        {"arn": replace(FUNCTION.arn, name=elsewhere.name)},
        {"arn": replace(FUNCTION.arn, name="secret")},
        {"arn": FUNCTION.arn},
        {"runtime": "java21"},
        {"runtime": None},
        {"runtime": "python3.13"},
        {"architectures": ("arm64",)},
        {"named_groups": ()},
        {"target_region": None},
        {"tags": {"stage": "prod"}},
    ]
    rows = [(reason.strip("`"), rule.strip("`")) for _, reason, rule in table("asked of the function")]
    assert len(rows) == len(mended) + 1
    for (reason, rule), mending in zip(rows, [*mended, {}], strict=True):
        place = {"account": function.arn.account, "region": function.arn.region}
        decision = rule_out_place(policy, **place, organization_path=None) or decide(function, policy)
        assert isinstance(decision, Skip)
        assert decision.reason == reason
        assert (decision.rule or "").startswith(rule)
        assert bool(decision.rule) == bool(rule)
        function = replace(function, **mending)


@pytest.mark.parametrize(("template", "name", "runtime", "tags", "group"), table("template"))
def test_the_names_are_those_that_functions_get(template: str, name: str, runtime: str, tags: str, group: str) -> None:
    """Digits and all."""
    function = replace(
        FUNCTION,
        arn=replace(FUNCTION.arn, name=name.strip("`")),
        runtime=None if runtime == "(image)" else runtime.strip("`"),
        tags=YAML(typ="safe").load(tags.strip("`")),
    )
    assert group_name(template.strip("`"), function) == group.strip("`")


def test_every_word_is_one_of_the_vocabulary() -> None:
    """Actions, reasons, keys: what looks like one is one."""
    words = set(re.findall(r"`((?:functions|group|tags|lifecycle|organization)\.[a-z_.]+|[a-z]+_[a-z_]+)`", TEXT))
    assert words - {*Action, *Reason, *KEYS, *(key.rpartition(".")[2] for key in KEYS), "dropped_tags"} == set()


def test_every_link_leads_somewhere() -> None:
    """To a file, or to a heading of the page."""
    titles = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title).replace(" ", "-").lower() for title in titles}
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert link[1:] in headings if link.startswith("#") else (PAGE.parent / link).is_file(), link


def test_every_make_target_that_is_named_exists() -> None:
    """In the Makefile."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"^make ([a-z]+)", TEXT, re.MULTILINE)) <= set(targets)


def test_the_commands_are_those_that_there_are() -> None:
    """All of them, and no other, with the options that they take."""
    policy = commands.commands["policy"]
    assert isinstance(policy, click.Group)
    assert [command.strip("`") for command, _ in table("command")] == [
        f"profiling-groups policy {name}" for name in ("validate", "explain", "simulate", "diff")
    ]
    assert set(re.findall(r"profiling-groups policy (\w+)", TEXT)) == set(policy.commands)
    for name, command in policy.commands.items():
        taken = {option for parameter in command.params for option in parameter.opts}
        told = re.findall(rf"^(?:\| `)?profiling-groups policy {name}\b(.*)", TEXT, re.MULTILINE)
        assert {"--json", *re.findall(r"(--[a-z-]+)", " ".join(told))} <= taken
