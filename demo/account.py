"""The sandbox's account as the demo sees it: what anybody could do there with an AWS SDK, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from demo.table import NO_OUTCOME, NOT_MATCHED, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

# A function's run or a stack takes as long as it takes on this machine.
_ANSWER_SECONDS = 1800
_MARKS = "profiling-group-provisioner:"
"""What the keys of the tags begin with that say whose a group is."""
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@cache
def _session() -> boto3.session.Session:
    """Return the session of all accounts: it keeps the API models, which cost most of what a client does."""
    return boto3.session.Session()


class Account:
    """One account and region of a sandbox.

    Args:
        endpoint: URL of the sandbox.
        region: Which region.
        account: Which account; the sandbox's own if none is named.
    """

    def __init__(self, endpoint: str, *, region: str, account: str | None = None) -> None:
        self._endpoint = endpoint
        self._region = region
        self._key = f"sandbox{account or ''}"

    @cached_property
    def awslambda(self) -> Any:  # noqa: ANN401 - its type is known to type checkers alone
        """Lambda's client."""
        return self.client("lambda")

    @cached_property
    def profiler(self) -> Any:  # noqa: ANN401 - its type is known to type checkers alone
        """CodeGuru Profiler's client."""
        return self.client("codeguruprofiler")

    def client(self, service: str) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client for a service."""
        return _session().client(  # type: ignore[call-overload]  # any service
            service,
            region_name=self._region,
            endpoint_url=self._endpoint,
            # Its own credentials and no others: this must never reach a real account.
            aws_access_key_id=self._key,
            aws_secret_access_key="sandbox",  # noqa: S106 - signatures are not checked
            config=Config(retries={"total_max_attempts": 1}, read_timeout=_ANSWER_SECONDS),
        )

    def function_arn(self, name: str) -> str:
        """Return the ARN of a function, whether it exists or not."""
        return f"arn:aws:lambda:{self._region}:{self.id}:function:{name}"

    @cached_property
    def id(self) -> str:
        """The account's id."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def role(self, name: str) -> str:
        """Make an execution role, if there is none of that name, and return its ARN."""
        iam = self.client("iam")
        try:
            made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))
        except iam.exceptions.EntityAlreadyExistsException:
            made = iam.get_role(RoleName=name)
        return str(made["Role"]["Arn"])

    def logging(self, *, on: bool) -> None:
        """Stop or start the trail; without one that logs, EventBridge hears of no API call."""
        cloudtrail = self.client("cloudtrail")
        for trail in cloudtrail.describe_trails()["trailList"]:
            (cloudtrail.start_logging if on else cloudtrail.stop_logging)(Name=trail["TrailARN"])

    def outcomes(self, function_name: str) -> list[dict[str, Any]]:
        """Return the outcome records in a function's log group, oldest first."""
        return [each for each in self.records(function_name) if each.get("log_type") == "outcome"]

    def records(self, function_name: str) -> list[dict[str, Any]]:
        """Return all records in a function's log group, oldest first."""
        logs = self.client("logs")
        configuration = self.awslambda.get_function_configuration(FunctionName=function_name)
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=configuration["LoggingConfig"]["LogGroup"]
        )
        # They come stream by stream: each of the function's environments has one.
        events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
        return [json.loads(event["message"]) for event in events if event["message"].startswith("{")]

    def result(self, outcome: Mapping[str, Any] | None, *, matched: bool, group: str | None = None) -> Result:
        """Return what became of an event: what its outcome record says, and the group as it is now.

        Args:
            outcome: The record; None where there is none.
            matched: Whether the rule let the event through.
            group: Name of the group to look at where the record names none.
        """
        if outcome is None:
            result = Result(action=NO_OUTCOME if matched else NOT_MATCHED)
        else:
            result = Result(action=outcome["action"], reason=outcome["reason"])
            group = outcome["group"] or group
        if group is None:
            return result
        try:
            found = self.profiler.describe_profiling_group(profilingGroupName=group)["profilingGroup"]
        except ClientError:
            return result
        tags = {key: value for key, value in found.get("tags", {}).items() if not key.startswith(_MARKS)}
        return replace(result, group=group, tags=tags, mark=_mark(found))


def _mark(group: Mapping[str, Any]) -> str | None:
    """Return which mark a group carries; if that does not name the function that the group is called after, whom."""
    function = (
        group["arn"].replace(":codeguru-profiler:", ":lambda:").replace(":profilingGroup/aws-lambda-", ":function:")
    )
    marks = {key.removeprefix(_MARKS): value for key, value in group.get("tags", {}).items() if key.startswith(_MARKS)}
    return ", ".join(key if value == function else f"{key} {value}" for key, value in sorted(marks.items())) or None
