"""The operator's commands against a deployed hub: the organization is swept and followed, its coverage told."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from embedded_aws.client import SandboxProcess
from ops.__main__ import commands
from tests.e2e import aws_cli, command_line
from tests.e2e.organization import ABROAD, HOME, MANAGEMENT, ROLE, Organization, found

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    """The organization, its hub deployed, its members made by the stack set; the management account is none."""
    options = ["--account", MANAGEMENT, "--region", HOME, "--pace", "0.001"]
    with SandboxProcess(options=options) as sandbox:
        yield found(sandbox, tmp_path_factory.mktemp("organization"))


def command(organization: Organization, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `profiling-groups` as an operator of the hub's account."""
    hub = organization.accounts["governance"]
    return command_line.run(organization.sandbox.endpoint, *words, account=hub, region=HOME)


def test_the_coverage_of_an_organization_before_and_after(organization: Organization) -> None:
    """By a dry run of the machine; what it found is told again without another, and afterwards nothing is missing."""
    name = f"held-{uuid4().hex[:8]}"
    for account, region in (("shop", HOME), ("shop", ABROAD), ("play", HOME)):
        organization.hold(account, region, name=name)
    before = command(organization, "report", "--organization", "--json")
    found = json.loads(before.stdout)
    assert (before.returncode, organization.groups(name)) == (1, {})
    names = {number: name for name, number in organization.accounts.items()}
    missing = {(names[row["account"]], row["region"]): row["missing"] for row in found["places"] if row["missing"]}
    assert missing == {("shop", HOME): 1, ("shop", ABROAD): 1, ("play", HOME): 1}
    unreached = {names[row["account"]] for row in found["accounts"] if row["covered_percent"] is None}
    assert unreached == {"management"}

    swept = command(organization, "backfill", "--organization")
    assert (swept.returncode, set(organization.groups(name))) == (0, set(missing))
    assert swept.stdout.startswith(f"{organization.id}: 4 accounts in 2 regions")
    assert f"unreachable  {MANAGEMENT}" in swept.stdout

    again = command(organization, "report", "--organization", "--csv", "--execution", found["execution"])
    rows = list(csv.DictReader(io.StringIO(again.stdout)))
    assert (again.returncode, sum(int(row["missing"]) for row in rows if row["scope"] == "place")) == (1, 3)
    after = command(organization, "report", "--organization", "--account", organization.accounts["shop"])
    assert (after.returncode, f"{organization.id}: 100.0 % covered" in after.stdout) == (0, True)


def test_a_function_of_another_account_and_a_part_of_the_organization(organization: Organization) -> None:
    """Through the hub's function, and through its machine; an account that is not governed is named."""
    name = f"held-{uuid4().hex[:8]}"
    for account in ("shop", "play"):
        organization.hold(account, ABROAD, name=name)
    asked = command(organization, "backfill", "--function", organization.arn(name, "shop", ABROAD))
    assert (asked.returncode, set(organization.groups(name))) == (0, {("shop", ABROAD)})
    shop, audit = (organization.accounts[account] for account in ("shop", "audit"))
    swept = command(organization, "backfill", "--organization", "--account", shop, "--account", audit, "--json")
    assert {run["account"] for run in json.loads(swept.stdout)["runs"]} == {shop}
    assert (swept.returncode, f"{audit} is not governed" in swept.stderr) == (1, True)
    assert set(organization.groups(name)) == {("shop", ABROAD)}


def test_a_hub_is_asked_for_its_organization(organization: Organization) -> None:
    """Nobody sweeps all of it by a word too few."""
    done = command(organization, "backfill")
    assert (done.returncode, "say --organization" in done.stderr) == (2, True)


