"""All functions and groups of an account and region, read in bulk and held in little memory.

`sweep` and the report read one. For 100,000 functions it is some 150 MB: what is known of a function or a group is
packed, and unpacked when it is its turn. The clients are arguments: no boto3 here.
"""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from profiling_groups import functions, groups, listing
from profiling_groups.aws import explain
from profiling_groups.functions import FunctionArn
from profiling_groups.naming import group_arn
from profiling_groups.outcomes import Reason
from profiling_groups.ownership import marked_function
from profiling_groups.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient

    from profiling_groups.aws import SweepClients
    from profiling_groups.functions import LambdaFunction, Place
    from profiling_groups.groups import Group

_FUNCTIONS_A_PAGE: Final = 50
_TAGGED_A_PAGE: Final = 100
_GROUPS_A_PAGE: Final = 1_000
_QUALIFIED: Final = 8
"""Parts of a function's ARN that has a version or an alias; without, it has one less."""
_SETTLED: Final = timedelta(minutes=15)
"""After this time what was done to a function is seen in every listing."""


class InventoryError(Exception):
    """The functions could not be listed; the message says why."""


class InventoryDeniedError(InventoryError):
    """They may not be, and waiting does not help."""


class RegionUnsupportedError(Exception):
    """The region is disabled or forbidden for the account, or CodeGuru Profiler is in it; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What there was when it was listed.

    Attributes:
        place: Account and region.
        warnings: What had to be left out, and what that costs.
        groups_known: Whether all groups are in it.
        unreadable_environments: Names of functions whose environment could not be read; it may name any group.
    """

    place: Place
    warnings: tuple[str, ...] = ()
    groups_known: bool = True
    unreadable_environments: tuple[str, ...] = ()
    _functions: Mapping[str, tuple[Any, ...]] = field(repr=False)
    _tags: Mapping[str, bytes] | None = field(repr=False)
    _groups: Mapping[str, bytes] = field(repr=False)

    @property
    def tags_known(self) -> bool:
        """Whether the functions' tags are in it."""
        return self._tags is not None

    def functions(self) -> list[str]:
        """Return the functions' names, in order."""
        return sorted(self._functions)

    def has_function(self, name: str) -> bool:
        """Return whether there is a function of that name."""
        return name in self._functions

    def groups(self) -> list[str]:
        """Return the groups' names, in order."""
        return sorted(self._groups)

    def function(self, name: str, tags: Mapping[str, str] | None = None) -> LambdaFunction:
        """Return a function.

        Args:
            name: Its name, one of `functions`.
            tags: Its tags, where they are not in the inventory.
        """
        runtime, architectures, role, named_groups, target_region, environment_error, _ = self._functions[name]
        if tags is None:
            packed = (self._tags or {}).get(name)
            tags = marshal.loads(packed) if packed else {}  # noqa: S302 - packed by this process
        return functions.LambdaFunction(
            arn=FunctionArn(account=self.place.account, region=self.place.region, name=name),
            runtime=runtime,
            architectures=architectures,
            role=role,
            tags=tags,
            named_groups=named_groups,
            target_region=target_region,
            environment_error=environment_error,
        )

    def is_settled(self, name: str) -> bool:
        """Whether a function was changed so long ago that all that was listed of it is of now."""
        return bool(self._functions[name][-1])

    def group(self, name: str) -> Group | None:
        """Return a group; None where there was none of that name."""
        if (packed := self._groups.get(name)) is None:
            return None
        platform, tags, last_active = marshal.loads(packed)  # noqa: S302 - packed by this process
        arn = FunctionArn(account=self.place.account, region=self.place.region, name=name)
        return groups.Group(
            arn=group_arn(arn, name),
            compute_platform=platform,
            tags=tags or {},
            tags_known=tags is not None,
            last_active=None if last_active is None else datetime.fromtimestamp(last_active, UTC),
        )

    def group_owner(self, name: str) -> FunctionArn | None:
        """Return the function that a group of ours is for; None for an external group, or if there is none."""
        group = self.group(name)
        return marked_function(group) if group else None


