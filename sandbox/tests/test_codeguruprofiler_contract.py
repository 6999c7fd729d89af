"""Holds the CodeGuru Profiler backend to the API model that the SDKs are made from.

A real boto3 client talks to a real moto server on loopback. What can be derived from the model (shapes of responses,
statuses of errors, requests that break one constraint) is derived from it; tables give what the model does not say.
"""

import copy
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, cast

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import generate_idempotent_uuid
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StringShape, StructureShape
from botocore.utils import parse_timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.backends import get_backend
from moto.core.utils import camelcase_to_underscores
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from mypy_boto3_codeguruprofiler.client import CodeGuruProfilerClient
from werkzeug.serving import make_server

from embedded_aws.moto_services import register
from embedded_aws.moto_services.codeguruprofiler import exceptions, models
from embedded_aws.moto_services.codeguruprofiler.models import (
    CodeGuruProfilerBackend,
    ProfilingGroup,
    codeguruprofiler_backends,
)

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ARN = f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/checkout"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/checkout"
UNUSED_SECRET = "moto checks no signature"  # noqa: S105 - boto3 wants something to sign with
REVISION = "125820ee-98c7-4df9-8739-442ffad7b3a0"
AGENT: Final = "agentPermissions"

MODEL = ServiceModel(Loader().load_service_model("codeguruprofiler", "service-2"), "codeguruprofiler")

# One request per served operation that the model has nothing against, every member given.
SERVED: dict[str, dict[str, Any]] = {
    "CreateProfilingGroup": {
        "profilingGroupName": "checkout",
        "clientToken": "4f9c-1",
        "computePlatform": "AWSLambda",
        "agentOrchestrationConfig": {"profilingEnabled": True},
        "tags": {"team": "payments"},
    },
    "DescribeProfilingGroup": {"profilingGroupName": "checkout"},
    "ListProfilingGroups": {"includeDescription": True, "maxResults": 10, "nextToken": "after-0"},
    "UpdateProfilingGroup": {
        "profilingGroupName": "checkout",
        "agentOrchestrationConfig": {"profilingEnabled": False},
    },
    "DeleteProfilingGroup": {"profilingGroupName": "checkout"},
    "ConfigureAgent": {
        "profilingGroupName": "checkout",
        "fleetInstanceId": "i-1",
        "metadata": {"ComputePlatform": "AWSLambda"},
    },
    "TagResource": {"resourceArn": ARN, "tags": {"team": "payments"}},
    "UntagResource": {"resourceArn": ARN, "tagKeys": ["team"]},
    "ListTagsForResource": {"resourceArn": ARN},
    "GetPolicy": {"profilingGroupName": "checkout"},
    "PutPermission": {
        "profilingGroupName": "checkout",
        "actionGroup": AGENT,
        "principals": [ROLE],
        "revisionId": REVISION,
    },
    "RemovePermission": {"profilingGroupName": "checkout", "actionGroup": AGENT, "revisionId": REVISION},
}
UNSERVED = sorted(set(MODEL.operation_names) - set(SERVED))
ABSENT = object()

WRONG_TYPE = {"structure": "x", "map": ["x"], "list": {"x": "y"}, "string": 7, "boolean": "yes", "integer": "ten"}

Path = tuple[str, ...]

ClientFactory = Callable[..., CodeGuruProfilerClient]


# --- the server and its clients ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Return the address of a moto server that knows the service."""
    register()
    server = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def client_for(endpoint: str) -> Iterator[ClientFactory]:
    """Return a maker of clients, each of which holds every response it gets to the model."""
    clients: list[CodeGuruProfilerClient] = []

    def make(
        region: str = REGION,
        key: str = "AKIAIOSFODNN7EXAMPLE",
        secret: str = UNUSED_SECRET,
        token: str | None = None,
        *,
        checks_requests: bool = True,
    ) -> CodeGuruProfilerClient:
        client = boto3.client(
            "codeguruprofiler",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(parameter_validation=checks_requests, retries={"total_max_attempts": 1}),
        )
        client.meta.events.register("after-call.codeguruprofiler", hold_to_model)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def client(client_for: ClientFactory) -> CodeGuruProfilerClient:
    """Return a client as a user would have it."""
    return client_for()


@pytest.fixture(scope="module")
def unchecked(client_for: ClientFactory) -> CodeGuruProfilerClient:
    """Return a client that sends what it is given: no validation, no clientToken of its own."""
    client = client_for(checks_requests=False)
    client.meta.events.unregister("before-parameter-build", generate_idempotent_uuid)
    return client


