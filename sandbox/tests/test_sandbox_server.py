"""The sandbox as its users meet it: a process on a port, AWS SDK calls, and the admin API beside them."""

import contextlib
import http.client
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from embedded_aws import __main__ as sandbox_program
from embedded_aws.client import SandboxClient, SandboxError, SandboxProcess
from lambda_functions import is_alive
from support import package
from waiting import LIMIT_SECONDS, until

ACCOUNT, REGION = "510987654321", "eu-west-1"
OTHER_ACCOUNT = "610987654321"

NOTHING = "def main(event, context): ..."

type_of_clients = Callable[..., Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxClient]:
    """A sandbox of another account and region than moto's own default."""
    with SandboxProcess(options=["--account", ACCOUNT, "--region", REGION, "--pace", "0.001"]) as client:
        yield client


@pytest.fixture
def client(sandbox: SandboxClient) -> Iterator[type_of_clients]:
    """Make boto3 clients that do not retry; faults and the call log are clean before each test."""
    sandbox.clear_faults()
    sandbox.clear_calls()
    made = []
    untyped: Any = boto3.client  # its types want a literal service name

    def make(service: str, *, key: str = "AKIAOPERATOR00000000", token: str | None = None, **config: Any) -> Any:  # noqa: ANN401 - boto3's clients are untyped
        boto = untyped(
            service,
            endpoint_url=sandbox.endpoint,
            region_name=REGION,
            aws_access_key_id=key,
            aws_secret_access_key="unchecked",  # noqa: S106 - signatures are not checked
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )
        made.append(boto)
        return boto

    yield make
    sandbox.clear_faults()
    for boto in made:
        boto.close()


@pytest.fixture(scope="module")
def role(sandbox: SandboxClient) -> str:
    """ARN of a role that functions may have."""
    iam = boto3.client(
        "iam",
        endpoint_url=sandbox.endpoint,
        region_name=REGION,
        aws_access_key_id="x",
        aws_secret_access_key="x",  # noqa: S106 - signatures are not checked
    )
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = str(iam.create_role(RoleName="functions", AssumeRolePolicyDocument=trust)["Role"]["Arn"])
    iam.close()
    return arn


