"""Settings of a deployment: the keys of the cdk context (`cdk.json`, `-c key=value`), checked before anything is built.

`app.py` reads them. A key that is not known, or a value that will not do, fails synth and is named.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, ValidationInfo

from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.functions import ACCOUNT
from profiling_groups.metric_names import SERVICE
from profiling_groups.tags import MAX_TAGS, objection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

# What CloudWatch Logs takes (API reference, PutRetentionPolicy).
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3653)
# What EventBridge Scheduler takes (its user guide, "Schedule types"): singular for 1, plural otherwise; and one of the
# two days is a question mark.
_RATE = re.compile(r"rate\((1 (hour|day)|(?!1 )[1-9]\d* (hours|days))\)")
_FIELD = r"[\dA-Z*,/#-]+"
_CRON = re.compile(rf"cron\({_FIELD} {_FIELD} (\? {_FIELD} {_FIELD}|{_FIELD} {_FIELD} \?) {_FIELD}\)")

_ARN = r"arn:aws(-[a-z]+)*"
_KEY_ARN = re.compile(
    rf"{_ARN}:kms:(?P<region>[a-z]{{2,4}}(-[a-z]+)+-[0-9]+):[0-9]{{12}}"
    r":key/([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})"
)
# AWS's own policies have `aws` in place of an account. A path belongs to the name.
_BOUNDARY = re.compile(
    rf"({_ARN}:iam::(?P<account>[0-9]{{12}}|aws):policy/)?([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{{1,128}}"
)
# Each function has one tag of its own.
_MOST_TAGS: Final = MAX_TAGS - 1

# Characters of the lists that reach the functions by way of their environment, which holds 4 KB and all the rest too.
_MOST_CHARACTERS: Final = 3_000
_QUOTED: Final = 200
"""Characters of a wrong value that a message repeats."""


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


def _listed(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise ValueError("it must be a list")  # noqa: TRY004 - pydantic lets a TypeError through
    return value


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"it names {value} twice")
    return values


def _within_environment(accounts: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    taken = len(",".join((*info.data.get("ous", ()), *accounts)))
    if taken > _MOST_CHARACTERS:
        raise ValueError(
            f"with the units it comes to {taken} characters, and a function's environment has room for "
            f"{_MOST_CHARACTERS} of them; name a unit that holds the accounts, or its root"
        )
    return accounts


def _among_regions(region: str, info: ValidationInfo) -> str:
    regions = info.data.get("regions", (region,))
    if region not in regions:
        raise ValueError(f"it must be one of the regions, {', '.join(regions)}")
    return region


def _not_of_the_hub(name: str, info: ValidationInfo) -> str:
    # The hub's account may well be a member, and has both; to IAM, upper and lower case make no difference.
    if name.lower() == _named(_HUB_ROLE, info.data.get("namespace", "")).lower():
        raise ValueError("that is the name of the hub's own role")
    return name


def _tags(tags: dict[str, str]) -> dict[str, str]:
    seen: dict[str, str] = {}
    for key, value in tags.items():
        # CloudFormation's API reference, Tag.
        why = objection(key, value) or (None if value else "a tag of a stack has no empty value")
        if why:
            raise ValueError(f"{key!r} = {value!r} is not a valid tag; {why}")
        if other := seen.get(key.lower()):
            raise ValueError(f"{other!r} and {key!r} are the same key to IAM, which ignores case")
        seen[key.lower()] = key
    if len(tags) > _MOST_TAGS:
        raise ValueError(
            f"it has {len(tags)} tags; expected at most {_MOST_TAGS}, as AWS takes {MAX_TAGS} and each function has one"
        )
    return tags


def _boundary(policy: str, info: ValidationInfo) -> str:
    found = _BOUNDARY.fullmatch(policy)
    if not found:
        raise ValueError(
            "it is not a managed policy; expected its name, or its ARN, as arn:aws:iam::111122223333:policy/boundary"
        )
    account = info.data.get("account")
    if account and found["account"] not in (None, "aws", account):
        raise ValueError(f"the policy is in account {found['account']}; expected one in {account}, as for the roles")
    return policy


def _key_arn(arn: str, info: ValidationInfo) -> str:
    found = _KEY_ARN.fullmatch(arn)
    if not found:
        raise ValueError(
            "it is not a KMS key; expected the key's ARN, not an alias, as "
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        )
    region = info.data.get("region") or (info.context or {}).get("default_region")
    if region and found["region"] != region:
        raise ValueError(f"the key is in {found['region']}; expected one in {region}, where the stack is deployed")
    return arn


def _object(value: object) -> object:
    """Return an object, which may be given as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ValueError(f"it must be null or a JSON object ({error}; shells take double quotes away)") from error
    return value


def _organization(value: object) -> object:
    """Return the keys of an organization, with the defaults that follow from other keys."""
    if not isinstance(value, dict):
        return value
    regions, namespace = value.get("regions"), value.get("namespace")
    defaults = {
        "role_region": regions[0] if isinstance(regions, list | tuple) and regions else None,
        "role_name": _named(_MEMBER_ROLE, namespace),
    }
    return {**value, **{key: default for key, default in defaults.items() if value.get(key) is None}}


