"""The arithmetic of an organization's backfill, and the documents that show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.organization_cost import DAILY, FIRST, BackfillCost, entered_states
from infra.state_machine import organization_definition

DOCS = Path(__file__).resolve().parents[2] / "docs"
SIZES = (1_000, 10_000)
COST = {accounts: BackfillCost(accounts=accounts, account=DAILY) for accounts in SIZES}
FIRST_COST = {accounts: BackfillCost(accounts=accounts, account=FIRST) for accounts in SIZES}
MACHINE = organization_definition(
    partition="aws", function_arn="arn", bucket="reports", max_concurrent_accounts=40, tolerated_failure_percentage=5
)


def cells(document: str, heading: str) -> dict[str, list[str]]:
    """Return the cells of the table with this first heading, by the first cell of the row."""
    text = (DOCS / document).read_text()
    rows = text.split(f"\n| {heading} |")[1].split("\n\n")[0].splitlines()[2:]
    split = [[cell.strip().strip("*") for cell in row.strip("|").split("|")] for row in rows]
    return {first: rest for first, *rest in split}


def test_an_execution_enters_each_state_once() -> None:
    """Without an error, and in one part for each account."""
    main = entered_states(MACHINE)
    assert main == ["Prepare", "Fill in", "Count", "Understood?", "List targets", "Any?", "Every account"]
    assert entered_states(MACHINE["States"][main[-1]]["ItemProcessor"]) == ["Sweep", "Complete?", "Done"]


def test_the_cost_is_the_sum_of_its_parts() -> None:
    """Compared with sums done by hand."""
    cost = COST[1_000]
    assert cost.transitions == 7 + 1_000 * 4
    assert cost.lambda_dollars == pytest.approx(1_000 * (12.4 * 1_769 / 1_024 * 0.0000133334 + 0.0000002))
    assert cost.logs_dollars == pytest.approx(0.416 * 0.50)
    assert cost.dollars == pytest.approx(0.286 + 0.100 + 0.208, abs=0.001)


def test_the_cost_document_shows_the_calculation() -> None:
    """Every figure of its table."""
    shown = cells("cost.md", "10 regions each, 50 functions in each region")
    assert [row[:2] for row in shown.values()] == [
        [f"{cost.transitions:,}" for cost in COST.values()],
        [f"{cost.assume_role_calls:,}" for cost in COST.values()],
        [f"{cost.calls:,}" for cost in COST.values()],
        [f"${cost.lambda_dollars:.2f}" for cost in COST.values()],
        [f"${cost.step_functions_dollars:.2f}" for cost in COST.values()],
        [f"${cost.logs_dollars:.2f}" for cost in COST.values()],
        [f"${cost.dollars:.2f}" for cost in COST.values()],
        [f"${30 * cost.dollars:,.0f}" for cost in COST.values()],
        [f"${cost.dollars:.2f}" for cost in FIRST_COST.values()],
        [f"${cost.events_dollars:.2f} a day" for cost in COST.values()],
    ]


def test_the_organization_document_shows_the_duration() -> None:
    """By the number of accounts at a time."""
    shown = cells("organization.md", "accounts at a time")
    assert shown == {
        f"{accounts:,} accounts": [f"{cost.minutes(many):.0f} min" for many in (10, 20, 40, 100)]
        for accounts, cost in COST.items()
    }
