"""What the backfill's state machine does, in the Amazon States Language: plain data, which `backfill` deploys.

For each target, an account and region, a child workflow sweeps from cursor to cursor until the sweep is complete; what
it came to lies in the bucket of reports. No CDK here: tests walk and run it as it is.
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
MAP_LABEL: Final = "Targets"
"""What the ARNs of the child workflows have after the machine's name."""

# The rest is for the call's way to the function and back.
_SWEEP_TIMEOUT_SECONDS = FUNCTION_TIMEOUT_SECONDS + 60
_MOST_AT_ONCE = 10
# A few accounts that cannot be swept are for the report. More than that have a cause in common: the execution fails,
# and is redriven once it is mended. With one target, none is tolerated. (The
# sandbox's interpreter reads no whole number here.)
_TOLERATED_FAILURE_PERCENT = 10.0
# A state's input and output are 256 KiB at most; an outcome with a long message is somewhat over 1 KB.
_MOST_OUTCOMES = 100

# Lambda calls an error of the function by the name of its class.
_NOT_LISTED = InventoryError.__name__
_REFUSED = [InvalidRequestError.__name__, InvalidEventError.__name__]
_STALE = StaleCursorError.__name__

_DEFAULTS: Json = {"dry_run": False, "cursor": None, "time_budget_seconds": None}
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
            "Every target": {
                "Type": "Map",
                "Label": MAP_LABEL,
                "ItemsPath": "$.targets",
                "ItemSelector": {
                    "target.$": "States.JsonMerge($.fixed, $$.Map.Item.Value, false)",
                    # What the function does not know in it, it refuses: a misspelt dry_run must not write.
                    "request.$": "States.JsonMerge($.defaults, $.input, false)",
                    "anew.$": "$.anew",
                },
                "MaxConcurrency": _MOST_AT_ONCE,
                "ToleratedFailurePercentage": _TOLERATED_FAILURE_PERCENT,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    **_sweep_until_complete(
                        invoke=f"arn:{partition}:states:::lambda:invoke", function_arn=function_arn
                    ),
                },
                "ResultWriter": {
                    "Resource": f"arn:{partition}:states:::s3:putObject",
                    "Parameters": {"Bucket": bucket, "Prefix": REPORTS_PREFIX},
                },
                "End": True,
            },
        },
    }


def _sweep_until_complete(*, invoke: str, function_arn: str) -> Json:
    """Return the child workflow of one target. Its input has `target` and `request`, its output is the sweep's run."""
    return {
        "StartAt": "Sweep",
        "States": {
            "Sweep": {
                "Type": "Task",
                "Resource": invoke,
                "Parameters": {
                    "FunctionName": function_arn,
                    "Payload.$": "States.JsonMerge($.request, $.target, false)",
                },
                "ResultPath": "$.answer",
                "TimeoutSeconds": _SWEEP_TIMEOUT_SECONDS,
                "Retry": _RETRY,
                "Catch": [{"ErrorEquals": [_STALE], "ResultPath": "$.error", "Next": "Start over"}],
                "Next": "Complete?",
            },
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
