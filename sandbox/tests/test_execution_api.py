"""Lambda's API and CloudFormation over moto, as a client sees them once `awslambda` is installed."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from embedded_aws.execution.asynchronous import AsynchronousInvoker, TimeScale
from embedded_aws.execution.runtime_api import MAX_ASYNCHRONOUS_PAYLOAD, MAX_SYNCHRONOUS_PAYLOAD
from embedded_aws.moto_extensions import awslambda
from lambda_functions import REGION, Denials, archive, executor_for
from waiting import LIMIT_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_lambda.client import LambdaClient

ACCOUNT = "123456789012"  # moto's own, for keys that it does not know
ROLE = f"arn:aws:iam::{ACCOUNT}:role/provisioner"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"

ECHO = """
def handler(event, context):
    print("working")
    if event == "fail": raise LookupError("as told")
    return {"event": event, "request": context.aws_request_id}
"""


@dataclass(frozen=True, kw_only=True)
class Aws:
    """Clients of one server, and the queue behind it."""

    functions: LambdaClient
    stacks: CloudFormationClient
    invoker: AsynchronousInvoker


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    """A moto server that runs functions."""
    denials = Denials()
    with (
        executor_for(denials) as executor,
        AsynchronousInvoker(executor=executor, time_scale=TimeScale(factor=0.001), permits=denials) as invoker,
    ):
        awslambda.install(executor, invoker)
        server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        session = boto3.Session("an-access-key", "unused", region_name=REGION)
        options: dict[str, Any] = {
            "endpoint_url": f"http://127.0.0.1:{server.server_port}",
            "config": Config(retries={"total_max_attempts": 1}, read_timeout=LIMIT_SECONDS),
        }
        iam = session.client("iam", **options)
        iam.create_role(RoleName="provisioner", AssumeRolePolicyDocument="{}")
        functions = session.client("lambda", **options)
        stacks = session.client("cloudformation", **options)
        try:
            yield Aws(functions=functions, stacks=stacks, invoker=invoker)
        finally:
            for client in (iam, functions, stacks):
                client.close()
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def function(aws: Aws) -> Iterator[str]:
    """The name of a function that echoes its event."""
    create(aws, "checkout", ECHO)
    yield "checkout"
    aws.functions.delete_function(FunctionName="checkout")


def create(aws: Aws, name: str, source: str, **spec: Any) -> None:  # noqa: ANN401 (any member of CreateFunction)
    """Create a function over the API."""
    defaults: dict[str, Any] = {
        "Runtime": "python3.14",
        "Handler": "app.handler",
        "Role": ROLE,
        "Code": {"ZipFile": base64.b64decode(archive(source))},
        "Timeout": 60,
    }
    aws.functions.create_function(FunctionName=name, **defaults | spec)


# -- CreateFunction ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [f"{ARN}:byarn", f"{ACCOUNT}:function:byarn", "function:byarn"])
def test_a_function_created_by_arn_has_the_name_in_it(aws: Aws, given: str) -> None:
    """The name and ARN are those of a creation by name, its first version's too; the name is then taken."""
    create(aws, given, ECHO, Publish=True)

    configuration = aws.functions.get_function_configuration(FunctionName="byarn")
    assert (configuration["FunctionName"], configuration["FunctionArn"]) == ("byarn", f"{ARN}:byarn")
    versions = aws.functions.list_versions_by_function(FunctionName="byarn")["Versions"]
    assert [version["FunctionArn"] for version in versions] == [f"{ARN}:byarn:$LATEST", f"{ARN}:byarn:1"]
    with pytest.raises(aws.functions.exceptions.ResourceConflictException):
        create(aws, "byarn", ECHO)
    aws.functions.delete_function(FunctionName="byarn")


# -- Invoke ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["checkout", "checkout:$LATEST", f"{ARN}:checkout", f"{ARN}:checkout:$LATEST", f"{ACCOUNT}:function:checkout"],
)
def test_a_synchronous_invocation_returns_the_result(aws: Aws, function: str, name: str) -> None:
    """However the function is named, the payload comes back, under the request id that the function saw."""
    assert function in name

    answer = aws.functions.invoke(FunctionName=name, Payload=b'"hello"')

    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    assert json.loads(answer["Payload"].read()) == {
        "event": "hello",
        "request": answer["ResponseMetadata"]["RequestId"],
    }


def test_a_function_error_is_a_successful_call(aws: Aws, function: str) -> None:
    """The status is 200, FunctionError is set, the payload says what happened, and the log's tail comes on demand."""
    answer = aws.functions.invoke(FunctionName=function, Payload=b'"fail"', LogType="Tail")

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read())["errorType"] == "LookupError"
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "\nworking\n" in log
    assert "REPORT RequestId: " in log


def test_an_invocation_without_a_payload_gets_an_empty_object(aws: Aws, function: str) -> None:
    """As in Lambda."""
    payload = aws.functions.invoke(FunctionName=function)["Payload"].read()

    assert json.loads(payload)["event"] == {}


