"""How near a sweep's creations come to what a server lets through, and what the SDK's own retries make of the same.

All runs go on at the same time, each with a server of its own: they spend their time waiting, and alone each comes to
the same within half a percent.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.account_stub import AccountStub, Settings
from bench.figures import Bound, Figure
from bench.made_up import MadeUp
from bench.sweeping import Sweeping
from bench.throttle import Limit

if TYPE_CHECKING:
    from bench.sweeping import How

_LATENCY: Final = 0.05
_BURST: Final = 5


@dataclass(frozen=True, kw_only=True)
class Course:
    """What is to be done, against what server.

    Attributes:
        name: The server, in words.
        how: Who does it.
        functions: How many functions there are, none of which has its group.
        limit: How many creations the server lets through.
    """

    name: str
    how: How
    functions: int
    limit: Limit


@dataclass(frozen=True, kw_only=True)
class Lap:
    """What came of it.

    Attributes:
        course: What it was.
        share: The least time in which the server lets so many creations through, as a share of the time that they took,
            from the first request to the last answer: not quite 1 for anybody, as that answer takes its time.
        refused: Creations that were turned away, for each group that was to be made.
        lost: Groups that are missing in the end, or were asked for twice.
        calls: Calls for each group that was made, listings and throttled answers apart.
    """

    course: Course
    share: float
    refused: float
    lost: int
    calls: float


_TWENTY: Final = Limit(rate=20, burst=_BURST)
_OURS: Final = (
    Course(name="20 a second, 600 functions", how="sweep", functions=600, limit=_TWENTY),
    Course(name="5 a second, 200 functions", how="sweep", functions=200, limit=Limit(rate=5, burst=_BURST)),
    Course(name="50 a second, 600 functions", how="sweep", functions=600, limit=Limit(rate=50, burst=_BURST)),
    Course(
        name="50 a second, then 5, 400 functions",
        how="sweep",
        functions=400,
        limit=Limit(rate=50, burst=_BURST, later=5, after=200),
    ),
)
_OTHERS: Final = (
    Course(name="the SDK's default retries, 8 threads", how="legacy", functions=600, limit=_TWENTY),
    Course(name="its adaptive ones, 8 threads", how="adaptive", functions=600, limit=_TWENTY),
    Course(name="sent again at once, 8 threads", how="unpaced", functions=600, limit=_TWENTY),
)


def laps() -> list[Lap]:
    """Measure all: ours, then the others, in processes of their own."""
    courses = (*_OURS, *_OTHERS)
    with ThreadPoolExecutor(len(courses)) as threads:
        return list(threads.map(_lap, courses))


def figures(found: list[Lap]) -> list[Figure]:
    """Return what was measured of ours beside its limits."""
    rows: list[Figure] = []
    for lap in found:
        if lap.course.how != "sweep":
            continue
        least = 0.97 if lap.course.limit == _TWENTY else 0.95
        rows.append(
            Figure(
                what=f"sweep: share of a limit of {lap.course.name}",
                measured=lap.share,
                bound=Bound.AT_LEAST,
                limit=least,
                shape="{:.1%}",
            )
        )
        if lap.course.limit == _TWENTY:
            rows.append(Figure(what="sweep: … throttled answers", measured=lap.refused, limit=0.03, shape="{:.1%}"))
        rows.append(Figure(what="sweep: … lost or asked for twice", measured=lap.lost, limit=0))
        rows.append(Figure(what="sweep: … AWS calls to create a group", measured=lap.calls, limit=2, shape="{:.1f}"))
    return rows


def remarks(found: list[Lap]) -> list[str]:
    """Return all that was seen, in lines: what ours took in throttled answers, and how the SDK's own retries fare."""
    heading = (
        f"Creations, each limit a token bucket with a burst of {_BURST}, every answer after {_LATENCY * 1000:.0f} ms:"
    )
    return [heading] + [
        f"  {lap.course.name:36} {lap.share:6.1%} of the limit, {lap.refused:6.1%} throttled answers, {lap.lost} lost"
        for lap in found
    ]


def _lap(course: Course) -> Lap:
    account = MadeUp(functions=course.functions)
    with AccountStub(Settings(account=account, limit=course.limit, latency=_LATENCY)) as stub:
        worked = Sweeping(course.how, endpoint=stub.endpoint, functions=course.functions).worked()
        seen = stub.seen()
    missing = course.functions - seen.created
    if worked.lost != missing:
        raise RuntimeError(f"{missing} groups are missing, and {course.how} says {worked.lost}")
    return Lap(
        course=course,
        share=course.limit.seconds(seen.created) / seen.seconds,
        refused=seen.refused / course.functions,
        lost=missing + seen.repeated,
        calls=(seen.calls["CreateProfilingGroup"] - seen.refused + seen.calls.get("ListTags", 0)) / seen.created,
    )
