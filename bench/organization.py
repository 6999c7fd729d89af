"""An organization's backfill, simulated: 1,000 accounts x 10 regions x 50 functions, by the code that is deployed.

The accounts are swept by processes that stand for Lambda's environments, against a stub that is as far away as AWS's
regions are. On a machine with few processors they wait for these, too. So an account's time is put together from what
is measured without that: its process's processor time, and the time in which it had a call under way, by the stub's
clock. How long all take, so many at a time, follows by list scheduling; one run with few at a time is held to that.
"""

from __future__ import annotations

import ssl
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import mean, median
from typing import TYPE_CHECKING, Any, Final

from botocore.httpsession import where

from bench import prices
from bench.figures import Bound, Figure
from bench.organization_stub import NEW_CONNECTION_ROUND_TRIPS, ROUND_TRIPS, OrganizationStub, Settings
from bench.organization_sweeping import MEMORY_MB, Plan, work
from bench.scheduling import makespan
from bench.transitions import STARTING_A_CHILD, entered
from infra.state_machine import organization_definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.organization_stub import Seen
    from bench.organization_sweeping import Answered
    from infra.state_machine import Json

_ACCOUNTS: Final = 1_000
_MANY_ACCOUNTS: Final = 10_000
_AT_ONCE: Final = (10, 20, 40, 100)
_DEFAULT_AT_ONCE: Final = 40
# As many as wait long enough, all together, for the processors to be busy.
_PROCESSES: Final = 60
_FEW_PROCESSES: Final = 4
_REGIONS: Final = tuple(ROUND_TRIPS)
_CALM: Final = Settings(accounts=_ACCOUNTS)
_TROUBLED: Final = Settings(
    accounts=100, unreachable=20, forbidden=("ap-northeast-1", "ap-southeast-1", "ap-southeast-2")
)
_FEW: Final = Settings(accounts=8)
_NEW: Final = Settings(accounts=4, missing=50)
_AFTER_ONE_ANOTHER: Final = Settings(accounts=400, distant=False)
_WARM: Final = 100
"""Accounts after which an environment has all that it keeps for good."""
_STATE_BYTES: Final = 256 * 1_024
"""The most that a state may be given or give (Step Functions quotas)."""
# Not measured here: what Step Functions takes for a child workflow besides the function, and an environment to start.
_AROUND_SECONDS: Final = 0.3
_START_SECONDS: Final = 1.0
# At the level ALL without data: of an execution its start and end; of a state that it is entered and left, and of a
# task three events more. A record is about so long.
_EVENTS_OF_AN_EXECUTION: Final = 2
_EVENTS: Final = {"Task": 5}
_EVENTS_OF_A_STATE: Final = 2
_EVENT_BYTES: Final = 450
# The list of accounts, the manifest and the files that it names.
_PUTS: Final = 5
_CHANGES_A_DAY: Final = 20


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of the machine.

    Attributes:
        settings: What the organization was like.
        listing: What came of listing the targets.
        accounts: What came of each account, in the order of the list.
        seen: What the stub has seen.
    """

    settings: Settings
    listing: Answered
    accounts: Sequence[Answered]
    seen: Seen

    @property
    def wall(self) -> float:
        """Seconds from the beginning of the first account to the end of the last."""
        return max(each.ended for each in self.accounts) - min(each.began for each in self.accounts)

    def waited(self, account: Answered) -> float:
        """Return how long an account had a call under way."""
        return self.seen.waited[account.answer["account"]]

    def seconds(self, *, tls: float = 0.0) -> list[float]:
        """Return how long each account would have taken on a processor of its own.

        Args:
            tls: Processor time that a connection takes which is encrypted, as these are not.
        """
        each = tls * self.seen.connections / len(self.accounts)
        return [account.processor + self.waited(account) + each for account in self.accounts]


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What has been measured.

    Attributes:
        calm: The organization in which all goes well; in each region of an account one function in 50 has no group yet.
        troubled: That in which 5 % of the accounts give their role to nobody, and three regions are forbidden.
        few: One with few accounts, and few at a time.
        new: One in which no function has a group yet.
        growth: Bytes of peak memory that each account more adds to a process that has swept 100.
        tls: Processor time that an encrypted connection takes, in seconds.
    """

    calm: Run
    troubled: Run
    few: Run
    new: Run
    growth: float
    tls: float