def test_an_event_is_accepted_and_delivered_later(aws: Aws, function: str) -> None:
    """The answer is 202 and empty; the call's request id is the invocation's."""
    answer = aws.functions.invoke(FunctionName=function, InvocationType="Event", Payload=b'"later"')

    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    until(aws.invoker.idle)
    record = aws.invoker.invocations()[-1]
    assert record["request_id"] == answer["ResponseMetadata"]["RequestId"]
    assert record["function_arn"] == f"{ARN}:checkout"
    assert record["result"] == {"event": "later", "request": record["request_id"]}


def test_a_dry_run_does_nothing(aws: Aws, function: str) -> None:
    """The answer is 204, and nothing has run."""
    before = len(aws.invoker.invocations())

    answer = aws.functions.invoke(FunctionName=function, InvocationType="DryRun", Payload=b'"fail"')

    assert answer["StatusCode"] == 204
    assert len(aws.invoker.invocations()) == before


REFUSED = {
    "no such function": ({"FunctionName": "nobody"}, 404, "ResourceNotFoundException"),
    "no JSON": ({"Payload": b"{"}, 400, "InvalidRequestContentException"),
    "an event that is no JSON": (
        {"Payload": b"{", "InvocationType": "Event"},
        400,
        "InvalidRequestContentException",
    ),
    "too large": ({"Payload": b" " * (MAX_SYNCHRONOUS_PAYLOAD + 1)}, 413, "RequestTooLargeException"),
    "too large for an event": (
        {"Payload": b" " * (MAX_ASYNCHRONOUS_PAYLOAD + 1), "InvocationType": "Event"},
        413,
        "RequestTooLargeException",
    ),
}


@pytest.mark.parametrize(("call", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_lambda_refuses_is_refused(aws: Aws, function: str, call: dict[str, Any], status: int, code: str) -> None:
    """Status and code are Lambda's."""
    with pytest.raises(ClientError) as refused:
        aws.functions.invoke(**{"FunctionName": function, "Payload": b"{}"} | call)

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert refused.value.response["Error"]["Code"] == code


def test_without_concurrency_an_invocation_is_throttled(aws: Aws, function: str) -> None:
    """The status is 429, which SDKs retry."""
    aws.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)

    with pytest.raises(ClientError) as throttled:
        aws.functions.invoke(FunctionName=function)

    assert throttled.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert throttled.value.response["Error"]["Code"] == "TooManyRequestsException"


def test_a_function_of_another_runtime_can_be_created_but_says_why_it_does_not_run(aws: Aws) -> None:
    """Node.js, Java and image functions exist for those who look at them."""
    create(aws, "node", ECHO, Runtime="nodejs22.x", Handler="index.handler")
    image = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/profiled:latest"
    aws.functions.create_function(FunctionName="image", Role=ROLE, PackageType="Image", Code={"ImageUri": image})

    shown = aws.functions.get_function_configuration(FunctionName="image")
    answer = aws.functions.invoke(FunctionName="node")

    assert shown["PackageType"] == "Image"
    assert "Runtime" not in shown
    assert answer["FunctionError"] == "Unhandled"
    assert "not nodejs22.x" in json.loads(answer["Payload"].read())["errorMessage"]


# -- configuration -----------------------------------------------------------------------------------------------------

EVERYTHING: dict[str, Any] = {
    "Architectures": ["arm64"],
    "DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"},
    "Description": "Sees to profiling groups",
    "Environment": {"Variables": {"LEVEL": "debug"}},
    "EphemeralStorage": {"Size": 1024},
    "KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
    "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/platform/all", "ApplicationLogLevel": "INFO"},
    "MemorySize": 512,
    "Timeout": 30,
    "TracingConfig": {"Mode": "Active"},
}


def test_the_api_keeps_the_whole_configuration(aws: Aws) -> None:
    """What CreateFunction was given, GetFunctionConfiguration shows; an update changes it, and the revision with it."""
    create(aws, "whole", ECHO, Tags={"team": "payments"}, **EVERYTHING)

    shown: dict[str, Any] = dict(aws.functions.get_function_configuration(FunctionName="whole"))
    assert {name: shown[name] for name in EVERYTHING} == EVERYTHING
    assert aws.functions.list_tags(Resource=shown["FunctionArn"])["Tags"] == {"team": "payments"}

    changes: dict[str, Any] = {
        "Environment": {},
        "TracingConfig": {"Mode": "PassThrough"},
        "DeadLetterConfig": {"TargetArn": ""},
        "LoggingConfig": {"LogFormat": "Text"},
    }
    aws.functions.update_function_configuration(FunctionName="whole", **changes)
    after: dict[str, Any] = dict(aws.functions.get_function_configuration(FunctionName="whole"))
    assert after["TracingConfig"] == {"Mode": "PassThrough"}
    assert after["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/whole"}
    assert not {"DeadLetterConfig", "Environment", "VpcConfig", "Layers"} & set(after)
    assert after["RevisionId"] != shown["RevisionId"]