@pytest.fixture(autouse=True)
def backend() -> CodeGuruProfilerBackend:
    """Return the backend of `ACCOUNT` in `REGION`; it and all others are empty."""
    for _, _, each in codeguruprofiler_backends.iter_backends():
        each.reset()
    return codeguruprofiler_backends[ACCOUNT][REGION]


def call(client: CodeGuruProfilerClient, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Call an operation by the model's name.

    The body is written here, because botocore's serializer cannot write a map where the model has a list.
    """
    members = input_of(MODEL.operation_model(operation)).members
    body = {name: value for name, value in parameters.items() if "location" not in members[name].serialization}

    def write_body(params: dict[str, Any], **_: object) -> None:
        params["body"] = json.dumps(body).encode()

    if body:
        client.meta.events.register("before-call.codeguruprofiler", write_body)
    try:
        method = getattr(client, camelcase_to_underscores(operation))
        return cast("dict[str, Any]", method(**{name: parameters[name] for name in parameters if name not in body}))
    finally:
        client.meta.events.unregister("before-call.codeguruprofiler", write_body)


def create(client: CodeGuruProfilerClient, name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3's
    """Create a group and return it. The type stubs want a clientToken; at run time boto3 makes one."""
    answer: dict[str, Any] = cast("Any", client).create_profiling_group(profilingGroupName=name, **more)
    return cast("dict[str, Any]", answer["profilingGroup"])


def describe(client: CodeGuruProfilerClient, name: str) -> dict[str, Any]:
    """Return a group as it is now."""
    group = client.describe_profiling_group(profilingGroupName=name)["profilingGroup"]
    return cast("dict[str, Any]", group)


def refusal(method: Callable[..., object], *args: object, **parameters: object) -> str:
    """Return the error code of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        method(*args, **parameters)
    return str(caught.value.response["Error"]["Code"])


# --- the model as a yardstick -----------------------------------------------------------------------------------------


def input_of(operation: OperationModel) -> StructureShape:
    """Return an operation's input; each has one."""
    assert operation.input_shape is not None
    return operation.input_shape


def hold_to_model(http_response: AWSResponse, parsed: dict[str, Any], model: OperationModel, **_: object) -> None:
    """Fail unless a response is one that the model allows: status, body, error."""
    status = http_response.status_code
    if model.name in UNSERVED:
        return
    if status < 300:
        assert status == model.http["responseCode"]
        assert model.output_shape is not None
        if status == 204:
            assert http_response.content == b""
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
    """Say where JSON differs from a shape: members unknown or missing, types, and the constraints of strings."""
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
        case StringShape(), str():
            yield from discrepancies_of_text(shape, value, path)
        case (Shape(type_name="timestamp"), str()) if re.match(r"\d{4}-\d\d-\d\dT", value):
            assert shape.serialization["timestampFormat"] == "iso8601"
            assert parse_timestamp(value).tzinfo is not None
        case (Shape(type_name="boolean"), bool()) | (Shape(type_name="integer"), int()):
            pass
        case _:
            yield f"{path}: {value!r} is no {shape.type_name}"


def discrepancies_of_text(shape: StringShape, value: str, path: str) -> Iterator[str]:
    """Say which constraint of a string shape a text does not meet."""
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value} is not in {shape.enum}"
    if not re.fullmatch(shape.metadata.get("pattern", r"(?s:.*)"), value, re.ASCII):
        yield f"{path}: {value} does not match"
    if not shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", len(value)):
        yield f"{path}: {value} is too short or too long"


def spoilings(shape: Shape, valid: Any, path: Path, *, in_body: bool = True) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - JSON
    """Yield (path, bad value) for each constraint under a shape; each alone spoils the valid value."""
    # In a path or query everything is text, and a name that occurs once is a list of one.
    if path and (in_body or shape.type_name in {"boolean", "integer"}):
        yield path, WRONG_TYPE[shape.type_name]
    for bad in out_of_bounds(shape):
        yield path, bad
    match shape:
        case StructureShape():
            for name, member in shape.members.items():
                location = member.serialization.get("location")
                # A path without its label is another path.
                if name in shape.required_members and location != "uri":
                    yield (*path, name), ABSENT
                yield from spoilings(member, valid[name], (*path, name), in_body=in_body and location is None)
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
    """Yield what lies just outside a shape's `min` and `max`."""
    for bound, step in (("min", -1), ("max", 1)):
        if bound in shape.metadata:
            beyond = shape.metadata[bound] + step
            yield {"integer": beyond, "string": "a" * beyond, "list": [ROLE] * beyond}[shape.type_name]


