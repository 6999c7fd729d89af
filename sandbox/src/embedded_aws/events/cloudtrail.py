"""CloudTrail records of Lambda API calls, and the EventBridge envelope around a record. Pure.

The server makes a record of each call that changes a function and hands it to EventBridge where a trail logs
(`trails`); the admin API wraps records that others bring. Shapes and names are those of real records:
event names carry the API version of the operation's path, `environment` is always emptied, code is reduced to its place
in S3, a refused call (AccessDenied) has neither parameters nor response.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from embedded_aws.http_responses import ApiError

# Operations that CloudTrail records as write events, with the event's name.
# Source: AWS Lambda Developer Guide, "Logging AWS Lambda API calls using AWS CloudTrail".
EVENT_NAMES: Final[Mapping[str, str]] = {
    "AddPermission": "AddPermission20150331v2",
    "CreateAlias": "CreateAlias20150331",
    "CreateEventSourceMapping": "CreateEventSourceMapping20150331",
    "CreateFunction": "CreateFunction20150331",
    "CreateFunctionUrlConfig": "CreateFunctionUrlConfig",
    "DeleteAlias": "DeleteAlias20150331",
    "DeleteEventSourceMapping": "DeleteEventSourceMapping20150331",
    "DeleteFunction": "DeleteFunction20150331",
    "DeleteFunctionConcurrency": "DeleteFunctionConcurrency20171031",
    "DeleteFunctionUrlConfig": "DeleteFunctionUrlConfig",
    "PublishLayerVersion": "PublishLayerVersion20181031",
    "PublishVersion": "PublishVersion20150331",
    "PutFunctionConcurrency": "PutFunctionConcurrency20171031",
    "PutFunctionEventInvokeConfig": "PutFunctionEventInvokeConfig",
    "RemovePermission": "RemovePermission20150331v2",
    "TagResource": "TagResource20170331v2",
    "UntagResource": "UntagResource20170331v2",
    "UpdateAlias": "UpdateAlias20150331",
    "UpdateEventSourceMapping": "UpdateEventSourceMapping20150331",
    "UpdateFunctionCode": "UpdateFunctionCode20150331v2",
    "UpdateFunctionConfiguration": "UpdateFunctionConfiguration20150331v2",
    "UpdateFunctionEventInvokeConfig": "UpdateFunctionEventInvokeConfig",
    "UpdateFunctionUrlConfig": "UpdateFunctionUrlConfig",
}
DETAIL_TYPE: Final = "AWS API Call via CloudTrail"
CLOUDFORMATION: Final = "cloudformation.amazonaws.com"
_EVENT_SOURCE: Final = "lambda.amazonaws.com"
# Maps whose keys are user data, not members of a structure.
_MAPS: Final = frozenset({"Tags"})
_CODE_KEYS: Final = ("S3Bucket", "S3Key", "S3ObjectVersion", "ImageUri")
# What AWS writes though the caller left it out.
_DEFAULTS: Final[Mapping[str, Mapping[str, object]]] = {
    "CreateFunction": {"publish": False},
    "UpdateFunctionCode": {"publish": False, "dryRun": False},
}
# moto's functions are there at once; Lambda answers, and so records, before its own are.
_NOT_YET_CREATED: Final[Mapping[str, str]] = {
    "State": "Pending",
    "StateReason": "The function is being created.",
    "StateReasonCode": "Creating",
}
_WITH_QUALIFIED_ARN: Final = frozenset({"UpdateFunctionCode"})


class RecordError(Exception):
    """Something that is no CloudTrail record; the text says what it lacks."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who made a call.

    Attributes:
        identity: the record's ``userIdentity``.
        source_ip: address, or the name of a service that calls on behalf of the caller.
        user_agent: as sent, or the service's name.
    """

    identity: Mapping[str, Any]
    source_ip: str
    user_agent: str


@dataclass(frozen=True, kw_only=True)
class LambdaCall:
    """A call of the Lambda API and what came of it.

    Attributes:
        operation: its name in the API model.
        parameters: as the model names them.
        response: the decoded body of a success, None where there was none.
        error: of a failure.
        account: whose functions they are.
        region: where.
        time: when it was made, with its time zone.
        host: the Host header that the client sent.
    """

    operation: str
    parameters: Mapping[str, Any]
    response: Mapping[str, Any] | None
    error: ApiError | None
    account: str
    region: str
    time: datetime
    host: str


def root_identity(account: str, *, access_key_id: str) -> dict[str, Any]:
    """``userIdentity`` of the account's root user: any key that IAM does not know."""
    return {
        "type": "Root",
        "principalId": account,
        "arn": f"arn:aws:iam::{account}:root",
        "accountId": account,
        "accessKeyId": access_key_id,
    }


def user_identity(*, arn: str, user_id: str, access_key_id: str) -> dict[str, Any]:
    """``userIdentity`` of an IAM user."""
    return {
        "type": "IAMUser",
        "principalId": user_id,
        "arn": arn,
        "accountId": arn.split(":")[4],
        "accessKeyId": access_key_id,
        "userName": arn.rpartition("/")[2],
    }


def role_identity(*, arn: str, role_arn: str, role_id: str, access_key_id: str, since: datetime) -> dict[str, Any]:
    """``userIdentity`` of a role's session; `arn` is the session's, `since` when it began."""
    account = arn.split(":")[4]
    return {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{arn.rpartition('/')[2]}",
        "arn": arn,
        "accountId": account,
        "accessKeyId": access_key_id,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": role_arn,
                "accountId": account,
                "userName": role_arn.rpartition("/")[2],
            },
            "webIdFederationData": {},
            "attributes": {"creationDate": _instant(since), "mfaAuthenticated": "false"},
        },
    }