def _named(name: str, namespace: object) -> str:
    return f"{name}-{namespace}" if namespace else name


# `cdk -c key=value` knows only strings.
_OrNull = BeforeValidator(lambda value: None if value in ("null", "") else value)
_Account = Annotated[str, Field(pattern=rf"^{ACCOUNT.pattern}$")]
_Region = Annotated[str, AfterValidator(_profiler_region)]
_Concurrency = Annotated[int, Field(ge=1)]
_Retention = Annotated[int, AfterValidator(_retention)]
_Schedule = Annotated[str, AfterValidator(_schedule)]
_Days = Annotated[int, Field(ge=1)]
# Whether it is one, SNS finds out: it asks its owner to confirm.
_Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
_List = BeforeValidator(_listed)
_Once = AfterValidator(_each_once)
# Organizations' API reference; CreateEventBus has the same for what an organization's id is.
_OrganizationId = Annotated[str, Field(pattern=r"^o-[a-z0-9]{10,32}$")]
_Unit = Annotated[str, Field(pattern=r"^(r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$")]
# So short that every name with it is within the limits: IAM's 64 characters are the narrowest, and a stack instance's
# stack is called StackSet-<stack set>-<uuid>.
_Namespace = Annotated[str, Field(pattern=r"^([A-Za-z0-9]+(-[A-Za-z0-9]+)*)?$", max_length=32)]
_RoleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+=,.@-]{1,64}$"), AfterValidator(_not_of_the_hub)]
_Percentage = Annotated[int, Field(ge=0, le=100)]
_SomePercentage = Annotated[int, Field(ge=1, le=100)]
# Step Functions' own limit on the child workflows that run at the same time.
_Accounts = Annotated[int, Field(ge=1, le=10_000)]
_Object = BeforeValidator(_object)
_NoTags = BeforeValidator(lambda value: {} if value in (None, "null", "") else value)
_Tags = Annotated[dict[str, str], AfterValidator(_tags), _Object, _NoTags]
_Boundary = Annotated[str, AfterValidator(_boundary)]
_KeyArn = Annotated[str, AfterValidator(_key_arn)]
_SubnetId = Annotated[str, Field(pattern=r"^subnet-([0-9a-f]{8}|[0-9a-f]{17})$")]
_SecurityGroupId = Annotated[str, Field(pattern=r"^sg-([0-9a-f]{8}|[0-9a-f]{17})$")]

_HUB: Final = "ProfilingGroups"
_HUB_ROLE: Final = "ProfilingGroupsHub"
_MEMBER: Final = "ProfilingGroupsMember"
_MEMBER_QUEUE: Final = "ProfilingGroupsMemberDeadLetters"
_MEMBER_ROLE: Final = "ProfilingGroupProvisioner"


class CallAs(StrEnum):
    """As what the hub's account works on stack sets."""

    SELF = "SELF"
    """The organization's management account."""
    DELEGATED_ADMIN = "DELEGATED_ADMIN"
    """A member account that is registered as delegated administrator."""


@dataclass(frozen=True, kw_only=True)
class Organization:
    """What can be chosen about a deployment that governs an organization.

    Attributes:
        id: The organization.
        ous: Organizational units, or roots, in which every account becomes a member.
        regions: Regions in which they are governed.
        accounts: Accounts besides, which somebody made members by hand: a service-managed stack set does not reach the
            management account.
        role_region: The one region in which each member gets its role.
        namespace: Ending of every name that is given here, so that two deployments can live side by side.
        role_name: Name of the members' role.
        call_as: As what the hub's account works on stack sets.
        auto_deployment: Whether an account that joins the units becomes a member by itself, and ceases to be one as it
            leaves.
        failure_tolerance_percentage: In how many of the accounts a rollout may fail before it is stopped, by region.
        max_concurrent_percentage: In how many of the accounts it works at the same time.
        max_concurrent_accounts: How many accounts are swept at the same time.
        tolerated_failure_percentage: How many accounts' sweeps may fail before the backfill is given up.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    id: _OrganizationId
    ous: Annotated[tuple[_Unit, ...], _List, Field(min_length=1), _Once]
    regions: Annotated[tuple[_Region, ...], _List, Field(min_length=1), _Once]
    accounts: Annotated[tuple[_Account, ...], _List, _Once, AfterValidator(_within_environment)] = ()
    role_region: Annotated[_Region, AfterValidator(_among_regions)]
    namespace: _Namespace = ""
    role_name: _RoleName
    call_as: CallAs = CallAs.SELF
    auto_deployment: bool = True
    failure_tolerance_percentage: _Percentage = 10
    max_concurrent_percentage: _SomePercentage = 25
    max_concurrent_accounts: _Accounts = 40
    tolerated_failure_percentage: _Percentage = 5

    @property
    def name(self) -> str:
        """Name of the hub's stack, and of its bus."""
        return _named(_HUB, self.namespace)

    @property
    def hub_role_name(self) -> str:
        """Name of the role of the hub's functions: members go on trusting it when the hub is deployed anew."""
        return _named(_HUB_ROLE, self.namespace)

    @property
    def member_name(self) -> str:
        """Name of the stack set, and of the members' rule."""
        return _named(_MEMBER, self.namespace)

    @property
    def member_queue_name(self) -> str:
        """Name of the members' dead-letter queues, in each account and region: the hub reads how deep they are."""
        return _named(_MEMBER_QUEUE, self.namespace)

    @property
    def service(self) -> str:
        """Under what the hub's functions count: two deployments in one account have the same metrics otherwise."""
        return _named(SERVICE, self.namespace)