def a_function(name: str, role: str, source: str = NOTHING, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - API parameters
    """Parameters of CreateFunction."""
    code = {"ZipFile": package(source)}
    made = {"FunctionName": name, "Runtime": "python3.13", "Role": role, "Handler": "app.main", "Code": code}
    return made | {"Timeout": 60} | more


def test_health_says_what_the_sandbox_is(sandbox: SandboxClient) -> None:
    """Account and region are those of the command line; what runs the functions is named."""
    health = sandbox.health()

    assert (health["account"], health["region"], health["endpoint"]) == (ACCOUNT, REGION, sandbox.endpoint)
    assert "Python" in health["runtime"]


PAGE_HEADERS = [
    ({"Host": "127.0.0.1"}, 200),
    ({"Host": "127.0.0.1:5050"}, 200),
    ({"Host": "localhost:{port}"}, 200),
    ({"Host": "LOCALHOST"}, 200),
    ({"Host": "s3.moto.test:{port}"}, 200),
    ({"Host": "assets.s3.moto.test"}, 200),
    ({"Host": "rebound.example.com:{port}"}, 403),
    ({"Host": "127.0.0.1.example.com"}, 403),
    ({"Host": "moto.test.example.com"}, 403),
    ({"Host": "evilmoto.test"}, 403),
    ({"Host": "192.168.0.7:{port}"}, 403),
    ({"Host": "[::1]:{port}"}, 403),
    ({"Host": ""}, 403),
    ({"Host": "localhost", "Origin": "https://example.com"}, 403),
    ({"Host": "localhost", "Origin": "http://localhost:{port}"}, 403),
    ({"Host": "localhost", "Origin": "null"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), PAGE_HEADERS, ids=str)
@pytest.mark.parametrize("path", ["/_sandbox/health", "/?Action=GetCallerIdentity"], ids=["control", "aws"])
def test_requests_of_web_pages_are_refused(
    sandbox: SandboxClient, path: str, headers: dict[str, str], status: int
) -> None:
    """By their Host, which DNS rebinding cannot choose freely, and by their Origin."""
    sandbox.clear_calls()
    port = urlsplit(sandbox.endpoint).port
    assert port is not None
    scope = f"AWS4-HMAC-SHA256 Credential=AKIA/20260302/{REGION}/sts/aws4_request, SignedHeaders=host, Signature=0"
    sent = {name: value.format(port=port) for name, value in headers.items()} | {"Authorization": scope}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers=sent)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()

    assert answer.status == status
    refused = "Origin" if "Origin" in headers else "is not served; expected 127.0.0.1, localhost or *.moto.test"
    assert (refused in body) is (status == 403)
    assert sandbox.calls() == [] or status == 200


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "shown"),
    [
        ("codeguruprofiler", "ListProfilingGroups", {"maxResults": 5}, {"maxResults": 5}),
        ("lambda", "ListTags", {"Resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:no"}, None),
        ("sqs", "CreateQueue", {"QueueName": "letters"}, {"QueueName": "letters"}),
        ("sts", "GetCallerIdentity", {}, {}),
        ("s3", "ListObjectsV2", {"Bucket": "no-such-bucket"}, {"Bucket": "no-such-bucket"}),
        ("logs", "CreateLogGroup", {"logGroupName": "/a/b"}, {"logGroupName": "/a/b"}),
        ("cloudwatch", "DescribeAlarms", {}, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_call_log_names_calls_of_every_protocol(  # noqa: PLR0913, PLR0917 - one column of the table each
    sandbox: SandboxClient,
    client: type_of_clients,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    shown: dict[str, Any] | None,
) -> None:
    """REST, JSON and query calls alike: service and operation as botocore names them, with their parameters."""
    boto = client(service)
    method = next(method for method, name in boto.meta.method_to_api_mapping.items() if name == operation)
    try:
        getattr(boto, method)(**parameters)
        status = (200,)
    except ClientError as error:
        status = (error.response["ResponseMetadata"]["HTTPStatusCode"],)

    (call,) = sandbox.calls()
    assert (call["service"], call["operation"], call["account"], call["region"]) == (
        service,
        operation,
        ACCOUNT,
        REGION,
    )
    assert call["status"] in status
    assert call["parameters"] == (parameters if shown is None else shown)


def test_call_log_keeps_no_code_and_no_secret(sandbox: SandboxClient, client: type_of_clients, role: str) -> None:
    """A creation shows its name and tags; its code and its environment do not get into the call log."""
    variables = {"Variables": {"PASSWORD": "hunter2"}}
    client("lambda").create_function(**a_function("journalled", role, Tags={"team": "x"}, Environment=variables))

    (call,) = sandbox.calls()
    assert (call["parameters"]["FunctionName"], call["parameters"]["Tags"]) == ("journalled", {"team": "x"})
    assert call["parameters"]["Code"]["ZipFile"].endswith(" bytes>")
    assert "hunter2" not in json.dumps(call)


def test_call_log_is_read_from_a_number_on(sandbox: SandboxClient, client: type_of_clients) -> None:
    """`since` gives what came after; failures have their error code."""
    sts = client("sts")
    sts.get_caller_identity()
    (first,) = sandbox.calls()
    with pytest.raises(ClientError):
        client("codeguruprofiler").describe_profiling_group(profilingGroupName="no")

    (second,) = sandbox.calls(since=first["seq"])
    assert (second["status"], second["error_code"]) == (404, "ResourceNotFoundException")


@pytest.mark.parametrize(
    ("service", "operation", "call", "code", "status"),
    [
        ("codeguruprofiler", "ListProfilingGroups", lambda c: c.list_profiling_groups(), "ThrottlingException", 429),
        ("lambda", "ListFunctions", lambda c: c.list_functions(), "TooManyRequestsException", 429),
        ("sqs", "ListQueues", lambda c: c.list_queues(), "ThrottlingException", 400),
        ("sts", "GetCallerIdentity", lambda c: c.get_caller_identity(), "Throttling", 400),
        ("s3", "ListBuckets", lambda c: c.list_buckets(), "SlowDown", 503),
        ("ec2", "DescribeRegions", lambda c: c.describe_regions(), "RequestLimitExceeded", 503),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fault_is_an_error_in_the_services_own_shape(  # noqa: PLR0913, PLR0917 - one column of the table each
    sandbox: SandboxClient,
    client: type_of_clients,
    service: str,
    operation: str,
    call: Callable[[Any], object],
    code: str,
    status: int,
) -> None:
    """The SDK reads code, message and status out of a fault as it does out of AWS's answer, once; then all is well."""
    error = {"code": code, "status": status, "message": "so <it> & is"}
    sandbox.set_faults({"service": service, "operation": operation, "error": error, "times": 1})
    boto = client(service)

    with pytest.raises(ClientError) as caught:
        call(boto)

    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["Error"]["Message"] == "so <it> & is"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    call(boto)
    assert [c["error_code"] for c in sandbox.calls()] == [code, None]


def test_modelled_error_needs_no_status(sandbox: SandboxClient, client: type_of_clients) -> None:
    """Without a status the model's own is taken, and the SDK knows the exception."""
    sandbox.set_faults({"service": "codeguruprofiler", "error": {"code": "ServiceQuotaExceededException"}})
    profiler = client("codeguruprofiler")

    with pytest.raises(profiler.exceptions.ServiceQuotaExceededException) as caught:
        profiler.create_profiling_group(profilingGroupName="one-too-many")

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 402


def test_rate_above_the_limit_is_throttled(sandbox: SandboxClient, client: type_of_clients) -> None:
    """Of calls in quick succession the first two are served, the others get the model's throttling error."""
    sandbox.set_faults({"service": "codeguruprofiler", "operation": "*", "rate_per_second": 0.0001, "burst": 2})
    profiler = client("codeguruprofiler")

    outcomes = []
    for _ in range(4):
        try:
            profiler.list_profiling_groups()
            outcomes.append(200)
        except profiler.exceptions.ThrottlingException as error:
            outcomes.append(error.response["ResponseMetadata"]["HTTPStatusCode"])

    assert outcomes == [200, 200, 429, 429]


def test_latency_delays_the_call(sandbox: SandboxClient, client: type_of_clients) -> None:
    """A slow call still succeeds; calls of other operations are not slowed."""
    sandbox.set_faults({"service": "codeguruprofiler", "operation": "ListProfilingGroups", "latency_ms": 300})
    profiler = client("codeguruprofiler")

    started = time.monotonic()
    profiler.list_profiling_groups()
    assert time.monotonic() - started >= 0.3


def test_held_call_waits_until_the_faults_are_changed(sandbox: SandboxClient, client: type_of_clients) -> None:
    """It is carried out then; those before `after`, and other operations, are not held."""
    sandbox.set_faults({"service": "codeguruprofiler", "operation": "CreateProfilingGroup", "hold": True, "after": 1})
    profiler = client("codeguruprofiler", read_timeout=LIMIT_SECONDS)
    profiler.create_profiling_group(profilingGroupName="passes")

    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(profiler.create_profiling_group, profilingGroupName="held")
        until(lambda: sandbox.faults()[0]["held"] == 1)
        assert "held" not in profiler.list_profiling_groups()["profilingGroupNames"]
        sandbox.clear_faults()
        held.result()

    assert {"passes", "held"} <= set(profiler.list_profiling_groups()["profilingGroupNames"])


@pytest.mark.parametrize(("connection", "created"), [("reset", False), ("reset_after", True)])
def test_broken_connection(sandbox: SandboxClient, client: type_of_clients, connection: str, *, created: bool) -> None:
    """The client learns nothing either way; the work is done only where the connection broke after it."""
    sandbox.set_faults(
        {"service": "codeguruprofiler", "operation": "CreateProfilingGroup", "connection": connection, "times": 1}
    )
    profiler = client("codeguruprofiler")

    with pytest.raises(ConnectionClosedError):
        profiler.create_profiling_group(profilingGroupName=connection)

    groups = profiler.list_profiling_groups()["profilingGroupNames"]
    assert (connection in groups) is created


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"service": "lamda", "error": {"code": "X"}}, "unknown service 'lamda'; did you mean 'lambda'"),
        ({"service": "codeguru-profiler", "error": {"code": "X"}}, "did you mean 'codeguruprofiler'"),
        (
            {"service": "lambda", "operation": "CreateFunctions", "error": {"code": "X"}},
            "did you mean 'CreateFunction'",
        ),
        ({"service": "lambda", "errors": {"code": "X"}}, "unknown key 'errors'; did you mean 'error'"),
        (
            {"service": "lambda", "account": 123456789012, "latency_ms": 1},
            "account must be an account id of 12 digits, not 123456789012",
        ),
        ({"service": "lambda", "region": "EU", "latency_ms": 1}, "region must be the name of a region, not 'EU'"),
        ({"service": "lambda", "error": {"code": "X", "state": 400}}, "unknown key of error 'state'"),
        ({"service": "lambda", "error": {"code": "X", "status": 200}}, "status must be"),
        ({"service": "lambda", "error": {"code": "X"}, "times": 0}, "times must be"),
        ({"service": "lambda", "rate_per_second": -1}, "rate_per_second must be"),
        (
            {"service": "lambda", "rate_per_second": math.nan},
            "rate_per_second must be a finite number above 0, not nan",
        ),
        (
            {"service": "lambda", "rate_per_second": math.inf},
            "rate_per_second must be a finite number above 0, not inf",
        ),
        (
            {"service": "lambda", "rate_per_second": 10**400},
            "rate_per_second must be a finite number above 0, not 1000",
        ),
        ({"service": "lambda", "rate_per_second": 1, "burst": math.nan}, "burst must be"),
        ({"service": "lambda", "connection": ["reset"]}, "connection must be one of reset, reset_after"),
        ({"service": "lambda", "connection": {}}, "connection must be one of reset, reset_after"),
        ({"service": "lambda", "connection": "cut"}, "connection must be one of reset, reset_after"),
        ({"service": "lambda", "hold": 1}, "hold must be true or false, not 1"),
        ({"service": "lambda", "hold": True, "after": -1}, "after must be a whole number of at least 0, not -1"),
        ({"service": "lambda", "hold": False}, "needs one of error, rate_per_second, latency_ms, hold, connection"),
        ({"service": "lambda"}, "needs one of"),
    ],
)
def test_fault_that_cannot_be_is_refused_by_name(sandbox: SandboxClient, fault: dict[str, Any], complaint: str) -> None:
    """The refusal names what is wrong, and the faults that were set stay."""
    sandbox.set_faults({"service": "sns", "latency_ms": 0})

    with pytest.raises(SandboxError, match=complaint):
        sandbox.set_faults(fault)

    assert [fault["service"] for fault in sandbox.faults()] == ["sns"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "complaint"),
    [
        ("GET", "helth", None, 404, "there is no /_sandbox/helth"),
        ("POST", "health", None, 405, "health takes GET, not POST"),
        ("GET", "calls?since=yesterday", None, 400, "since must be a number"),
        ("PUT", "faults", b"{", 400, "not JSON"),
        ("PUT", "faults", b"{}", 400, "must be a list"),
        ("PUT", "quota", b'{"groups": 1}', 400, "unknown key 'groups'"),
        ("POST", "schedules", b'{"region": "mars-1"}', 400, "there is no region 'mars-1'"),
        ("POST", "schedules", b'["nightly"]', 400, "(no object)"),
        ("GET", "schedules?account=1", None, 400, "an account id has 12 digits"),
        ("GET", "schedules?name=nightly", None, 400, "unknown key 'name'"),
        ("PUT", "quota", b'{"profiling_groups": "many"}', 400, "profiling_groups must be"),
        ("PUT", "quota", b'{"profiling_groups": 1, "region": "mars-1"}', 400, "there is no region 'mars-1'"),
        ("POST", "cloudtrail", b'{"eventSource": "lambda.amazonaws.com"}', 400, "the record has no eventName"),
        ("POST", "cloudtrail", b'{"Records": 1}', 400, "Records must be a list"),
    ],
)
def test_control_request_that_cannot_be_is_refused(  # noqa: PLR0913, PLR0917 - one column of the table each
    sandbox: SandboxClient, method: str, path: str, body: bytes | None, status: int, complaint: str
) -> None:
    """Every refusal is a 4xx with an `error` that says what is wrong."""
    connection = http.client.HTTPConnection(urlsplit(sandbox.endpoint).netloc)
    connection.request(method, f"/_sandbox/{path}", body)
    answer = connection.getresponse()

    assert answer.status == status
    assert complaint in json.load(answer)["error"]
    connection.close()


