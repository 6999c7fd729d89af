"""An AWS account within the test's own process: moto's, with faults."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import cache, partial
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ReadTimeoutError
from moto.core.models import botocore_stubber

from embedded_aws.moto_services.codeguruprofiler.models import codeguruprofiler_backends
from profiling_groups.functions import FunctionArn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from botocore.awsrequest import AWSPreparedRequest
    from botocore.client import BaseClient
    from mypy_boto3_codeguruprofiler import CodeGuruProfilerClient
    from mypy_boto3_codeguruprofiler.literals import ComputePlatformType
    from mypy_boto3_codeguruprofiler.type_defs import ProfilingGroupDescriptionTypeDef
    from mypy_boto3_lambda.literals import ArchitectureType, RuntimeType

    from profiling_groups.aws import Clients

Answer: TypeAlias = tuple[int, str] | Exception | None
"""What becomes of a call: an error of AWS's by its status and code, an error on the way, or nothing special."""
Answering: TypeAlias = "Callable[[AWSPreparedRequest, str, Callable[[], AWSResponse]], AWSResponse | Exception]"
"""Answers a call of an operation in place of AWS, given what carries it out."""
ACCOUNT = "123456789012"
"""The account that moto plays."""
REGION = "eu-west-1"


@cache
def _client(service: str) -> Any:  # noqa: ANN401 - a client of any service
    """Return a client for the tests' own calls, the same for all tests."""
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]  # the stubs know literals only


