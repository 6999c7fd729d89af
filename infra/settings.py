"""Settings of a deployment: the keys of the cdk context (`cdk.json`, `-c key=value`), checked before anything is built.

`app.py` reads them. A key that is not known, or a value that will not do, fails synth and is named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

from profiling_groups.decision import PROFILER_REGIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

# What CloudWatch Logs takes (API reference, PutRetentionPolicy).
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3653)
# What EventBridge Scheduler takes (its user guide, "Schedule types"): singular for 1, plural otherwise; and one of the
# two days is a question mark.
_RATE = re.compile(r"rate\((1 (hour|day)|(?!1 )[1-9]\d* (hours|days))\)")
_FIELD = r"[\dA-Z*,/#-]+"
_CRON = re.compile(rf"cron\({_FIELD} {_FIELD} (\? {_FIELD} {_FIELD}|{_FIELD} {_FIELD} \?) {_FIELD}\)")


class SettingsError(ValueError):
    """A key of the cdk context is wrong; the message names it and says what is allowed."""


def _profiler_region(region: str) -> str:
    if region not in PROFILER_REGIONS:
        allowed = ", ".join(sorted(PROFILER_REGIONS))
        raise ValueError(f"CodeGuru Profiler is not offered in {region!r}, only in {allowed}")
    return region


def _retention(days: int) -> int:
    if days not in LOG_RETENTION_DAYS:
        raise ValueError(f"CloudWatch Logs keeps records for one of {', '.join(map(str, LOG_RETENTION_DAYS))} days")
    return days


def _schedule(expression: str) -> str:
    if _RATE.fullmatch(expression) or _CRON.fullmatch(expression):
        return expression
    raise ValueError(
        "EventBridge Scheduler takes a rate in hours or days, as rate(1 day) or rate(6 hours), or six fields of which "
        "the day of the month or that of the week is a ?, as cron(0 4 * * ? *)"
    )


# `cdk -c key=value` knows only strings.
_OrNull = BeforeValidator(lambda value: None if value in ("null", "") else value)
_Account = Annotated[str, Field(pattern=r"^\d{12}$")]
_Region = Annotated[str, AfterValidator(_profiler_region)]
_Concurrency = Annotated[int, Field(ge=1)]
_Retention = Annotated[int, AfterValidator(_retention)]
_Schedule = Annotated[str, AfterValidator(_schedule)]
_Days = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be chosen about a deployment.

    Attributes:
        account: Account to deploy to; None makes a template for any account.
        region: Region to deploy to, one that has CodeGuru Profiler; None makes a template for any such region, which
            refuses the others by itself.
        reserved_concurrency: How many events are worked on at the same time; the rest wait in Lambda's queue. None
            reserves nothing, for accounts whose whole limit is too small to reserve from.
        log_retention_days: How long the log records are kept.
        backfill_schedule: When all functions are looked at, as EventBridge Scheduler writes it, in UTC; None for no
            schedule.
        report_retention_days: How long the reports of the backfill are kept.
        policy: Path of the policy file, from the folder of `cdk.json` on.
    """

    account: Annotated[_Account | None, _OrNull] = None
    region: Annotated[_Region | None, _OrNull] = None
    reserved_concurrency: Annotated[_Concurrency | None, _OrNull] = 5
    log_retention_days: _Retention = 90
    backfill_schedule: Annotated[_Schedule | None, _OrNull] = "rate(1 day)"
    report_retention_days: _Days = 365
    policy: Annotated[str, Field(min_length=1)] = "policy.yaml"


def read(context: Mapping[str, object], *, default_region: str | None) -> Settings:
    """Read the settings.

    Args:
        context: The cdk context. Keys with `:` or `/` in them are the CDK's own.
        default_region: The region that the CDK CLI would deploy to where no setting says otherwise.

    Raises:
        SettingsError: A key is unknown, a value is wrong, or the region to deploy to has no CodeGuru Profiler.
    """
    ours = {key: value for key, value in context.items() if ":" not in key and "/" not in key}
    known = [field.name for field in fields(Settings)]
    for key in ours.keys() - set(known):
        meant = get_close_matches(key, known, n=1)
        hint = f"did you mean {meant[0]!r}?" if meant else f"known are {', '.join(known)}"
        raise SettingsError(f"context key {key!r} is unknown; {hint}")
    try:
        settings = TypeAdapter(Settings).validate_python(ours)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"context key {first['loc'][0]!r} is {first['input']!r}: {message}") from error
    if settings.region is None and default_region is not None:
        try:
            _profiler_region(default_region)
        except ValueError as error:
            raise SettingsError(f"{error} (set the context key 'region', or the CLI's own region)") from error
    return settings