def test_quota_can_be_set(sandbox: SandboxClient, client: type_of_clients) -> None:
    """One more group than the quota allows is refused."""
    profiler = client("codeguruprofiler")
    sandbox.set_quota(len(profiler.list_profiling_groups()["profilingGroupNames"]) + 1)

    profiler.create_profiling_group(profilingGroupName="the-last")
    with pytest.raises(profiler.exceptions.ServiceQuotaExceededException):
        profiler.create_profiling_group(profilingGroupName="one-too-many")

    sandbox.set_quota(500)


class Bus:
    """A rule for those of Lambda's events whose names begin in a certain way; its queue shows what came."""

    def __init__(self, client: type_of_clients, name: str, *, prefix: str = "CreateFunction") -> None:
        self._sqs, self._events, self._name = client("sqs"), client("events"), name
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        pattern = {"source": ["aws.lambda"], "detail": {"eventName": [{"prefix": prefix}]}}
        self._events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self._events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

    def received(self) -> list[dict[str, Any]]:
        """The events so far; each is shown once."""
        messages = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    def close(self) -> None:
        """Take the rule and the queue away."""
        self._events.remove_targets(Rule=self._name, Ids=["queue"])
        self._events.delete_rule(Name=self._name)
        self._sqs.delete_queue(QueueUrl=self._url)


