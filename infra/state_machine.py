"""What the backfill's state machine does, in the Amazon States Language: plain data, which `backfill` deploys.

For each target a child workflow sweeps from cursor to cursor until the sweep is complete; what it came to lies in the
bucket of reports. A target is an account and region; in an organization it is an account with its regions, so that its
role is assumed once, and the function lists them first. No CDK here: tests walk and run it as it is.
"""

from __future__ import annotations

from typing import Any, Final

from profiling_groups.cursors import StaleCursorError
from profiling_groups.events import InvalidEventError
from profiling_groups.inventory import InventoryError
from profiling_groups.requests import InvalidRequestError

Json = dict[str, Any]

FUNCTION_TIMEOUT_SECONDS: Final = 900
"""The longest that Lambda lets a function run: a sweep returns by itself before."""
REPORTS_PREFIX: Final = "backfill"
"""Where in the bucket the results lie: `<prefix>/<id of the map run>/manifest.json` and the files that it names."""
TARGETS_PREFIX: Final = "targets"
"""Where in the bucket the function leaves the list of an organization's accounts, which an execution reads."""
MAP_LABEL: Final = "Targets"
"""What the ARNs of the child workflows have after the machine's name."""

# The rest is for the call's way to the function and back.
_SWEEP_TIMEOUT_SECONDS = FUNCTION_TIMEOUT_SECONDS + 60
_MOST_AT_ONCE = 10
# A few accounts that cannot be swept are for the report. More than that have a cause in common: the execution fails,
# and is redriven once it is mended. With one target, none is tolerated. (The
# sandbox's interpreter reads no whole number here.)
_TOLERATED_FAILURE_PERCENT = 10.0
# A state's input and output are 256 KiB at most; an outcome with a long message is somewhat over 1 KB. In an
# organization this is for all regions of an account together.
_MOST_OUTCOMES = 100

# Lambda calls an error of the function by the name of its class.
_NOT_LISTED = InventoryError.__name__
_REFUSED = [InvalidRequestError.__name__, InvalidEventError.__name__]
_STALE = StaleCursorError.__name__

_DEFAULTS: Json = {"dry_run": False, "cursor": None, "time_budget_seconds": None}
_ORGANIZATION_DEFAULTS: Json = {"dry_run": False, "accounts": None, "regions": None, "time_budget_seconds": None}
_RETRY: list[Json] = [
    # Lambda's own trouble and throttles, and a sweep that could not list the functions: for half an hour or so.
    {
        "ErrorEquals": [
            "Lambda.TooManyRequestsException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.ClientExecutionTimeoutException",
            _NOT_LISTED,
        ],
        "IntervalSeconds": 5,
        "BackoffRate": 2,
        "MaxDelaySeconds": 300,
        "MaxAttempts": 10,
        "JitterStrategy": "FULL",
    },
    # The same request would be refused again, and so would the cursor, which is caught.
    {"ErrorEquals": [*_REFUSED, _STALE], "MaxAttempts": 0},
    # An invocation that was killed or ran out of time has left groups, not harm: its part is done again.
    {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 10,
        "BackoffRate": 2,
        "MaxAttempts": 3,
        "JitterStrategy": "FULL",
    },
]


def definition(*, partition: str, account: str, region: str, function_arn: str, bucket: str) -> Json:
    """Return the machine's definition.

    Its input may have `dry_run`, `cursor` and `time_budget_seconds`; each has a default.

    Args:
        partition: The AWS partition.
        account: The account to sweep.
        region: The region to sweep.
        function_arn: ARN of the function that sweeps.
        bucket: Name of the bucket of reports.
    """
    return {
        "Comment": "Gives every function that already exists its profiling group",
        "StartAt": "Prepare",
        "States": {
            "Prepare": {
                "Type": "Pass",
                "Parameters": {
                    "defaults": _DEFAULTS,
                    "input.$": "$",
                    "fixed": {"action": "backfill", "max_outcomes": _MOST_OUTCOMES},
                    "anew": {"cursor": None},
                    "targets": [{"account": account, "region": region}],
                },
                "Next": "Every target",
            },
            "Every target": _map(
                partition=partition,
                bucket=bucket,
                items={
                    "ItemsPath": "$.targets",
                    "ItemSelector": {
                        "target.$": "States.JsonMerge($.fixed, $$.Map.Item.Value, false)",
                        # What the function does not know in it, it refuses: a misspelt dry_run must not write.
                        "request.$": "States.JsonMerge($.defaults, $.input, false)",
                        "anew.$": "$.anew",
                    },
                },
                most_at_once=_MOST_AT_ONCE,
                tolerated_failure_percent=_TOLERATED_FAILURE_PERCENT,
                child=_sweep_until_complete(
                    invoke=f"arn:{partition}:states:::lambda:invoke", function_arn=function_arn
                ),
            ),
        },
    }


