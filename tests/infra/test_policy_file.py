"""The policy file: what it may hold, how it is told what is wrong, and that its schema says the same to an editor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from infra.place_checks import keys_named
from infra.policy_file import PolicyFileError, compiled, read, schema
from profiling_groups.policy import (
    AdoptExistingGroups,
    Architecture,
    Functions,
    FunctionTags,
    Globs,
    GroupSettings,
    GroupTags,
    Images,
    Lifecycle,
    Match,
    Organization,
    Override,
    Policy,
    Runtimes,
    Units,
    WhenDeleted,
    load,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "policy.yaml"
PLACEHOLDERS = "{function_name}, {account}, {region}, {runtime}, {tag:KEY}"
SECTIONS = "version, functions, group, tags, lifecycle, organization, overrides"
IN_US = "overrides:\n- match: {regions: [us-*]}\n"

OTHER_IN_EVERY_KEY = """
functions:
  names: {include: ["prod-*", "[a-c]?*"], exclude: ["*-canary"]}
  runtimes: {include: [java*], exclude: [java8.al2]}
  images: skip
  architectures: [arm64]
  tags:
    require: {stage: prod, team: [a, b*]}
    opt_out: {profile: "false", "1": [off, no]}
group: {name: "{account}_{tag:team}_{function_name}", profiling_enabled: false, grant_agent: true}
tags:
  inherit: {include: [team, "cost-*"], exclude: [cost-internal]}
  add: {managed-by: platform, since: "2026-11-23"}
lifecycle:
  keep_tags_in_step: false
  follow_configuration: true
  adopt_existing_groups: none
  when_function_is_deleted: delete
  orphan_grace_days: 0
  max_deletions: 0
organization:
  accounts: {include: ["[1-4]*"], exclude: ["111122223333"]}
  ous: {include: [r-ab12, "*/ou-ab12-????????/"], exclude: [ou-ab12-11111111]}
  regions: {include: ["eu-*", us-east-1], exclude: [eu-north-1]}
overrides:
- match: {accounts: ["4444*"], ous: [ou-ab12-22222222], regions: [us-*]}
  functions:
    names: {exclude: []}
    tags: {require: {stage: prod}, opt_out: {}}
- match: {regions: [eu-west-?]}
  group: {grant_agent: false}
  tags: {add: {managed-by: other}}
  lifecycle: {when_function_is_deleted: keep}
"""


@pytest.fixture
def problems(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return what is wrong with a file of this text, each problem in a line; nothing where it is a policy."""

    def find(text: str) -> list[str]:
        file = tmp_path / "policy.yaml"
        file.write_text(text)
        try:
            read(file)
        except PolicyFileError as error:
            return str(error).replace(str(file), "policy.yaml").splitlines()
        return []

    return find