@pytest.fixture
def bus(client: type_of_clients) -> Iterator[Bus]:
    """The events of creations."""
    bus = Bus(client, "creations")
    yield bus
    bus.close()


def test_creation_reaches_the_bus(client: type_of_clients, bus: Bus, role: str) -> None:
    """CloudTrail's event of a creation goes out with nobody doing anything, whether it succeeded or not."""
    functions = client("lambda")
    functions.create_function(**a_function("seen", role, Tags={"team": "x"}))
    with pytest.raises(ClientError, match="cannot be assumed"):
        functions.create_function(**a_function("unseen", f"arn:aws:iam::{ACCOUNT}:role/no-such-role"))
    with pytest.raises(ClientError, match="ResourceConflictException"):
        functions.create_function(**a_function("seen", role))

    made, failed, doubled = (event["detail"] for event in bus.received())
    assert (made["eventName"], made["recipientAccountId"]) == ("CreateFunction20150331", ACCOUNT)
    assert made["requestParameters"]["tags"] == {"team": "x"}
    assert made["responseElements"]["functionArn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:seen"
    assert made["userIdentity"]["type"] == "Root"
    assert failed["errorCode"] == "InvalidParameterValueException"
    assert failed["requestParameters"]["functionName"] == "unseen"
    assert (doubled["errorCode"], doubled["responseElements"]) == ("ResourceConflictException", None)


def test_refused_creation_has_neither_parameters_nor_response(
    sandbox: SandboxClient, client: type_of_clients, bus: Bus, role: str
) -> None:
    """CloudTrail shows of a call without permission only that it was made."""
    error = {"code": "AccessDeniedException", "status": 403, "message": "User: x is not authorized"}
    sandbox.set_faults({"service": "lambda", "operation": "CreateFunction", "error": error})
    with pytest.raises(ClientError):
        client("lambda").create_function(**a_function("denied", role))

    (event,) = bus.received()
    detail = event["detail"]
    assert (detail["errorCode"], detail["requestParameters"], detail["responseElements"]) == (
        "AccessDenied",
        None,
        None,
    )


def test_changes_of_a_functions_other_configurations_are_answered_and_recorded(
    client: type_of_clients, role: str
) -> None:
    """Their times are numbers in the API, unlike a function's own; the record has them as it has all times."""
    functions = client("lambda")
    functions.create_function(**a_function("configured", role))
    bus = Bus(client, "configurations", prefix="")

    functions.put_function_event_invoke_config(FunctionName="configured", MaximumRetryAttempts=1)
    functions.update_function_event_invoke_config(FunctionName="configured", MaximumRetryAttempts=2)

    details = [event["detail"] for event in bus.received()]
    bus.close()
    assert [detail["eventName"] for detail in details] == [
        "PutFunctionEventInvokeConfig",
        "UpdateFunctionEventInvokeConfig",
    ]
    for detail in details:
        modified = datetime.strptime(detail["responseElements"]["lastModified"], "%Y-%m-%dT%H:%M:%S.%f%z")
        # moto takes UTC for local time when it makes the number, so that a day is as near as it gets everywhere.
        assert abs(datetime.now(UTC) - modified) < timedelta(days=1)


def test_without_a_logging_trail_there_are_no_events(client: type_of_clients, bus: Bus, role: str) -> None:
    """Where the account has no trail that logs, creations pass in silence, as in AWS."""
    trail = client("cloudtrail")
    trail.stop_logging(Name="management-events")
    client("lambda").create_function(**a_function("silent", role))
    assert bus.received() == []

    trail.start_logging(Name="management-events")
    client("lambda").create_function(**a_function("loud", role))
    assert [event["detail"]["requestParameters"]["functionName"] for event in bus.received()] == ["loud"]


def test_record_that_is_put_says_which_rules_it_matched(sandbox: SandboxClient, bus: Bus) -> None:
    """Records of old can be replayed; one that no rule wants is reported as such."""
    record = json.loads((Path(__file__).parent / "fixtures" / "cloudtrail" / "create.json").read_text())
    own = record | {"recipientAccountId": ACCOUNT, "awsRegion": REGION}

    matched, elsewhere, other = sandbox.put_cloudtrail(own, record, own | {"eventName": "DeleteFunction20150331"})

    assert (matched["event_id"], matched["matched_rules"]) == (record["eventID"], ["creations"])
    assert (elsewhere["matched_rules"], other["matched_rules"]) == ([], [])
    (event,) = bus.received()
    assert (event["id"], event["time"], event["detail"]) == (matched["envelope_id"], record["eventTime"], own)


def test_session_of_another_account_works_in_that_account(sandbox: SandboxClient, client: type_of_clients) -> None:
    """An assumed role's calls count for the role's account."""
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/there"
    key = client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]

    profiler = client("codeguruprofiler", key=key["AccessKeyId"], token=key["SessionToken"])
    group = profiler.create_profiling_group(profilingGroupName="there")["profilingGroup"]

    assert group["arn"].split(":")[4] == OTHER_ACCOUNT
    assert sandbox.calls()[-1]["principal"] == f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/there/me"


