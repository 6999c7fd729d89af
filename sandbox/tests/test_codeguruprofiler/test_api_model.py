"""CodeGuru Profiler against botocore's API model: shapes of responses, statuses of errors, constraints of requests."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import generate_idempotent_uuid
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape
from botocore.utils import parse_timestamp
from moto import mock_aws
from moto.core.utils import camelcase_to_underscores

from embedded_aws.moto_services.codeguruprofiler import exceptions
from embedded_aws.moto_services.codeguruprofiler.models import CodeGuruProfilerBackend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSResponse

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ARN = f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/checkout"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/checkout"
REVISION = "125820ee-98c7-4df9-8739-442ffad7b3a0"
GROUP = {"profilingGroupName": "checkout"}
MODEL = ServiceModel(Loader().load_service_model("codeguruprofiler", "service-2"), "codeguruprofiler")

# A valid request of each served operation, with every member.
SERVED: dict[str, dict[str, Any]] = {
    "CreateProfilingGroup": {
        **GROUP,
        "clientToken": "4f9c-1",
        "computePlatform": "AWSLambda",
        "agentOrchestrationConfig": {"profilingEnabled": True},
        "tags": {"team": "payments"},
    },
    "DescribeProfilingGroup": GROUP,
    "ListProfilingGroups": {"includeDescription": True, "maxResults": 10, "nextToken": "after-0"},
    "UpdateProfilingGroup": {**GROUP, "agentOrchestrationConfig": {"profilingEnabled": False}},
    "DeleteProfilingGroup": GROUP,
    "ConfigureAgent": {**GROUP, "fleetInstanceId": "i-1", "metadata": {"ComputePlatform": "AWSLambda"}},
    "TagResource": {"resourceArn": ARN, "tags": {"team": "payments"}},
    "UntagResource": {"resourceArn": ARN, "tagKeys": ["team"]},
    "ListTagsForResource": {"resourceArn": ARN},
    "GetPolicy": GROUP,
    "PutPermission": {**GROUP, "actionGroup": "agentPermissions", "principals": [ROLE], "revisionId": REVISION},
    "RemovePermission": {**GROUP, "actionGroup": "agentPermissions", "revisionId": REVISION},
}
UNSERVED = sorted(set(MODEL.operation_names) - set(SERVED))
ABSENT = object()
WRONG_TYPE = {"structure": "x", "map": ["x"], "list": {"x": "y"}, "string": 7, "boolean": "yes", "integer": "ten"}

Path = tuple[str, ...]


def unchecked_client() -> Any:  # noqa: ANN401 - its type is known to type checkers alone
    """Return a client that sends requests as they are, and compares each response with the model."""
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    client: Any = boto3.client("codeguruprofiler", region_name=REGION, config=config)
    client.meta.events.unregister("before-parameter-build", generate_idempotent_uuid)
    client.meta.events.register("after-call.codeguruprofiler", compare_with_model)
    return client


def call(client: Any, operation: str, parameters: dict[str, Any], body: bytes | None = None) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Call an operation by the model's name, perhaps with another body.

    The body is written here: botocore's serializer cannot write a map where the model has a list.
    """
    members = input_of(operation).members
    in_body = {name: value for name, value in parameters.items() if "location" not in members[name].serialization}
    if body is None and in_body:
        body = json.dumps(in_body).encode()

    def write_body(params: dict[str, Any], **_: object) -> None:
        params["body"] = body

    if body is not None:
        client.meta.events.register("before-call.codeguruprofiler", write_body)
    method = getattr(client, camelcase_to_underscores(operation))
    return dict(method(**{name: value for name, value in parameters.items() if name not in in_body}))


def input_of(operation: str) -> StructureShape:
    """Return an operation's input; each has one."""
    shape = MODEL.operation_model(operation).input_shape
    assert shape is not None
    return shape


def compare_with_model(http_response: AWSResponse, parsed: dict[str, Any], model: OperationModel, **_: object) -> None:
    """Fail unless the model allows a response: status, body, error."""
    status = http_response.status_code
    if model.name in UNSERVED:
        return
    if status < 300:
        assert status == model.http["responseCode"]
        assert model.output_shape is not None
        if status == 204:
            assert http_response.content in {b"", b"{}"}  # moto's mock writes an empty object, its server nothing
            return
        payload = model.output_shape.serialization.get("payload")
        shape = model.output_shape.members[payload] if payload else model.output_shape
        assert list(discrepancies(shape, json.loads(http_response.content), "")) == []
    else:
        code = parsed["Error"]["Code"]
        errors = {shape.name: shape for shape in model.service_model.error_shapes}
        assert code in errors, parsed
        assert status == errors[code].metadata["error"]["httpStatusCode"]
        assert http_response.headers["x-amzn-errortype"] == code
        assert json.loads(http_response.content)["message"] == parsed["Error"]["Message"] != ""


