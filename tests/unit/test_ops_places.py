"""A policy that is not the same everywhere: what the commands say governs a function, and which overrides."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner

from ops.__main__ import commands
from tests.records import record
from tests.unit.account import ACCOUNT, REGION

if TYPE_CHECKING:
    from click.testing import Result

    from tests.unit.account import Account
    from tests.unit.sweeping import Sweeper

OTHER = "111122223333"
PROD = "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"
SANDBOX = "o-a1b2c3d4e5/r-ab12/ou-ab12-22222222/"
BY_REGION = """
organization: {accounts: {exclude: ["9*"]}}
overrides:
- match: {regions: [eu-*]}
  functions: {images: skip, names: {exclude: [web]}}
- match: {accounts: ["1111*"]}
  functions: {images: include}
  group: {name: "p-{function_name}"}
- match: {regions: [eu-west-2], accounts: ["1111*"]}
  functions: {names: {exclude: []}}
"""
BY_UNIT = """
overrides:
- match: {ous: [ou-ab12-11111111]}
  functions: {names: {exclude: [orders]}}
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the policies; credentials as `conftest` sets them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", REGION)
    Path("policy.yaml").write_text("")
    Path("places.yaml").write_text(BY_REGION)
    Path("units.yaml").write_text(BY_UNIT)
    functions = [
        configuration("orders"),
        configuration("web"),
        configuration("orders", region="us-east-1"),
        configuration("orders", account=OTHER),
        configuration("web", account=OTHER, region="eu-west-2"),
        configuration("orders", account="999900001111"),
        {**configuration("batch"), "Runtime": None, "PackageType": "Image"},
    ]
    Path("f.json").write_text(json.dumps(functions))


def configuration(name: str, *, account: str = ACCOUNT, region: str = REGION) -> dict[str, Any]:
    """Return what `aws lambda get-function-configuration` prints, abridged, with tags."""
    return {"FunctionArn": arn(name, account=account, region=region), "Runtime": "python3.13", "Tags": {}}


def arn(name: str, *, account: str = ACCOUNT, region: str = REGION) -> str:
    """Return a function's ARN."""
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def run(*arguments: str) -> Result:
    """Run a command of `policy`."""
    return CliRunner().invoke(commands, ["policy", *arguments])