def test_bucket_in_the_host_name(sandbox: SandboxClient, client: type_of_clients) -> None:
    """A virtual-hosted upload, in chunks and with 100-continue as SDKs send large ones, lands in its bucket."""
    s3 = client("s3", s3={"addressing_style": "path"})
    s3.create_bucket(Bucket="assets", CreateBucketConfiguration={"LocationConstraint": REGION})
    port = urlsplit(sandbox.endpoint).port
    scope = f"AWS4-HMAC-SHA256 Credential=AKIA/20260302/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=0"
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for key in ("folder/one.zip", "folder/two.zip"):  # the connection stays open in between
        connection.request(
            "PUT",
            f"/{key}",
            body=iter([b"x" * 300_000, b"y" * 300_000]),
            headers={"Host": f"assets.s3.moto.test:{port}", "Authorization": scope, "Expect": "100-continue"},
            encode_chunked=True,
        )
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()

    assert s3.get_object(Bucket="assets", Key="folder/two.zip")["Body"].read() == b"x" * 300_000 + b"y" * 300_000
    assert [c["operation"] for c in sandbox.calls()] == ["CreateBucket", "PutObject", "PutObject", "GetObject"]


def test_function_may_only_do_what_its_role_allows(sandbox: SandboxClient, client: type_of_clients, role: str) -> None:
    """A function's own call is refused as AWS refuses it, and served once its role has the permission."""
    source = """
import boto3, botocore
def main(event, context):
    try:
        return len(boto3.client("codeguruprofiler").list_profiling_groups()["profilingGroupNames"]) >= 0
    except botocore.exceptions.ClientError as error:
        return [error.response["Error"]["Code"], error.response["Error"]["Message"]]
"""
    client("lambda").create_function(**a_function("curious", role, source=source))
    functions = client("lambda", read_timeout=LIMIT_SECONDS)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/functions/curious"

    code, message = json.load(functions.invoke(FunctionName="curious")["Payload"])
    assert code == "AccessDeniedException"
    assert f"User: {session} is not authorized to perform: codeguru-profiler:ListProfilingGroups on" in message

    statement = {"Effect": "Allow", "Action": "codeguru-profiler:ListProfilingGroups", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client("iam").put_role_policy(RoleName="functions", PolicyName="list", PolicyDocument=policy)
    assert json.load(functions.invoke(FunctionName="curious")["Payload"]) is True

    own = [(c["status"], c["error_code"]) for c in sandbox.calls() if c["principal"] == session]
    assert own == [(403, "AccessDeniedException"), (200, None)]


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--port", "65536", "a port is a number from 0 to 65535, not '65536'"),
        ("--port", "-1", "a port is a number from 0 to 65535, not '-1'"),
        ("--port", "http", "a port is a number from 0 to 65535, not 'http'"),
        ("--account", "12345", "an account id has 12 digits, not '12345'"),
        ("--region", "mars-1", "there is no region 'mars-1'; there are af-south-1, "),
        ("--region", "cn-north-1", "there is no region 'cn-north-1'; there are af-south-1, "),
        ("--pace", "x", "the pace is a number above 0 and at most 1, not 'x'"),
        ("--pace", "0", "the pace is a number above 0 and at most 1, not '0'"),
        ("--pace", "1.1", "the pace is a number above 0 and at most 1, not '1.1'"),
        ("--pace", "nan", "the pace is a number above 0 and at most 1, not 'nan'"),
        ("--runtime-python", "/nonexistent", "there is no file '/nonexistent'"),
        ("--runtime-python", "/", "there is no file '/'"),
    ],
)
def test_option_that_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, value: str, complaint: str
) -> None:
    """It ends with the status for wrong usage and says which option is wrong and what it takes, without a traceback."""
    monkeypatch.setenv("AWS_PROFILE", "of-another-machine")
    monkeypatch.setattr(sys, "argv", ["sandbox", f"{option}={value}"])

    with pytest.raises(SystemExit) as ended:
        sandbox_program.main()

    assert ended.value.code == 2
    assert f"error: argument {option}: {complaint}" in capsys.readouterr().err


