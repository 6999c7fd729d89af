"""Clients of the AWS APIs, built on first use and kept while the environment lives; and what their errors mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

# botocore, not boto3: they build the same clients, and a cold start saves the import of boto3's resource layer.
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.loaders import Loader
from botocore.session import get_session

from profiling_groups.outcomes import Reason

if TYPE_CHECKING:
    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient
    from mypy_boto3_lambda import LambdaClient

QUOTA_CODE = "L-DA8D4E8D"
"""Service Quotas' code for the number of profiling groups per account and region."""

# The legacy mode, because the standard one retries a 402 (the API model marks it so), and a quota does not go away
# within seconds. Both wait by exponential backoff with full jitter. Time-outs are short, so that a service that does
# not answer is a clear error before the function's own time is over.
_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 4},
    connect_timeout=3,
    read_timeout=10,
    user_agent_extra="profiling-group-provisioner",
)

_REASONS = {
    "ServiceQuotaExceededException": Reason.QUOTA_EXCEEDED,
    "AccessDenied": Reason.ACCESS_DENIED,
    "AccessDeniedException": Reason.ACCESS_DENIED,
    "UnrecognizedClientException": Reason.ACCESS_DENIED,
    "ExpiredTokenException": Reason.ACCESS_DENIED,
    "ThrottlingException": Reason.THROTTLED,
    "TooManyRequestsException": Reason.THROTTLED,
    "ValidationException": Reason.INVALID,
    "InvalidParameterValueException": Reason.INVALID,
}
_PERMISSION_PREFIXES = {"GetFunctionConfiguration": "lambda", "ListTags": "lambda"}


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The clients for one region.

    Attributes:
        awslambda: Reads functions.
        profiler: Reads and writes profiling groups.
    """

    awslambda: LambdaClient
    profiler: CodeGuruProfilerClient


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An AWS error in this project's words.

    Attributes:
        reason: What kind it is.
        error_code: AWS's own code, or the name of the error where no answer came.
        detail: What failed, on what, and AWS's own message.
    """

    reason: Reason
    error_code: str
    detail: str


class _Loader(Loader):
    """botocore's loader, which would list the folders of all 400 services to see whether there is one of that name."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - the same for models and endpoints
        return ["codeguruprofiler", "lambda"]


@cache
def clients(region: str) -> Clients:
    """Return the clients for a region, built on the first call for it (that costs about 100 ms)."""
    session = get_session()
    session.register_component("data_loader", _Loader())
    return Clients(
        awslambda=cast("LambdaClient", session.create_client("lambda", region_name=region, config=_CONFIG)),
        profiler=cast(
            "CodeGuruProfilerClient", session.create_client("codeguruprofiler", region_name=region, config=_CONFIG)
        ),
    )


def explain(error: ClientError | BotoCoreError, *, resource: str) -> Failure:
    """Say what an error means.

    Args:
        error: What the SDK raised, its retries spent.
        resource: ARN of what the call was about, named beside the IAM action so that a missing permission can be added.
    """
    if not isinstance(error, ClientError):
        reason = Reason.INVALID if isinstance(error, ParamValidationError) else Reason.SERVICE_ERROR
        return Failure(reason=reason, error_code=type(error).__name__, detail=f"{error} (about {resource})")
    code = error.response["Error"]["Code"]
    reason = _REASONS.get(code, Reason.SERVICE_ERROR)
    prefix = _PERMISSION_PREFIXES.get(error.operation_name, "codeguru-profiler")
    detail = f"{prefix}:{error.operation_name} on {resource}: {error.response['Error'].get('Message', code)}"
    if reason is Reason.QUOTA_EXCEEDED:
        detail += f" (ask Service Quotas for more: {QUOTA_CODE})"
    return Failure(reason=reason, error_code=code, detail=detail)