@pytest.fixture(scope="session")
def anywhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path to write to over and over, as examples that are drawn do."""
    return tmp_path_factory.mktemp("drawn") / "policy.yaml"


def read_text(file: Path, text: str) -> Policy:
    """Read a policy of this text by way of a file."""
    file.write_text(text, encoding="utf-8")
    return read(file)


# --- good files


@pytest.mark.parametrize("text", [SHIPPED.read_text(), "", "# nothing\n", "---\n", "{}", "version: 1\n"])
def test_the_file_that_ships_and_an_empty_one_are_the_default_policy(text: str, tmp_path: Path) -> None:
    """So that a reader of that file sees all there is to choose, and nobody need write what they do not change."""
    assert read_text(tmp_path / "policy.yaml", text) == Policy()


def test_the_file_that_ships_has_every_key() -> None:
    """The comments beside them are the short form of the docs."""
    assert keys_of(YAML(typ="safe").load(SHIPPED)) == keys_of(json.loads(compiled(Policy())))


def keys_of(document: dict[str, Any]) -> set[str]:
    """Return the keys of a document and of the mappings in it, dotted."""
    nested = {f"{key}.{each}" for key, value in document.items() if isinstance(value, dict) for each in keys_of(value)}
    return document.keys() | nested


def test_what_is_compiled_is_a_policy_file_itself(tmp_path: Path) -> None:
    """As JSON is YAML."""
    file = tmp_path / "policy.yaml"
    policy = read_text(file, OTHER_IN_EVERY_KEY)
    assert read_text(file, compiled(policy)) == policy


def test_every_key_is_read(tmp_path: Path) -> None:
    """One glob stands for a list of one, off and no are text in YAML 1.2, and a date is text, too."""
    assert read_text(tmp_path / "policy.yaml", OTHER_IN_EVERY_KEY) == Policy(
        functions=Functions(
            names=Globs(include=("prod-*", "[a-c]?*"), exclude=("*-canary",)),
            runtimes=Runtimes(include=("java*",), exclude=("java8.al2",)),
            images=Images.SKIP,
            architectures=(Architecture.ARM64,),
            tags=FunctionTags(
                require={"stage": ("prod",), "team": ("a", "b*")}, opt_out={"profile": ("false",), "1": ("off", "no")}
            ),
        ),
        group=GroupSettings(name="{account}_{tag:team}_{function_name}", profiling_enabled=False, grant_agent=True),
        tags=GroupTags(
            inherit=Globs(include=("team", "cost-*"), exclude=("cost-internal",)),
            add={"managed-by": "platform", "since": "2026-11-23"},
        ),
        lifecycle=Lifecycle(
            keep_tags_in_step=False,
            follow_configuration=True,
            adopt_existing_groups=AdoptExistingGroups.NONE,
            when_function_is_deleted=WhenDeleted.DELETE,
            orphan_grace_days=0,
            max_deletions=0,
        ),
        organization=Organization(
            accounts=Globs(include=("[1-4]*",), exclude=("111122223333",)),
            ous=Units(include=("r-ab12", "*/ou-ab12-????????/"), exclude=("ou-ab12-11111111",)),
            regions=Globs(include=("eu-*", "us-east-1"), exclude=("eu-north-1",)),
        ),
        overrides=(
            Override(
                match=Match(accounts=("4444*",), ous=("ou-ab12-22222222",), regions=("us-*",)),
                # Only what is named; one glob stands for a list of one here, too.
                changes={
                    "functions": {"names": {"exclude": []}, "tags": {"require": {"stage": ["prod"]}, "opt_out": {}}}
                },
            ),
            Override(
                match=Match(regions=("eu-west-?",)),
                changes={
                    "group": {"grant_agent": False},
                    "tags": {"add": {"managed-by": "other"}},
                    "lifecycle": {"when_function_is_deleted": "keep"},
                },
            ),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        'group: {name: "{function_name}"}',
        'group: {name: "{runtime}_{tag:aws:cloudformation:stack-name}_{function_name}"}',
        'functions: {names: {include: ["[]]", "[!]a]", "a]", "[a-]", "[-a]", "[[a]", "[*]", "naïve"]}}',
        "lifecycle: {orphan_grace_days: 0}",
        "lifecycle: {orphan_grace_days: 3650}",
        "tags: {add: {}}",
        "tags: {inherit: {include: []}}",
        "functions:\n  names: &all {include: ['*']}\n  runtimes: *all",
        # places
        "overrides: []",
        'organization: {accounts: {include: ["????????????", "1*2?3", "*", "[!a-z]*"]}, regions: {include: []}}',
        'organization: {ous: {include: ["*", "*/", "o-a1b2c3d4e5/*", "*/ou-ab12-11111111/*"]}}',
        # an override that gives back what an earlier one took
        IN_US + "  functions: {images: skip}\n- {match: {regions: [us-east-1]}, functions: {images: include}}",
        # a deletion needs no tag of the policy's
        "tags: {add: {}}\nlifecycle: {when_function_is_deleted: delete}",
        IN_US + "  tags: {add: {}}\n  lifecycle: {when_function_is_deleted: delete}",
        "lifecycle: {max_deletions: 0}",
        "lifecycle: {max_deletions: 100000}",
        f"tags: {{add: {dict.fromkeys(map(str, range(49)), 'v')}}}",
    ],
)
def test_what_looks_odd_may_be_right(text: str, problems: Callable[[str], list[str]]) -> None:
    """The edges of what is allowed."""
    assert problems(text) == []


# --- bad files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # the file as a whole
        ("[]", "policy.yaml: must be a mapping of keys to values, not []; leave the key out for its default"),
        ("hello", 'policy.yaml: must be a mapping of keys to values, not "hello"; leave the key out for its default'),
        ("version: 1\n group: {}", "policy.yaml:2: is no YAML: mapping values are not allowed here"),
        ("functions: [", "policy.yaml:1: is no YAML: while parsing a flow node expected the node content"),
        ("version: 1\ntags: *all", "policy.yaml:2: is no YAML: found undefined alias 'all'"),
        (
            "version: 1\ntags: {}\ntags: {}",
            'policy.yaml:3: is no YAML: while constructing a mapping found duplicate key "',
        ),
        ("version: 1\n---\nversion: 1", "policy.yaml:2: is no YAML: expected a single document"),
        ("? [a]\n: b", "policy.yaml:1: ('a',): is a key that is no text; put it in quotes"),
        # keys that are not known
        ("versoin: 1", f"policy.yaml:1: versoin: is not known; did you mean version? allowed: {SECTIONS}"),
        ("\ncolour: red", f"policy.yaml:2: colour: is not known; allowed: {SECTIONS}"),
        ("1: 2", "policy.yaml:1: 1: is a key that is no text; put it in quotes"),
        (
            "functions:\n  tags:\n    require: {1.10: a}",
            "policy.yaml:3: functions.tags.require.1.1: is a key that is no",
        ),
        # what YAML makes of text without quotes
        ("version: true", "policy.yaml:1: version: must be 1, not true"),
        ("version: 1.0", "policy.yaml:1: version: must be 1, not 1.0"),
        ("tags: {add: {since: 2026-01-01}}", "policy.yaml:1: tags.add.since: must be text, a number or a truth value"),
        ("functions: {names: {include: [!!binary aGVsbG8=]}}", "functions.names.include.0: must be text, a number or"),
        ("functions: {tags: {require: {a: " + "[" * 198 + "]" * 198 + "}}}", "policy.yaml: is nested too deeply"),
        ('"a\\e[31mb": x', f"policy.yaml:1: a\\x1b[31mb: is not known; allowed: {SECTIONS}"),
        # globs that mean something else in a shell
        (
            'functions: {names: {exclude: ["[^p]*"]}}',
            "names.exclude.0: is a bad glob, '[^p]*': none of these characters",
        ),
        ("functions: {names: {exclude: ['\\*']}}", "nothing is taken literally by a backslash; write [*]"),
        ('functions: {names: {exclude: ["[[:alpha:]]*"]}}', "classes such as [:alpha:] are no part of a glob"),
        (
            'functions: {tags: {opt_out: {k: "[Z-a]"}}}',
            "opt_out.k.0: is a bad glob, '[z-a]': there is nothing from z to a",
        ),
        (
            "functions:\n  tags:\n    optout: {}",
            "policy.yaml:3: functions.tags.optout: is not known; did you mean opt_out? allowed: require, opt_out",
        ),
        (
            "functions:\n  names: {includes: []}",
            "policy.yaml:2: functions.names.includes: is not known; did you mean include? allowed: include, exclude",
        ),
        # wrong types
        ("version: 2", "policy.yaml:1: version: must be 1, not 2"),
        ("version: '1'", 'policy.yaml:1: version: must be 1, not "1"'),
        (
            "version: 1\nfunctions:",
            "policy.yaml:2: functions: must be a mapping of keys to values, not null; leave the key out",
        ),
        ("functions: {names: {include: '*'}}", 'policy.yaml:1: functions.names.include: must be a list, not "*"'),
        (
            "functions:\n  names:\n    include:\n    - a\n    - 1",
            'policy.yaml:5: functions.names.include.1: must be text, not 1; in quotes it is: "1"',
        ),
        ("functions: {images: no}", "policy.yaml:1: functions.images: must be 'include' or 'skip', not \"no\""),
        (
            "functions:\n  architectures: [arm64, arm]",
            "policy.yaml:2: functions.architectures.1: must be 'x86_64' or 'arm64', not \"arm\"",
        ),
        ("functions: {architectures: arm64}", 'policy.yaml:1: functions.architectures: must be a list, not "arm64"'),
        (
            "functions:\n  tags:\n    opt_out: {profile: false}",
            "policy.yaml:3: functions.tags.opt_out.profile: must be a glob or a list of globs, not false",
        ),
        (
            "functions:\n  tags:\n    opt_out:\n      profile: [off, false]",
            'policy.yaml:4: functions.tags.opt_out.profile.1: must be text, not false; in quotes it is: "false"',
        ),
        ("functions: {tags: {require: [team]}}", "policy.yaml:1: functions.tags.require: must be a mapping of keys"),
        (
            "functions: {tags: {require: {team: }}}",
            "policy.yaml:1: functions.tags.require.team: must be a glob or a list",
        ),
        ("tags: {add: {cost: 5}}", 'policy.yaml:1: tags.add.cost: must be text, not 5; in quotes it is: "5"'),
        ("lifecycle: {keep_tags_in_step: yes}", "policy.yaml:1: lifecycle.keep_tags_in_step: must be a valid boolean"),
        ("lifecycle: {orphan_grace_days: 1.5}", "policy.yaml:1: lifecycle.orphan_grace_days: must be a valid integer"),
        ("lifecycle: {orphan_grace_days: '30'}", "policy.yaml:1: lifecycle.orphan_grace_days: must be a valid integer"),
        ("lifecycle: {when_function_is_deleted: remove}", "must be 'keep' or 'delete', not \"remove\""),
        # globs
        (
            "functions:\n  names:\n    exclude:\n    - ok\n    - 'a[b'",
            "functions.names.exclude.1: is a bad glob, 'a[b': a [ is not closed; allowed: *, ?, [abc], [a-z], [!abc]",
        ),
        ("functions: {names: {include: ['[]']}}", "functions.names.include.0: is a bad glob, '[]': a [ is not closed"),
        (
            "functions: {names: {include: ['[!]']}}",
            "functions.names.include.0: is a bad glob, '[!]': a [ is not closed",
        ),
        (
            "functions: {runtimes: {include: ['[z-a]']}}",
            "functions.runtimes.include.0: is a bad glob, '[z-a]': there is",
        ),
        ("functions: {tags: {require: {team: ''}}}", "functions.tags.require.team.0: is a bad glob, '': it is empty"),
        ("functions: {tags: {opt_out: {t: [a, '[']}}}", "functions.tags.opt_out.t.1: is a bad glob, '['"),
        (
            "tags: {inherit: {exclude: ['{a,b}']}}",
            "tags.inherit.exclude.0: is a bad glob, '{a,b}': braces are no part of",
        ),
        # the name
        (
            "group: {name: prof}",
            "policy.yaml:1: group.name: must have {function_name}, not 'prof'; allowed besides: ",
        ),
        (
            "group:\n  name: '{function_name}-{stage}'",
            f"policy.yaml:2: group.name: has the unknown placeholder {{stage}}; allowed: {PLACEHOLDERS}",
        ),
        ("group: {name: '{function_name!r}'}", "has the unknown placeholder {function_name!r}"),
        ("group: {name: '{function_name:.9}'}", "has the unknown placeholder {function_name:.9}"),
        ("group: {name: '{function_name}{}'}", "has the unknown placeholder {}"),
        ("group: {name: '{function_name}{tag}'}", "has the unknown placeholder {tag}"),
        ("group: {name: '{function_name}{tag:a;b}'}", "has the unknown placeholder {tag:a;b}"),
        ("group: {name: '{function_name'}", "is no template, '{function_name': expected '}' before end of string; "),
        ("group: {name: 'a.{function_name}'}", "has '.': a group's name has only letters, digits, - and _; allowed"),
        ("group: {name: '{{a}}{function_name}'}", "has '{': a group's name has only letters"),
        (
            f"group: {{name: '{'x' * 186}{{function_name}}'}}",
            "must have at most 200 characters with account and region",
        ),
        (f"group: {{name: '{'{region}' * 14}{{function_name}}'}}", "region filled in, not 211"),
        # tags to add
        (
            "tags:\n  add:\n    aws:team: a",
            "policy.yaml:3: tags.add.aws:team: cannot be a group's tag: reserved for AWS",
        ),
        ("tags: {add: {'AWS:team': a}}", "policy.yaml:1: tags.add.AWS:team: cannot be a group's tag: reserved for AWS"),
        ("tags: {add: {'': a}}", "tags.add.: cannot be a group's tag: a key has 1 to 128 characters"),
        (f"tags: {{add: {{{'k' * 129}: a}}}}", "cannot be a group's tag: a key has 1 to 128 characters"),
        (
            f"tags: {{add: {{k: {'v' * 257}}}}}",
            "tags.add.k: cannot be a group's tag: a value has at most 256 characters",
        ),
        ("tags: {add: {k: a;b}}", "tags.add.k: cannot be a group's tag: ';' may not stand in a value"),
        ("tags: {add: {Profiling-Group-Provisioner:a: b}}", "cannot be a group's tag: reserved for the marks of"),
        (f"tags: {{add: {dict.fromkeys(map(str, range(50)), 'v')}}}", "tags.add: must be at most 49 tags, not 50"),
        # adoption
        (
            "lifecycle: {adopt_existing_groups: tagged}",
            "lifecycle.adopt_existing_groups: must be 'untagged', 'all' or 'none', not \"tagged\"",
        ),
        # deletion
        ("lifecycle: {orphan_grace_days: -1}", "lifecycle.orphan_grace_days: must be 0 to 3650, not -1"),
        ("lifecycle: {orphan_grace_days: 3651}", "lifecycle.orphan_grace_days: must be 0 to 3650, not 3651"),
        ("lifecycle: {max_deletions: -1}", "policy.yaml:1: lifecycle.max_deletions: must be 0 or more, not -1"),
        ("lifecycle: {max_deletions: 1.5}", "policy.yaml:1: lifecycle.max_deletions: must be a valid integer"),
        # places that are governed
        (
            "organization: {account: {}}",
            "organization.account: is not known; did you mean accounts? allowed: accounts,",
        ),
        ("organization: {regions: {include: eu-*}}", 'organization.regions.include: must be a list, not "eu-*"'),
        (
            "organization:\n  accounts:\n    exclude: [111122223333]",
            'policy.yaml:3: organization.accounts.exclude.0: must be text, not 111122223333; in quotes it is: "1111',
        ),
        (
            "organization: {accounts: {include: ['1*', 'prod-*']}}",
            "organization.accounts.include.1: is a bad glob, 'prod-*': no account id, which is 12 digits, is like that",
        ),
        ("organization: {accounts: {include: ['11112222333']}}", "include.0: is a bad glob, '11112222333': no account"),
        ("organization: {accounts: {include: ['?*????????????']}}", "is a bad glob, '?*????????????': no account id"),
        ("organization: {accounts: {include: ['[a-f]*']}}", "is a bad glob, '[a-f]*': no account id"),
        (
            "organization: {accounts: {include: ['[']}}",
            "organization.accounts.include.0: is a bad glob, '[': a [ is not",
        ),
        (
            "organization: {regions: {exclude: [us-west-1]}}",
            "organization.regions.exclude.0: is a bad glob, 'us-west-1': no region that has CodeGuru Profiler is like",
        ),
        (
            "organization: {ous: {include: [Production]}}",
            "organization.ous.include.0: is a bad glob, 'Production': it is neither the id of an organizational unit",
        ),
        ("organization: {ous: {include: ['ou-ab12-*']}}", "is a bad glob, 'ou-ab12-*': it is neither the id of an"),
        (
            "organization: {ous: {exclude: ['o-a1b2c3d4e5/r-ab12']}}",
            "ous.exclude.0: is a bad glob, 'o-a1b2c3d4e5/r-ab12': an organization path ends in a slash",
        ),
        ("organization: {ous: {exclude: ['*/prod/*']}}", "'*/prod/*': an organization path consists of ids, as o-"),
        ("organization: {ous: {exclude: ['r-ab12/{a,b}/*']}}", "'r-ab12/{a,b}/*': braces are no part of a glob"),
        # overrides
        ("overrides: {}", "policy.yaml:1: overrides: must be a list, not {}"),
        ("overrides:\n- a", 'policy.yaml:2: overrides.0: must be a mapping of keys to values, not "a"'),
        ("overrides:\n- functions: {images: skip}", "policy.yaml:2: overrides.0.match: is missing"),
        (
            "overrides:\n- match: {}\n  functions: {images: skip}",
            "policy.yaml:2: overrides.0.match: must name accounts, ous or regions; what holds everywhere stands at the",
        ),
        (
            "overrides:\n- match:\n    regions: []\n  functions: {images: skip}",
            "policy.yaml:3: overrides.0.match.regions: is empty, so that nothing matches; leave the key out",
        ),
        (
            "overrides:\n- match: {region: [us-*]}\n  functions: {images: skip}",
            "policy.yaml:2: overrides.0.match.region: is not known; did you mean regions? allowed: accounts, ous",
        ),
        (
            "overrides:\n- match: {accounts: [prod]}\n  functions: {images: skip}",
            "policy.yaml:2: overrides.0.match.accounts.0: is a bad glob, 'prod': no account id",
        ),
        (
            "overrides:\n- match: {ous: [prod]}\n  functions: {images: skip}",
            "policy.yaml:2: overrides.0.match.ous.0: is a bad glob, 'prod': it is neither the id of an organizational",
        ),
        (
            "overrides:\n- match: {regions: [us-*, mars-1]}\n  functions: {images: skip}",
            "policy.yaml:2: overrides.0.match.regions.1: is a bad glob, 'mars-1': no region that has CodeGuru Profiler",
        ),
        (
            IN_US + "  version: 1\n  functions: {images: skip}",
            "policy.yaml:3: overrides.0.version: is not known; allowed: match, functions, group, tags, lifecycle",
        ),
        (
            IN_US + "  overrides: []\n  functions: {images: skip}",
            "policy.yaml:3: overrides.0.overrides: is not known; allowed: match, functions, group, tags, lifecycle",
        ),
        (
            IN_US + "  functions:\n    image: skip",
            "policy.yaml:4: overrides.0.functions.image: is not known; did you mean images? allowed: names, runtimes",
        ),
        (
            IN_US + "  functions:\n    images: no",
            "policy.yaml:4: overrides.0.functions.images: must be 'include' or 'skip', not \"no\"",
        ),
        (
            IN_US + "  functions: {tags: {require: {stage: 1}}}",
            "policy.yaml:3: overrides.0.functions.tags.require.stage: must be a glob or a list of globs, not 1",
        ),
        ("overrides: [{match: {regions: [us-*]}}]", "overrides.0: changes nothing; name what is otherwise there"),
        (
            "overrides: [{match: {regions: [us-*]}, functions: {names: {}}}]",
            "overrides.0: changes nothing; name what is otherwise there",
        ),
        (
            "functions: {images: skip}\n" + IN_US + "  functions: {images: skip}",
            "policy.yaml:3: overrides.0: changes nothing: all that it names is so without it",
        ),
        (
            IN_US + "  functions: {names: {include: [a, '[']}}",
            "policy.yaml:3: overrides.0.functions.names.include.1: is a bad glob, '[': a [ is not closed",
        ),
        (
            IN_US + "  group: {name: prof}",
            "policy.yaml:3: overrides.0.group.name: must have {function_name}, not 'prof'",
        ),
        (
            IN_US + "  tags: {add: {aws:a: b}}",
            "policy.yaml:3: overrides.0.tags.add.aws:a: cannot be a group's tag: reserved for AWS",
        ),
        # not what is wrong without them
        (
            "tags: {add: {aws:a: b}}\n" + IN_US + "  functions: {images: skip}",
            "policy.yaml:1: tags.add.aws:a: cannot be a group's tag: reserved for AWS",
        ),
        (
            IN_US + "  lifecycle: {max_deletions: -1}",
            "policy.yaml:3: overrides.0.lifecycle.max_deletions: must be 0 or more, not -1",
        ),
    ],
)
def test_a_bad_file_is_refused_by_line_and_key_with_what_is_allowed(
    text: str, said: str, problems: Callable[[str], list[str]]
) -> None:
    """One problem here, and so one line."""
    (found,) = problems(text)
    assert said in found


def test_all_problems_are_told_at_once_in_the_order_of_the_file(problems: Callable[[str], list[str]]) -> None:
    """Nobody should need a run for each."""
    text = """version: 1