def organization_definition(
    *,
    partition: str,
    function_arn: str,
    bucket: str,
    max_concurrent_accounts: int,
    tolerated_failure_percentage: int,
) -> Json:
    """Return the definition of an organization's machine.

    Its input may have `dry_run`, `accounts`, `regions` and `time_budget_seconds`; each has a default. Which accounts
    there are is for the function to say, within those of the input where it names any.

    Args:
        partition: The AWS partition.
        function_arn: ARN of the function that lists the accounts, and sweeps them.
        bucket: Name of the bucket of reports, which also holds the lists of accounts.
        max_concurrent_accounts: How many accounts are swept at the same time.
        tolerated_failure_percentage: How many accounts' sweeps may fail before the execution does.
    """
    invoke = f"arn:{partition}:states:::lambda:invoke"
    return {
        "Comment": "Gives every function of the organization that already exists its profiling group",
        "StartAt": "Prepare",
        "States": {
            "Prepare": {
                "Type": "Pass",
                "Parameters": {"defaults": _ORGANIZATION_DEFAULTS, "input.$": "$"},
                "Next": "Fill in",
            },
            "Fill in": {
                "Type": "Pass",
                "Parameters": {"request.$": "States.JsonMerge($.defaults, $.input, false)"},
                "Next": "Count",
            },
            "Count": {
                "Type": "Pass",
                "Parameters": {"request.$": "$.request", "values.$": "$.request.*"},
                "Next": "Understood?",
            },
            # A value more than there are keys is that of another key: a misspelt dry_run must not write.
            "Understood?": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": f"$.values[{len(_ORGANIZATION_DEFAULTS)}]", "IsPresent": True, "Next": "Refused"}
                ],
                "Default": "List targets",
            },
            "Refused": {
                "Type": "Fail",
                "Error": InvalidRequestError.__name__,
                "Cause": f"the input has an unknown key; known are {', '.join(_ORGANIZATION_DEFAULTS)}",
            },
            "List targets": {
                "Type": "Task",
                "Resource": invoke,
                "Parameters": {
                    "FunctionName": function_arn,
                    "Payload": {
                        "action": "targets",
                        "accounts.$": "$.request.accounts",
                        "regions.$": "$.request.regions",
                    },
                },
                "ResultSelector": {f"{field}.$": f"$.Payload.{field}" for field in ("key", "accounts", "targets")},
                "ResultPath": "$.listed",
                "TimeoutSeconds": _SWEEP_TIMEOUT_SECONDS,
                "Retry": _RETRY,
                "Next": "Any?",
            },
            "Any?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.listed.targets", "NumericEquals": 0, "Next": "Nothing to do"}],
                "Default": "Every account",
            },
            "Nothing to do": {"Type": "Succeed"},
            "Every account": _map(
                partition=partition,
                bucket=bucket,
                items={
                    "ItemReader": {
                        "Resource": f"arn:{partition}:states:::s3:getObject",
                        "ReaderConfig": {"InputType": "JSON"},
                        "Parameters": {"Bucket": bucket, "Key.$": "$.listed.key"},
                    },
                    "ItemSelector": {
                        "target.$": "$$.Map.Item.Value",
                        "dry_run.$": "$.request.dry_run",
                        "time_budget_seconds.$": "$.request.time_budget_seconds",
                        "answer": {"cursor": None},
                    },
                },
                most_at_once=max_concurrent_accounts,
                tolerated_failure_percent=float(tolerated_failure_percentage),
                child=_sweep_account(invoke=invoke, function_arn=function_arn),
            ),
        },
    }


