"""The profiling groups of each account and region, and the rules they live by. Called by `responses`.

A group is an immutable value; the backend replaces it under its lock, so a reader never sees half a change.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from threading import Lock
from typing import Final
from uuid import uuid4

from moto.core.base_backend import BackendDict, BaseBackend

from .exceptions import ConflictError, ResourceNotFoundError, ServiceQuotaExceededError, ValidationError
from .validation import MAX_TAGS, tag_violations

DEFAULT_QUOTA: Final = 500
"""Profiling groups per account and region; AWS's default, adjustable there as L-DA8D4E8D."""

DEFAULT_PAGE_SIZE: Final = 100
"""Groups per page of ListProfilingGroups without maxResults. AWS documents none; a caller must follow nextToken."""


class ComputePlatform(StrEnum):
    """Where the profiled application runs; fixed when the group is created."""

    DEFAULT = "Default"
    AWS_LAMBDA = "AWSLambda"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A group's resource policy: the one action group there is, and who may use it."""

    principals: Sequence[str]
    revision_id: str

    def document(self, group_arn: str) -> str:
        """Return the policy as JSON, in the shape that the CodeGuru Profiler user guide shows.

        Without principals it has no statement: what RemovePermission answers with.
        """
        statement = (
            {
                "Sid": "agentPermissions-statement",
                "Effect": "Allow",
                "Principal": {"AWS": self.principals[0] if len(self.principals) == 1 else list(self.principals)},
                "Action": ["codeguru-profiler:ConfigureAgent", "codeguru-profiler:PostAgentProfile"],
                "Resource": group_arn,
            }
            if self.principals
            else None
        )
        return json.dumps({"Version": "2012-10-17", "Statement": [statement] if statement else []})