def simulated() -> Simulated:
    """Measure all."""
    with ThreadPoolExecutor(4) as threads:
        few = threads.submit(_run, _FEW, _FEW_PROCESSES)
        new = threads.submit(_run, _NEW, _FEW_PROCESSES)
        growth = threads.submit(_growth)
        tls = _tls()
        beside = few.result(), new.result(), growth.result()
    troubled = _run(_TROUBLED, _PROCESSES)
    return Simulated(
        calm=_run(_CALM, _PROCESSES), troubled=troubled, few=beside[0], new=beside[1], growth=beside[2], tls=tls
    )


def figures(found: Simulated) -> list[Figure]:
    """Return what was measured beside its limits."""
    calm, troubled = found.calm, found.troubled
    places = len(calm.accounts) * len(_REGIONS)
    rows = [
        Figure(
            # The step that lists the accounts tries the role of one.
            what="organization: AssumeRole of an account in a run",
            measured=max(calm.seen.assumed.values()),
            limit=2,
        ),
        Figure(
            what="organization: AWS calls about a place that lacks one group",
            measured=sum(calm.seen.signed.values()) / places,
            # Functions, tags, groups and quota; the tags of the function and its group; the depth of a queue.
            limit=7,
            shape="{:.2f}",
        ),
        Figure(
            what="organization: connections of an environment",
            measured=calm.seen.connections / _PROCESSES,
            # One to STS and five in each region; creations may take some more.
            limit=1.5 * (1 + 5 * len(_REGIONS)),
        ),
        Figure(
            what="organization: state transitions of an account",
            measured=mean(_transitions(each) for each in calm.accounts),
            limit=4,
            shape="{:.1f}",
        ),
        Figure(
            what="organization: longest answer about an account (KB)",
            measured=max(each.answer_bytes for run in (calm, troubled, found.new) for each in run.accounts) / 1e3,
            limit=_STATE_BYTES / 1e3,
        ),
        Figure(
            what="organization: peak memory of a task (MB)",
            measured=max(each.peak for each in calm.accounts) / 1e6,
            limit=128,
        ),
        # Of credentials, as many as are kept; a session of botocore alone would be 150,000.
        Figure(
            what="organization: memory of an account more (bytes)", measured=found.growth, limit=20_480, shape="{:,.0f}"
        ),
        Figure(
            what="organization: a run with 4 at a time, as a ratio to the model",
            measured=found.few.wall / makespan(found.few.seconds(), at_once=_FEW_PROCESSES),
            # What else the machine does is on the one side of it only.
            limit=1.25,
            shape="{:.2f}",
        ),
    ]
    for name, run in (("organization", calm), ("… 5 % unreachable, 3 regions forbidden", troubled)):
        rows += [
            Figure(
                what=f"{name}: places with a run", measured=_places(run), limit=_expected(run), bound=Bound.AT_LEAST
            ),
            Figure(what=f"{name}: failures, and what does not add up", measured=len(_wrong(run)), limit=0),
        ]
    return rows


def remarks(found: Simulated) -> list[str]:
    """Return all that was seen, and what it comes to on paper, in lines."""
    return [*_measured(found), *_walls(found), *_troubles(found.troubled), *_paper(found)]