def test_the_asynchronous_configuration_is_replaced_and_updated(aws: Aws, function: str) -> None:
    """Put replaces all of it, update only what it names."""
    functions = aws.functions
    functions.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    functions.put_function_event_invoke_config(FunctionName=function, MaximumEventAgeInSeconds=60)
    replaced: dict[str, Any] = dict(functions.get_function_event_invoke_config(FunctionName=function))
    functions.update_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=1)
    updated = functions.get_function_event_invoke_config(FunctionName=function)

    assert replaced["MaximumEventAgeInSeconds"] == 60
    assert "MaximumRetryAttempts" not in replaced
    assert (updated["MaximumEventAgeInSeconds"], updated["MaximumRetryAttempts"]) == (60, 1)


# -- CloudFormation ----------------------------------------------------------------------------------------------------


def template(properties: dict[str, Any], asynchronous: dict[str, Any] | None) -> str:
    """A stack with a function and perhaps its asynchronous configuration."""
    resources: dict[str, Any] = {
        "Provisioner": {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Role": ROLE, "Code": {"ZipFile": "def handler(event, context):\n    return 'inline'\n"}}
            | {"Handler": "index.handler", "Runtime": "python3.14"}
            | properties,
        }
    }
    if asynchronous is not None:
        resources["Asynchronous"] = {
            "Type": "AWS::Lambda::EventInvokeConfig",
            "Properties": {"FunctionName": {"Ref": "Provisioner"}, "Qualifier": "$LATEST"} | asynchronous,
        }
    return json.dumps({"Resources": resources, "Outputs": {"Name": {"Value": {"Ref": "Provisioner"}}}})


def test_a_stack_creates_updates_and_deletes_a_function_with_all_its_properties(aws: Aws) -> None:
    """Properties arrive, change, and go back to their defaults when the template drops them."""
    properties = EVERYTHING | {"ReservedConcurrentExecutions": 5, "Tags": [{"Key": "team", "Value": "payments"}]}
    properties["KmsKeyArn"] = properties.pop("KMSKeyArn")
    limits = {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 2}
    aws.stacks.create_stack(StackName="groups", TemplateBody=template(properties, limits))
    stack = aws.stacks.describe_stacks(StackName="groups")["Stacks"][0]
    name = stack["Outputs"][0]["OutputValue"]

    shown: dict[str, Any] = dict(aws.functions.get_function_configuration(FunctionName=name))
    asynchronous: dict[str, Any] = dict(aws.functions.get_function_event_invoke_config(FunctionName=name))
    tags = aws.functions.list_tags(Resource=shown["FunctionArn"])["Tags"]
    assert {member: shown[member] for member in EVERYTHING} == EVERYTHING
    assert {member: asynchronous[member] for member in limits} == limits
    assert tags == {
        "team": "payments",
        "aws:cloudformation:logical-id": "Provisioner",
        "aws:cloudformation:stack-id": stack["StackId"],
        "aws:cloudformation:stack-name": "groups",
    }
    assert aws.functions.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 5
    assert json.loads(aws.functions.invoke(FunctionName=name)["Payload"].read()) == "inline"

    code = {"ZipFile": "def handler(event, context):\n    return 'updated'\n"}
    aws.stacks.update_stack(
        StackName="groups",
        TemplateBody=template(
            {"Tags": [{"Key": "team", "Value": "search"}], "Code": code}, {"MaximumRetryAttempts": 0}
        ),
    )
    shown = dict(aws.functions.get_function_configuration(FunctionName=name))
    asynchronous = dict(aws.functions.get_function_event_invoke_config(FunctionName=name))
    assert (shown["MemorySize"], shown["Timeout"], shown["Architectures"]) == (128, 3, ["x86_64"])
    assert shown["TracingConfig"] == {"Mode": "PassThrough"}
    assert not {"DeadLetterConfig", "Environment", "KMSKeyArn"} & set(shown)
    assert aws.functions.list_tags(Resource=shown["FunctionArn"])["Tags"] == tags | {"team": "search"}
    assert "ReservedConcurrentExecutions" not in aws.functions.get_function_concurrency(FunctionName=name)
    assert asynchronous["MaximumRetryAttempts"] == 0
    assert "MaximumEventAgeInSeconds" not in asynchronous
    assert json.loads(aws.functions.invoke(FunctionName=name)["Payload"].read()) == "updated"

    aws.stacks.update_stack(StackName="groups", TemplateBody=template({}, None))
    with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
        aws.functions.get_function_event_invoke_config(FunctionName=name)

    aws.stacks.delete_stack(StackName="groups")
    with pytest.raises(ClientError, match="Function not found"):
        aws.functions.get_function(FunctionName=name)