def spoilt_requests() -> Iterator[Any]:
    """Yield operation, member and parameters for every constraint of every served operation."""
    for operation, valid in SERVED.items():
        for path, bad in spoilings(input_of(MODEL.operation_model(operation)), valid, ()):
            parameters = copy.deepcopy(valid)
            holder = parameters
            for step in path[:-1]:
                holder = holder[step]
            if bad is ABSENT:
                del holder[path[-1]]
            else:
                holder[path[-1]] = bad
            shown = "absent" if bad is ABSENT else json.dumps(bad)[:20]
            yield pytest.param(operation, path[0], parameters, id=f"{operation}-{'.'.join(path)}-{shown}")


# --- requests against the model ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", SERVED)
def test_a_request_that_keeps_to_the_model_is_never_invalid(unchecked: CodeGuruProfilerClient, operation: str) -> None:
    """The requests that the next test spoils are good ones: what answers them is the service's state."""
    try:
        call(unchecked, operation, SERVED[operation])
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceNotFoundException"  # noqa: PT017 - success is as good


@pytest.mark.parametrize(("operation", "member", "parameters"), list(spoilt_requests()))
def test_each_constraint_of_the_model_is_enforced(
    unchecked: CodeGuruProfilerClient, operation: str, member: str, parameters: dict[str, Any]
) -> None:
    """One broken constraint, and the answer is a ValidationException that names the member; nothing is made."""
    with pytest.raises(unchecked.exceptions.ValidationException, match=f"Value at '{member}"):
        call(unchecked, operation, parameters)
    assert unchecked.list_profiling_groups()["profilingGroupNames"] == []


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
def test_a_body_that_is_no_request_is_refused(unchecked: CodeGuruProfilerClient, body: bytes) -> None:
    """Whatever bytes come, the answer is a ValidationException, not a stack trace."""

    def replace_body(params: dict[str, Any], **_: object) -> None:
        params["body"] = body

    unchecked.meta.events.register("before-call.codeguruprofiler", replace_body)
    try:
        with pytest.raises(unchecked.exceptions.ValidationException):
            unchecked.create_profiling_group(profilingGroupName="checkout", clientToken="t")
    finally:
        unchecked.meta.events.unregister("before-call.codeguruprofiler", replace_body)


@given(name=st.from_regex(r"[A-Za-z0-9_-]{1,255}", fullmatch=True))
@settings(max_examples=60)
def test_every_name_that_the_model_allows_is_created_and_found(client: CodeGuruProfilerClient, name: str) -> None:
    """ASCII letters, digits, underscore and hyphen, up to 255 of them, in any order."""
    created = create(client, name)
    assert created["name"] == name
    assert created["arn"] == f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/{name}"
    assert describe(client, name) == created
    assert client.list_tags_for_resource(resourceArn=created["arn"])["tags"] == {}
    client.delete_profiling_group(profilingGroupName=name)


@given(
    name=st.text(max_size=300).filter(lambda name: not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name))
    | st.from_regex(r"[A-Za-z0-9_-]{256,300}", fullmatch=True)
    | st.from_regex(r"[A-Za-z0-9_-]{1,8}[\n .:$/äß٣]", fullmatch=True)
)
@settings(max_examples=60)
def test_every_other_name_is_refused(unchecked: CodeGuruProfilerClient, name: str) -> None:
    """Unicode letters and digits, a trailing newline, an ARN: nothing else passes for a name."""
    with pytest.raises(unchecked.exceptions.ValidationException, match="profilingGroupName"):
        unchecked.create_profiling_group(profilingGroupName=name, clientToken="t")


@pytest.mark.parametrize("operation", UNSERVED)
def test_an_operation_that_is_not_served_says_so(unchecked: CodeGuruProfilerClient, operation: str) -> None:
    """Profiles, findings and notification channels: 501 with the operation's name, which no SDK retries."""
    members = input_of(MODEL.operation_model(operation)).members
    labels = {name: "x" for name, member in members.items() if member.serialization.get("location") == "uri"}
    with pytest.raises(ClientError, match=f"does not serve {operation}") as caught:
        call(unchecked, operation, labels)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [shape.name for shape in MODEL.error_shapes])