def take(clients: SweepClients, *, place: Place, now: datetime) -> Inventory:
    """List what there is: one call for 50 functions, for 100 functions with tags, and for 1,000 groups.

    The groups come before the functions, so that a group whose function is not listed had none.

    Raises:
        InventoryError: The functions could not be listed.
        RegionUnsupportedError: Nothing may be done here.
    """
    warnings: list[str] = []

    def or_warn(what: str, read: Callable[[], Any], *, elsewhere: bool = False) -> Any:  # noqa: ANN401 - whatever is read
        try:
            return read()
        except Exception as error:
            failure = explain(error, function="*", group=None)
            if failure.reason is Reason.REGION_UNSUPPORTED and not elsewhere:
                raise RegionUnsupportedError(failure.detail) from error
            warnings.append(f"{what} ({failure.reason}: {failure.detail})")
            return None

    with Threads(1) as beside:
        tags = beside.submit(
            or_warn,
            "the tags of all functions could not be listed at once; each function's are read on their own",
            lambda: _tags(clients.tagging),
            # This service alone may be forbidden; the functions' own list tells.
            elsewhere=True,
        )
        listed: dict[str, bytes] = {}
        complete = or_warn(
            "not all groups could be listed; those that are not are looked up on their own",
            lambda: _groups(clients.profiler, listed, place=place),
        )
        try:
            found = _functions(clients.awslambda, settled_before=now - _SETTLED)
        except Exception as error:
            failure = explain(error, function="*", group=None)
            if failure.reason is Reason.REGION_UNSUPPORTED:
                raise RegionUnsupportedError(failure.detail) from error
            denied = failure.reason is Reason.ACCESS_DENIED
            raise (InventoryDeniedError if denied else InventoryError)(f"{failure.reason}: {failure.detail}") from error
        return Inventory(
            place=place,
            groups_known=complete is not None,
            unreadable_environments=tuple(sorted(name for name, function in found.items() if function[-2])),
            _functions=found,
            _tags=tags.result(),
            _groups=listed,
            warnings=tuple(warnings),
        )


def _functions(client: LambdaClient, *, settled_before: datetime) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    threshold = settled_before.astimezone(UTC).isoformat()[:19]
    # What many functions have in common is kept once.
    architectures: dict[tuple[str, ...], tuple[str, ...]] = {}
    pages = listing.pages(
        client.list_functions, items="Functions", marker="Marker", next_marker="NextMarker", MaxItems=_FUNCTIONS_A_PAGE
    )
    for page in pages:
        for each in page["Functions"]:
            if not (name := each.get("FunctionName")) or "FunctionArn" not in each:
                raise functions.UnreadableAnswerError("ListFunctions' answer has a function without a name")
            arn = FunctionArn(account="", region="", name=name)
            function = functions.described(each, arn=arn, tags={})
            found[name] = (
                function.runtime and intern(function.runtime),
                architectures.setdefault(function.architectures, function.architectures),
                function.role and intern(function.role),
                function.named_groups,
                function.target_region,
                function.environment_error,
                # A time in UTC, as `2024-05-06T07:08:09.000+0000` (API model, Timestamp).
                each.get("LastModified", "")[:19] < threshold,
            )
    return found


def _tags(client: ResourceGroupsTaggingAPIClient) -> dict[str, bytes]:
    """List the tags of the functions that have any."""
    found: dict[str, bytes] = {}
    pages = listing.pages(
        client.get_resources,
        items="ResourceTagMappingList",
        marker="PaginationToken",
        next_marker="PaginationToken",
        ResourceTypeFilters=["lambda:function"],
        ResourcesPerPage=_TAGGED_A_PAGE,
    )
    for page in pages:
        for each in page["ResourceTagMappingList"]:
            parts = each["ResourceARN"].split(":")
            if len(parts) < _QUALIFIED:
                found[parts[-1]] = marshal.dumps({tag["Key"]: tag["Value"] for tag in each["Tags"]})
    return found


def _groups(client: CodeGuruProfilerClient, found: dict[str, bytes], *, place: Place) -> bool:
    """List the groups into `found`, which holds what came before an error; True once all are listed."""
    pages = listing.pages(
        client.list_profiling_groups,
        items="profilingGroups",
        marker="nextToken",
        next_marker="nextToken",
        includeDescription=True,
        maxResults=_GROUPS_A_PAGE,
    )
    for page in pages:
        descriptions = {each.get("name", ""): each for each in page["profilingGroups"]}
        # With descriptions there are no names beside them (API model, ListProfilingGroupsResponse).
        if not descriptions.keys() >= set(page.get("profilingGroupNames", ())):
            raise functions.UnreadableAnswerError(
                "ListProfilingGroups' answer does not describe the groups that it names"
            )
        for name, each in descriptions.items():
            arn = group_arn(FunctionArn(account=place.account, region=place.region, name=name), name)
            group = groups.described(each, arn=arn)
            last_active = group.last_active.timestamp() if group.last_active else None
            tags = dict(group.tags) if group.tags_known else None
            found[name] = marshal.dumps((group.compute_platform, tags, last_active))
    return True
