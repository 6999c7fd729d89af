"""How long a schedule may keep silent: what the alarms, and `profiling-groups doctor`, must wait for.

Sources: EventBridge Scheduler's user guide, "Schedule types", for the expressions; `settings` has checked them.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from itertools import pairwise
from typing import Final

SILENT_PERIODS: Final = 2
"""After so many of a schedule's periods without a sweep something is wrong."""

_HOUR: Final = timedelta(hours=1)
_DAY: Final = 24
_WEEK: Final = 7
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def longest_gap_hours(expression: str) -> int | None:
    """Return how many hours there are at most between two times of a schedule; an hour at least, a day for a `cron`.

    None where that is not told by the days of the week alone, as for certain days of a month, or there is but one time.

    Args:
        expression: As EventBridge Scheduler has it.
    """
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return math.ceil(timedelta(**{f"{rate[2]}s": int(rate[1])}) / _HOUR)
    cron = re.fullmatch(r"cron\(\S+ \S+ (\S+) (\S+) (\S+) (\S+)\)", expression)
    if cron is None:
        return None
    day_of_month, month, day_of_week, year = cron.groups()
    if month != "*" or year != "*" or day_of_month not in {"*", "?"}:
        return None
    days = _days_of_week(day_of_week)
    if days is None:
        return None
    return _DAY * max(later - earlier for earlier, later in pairwise([*days, days[0] + _WEEK]))


def _days_of_week(field: str) -> list[int] | None:
    """Return the days, 0 for Sunday, in order; None for what is more than names, numbers, lists and ranges of them."""
    if field in {"*", "?"}:
        return list(range(_WEEK))
    found: set[int] = set()
    for part in field.split(","):
        first, _, last = part.partition("-")
        begin, end = _day(first), _day(last or first)
        if begin is None or end is None:
            return None
        found |= {day % _WEEK for day in range(begin, end + 1 if end >= begin else end + 1 + _WEEK)}
    return sorted(found)


def _day(text: str) -> int | None:
    if text in _DAYS:
        return _DAYS.index(text)
    return int(text) - 1 if re.fullmatch("[1-7]", text) else None