class Doctor:
    """`profiling-groups doctor` in this process, as an operator of one account or another."""

    def __init__(self, organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
        self.organization = organization
        self._monkeypatch = monkeypatch

    def examine(self, account: str) -> dict[str, dict[str, Any]]:
        """Return the findings by their ids."""
        command_line.act_as(
            self._monkeypatch,
            self.organization.sandbox.endpoint,
            account=self.organization.accounts[account],
            region=HOME,
        )
        done = CliRunner().invoke(commands, ["doctor", "--json"])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return {each["id"]: each for each in json.loads(done.stdout)["findings"]}

    def failing(self, account: str) -> list[str]:
        """Return the checks that fail; whose policy file is at hand is no matter here."""
        found = self.examine(account)
        return [check for check, each in found.items() if each["status"] == "fail" and check != "stack-current"]

    def mend(self, account: str) -> None:
        """Carry out what mends what has failed."""
        for check, each in self.examine(account).items():
            if each["status"] == "fail" and check != "stack-current":
                aws_cli.run(each["mend"], client=self.organization.there(account).client, other=list)
        self.organization.sandbox.wait_until_idle()


@pytest.fixture
def doctor(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """The command."""
    return Doctor(organization, monkeypatch)


def disable_rule(organization: Organization) -> None:
    """In a member."""
    organization.there("shop").client("events").disable_rule(Name="ProfilingGroupsMember")


def take_target(organization: Organization) -> None:
    """From a member's rule."""
    events = organization.there("shop").client("events")
    (target,) = events.list_targets_by_rule(Rule="ProfilingGroupsMember")["Targets"]
    events.remove_targets(Rule="ProfilingGroupsMember", Ids=[target["Id"]])


def cut_forwarder(organization: Organization) -> None:
    """Leave the role that forwards a member's events nothing."""
    shop = organization.there("shop")
    (target,) = shop.client("events").list_targets_by_rule(Rule="ProfilingGroupsMember")["Targets"]
    shop.client("iam").delete_role_policy(RoleName=target["RoleArn"].rpartition("/")[2], PolicyName="Forward")


def distrust_hub(organization: Organization) -> None:
    """Let a member's role trust nobody."""
    nobody = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    organization.there("shop").client("iam").update_assume_role_policy(
        RoleName=ROLE, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [nobody]})
    )


def close_bus(organization: Organization) -> None:
    """Let nobody put events on the hub's bus."""
    organization.there("governance").client("events").remove_permission(
        EventBusName="ProfilingGroups", RemoveAllPermissions=True
    )


def outdate(organization: Organization) -> None:
    """Let the stack set fail in an account that joins."""
    organization.sandbox.set_faults(
        {"service": "cloudformation", "operation": "CreateStack", "error": {"code": "LimitExceededException"}}
    )
    organizations = organization.there("management").client("organizations")
    made = organizations.create_account(AccountName="late", Email="late@example.com")["CreateAccountStatus"]
    organizations.move_account(
        AccountId=made["AccountId"],
        SourceParentId=organization.units["root"],
        DestinationParentId=organization.units["playground"],
    )
    organization.sandbox.clear_faults()


@pytest.mark.parametrize(
    ("account", "check", "breaks"),
    [
        ("shop", "member-rule", disable_rule),
        ("shop", "member-target", take_target),
        ("shop", "member-forwarder", cut_forwarder),
        ("shop", "member-role", distrust_hub),
        ("governance", "bus-policy", close_bus),
        ("governance", "stack-set", outdate),
    ],
)
def test_doctor_finds_what_is_broken_in_hub_and_members_and_what_mends_it(
    doctor: Doctor, account: str, check: str, breaks: Callable[[Organization], None]
) -> None:
    """Exactly that check fails; once mended, none does."""
    breaks(doctor.organization)
    assert doctor.failing(account) == [check]
    doctor.mend(account)
    assert doctor.failing(account) == []


def test_doctor_says_what_a_member_sees_and_what_a_hub(doctor: Doctor) -> None:
    """What the organization's trail records, a member cannot tell; who is out of reach, the hub can."""
    member = doctor.examine("shop")
    assert {check for check in member if check.startswith("member-")} == {
        *("member-stack", "member-rule", "member-target", "member-forwarder", "member-role", "member-dead-letters")
    }
    assert not {"rule", "stack-set", "quota"} & member.keys()
    assert (member["trail"]["status"], MANAGEMENT in member["trail"]["mend"]) == ("warn", True)
    hub = doctor.examine("governance")
    assert {"bus-policy", "stack-set", "accounts", "member-rule"} <= hub.keys()
    assert (hub["accounts"]["status"], MANAGEMENT in hub["accounts"]["detail"]) == ("warn", True)
    assert hub["quota"]["detail"].startswith("most in ")
    assert doctor.examine("management")["trail"]["status"] == "pass"


def test_doctor_finds_what_a_member_could_not_forward(doctor: Doctor) -> None:
    """Once the bus is open again, a sweep does it, and the letters can go."""
    close_bus(doctor.organization)
    name = doctor.organization.create("shop")
    doctor.mend("governance")
    found = doctor.examine("shop")["member-dead-letters"]
    assert (found["status"], "no_permissions (rule)" in found["detail"]) == ("fail", True)
    sweep, purge = found["mend"].partition(": ")[2].split("; then here: ")
    done = command(doctor.organization, *sweep.split()[1:])
    aws_cli.run(purge, client=doctor.organization.there("shop").client, other=list)
    assert (done.returncode, set(doctor.organization.groups(name))) == (0, {("shop", HOME)})
    assert doctor.failing("shop") == []