def discrepancies(shape: Shape, value: object, path: str) -> Iterator[str]:
    """Yield where JSON differs from a shape: unknown or missing members, types, constraints of strings."""
    match shape, value:
        case StructureShape(), dict():
            known = set(shape.members)
            yield from (f"{path}.{name}: unknown" for name in set(value) - known)
            yield from (f"{path}.{name}: missing" for name in set(shape.required_members) - set(value))
            for name in set(value) & known:
                yield from discrepancies(shape.members[name], value[name], f"{path}.{name}")
        case MapShape(), dict():
            for key, member in value.items():
                yield from discrepancies(shape.key, key, f"{path}.{key}")
                yield from discrepancies(shape.value, member, f"{path}.{key}")
        case ListShape(), list():
            for member in value:
                yield from discrepancies(shape.member, member, f"{path}[]")
        case (StringShape(), str()) if is_valid_text(shape, value):
            pass
        case (Shape(type_name="timestamp"), str()) if re.match(r"\d{4}-\d\d-\d\dT", value):
            assert shape.serialization["timestampFormat"] == "iso8601"
            assert parse_timestamp(value).tzinfo is not None
        case (Shape(type_name="boolean"), bool()) | (Shape(type_name="integer"), int()):
            pass
        case _:
            yield f"{path}: {value!r} is not a valid {shape.type_name}"


def is_valid_text(shape: StringShape, value: str) -> bool:
    """Return whether a text satisfies the constraints of a string shape."""
    matches = re.fullmatch(shape.metadata.get("pattern", r"(?s:.*)"), value, re.ASCII)
    in_bounds = shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", len(value))
    return (not shape.enum or value in shape.enum) and matches is not None and in_bounds


def invalid_values(shape: Shape, valid: Any, path: Path, *, in_body: bool = True) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - JSON
    """Yield (path, value) for each constraint under a shape; each value alone makes the valid request invalid."""
    # In a path or query everything is text, and a name that occurs once is a list of one.
    if path and (in_body or shape.type_name in {"boolean", "integer"}):
        yield path, WRONG_TYPE[shape.type_name]
    yield from ((path, value) for value in out_of_bounds(shape))
    match shape:
        case StructureShape():
            for name, member in shape.members.items():
                location = member.serialization.get("location")
                # A path without its label is another path.
                if name in shape.required_members and location != "uri":
                    yield (*path, name), ABSENT
                yield from invalid_values(member, valid[name], (*path, name), in_body=in_body and location is None)
        case MapShape():
            (key,) = valid
            yield (*path, key), 7
            if isinstance(shape.key, StringShape) and shape.key.enum:
                yield path, {"Unheard": valid[key]}
        case ListShape() if in_body:
            yield path, [7]
        case StringShape() if shape.enum or "pattern" in shape.metadata:
            yield path, "not that way!"


def out_of_bounds(shape: Shape) -> Iterator[object]:
    """Yield values just outside a shape's `min` and `max`."""
    for bound, step in (("min", -1), ("max", 1)):
        if bound in shape.metadata:
            beyond = shape.metadata[bound] + step
            yield {"integer": beyond, "string": "a" * beyond, "list": [ROLE] * beyond}[shape.type_name]


def invalid_requests() -> Iterator[Any]:
    """Yield operation, member and parameters for every constraint of every served operation."""
    for operation, valid in SERVED.items():
        for path, value in invalid_values(input_of(operation), valid, ()):
            parameters = copy.deepcopy(valid)
            holder = parameters
            for step in path[:-1]:
                holder = holder[step]
            if value is ABSENT:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
            shown = "absent" if value is ABSENT else json.dumps(value)[:20]
            yield pytest.param(operation, path[0], parameters, id=f"{operation}-{'.'.join(path)}-{shown}")


@pytest.mark.parametrize("operation", SERVED)
@mock_aws
def test_valid_request_finds_only_a_missing_group(operation: str) -> None:
    """404 from every operation on an existing group; the requests that the next test changes are valid."""
    client = unchecked_client()
    if operation in {"CreateProfilingGroup", "ListProfilingGroups"}:
        call(client, operation, SERVED[operation])
    else:
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="checkout"):
            call(client, operation, SERVED[operation])


