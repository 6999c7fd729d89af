"""Clients of the AWS APIs, built on first use and kept while the environment lives; and what their errors mean."""

from __future__ import annotations

import gc
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

# botocore, not boto3: they build the same clients, and a cold start saves the import of boto3's resource layer.
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError
from botocore.loaders import Loader
from botocore.session import get_session
from botocore.utils import parse_timestamp

from profiling_groups import pacing
from profiling_groups.functions import UnreadableAnswerError
from profiling_groups.outcomes import Action, Reason

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel
    from botocore.session import Session
    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from mypy_boto3_service_quotas import ServiceQuotasClient

QUOTA_CODE = "L-DA8D4E8D"
"""Service Quotas' code for the number of profiling groups per account and region."""

_ATTEMPTS = 4
_CONNECT_SECONDS = 2
_READ_SECONDS = 5
LONGEST_CALL_SECONDS = _ATTEMPTS * (_CONNECT_SECONDS + _READ_SECONDS) + sum(2**retry for retry in range(_ATTEMPTS - 1))
"""How long one call may take, its retries and the waits between them included."""

# The legacy mode, because the standard one retries a 402 (the API model marks it so), and a quota does not go away
# within seconds. Both wait by exponential backoff with full jitter.
_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": _ATTEMPTS},
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=_READ_SECONDS,
    user_agent_extra="profiling-group-provisioner",
)

THREADS = 16
"""How many calls of a sweep are under way at once: enough for 50 a second that take 300 ms each."""
# A page of a thousand groups takes its time. `pacing` does the retries.
_SWEEP_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 1},
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=20,
    max_pool_connections=THREADS,
    user_agent_extra="profiling-group-provisioner",
)

# Some services throttle with a 400; the SDK knows these codes by heart too.
_REASONS_BY_CODE = {
    "Throttling": Reason.THROTTLED,
    "ThrottlingException": Reason.THROTTLED,
    "TooManyRequestsException": Reason.THROTTLED,
    # Organizations': the account is not in it (any more).
    "ChildNotFoundException": Reason.ACCOUNT_UNREACHABLE,
    "AccountNotFoundException": Reason.ACCOUNT_UNREACHABLE,
}
_REASONS_BY_STATUS = {
    400: Reason.INVALID,
    401: Reason.ACCESS_DENIED,
    402: Reason.QUOTA_EXCEEDED,
    403: Reason.ACCESS_DENIED,
    429: Reason.THROTTLED,
}
# A region that is not enabled for an account knows none of its credentials (IAM user guide, "Troubleshoot").
_REGION_DISABLED = frozenset({"UnrecognizedClientException", "InvalidClientTokenId", "OptInRequired", "RegionDisabled"})
_PREFIXES = {
    "AssumeRole": "sts",
    "GetFunctionConfiguration": "lambda",
    "ListTags": "lambda",
    "ListFunctions": "lambda",
    "GetResources": "tag",
    "GetServiceQuota": "servicequotas",
    "GetQueueAttributes": "sqs",
    "ListParents": "organizations",
    "ListAccountsForParent": "organizations",
    "ListOrganizationalUnitsForParent": "organizations",
    "DescribeAccount": "organizations",
    "PutObject": "s3",
}
_LONGEST_MESSAGE = 1_000
_FIRST_ERROR_STATUS = 300


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

    @property
    def action(self) -> Action:
        """What an outcome about it is: where no one but the account's owner can mend it, nothing has failed."""
        on_purpose = self.reason in (Reason.ACCOUNT_UNREACHABLE, Reason.REGION_UNSUPPORTED)
        return Action.SKIPPED if on_purpose else Action.FAILED

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True, kw_only=True)
class SweepClients(Clients):
    """The clients of one sweep, which keep to a pace that its threads share.

    Attributes:
        tagging: Reads the tags of many functions at once.
        quotas: Reads how many groups there may be.
    """

    tagging: ResourceGroupsTaggingAPIClient
    quotas: ServiceQuotasClient


_RETRIES = "_retry"
"""Name of botocore's file on retries."""


class _Loader(Loader):
    """botocore's loader, which would list the folders of all 400 services to see whether there is one of that name.

    What it loads is kept, and shared by all clients. botocore writes a service's own retries into those of all of them:
    after a client for Organizations, none would send again what was answered by a 429. So each gets its own of these.
    """

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - the same for models and endpoints
        return [
            *("codeguruprofiler", "lambda", "resourcegroupstaggingapi", "service-quotas"),
            *("organizations", "s3", "sqs", "sts"),
        ]

    def load_data(self, name: str) -> Any:  # noqa: ANN401 - whatever a file holds
        found = super().load_data(name)
        return deepcopy(found) if name == _RETRIES else found


@cache
def clients(region: str) -> Clients:
    """Return the clients for a region, built on the first call for it (that costs about 100 ms)."""
    # Clients are kept, as the imports are: the collector need not look through what becomes of the API models.
    gc.disable()
    try:
        built = clients_of(session(), region)
        gc.freeze()
    finally:
        gc.enable()
    return built