def descendants(pid: int) -> set[int]:
    """The processes that a process has started, and theirs."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listing.splitlines())}
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def test_sandbox_ends_with_all_that_it_started(role: str) -> None:
    """SIGTERM ends the sandbox, which needs no force, and the functions' processes with it."""
    process = SandboxProcess(options=["--account", ACCOUNT, "--region", REGION])
    with process as sandbox:
        boto = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name=REGION)  # noqa: S106 - not checked
        iam = boto.client("iam", endpoint_url=sandbox.endpoint)
        trust = '{"Version": "2012-10-17", "Statement": []}'
        iam.create_role(RoleName=role.rpartition("/")[2], AssumeRolePolicyDocument=trust)
        functions = boto.client("lambda", endpoint_url=sandbox.endpoint)
        functions.create_function(**a_function("running", role))
        functions.invoke(FunctionName="running", Payload=b"{}")
        started = descendants(process.pid)
        assert len(started) > 1, "the function's process is still there, waiting for the next invocation"
        iam.close()
        functions.close()
        assert process.stop() == 0

    until(lambda: not any(is_alive(pid) for pid in started))


@contextlib.contextmanager
def started(folder: Path, *before: str) -> Iterator[subprocess.Popen[str]]:
    """A sandbox that is ready and keeps its temporary files in that folder; it does not outlive the block."""
    command = [*before, sys.executable, "-m", "embedded_aws"]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"TMPDIR": str(folder)},
    ) as process:
        assert process.stdout
        try:
            assert json.loads(process.stdout.readline())["endpoint"]
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_sandbox_leaves_no_files(tmp_path: Path, number: signal.Signals) -> None:
    """However it is told to end, it ends well; even where it is killed, its temporary folder is removed."""
    with started(tmp_path) as process:
        assert list(tmp_path.glob("sandbox-lambda-*"))

        process.send_signal(number)

        assert process.wait(LIMIT_SECONDS) == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        until(lambda: list(tmp_path.iterdir()) == [])


def test_sandbox_outlives_a_hang_up_under_nohup(tmp_path: Path) -> None:
    """Whoever has it ignored means it to go on; SIGTERM ends it all the same."""
    with started(tmp_path, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)

        process.terminate()

        assert process.wait(LIMIT_SECONDS) == 0
        until(lambda: list(tmp_path.iterdir()) == [])
