"""What somebody does to a function: calls of the APIs, as the demo's stories are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from demo.account import Account

    Change = Callable[[Account, str], None]
    """Takes the account and the function's name."""

_ROLE = "demo-function"
_CODE = {"Runtime": "python3.13", "Handler": "app.handler", "Code": {"ZipFile": b"no code is run"}}


def created(*, tags: Mapping[str, str] | None = None, **settings: object) -> Change:
    """Create the function.

    Args:
        tags: Its tags.
        settings: Whatever else CreateFunction is told, other than the defaults.
    """

    def change(account: Account, name: str) -> None:
        code = {} if settings.get("PackageType") == "Image" else _CODE
        request = {"FunctionName": name, "Role": account.role(_ROLE), "Tags": tags or {}, **code, **settings}
        account.awslambda.create_function(**request)

    return change


def creation_refused(account: Account, name: str) -> None:
    """Try to create the function with a role that Lambda may not assume."""
    role = account.role(_ROLE).replace(_ROLE, "no-such-role")
    request: dict[str, Any] = {"FunctionName": name, "Role": role, **_CODE}
    try:
        account.awslambda.create_function(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidParameterValueException":
            raise


def tagged(tags: Mapping[str, str]) -> Change:
    """Add tags to the function, or change their values."""
    return lambda account, name: account.awslambda.tag_resource(Resource=_arn(account, name), Tags=tags)


def untagged(*keys: str) -> Change:
    """Take tags off the function."""
    return lambda account, name: account.awslambda.untag_resource(Resource=_arn(account, name), TagKeys=keys)


def deleted(account: Account, name: str) -> None:
    """Delete the function."""
    account.awslambda.delete_function(FunctionName=name)


def group_made(*, tags: Mapping[str, str] | None = None) -> Change:
    """Let another owner create the function's group: a person, a tool, or the agent, which gives it no tags."""

    def change(account: Account, name: str) -> None:
        account.profiler.create_profiling_group(
            profilingGroupName=f"aws-lambda-{name}",
            computePlatform="AWSLambda",
            tags=tags or {},
            clientToken="somebody-else",
        )

    return change


def group_deleted(account: Account, name: str) -> None:
    """Let somebody delete the function's group."""
    account.profiler.delete_profiling_group(profilingGroupName=f"aws-lambda-{name}")


def group_tagged(tags: Mapping[str, str]) -> Change:
    """Let somebody add tags to the function's group."""

    def change(account: Account, name: str) -> None:
        found = account.profiler.describe_profiling_group(profilingGroupName=f"aws-lambda-{name}")
        account.profiler.tag_resource(resourceArn=found["profilingGroup"]["arn"], tags=tags)

    return change


def _arn(account: Account, name: str) -> str:
    return str(account.awslambda.get_function_configuration(FunctionName=name)["FunctionArn"])