def clients_of(session: Session, region: str) -> Clients:
    """Build the clients for a region with the credentials of a session."""
    profiler = session.create_client("codeguruprofiler", region_name=region, config=_CONFIG)
    profiler.meta.events.register("after-call", _check_empty_answer)
    return Clients(
        awslambda=cast("LambdaClient", session.create_client("lambda", region_name=region, config=_CONFIG)),
        profiler=cast("CodeGuruProfilerClient", profiler),
    )


def sweep_clients(region: str, *, session: Session) -> SweepClients:
    """Build the clients for one sweep of a region: a pace, once found, holds for it alone.

    Args:
        region: The region.
        session: Whose credentials they use.
    """
    services = ("lambda", "codeguruprofiler", "resourcegroupstaggingapi", "service-quotas")
    built = [session.create_client(service, region_name=region, config=_SWEEP_CONFIG) for service in services]
    for client in built:
        pacing.attach(client)
    awslambda, profiler, tagging, quotas = built
    profiler.meta.events.register("after-call", _check_empty_answer)
    return SweepClients(
        awslambda=cast("LambdaClient", awslambda),
        profiler=cast("CodeGuruProfilerClient", profiler),
        tagging=cast("ResourceGroupsTaggingAPIClient", tagging),
        quotas=cast("ServiceQuotasClient", quotas),
    )


def _check_empty_answer(*, http_response: AWSResponse, model: OperationModel, **_: object) -> None:
    """Raise if the answer to a call that returns nothing is something else, such as a proxy's page with status 200.

    botocore does not look at such an answer's body, and TagResource would pass for done.
    """
    returns_nothing = model.output_shape is None or not model.output_shape.members
    succeeded = http_response.status_code < _FIRST_ERROR_STATUS
    if returns_nothing and succeeded and http_response.content.strip() not in (b"", b"{}"):
        raise UnreadableAnswerError(f"{model.name}'s answer is not empty")


def client(service: str, *, region: str) -> Any:  # noqa: ANN401 - a client of any service
    """Build a client with the credentials in the environment, with the retries of `clients`.

    Args:
        service: One of those that `_Loader` knows.
        region: The region.
    """
    return client_of(session(), service, region=region)


def client_of(session: Session, service: str, *, region: str) -> Any:  # noqa: ANN401 - a client of any service
    """Build a client as `client` does, with the credentials of a session."""
    return session.create_client(service, region_name=region, config=_CONFIG)


def session() -> Session:
    """Return a new session with the credentials in the environment, as Lambda gives them."""
    made = get_session()
    made.register_component("data_loader", _loader())
    made.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_time)
    return made


def read_time(text: Any) -> datetime:  # noqa: ANN401 - whatever a protocol has for a time
    """Read a time as botocore does, but the usual form a hundred times as fast: a listed group has three of them."""
    if isinstance(text, str) and "T" in text:
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    return parse_timestamp(text)


@cache
def _loader() -> Loader:
    """Return the loader of all sessions: it keeps the API models, which cost most of what a client does."""
    return _Loader()


def explain(error: Exception, *, function: str, group: str | None) -> Failure:
    """Say what an error means.

    Args:
        error: What the SDK raised, its retries spent; or what else went wrong with the call's answer.
        function: ARN of the function that the calls were about.
        group: ARN of its group, once that was known. The one that the failed call was about is named beside the IAM
            action, so that a missing permission can be added.
    """
    resource = group or function
    if not isinstance(error, ClientError):
        reason = Reason.INVALID if isinstance(error, ParamValidationError) else Reason.SERVICE_ERROR
        code = type(error).__name__
        return Failure(reason=reason, error_code=code, detail=f"{code} about {resource}: {error}"[:_LONGEST_MESSAGE])
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    reason = _reason(error, code=code, status=status)
    prefix = _PREFIXES.get(error.operation_name, "codeguru-profiler")
    if prefix != "codeguru-profiler":
        resource = "the account's role" if prefix == "sts" else function
    message = error.response["Error"].get("Message") or f"{code} (HTTP {status})"
    detail = f"{prefix}:{error.operation_name} on {resource}: {message}"[:_LONGEST_MESSAGE]
    if reason is Reason.QUOTA_EXCEEDED:
        detail += f" (ask Service Quotas for more: {QUOTA_CODE})"
    return Failure(reason=reason, error_code=code, detail=detail)


def _reason(error: ClientError, *, code: str, status: int) -> Reason:
    reason = _REASONS_BY_CODE.get(code) or _REASONS_BY_STATUS.get(status, Reason.SERVICE_ERROR)
    if code in _REGION_DISABLED:
        return Reason.REGION_UNSUPPORTED
    if reason is not Reason.ACCESS_DENIED:
        return reason
    if error.operation_name == "AssumeRole":
        return Reason.ACCOUNT_UNREACHABLE
    # What an organization forbids may be one call in many, such as a creation without a certain tag. Reads it forbids
    # where it forbids the region, or the service.
    if is_forbidden(error) and error.operation_name.startswith(("Get", "List", "Describe")):
        return Reason.REGION_UNSUPPORTED
    return reason


def is_forbidden(error: ClientError) -> bool:
    """Whether a service control policy denied the call, in IAM's words (user guide, "Troubleshoot access denied")."""
    return "service control policy" in error.response["Error"].get("Message", "")