@pytest.mark.parametrize("operation", SERVED)
@mock_aws
def test_response_has_the_modelled_shape(operation: str) -> None:
    """Of every operation on an existing group with tags and a policy (`compare_with_model` checks that)."""
    client = unchecked_client()
    if operation != "CreateProfilingGroup":
        call(client, "CreateProfilingGroup", SERVED["CreateProfilingGroup"])
    parameters = copy.deepcopy(SERVED[operation])
    if operation in {"GetPolicy", "RemovePermission"}:
        given = {key: value for key, value in SERVED["PutPermission"].items() if key != "revisionId"}
        revision = call(client, "PutPermission", given)["revisionId"]
        parameters |= {"revisionId": revision} if operation == "RemovePermission" else {}
    if operation == "PutPermission":
        del parameters["revisionId"]
    if operation == "ListProfilingGroups":
        parameters = {"includeDescription": "true", "maxResults": "10"}
    client = unchecked_client()
    call(client, operation, parameters)


@pytest.mark.parametrize(("operation", "member", "parameters"), list(invalid_requests()))
@mock_aws
def test_each_constraint_of_the_model_is_enforced(operation: str, member: str, parameters: dict[str, Any]) -> None:
    """One broken constraint is a ValidationException that names the member; no group is created."""
    client = unchecked_client()
    with pytest.raises(client.exceptions.ValidationException, match=f"Value at '{member}"):
        call(client, operation, parameters)
    assert unchecked_client().list_profiling_groups()["profilingGroupNames"] == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b'{"profilingGroupName": "\xff"}', id="no UTF-8"),
        pytest.param(b"[" * 100_000, id="deeper than any stack"),
        pytest.param(b'{"profilingGroupName": null}', id="null, which is absent"),
    ],
)
@mock_aws
def test_invalid_body_is_refused(body: bytes) -> None:
    """Whatever bytes it has, the answer is a ValidationException."""
    client = unchecked_client()
    with pytest.raises(client.exceptions.ValidationException):
        call(client, "CreateProfilingGroup", SERVED["CreateProfilingGroup"], body)


@pytest.mark.parametrize("name", ["a", "_-", "0", "A" * 255, "aws-lambda-Check_out-9"])
@mock_aws
def test_valid_name(name: str) -> None:
    """1 to 255 ASCII letters, digits, underscores and hyphens."""
    client = unchecked_client()
    created = client.create_profiling_group(profilingGroupName=name, clientToken="t")["profilingGroup"]
    assert (created["name"], created["arn"]) == (name, ARN.replace("checkout", name))
    assert client.describe_profiling_group(profilingGroupName=name)["profilingGroup"] == created
    assert client.list_tags_for_resource(resourceArn=created["arn"])["tags"] == {}


@pytest.mark.parametrize(
    "name", ["", "A" * 256, "check out", "checkout\n", "a.b", "a:b", "a$b", "größe", "٣", ARN, "\0"]
)
@mock_aws
def test_invalid_name(name: str) -> None:
    """Unicode letters and digits, a trailing newline and an ARN among them."""
    client = unchecked_client()
    with pytest.raises(client.exceptions.ValidationException, match="profilingGroupName"):
        client.create_profiling_group(profilingGroupName=name, clientToken="t")


@pytest.mark.parametrize("operation", UNSERVED)
@mock_aws
def test_unserved_operation_is_501(operation: str) -> None:
    """Profiles, findings and notification channels: SDKs do not retry a 501."""
    members = input_of(operation).members
    labels = {name: "x" for name, member in members.items() if member.serialization.get("location") == "uri"}
    with pytest.raises(ClientError, match=f"does not serve {operation}") as caught:
        call(unchecked_client(), operation, labels)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize("code", [shape.name for shape in MODEL.error_shapes])
@mock_aws
def test_modelled_error(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Code and message as raised, status as in the model (`compare_with_model` checks that)."""
    error_type = getattr(exceptions, code.replace("Exception", "Error"))

    def fail(*_: object, **__: object) -> None:
        raise error_type(["why it failed"] if error_type is exceptions.ValidationError else "why it failed")

    monkeypatch.setattr(CodeGuruProfilerBackend, "describe_profiling_group", fail)
    client = unchecked_client()
    with pytest.raises(getattr(client.exceptions, code), match="why it failed"):
        client.describe_profiling_group(**cast("Any", GROUP))
