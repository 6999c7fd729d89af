"""An AWS account within the test's own process: moto's, with faults."""

from __future__ import annotations

import json
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from moto.core.models import botocore_stubber

from profiling_groups.functions import FunctionArn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_codeguruprofiler.literals import ComputePlatformType
    from mypy_boto3_codeguruprofiler.type_defs import ProfilingGroupDescriptionTypeDef

    from profiling_groups.aws import Clients

ACCOUNT = "123456789012"
"""The account that moto plays."""
REGION = "eu-west-1"


class Account:
    """An account of moto's, seen through the clients under test: functions to make, groups, faults."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.sent: list[str] = []
        self._faults: dict[str, list[tuple[int, str] | Exception | None]] = {}
        self._meanwhile: dict[str, list[Callable[[], object]]] = {}
        iam = boto3.client("iam", region_name=REGION)
        self.role: str = iam.create_role(RoleName="function", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        for client in (clients.awslambda, clients.profiler):
            client.meta.events.register_first("before-send", self._before_send)
            client.meta.events.register("response-received", self._after_response)

    def function(
        self,
        name: str = "renderer",
        *,
        tags: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> FunctionArn:
        """Create a function."""
        boto3.client("lambda", region_name=REGION).create_function(
            FunctionName=name,
            Role=self.role,
            Runtime="python3.13",
            Handler="app.handler",
            Code={"ZipFile": b"code"},
            Tags=tags or {},
            Environment={"Variables": variables or {}},
        )
        return FunctionArn(account=ACCOUNT, region=REGION, name=name)

    def retag(self, arn: FunctionArn, tags: Mapping[str, str], *, remove: Sequence[str] = ()) -> None:
        """Tag a function, and untag it."""
        operator = boto3.client("lambda", region_name=REGION)
        operator.tag_resource(Resource=str(arn), Tags=tags)
        if remove:
            operator.untag_resource(Resource=str(arn), TagKeys=list(remove))

    def remove_function(self, arn: FunctionArn) -> None:
        """Delete a function."""
        boto3.client("lambda", region_name=REGION).delete_function(FunctionName=arn.name)

    def allow(self, group: str, principals: Sequence[str]) -> None:
        """Let a group's policy name these principals instead of those that it names."""
        operator = boto3.client("codeguruprofiler", region_name=REGION)
        permission = {"profilingGroupName": group, "actionGroup": "agentPermissions", "principals": principals}
        with suppress(operator.exceptions.ResourceNotFoundException):
            permission["revisionId"] = operator.get_policy(profilingGroupName=group)["revisionId"]
        operator.put_permission(**permission)  # type: ignore[arg-type]  # as above

    def allowed(self, group: str) -> list[str]:
        """Return the principals that a group's policy names."""
        operator = boto3.client("codeguruprofiler", region_name=REGION)
        (statement,) = json.loads(operator.get_policy(profilingGroupName=group)["policy"])["Statement"]
        named = statement["Principal"]["AWS"]
        return [named] if isinstance(named, str) else named

    def make_group(self, name: str, *, tags: Mapping[str, str], platform: ComputePlatformType = "AWSLambda") -> None:
        """Create a group as somebody else would, past all faults."""
        operator = boto3.client("codeguruprofiler", region_name=REGION)
        operator.create_profiling_group(
            profilingGroupName=name, computePlatform=platform, tags=tags, clientToken="somebody"
        )

    def group(self, name: str) -> ProfilingGroupDescriptionTypeDef:
        """Describe a group, past all faults."""
        operator = boto3.client("codeguruprofiler", region_name=REGION)
        return operator.describe_profiling_group(profilingGroupName=name)["profilingGroup"]

    def groups(self) -> list[str]:
        """List the names of all groups, past all faults."""
        operator = boto3.client("codeguruprofiler", region_name=REGION)
        return operator.list_profiling_groups()["profilingGroupNames"]

    def fail(self, operation: str, *answers: tuple[int, str] | Exception | None) -> None:
        """Answer the next calls of an operation with these errors (None: let it pass), the last one for good."""
        self._faults[operation] = list(answers)

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
        self.sent.append(operation)
        if acts := self._meanwhile.get(operation):
            acts.pop(0)()
        answers = self._faults.get(operation)
        if not answers:
            return None
        match answers.pop(0) if len(answers) > 1 else answers[0]:
            case Exception() as error:
                raise error
            case (status, code):
                body = BytesIO(json.dumps({"message": f"{code} it is"}).encode())
                body.stream = lambda: iter([body.read()])  # type: ignore[attr-defined]  # all that botocore asks of it
                # moto would carry the call out all the same: botocore asks every handler, and takes the first answer.
                botocore_stubber.enabled = False
                return AWSResponse(request.url, status, HeadersDict({"x-amzn-ErrorType": code}), body)  # type: ignore[arg-type]  # what botocore makes itself
            case None:
                return None

    def _after_response(self, **_: object) -> None:
        botocore_stubber.enabled = True