def test_each_modelled_error_reaches_the_client_as_modelled(
    client: CodeGuruProfilerClient, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Code and message as raised, status as the model has it (`hold_to_model` looks at that)."""
    error_type = getattr(exceptions, code.replace("Exception", "Error"))

    def fail(*_: object, **__: object) -> None:
        raise error_type(["why it failed"] if error_type is exceptions.ValidationError else "why it failed")

    monkeypatch.setattr(CodeGuruProfilerBackend, "describe_profiling_group", fail)
    with pytest.raises(getattr(client.exceptions, code), match="why it failed"):
        client.describe_profiling_group(profilingGroupName="checkout")


@pytest.mark.parametrize("operation", sorted(set(SERVED) - {"CreateProfilingGroup", "ListProfilingGroups"}))
def test_what_needs_a_group_does_not_find_a_missing_one(unchecked: CodeGuruProfilerClient, operation: str) -> None:
    """404 from every operation that names a group, and from those that name an ARN."""
    with pytest.raises(unchecked.exceptions.ResourceNotFoundException, match="checkout"):
        call(unchecked, operation, SERVED[operation])


def test_a_name_is_taken_once(client: CodeGuruProfilerClient) -> None:
    """Creating it again is a conflict, with the same clientToken too, and leaves the first one as it was."""
    first = create(client, "checkout", clientToken="t", tags={"team": "payments"})
    for token in ("t", "u"):
        with pytest.raises(client.exceptions.ConflictException, match="checkout"):
            create(client, "checkout", clientToken=token, tags={"team": "other"})
    assert describe(client, "checkout") == first


def test_a_deleted_name_is_free_and_starts_anew(client: CodeGuruProfilerClient) -> None:
    """Neither tags nor policy outlive the group."""
    create(client, "checkout", tags={"team": "payments"})
    client.put_permission(profilingGroupName="checkout", actionGroup=AGENT, principals=[ROLE])
    client.delete_profiling_group(profilingGroupName="checkout")
    assert create(client, "checkout")["tags"] == {}
    assert refusal(client.get_policy, profilingGroupName="checkout") == "ResourceNotFoundException"


def test_the_quota_bounds_groups_but_not_names_that_exist(
    client: CodeGuruProfilerClient, backend: CodeGuruProfilerBackend
) -> None:
    """500 by default. At the quota a new name is refused with 402, an old one is still a conflict; a deletion helps."""
    assert backend.quota == 500
    backend.quota = 2
    for name in ("one", "two"):
        create(client, name)
    with pytest.raises(client.exceptions.ServiceQuotaExceededException, match="2 profiling groups"):
        create(client, "three")
    assert refusal(create, client, "two") == "ConflictException"
    client.delete_profiling_group(profilingGroupName="one")
    create(client, "three")
    assert client.list_profiling_groups()["profilingGroupNames"] == ["two", "three"]


# --- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_is_described_as_it_was_created_and_updated(client: CodeGuruProfilerClient) -> None:
    """Defaults as documented. Only UpdateProfilingGroup moves `updatedAt`; tags, policy and agent calls do not."""
    created = create(client, "checkout")
    assert created["computePlatform"] == "Default"
    assert created["agentOrchestrationConfig"] == {"profilingEnabled": True}
    assert created["profilingStatus"] == created["tags"] == {}
    assert created["updatedAt"] == created["createdAt"]
    time.sleep(0.005)  # more than the precision of the timestamps
    client.tag_resource(resourceArn=created["arn"], tags={"team": "payments"})
    client.put_permission(profilingGroupName="checkout", actionGroup=AGENT, principals=[ROLE])
    client.configure_agent(profilingGroupName="checkout")
    described = describe(client, "checkout")
    assert described["updatedAt"] == created["createdAt"]
    updated = client.update_profiling_group(
        profilingGroupName="checkout", agentOrchestrationConfig={"profilingEnabled": False}
    )["profilingGroup"]
    assert updated["agentOrchestrationConfig"] == {"profilingEnabled": False}
    assert updated["updatedAt"] > updated["createdAt"] == created["createdAt"]
    assert describe(client, "checkout") == updated


def test_an_agent_makes_its_own_group_and_is_told_what_to_do(client: CodeGuruProfilerClient) -> None:
    """As the agent does in Lambda: ask, find no group, create it with name and platform, ask again."""
    name = "aws-lambda-pay"
    assert refusal(client.configure_agent, profilingGroupName=name) == "ResourceNotFoundException"
    created = create(client, name, computePlatform="AWSLambda")
    assert (created["computePlatform"], created["tags"]) == ("AWSLambda", {})
    told = client.configure_agent(profilingGroupName=name, metadata={"ComputePlatform": "AWSLambda"})
    assert told["configuration"] == {"shouldProfile": True, "periodInSeconds": 300, "agentParameters": {}}
    assert describe(client, name)["profilingStatus"]["latestAgentOrchestratedAt"] >= created["createdAt"]
    client.update_profiling_group(profilingGroupName=name, agentOrchestrationConfig={"profilingEnabled": False})
    assert client.configure_agent(profilingGroupName=name)["configuration"]["shouldProfile"] is False


def test_accounts_and_regions_are_apart(
    client: CodeGuruProfilerClient, client_for: ClientFactory, endpoint: str
) -> None:
    """One name in two accounts and three regions is that many groups; an ARN is known only where it belongs."""
    sts = boto3.client(
        "sts", endpoint_url=endpoint, region_name=REGION, aws_access_key_id="AKIA", aws_secret_access_key=UNUSED_SECRET
    )
    role = sts.assume_role(RoleArn="arn:aws:iam::210987654321:role/provisioner", RoleSessionName="test")["Credentials"]
    sts.close()
    other_account = client_for(key=role["AccessKeyId"], secret=role["SecretAccessKey"], token=role["SessionToken"])
    for one, arn in (
        (client, ARN),
        (other_account, f"arn:aws:codeguru-profiler:{REGION}:210987654321:profilingGroup/checkout"),
        (client_for("us-west-2"), f"arn:aws:codeguru-profiler:us-west-2:{ACCOUNT}:profilingGroup/checkout"),
        (client_for("cn-north-1"), f"arn:aws-cn:codeguru-profiler:cn-north-1:{ACCOUNT}:profilingGroup/checkout"),
    ):
        assert one.list_profiling_groups()["profilingGroupNames"] == []
        assert create(one, "checkout")["arn"] == arn
        one.tag_resource(resourceArn=arn, tags={"from": arn})
        if one is not client:
            assert refusal(one.list_tags_for_resource, resourceArn=ARN) == "ResourceNotFoundException"
    assert client.list_tags_for_resource(resourceArn=ARN)["tags"] == {"from": ARN}


@pytest.mark.parametrize("described", [False, True], ids=["names", "descriptions"])
@pytest.mark.parametrize(("size", "pages"), [(1, 23), (7, 4), (23, 1), (1000, 1), (None, 1)])
def test_the_pages_hold_every_group_exactly_once(
    client: CodeGuruProfilerClient, *, size: int | None, pages: int, described: bool
) -> None:
    """Whatever the page's size; the last page has no token, even when it is full."""
    made = [f"group-{number * 7 % 23}" for number in range(23)]
    for name in made:
        create(client, name)
    arguments: dict[str, Any] = {"includeDescription": described} | ({"maxResults": size} if size else {})
    answers = [client.list_profiling_groups(**arguments)]
    while token := answers[-1].get("nextToken"):
        assert len(answers) < len(made), "a token that leads in circles"
        answers.append(client.list_profiling_groups(**arguments, nextToken=token))
    seen = [
        [group["name"] for group in answer["profilingGroups"]] if described else answer["profilingGroupNames"]
        for answer in answers
    ]
    assert sorted(name for page in seen for name in page) == sorted(made)
    assert len(seen) == pages
    assert max(map(len, seen)) <= (size or 1000)
    for answer in answers:
        assert bool(answer["profilingGroupNames"]) is not described
        assert ("profilingGroups" in answer) is described


def test_without_a_size_a_page_is_bounded_too(client: CodeGuruProfilerClient) -> None:
    """A caller that ignores nextToken misses groups, here as in AWS."""
    for number in range(101):
        create(client, f"group-{number}")
    page = client.list_profiling_groups()
    assert len(page["profilingGroupNames"]) == 100
    assert client.list_profiling_groups(nextToken=page["nextToken"])["profilingGroupNames"] == ["group-100"]


def test_deleting_between_two_pages_skips_nothing(client: CodeGuruProfilerClient) -> None:
    """Groups that exist throughout are listed once, though one already seen and one yet to come go away."""
    for name in "abcdef":
        create(client, name)
    page = client.list_profiling_groups(maxResults=2)
    for name in "be":
        client.delete_profiling_group(profilingGroupName=name)
    rest = client.list_profiling_groups(maxResults=10, nextToken=page["nextToken"])
    assert page["profilingGroupNames"] + rest["profilingGroupNames"] == ["a", "b", "c", "d", "f"]


def test_a_token_of_the_callers_own_making_is_refused(client: CodeGuruProfilerClient) -> None:
    """It keeps to the model's pattern, and is still none that was given out."""
    with pytest.raises(client.exceptions.ValidationException, match="nextToken"):
        client.list_profiling_groups(nextToken="page-2")


@pytest.mark.parametrize(("names", "made"), [(["checkout"] * 12, 1), (list("abcdefghijkl"), 5)])
def test_concurrent_creates_neither_double_nor_overrun(
    client: CodeGuruProfilerClient,
    backend: CodeGuruProfilerBackend,
    monkeypatch: pytest.MonkeyPatch,
    names: list[str],
    made: int,
) -> None:
    """Twelve at once: of one name exactly one succeeds, of twelve names as many as the quota has room for.

    Making the value is slowed down, so that all twelve would be past the checks before the first is entered, did they
    not wait for each other.
    """
    backend.quota = 5

    def slowly(**attributes: Any) -> ProfilingGroup:  # noqa: ANN401 - the dataclass's own
        time.sleep(0.03)
        return ProfilingGroup(**attributes)

    monkeypatch.setattr(models, "ProfilingGroup", slowly)
    together = threading.Barrier(len(names))

    def attempt(name: str) -> str:
        together.wait()
        try:
            create(client, name)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "created"

    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(attempt, names))
    refused = "ConflictException" if made == 1 else "ServiceQuotaExceededException"
    assert sorted(answers) == sorted(["created"] * made + [refused] * (len(names) - made))
    assert len(client.list_profiling_groups()["profilingGroupNames"]) == made


