"""The cases as they stand in `cases/*.yaml`, and what they say as a world, a payload and an expectation.

README.md in this folder describes the keys.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.contract.wire import Function, Group, World

Json = dict[str, Any]

_FOLDER: Final = Path(__file__).parent
_MARK: Final = "profiling-group-provisioner:"
_LONG_AGO_DAYS: Final = 365
_KNOWN: Final = frozenset(
    {"case", "policy", "account", "region", "functions", "groups", "faults", "changes", "fresh", "seconds"}
    | {"dead_letters", "event", "payload", "raises", "message", "outcome", "detail", "outcomes", "run"}
    | {"writes", "after", "agents", "calls", "security", "metrics", "steps", "dropped_tags", "error_code", "no_calls"}
    | {"details", "at_most_writes", "remaining_groups", "profiling_enabled"}
)


@dataclass(frozen=True, kw_only=True)
class Deployments:
    """How the deployments differ: `deployments.yaml`.

    Attributes:
        policies: The policy of each account of the deployment for one account, by name.
        units: Parent of each account and unit of the organization.
        organization: The setting of that name.
        organization_policy: The policy file of the organization's deployment.
    """

    policies: dict[str, Json]
    units: dict[str, str]
    organization: Json
    organization_policy: Json

    def account(self, policy: str) -> str:
        """Return the account in which a policy is in force."""
        return f"1000000000{list(self.policies).index(policy):02}"

    def policy_file(self) -> Json:
        """Return one policy file for all: each account has its own overrides."""
        overrides = [
            {"match": {"accounts": [self.account(name)]}, **keys} for name, keys in self.policies.items() if keys
        ]
        return {"version": 1, "overrides": overrides}


def read_deployments() -> Deployments:
    """Read `deployments.yaml`."""
    return Deployments(**_read(_FOLDER / "deployments.yaml"))


def read_cases() -> list[Json]:
    """Read all cases, each with the name of its file."""
    found = []
    for file in sorted((_FOLDER / "cases").glob("*.yaml")):
        content = _read(file)
        for case in content["cases"]:
            if unknown := set(case) - _KNOWN:
                raise ValueError(f"{file.name}: {case['case']}: unknown keys {sorted(unknown)}")
            found.append({"file": file.stem, "deployment": content["deployment"], "policy": "shipped", **case})
    return found


def world(case: Json, deployments: Deployments, *, own_account: str, account: str, region: str) -> World:
    """Return what exists before the case."""
    found = World(
        own_account=own_account,
        units=dict(deployments.units),
        faults=copy.deepcopy(case.get("faults", [])),
        changes=copy.deepcopy(case.get("changes", [])),
    )
    found.dead_letters = {(account, region): case.get("dead_letters", 0)}
    for name, keys in (case.get("functions") or {}).items():
        for each in _each_name(name):
            found.functions[account, region, each] = _function(each, keys or {}, account, region)
    for name, keys in (case.get("groups") or {}).items():
        for each in _each_name(name):
            found.groups[account, region, each] = _group(each, keys or {}, account, region)
    return found


def _each_name(name: str) -> list[str]:
    """`web-{1..60}` stands for sixty."""
    head, brace, rest = name.partition("{1..")
    last, _, tail = rest.partition("}")
    return [f"{head}{number}{tail}" for number in range(1, int(last) + 1)] if brace else [name]


def _function(name: str, keys: Json, account: str, region: str) -> Function:
    modified = datetime.now(UTC) - timedelta(minutes=keys.get("modified_minutes_ago", 10_000))
    configuration: Json = {
        "FunctionName": name,
        "FunctionArn": function_arn(name, account, region),
        "Runtime": keys.get("runtime", "python3.13"),
        "Role": f"arn:aws:iam::{account}:role/{keys.get('role', name)}",
        "PackageType": "Zip",
        "Architectures": [keys.get("architecture", "arm64")],
        "LastModified": modified.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        "Version": "$LATEST",
    }
    if keys.get("image"):
        configuration["PackageType"] = "Image"
        del configuration["Runtime"]
    if "environment" in keys:
        configuration["Environment"] = {"Variables": keys["environment"]}
    if "environment_error" in keys:
        configuration["Environment"] = {"Error": {"ErrorCode": keys["environment_error"], "Message": "denied"}}
    return Function(
        configuration=configuration,
        tags=expanded(keys.get("tags") or {}, name, account, region),
        in_listing=keys.get("in_listing", True),
        readable=keys.get("readable", True),
        listed_tags=keys.get("listed_tags"),
    )


def _group(name: str, keys: Json, account: str, region: str) -> Group:
    tags = keys.get("tags", {})
    owner = name.removeprefix("aws-lambda-")
    return Group(
        platform=keys.get("platform", "AWSLambda"),
        tags=None if tags is None else expanded(tags, owner, account, region),
        changed_at=datetime.now(UTC) - timedelta(days=keys.get("age_days", _LONG_AGO_DAYS)),
        agents=[f"arn:aws:iam::{account}:role/{role}" for role in keys.get("agents", ())],
    )


def expanded(tags: Json, owner: str, account: str, region: str) -> dict[str, str]:
    """Return tags with the short forms written out.

    `created-for: web` and `adopted-for: web` are the marks, with the ARN of the function `web` (an ARN is taken as it
    is; `true` means the function that the group is named after). `padding: 48` stands for so many tags more.
    """
    found: dict[str, str] = {}
    for key, value in tags.items():
        if key in ("created-for", "adopted-for"):
            name = owner if value is True else value
            found[_MARK + key] = name if name.startswith("arn:") else function_arn(name, account, region)
        elif key == "padding":
            found |= {f"key-{number:02}": "value" for number in range(value)}
        else:
            found[key] = value
    return found


def function_arn(name: str, account: str, region: str) -> str:
    """Return the ARN of a function."""
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def payload(step: Json, *, account: str, region: str, cursor: str | None) -> Any:  # noqa: ANN401 - JSON
    """Return what the function is given: an EventBridge event, or the payload itself."""
    if "event" in step:
        return _event(step["event"], account, region)
    text = step["payload"]
    given = json.loads(text) if isinstance(text, str) and text.startswith("{") else copy.deepcopy(text)
    if isinstance(given, dict) and given.get("cursor") == "of the step before":
        given["cursor"] = cursor
    return given


def _event(keys: Json, account: str, region: str) -> Json:
    """Return a CloudTrail record in its envelope, from a real-shaped fixture; `detail` and `envelope` replace keys."""
    fixture, function = keys.get("fixture", "create-function"), keys.get("function", "web")
    text = (_FOLDER.parent / "fixtures" / "cloudtrail" / f"{fixture}.json").read_text()
    text = text.replace("invoice-renderer", function).replace("444455556666", account).replace("eu-west-1", region)
    detail: Json = {**json.loads(text), **keys.get("detail", {})}
    if "tag_keys" in keys:
        detail["requestParameters"]["tagKeys"] = keys["tag_keys"]
    for key in keys.get("without", ()):
        del detail[key]
    envelope = {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws." + str(detail["eventSource"]).removesuffix(".amazonaws.com"),
        "account": account,
        "time": detail["eventTime"],
        "region": region,
        "resources": [],
        "detail": detail,
    }
    return {**envelope, **keys.get("envelope", {})}


def _read(file: Path) -> Any:  # noqa: ANN401 - YAML
    return YAML(typ="safe").load(file)
