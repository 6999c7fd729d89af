"""What the child workflows of a distributed map have come to, read from the bucket of reports.

A manifest names files, each a JSON array of executions, with input, output, error and cause as text (Step Functions
developer guide, ResultWriter). Of an organization that is much: one child is held at a time.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import ijson  # type: ignore[import-untyped]  # it brings no types
from botocore.exceptions import ClientError

from ops.connection import CONFIG
from ops.problems import CannotWorkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import boto3
    from mypy_boto3_s3 import S3Client

_SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An account that was not swept to the end.

    Attributes:
        account: Account id.
        region: Region code; None where several regions are swept together.
        error: Name of the error.
        cause: What it says.
        regions: All regions that were to be swept.
        organization_path: Where the account is in its organization, if in one.
    """

    account: str | None
    region: str | None
    error: str | None
    cause: str | None
    regions: tuple[str, ...] = ()
    organization_path: str | None = None


class Results:
    """The results of a map run.

    Args:
        session: The operator's.
        details: The `ResultWriterDetails` of the execution's output: where the manifest is.

    Raises:
        CannotWorkError: The manifest is none, or is not there any more.
        botocore.exceptions.ClientError: It may not be read.
    """

    def __init__(self, session: boto3.Session, details: Mapping[str, str]) -> None:
        self._client: S3Client = session.client("s3", config=CONFIG)
        self._bucket = details["Bucket"]
        key = details["Key"]
        with self._understood(key):
            manifest = json.loads(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
            files = manifest["ResultFiles"].items()
            self._files = {status: [each["Key"] for each in listed] for status, listed in files}

    def runs(self) -> Iterator[dict[str, Any]]:
        """Yield what came of each account and region that was swept to the end.

        Raises:
            CannotWorkError: A file is not what it should be, or is not there any more.
        """
        for key in self._files.get(_SUCCEEDED, ()):
            with self._understood(key):
                for child in self._children(key):
                    yield from _runs(json.loads(child["Output"]))

    def failures(self) -> Iterator[Failure]:
        """Yield what came of the accounts that were not.

        Raises:
            CannotWorkError: A file is not what it should be, or is not there any more.
        """
        for key in chain.from_iterable(keys for status, keys in self._files.items() if status != _SUCCEEDED):
            with self._understood(key):
                for child in self._children(key):
                    yield failure(child["Input"], child.get("Error") or child.get("Status"), child.get("Cause"))

    def _children(self, key: str) -> Iterator[dict[str, Any]]:
        yield from ijson.items(self._client.get_object(Bucket=self._bucket, Key=key)["Body"], "item")

    @contextmanager
    def _understood(self, key: str) -> Iterator[None]:
        try:
            yield
        except ijson.JSONError as error:
            # It has several lines, and shows the place.
            raise CannotWorkError(f"s3://{self._bucket}/{key} is no JSON, or breaks off") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CannotWorkError(
                f"s3://{self._bucket}/{key} is not what a map run leaves: {type(error).__name__}: {error}"
            ) from error
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            raise CannotWorkError(
                f"s3://{self._bucket}/{key} is not there; results are kept as long as the setting"
                " report_retention_days says"
            ) from error


def failure(given: str, error: str | None, cause: str | None) -> Failure:
    """Return what a child workflow's failure tells.

    Args:
        given: Its input.
        error: Name of the error.
        cause: What it says; of a function's error, Step Functions gives the whole answer.
    """
    target = json.loads(given).get("target", {})
    with suppress(ValueError, KeyError, TypeError):
        cause = json.loads(cause or "")["errorMessage"]
    region = target.get("region")
    return Failure(
        account=target.get("account"),
        region=region,
        error=error,
        cause=cause,
        regions=tuple(target.get("regions") or ([region] if region else [])),
        organization_path=target.get("organization_path"),
    )


def _runs(output: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the runs in a child's output: it is one, or has one for each region of its account."""
    if "runs" not in output:
        yield output
        return
    shared = {key: output[key] for key in ("account", "organization_path")}
    for run in output["runs"]:
        yield {"account": run["account"], "region": run["region"], **shared, **run}
