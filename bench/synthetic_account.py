"""A synthetic account of any size: what the AWS APIs answer about its functions and groups, page by page.

The stub serves these pages over HTTP; the comparison benchmark reads them in its own process. A function is computed
from its number on request, so that the account itself needs no memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT: Final = "444455556666"
REGION: Final = "eu-west-1"
_TEAMS: Final = ("billing", "checkout", "data-platform", "identity", "logistics", "search", "web")
_STAGES: Final = ("dev", "test", "staging", "prod")
_RUNTIMES: Final = ("python3.11", "python3.12", "python3.13", "java17", "java21")
_NUMBER: Final = re.compile(r"-(\d{6,})-Handler")
_MODIFIED: Final = "2024-05-06T07:08:09.000+0000"


@dataclass(frozen=True, kw_only=True)
class SyntheticAccount:
    """An account.

    Attributes:
        functions: Number of functions.
        grouped: Whether each function has its group, as the default policy wants it.
    """

    functions: int
    grouped: bool = False

    def list_functions(self, start: int, size: int) -> dict[str, Any]:
        """Return the page of ListFunctions that starts with this function."""
        page = {"Functions": [function_configuration(number) for number in self._numbers(start, size)]}
        return {**page, "NextMarker": str(start + size)} if start + size < self.functions else page

    def get_resources(self, start: int, size: int) -> dict[str, Any]:
        """Return the page of the tagging API's GetResources that starts with this function."""
        tagged = [
            {
                "ResourceARN": function_arn(number),
                "Tags": [{"Key": key, "Value": value} for key, value in tags(number).items()],
            }
            for number in self._numbers(start, size)
        ]
        token = str(start + size) if start + size < self.functions else ""
        return {"ResourceTagMappingList": tagged, "PaginationToken": token}

    def list_profiling_groups(self, start: int, size: int) -> dict[str, Any]:
        """Return the page of ListProfilingGroups (with descriptions, so without names) that starts with this group."""
        numbers = self._numbers(start, size) if self.grouped else range(0)
        page: dict[str, Any] = {
            "profilingGroupNames": [],
            "profilingGroups": [profiling_group(number) for number in numbers],
        }
        return {**page, "nextToken": str(start + size)} if self.grouped and start + size < self.functions else page

    def list_tags(self, function: str) -> dict[str, Any]:
        """Return ListTags' answer about the function with this ARN."""
        return {"Tags": tags(number_of(function))}

    def _numbers(self, start: int, size: int) -> range:
        return range(start, min(start + size, self.functions))


def number_of(name_or_arn: str) -> int:
    """Return the number of the function that a name or ARN belongs to."""
    return int(_NUMBER.findall(name_or_arn)[-1])


# A page uses each name several times.
@lru_cache(2_000)
def function_name(number: int) -> str:
    """Return the name of a function."""
    # About as long as the names that the CDK generates.
    return f"{_TEAMS[number % len(_TEAMS)]}-{number:06}-Handler{_unique(number)[:8].upper()}"


def function_arn(number: int) -> str:
    """Return the ARN of a function."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function_name(number)}"


@lru_cache(2_000)
def _unique(number: int) -> str:
    return str(uuid5(NAMESPACE_URL, str(number)))


def tags(number: int) -> dict[str, str]:
    """Return ten tags: some shared by many functions, some unique."""
    team, stage = _TEAMS[number % len(_TEAMS)], _STAGES[number % len(_STAGES)]
    return {
        "Name": function_name(number),
        "application": f"{team}-{number // 50}",
        "commit": _unique(number),
        "confidentiality": "internal",
        "cost-center": str(4700 + number % 90),
        "environment": stage,
        "owner": f"{team}@example.com",
        "repository": f"https://git.example.com/{team}/service-{number // 50}",
        "stack": f"{team}-{stage}-{number // 20}",
        "team": team,
    }


def function_configuration(number: int) -> dict[str, Any]:
    """Return a FunctionConfiguration of typical size."""
    name = function_name(number)
    return {
        "FunctionName": name,
        "FunctionArn": function_arn(number),
        "Runtime": _RUNTIMES[number % len(_RUNTIMES)],
        "Role": f"arn:aws:iam::{ACCOUNT}:role/{name}-ServiceRole-{_unique(number)[:12].upper()}",
        "Handler": "app.handler",
        "CodeSize": 4_000_000 + number,
        "Description": f"Part {number} of something larger",
        "Timeout": 30,
        "MemorySize": 512,
        "LastModified": _MODIFIED,
        "CodeSha256": f"{_unique(number)}=",
        "Version": "$LATEST",
        "Environment": {"Variables": {"TABLE": f"{name}-table", "LOG_LEVEL": "INFO", "STAGE": "prod"}},
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": _unique(number),
        "PackageType": "Zip",
        "Architectures": ["arm64" if number % 3 else "x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": f"/aws/lambda/{name}"},
    }


def profiling_group(number: int) -> dict[str, Any]:
    """Return a ProfilingGroupDescription."""
    name = f"aws-lambda-{function_name(number)}"
    return {
        "name": name,
        "arn": f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/{name}",
        "computePlatform": "AWSLambda",
        "createdAt": "2024-05-06T07:09:00.000Z",
        "updatedAt": "2024-05-06T07:09:00.000Z",
        "agentOrchestrationConfig": {"profilingEnabled": True},
        "profilingStatus": {"latestAgentProfileReportedAt": "2025-05-06T07:09:00.000Z"},
        "tags": {
            **tags(number),
            "managed-by": "profiling-group-provisioner",
            "profiling-group-provisioner:created-for": function_arn(number),
        },
    }


def created_group(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return CreateProfilingGroup's answer to a request."""
    name = request["profilingGroupName"]
    return {
        "name": name,
        "arn": f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/{name}",
        "computePlatform": request.get("computePlatform", "Default"),
        "tags": request.get("tags", {}),
    }