def _measured(found: Simulated) -> Iterator[str]:
    calm = found.calm
    far, near = max(ROUND_TRIPS.values()), min(ROUND_TRIPS.values())
    yield (
        f"An organization of {_ACCOUNTS:,} accounts x {len(_REGIONS)} regions x {_CALM.functions} functions, one of"
        f" which has no group yet. A service takes 60 to 120 ms for an answer, STS 50 ms, Organizations 100 ms; the way"
        f" there and back {near * 1000:.0f} to {far * 1000:.0f} ms by region, and {NEW_CONNECTION_ROUND_TRIPS} times"
        " more for a new connection:"
    )
    seconds = calm.seconds(tls=found.tls)
    processor, waited = mean(each.processor for each in calm.accounts), mean(map(calm.waited, calm.accounts))
    connections = calm.seen.connections / len(calm.accounts)
    yield (
        f"  an account takes {mean(seconds):.1f} s = {waited:.1f} s of waiting for AWS + {processor:.2f} s of processor"
        f" time + {connections:.1f} new connections x {found.tls * 1000:.0f} ms for TLS; the median is"
        f" {median(seconds):.1f} s, the longest {max(seconds):.1f} s"
    )
    yield "  calls: " + ", ".join(f"{count:,} {name}" for name, count in sorted(calm.seen.calls.items()))
    yield (
        f"  log: {mean(each.log_bytes for each in calm.accounts) / 1e3:,.0f} KB of an account,"
        f" {mean(each.log_bytes for each in calm.accounts) / len(_REGIONS) / 1e3:.1f} KB of a place; longest answer"
        f" {max(each.answer_bytes for each in calm.accounts) / 1e3:.1f} KB"
    )
    new = mean(found.new.seconds(tls=found.tls))
    yield (
        f"  the first time, with {_NEW.functions} groups to create in each place: {new:.1f} s for an account, in an"
        f" environment that is new; longest answer {max(e.answer_bytes for e in found.new.accounts) / 1e3:.1f} KB"
    )


def _walls(found: Simulated) -> Iterator[str]:
    calm, few = found.calm, found.few
    listing = calm.listing.ended - calm.listing.began
    main, child = _workflows()
    of_main = len(entered(main, lambda: calm.listing.answer))
    transitions = of_main + sum(_transitions(each) for each in calm.accounts)
    yield (
        f"  state transitions: {transitions:,} = {of_main} + {len(calm.accounts):,} x ({STARTING_A_CHILD} to start a"
        f" child + {len(entered(child, lambda: calm.accounts[0].answer))} states of it)"
    )
    yield (
        f"  wall time: {listing:.1f} s to list the accounts, then by list scheduling, with {_AROUND_SECONDS} s around"
        f" each account and {_START_SECONDS:.0f} s for a new environment (both assumed):"
    )
    for at_once in _AT_ONCE:
        default = " (the default)" if at_once == _DEFAULT_AT_ONCE else ""
        yield f"    {at_once:3} at a time: {_clock(_wall(found, calm.seconds(tls=found.tls), at_once))}{default}"
    yield (
        f"  the model held to real runs: {len(few.accounts)} accounts, {_FEW_PROCESSES} at a time, took {few.wall:.1f}"
        f" s, and {makespan(few.seconds(), at_once=_FEW_PROCESSES):.1f} s by the model; all, {_PROCESSES} at a time,"
        f" {calm.wall:.1f} s on this machine, and {makespan(calm.seconds(), at_once=_PROCESSES):.1f} s where each has a"
        " processor"
    )


def _troubles(run: Run) -> Iterator[str]:
    counts = _reasons(run)
    yield (
        f"With 5 % of {run.settings.accounts} accounts unreachable and {len(run.settings.forbidden)} regions forbidden:"
        f" {_places(run):,} of {_expected(run):,} places have a run; {len(_wrong(run))} things are wrong; "
        + ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))
    )