# --- tags -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("team", "payments", True),
        ("empty", "", True),
        ("k" * 128, "v" * 256, True),
        ("k" * 129, "v", False),
        ("k", "v" * 257, False),
        ("", "v", False),
        ("aws:cloudformation:stack-name", "v", False),
        ("AWS:x", "v", False),
        ("aWs:", "v", False),
        ("aws", "aws:v", True),
        ("my-aws:x", "v", True),
        ("a+b-c=d.e_f:g/h@i j", "a+b-c=d.e_f:g/h@i j", True),
        ("größe", "北京 ٣", True),
        ("Éire", "日本", True),
        ("why?", "v", False),
        ("k", "50%", False),
        ("k", "a,b", False),
        ("k", "line\nbreak", False),
        ("k", "tab\t", False),
        ("k", "no\u00a0break", False),
        ("k", "x²", False),
        ("k", "🚀", False),
    ],
)
def test_tags_keep_to_the_rules_at_creation_and_later(
    client: CodeGuruProfilerClient, key: str, value: str, *, allowed: bool
) -> None:
    """The API model has no limits for tags; these are the CloudFormation schema's."""
    tags = {"sound": "tag", key: value}
    create(client, "later")
    later = ARN.replace("checkout", "later")
    if allowed:
        create(client, "checkout", tags=tags)
        client.tag_resource(resourceArn=later, tags=tags)
        assert describe(client, "checkout")["tags"] == describe(client, "later")["tags"] == tags
    else:
        assert refusal(create, client, "checkout", tags=tags) == "ValidationException"
        assert refusal(client.tag_resource, resourceArn=later, tags=tags) == "ValidationException"
        assert client.list_profiling_groups()["profilingGroupNames"] == ["later"]
        assert describe(client, "later")["tags"] == {}


