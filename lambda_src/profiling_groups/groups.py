"""The profiling-group side of the API. The client comes as an argument: no boto3 here.

API model: codeguruprofiler/2019-07-18. Every function raises botocore's ClientError for an error of the API that it
does not speak of, BotoCoreError where the API could not be reached, and UnreadableAnswerError for an answer that is not
one of the API's.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from profiling_groups.functions import UnreadableAnswerError
from profiling_groups.ownership import COMPUTE_PLATFORM

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient
    from mypy_boto3_codeguruprofiler.type_defs import ProfilingGroupDescriptionTypeDef

PERMISSION_ATTEMPTS: Final = 2
_NAMEABLE = re.compile(r"arn:|[0-9]{12}$")


@dataclass(frozen=True, kw_only=True)
class Group:
    """A profiling group as it is now.

    Attributes:
        arn: Its ARN.
        compute_platform: `AWSLambda` or `Default`; it cannot be changed after creation.
        tags: Its tags; empty if they are not known.
        tags_known: Whether the answer had them. An answer without tags never means a group without tags.
        last_active: When it was last created, updated, asked for by an agent, or reported to; None where none of these
            is told.
    """

    arn: str
    compute_platform: str
    tags: Mapping[str, str]
    tags_known: bool = True
    last_active: datetime | None


def create(
    client: CodeGuruProfilerClient, arn: str, *, tags: Mapping[str, str], profiling_enabled: bool, client_token: str
) -> bool:
    """Create a group for Lambda functions. False where one of that name is there already."""
    try:
        answer = client.create_profiling_group(
            profilingGroupName=_name(arn),
            computePlatform=COMPUTE_PLATFORM,
            agentOrchestrationConfig={"profilingEnabled": profiling_enabled},
            tags=tags,
            clientToken=client_token,
        )
    except client.exceptions.ConflictException:
        return False
    described(answer.get("profilingGroup"), arn=arn)
    return True


def find(client: CodeGuruProfilerClient, arn: str) -> Group | None:
    """Read a group with its tags; None where there is none of that ARN."""
    try:
        answer = client.describe_profiling_group(profilingGroupName=_name(arn))
    except client.exceptions.ResourceNotFoundException:
        return None
    group = described(answer.get("profilingGroup"), arn=arn)
    return group if group.tags_known else read_tags(client, group)


def read_tags(client: CodeGuruProfilerClient, group: Group) -> Group:
    """Return a group with the tags that ListTagsForResource tells, the one answer that an adoption may go by."""
    answer = client.list_tags_for_resource(resourceArn=group.arn)
    if "tags" not in answer:
        raise UnreadableAnswerError("ListTagsForResource's answer has no tags")
    return replace(group, tags=answer["tags"], tags_known=True)


def described(found: ProfilingGroupDescriptionTypeDef | None, *, arn: str) -> Group:
    """Return a group from what the API says of it (API model, ProfilingGroupDescription).

    Args:
        found: The description.
        arn: The ARN that it must have: writes go by it, and must not go to another account or region.
    """
    if not found or found.get("arn") != arn or found.get("name") != _name(arn):
        raise UnreadableAnswerError(f"the answer does not describe {arn}")
    if not (compute_platform := found.get("computePlatform")):
        raise UnreadableAnswerError(f"the description of {arn} has no computePlatform")
    status = found.get("profilingStatus", {})
    signs = (
        found.get("createdAt"),
        found.get("updatedAt"),
        status.get("latestAgentOrchestratedAt"),
        status.get("latestAgentProfileReportedAt"),
    )
    return Group(
        arn=arn,
        compute_platform=compute_platform,
        tags=found.get("tags", {}),
        tags_known="tags" in found,
        last_active=max((sign for sign in signs if sign is not None), default=None),
    )


def _name(arn: str) -> str:
    return arn.rpartition("/")[2]


def put_tags(client: CodeGuruProfilerClient, group: Group, tags: Mapping[str, str]) -> None:
    """Add tags to a group, or change their values; its other tags stay."""
    client.tag_resource(resourceArn=group.arn, tags=tags)


def remove_tags(client: CodeGuruProfilerClient, group: Group, keys: Collection[str]) -> None:
    """Take tags off a group."""
    client.untag_resource(resourceArn=group.arn, tagKeys=list(keys))


def delete(client: CodeGuruProfilerClient, name: str) -> None:
    """Delete a group with its profiles. That it is gone already is no error."""
    with suppress(client.exceptions.ResourceNotFoundException):
        client.delete_profiling_group(profilingGroupName=name)


def allow_agent(client: CodeGuruProfilerClient, name: str, role: str) -> bool:
    """Let a group's resource policy allow a role the agent's calls; whom it allows them already keeps them.

    Returns:
        Whether the policy was changed; it is not where it allows the role already.
    """
    for attempt in range(PERMISSION_ATTEMPTS):
        principals, revision = _allowed_agents(client, name)
        if role in principals:
            return False
        try:
            if revision is None:
                answer = client.put_permission(
                    profilingGroupName=name, actionGroup="agentPermissions", principals=[*principals, role]
                )
            else:
                answer = client.put_permission(
                    profilingGroupName=name,
                    actionGroup="agentPermissions",
                    principals=[*principals, role],
                    revisionId=revision,
                )
        except client.exceptions.ConflictException:
            # Somebody has changed it since it was read.
            if attempt + 1 == PERMISSION_ATTEMPTS:
                raise
        else:
            if "revisionId" not in answer:
                raise UnreadableAnswerError(f"PutPermission's answer has no policy of the group {name}")
            break
    return True


def lacks_agent(client: CodeGuruProfilerClient, name: str, role: str) -> bool:
    """Whether `allow_agent` would change a group's resource policy."""
    return role not in _allowed_agents(client, name)[0]


def _allowed_agents(client: CodeGuruProfilerClient, name: str) -> tuple[list[str], str | None]:
    """Return whom a group's resource policy allows the agent's calls, and its revision; None where there is none."""
    try:
        found = client.get_policy(profilingGroupName=name)
    except client.exceptions.ResourceNotFoundException:
        return [], None
    principals: list[str] = []
    try:
        for statement in json.loads(found["policy"])["Statement"]:
            named = statement["Principal"]["AWS"]
            principals += [named] if isinstance(named, str) else named
        revision = found["revisionId"]
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableAnswerError(f"GetPolicy's answer has no policy of the group {name}") from error
    # A role that is gone stands there as its bare id (IAM user guide, "AWS JSON policy elements: Principal"), which no
    # request may name.
    return [principal for principal in principals if _NAMEABLE.match(principal)], revision