def through_cloudformation(caller: Caller) -> Caller:
    """The same caller, for whom CloudFormation acts."""
    identity = {**caller.identity, "invokedBy": CLOUDFORMATION}
    return Caller(identity=identity, source_ip=CLOUDFORMATION, user_agent=CLOUDFORMATION)


def record(call: LambdaCall, caller: Caller) -> dict[str, Any] | None:
    """The record of a call; None for one that only reads, or that CloudTrail does not record as a management event."""
    name = EVENT_NAMES.get(call.operation)
    if name is None:
        return None
    refused = call.error is not None and call.error.code.startswith("AccessDenied")
    document: dict[str, Any] = {
        "eventVersion": "1.08",
        "userIdentity": dict(caller.identity),
        "eventTime": _instant(call.time),
        "eventSource": _EVENT_SOURCE,
        "eventName": name,
        "awsRegion": call.region,
        "sourceIPAddress": caller.source_ip,
        "userAgent": caller.user_agent,
    }
    if call.error is not None:
        document["errorCode"] = "AccessDenied" if refused else call.error.code
        document["errorMessage"] = call.error.message
    document |= {
        "requestParameters": None if refused else _request_parameters(call),
        "responseElements": None if call.error is not None else _response_elements(call),
        "requestID": str(uuid4()),
        "eventID": str(uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }
    if caller.source_ip != CLOUDFORMATION:
        document["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": call.host,
        }
    return document


def envelope(document: object) -> dict[str, Any]:
    """The EventBridge event that carries a record, with an id of its own.

    Args:
        document: one CloudTrail record, real or made.

    Raises:
        RecordError: what every record has is missing: eventSource, eventName, awsRegion, eventTime (ISO 8601), account.
    """
    if not isinstance(document, Mapping):
        message = f"a CloudTrail record is an object, not {type(document).__name__}"
        raise RecordError(message)
    identity = document.get("userIdentity")
    account = document.get("recipientAccountId") or (identity.get("accountId") if isinstance(identity, Mapping) else "")
    for key in ("eventSource", "eventName", "awsRegion", "eventTime"):
        if not isinstance(document.get(key), str):
            message = f"the record has no {key}"
            raise RecordError(message)
    try:
        datetime.fromisoformat(document["eventTime"])
    except ValueError as error:
        message = f"the record's eventTime is no time: {document['eventTime']!r}"
        raise RecordError(message) from error
    if not account:
        message = "the record has neither recipientAccountId nor userIdentity.accountId"
        raise RecordError(message)
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": DETAIL_TYPE,
        "source": f"aws.{document['eventSource'].removesuffix('.amazonaws.com')}",
        "account": account,
        "time": document["eventTime"],
        "region": document["awsRegion"],
        "resources": [],
        "detail": dict(document),
    }


def _request_parameters(call: LambdaCall) -> dict[str, Any]:
    parameters = dict(call.parameters)
    code = parameters.pop("Code", parameters.pop("Content", None))
    parameters.pop("ZipFile", None)
    if "Environment" in parameters:
        parameters["Environment"] = {}
    written = dict(_DEFAULTS.get(call.operation, {}))
    if isinstance(code, Mapping):
        place = {_member(key): code[key] for key in _CODE_KEYS if key in code}
        written |= {"code": place} if place else {}
    if call.operation in _WITH_QUALIFIED_ARN:
        written["fullyQualifiedArn"] = {
            "arnPrefix": {"partition": "aws", "region": call.region, "account": call.account},
            "relativeId": {"functionName": str(parameters.get("FunctionName", "")).split(":function:")[-1]},
            "functionQualifier": {},
        }
    return written | _members(parameters)


def _response_elements(call: LambdaCall) -> dict[str, Any] | None:
    if not call.response:
        return None
    shown = {key: value for key, value in call.response.items() if key not in {"Code", "ResponseMetadata"}}
    if call.operation == "CreateFunction":
        shown |= _NOT_YET_CREATED
        if shown.get("PackageType") == "Zip" and shown.get("Runtime"):
            shown["RuntimeVersionConfig"] = {"RuntimeVersionArn": _runtime_version_arn(shown["Runtime"], call.region)}
    if "Environment" in shown:
        shown["Environment"] = {}
    if "LastModified" in shown:
        shown["LastModified"] = _with_milliseconds(shown["LastModified"])
    return _members(shown)


def _runtime_version_arn(runtime: str, region: str) -> str:
    """Made up, the same for all functions of a runtime, as those are that were created within some weeks."""
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"


def _with_milliseconds(time: str | float) -> str:
    """A function says when it was modified in ISO 8601, its other configurations in seconds since the epoch."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else datetime.fromtimestamp(time, UTC)
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _members(structure: Mapping[str, Any]) -> dict[str, Any]:
    """The structure with its members in CloudTrail's spelling; what is null is left out."""
    return {
        _member(key): value if key in _MAPS else _value(value) for key, value in structure.items() if value is not None
    }


def _value(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    match value:
        case Mapping():
            return _members(value)
        case list():
            return [_value(item) for item in value]
        case bytes():
            return f"<{len(value)} bytes>"
        case _:
            return value if isinstance(value, str | int | float | bool) else json.loads(json.dumps(value, default=str))


def _member(name: str) -> str:
    return name[:1].lower() + name[1:]


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
