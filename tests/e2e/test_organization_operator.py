"""The operator's commands against a deployed hub: the organization is swept and followed, its coverage told."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from sandbox.client import SandboxProcess
from tests.e2e.deployment import ROOT
from tests.e2e.organization import ABROAD, HOME, MANAGEMENT, Organization, found

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    """The organization, its hub deployed, its members made by the stack set; the management account is none."""
    options = ["--account", MANAGEMENT, "--region", HOME, "--pace", "0.001"]
    with SandboxProcess(options=options) as sandbox:
        yield found(sandbox, tmp_path_factory.mktemp("organization"))


def command(organization: Organization, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `profiling-groups` as an operator of the hub's account."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    hub = {
        "AWS_ACCESS_KEY_ID": f"sandbox{organization.accounts['governance']}",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": HOME,
        "AWS_ENDPOINT_URL": organization.sandbox.endpoint,
    }
    return subprocess.run(
        ["profiling-groups", *words],
        cwd=ROOT,
        env=own | hub,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


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
