"""The sweep in this process, with the operator's own credentials and policy file: nothing need be deployed."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.session import get_session

from ops import output
from ops.connection import connect, place, reachable
from ops.interrupts import Interrupts
from ops.live import HowFar, Live
from ops.problems import CannotWorkError
from ops.whereabouts import governing
from profiling_groups import aws, requests
from profiling_groups.cursors import StaleCursorError
from profiling_groups.inventory import InventoryError, RegionUnsupportedError
from profiling_groups.reconcile import reconcile
from profiling_groups.runs import named
from profiling_groups.sweep import provision, sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.whereabouts import Whereabouts
    from profiling_groups.outcomes import Action, Outcome
    from profiling_groups.policy import Policy
    from profiling_groups.runs import Tally


@dataclass(frozen=True, kw_only=True)
class LocalRun:
    """What came of it.

    Attributes:
        run: The run, as JSON values.
        interrupted: Whether it ended by Ctrl-C, before all was done.
    """

    run: dict[str, Any]
    interrupted: bool


class Onlooker:
    """The watcher of a run: shows how far it is, and tells what is out of order.

    Args:
        live: Shows it.
        begun: Called once all is listed.
    """

    def __init__(self, live: Live, begun: Callable[[], object]) -> None:
        self._live = live
        self._begun = begun
        self._functions = 0
        self._counts: Counter[Action] = Counter()

    def warning(self, text: str) -> None:
        """Tell it."""
        output.warn(text)

    def inventoried(self, *, functions: int, before: Tally, sweep: str) -> None:  # noqa: ARG002 - a watcher's arguments
        """Begin to count."""
        self._functions = functions
        self._counts = Counter(before.counts)
        self._begun()

    def outcome(self, outcome: Outcome) -> None:
        """Count it."""
        self._counts[outcome.action] += 1
        done = self._counts.total()
        self._live.show(HowFar(functions=self._functions, done=done, counts=named(self._counts)))


def run(payload: dict[str, Any], policy: Policy, accounts: Whereabouts) -> LocalRun:
    """Do what a payload of the deployed function asks for.

    Args:
        payload: An `action`, and what belongs to it (`profiling_groups.requests`).
        policy: What the functions should have: the policy of all places.
        accounts: Tells where the account is, if the policy asks.

    Raises:
        CannotWorkError: AWS cannot be asked, a function's name is none, the cursor will not do, or the policy does not
            govern the account and region.
        KeyboardInterrupt: It was interrupted before anything was written.
    """
    began = time.monotonic()
    what = "Looking" if payload["dry_run"] else "Working"
    with reachable(), Live("Listing") as live:
        session = connect()
        here = place(session)
        policy = governing(policy, here, accounts)
        clients = aws.sweep_clients(here.region, session=get_session())
        try:
            request = requests.read(payload, place=here)
            with Interrupts(clients, live) as interrupts:

                def begun() -> None:
                    live.describe(what)
                    interrupts.writing()

                watcher, now = Onlooker(live, begun), datetime.now(UTC)
                match request:
                    case requests.Provision():
                        done = provision(
                            request,
                            place=here,
                            reconcile=partial(
                                reconcile,
                                clients=lambda _: clients,
                                policy=policy,
                                dry_run=request.dry_run,
                            ),
                            stop=lambda: interrupts.stopping,
                            watcher=watcher,
                        )
                    case requests.BackfillAccount() | requests.Targets():
                        raise NotImplementedError  # they are understood in an organization only
                    case requests.Backfill(time_budget_seconds=budget):
                        until = float("inf") if budget is None else began + budget
                        done = sweep(
                            request,
                            place=here,
                            clients=clients,
                            policy=policy,
                            now=now,
                            stop=lambda: interrupts.stopping or time.monotonic() >= until,
                            watcher=watcher,
                        )
                return LocalRun(run=done.to_response(), interrupted=interrupts.stopping and not done.complete)
        except (requests.InvalidRequestError, StaleCursorError) as error:
            raise CannotWorkError(str(error)) from error
        except (InventoryError, RegionUnsupportedError) as error:
            raise CannotWorkError(f"the functions cannot be listed: {error}") from error