@dataclass(frozen=True, kw_only=True)
class ProfilingGroup:
    """A profiling group at one moment.

    Attributes:
        serial: Its place in the order of creation within account and region; no number is used twice.
        last_agent_call: When an agent last called ConfigureAgent; None before the first.
        policy: None before the first permission, and after the last one was removed.
    """

    name: str
    arn: str
    serial: int
    created_at: datetime
    updated_at: datetime
    compute_platform: ComputePlatform = ComputePlatform.DEFAULT
    profiling_enabled: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    last_agent_call: datetime | None = None
    policy: Policy | None = None

    def description(self) -> dict[str, object]:
        """Return the group as the model's ProfilingGroupDescription, for moto's serializer."""
        return {
            "name": self.name,
            "arn": self.arn,
            "computePlatform": self.compute_platform,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "agentOrchestrationConfig": {"profilingEnabled": self.profiling_enabled},
            # Aggregated profiles are not served: there is no more to report than the agent's last call.
            "profilingStatus": {"latestAgentOrchestratedAt": self.last_agent_call},
            "tags": dict(self.tags),
        }


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of groups, in the order of their creation; `next_token` is None on the last."""

    groups: Sequence[ProfilingGroup]
    next_token: str | None


class CodeGuruProfilerBackend(BaseBackend):
    """CodeGuru Profiler in one account and region.

    All methods may be called from any thread. They expect parameters that satisfy the API model.

    Attributes:
        quota: How many groups there may be; set it to try out what a full account does. Groups beyond a lowered quota
            stay.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.quota = DEFAULT_QUOTA
        self._groups: dict[str, ProfilingGroup] = {}
        self._last_serial = 0
        self._lock = Lock()

    def create_profiling_group(
        self,
        name: str,
        *,
        compute_platform: ComputePlatform,
        profiling_enabled: bool,
        tags: Mapping[str, str],
    ) -> ProfilingGroup:
        """Create a group.

        What AWS does with a repeated clientToken is undocumented. This is the stricter reading: the token plays no
        part, a name that exists is a conflict even for the caller that created it with the same token.

        Raises:
            ConflictError: The name is taken; also when the quota is used up as well.
            ServiceQuotaExceededError: There are `quota` groups already.
            ValidationError: A tag is not allowed, or there are more than 50.
        """
        _check_tags(tags, result=tags)
        now = _now()
        with self._lock:
            if name in self._groups:
                msg = f"Profiling group {name} already exists."
                raise ConflictError(msg)
            if len(self._groups) >= self.quota:
                msg = f"The account has reached its limit of {self.quota} profiling groups in {self.region_name}."
                raise ServiceQuotaExceededError(msg)
            self._last_serial += 1
            group = ProfilingGroup(
                name=name,
                arn=self._arn(name),
                serial=self._last_serial,
                created_at=now,
                updated_at=now,
                compute_platform=compute_platform,
                profiling_enabled=profiling_enabled,
                tags=dict(tags),
            )
            self._groups[name] = group
        return group

    def describe_profiling_group(self, name: str) -> ProfilingGroup:
        """Return the group of that name.

        Raises:
            ResourceNotFoundError: There is none.
        """
        with self._lock:
            return self._named(name)

    def list_profiling_groups(self, *, max_results: int | None, next_token: str | None) -> Page:
        """Return the page of groups that follows `next_token`, or the first.

        A token names the last group seen by its place in the order of creation, so a group that exists throughout is
        listed exactly once, whatever is created or deleted between two pages.

        Raises:
            ValidationError: The token is none that this service gave out.
        """
        seen = _serial_of(next_token) if next_token is not None else 0
        with self._lock:
            # A dict keeps the order of insertion, which is that of the serials.
            rest = [group for group in self._groups.values() if group.serial > seen]
        groups = rest[: max_results or DEFAULT_PAGE_SIZE]
        more = len(rest) > len(groups)
        return Page(groups=groups, next_token=_token_after(groups[-1]) if more else None)

    def update_profiling_group(self, name: str, *, profiling_enabled: bool) -> ProfilingGroup:
        """Switch profiling on or off: all that UpdateProfilingGroup can change.

        Raises:
            ResourceNotFoundError: There is no such group.
        """
        with self._lock:
            changed = replace(self._named(name), profiling_enabled=profiling_enabled, updated_at=_now())
            self._groups[name] = changed
        return changed

    def delete_profiling_group(self, name: str) -> None:
        """Delete a group with its tags and policy; its name is free at once.

        Raises:
            ResourceNotFoundError: There is no such group.
        """
        with self._lock:
            del self._groups[self._named(name).name]

    def configure_agent(self, name: str) -> ProfilingGroup:
        """Note that an agent called, and return the group, whose `profiling_enabled` is the answer to the agent.

        Raises:
            ResourceNotFoundError: There is no such group; the agent then creates it, without tags.
        """
        with self._lock:
            called = replace(self._named(name), last_agent_call=_now())
            self._groups[name] = called
        return called

    def tag_resource(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags; a key that is there gets the new value.

        `updatedAt` stays: the model's text for it speaks of the profiling group being updated, the operation of that
        name changes only the agent's configuration, and nothing documented ties it to tags.

        Raises:
            ResourceNotFoundError: There is no group of that ARN in this account and region.
            ValidationError: The ARN is no profiling group's, a tag is not allowed, or there would be more than 50.
        """
        with self._lock:
            group = self._with_arn(arn)
            merged = {**group.tags, **tags}
            _check_tags(tags, result=merged)
            self._groups[group.name] = replace(group, tags=merged)

    def untag_resource(self, arn: str, keys: Collection[str]) -> None:
        """Remove tags; a key that is not there is no error. `updatedAt` stays, as with `tag_resource`.

        Raises:
            ResourceNotFoundError: There is no group of that ARN in this account and region.
            ValidationError: The ARN is no profiling group's.
        """
        with self._lock:
            group = self._with_arn(arn)
            rest = {key: value for key, value in group.tags.items() if key not in keys}
            self._groups[group.name] = replace(group, tags=rest)

    def list_tags_for_resource(self, arn: str) -> Mapping[str, str]:
        """Return the tags of the group of that ARN.

        Raises:
            ResourceNotFoundError: There is no group of that ARN in this account and region.
            ValidationError: The ARN is no profiling group's.
        """
        with self._lock:
            return self._with_arn(arn).tags

    def get_policy(self, name: str) -> tuple[str, str]:
        """Return the group's policy document and its revision.

        Raises:
            ResourceNotFoundError: There is no such group, or it has no policy.
        """
        with self._lock:
            group = self._named(name)
            policy = _policy_of(group)
        return policy.document(group.arn), policy.revision_id

    def put_permission(self, name: str, *, principals: Sequence[str], revision_id: str | None) -> tuple[str, str]:
        """Say who has the agent's permissions; return the new policy document and its revision.

        The list replaces an earlier one. The API's text leaves that open; AWS's CloudFormation handler for groups sends
        the whole list on every update and nothing else, which only works so.

        Raises:
            ConflictError: `revision_id` is not the present policy's, is missing though there is a policy, or is given
                though there is none.
            ResourceNotFoundError: There is no such group.
            ValidationError: A principal has a wildcard.
        """
        if any(wildcard in principal for principal in principals for wildcard in "*?"):
            violation = "Value at 'principals' failed to satisfy constraint: Wildcards are not supported"
            raise ValidationError([violation])
        with self._lock:
            group = self._named(name)
            _check_revision(group.policy.revision_id if group.policy else None, revision_id)
            policy = Policy(principals=tuple(principals), revision_id=str(uuid4()))
            self._groups[name] = replace(group, policy=policy)
        return policy.document(group.arn), policy.revision_id

    def remove_permission(self, name: str, *, revision_id: str) -> tuple[str, str]:
        """Take the agent's permissions back; return the empty policy document and its revision.

        There is only one action group, so the group has no policy afterwards.

        Raises:
            ConflictError: `revision_id` is not the present policy's.
            ResourceNotFoundError: There is no such group, or it has no policy.
        """
        with self._lock:
            group = self._named(name)
            _check_revision(_policy_of(group).revision_id, revision_id)
            self._groups[name] = replace(group, policy=None)
        emptied = Policy(principals=(), revision_id=str(uuid4()))
        return emptied.document(group.arn), emptied.revision_id

    def _arn(self, name: str) -> str:
        return f"arn:{self.partition}:codeguru-profiler:{self.region_name}:{self.account_id}:profilingGroup/{name}"

    def _named(self, name: str) -> ProfilingGroup:
        try:
            return self._groups[name]
        except KeyError:
            msg = f"Profiling group {name} does not exist."
            raise ResourceNotFoundError(msg) from None

    def _with_arn(self, arn: str) -> ProfilingGroup:
        match arn.split(":", maxsplit=5):
            case ["arn", _, "codeguru-profiler", _, _, resource] if resource.startswith("profilingGroup/"):
                group = self._groups.get(resource.removeprefix("profilingGroup/"))
            case _:
                violation = (
                    "Value at 'resourceArn' failed to satisfy constraint: Member must be a profiling group's ARN"
                )
                raise ValidationError([violation])
        if group is None or group.arn != arn:
            msg = f"Resource {arn} does not exist."
            raise ResourceNotFoundError(msg)
        return group


def _check_tags(given: Mapping[str, str], *, result: Mapping[str, str]) -> None:
    violations = list(tag_violations(given))
    if len(result) > MAX_TAGS:
        violations.append(f"Value at 'tags' failed to satisfy constraint: A resource has at most {MAX_TAGS} tags")
    if violations:
        raise ValidationError(violations)


def _check_revision(present: str | None, given: str | None) -> None:
    if present != given:
        msg = f"The policy's revision is {present or 'none yet'}, not {given or 'none'}."
        raise ConflictError(msg)


def _policy_of(group: ProfilingGroup) -> Policy:
    if group.policy is None:
        msg = f"Profiling group {group.name} has no policy."
        raise ResourceNotFoundError(msg)
    return group.policy


def _token_after(group: ProfilingGroup) -> str:
    return f"after-{group.serial}"


def _serial_of(token: str) -> int:
    serial = token.removeprefix("after-")
    if serial == token or not (serial.isascii() and serial.isdigit()):
        violation = "Value at 'nextToken' failed to satisfy constraint: Member must be a token of an earlier page"
        raise ValidationError([violation])
    return int(serial)


def _now() -> datetime:
    """Return the present time to the millisecond: the precision of the service's timestamps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


# Served wherever Lambda is. In AWS the host does not resolve outside the service's ten regions; one loopback endpoint
# cannot show that, so this backend does not try.
codeguruprofiler_backends = BackendDict(CodeGuruProfilerBackend, "lambda")
