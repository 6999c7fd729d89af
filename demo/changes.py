"""What a scenario can do to a function and to its group: calls of the AWS APIs, by the names used in the scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from demo.account import Account
    from demo.scenarios import Scenario

_ROLE: Final = "demo-function"
_CODE: Final = {"Runtime": "python3.13", "Handler": "app.handler", "Code": {"ZipFile": b"no code is run"}}


def apply_changes(scenario: Scenario, account: Account) -> None:
    """Make a scenario's changes in an account.

    A change is a name, or a name with its argument: the parameters of CreateFunction, tags, or tag keys.

    Raises:
        ValueError: There is no such change.
    """
    for change in scenario.changes:
        name, argument = (change, None) if isinstance(change, str) else next(iter(change.items()))
        _apply(name, argument, account, scenario.function)


def _apply(name: str, argument: Any, account: Account, function: str) -> None:  # noqa: ANN401 - as YAML has it
    group = f"aws-lambda-{function}"
    match name:
        case "create":
            create_function(account, function, **argument)
        case "fail_to_create":
            _fail_to_create(account, function)
        case "delete":
            account.awslambda.delete_function(FunctionName=function)
        case "tag":
            account.awslambda.tag_resource(Resource=account.function_arn(function), Tags=argument)
        case "untag":
            account.awslambda.untag_resource(Resource=account.function_arn(function), TagKeys=argument)
        case "create_group":
            account.profiler.create_profiling_group(
                profilingGroupName=group, computePlatform="AWSLambda", tags=argument, clientToken="another-owner"
            )
        case "tag_group":
            found = account.profiler.describe_profiling_group(profilingGroupName=group)["profilingGroup"]
            account.profiler.tag_resource(resourceArn=found["arn"], tags=argument)
        case "delete_group":
            account.profiler.delete_profiling_group(profilingGroupName=group)
        case _:
            raise ValueError(f"{name!r} is not a change that a scenario can make")


def create_function(account: Account, name: str, **parameters: Any) -> None:  # noqa: ANN401 - of CreateFunction
    """Create a function: in Python, from a ZIP file, without tags, if parameters of CreateFunction do not differ."""
    code = {} if parameters.get("PackageType") == "Image" else _CODE
    defaults = {"FunctionName": name, "Role": account.role(_ROLE), "Tags": {}, **code}
    account.awslambda.create_function(**{**defaults, **parameters})


def _fail_to_create(account: Account, function: str) -> None:
    """Try to create the function with a role that Lambda may not assume."""
    role = account.role(_ROLE).replace(_ROLE, "no-such-role")
    try:
        account.awslambda.create_function(FunctionName=function, Role=role, **_CODE)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidParameterValueException":
            raise
