"""What a backfill of an organization costs on AWS, on paper: what it uses times what that is sold for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_KIB: Final = 1_024
_MILLION: Final = 1e6


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Prices in US dollars, without any free tier.

    Attributes:
        gb_second: Of Lambda on arm64.
        request: Of an invocation.
        transition: Of a state transition of a standard workflow.
        log_gb: Of taking in a GB of logs.
        put: Of writing an object to S3.
        event: Of an event that goes to another account's bus.
    """

    gb_second: float
    request: float
    transition: float
    log_gb: float
    put: float
    event: float


US_EAST_1: Final = Prices(
    gb_second=0.0000133334,
    request=0.20 / _MILLION,
    transition=0.025 / 1_000,
    log_gb=0.50,
    put=0.005 / 1_000,
    event=1.00 / _MILLION,
)
"""Those of us-east-1, as its price list had them in 2025."""


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """What one backfill uses.

    Attributes:
        accounts: How many accounts it sweeps.
        seconds: How long an account's invocations take, together.
        memory_mb: Memory of the function, in MB as Lambda counts them.
        invocations: Invocations for an account.
        transitions: State transitions for an account.
        log_bytes: Bytes that the function logs about an account.
        machine_log_bytes: Bytes that the state machine logs about an account.
        puts: Objects that it writes in all.
    """

    accounts: int
    seconds: float
    memory_mb: int
    invocations: float
    transitions: float
    log_bytes: float
    machine_log_bytes: float
    puts: int

    def items(self, prices: Prices) -> dict[str, float]:
        """Return what each part costs in US dollars, by the arithmetic that leads to it."""
        accounts, gib = self.accounts, self.memory_mb / _KIB
        gigabytes = (self.log_bytes + self.machine_log_bytes) / 1e9
        return {
            f"Lambda: {accounts:,} x {self.seconds:.1f} s x {gib:.2f} GB x ${prices.gb_second:.10f}": (
                accounts * self.seconds * gib * prices.gb_second
            ),
            f"Lambda requests: {accounts:,} x {self.invocations:.1f} x ${prices.request * _MILLION:.2f} a million": (
                accounts * self.invocations * prices.request
            ),
            f"Step Functions: {accounts:,} x {self.transitions:.1f} transitions x ${prices.transition * 1000:.3f} a"
            " thousand": accounts * self.transitions * prices.transition,
            f"CloudWatch Logs: {accounts:,} x ({self.log_bytes / 1e3:,.0f} + {self.machine_log_bytes / 1e3:,.0f}) KB x"
            f" ${prices.log_gb:.2f} a GB": accounts * gigabytes * prices.log_gb,
            f"S3: {self.puts} objects x ${prices.put * 1000:.3f} a thousand": self.puts * prices.put,
        }