class Account:
    """An account of moto's, seen through the clients under test: functions to make, groups, faults."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.sent: list[str] = []
        self._faults: dict[str, list[Answer]] = {}
        self._meanwhile: dict[str, list[Callable[[], object]]] = {}
        self._answering: Answering | None = None
        self._lock = Lock()
        iam = _client("iam")
        self.role: str = iam.create_role(RoleName="function", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self._lambda = _client("lambda")
        self._profiler: CodeGuruProfilerClient = _client("codeguruprofiler")
        self.watch(clients.awslambda, clients.profiler)

    def watch(self, *clients: BaseClient) -> None:
        """Let the calls of these clients, of whatever thread, be seen, and meet with the faults."""
        for client in clients:
            # One who answers in place of moto: botocore asks every handler, and moto would carry the call out.
            client.meta.events.unregister("before-send", botocore_stubber)  # type: ignore[arg-type]  # its handlers do answer
            client.meta.events.register_first("before-send", self._before_send)

    def function(
        self,
        name: str = "renderer",
        *,
        tags: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        runtime: RuntimeType | None = "python3.13",
        architecture: ArchitectureType = "x86_64",
    ) -> FunctionArn:
        """Create a function; without a runtime, it is a container image."""
        code: dict[str, Any] = {"Runtime": runtime, "Handler": "app.handler", "Code": {"ZipFile": b"code"}}
        if runtime is None:
            code = {"PackageType": "Image", "Code": {"ImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/i:1"}}
        self._lambda.create_function(
            FunctionName=name,
            Role=self.role,
            Architectures=[architecture],
            Tags=tags or {},
            Environment={"Variables": variables or {}},
            **code,
        )
        return FunctionArn(account=ACCOUNT, region=REGION, name=name)

    def retag(self, arn: FunctionArn, tags: Mapping[str, str], *, remove: Sequence[str] = ()) -> None:
        """Tag a function, and untag it."""
        self._lambda.tag_resource(Resource=str(arn), Tags=tags)
        if remove:
            self._lambda.untag_resource(Resource=str(arn), TagKeys=list(remove))

    def remove_function(self, arn: FunctionArn) -> None:
        """Delete a function."""
        self._lambda.delete_function(FunctionName=arn.name)

    def allow(self, group: str, principals: Sequence[str]) -> None:
        """Let a group's policy name these principals instead of those that it names."""
        permission = {"profilingGroupName": group, "actionGroup": "agentPermissions", "principals": principals}
        with suppress(self._profiler.exceptions.ResourceNotFoundException):
            permission["revisionId"] = self._profiler.get_policy(profilingGroupName=group)["revisionId"]
        self._profiler.put_permission(**permission)  # type: ignore[arg-type]  # as above

    def allowed(self, group: str) -> list[str]:
        """Return the principals that a group's policy names."""
        (statement,) = json.loads(self._profiler.get_policy(profilingGroupName=group)["policy"])["Statement"]
        named = statement["Principal"]["AWS"]
        return [named] if isinstance(named, str) else named

    def make_group(self, name: str, *, tags: Mapping[str, str], platform: ComputePlatformType = "AWSLambda") -> None:
        """Create a group as somebody else would, past all faults; with AWS's own tags, as CloudFormation would."""
        allowed = {key: value for key, value in tags.items() if not key.startswith("aws:")}
        self._profiler.create_profiling_group(
            profilingGroupName=name, computePlatform=platform, tags=allowed, clientToken="somebody"
        )
        groups = codeguruprofiler_backends[ACCOUNT][REGION]._groups  # noqa: SLF001 - no call of the API sets AWS's tags
        groups[name] = replace(groups[name], tags=dict(tags))

    def remove_group(self, name: str) -> None:
        """Delete a group as somebody else would, past all faults."""
        self._profiler.delete_profiling_group(profilingGroupName=name)

    def group(self, name: str) -> ProfilingGroupDescriptionTypeDef:
        """Describe a group, past all faults."""
        return self._profiler.describe_profiling_group(profilingGroupName=name)["profilingGroup"]

    def groups(self) -> list[str]:
        """List the names of all groups, past all faults."""
        return self._profiler.list_profiling_groups()["profilingGroupNames"]

    def fail(self, operation: str, *answers: Answer) -> None:
        """Answer the next calls of an operation with these errors (None: let it pass), the last one for good.

        After a ReadTimeoutError the call was carried out all the same; after any other it was not.
        """
        self._faults[operation] = list(answers)

    def answer_by(self, answer: Answering) -> None:
        """Let a function answer all calls; it may have them carried out."""
        self._answering = answer

    def recover(self) -> None:
        """Be as before all faults."""
        self._faults.clear()
        self._answering = None

    def meanwhile(self, operation: str, *acts: Callable[[], object]) -> None:
        """Let somebody else act just before the next calls of an operation are carried out, one act for each."""
        self._meanwhile[operation] = list(acts)

    def lose_next_answer(self) -> None:
        """Let the next call be carried out, and the SDK believe that the connection broke."""
        answers: list[int | None] = [0]
        self.clients.profiler.meta.events.register_first(
            "needs-retry",
            lambda **_: answers.pop() if answers else None,  # type: ignore[arg-type]  # seconds to wait
        )

    def _before_send(self, request: AWSPreparedRequest, event_name: str, **_: object) -> Any:  # noqa: ANN401 - botocore's stubs know of no hook that answers
        operation = event_name.rpartition(".")[2]
        with self._lock:
            self.sent.append(operation)
            acts = self._meanwhile.get(operation)
            act = acts.pop(0) if acts else None
            answers = self._faults.get(operation) or [None]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if act:
            act()
        if self._answering:
            # moto answers each of these operations.
            carry_out = cast("Callable[[], AWSResponse]", partial(botocore_stubber, event_name, request))
            answered = self._answering(request, operation, carry_out)
            if isinstance(answered, Exception):
                raise answered
            return answered
        match answer:
            # Copies: an error that was raised holds on to all that it went through, and these outlive their tests.
            case ReadTimeoutError() as error:
                botocore_stubber(event_name, request)
                raise copy(error)
            case Exception() as error:
                raise copy(error)
            case (status, code):
                body = BytesIO(json.dumps({"message": f"{code} it is"}).encode())
                body.stream = lambda: iter([body.read()])  # type: ignore[attr-defined]  # all that botocore asks of it
                return AWSResponse(request.url, status, HeadersDict({"x-amzn-ErrorType": code}), body)  # type: ignore[arg-type]  # what botocore makes itself
            case None:
                return botocore_stubber(event_name, request)
