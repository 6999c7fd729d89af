"""How long a schedule may keep silent: what the alarms must wait for.

Sources: EventBridge Scheduler's user guide, "Schedule types", for the expressions; `settings` has checked them.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

_DAY: Final = 24
_WEEK: Final = 7
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def longest_gap_hours(expression: str) -> int | None:
    """Return how many hours there are at most between two times of a schedule, a day at least for a `cron`.

    None where that is not told by the days of the week alone, as for certain days of a month.

    Args:
        expression: A rate in hours or days, or a `cron` of six fields.
    """
    if rate := re.fullmatch(r"rate\((\d+) (hour|day)s?\)", expression):
        return int(rate[1]) * (_DAY if rate[2] == "day" else 1)
    _, _, day_of_month, month, day_of_week, year = expression.removeprefix("cron(").removesuffix(")").split()
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
