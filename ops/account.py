"""Functions of an AWS account, read with the credentials and the region that are there: `AWS_PROFILE` and all that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from ops import descriptions
from ops.connection import CONFIG, connect
from profiling_groups import functions
from profiling_groups.functions import FunctionArn, FunctionReference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationTypeDef

    from profiling_groups.functions import LambdaFunction

_AT_THE_SAME_TIME: Final = 8
"""Calls of ListTags under way at once; the SDK waits where Lambda throttles them."""
CREDENTIALS: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Error codes that say: the credentials are at fault, and not what was asked with them."""


class FunctionProblem(Exception):  # noqa: N818 - it is told, and the others go on
    """One function could not be read; the text says why."""


class Account:
    """The functions of an account.

    Attributes:
        region: The region of functions that do not name one.
    """

    def __init__(self) -> None:
        self._session = connect()
        self.region = self._session.region_name

    def function(self, reference: FunctionReference) -> LambdaFunction:
        """Read a function.

        Raises:
            FunctionProblem: It does not exist, or may not be read.
            botocore.exceptions.BotoCoreError: AWS could not be reached.
            botocore.exceptions.ClientError: The credentials will not do.
        """
        client = self._client(reference.region or self.region)
        name = reference.name
        if reference.account:
            name = str(FunctionArn(account=reference.account, region=client.meta.region_name, name=name))
        try:
            configuration = client.get_function_configuration(FunctionName=name)
            arn = descriptions.arn(configuration["FunctionArn"])
            tags = functions.read_tags(client, arn)
        except client.exceptions.ResourceNotFoundException as error:
            raise FunctionProblem(f"does not exist in {client.meta.region_name}") from error
        except (KeyError, descriptions.NotAFunctionError) as error:
            raise FunctionProblem("cannot be read: the answer describes no function") from error
        except ClientError as error:
            if error.response["Error"]["Code"] in CREDENTIALS:
                raise
            raise FunctionProblem(f"cannot be read: {error}") from error
        if tags is None:
            raise FunctionProblem(f"does not exist any more in {client.meta.region_name}")
        return functions.described(configuration, arn=arn, tags=tags)

    def all_functions(self) -> Iterator[LambdaFunction]:
        """Read all functions of the region: ListFunctions, and ListTags for each.

        Raises:
            botocore.exceptions.BotoCoreError: AWS could not be reached.
            botocore.exceptions.ClientError: They may not be listed, or their tags may not.
        """
        client = self._client(self.region)
        with ThreadPoolExecutor(_AT_THE_SAME_TIME) as threads:
            for page in client.get_paginator("list_functions").paginate():
                read = threads.map(lambda listed: _with_tags(client, listed), page["Functions"])
                yield from (function for function in read if function)

    def _client(self, region: str) -> LambdaClient:
        return self._session.client("lambda", region_name=region, config=CONFIG)


def _with_tags(client: LambdaClient, listed: FunctionConfigurationTypeDef) -> LambdaFunction | None:
    """Return a function that was listed; None where it is gone since."""
    arn = descriptions.arn(listed["FunctionArn"])
    tags = functions.read_tags(client, arn)
    return None if tags is None else functions.described(listed, arn=arn, tags=tags)
