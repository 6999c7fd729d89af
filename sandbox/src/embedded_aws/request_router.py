"""Which AWS API call an HTTP request is.

The server asks this once per request; call log, authorization, faults and CloudTrail work from the answer. The
operations, their paths and their parameters come from the botocore models, by way of moto's own router and parsers.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from threading import RLock
from typing import Any, Final
from urllib.parse import parse_qs

from botocore.loaders import create_loader
from botocore.regions import EndpointResolver
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

# Services whose requests are signed with another name than botocore's directory has.
_SERVICE_OF_SIGNING_NAME: Final = {
    "codeguru-profiler": "codeguruprofiler",
    "elasticloadbalancing": "elbv2",
    "email": "ses",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
}
_CREDENTIAL: Final = re.compile(r"Credential=(?P<scope>[^,\s]+)")
_SCOPE_PARTS: Final = 5
_RPC_V2_PATH: Final = re.compile(r"/service/[^/]+/operation/(?P<operation>\w+)$")
# Bodies of these are data, not parameters.
_BODY_IS_DATA: Final = frozenset({"s3"})
_MODELS: Final = RLock()

# moto's own, which the replacement below calls.
_operation_model: Final = ServiceModel.operation_model


@dataclass(frozen=True, kw_only=True)
class ApiCall:
    """One request for an AWS operation.

    Attributes:
        service: botocore's id of the service (its directory's name), or the signing name where botocore has none.
        operation: its name in the model; None where the model has no such request.
        protocol: botocore's name of the wire protocol.
        account: whose account the call is for.
        region: from the signature's scope.
        access_key_id: who signed; the signature itself is not checked.
        parameters: as the model names them. Empty where the body could not be read, and without the body for S3.
        user_agent: as sent.
        source_ip: the peer's address.
        host: the Host header.
    """

    service: str
    operation: str | None
    protocol: str
    account: str
    region: str
    access_key_id: str
    parameters: Mapping[str, Any]
    user_agent: str
    source_ip: str
    host: str


@dataclass(frozen=True, kw_only=True)
class CredentialScope:
    """What a SigV4 signature says of the caller and the service."""

    access_key_id: str
    region: str
    signing_name: str


def install() -> None:
    """Let several threads ask for an operation for the first time; a second call changes nothing.

    moto's model of an operation takes the place of botocore's in one cache: in between, others would get botocore's.
    """
    ServiceModel.operation_model = _operation_model_alone  # type: ignore[method-assign] # extends moto


def _operation_model_alone(self: ServiceModel, operation_name: str) -> OperationModel:
    with _MODELS:
        found: OperationModel = _operation_model(self, operation_name)
        return found


def credential_scope(environ: Mapping[str, Any]) -> CredentialScope | None:
    """The scope in the Authorization header or in a presigned URL; None where the request is not signed (SigV4)."""
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    scope = found["scope"] if found else parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0]
    parts = scope.split("/")
    if len(parts) < _SCOPE_PARTS:
        return None
    # An access key may hold slashes only in invented ones; the four last parts are fixed.
    key, (_date, region, name, _end) = "/".join(parts[:-4]), parts[-4:]
    return CredentialScope(access_key_id=key, region=region, signing_name=name.lower())


@cache
def known_services() -> frozenset[str]:
    """The ids of all services that botocore has a model of."""
    return frozenset(create_loader().list_available_services("service-2"))


def regions_of(endpoint_prefix: str) -> list[str]:
    """The regions of the partition aws that have a service.

    Read from botocore's data without a session, which would trip over an AWS_PROFILE that this machine does not have.
    """
    return EndpointResolver(create_loader().load_data("endpoints")).get_available_endpoints(endpoint_prefix, "aws")


@cache
def operation_names(service: str) -> frozenset[str]:
    """The operations of one of `known_services`."""
    return frozenset(get_service_model(service).operation_names)


@cache
def throttling_error(service: str, operation: str) -> tuple[str, int]:
    """Code and HTTP status with which the service says "too many requests", from its model where that has it."""
    model = get_service_model(service)
    for shape in model.operation_model(operation).error_shapes:
        if "Throttl" in shape.name or "TooManyRequests" in shape.name:
            error = shape.metadata.get("error", {})
            return error.get("code", shape.name), error.get("httpStatusCode", 400)
    return ("Throttling", 400) if model.metadata.get("protocol") in {"query", "ec2"} else ("ThrottlingException", 400)


@cache
def error_names(service: str, operation: str) -> frozenset[str]:
    """The names of the errors that the model gives the operation."""
    return frozenset(shape.name for shape in get_service_model(service).operation_model(operation).error_shapes)


@cache
def error_status(service: str, operation: str, code: str) -> int:
    """The HTTP status that the model gives an error of the operation; 400 where it does not know it."""
    for shape in get_service_model(service).operation_model(operation).error_shapes:
        error = shape.metadata.get("error", {})
        if code in {shape.name, error.get("code")}:
            return int(error.get("httpStatusCode", 400))
    return 400


def identify(environ: Mapping[str, Any], body: bytes, *, scope: CredentialScope, account: str) -> ApiCall:
    """Name the operation and read its parameters.

    Args:
        environ: WSGI environment; left as it is.
        body: the request's whole body.
        scope: of the request, from `credential_scope`.
        account: whose account the call is for.
    """
    service = _SERVICE_OF_SIGNING_NAME.get(scope.signing_name, scope.signing_name)
    call = ApiCall(
        service=service,
        operation=None,
        protocol="rest-json",
        account=account,
        region=scope.region,
        access_key_id=scope.access_key_id,
        parameters={},
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        source_ip=environ.get("REMOTE_ADDR", ""),
        host=environ.get("HTTP_HOST", ""),
    )
    if service not in known_services():
        return call
    model = get_service_model(service)
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        named = _RPC_V2_PATH.search(environ.get("PATH_INFO", ""))
        return replace(call, protocol="smithy-rpc-v2-cbor", operation=named["operation"] if named else None)
    own_body = b"" if service in _BODY_IS_DATA else body
    request = Request({**environ, "wsgi.input": io.BytesIO(own_body), "CONTENT_LENGTH": str(len(own_body))})
    call = replace(call, protocol=_protocol(model, request.content_type))
    try:
        operation, uri_parameters = get_service_router(service).match(request)
    except (HTTPException, NotImplementedError):
        return call
    parameters = uri_parameters if service in _BODY_IS_DATA else _parameters(operation, request, uri_parameters, call)
    return replace(call, operation=operation.name, parameters=parameters)


def _protocol(model: ServiceModel, content_type: str | None) -> str:
    try:
        return determine_request_protocol(model, content_type)
    except NotImplementedError:
        return str(model.metadata.get("protocol"))


def _parameters(
    operation: OperationModel, request: Request, uri_parameters: dict[str, Any], call: ApiCall
) -> Mapping[str, Any]:
    parser = PROTOCOL_PARSERS[call.protocol](operation)
    try:
        return parser.parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": request.data,
                "url_path": request.path,
                "url_params": uri_parameters,
            }
        )
    except (RequestParserError, ValueError, TypeError, KeyError, AttributeError):
        # Malformed input is moto's to refuse; the call log then shows what the path says.
        return uri_parameters