def _paper(found: Simulated) -> Iterator[str]:
    calm, new = found.calm, found.new
    for accounts in (_ACCOUNTS, _MANY_ACCOUNTS):
        use = _use(found, calm, accounts)
        items = use.items(prices.US_EAST_1)
        yield f"On paper, a backfill of {accounts:,} accounts, at the prices of us-east-1 and without any free tier:"
        yield from (f"  ${cost:8.2f}  {arithmetic}" for arithmetic, cost in items.items())
        total = sum(items.values())
        yield f"  ${total:8.2f}  a run; ${total * 30:,.2f} a month of 30 runs"
        first = sum(_use(found, new, accounts).items(prices.US_EAST_1).values())
        yield f"  ${first:8.2f}  the first run, which creates all groups"
        events = accounts * _CHANGES_A_DAY * prices.US_EAST_1.event
        yield (
            f"  ${events:8.2f}  a day for events: {accounts:,} x {_CHANGES_A_DAY} changes of functions x"
            f" ${prices.US_EAST_1.event * 1e6:.2f} a million that go to the hub's bus"
        )
    factor = _MANY_ACCOUNTS // _ACCOUNTS
    yield f"{_MANY_ACCOUNTS:,} accounts take, with the same durations {factor} times over:"
    seconds = calm.seconds(tls=found.tls) * factor
    for at_once in (*_AT_ONCE, 400):
        yield f"    {at_once:3} at a time: {_clock(_wall(found, seconds, at_once, factor=factor))}"


def _run(settings: Settings, at_once: int) -> Run:
    with OrganizationStub(settings) as stub:
        units = tuple(settings.units())
        asked = _payload(_workflows()[0]["States"]["List targets"], {"accounts": None, "regions": None})
        plan = Plan(payloads=[asked], at_once=1, ous=units, regions=_REGIONS)
        (listing,) = work(plan, endpoint=stub.endpoint)
        sweep = _workflows()[1]["States"]["Sweep"]
        fixed = {"dry_run": False, "cursor": None, "time_budget_seconds": None}
        payloads = [_payload(sweep, {**target, **fixed}) for target in stub.targets()]
        plan = Plan(payloads=payloads, at_once=at_once, ous=units, regions=_REGIONS)
        accounts = work(plan, endpoint=stub.endpoint)
        return Run(settings=settings, listing=listing, accounts=accounts, seen=stub.seen())


def _growth() -> float:
    """Return how many bytes of memory each account more adds to a process that sweeps one after the other."""
    settings = _AFTER_ONE_ANOTHER
    regions = _REGIONS[:1]
    with OrganizationStub(settings) as stub:
        payloads = [{"action": "backfill", "account": account, "regions": list(regions)} for account in settings.ids()]
        plan = Plan(payloads=payloads, at_once=1, ous=tuple(settings.units()), regions=regions)
        swept = work(plan, endpoint=stub.endpoint)
    return (swept[-1].peak - swept[_WARM - 1].peak) / (len(swept) - _WARM)


def _tls() -> float:
    """Return the processor time of what botocore does for each encrypted connection: it loads what is trusted."""
    measured = []
    for _ in range(5):
        began = time.process_time()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(where())
        measured.append(time.process_time() - began)
    return median(measured)


def _workflows() -> tuple[Json, Json]:
    """Return the machine's workflow, and that of its children."""
    definition = organization_definition(
        partition="aws",
        function_arn="arn:of:function",
        bucket="reports",
        max_concurrent_accounts=_DEFAULT_AT_ONCE,
        tolerated_failure_percentage=5,
    )
    return definition, definition["States"]["Every account"]["ItemProcessor"]


def _payload(task: Json, values: Json) -> Json:
    """Return what a task asks the function, by its definition, with the values that its document would give."""
    asked = task["Parameters"]["Payload"]
    return {
        key.removesuffix(".$"): values[key.removesuffix(".$")] if key.endswith(".$") else value
        for key, value in asked.items()
    }


def _states(account: Answered) -> list[Json]:
    """Return the states that an account's child workflow has entered."""
    answers: Iterator[Json] = iter(
        [{"complete": False}] * (account.invocations - 1) + [{"complete": account.answer["complete"]}]
    )
    return entered(_workflows()[1], lambda: next(answers))


