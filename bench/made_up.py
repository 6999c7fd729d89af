"""An account of any size, made up: what the AWS APIs say of its functions and groups, as JSON values, page by page.

The stub serves it over HTTP; what needs no network takes the same pages in its own process. A function is made from its
number when it is asked for, so that an account costs no memory where it is served.
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
_LONG_AGO: Final = "2024-05-06T07:08:09.000+0000"


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """An account.

    Attributes:
        functions: How many it has.
        grouped: Whether each has its group, as the default policy wants it.
    """

    functions: int
    grouped: bool = False

    def list_functions(self, start: int, size: int) -> dict[str, Any]:
        """Return a page of ListFunctions from that function on."""
        page = {"Functions": [_function(number) for number in self._numbers(start, size)]}
        return {**page, "NextMarker": str(start + size)} if start + size < self.functions else page

    def get_resources(self, start: int, size: int) -> dict[str, Any]:
        """Return a page of the tagging API's GetResources from that function on."""
        tagged = [
            {
                "ResourceARN": _arn(number),
                "Tags": [{"Key": key, "Value": value} for key, value in _tags(number).items()],
            }
            for number in self._numbers(start, size)
        ]
        token = str(start + size) if start + size < self.functions else ""
        return {"ResourceTagMappingList": tagged, "PaginationToken": token}

    def list_profiling_groups(self, start: int, size: int) -> dict[str, Any]:
        """Return a page of ListProfilingGroups, with descriptions and hence no names, from that group on."""
        numbers = self._numbers(start, size) if self.grouped else range(0)
        page: dict[str, Any] = {
            "profilingGroupNames": [],
            "profilingGroups": [_group(number) for number in numbers],
        }
        return {**page, "nextToken": str(start + size)} if self.grouped and start + size < self.functions else page

    def list_tags(self, function: str) -> dict[str, Any]:
        """Return ListTags' answer about a function, by its ARN."""
        return {"Tags": _tags(int(_NUMBER.findall(function)[-1]))}

    def _numbers(self, start: int, size: int) -> range:
        return range(start, min(start + size, self.functions))


# Asked for several times while a page is made, and kept no longer.
@lru_cache(2_000)
def _name(number: int) -> str:
    # About as long as those that the CDK makes up.
    return f"{_TEAMS[number % len(_TEAMS)]}-{number:06}-Handler{_unique(number)[:8].upper()}"


def _arn(number: int) -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{_name(number)}"


@lru_cache(2_000)
def _unique(number: int) -> str:
    return str(uuid5(NAMESPACE_URL, str(number)))


def _tags(number: int) -> dict[str, str]:
    """Return ten tags: some that many functions share, some of one function only."""
    team, stage = _TEAMS[number % len(_TEAMS)], _STAGES[number % len(_STAGES)]
    return {
        "Name": _name(number),
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


def _function(number: int) -> dict[str, Any]:
    """Return a FunctionConfiguration with about as much in it as usual."""
    name = _name(number)
    return {
        "FunctionName": name,
        "FunctionArn": _arn(number),
        "Runtime": _RUNTIMES[number % len(_RUNTIMES)],
        "Role": f"arn:aws:iam::{ACCOUNT}:role/{name}-ServiceRole-{_unique(number)[:12].upper()}",
        "Handler": "app.handler",
        "CodeSize": 4_000_000 + number,
        "Description": f"Part {number} of something larger",
        "Timeout": 30,
        "MemorySize": 512,
        "LastModified": _LONG_AGO,
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


def _group(number: int) -> dict[str, Any]:
    """Return a ProfilingGroupDescription."""
    name = f"aws-lambda-{_name(number)}"
    return {
        "name": name,
        "arn": f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/{name}",
        "computePlatform": "AWSLambda",
        "createdAt": "2024-05-06T07:09:00.000Z",
        "updatedAt": "2024-05-06T07:09:00.000Z",
        "agentOrchestrationConfig": {"profilingEnabled": True},
        "profilingStatus": {"latestAgentProfileReportedAt": "2025-05-06T07:09:00.000Z"},
        "tags": {
            **_tags(number),
            "managed-by": "profiling-group-provisioner",
            "profiling-group-provisioner:created-for": _arn(number),
        },
    }


def created(request: Mapping[str, Any], *, account: str = ACCOUNT, region: str = REGION) -> dict[str, Any]:
    """Return CreateProfilingGroup's answer to a request."""
    name = request["profilingGroupName"]
    return {
        "name": name,
        "arn": f"arn:aws:codeguru-profiler:{region}:{account}:profilingGroup/{name}",
        "computePlatform": request.get("computePlatform", "Default"),
        "tags": request.get("tags", {}),
    }
