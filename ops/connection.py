"""The way to AWS with the credentials and the region that are there: `AWS_PROFILE`, `AWS_ENDPOINT_URL` and the like."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.problems import CannotWorkError
from profiling_groups.functions import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 8},
    connect_timeout=5,
    read_timeout=20,
    user_agent_extra="profiling-groups",
)


@contextmanager
def reachable() -> Iterator[None]:
    """Turn what stands between the command and AWS into a message for a person.

    Raises:
        CannotWorkError: No call gets through, or none of this kind.
    """
    try:
        yield
    except BotoCoreError as error:
        raise CannotWorkError(f"AWS cannot be asked: {error}") from error
    except ClientError as error:
        raise CannotWorkError(f"AWS refuses to answer: {error}") from error
    except ValueError as error:
        # botocore's word for AWS_ENDPOINT_URL without a scheme.
        if not str(error).startswith("Invalid endpoint"):
            raise
        raise CannotWorkError(f"AWS cannot be asked: {error}") from error


def connect() -> boto3.Session:
    """Return a session that has a region.

    Raises:
        CannotWorkError: There is none to ask.
        botocore.exceptions.BotoCoreError: The profile is none.
    """
    session = boto3.Session()
    region = os.environ.get("AWS_REGION") or session.region_name
    if not region:
        raise CannotWorkError("there is no region to ask: set AWS_REGION, or one for the profile")
    return boto3.Session(region_name=region)


def place(session: boto3.Session) -> Place:
    """Return the account of the credentials, and the region: one call, GetCallerIdentity, which needs no permission.

    Raises:
        botocore.exceptions.BotoCoreError: AWS could not be reached.
        botocore.exceptions.ClientError: The credentials will not do.
    """
    account = session.client("sts", config=CONFIG).get_caller_identity()["Account"]
    return Place(account=account, region=session.region_name)
