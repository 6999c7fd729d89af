"""The profiling-group side of the API. The client comes as an argument: no boto3 here.

API model: codeguruprofiler/2019-07-18. Every function raises botocore's ClientError for an error of the API that it
does not speak of, and BotoCoreError where the API could not be reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient

    from profiling_groups.functions import FunctionArn

COMPUTE_PLATFORM: Final = "AWSLambda"


@dataclass(frozen=True, kw_only=True)
class Group:
    """A profiling group as it is now.

    Attributes:
        arn: Its ARN.
        compute_platform: `AWSLambda` or `Default`; it cannot be changed after creation.
        tags: Its tags.
    """

    arn: str
    compute_platform: str
    tags: Mapping[str, str]


def arn(function: FunctionArn, name: str) -> str:
    """Return the ARN that a group of this name has in the function's account and region."""
    return f"arn:{function.partition}:codeguru-profiler:{function.region}:{function.account}:profilingGroup/{name}"


def create(
    client: CodeGuruProfilerClient, name: str, *, tags: Mapping[str, str], profiling_enabled: bool, client_token: str
) -> bool:
    """Create a group for Lambda functions. False where one of that name is there already."""
    try:
        client.create_profiling_group(
            profilingGroupName=name,
            computePlatform=COMPUTE_PLATFORM,
            agentOrchestrationConfig={"profilingEnabled": profiling_enabled},
            tags=tags,
            clientToken=client_token,
        )
    except client.exceptions.ConflictException:
        return False
    return True


def describe(client: CodeGuruProfilerClient, name: str) -> Group:
    """Read a group; ClientError with ResourceNotFoundException where there is none."""
    found = client.describe_profiling_group(profilingGroupName=name)["profilingGroup"]
    return Group(
        arn=found["arn"],
        compute_platform=found.get("computePlatform", "Default"),
        tags=found.get("tags", {}),
    )


def put_tags(client: CodeGuruProfilerClient, group: Group, tags: Mapping[str, str]) -> None:
    """Add tags to a group, or change their values; its other tags stay."""
    client.tag_resource(resourceArn=group.arn, tags=tags)
