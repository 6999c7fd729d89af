"""The governance policy: what `policy.yaml` says, as values. Pure.

`infra.policy_file` checks the file at synth, by these types, and the bundle carries it as JSON; `load` reads that. What
stands here as a field's description stands so in `policy.schema.json`, where editors show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeVar

_Section = TypeVar("_Section")


class Images(StrEnum):
    """What becomes of container images."""

    INCLUDE = "include"
    SKIP = "skip"


class Architecture(StrEnum):
    """An instruction set that Lambda offers."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class AdoptExistingGroups(StrEnum):
    """Which groups that others created are taken over."""

    UNTAGGED = "untagged"
    ALL = "all"
    NONE = "none"


class WhenDeleted(StrEnum):
    """What becomes of a group without a function."""

    KEEP = "keep"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Globs:
    """Shell globs: `*`, `?`, `[abc]`, `[!abc]`. They tell upper from lower case."""

    include: tuple[str, ...] = ("*",)
    """One of these must match."""
    exclude: tuple[str, ...] = ()
    """None of these may match, whatever `include` says."""

    def turned_away_by(self, text: str) -> Literal["include", "exclude"] | None:
        """Return the key that is against `text`; None where neither is."""
        if matches(text, self.exclude):
            return "exclude"
        return None if matches(text, self.include) else "include"


@dataclass(frozen=True, kw_only=True)
class Runtimes(Globs):
    """Shell globs on the runtime identifier, such as `python3.13`."""

    include: tuple[str, ...] = ("python3.*", "java*")
    """One of these must match. CodeGuru Profiler knows Python 3 and Java, nothing else."""


@dataclass(frozen=True, kw_only=True)
class FunctionTags:
    """What a function's tags have to say in the matter."""

    require: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tag keys, each with a glob or a list of globs: the function must carry every key, its value matching one of
    them."""
    opt_out: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"codeguru-profiler": ("off", "false", "no")}
    )
    """Tag keys, each with a glob or a list of globs: a function that carries one of the keys with a value that
    matches, in upper or lower case, is left alone."""


@dataclass(frozen=True, kw_only=True)
class Functions:
    """Which functions get a profiling group. A function that names a group of its own in its environment never does."""

    names: Globs = field(default_factory=Globs)
    """Shell globs on the function name."""
    runtimes: Runtimes = field(default_factory=Runtimes)
    """Shell globs on the runtime identifier."""
    images: Images = Images.INCLUDE
    """Whether container images, which have no runtime to go by, get a group."""
    architectures: tuple[Architecture, ...] = (Architecture.X86_64, Architecture.ARM64)
    """The instruction sets of functions that get a group."""
    tags: FunctionTags = field(default_factory=FunctionTags)
    """What the function's tags have to say in the matter."""


@dataclass(frozen=True, kw_only=True)
class GroupSettings:
    """What a profiling group is like."""

    name: str = "aws-lambda-{function_name}"
    """Its name, with {function_name} and, where wanted, {account}, {region}, {runtime} and {tag:KEY} filled in. The
    agent finds a group by itself under the default only; any other name the function must name in its environment."""
    profiling_enabled: bool = True
    """Whether agents that report to a new group may profile. One that is there already is not switched on or off."""
    grant_agent: bool = False
    """Whether the group's resource policy allows the function's execution role what its agent needs."""


@dataclass(frozen=True, kw_only=True)
class GroupTags:
    """The tags of a profiling group."""

    inherit: Globs = field(default_factory=Globs)
    """Shell globs on the keys of the function's tags that its group gets too. Keys that begin with aws: are never
    inherited."""
    add: Mapping[str, str] = field(default_factory=lambda: {"managed-by": "profiling-group-provisioner"})
    """Tags that a group gets besides, where it has not got the key from the function or from somebody else."""


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """What happens to a group after its creation."""

    keep_tags_in_step: bool = True
    """Whether the group's tags follow the function's. Otherwise they are written once, when the group is created or
    adopted."""
    follow_configuration: bool = False
    """Whether a function is reconsidered when its configuration changes."""
    adopt_existing_groups: AdoptExistingGroups = AdoptExistingGroups.UNTAGGED
    """Which existing groups under a function's group name are adopted, that is tagged and kept in step: those without
    any tags, as the agent creates them; all but those of CloudFormation; or none. Others are left untouched."""
    when_function_is_deleted: WhenDeleted = WhenDeleted.KEEP
    """Whether the group of a function that is gone, or has opted out, is kept with its profiles or deleted. Only a
    backfill deletes groups, and only those that this project created."""
    orphan_grace_days: int = 30
    """For how many days after its last activity such a group is kept all the same."""
    max_deletions: int = 50
    """How many groups one backfill of an account and region deletes at most."""

    @property
    def deletes(self) -> bool:
        """Whether a group that no function needs any more is ever deleted."""
        return self.when_function_is_deleted is WhenDeleted.DELETE


