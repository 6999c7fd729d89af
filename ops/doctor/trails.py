"""CloudTrail: whether an event of Lambda's comes to be at all. It does where a trail logs write management events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.doctor.commands import aws
from ops.doctor.findings import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from profiling_groups.functions import Place

_SOURCE: Final = "lambda.amazonaws.com"
# Fields of a selector of management events by which it takes all of Lambda's writes, or leaves them out (CloudTrail API
# reference, AdvancedFieldSelector).
_UNDERSTOOD: Final = frozenset({"eventCategory", "readOnly", "eventSource"})


@dataclass(frozen=True, kw_only=True)
class Trail:
    """A trail that can be seen from an account.

    Attributes:
        arn: Its ARN; of an organization's trail, one in another account.
        home: The region that it is changed in.
        is_multi_region: Whether it records in all regions.
        is_organization: Whether it records in all accounts of the organization.
        is_logging: Whether it is switched on; None where that may not be asked.
        selectors: Its event selectors, as the API has them; None where they may not be asked.
        advanced: Its advanced event selectors; likewise.
    """

    arn: str
    home: str
    is_multi_region: bool
    is_organization: bool
    is_logging: bool | None
    selectors: Sequence[Mapping[str, Any]] | None = ()
    advanced: Sequence[Mapping[str, Any]] | None = ()

    def covers(self, region: str) -> bool:
        """Whether it records in a region."""
        return self.is_multi_region or self.home == region

    @property
    def records_writes(self) -> bool | None:
        """Whether it records what changes functions; None where nobody says. Without selectors it records all that."""
        if self.selectors is None or self.advanced is None:
            return None
        if self.advanced:
            said = [_selects_writes(each) for each in self.advanced]
        elif self.selectors:
            # What these can leave out, KMS and the RDS Data API, is none of Lambda's.
            said = [
                each.get("IncludeManagementEvents", True) and each.get("ReadWriteType", "All") != "ReadOnly"
                for each in self.selectors
            ]
        else:
            return True
        return True if True in said else None if None in said else False


def check(trails: Sequence[Trail], *, place: Place) -> Verdict:
    """See whether one of the trails lets Lambda's events of a place come to be.

    Args:
        trails: All that can be seen there.
        place: The account and region.
    """
    if not trails:
        return Verdict.failed(
            "there is no trail, and without one EventBridge hears of no function",
            mend="aws cloudtrail create-trail --name management-events --is-multi-region-trail --s3-bucket-name BUCKET"
            " && aws cloudtrail start-logging --name management-events",
        )
    here = [trail for trail in trails if trail.covers(place.region)]
    for trail in here:
        if trail.is_logging and trail.records_writes:
            return Verdict.passed(f"{_named(trail)} is logging, and records write management events here")
    for trail in here:
        if trail.is_logging is not False and trail.records_writes is not False:
            asked = "whether it is logging" if trail.is_logging is None else "which events it records"
            if (owner := _account(trail)) == place.account:
                return Verdict.cannot_be_told(
                    f"of {_named(trail)} may not be asked {asked}",
                    mend="allow whoever asks cloudtrail:GetTrailStatus and cloudtrail:GetEventSelectors",
                )
            return Verdict.cannot_be_told(
                f"of {_named(trail)} cannot be asked {asked} from here: it is of account {owner}",
                mend=f"run in account {owner}: profiling-groups doctor",
            )
    # The one that is nearest to what it should be.
    nearest = min(trails, key=lambda trail: _shortcomings(trail, place))
    return _explained(nearest, place)


def _explained(trail: Trail, place: Place) -> Verdict:
    elsewhere = trail.home if trail.home != place.region else None
    if not trail.covers(place.region):
        return Verdict.failed(
            f"{_named(trail)} records in {trail.home} only, not in {place.region}",
            mend=_mend(
                trail,
                place,
                aws("cloudtrail", "update-trail", "is-multi-region-trail", Name=trail.arn, region=elsewhere),
            ),
        )
    if trail.is_logging is False:
        return Verdict.failed(
            f"{_named(trail)} is not logging",
            mend=_mend(trail, place, aws("cloudtrail", "start-logging", Name=trail.arn, region=elsewhere)),
        )
    selectors: dict[str, object]
    if trail.advanced:
        management = [
            {"Field": "eventCategory", "Equals": ["Management"]},
            {"Field": "readOnly", "Equals": ["false"]},
        ]
        selectors = {"AdvancedEventSelectors": [*trail.advanced, {"Name": "writes", "FieldSelectors": management}]}
    else:
        first, *others = trail.selectors or [{}]
        selectors = {"EventSelectors": [{**first, "ReadWriteType": "All", "IncludeManagementEvents": True}, *others]}
    return Verdict.failed(
        f"{_named(trail)} does not record Lambda's write management events",
        mend=_mend(
            trail, place, aws("cloudtrail", "put-event-selectors", TrailName=trail.arn, **selectors, region=elsewhere)
        ),
    )


def _shortcomings(trail: Trail, place: Place) -> tuple[bool, ...]:
    """Return what stands against a trail, its own account first: whoever asks can change that one."""
    return (
        not trail.covers(place.region),
        _account(trail) != place.account,
        trail.records_writes is False,
        trail.is_logging is False,
    )


def _mend(trail: Trail, place: Place, command: str) -> str:
    owner = _account(trail)
    return command if owner == place.account else f"run in account {owner}: {command}"


def _selects_writes(selector: Mapping[str, Any]) -> bool | None:
    """Whether an advanced selector takes Lambda's writes; None where it asks for more than can be judged."""
    fields = {each["Field"]: each for each in selector.get("FieldSelectors", [])}
    wanted = {"eventCategory": "Management", "readOnly": "false", "eventSource": _SOURCE}
    if not all(_takes(fields[name], value) for name, value in wanted.items() if name in fields):
        return False
    return None if fields.keys() - _UNDERSTOOD else "eventCategory" in fields


def _takes(field: Mapping[str, Any], value: str) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "Equals": value.__eq__,
        "StartsWith": value.startswith,
        "EndsWith": value.endswith,
    }
    for name, test in tests.items():
        if name in field and not any(map(test, field[name])):
            return False
        if any(map(test, field.get(f"Not{name}", ()))):
            return False
    return True


def _named(trail: Trail) -> str:
    kind = "the organization's trail" if trail.is_organization else "the trail"
    return f"{kind} {trail.arn.rpartition('/')[2]}"


def _account(trail: Trail) -> str:
    return trail.arn.split(":")[4]