@dataclass(frozen=True, kw_only=True)
class Vpc:
    """Where in a network the functions run.

    Attributes:
        subnet_ids: Subnets; as many as Lambda takes (API reference, VpcConfig).
        security_group_ids: Security groups; likewise.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid"}

    subnet_ids: Annotated[tuple[_SubnetId, ...], _List, Field(min_length=1, max_length=16), _Once]
    security_group_ids: Annotated[tuple[_SecurityGroupId, ...], _List, Field(min_length=1, max_length=5), _Once]


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
        alarm_email: Address that the alarms go to, once its owner has confirmed; None for whoever subscribes to the
            topic.
        policy: Path of the policy file, from the folder of `cdk.json` on.
        organization: What it governs besides the account and region that it is deployed to; None for nothing.
        tags: Tags of the stack and of every resource, those of an organization's members included.
        permissions_boundary: Name or ARN of the managed policy that bounds every role; in members, their own of that
            name.
        kms_key_arn: Key that encrypts log groups, queues, the bucket, the topic and the functions' environment; None
            for AWS's keys.
        vpc: Where the functions run; None for outside of any VPC of this account.
    """

    account: Annotated[_Account | None, _OrNull] = None
    region: Annotated[_Region | None, _OrNull] = None
    reserved_concurrency: Annotated[_Concurrency | None, _OrNull] = 5
    log_retention_days: _Retention = 90
    backfill_schedule: Annotated[_Schedule | None, _OrNull] = "rate(1 day)"
    report_retention_days: _Days = 365
    alarm_email: Annotated[_Email | None, _OrNull] = None
    policy: Annotated[str, Field(min_length=1)] = "policy.yaml"
    organization: Annotated[Organization | None, BeforeValidator(_organization), _Object, _OrNull] = None
    tags: _Tags = field(default_factory=dict)
    permissions_boundary: Annotated[_Boundary | None, _OrNull] = None
    kms_key_arn: Annotated[_KeyArn | None, _OrNull] = None
    vpc: Annotated[Vpc | None, _Object, _OrNull] = None


_OBJECTS: Final = {"organization": Organization, "vpc": Vpc}


def read(context: Mapping[str, object], *, default_region: str | None) -> Settings:
    """Read the settings.

    Args:
        context: The cdk context. Keys with `:` or `/` in them are the CDK's own.
        default_region: The region that the CDK CLI would deploy to where no setting says otherwise.

    Raises:
        SettingsError: A key is unknown, a value is wrong, or the region to deploy to has no CodeGuru Profiler.
    """
    ours = {key: value for key, value in context.items() if ":" not in key and "/" not in key}
    known = [each.name for each in fields(Settings)]
    for key in ours.keys() - set(known):
        raise SettingsError(f"context key {key!r} is unknown; {_hint(key, known)}")
    try:
        settings = TypeAdapter(Settings).validate_python(ours, context={"default_region": default_region})
    except ValidationError as error:
        # A key that is misspelt is missing, too.
        first = min(error.errors(), key=lambda each: each["type"] != "unexpected_keyword_argument")
        raise SettingsError(_said(first)) from error
    if settings.region is None and default_region is not None:
        try:
            _profiler_region(default_region)
        except ValueError as error:
            raise SettingsError(f"{error} (set the context key 'region', or the CLI's own region)") from error
    return settings


def _said(error: ErrorDetails) -> str:
    """Say what pydantic found, and where."""
    key, *below = error["loc"]
    path = f"{key}" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in below)
    match error["type"]:
        case "unexpected_keyword_argument":
            known = [each.name for each in fields(_OBJECTS[str(key)])]
            return f"context key {path!r} is unknown; {_hint(str(below[-1]), known)}"
        case "missing":
            return f"context key {path!r} is missing"
        case "dataclass_type" | "dict_type":
            error = {**error, "msg": "it must be null or an object"}
    shown = repr(error["input"])
    shown = shown if len(shown) <= _QUOTED else f"{shown[:_QUOTED]}…"
    return f"context key {path!r} is {shown}: {error['msg'].removeprefix('Value error, ')}"


def _hint(key: str, known: Sequence[str]) -> str:
    meant = get_close_matches(key, known, n=1)
    return f"did you mean {meant[0]!r}?" if meant else f"known are {', '.join(known)}"
