"""CloudTrail records that the sandbox makes, compared with records of the real shape, and their envelope."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from embedded_aws.events import trails
from embedded_aws.events.cloudtrail import (
    Caller,
    LambdaCall,
    RecordError,
    envelope,
    record,
    role_identity,
    root_identity,
    through_cloudformation,
    user_identity,
)
from embedded_aws.http_responses import ApiError, HttpResponse
from embedded_aws.request_router import ApiCall

RECORDS = Path(__file__).parent / "fixtures" / "cloudtrail"
ACCOUNT, REGION, NAME = "210987654321", "eu-west-1", "billing-export"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}"
USER = Caller(
    identity=user_identity(
        arn=f"arn:aws:iam::{ACCOUNT}:user/deployer",
        user_id="AIDAZ3EXAMPLEUSER0001",
        access_key_id="AKIAZ3EXAMPLEKEY0001",
    ),
    source_ip="198.51.100.7",
    user_agent="aws-cli/2.27.1",
)
ROLE = Caller(
    identity=role_identity(
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/pipeline/ci",
        role_arn=f"arn:aws:iam::{ACCOUNT}:role/delivery/pipeline",
        role_id="AROAZ3EXAMPLEROLE0001",
        access_key_id="ASIAZ3EXAMPLEKEY0002",
        since=datetime(2026, 3, 2, 9, 15, tzinfo=UTC),
    ),
    source_ip="198.51.100.7",
    user_agent="aws-cli/2.27.1",
)
CREATION: Mapping[str, Any] = {
    "FunctionName": NAME,
    "Runtime": "python3.13",
    "Role": f"arn:aws:iam::{ACCOUNT}:role/billing",
    "Handler": "app.main",
    "Code": {"S3Bucket": "builds-eu", "S3Key": "billing/41.zip"},
    "Description": "",
    "Timeout": 30,
    "MemorySize": 256,
    "Environment": {"Variables": {"PASSWORD": "not for the trail"}},
    "Tags": {"Team": "billing", "cost-center": "4711"},
}
CONFIGURATION: Mapping[str, Any] = {
    "FunctionName": NAME,
    "FunctionArn": ARN,
    "Runtime": "python3.13",
    "Role": f"arn:aws:iam::{ACCOUNT}:role/billing",
    "Handler": "app.main",
    "CodeSize": 2048,
    "Description": "",
    "Timeout": 30,
    "MemorySize": 256,
    "LastModified": "2026-03-02T09:30:05.123456000Z",
    "CodeSha256": "dGhpcyBpcyBubyByZWFsIGhhc2ggYnV0IGl0IGhhcyBpdHM=",
    "Version": "$LATEST",
    "Environment": {"Variables": {"PASSWORD": "not for the trail"}},
    "KMSKeyArn": None,
    "TracingConfig": {"Mode": "PassThrough"},
    "RevisionId": "b1b5d3f5-6f0e-4c49-9c7e-6f3e2a9f0d01",
    "State": "Active",
    "PackageType": "Zip",
    "Architectures": ["arm64"],
    "EphemeralStorage": {"Size": 512},
}
INLINE = {key: value for key, value in CREATION.items() if key not in {"Tags", "Environment"}} | {
    "Code": {"ZipFile": b"PK..."}
}
NO_ROLE = ApiError(
    code="InvalidParameterValueException",
    message="The role defined for the function cannot be assumed by Lambda.",
)
DENIED = ApiError(
    code="AccessDeniedException",
    message=f"User: arn:aws:sts::{ACCOUNT}:assumed-role/pipeline/ci is not authorized to perform: lambda:CreateFunction"
    f" on resource: {ARN} because no identity-based policy allows the lambda:CreateFunction action",
)
URL = {"FunctionUrl": "https://abc.lambda-url.eu-west-1.on.aws/", "FunctionArn": ARN, "AuthType": "AWS_IAM"}


def a_call(
    operation: str,
    parameters: Mapping[str, Any],
    response: Mapping[str, Any] | None = None,
    error: ApiError | None = None,
) -> LambdaCall:
    """A call of the Lambda API at the time of the fixtures."""
    return LambdaCall(
        operation=operation,
        parameters=parameters,
        response=response,
        error=error,
        account=ACCOUNT,
        region=REGION,
        time=datetime(2026, 3, 2, 9, 30, 5, tzinfo=UTC),
        host=f"lambda.{REGION}.amazonaws.com",
    )


@pytest.mark.parametrize(
    ("fixture", "call", "caller"),
    [
        ("create", a_call("CreateFunction", CREATION, CONFIGURATION), USER),
        ("create-failed", a_call("CreateFunction", CREATION, error=NO_ROLE), USER),
        ("create-denied", a_call("CreateFunction", CREATION, error=DENIED), ROLE),
        ("create-inline-untagged", a_call("CreateFunction", INLINE, CONFIGURATION), USER),
        ("create-by-cloudformation", a_call("CreateFunction", CREATION, CONFIGURATION), through_cloudformation(ROLE)),
        ("create-url", a_call("CreateFunctionUrlConfig", {"FunctionName": NAME, "AuthType": "AWS_IAM"}, URL), USER),
        ("delete", a_call("DeleteFunction", {"FunctionName": NAME}), USER),
        (
            "update-configuration",
            a_call(
                "UpdateFunctionConfiguration",
                {"FunctionName": ARN, "Timeout": 60, "Environment": {"Variables": {"PASSWORD": "not for the trail"}}},
                {**CONFIGURATION, "Timeout": 60},
            ),
            USER,
        ),
        (
            "update-code",
            a_call("UpdateFunctionCode", {"FunctionName": ARN, "ZipFile": b"PK...", "Publish": True}, CONFIGURATION),
            USER,
        ),
        ("tag", a_call("TagResource", {"Resource": ARN, "Tags": {"Owner": "Jo"}}), USER),
        ("untag", a_call("UntagResource", {"Resource": ARN, "TagKeys": ["Owner", "Team"]}), USER),
    ],
)
def test_record_has_the_real_shape(fixture: str, call: LambdaCall, caller: Caller) -> None:
    """A call becomes the record that CloudTrail would write, but for the ids, which are new each time."""
    expected = json.loads((RECORDS / f"{fixture}.json").read_text())

    made = record(call, caller)

    assert made is not None
    for key in ("eventID", "requestID"):
        assert UUID(made.pop(key)) != UUID(expected.pop(key))
    assert made == expected


def test_function_from_an_image_has_no_runtime_version() -> None:
    """Its record shows it being created like any other, but there is no runtime of Lambda's in it."""
    configuration = {key: value for key, value in CONFIGURATION.items() if key not in {"Runtime", "Handler"}}

    made = record(a_call("CreateFunction", CREATION, configuration | {"PackageType": "Image"}), USER)

    assert made is not None
    assert made["responseElements"]["stateReasonCode"] == "Creating"
    assert "runtimeVersionConfig" not in made["responseElements"]


