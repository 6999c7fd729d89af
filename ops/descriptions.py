"""Functions as AWS describes them in JSON → `LambdaFunction`. Pure.

Shapes: what `aws lambda get-function`, `get-function-configuration` and `list-functions` print (API model,
FunctionConfiguration). What they leave out may be there as null, as other tools write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_pascal

from profiling_groups import functions
from profiling_groups.functions import FunctionArn, FunctionReference, LambdaFunction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_lambda.type_defs import FunctionConfigurationTypeDef

_KEYS = 5
"""Keys of something that is no function that the message repeats."""


class NotAFunctionError(ValueError):
    """Something describes no function; the text says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """A function out of a description.

    Attributes:
        function: The function.
        tagged: Whether the description tells its tags; otherwise the function passes for one without.
    """

    function: LambdaFunction
    tagged: bool


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal, strict=True)


class _EnvironmentError(_Model):
    error_code: str


class _Environment(_Model):
    variables: dict[str, str] | None = None
    error: _EnvironmentError | None = None


class _Configuration(_Model):
    """As much of a FunctionConfiguration as matters here."""

    function_arn: str
    runtime: str | None = None
    package_type: str | None = None
    architectures: list[str] | None = None
    role: str | None = None
    environment: _Environment | None = None
    tags: dict[str, str] | None = None


def entries(document: object) -> Iterator[object]:
    """Yield what a document holds, one by one: of lists, and of what `list-functions` prints, each part by itself."""
    match document:
        case list():
            for each in document:
                yield from entries(each)
        case {"Functions": list() as listed}:
            yield from listed
        case _:
            yield document


def described(entry: object) -> Described:
    """Read one function.

    Args:
        entry: `{"Configuration": {...}, "Tags": {...}}`, or a FunctionConfiguration, with its tags or without.

    Raises:
        NotAFunctionError: It is neither.
    """
    match entry:
        case {"Configuration": dict() as configuration, **rest}:
            # GetFunction leaves the tags out where there are none.
            return Described(function=function({**configuration, "Tags": rest.get("Tags") or {}}), tagged=True)
        case {"FunctionArn": _, **rest}:
            return Described(function=function(entry), tagged=rest.get("Tags") is not None)
        case dict():
            keys = ", ".join(map(ascii, list(entry)[:_KEYS])) or "none"
            raise NotAFunctionError(f"is no function: it has neither FunctionArn nor Configuration; its keys: {keys}")
    raise NotAFunctionError("is no function: not a JSON object")


def function(configuration: object) -> LambdaFunction:
    """Read a FunctionConfiguration that may hold `Tags` besides.

    Raises:
        NotAFunctionError: It is none.
    """
    try:
        found = _Configuration.model_validate(configuration)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise NotAFunctionError("; ".join(problems)) from error
    if found.runtime is None and found.package_type != "Image":
        # It would pass for a container image, which is known by having no runtime.
        raise NotAFunctionError("Runtime: is missing, and PackageType does not say that it is an image")
    plain = found.model_dump(by_alias=True, exclude_none=True)
    return functions.described(
        cast("FunctionConfigurationTypeDef", plain), arn=arn(found.function_arn), tags=found.tags or {}
    )


def arn(text: str) -> FunctionArn:
    """Read a full function ARN; a version or alias behind it is left off.

    Raises:
        NotAFunctionError: It is none.
    """
    reference = FunctionReference.parse(text)
    if reference is None or reference.account is None or reference.region is None:
        raise NotAFunctionError(f"FunctionArn: {text!a} is no ARN of a function")
    return FunctionArn(account=reference.account, region=reference.region, name=reference.name)