@dataclass(frozen=True, kw_only=True)
class Units(Globs):
    """Ids of organizational units or roots, each with all that is below it; or globs on the organization path."""

    include: tuple[str, ...] = ("*",)
    """The account must be in one of these."""
    exclude: tuple[str, ...] = ()
    """It may be in none of these, whatever `include` says."""

    def turned_away_by(self, text: str) -> Literal["include", "exclude"] | None:
        """Return the key that is against an organization path; None where neither is."""
        if is_within(text, self.exclude):
            return "exclude"
        return None if is_within(text, self.include) else "include"

    @property
    def takes_everything(self) -> bool:
        """Whether no path whatever is turned away."""
        return "*" in self.include and not self.exclude


@dataclass(frozen=True, kw_only=True)
class Organization:
    """Which accounts and regions are governed at all. In the others nothing is done."""

    accounts: Globs = field(default_factory=Globs)
    """Shell globs on the account id."""
    ous: Units = field(default_factory=Units)
    """Organizational units that the account is in, directly or further down."""
    regions: Globs = field(default_factory=Globs)
    """Shell globs on the region."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """Which places an override is for: what is named must match, all of it."""

    accounts: tuple[str, ...] = ()
    """Shell globs on the account id, one of which must match."""
    ous: tuple[str, ...] = ()
    """Ids of organizational units or roots, or globs on the organization path: the account must be in one of them,
    directly or further down."""
    regions: tuple[str, ...] = ()
    """Shell globs on the region, one of which must match."""

    def holds(self, *, account: str, region: str, organization_path: str | None) -> bool | None:
        """Whether a place is meant; None where only the path could tell, and it is not known."""
        if self.accounts and not matches(account, self.accounts):
            return False
        if self.regions and not matches(region, self.regions):
            return False
        if not self.ous:
            return True
        return None if organization_path is None else is_within(organization_path, self.ous)


@dataclass(frozen=True, kw_only=True)
class Override:
    """What is otherwise in some places.

    Attributes:
        match: In which.
        changes: Sections with the keys that have another value there, as in the file: plain JSON.
    """

    match: Match
    changes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Governed:
    """What governs a place.

    Attributes:
        policy: The policy with its overrides applied, and none left in it.
        overrides: Which ones applied: their indices, in order.
        in_doubt: Those of which the place's organization path, which is not known, would tell. They did not apply.
    """

    policy: Policy
    overrides: tuple[int, ...] = ()
    in_doubt: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Which Lambda functions get a CodeGuru Profiler profiling group, what it is like, and what happens afterwards."""

    # Read at synth by pydantic, and by nothing in Lambda: a key that is not known is an error, 1 is not true.
    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    version: Literal[1] = 1
    """The form of this file."""
    functions: Functions = field(default_factory=Functions)
    """Which functions get a profiling group."""
    group: GroupSettings = field(default_factory=GroupSettings)
    """What the group is like."""
    tags: GroupTags = field(default_factory=GroupTags)
    """The group's tags."""
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    """What happens to it afterwards."""
    organization: Organization = field(default_factory=Organization)
    """Which accounts and regions are governed at all."""
    overrides: tuple[Override, ...] = ()
    """What is otherwise in some accounts, organizational units or regions; of several that match, later ones win."""

    @property
    def needs_organization_path(self) -> bool:
        """Whether it depends on organizational units what governs an account, or whether anything does."""
        return not self.organization.ous.takes_everything or any(each.match.ous for each in self.overrides)

    def ungoverned(self, *, account: str, region: str, organization_path: str | None) -> str | None:
        """Return the key, as `organization.regions.exclude`, by which nothing is done in a place; None where it is.

        Args:
            account: Account id.
            region: Region code.
            organization_path: Where the account is, as in `aws:PrincipalOrgPaths`. None is not known, and then no
                unit turns the account away; but see `governing`.
        """
        governed = self.organization
        if rule := governed.accounts.turned_away_by(account):
            return f"organization.accounts.{rule}"
        if organization_path is not None and (rule := governed.ous.turned_away_by(organization_path)):
            return f"organization.ous.{rule}"
        if rule := governed.regions.turned_away_by(region):
            return f"organization.regions.{rule}"
        return None

    def governing(self, *, account: str, region: str, organization_path: str | None) -> Governed:
        """Return what governs a place: this policy with every override that matches, in order.

        Where the path is not known, an override by organizational unit does not apply. It might have kept what this
        policy deletes, or the account might not be governed at all. So, wherever the path could matter, such a policy
        keeps every group, whatever it says: what is not deleted today can be deleted once the path is known.

        Args:
            account: Account id.
            region: Region code.
            organization_path: Where the account is, as in `aws:PrincipalOrgPaths`; None for not known.
        """
        applied, in_doubt = [], []
        for number, override in enumerate(self.overrides):
            match override.match.holds(account=account, region=region, organization_path=organization_path):
                case True:
                    applied.append(number)
                case None:
                    in_doubt.append(number)
        unsure = organization_path is None and (bool(in_doubt) or not self.organization.ous.takes_everything)
        return self._combination(tuple(applied), tuple(in_doubt), unsure=unsure)

    def variants(self) -> tuple[Policy, ...]:
        """Return this policy without its overrides, and with each of them alone.

        Whatever a place's policy has for a key, one of these has.
        """
        return self._variants

    @cached_property
    def _variants(self) -> tuple[Policy, ...]:
        base = replace(self, overrides=()) if self.overrides else self
        return (base, *(_filled(base, each.changes) for each in self.overrides))

    @cached_property
    def _combinations(self) -> dict[tuple[tuple[int, ...], tuple[int, ...], bool], Governed]:
        return {}

    def _combination(self, applied: tuple[int, ...], in_doubt: tuple[int, ...], *, unsure: bool) -> Governed:
        """Return the policy with some overrides; the same object each time, as places are many and combinations few."""
        found = self._combinations.get((applied, in_doubt, unsure))
        if found is None:
            policy = self._variants[0]
            for number in applied:
                policy = _filled(policy, self.overrides[number].changes)
            if unsure and policy.lifecycle.deletes:
                policy = replace(policy, lifecycle=replace(policy.lifecycle, when_function_is_deleted=WhenDeleted.KEEP))
            found = Governed(policy=policy, overrides=applied, in_doubt=in_doubt)
            self._combinations[applied, in_doubt, unsure] = found
        return found