def test_record_that_cannot_go_out_leaves_the_call_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever becomes of the record, the one who called has been served; the log says what was lost."""

    def lose(event: dict[str, Any]) -> None:
        message = f"no way for {event['detail-type']}"
        raise LookupError(message)

    trails.start_trail(ACCOUNT, REGION)
    call = ApiCall(
        service="lambda",
        operation="DeleteFunction",
        protocol="rest-json",
        account=ACCOUNT,
        region=REGION,
        access_key_id="AKIAUNKNOWN",
        parameters={"FunctionName": NAME},
        user_agent="x",
        source_ip="198.51.100.7",
        host="localhost",
    )

    trails.Emitter(put=lose).after_lambda(call, HttpResponse(status=204, headers=(), body=b""))

    assert "no CloudTrail record of DeleteFunction" in caplog.text
    assert "no way for AWS API Call via CloudTrail" in caplog.text


@pytest.mark.parametrize("operation", ["GetFunctionConfiguration", "ListTags", "ListFunctions", "Invoke"])
def test_reading_and_invoking_leave_no_write_event(operation: str) -> None:
    """EventBridge gets no event of calls that change nothing; Invoke is a data event."""
    assert record(a_call(operation, {"FunctionName": NAME}, {}), USER) is None


def test_unknown_key_counts_as_root() -> None:
    """Whoever signs with a key that IAM does not know is the account's root user."""
    identity = root_identity(ACCOUNT, access_key_id="AKIAUNKNOWN")

    assert (identity["type"], identity["arn"]) == ("Root", f"arn:aws:iam::{ACCOUNT}:root")


def test_envelope_is_the_event_of_eventbridge() -> None:
    """A record travels whole in the detail of an event of its account, region and time."""
    detail = json.loads((RECORDS / "create.json").read_text())

    event = envelope(detail)

    UUID(event.pop("id"))
    assert event == {
        "version": "0",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.lambda",
        "account": ACCOUNT,
        "time": "2026-03-02T09:30:05Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
    }


def test_source_follows_the_event_source() -> None:
    """Records of other services go out under their own source."""
    detail = json.loads((RECORDS / "create.json").read_text()) | {
        "eventSource": "cloudfront.amazonaws.com",
        "eventName": "CreateFunction2020_05_31",
    }

    assert envelope(detail)["source"] == "aws.cloudfront"


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("a text", "object"),
        ({}, "eventSource"),
        ({"eventSource": "lambda.amazonaws.com", "eventName": "X", "eventTime": "2026-03-02T09:30:05Z"}, "awsRegion"),
        (
            {
                "eventSource": "lambda.amazonaws.com",
                "eventName": "X",
                "awsRegion": REGION,
                "eventTime": "2026-03-02T09:30:05Z",
            },
            "recipientAccountId",
        ),
    ],
)
def test_what_is_no_record_is_refused_by_name(document: object, complaint: str) -> None:
    """The refusal says what the document lacks."""
    with pytest.raises(RecordError, match=complaint):
        envelope(document)