def test_a_group_has_at_most_fifty_tags(client: CodeGuruProfilerClient) -> None:
    """What counts is what the group would have after the call: a value for a key that is there takes no room."""
    fifty = {f"key-{number}": "v" for number in range(50)}
    too_many = fifty | {"one": "more"}
    assert refusal(create, client, "checkout", tags=too_many) == "ValidationException"
    create(client, "checkout", tags=fifty)
    assert refusal(client.tag_resource, resourceArn=ARN, tags={"one": "more"}) == "ValidationException"
    client.tag_resource(resourceArn=ARN, tags={"key-7": "new"})
    client.untag_resource(resourceArn=ARN, tagKeys=["key-1", "key-2", "never there"])
    client.tag_resource(resourceArn=ARN, tags={"one": "more"})
    expected = {key: value for key, value in too_many.items() if key not in {"key-1", "key-2"}} | {"key-7": "new"}
    assert client.list_tags_for_resource(resourceArn=ARN)["tags"] == expected
    assert describe(client, "checkout")["tags"] == expected


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("checkout", "ValidationException"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:checkout", "ValidationException"),
        (ARN.replace("profilingGroup/", "profile/"), "ValidationException"),
        (ARN + "/x", "ResourceNotFoundException"),
        (ARN.replace(REGION, "us-east-1"), "ResourceNotFoundException"),
        (ARN.replace(ACCOUNT, "210987654321"), "ResourceNotFoundException"),
        (ARN.replace("arn:aws:", "arn:aws-cn:"), "ResourceNotFoundException"),
    ],
)
def test_only_the_arn_of_the_group_is_its_arn(client: CodeGuruProfilerClient, arn: str, code: str) -> None:
    """An ARN of something else is invalid, one of a group that is not here is not found."""
    create(client, "checkout")
    assert refusal(client.list_tags_for_resource, resourceArn=arn) == code
    assert refusal(client.tag_resource, resourceArn=arn, tags={"a": "b"}) == code
    assert refusal(client.untag_resource, resourceArn=arn, tagKeys=["a"]) == code