def _map(  # noqa: PLR0913 - the parts of a state, all by keyword
    *,
    partition: str,
    bucket: str,
    items: Json,
    most_at_once: int,
    tolerated_failure_percent: float,
    child: Json,
) -> Json:
    """Return the state that starts a child workflow for each target, and leaves in the bucket what they came to."""
    return {
        "Type": "Map",
        "Label": MAP_LABEL,
        **items,
        "MaxConcurrency": most_at_once,
        "ToleratedFailurePercentage": tolerated_failure_percent,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **child},
        "ResultWriter": {
            "Resource": f"arn:{partition}:states:::s3:putObject",
            "Parameters": {"Bucket": bucket, "Prefix": REPORTS_PREFIX},
        },
        "End": True,
    }


def _sweep(*, invoke: str, function_arn: str, payload: Json, result: Json) -> Json:
    """Return the state that asks the function for a sweep's next part."""
    return {
        "Type": "Task",
        "Resource": invoke,
        "Parameters": {"FunctionName": function_arn, **payload},
        **result,
        "TimeoutSeconds": _SWEEP_TIMEOUT_SECONDS,
        "Retry": _RETRY,
        "Catch": [{"ErrorEquals": [_STALE], "ResultPath": "$.error", "Next": "Start over"}],
        "Next": "Complete?",
    }


def _sweep_until_complete(*, invoke: str, function_arn: str) -> Json:
    """Return the child workflow of one target. Its input has `target` and `request`, its output is the sweep's run."""
    return {
        "StartAt": "Sweep",
        "States": {
            "Sweep": _sweep(
                invoke=invoke,
                function_arn=function_arn,
                payload={"Payload.$": "States.JsonMerge($.request, $.target, false)"},
                result={"ResultPath": "$.answer"},
            ),
            "Complete?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.answer.Payload.complete", "BooleanEquals": True, "Next": "Done"}],
                "Default": "Go on",
            },
            "Go on": {
                "Type": "Pass",
                "InputPath": "$.answer.Payload.cursor",
                "ResultPath": "$.request.cursor",
                "Next": "Sweep",
            },
            "Start over": {
                "Type": "Pass",
                "Parameters": {
                    "target.$": "$.target",
                    "request.$": "States.JsonMerge($.request, $.anew, false)",
                    "anew.$": "$.anew",
                },
                "Next": "Sweep",
            },
            "Done": {
                "Type": "Pass",
                "InputPath": "$.answer.Payload",
                "Parameters": {
                    f"{field}.$": f"$.{field}"
                    for field in (
                        *("account", "region", "dry_run", "complete"),
                        *("totals", "counts", "outcomes", "truncated"),
                    )
                },
                "End": True,
            },
        },
    }


def _sweep_account(*, invoke: str, function_arn: str) -> Json:
    """Return the child workflow of one account. Its output has a run for each of the account's regions.

    Its input has `target` (`account`, `regions`, `organization_path`), `dry_run`, `time_budget_seconds`, and in
    `answer` the cursor to begin with. An answer takes the place of the one before: together they could be too long.
    """
    answered = ("account", "regions", "dry_run", "complete", "cursor", "runs")
    return {
        "StartAt": "Sweep",
        "States": {
            "Sweep": _sweep(
                invoke=invoke,
                function_arn=function_arn,
                payload={
                    "Payload": {
                        "action": "backfill",
                        "account.$": "$.target.account",
                        "regions.$": "$.target.regions",
                        "organization_path.$": "$.target.organization_path",
                        "dry_run.$": "$.dry_run",
                        "cursor.$": "$.answer.cursor",
                        "time_budget_seconds.$": "$.time_budget_seconds",
                        "max_outcomes": _MOST_OUTCOMES,
                    }
                },
                result={
                    "ResultSelector": {f"{field}.$": f"$.Payload.{field}" for field in answered},
                    "ResultPath": "$.answer",
                },
            ),
            "Complete?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.answer.complete", "BooleanEquals": True, "Next": "Done"}],
                "Default": "Sweep",
            },
            "Start over": {"Type": "Pass", "Result": {"cursor": None}, "ResultPath": "$.answer", "Next": "Sweep"},
            "Done": {
                "Type": "Pass",
                "Parameters": {
                    "account.$": "$.answer.account",
                    "regions.$": "$.answer.regions",
                    "organization_path.$": "$.target.organization_path",
                    **{f"{field}.$": f"$.answer.{field}" for field in ("dry_run", "complete", "runs")},
                },
                "End": True,
            },
        },
    }