lifecycle: {orphan_grace_days: x}
functions:
  nmes: {}
  images: no
tags: {add: {a: 1, b: 2}}
"""
    assert [line.partition(": ")[2].partition(": ")[0] for line in problems(text)] == [
        "lifecycle.orphan_grace_days",
        "functions.nmes",
        "functions.images",
        "tags.add.a",
        "tags.add.b",
    ]
    text = 'functions: {names: {include: ["[", ""]}}\ngroup: {name: prof}\ntags: {add: {"aws:a": b}}'
    assert [line.partition(": ")[0] for line in problems(text)] == ["policy.yaml:1"] * 2 + [
        "policy.yaml:2",
        "policy.yaml:3",
    ]


def test_organizational_units_need_an_organization(tmp_path: Path) -> None:
    """Nobody can tell elsewhere which ones an account is in; accounts and regions are known everywhere."""
    file = tmp_path / "policy.yaml"
    anywhere = "organization: {accounts: {exclude: ['1*']}}\n" + IN_US + "  group: {grant_agent: true}"
    assert read_text(file, anywhere) == read(file, organization=False)
    assert read_text(file, OTHER_IN_EVERY_KEY).needs_organization_path
    with pytest.raises(PolicyFileError) as refusal:
        read(file, organization=False)
    lines = OTHER_IN_EVERY_KEY.splitlines()
    told = [(lines[(each.line or 0) - 1].strip()[:6], each.key) for each in refusal.value.problems]
    assert told == [
        ("ous: {", "organization.ous.exclude"),
        ("ous: {", "organization.ous.include"),
        ("- matc", "overrides.0.match.ous"),
    ]
    assert all("known only to a deployment for an organization" in each.message for each in refusal.value.problems)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nor is a folder a policy."""
    with pytest.raises(PolicyFileError, match=r"nowhere\.yaml: cannot be read: No such file"):
        read(tmp_path / "nowhere.yaml")
    with pytest.raises(PolicyFileError, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_synth_fails_for_a_bad_file_and_names_file_line_and_key(
    synth: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Every problem in a line, no traceback, and no template."""
    file = tmp_path / "governance.yaml"
    file.write_text("version: 1\nfunctions:\n  nmes: {}\ngroup:\n  profiling_enabled: off\n")
    done = synth(tmp_path / "out", policy=str(file))
    assert done.returncode != 0
    assert f"{file}:3: functions.nmes: is not known; did you mean names? allowed: names, runtimes" in done.stderr
    assert f'{file}:5: group.profiling_enabled: must be a valid boolean, not "off"' in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/*.template.json"))


def test_synth_for_one_account_fails_for_a_policy_that_speaks_of_organizational_units(
    synth: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """By file, line and key, as for anything else that cannot be."""
    file = tmp_path / "governance.yaml"
    file.write_text("overrides:\n- match:\n    ous: [ou-ab12-11111111]\n  functions: {images: skip}\n")
    done = synth(tmp_path / "out", policy=str(file))
    assert done.returncode != 0
    assert f"{file}:3: overrides.0.match.ous: organizational units are known only to a deployment for an" in done.stderr
    assert "Traceback" not in done.stderr


# --- any file

tokens = st.sampled_from(
    [
        *[
            "version",
            "functions",
            "names",
            "include",
            "tags",
            "group",
            "name",
            "lifecycle",
            "{function_name}",
            "managed-by",
        ],
        *[
            ": ",
            ":\n",
            "\n",
            "\n  ",
            "\n    ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "? ",
            "| ",
            "> ",
            "'",
            '"',
            "#",
            "%",
            "\\",
        ],
        *["&a ", "*a", "<<", "!", "!!", "!!int ", "!!float ", "!!bool ", "!!set ", "!!binary ", "!!omap ", "!!str "],
        *[
            "1",
            "-1",
            "1.5",
            "true",
            "off",
            "null",
            "~",
            ".nan",
            "0x",
            "1e9",
            "2026-11-23",
            "*",
            "a",
            "é",
            "\ud800",
            "\x00",
        ],
    ]
)


@given(st.lists(tokens, max_size=20).map("".join) | st.text())
@example("? [a]\n: b")
@example("!!str version: 1")
@example("2026-11-23: x")
@example("version: !!int 0x")
@example("version: !!bool maybe")
@example("version: !!set")
@example("&a\nfunctions: *a")
@example('tags: {add: {a: "\\ud800"}}')
@example("[" * 3000)
def test_any_text_is_a_policy_or_is_refused_in_words(anywhere: Path, text: str) -> None:
    """Nothing that somebody can write brings a traceback."""
    anywhere.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read(anywhere)
    except PolicyFileError as error:
        assert all(problem.message for problem in error.problems)  # noqa: PT017 - that it is raised is not the point


@given(st.binary())
def test_any_bytes_are_a_policy_or_are_refused_in_words(anywhere: Path, data: bytes) -> None:
    """Not even what is no text."""
    anywhere.write_bytes(data)
    try:
        read(anywhere)
    except PolicyFileError as error:
        assert error.problems  # noqa: PT017 - that it is raised is not the point


@st.composite
def overrides(draw: st.DrawFn) -> Override:
    """Draw an override that names some keys, each with a value that a policy may have there, as plain JSON."""
    sections = draw(st.sets(st.sampled_from(["functions", "group", "tags", "lifecycle"])))
    kinds = get_type_hints(Policy)
    changes = json.loads(json.dumps({name: asdict(draw(drawn(kinds[name]))) for name in sections}))
    for section in changes.values():
        for key in draw(st.sets(st.sampled_from(sorted(section)))):
            del section[key]
    return Override(match=draw(drawn(Match)), changes=changes)


def drawn(kind: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - any type that stands in a policy
    """Draw a value of a type; of a part of a policy, every key."""
    if kind == tuple[Override, ...]:
        return st.just(())
    if isinstance(kind, type) and is_dataclass(kind):
        return st.builds(kind, **{each.name: drawn(get_type_hints(kind)[each.name]) for each in fields(kind)})
    if get_origin(kind) is Mapping:
        return st.dictionaries(*map(drawn, get_args(kind)))
    return st.from_type(kind)


@given(drawn(Policy), st.lists(overrides(), max_size=3))
def test_the_bundle_obeys_the_policy_that_was_compiled(base: Policy, otherwise: list[Override]) -> None:
    """Whatever stands in it."""
    policy = replace(base, overrides=tuple(otherwise))
    assert load(json.loads(compiled(policy))) == policy


# --- the schema


@pytest.fixture(scope="session")
def validator() -> jsonschema.Draft202012Validator:
    """What an editor makes of the schema that ships."""
    return jsonschema.Draft202012Validator(json.loads((ROOT / "policy.schema.json").read_text()))


def test_the_schema_that_ships_is_that_of_the_code() -> None:
    """`make schema` writes it anew."""
    assert (ROOT / "policy.schema.json").read_text() == json.dumps(schema(), indent=2) + "\n"


def test_the_schema_is_one(validator: jsonschema.Draft202012Validator) -> None:
    """By the schema of schemas."""
    validator.check_schema(validator.schema)


@pytest.mark.parametrize("text", [SHIPPED.read_text(), OTHER_IN_EVERY_KEY, "", "version: 1"])
def test_the_schema_takes_what_is_a_policy(text: str, validator: jsonschema.Draft202012Validator) -> None:
    """The file that ships, one that says otherwise throughout, and an empty one."""
    assert list(validator.iter_errors(YAML(typ="safe", pure=True).load(text))) == []


@pytest.mark.parametrize(
    "document",
    [
        {"colour": "red"},
        {"functions": {"nmes": {}}},
        {"functions": {"names": {"includes": []}}},
        {"functions": {"names": {"include": "*"}}},
        {"functions": {"tags": {"opt_out": {"a": [False]}}}},
        {"functions": {"images": "no"}},
        {"functions": {"architectures": ["arm"]}},
        {"group": {"name": 5}},
        {"tags": {"add": {"a": 5}}},
        {"lifecycle": {"orphan_grace_days": -1}},
        {"lifecycle": {"max_deletions": -1}},
        {"lifecycle": {"adopt_existing_groups": "tagged"}},
        {"lifecycle": {"keep_tags_in_step": "yes"}},
        {"organization": {"account": {}}},
        {"organization": {"ous": {"include": "r-ab12"}}},
        {"overrides": {}},
        {"overrides": [{"functions": {"images": "skip"}}]},
        {"overrides": [{"match": {"regions": ["us-*"]}}]},
        {"overrides": [{"match": {}, "functions": {"images": "skip"}}]},
        {"overrides": [{"match": {"regions": []}, "functions": {"images": "skip"}}]},
        {"overrides": [{"match": {"region": ["us-*"]}, "functions": {"images": "skip"}}]},
        {"overrides": [{"match": {"regions": ["us-*"]}, "functions": {"image": "skip"}}]},
        {"overrides": [{"match": {"regions": ["us-*"]}, "functions": {"images": "no"}}]},
        {"overrides": [{"match": {"regions": ["us-*"]}, "version": 1}]},
        {"version": 2},
        [],
    ],
)
def test_the_schema_refuses_what_is_none(document: object, validator: jsonschema.Draft202012Validator) -> None:
    """Keys and types as at synth; what else may be wrong with a name or a glob, only synth tells."""
    assert not validator.is_valid(document)


documents = st.recursive(
    st.sampled_from([None, True, 0, 1, 31, 1.5, "a", "*", "skip", "delete", "arm64", "{function_name}"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "include", "add"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def almost_policies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document that is right but for the value of one key, which may be anything."""
    document: dict[str, Any] = json.loads(compiled(Policy()))
    if draw(st.booleans()):
        everything = {name: document[name] for name in ("functions", "group", "tags", "lifecycle")}
        match = {"accounts": ["1*"], "ous": ["r-ab12"], "regions": ["eu-*"]}
        override = json.loads(json.dumps({"match": match, **everything, "group": {"grant_agent": True}}))
        document["overrides"] = [override]
    section = document
    while True:
        # Not the version: to pydantic, true is 1 there.
        key = draw(st.sampled_from(sorted(section.keys() - {"version"})))
        if key == "overrides" and section[key] and draw(st.booleans()):
            section = section[key][0]
        elif not isinstance(section[key], dict) or not section[key] or draw(st.booleans()):
            section[key] = draw(documents)
            return document
        else:
            section = section[key]


@given(almost_policies())
def test_an_editor_and_synth_agree_about_keys_and_types(
    validator: jsonschema.Draft202012Validator, anywhere: Path, document: dict[str, Any]
) -> None:
    """What the schema refuses, synth refuses; what it takes, synth refuses for what stands in the value at most."""
    try:
        read_text(anywhere, json.dumps(document))
    except PolicyFileError as error:
        in_words = (
            *("is a bad glob", "group.name: ", "cannot be a group's tag"),
            *("changes nothing", "must name accounts, ous or regions"),
        )
        if not all(any(each in str(problem) for each in in_words) for problem in error.problems):
            assert not validator.is_valid(document)
    else:
        assert validator.is_valid(document)


def test_every_key_of_the_policy_has_a_contract_case() -> None:
    """In one of the policies of tests/contract, each of which has a case."""
    deployments = YAML(typ="safe").load(ROOT / "tests" / "contract" / "deployments.yaml")
    policies = [*deployments["policies"].values(), deployments["organization_policy"]]
    changed = {".".join(map(str, key)) for policy in policies for key in keys_named(policy)}
    assert set(keys_below(Policy())) - {"version", "overrides"} == changed - {"version", "overrides"}
    matched = {name for each in deployments["organization_policy"]["overrides"] for name in each["match"]}
    assert {each.name for each in fields(Match)} == matched


def keys_below(section: object, *above: str) -> Iterator[str]:
    """Yield the keys of a section of the policy, and those of the sections in it."""
    assert is_dataclass(section)
    for each in fields(section):
        value = getattr(section, each.name)
        if is_dataclass(value):
            yield from keys_below(value, *above, each.name)
        else:
            yield ".".join((*above, each.name))