# --- policies ---------------------------------------------------------------------------------------------------------


def test_permissions_go_through_their_revisions(client: CodeGuruProfilerClient) -> None:
    """None the first time, the present one afterwards; anything else is a conflict that changes nothing."""
    create(client, "checkout")
    group = {"profilingGroupName": "checkout"}
    permission: dict[str, Any] = {**group, "actionGroup": AGENT}
    both = [ROLE, f"arn:aws:iam::{ACCOUNT}:user/ci"]

    assert refusal(client.get_policy, profilingGroupName="checkout") == "ResourceNotFoundException"
    assert refusal(client.remove_permission, **permission, revisionId=REVISION) == "ResourceNotFoundException"
    assert refusal(client.put_permission, **permission, principals=[ROLE], revisionId=REVISION) == "ConflictException"
    first = client.put_permission(**permission, principals=[ROLE])
    (statement,) = json.loads(first["policy"])["Statement"]
    assert statement == {
        "Sid": "agentPermissions-statement",
        "Effect": "Allow",
        "Principal": {"AWS": ROLE},
        "Action": ["codeguru-profiler:ConfigureAgent", "codeguru-profiler:PostAgentProfile"],
        "Resource": ARN,
    }

    for stale in ({}, {"revisionId": REVISION}):
        assert refusal(client.put_permission, **permission, principals=both, **stale) == "ConflictException"
    second = client.put_permission(**permission, principals=both, revisionId=first["revisionId"])
    assert json.loads(second["policy"])["Statement"][0]["Principal"] == {"AWS": both}
    held = client.get_policy(profilingGroupName="checkout")
    assert (held["policy"], held["revisionId"]) == (second["policy"], second["revisionId"])
    assert second["revisionId"] != first["revisionId"]

    assert refusal(client.remove_permission, **permission, revisionId=first["revisionId"]) == "ConflictException"
    emptied = client.remove_permission(**permission, revisionId=second["revisionId"])
    assert json.loads(emptied["policy"])["Statement"] == []
    assert refusal(client.get_policy, profilingGroupName="checkout") == "ResourceNotFoundException"
    client.put_permission(**permission, principals=[ROLE])


def test_a_principal_with_a_wildcard_is_refused(client: CodeGuruProfilerClient) -> None:
    """The API takes roles and users one by one."""
    create(client, "checkout")
    for principal in ("*", f"arn:aws:iam::{ACCOUNT}:role/*", f"arn:aws:iam::{ACCOUNT}:role/checkou?"):
        with pytest.raises(client.exceptions.ValidationException, match="principals"):
            client.put_permission(profilingGroupName="checkout", actionGroup=AGENT, principals=[ROLE, principal])


# --- moto -------------------------------------------------------------------------------------------------------------


def test_moto_and_the_sandbox_share_one_backend() -> None:
    """A second call of register is harmless, and moto's look-up finds the object that the sandbox sets quotas on."""
    register()
    register()
    assert get_backend(cast("Any", "codeguruprofiler")) is codeguruprofiler_backends
