"""The time and cost of an organization's backfill, calculated from one account; ``docs/cost.md`` shows the result.

The account's figures were measured with the deployed code against a stub with the latencies of ten regions. Prices are
list prices of us-east-1 in 2025, without any free tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.state_machine import organization_definition

if TYPE_CHECKING:
    from rich.console import Console

    from bench.benchmark_result import BenchmarkResult
    from infra.state_machine import Json

_GB_SECOND: Final = 0.0000133334
_REQUEST: Final = 0.20 / 1e6
_TRANSITION: Final = 0.025 / 1_000
_LOG_GB: Final = 0.50
_EVENT: Final = 1.00 / 1e6

_MEMORY_GB: Final = 1_769 / 1_024
_CHANGES_A_DAY: Final = 20
_CHILD_WORKFLOW_TRANSITIONS: Final = 1
"""A distributed map is charged one transition for each child workflow (Step Functions developer guide)."""
# Assumed: Step Functions' time for a child workflow, and the first cold start.
_CHILD_WORKFLOW_SECONDS: Final = 0.3
_COLD_START_SECONDS: Final = 1.0
# Organizations lists 20 accounts a call, in 0.1 s.
_LIST_SECONDS: Final = 0.1 / 20


@dataclass(frozen=True, kw_only=True)
class AccountMeasurement:
    """A backfill of one account: one item of the state machine's map.

    Attributes:
        regions: Number of regions, each with 50 functions.
        seconds: Duration of its invocation.
        log_bytes: Bytes that the function and the state machine log.
        region_calls: AWS calls in each region.
        assume_role_calls: AssumeRole calls.
    """

    regions: int = 10
    seconds: float
    log_bytes: int = 416_000
    region_calls: int = 7
    assume_role_calls: int = 1


# 11.4 s of waiting for AWS, 0.85 s of processor time, and TLS handshakes. 411 KB of the log are the function's.
DAILY: Final = AccountMeasurement(seconds=12.4)
"""One function in each region has no group yet."""
FIRST: Final = AccountMeasurement(seconds=50.0, region_calls=105)
"""No function has a group yet."""


@dataclass(frozen=True, kw_only=True)
class BackfillCost:
    """A backfill of an organization.

    Attributes:
        accounts: Number of accounts.
        account: The measurement of one.
    """

    accounts: int
    account: AccountMeasurement

    @property
    def transitions(self) -> int:
        """State transitions of the execution and its child workflows."""
        machine = organization_definition(
            partition="aws", function_arn="", bucket="", max_concurrent_accounts=1, tolerated_failure_percentage=0
        )
        states = entered_states(machine)
        child = _CHILD_WORKFLOW_TRANSITIONS + len(entered_states(machine["States"][states[-1]]["ItemProcessor"]))
        return len(states) + self.accounts * child

    @property
    def assume_role_calls(self) -> int:
        """AssumeRole calls; an account's role is assumed once for all regions."""
        return self.accounts * self.account.assume_role_calls

    @property
    def calls(self) -> int:
        """AWS calls in the accounts."""
        return self.accounts * self.account.regions * self.account.region_calls

    @property
    def lambda_dollars(self) -> float:
        """Duration and requests of the function."""
        return self.accounts * (self.account.seconds * _MEMORY_GB * _GB_SECOND + _REQUEST)

    @property
    def step_functions_dollars(self) -> float:
        """State transitions."""
        return self.transitions * _TRANSITION

    @property
    def logs_dollars(self) -> float:
        """Ingestion of the logs."""
        return self.accounts * self.account.log_bytes / 1e9 * _LOG_GB

    @property
    def dollars(self) -> float:
        """All of these together."""
        return self.lambda_dollars + self.step_functions_dollars + self.logs_dollars

    @property
    def events_dollars(self) -> float:
        """Events of a day that the members' rules forward to the hub's bus."""
        return self.accounts * _CHANGES_A_DAY * _EVENT

    def minutes(self, max_concurrent_accounts: int) -> float:
        """Return the duration of the execution."""
        waves = self.accounts / max_concurrent_accounts
        listing = self.accounts * _LIST_SECONDS
        return (waves * (self.account.seconds + _CHILD_WORKFLOW_SECONDS) + listing + _COLD_START_SECONDS) / 60


def entered_states(workflow: Json) -> list[str]:
    """Return the states that an execution without an error enters, in order; each is one transition."""
    path: list[str] = []
    states, name = workflow["States"], workflow["StartAt"]
    while name:
        path.append(name)
        state = states[name]
        successors = [choice["Next"] for choice in state.get("Choices", [])] + [state.get("Default"), state.get("Next")]
        # Choices lead back (another part), or to an end without work.
        name = next(
            (
                each
                for each in successors
                if each and each not in path and states[each]["Type"] not in ("Fail", "Succeed")
            ),
            None,
        )
    return path


def measure(console: Console) -> list[BenchmarkResult]:
    """Print the calculation for two sizes of organization."""
    for accounts in (1_000, 10_000):
        daily, first = (BackfillCost(accounts=accounts, account=account) for account in (DAILY, FIRST))
        console.print(
            f"{accounts:,} accounts x {DAILY.regions} regions, calculated: {daily.transitions:,} state transitions,"
            f" {daily.assume_role_calls:,} AssumeRole calls, {daily.calls:,} other calls;"
            f" ${daily.dollars:.2f} = ${daily.lambda_dollars:.2f} Lambda + ${daily.step_functions_dollars:.2f} Step"
            f" Functions + ${daily.logs_dollars:.2f} CloudWatch Logs; ${daily.dollars * 30:,.0f} a month of daily runs;"
            f" the first run ${first.dollars:.2f}; events ${daily.events_dollars:.2f} a day; "
            + ", ".join(f"{daily.minutes(many):.1f} min with {many}" for many in (10, 20, 40, 100))
            + " accounts at a time",
            soft_wrap=True,
        )
    return []
