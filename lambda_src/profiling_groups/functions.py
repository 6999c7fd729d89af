"""Lambda functions: what identifies one, what is known of one, and how it is read from the Lambda API.

`events`, `naming` and `decision` use the value types; `reconcile` reads. The client is an argument: no boto3 here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import (
        FunctionConfigurationResponseTypeDef,
        FunctionConfigurationTypeDef,
    )

ACCOUNT: Final = re.compile(r"[0-9]{12}")
"""An account id."""
# As botocore's partitions have them: `eu-west-1`, `us-gov-west-1`, `us-isob-east-1`, `eusc-de-east-1`.
REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")
"""A region code, of whatever partition."""

# The forms in which the Lambda API takes a function's name (API reference, CreateFunction, FunctionName): a name, a
# partial ARN or a full one, each with a qualifier or without; 256 characters at most. The name itself may be anything
# but a colon (and text that no URL can carry), because what may stand in it is Lambda's to say.
_REFERENCE = re.compile(
    r"(?:arn:(?P<partition>aws[a-z-]*):lambda:)?"
    rf"(?:(?P<region>{REGION.pattern}):)?"
    rf"(?:(?P<account>{ACCOUNT.pattern}):)?"
    r"(?:function:)?"
    r"(?P<name>[^:\ud800-\udfff]{1,256})"
    r"(?::(?P<qualifier>[^:]{1,128}))?"
)
_MAX_REFERENCE = 512
"""Characters of the longest reference, and some more."""
# All other regions are in the partition `aws`; a test holds this to botocore's partitions.
_PARTITIONS_BY_REGION_PREFIX = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}
# The agent's variables; it looks at the ARN first (amazon-codeguru-profiler-python-agent, profiler_builder.py).
_GROUP_VARIABLES = ("AWS_CODEGURU_PROFILER_GROUP_ARN", "AWS_CODEGURU_PROFILER_GROUP_NAME")
_TARGET_REGION_VARIABLE = "AWS_CODEGURU_PROFILER_TARGET_REGION"


class UnreadableAnswerError(Exception):
    """An API answered with success, and the answer lacks what it cannot do without.

    botocore takes a body that is empty, cut off or not JSON for an answer without any fields, and the API models mark
    almost no field as required. So every read checks the fields that it goes by; a field that is missing never means
    "none".
    """


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where functions are.

    Attributes:
        account: Account id, 12 digits.
        region: Region code.
    """

    account: str
    region: str


@dataclass(frozen=True, kw_only=True)
class FunctionReference:
    """A function's name as somebody wrote it; the parts that they left out are None.

    Attributes:
        name: The bare function name.
        region: Region, where the reference is an ARN or a partial one that says.
        account: Account, where the reference says.
    """

    name: str
    region: str | None
    account: str | None

    @classmethod
    def parse(cls, text: str) -> FunctionReference | None:
        """Read a name, a partial ARN or a full ARN; a version or alias behind it is left off. None where it is none."""
        if len(text) <= _MAX_REFERENCE and (found := _REFERENCE.fullmatch(text)):
            return cls(name=found["name"], region=found["region"], account=found["account"])
        return None


@dataclass(frozen=True, kw_only=True)
class FunctionArn:
    """An unqualified function ARN.

    Attributes:
        account: Account id, 12 digits.
        region: Region code.
        name: Function name, without version or alias.
    """

    account: str
    region: str
    name: str

    @property
    def partition(self) -> str:
        """The partition that the region belongs to."""
        return partition(self.region)

    def __str__(self) -> str:
        return f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{self.name}"


@cache
def partition(region: str) -> str:
    """Return the partition that a region belongs to."""
    for prefix, partition in _PARTITIONS_BY_REGION_PREFIX.items():
        if region.startswith(prefix):
            return partition
    return "aws"


@dataclass(frozen=True, kw_only=True)
class LambdaFunction:
    """A function as it is now, as far as the decision needs it.

    Attributes:
        arn: Which function.
        runtime: Runtime identifier such as `python3.13`; None for a container image, which has none to go by.
        architectures: Instruction sets; Lambda takes one, in a list.
        role: ARN of its execution role.
        tags: The function's tags, reserved ones included.
        named_groups: The profiling groups (ARNs or names) that its environment names. The agent reports to the first.
        target_region: The region to which its environment sends its profiles; None where it names none.
        environment_error: Why its environment could not be read (a customer managed key that the caller may not use);
            None where it could.
    """

    arn: FunctionArn
    runtime: str | None
    architectures: tuple[str, ...] = ("x86_64",)
    role: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    named_groups: tuple[str, ...] = ()
    target_region: str | None = None
    environment_error: str | None = None


def read(client: LambdaClient, arn: FunctionArn) -> LambdaFunction | None:
    """Read a function as it is now: two calls, GetFunctionConfiguration and ListTags.

    Returns:
        The function, or None where it does not exist (any more).

    Raises:
        botocore.exceptions.ClientError: Any other error of the Lambda API.
        botocore.exceptions.BotoCoreError: The API could not be reached.
        UnreadableAnswerError: The answer is not one of Lambda's, or is about another function.
    """
    function = read_configuration(client, arn)
    tags = read_tags(client, arn) if function else None
    return None if function is None or tags is None else replace(function, tags=tags)


def read_configuration(client: LambdaClient, arn: FunctionArn) -> LambdaFunction | None:
    """Read a function without its tags: one call, GetFunctionConfiguration, with the errors of `read`."""
    try:
        configuration = client.get_function_configuration(FunctionName=str(arn))
    except client.exceptions.ResourceNotFoundException:
        return None
    found = configuration.get("FunctionArn")
    # A version or an alias may follow.
    if not f"{found}:".startswith(f"{arn}:"):
        raise UnreadableAnswerError(f"GetFunctionConfiguration's answer is not about {arn}")
    return described(configuration, arn=arn, tags={})


def read_tags(client: LambdaClient, arn: FunctionArn) -> Mapping[str, str] | None:
    """Read a function's tags: one call, ListTags, with the errors of `read`. None where the function does not exist."""
    try:
        answer = client.list_tags(Resource=str(arn))
    except client.exceptions.ResourceNotFoundException:
        return None
    if "Tags" not in answer:
        raise UnreadableAnswerError("ListTags' answer has no tags")
    return answer["Tags"]


def described(
    configuration: FunctionConfigurationTypeDef | FunctionConfigurationResponseTypeDef,
    *,
    arn: FunctionArn,
    tags: Mapping[str, str],
) -> LambdaFunction:
    """Return a function from what the Lambda API says of it (API model, FunctionConfiguration) and its tags.

    Of the environment, which may hold secrets, only the agent's group and region are kept.
    """
    environment = configuration.get("Environment", {})
    variables = environment.get("Variables", {})
    return LambdaFunction(
        arn=arn,
        runtime=configuration.get("Runtime"),
        architectures=tuple(configuration.get("Architectures", ("x86_64",))),
        role=configuration.get("Role"),
        tags=tags,
        named_groups=tuple(variables[key] for key in _GROUP_VARIABLES if variables.get(key)),
        target_region=variables.get(_TARGET_REGION_VARIABLE) or None,
        environment_error=environment.get("Error", {}).get("ErrorCode"),
    )