def matches(text: str, globs: Iterable[str]) -> bool:
    """Whether one of the globs matches the whole text."""
    for glob in globs:  # noqa: SIM110 - a generator would take half as long again, and a sweep asks millions of times
        if glob == "*" or fnmatchcase(text, glob):
            return True
    return False


def is_within(organization_path: str, units: Iterable[str]) -> bool:
    """Whether an account is in one of the units.

    Args:
        organization_path: Where the account is, as `o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/`.
        units: Ids of organizational units or roots; or, where they have a `/` in them, globs on the whole path. A `*`
            is every unit.
    """
    for unit in units:
        if unit == "*":
            return True
        if fnmatchcase(organization_path, unit) if "/" in unit else f"/{unit}/" in organization_path:
            return True
    return False


def load(document: Mapping[str, Any]) -> Policy:
    """Return the policy that a compiled file holds; what it leaves out has its default.

    Args:
        document: The decoded JSON. It was checked before it was compiled, and is not checked again.
    """
    overrides = tuple(
        Override(
            match=_filled(Match(), override["match"]),
            changes={section: changes for section, changes in override.items() if section != "match"},
        )
        for override in document.get("overrides", ())
    )
    base = {section: value for section, value in document.items() if section != "overrides"}
    return replace(_filled(Policy(), base), overrides=overrides)


def _filled(section: _Section, document: Mapping[str, Any]) -> _Section:
    """Return the section with the values of the document, in the types of those that it has."""
    return replace(section, **{key: _like(getattr(section, key), value) for key, value in document.items()})  # type: ignore[type-var]  # a dataclass it is


def _like(default: object, value: Any) -> Any:  # noqa: ANN401 - JSON in, values out
    match default:
        case _ if is_dataclass(default):
            return _filled(default, value)
        case StrEnum():
            return type(default)(value)
        case tuple():
            return tuple(value)
        case Mapping():
            return {key: tuple(each) if isinstance(each, list) else each for key, each in value.items()}
    return value