def explained(*arguments: str) -> list[dict[str, Any]]:
    """Run `policy explain --json` with the functions of the file, and return them."""
    done = run("explain", "--functions", "f.json", *arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["functions"]
    return found


# validate


def test_a_checked_policy_shows_its_overrides_and_what_all_places_need() -> None:
    """One rule and one role are for all of them."""
    done = run("validate", "places.yaml")
    assert done.exit_code == 0
    assert "only a deployment for an organization" not in done.stdout
    rows = [re.split(r"  +", line) for line in done.stdout.splitlines()]
    assert ["0", "regions eu-*", "functions.images, functions.names.exclude"] in rows
    assert ["2", "accounts 1111*; regions eu-west-2", "functions.names.exclude"] in rows
    assert ["codeguru-profiler:CreateProfilingGroup", "*"] in rows
    assert ["codeguru-profiler:DescribeProfilingGroup", "profilingGroup/aws-lambda-*"] in rows
    assert ["codeguru-profiler:DescribeProfilingGroup", "profilingGroup/p-*"] in rows
    found = json.loads(run("validate", "places.yaml", "--json").stdout)
    assert found["overrides"][1] == {"match": {"accounts": ["1111*"]}, "keys": ["functions.images", "group.name"]}
    assert found["needs_organization"] is False


def test_a_policy_that_speaks_of_units_says_what_it_takes() -> None:
    """A deployment in one account cannot obey it, which synth would say."""
    assert "only a deployment for an organization can obey it" in run("validate", "units.yaml").stdout
    assert json.loads(run("validate", "units.yaml", "--json").stdout)["needs_organization"] is True


# explain


def test_each_function_is_explained_by_what_governs_its_place() -> None:
    """Account and region are those of its ARN; an override is told by number, and by what it has the last word in."""
    assert [
        (each["group"], each["rule"], each["rule_by"], [applied["number"] for applied in each["overrides"]])
        for each in explained("--policy", "places.yaml")
    ] == [
        ("aws-lambda-orders", None, None, [0]),
        (None, "functions.names.exclude", 0, [0]),
        ("aws-lambda-orders", None, None, []),
        ("p-orders", None, None, [0, 1]),
        ("p-web", None, None, [0, 1, 2]),
        (None, "organization.accounts.exclude", None, []),
        (None, "functions.images", 0, [0]),
    ]
    applied = explained("--policy", "places.yaml")[4]["overrides"]
    assert applied[0] == {"number": 0, "match": {"regions": ["eu-*"]}, "decides": []}
    assert [each["decides"] for each in applied[1:]] == [
        ["functions.images", "group.name"],
        ["functions.names.exclude"],
    ]


def test_an_override_decides_about_what_is_in_a_key() -> None:
    """A tag that it requires is its own doing, though the rule names the tag."""
    Path("places.yaml").write_text("overrides: [{match: {regions: [us-*]}, functions: {tags: {require: {team: a}}}}]")
    found = explained("orders", "--policy", "places.yaml")
    assert [(each["rule"], each["rule_by"]) for each in found if each["reason"]] == [("functions.tags.require.team", 0)]


def test_a_function_is_explained_as_if_it_were_elsewhere() -> None:
    """As whoever moves it would want to know."""
    found = explained("orders", "--policy", "places.yaml", "--account", OTHER, "--region", "us-west-2")
    assert {(each["function"], each["group"]) for each in found} == {
        (arn("orders", account=OTHER, region="us-west-2"), "p-orders")
    }


def test_a_person_reads_which_override_decides() -> None:
    """Beside the rule, and below all else."""
    done = run("explain", "--functions", "f.json", "--policy", "places.yaml", "web", "orders")
    blocks = [block.splitlines() for block in done.stdout.split("\n\n")]
    assert blocks[0][-2:] == [
        "  rule       functions.names.exclude (by override 0)",
        "  overrides  0 (regions eu-*) decides functions.images, functions.names.exclude",
    ]
    assert blocks[1][-3:] == [
        "  overrides  0 (regions eu-*) decides nothing, as later ones do",
        "             1 (accounts 1111*) decides functions.images, group.name",
        "             2 (accounts 1111*; regions eu-west-2) decides functions.names.exclude",
    ]
    assert blocks[3][-1] == "  overrides  none of 3 applies"


@pytest.mark.parametrize(
    ("said", "groups"),
    [
        # of all accounts, of one before the others, without the slash at the end
        ([PROD], {None}),
        ([SANDBOX], {"aws-lambda-orders"}),
        ([SANDBOX, f"{OTHER}={PROD}"], {"aws-lambda-orders", None}),
        ([f"{PROD}ou-ab12-33333333"], {None}),
    ],
)
def test_where_accounts_are_is_the_operators_to_say(said: list[str], groups: set[str | None]) -> None:
    """Then nobody else is asked."""
    told = [part for each in said for part in ("--organization-path", each)]
    found = explained("orders", "--policy", "units.yaml", *told)
    assert {each["group"] for each in found} == groups
    assert {each["organization_path"] for each in found} <= {PROD, SANDBOX, f"{PROD}ou-ab12-33333333/"}


@pytest.fixture
def organization(account: Account) -> str:
    """An organization with the account in its root and another in a unit: the unit's path."""
    del account
    client = boto3.client("organizations", region_name=REGION)
    name = client.create_organization(FeatureSet="ALL")["Organization"]["Id"]
    root = client.list_roots()["Roots"][0]["Id"]
    unit = client.create_organizational_unit(ParentId=root, Name="Production")["OrganizationalUnit"]["Id"]
    created = client.create_account(AccountName="orders", Email="orders@example.com")["CreateAccountStatus"]
    client.move_account(AccountId=created["AccountId"], SourceParentId=root, DestinationParentId=unit)
    functions = [configuration("orders", account=id_) for id_ in (ACCOUNT, created["AccountId"])]
    Path("f.json").write_text(json.dumps(functions))
    return f"{name}/{root}/{unit}/"


def test_organizations_is_asked_where_accounts_are(organization: str) -> None:
    """With the operator's credentials, where the policy wants to know and the operator does not say."""
    unit = organization.split("/")[-2]
    Path("units.yaml").write_text(BY_UNIT.replace("ou-ab12-11111111", unit))
    root = organization.removesuffix(f"{unit}/")
    found = explained("--policy", "units.yaml")
    assert [(each["group"], each["organization_path"]) for each in found] == [
        ("aws-lambda-orders", root),
        (None, organization),
    ]
    assert {each["organization_path"] for each in explained("--policy", "places.yaml")} == {None}


def test_an_account_that_is_in_no_organization_is_named(organization: str) -> None:
    """The others are explained all the same."""
    functions = [configuration("orders", account="999900001111"), configuration("orders")]
    Path("f.json").write_text(json.dumps(functions))
    done = run("explain", "--functions", "f.json", "--policy", "units.yaml", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    where = organization.partition("/")[0]
    assert found["problems"] == [
        f"{arn('orders', account='999900001111')}: account 999900001111 is not in the organization {where}"
    ]
    assert [each["function"] for each in found["functions"]] == [arn("orders")]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    "command",
    [
        ["explain", "--functions", "f.json", "--policy", "units.yaml"],
        ["diff", "policy.yaml", "units.yaml", "--functions", "f.json"],
        ["simulate", ".", "--policy", "units.yaml"],
    ],
)
def test_where_nobody_says_where_an_account_is_the_command_asks(command: list[str]) -> None:
    """Rather than guess; here there is no organization to ask."""
    Path("1.json").write_text(json.dumps(record("create-function")))
    done = run(*command)
    assert (done.exit_code, done.stdout) == (2, "")
    account = ACCOUNT if command[0] != "simulate" else record("create-function")["recipientAccountId"]
    assert "the policy speaks of organizational units" in done.stderr
    assert f"say it with --organization-path {account}=PATH" in done.stderr


# diff


def test_overrides_are_compared_key_by_key() -> None:
    """The order of globs, which means nothing, does not count; a mapping of tags is one value."""
    by_name, or_so = ("functions: {names: {include: [" + globs + "]}}" for globs in ("a*, b*", "b*, a*"))
    Path("old.yaml").write_text("overrides: [{match: {regions: [eu-*, us-*]}, tags: {add: {a: b}}, " + by_name + "}]")
    Path("new.yaml").write_text("overrides: [{match: {regions: [us-*, eu-*]}, tags: {add: {}}, " + or_so + "}]")
    found = json.loads(run("diff", "old.yaml", "new.yaml", "--json").stdout)
    assert found["keys"] == [{"key": "overrides.0.tags.add", "old": {"a": "b"}, "new": {}}]
    gone = json.loads(run("diff", "policy.yaml", "old.yaml", "--json").stdout)
    assert {each["key"]: each["new"] for each in gone["keys"]} == {
        "overrides.0.match.regions": ["eu-*", "us-*"],
        "overrides.0.tags.add": {"a": "b"},
        "overrides.0.functions.names.include": ["a*", "b*"],
    }
    assert run("diff", "old.yaml", "old.yaml").exit_code == 0


def test_functions_change_hands_where_they_are() -> None:
    """By an override, those of its places only."""
    found = json.loads(run("diff", "policy.yaml", "places.yaml", "--functions", "f.json", "--json").stdout)
    assert [(each["new"]["function"], each["kinds"]) for each in found["functions"]] == [
        (arn("web"), ["loses_group"]),
        (arn("orders", account=OTHER), ["renamed"]),
        (arn("web", account=OTHER, region="eu-west-2"), ["renamed"]),
        (arn("orders", account="999900001111"), ["loses_group"]),
        (arn("batch"), ["loses_group"]),
    ]
    by_unit = run(
        *("diff", "policy.yaml", "units.yaml", "--functions", "f.json", "--json"),
        *("--organization-path", SANDBOX, "--organization-path", f"{OTHER}={PROD}"),
    )
    assert [each["new"]["function"] for each in json.loads(by_unit.stdout)["functions"]] == [
        arn("orders", account=OTHER)
    ]


# simulate


def creation(account: str, region: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return the record of a creation in a place."""
    found = record("create-function")
    found["responseElements"] = None
    return {**found, "recipientAccountId": account, "awsRegion": region, **more}


def test_each_record_is_judged_by_what_governs_its_place(tmp_path: Path) -> None:
    """Its own account and region, and the account's organizational unit."""
    some = [creation(ACCOUNT, "us-east-1"), creation(OTHER, "eu-west-1"), creation("999900001111", "eu-west-1")]
    Path("1.json").write_text(json.dumps({"Records": some}))
    found = json.loads(run("simulate", str(tmp_path), "--policy", "places.yaml", "--json").stdout)
    assert [(each["group"], each["rule"], each["overrides"]) for each in found["outcomes"]] == [
        ("aws-lambda-invoice-renderer", None, []),
        ("p-invoice-renderer", None, [0, 1]),
        (None, "organization.accounts.exclude", []),
    ]
    last = found["outcomes"][2]
    assert (last["action"], last["reason"]) == ("skipped", "excluded_by_policy")
    assert last["function"] == arn("invoice-renderer", account="999900001111")
    Path("units.yaml").write_text(BY_UNIT.replace("orders", "invoice-*"))
    paths = ["--organization-path", SANDBOX, "--organization-path", f"{OTHER}={PROD}"]
    found = json.loads(run("simulate", str(tmp_path), "--policy", "units.yaml", *paths, "--json").stdout)
    assert [(each["account"], each["overrides"]) for each in found["outcomes"]] == [
        (ACCOUNT, []),
        (OTHER, [0]),
        ("999900001111", []),
    ]


def test_a_record_of_an_account_that_is_in_no_organization_is_not_judged(organization: str, tmp_path: Path) -> None:
    """It is named; accounts that were closed leave their records behind."""
    Path("1.json").write_text(json.dumps({"Records": [creation("999900001111", REGION), creation(ACCOUNT, REGION)]}))
    done = run("simulate", str(tmp_path), "--policy", "units.yaml", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["unjudged"], found["counts"]) == (
        1,
        1,
        [{"action": "created", "reason": None, "count": 1}],
    )
    assert f"account 999900001111 is not in the organization {organization.partition('/')[0]}" in done.stderr


def test_what_a_record_of_a_place_that_is_not_governed_says_does_not_matter(tmp_path: Path) -> None:
    """The function looks no further there, either."""
    broken = creation("999900001111", REGION, requestParameters=None)
    Path("1.json").write_text(json.dumps(broken))
    (found,) = json.loads(run("simulate", str(tmp_path), "--policy", "places.yaml", "--json").stdout)["outcomes"]
    assert (found["function"], found["reason"]) == (None, "excluded_by_policy")


# report and backfill, from here


def test_what_governs_the_account_is_what_is_done_and_reported(sweeper: Sweeper) -> None:
    """In the account and region of the credentials, by their overrides."""
    sweeper.account.function("orders")
    Path("policy.yaml").write_text(
        "overrides: [{match: {regions: [%s]}, group: {name: 'p-{function_name}'}}]" % REGION  # noqa: UP031 - braces
    )
    done = CliRunner().invoke(commands, ["backfill", "--local"])
    assert (done.exit_code, sweeper.account.groups()) == (0, ["p-orders"])
    assert CliRunner().invoke(commands, ["report"]).exit_code == 0


@pytest.mark.parametrize("command", [["backfill", "--local"], ["report"]])
@pytest.mark.parametrize(
    ("policy", "paths", "said"),
    [
        (f"organization: {{regions: {{exclude: [{REGION}]}}}}", [], "is not governed (organization.regions.exclude)"),
        ("organization: {ous: {exclude: [r-ab12]}}", [PROD], "is not governed (organization.ous.exclude)"),
        ("organization: {ous: {exclude: [r-ab12]}}", [], "say it with --organization-path"),
    ],
)
def test_where_the_policy_does_not_govern_nothing_is_done(
    sweeper: Sweeper, command: list[str], policy: str, paths: list[str], said: str
) -> None:
    """Nor is it counted as covered."""
    sweeper.account.function("orders")
    Path("policy.yaml").write_text(policy)
    told = [part for each in paths for part in ("--organization-path", each)]
    done = CliRunner().invoke(commands, [*command, *told])
    assert (done.exit_code, done.stdout, sweeper.account.groups()) == (2, "", [])
    assert said in done.stderr


# all of them


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["explain", "x", "--organization-path", "ou-ab12-11111111"],
            "is no organization path, as o-a1b2c3d4e5/r-ab12/",
        ),
        (["explain", "x", "--organization-path", f"12={PROD}"], "is no organization path"),
        (["explain", "x", "--account", "prod"], "'prod' is no account id"),
        (["explain", "x", "--region", "Ireland"], "'Ireland' is no region"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], said: str) -> None:
    """Exit status 2, and nothing on standard output."""
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