def _transitions(account: Answered) -> int:
    return STARTING_A_CHILD + len(_states(account))


def _machine_log_bytes(account: Answered) -> int:
    events = sum(_EVENTS.get(state["Type"], _EVENTS_OF_A_STATE) for state in _states(account))
    return (_EVENTS_OF_AN_EXECUTION + events) * _EVENT_BYTES


def _use(found: Simulated, run: Run, accounts: int) -> prices.Backfill:
    def average(of: Callable[[Answered], float]) -> float:
        return mean(map(of, run.accounts))

    return prices.Backfill(
        accounts=accounts,
        seconds=mean(run.seconds(tls=found.tls)),
        memory_mb=MEMORY_MB,
        invocations=average(lambda each: each.invocations),
        transitions=average(_transitions),
        log_bytes=average(lambda each: each.log_bytes),
        machine_log_bytes=average(_machine_log_bytes),
        puts=_PUTS,
    )


def _wall(found: Simulated, seconds: Sequence[float], at_once: int, *, factor: int = 1) -> float:
    listing = found.calm.listing.ended - found.calm.listing.began
    durations = [each + _AROUND_SECONDS for each in seconds]
    return factor * listing + _START_SECONDS + makespan(durations, at_once=at_once)


def _clock(seconds: float) -> str:
    return f"{seconds / 60:6.1f} min"


def _expected(run: Run) -> int:
    return run.settings.accounts * len(_REGIONS)


def _places(run: Run) -> int:
    """Return how many places have a run."""
    found = {(each["account"], each["region"]) for account in run.accounts for each in account.answer.get("runs", ())}
    return len(found)


def _reasons(run: Run) -> Counter[str]:
    """Return how many outcomes there were of each kind, over all places."""
    found: Counter[str] = Counter()
    for account in run.accounts:
        for each in account.answer.get("runs", ()):
            # What is skipped here is so for a reason that is told; `exists` is counted, and not listed.
            reasons = [outcome["reason"] for outcome in each["outcomes"] if outcome["action"] == "skipped"]
            found.update(each["counts"])
            found.update(f"skipped: {reason}" for reason in reasons)
    return found


def _wrong(run: Run) -> list[str]:
    """Return what is not as it should be in a run that ends green, in words."""
    settings = run.settings
    wrong = [f"raised: {each.raised}" for each in run.accounts if each.raised]
    for account in run.accounts:
        wrong += [line for each in account.answer.get("runs", ()) for line in _wrong_in_place(settings, each)]
    reachable = [account for account in settings.ids() if settings.gives_its_role(account)]
    if set(run.seen.signed) != set(reachable):
        wrong.append("some accounts were not called, or called though they gave their role to nobody")
    elif len(set(run.seen.signed.values())) > 1:
        # A call that was signed as another account would be one too few here, and one too many there.
        wrong.append("accounts that are alike were not called alike")
    if run.seen.strange:
        wrong.append(f"{run.seen.strange} strange calls")
    return wrong


def _wrong_in_place(settings: Settings, place: dict[str, Any]) -> Iterator[str]:
    where_ = f"{place['account']} {place['region']}"
    reason = None
    if not settings.gives_its_role(place["account"]):
        reason = "account_unreachable"
    elif place["region"] in settings.forbidden:
        reason = "region_unsupported"
    expected = (
        {"skipped": 1} if reason else {"created": settings.missing, "exists": settings.functions - settings.missing}
    )
    if not place["complete"]:
        yield f"{where_}: not complete"
    if place["counts"] != expected or place["totals"]["counts"] != expected:
        yield f"{where_}: {place['counts']} instead of {expected}"
    if reason and [outcome["reason"] for outcome in place["outcomes"]] != [reason]:
        yield f"{where_}: {place['outcomes']} instead of {reason}"
