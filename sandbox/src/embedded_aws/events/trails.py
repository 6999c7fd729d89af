"""CloudTrail's effects: whether a trail logs, who made a call, and the event that follows from it.

The server tells `Emitter` of each Lambda or CloudFormation call that it has answered. The records themselves are made
by `cloudtrail`. As in AWS, an event only goes out where a trail that logs records write management events: one of the
account's, or its organization's.

moto's CloudFormation makes functions without an API call that could be seen; what it created and deleted follows from
the functions before and after a call (what it merely changed is not).
"""

import contextlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.cloudtrail.models import Trail, cloudtrail_backends
from moto.iam.models import User, iam_backends
from moto.s3.models import s3_backends
from moto.sts.models import sts_backends

from embedded_aws.access import authorization
from embedded_aws.access.organization import management_account_of
from embedded_aws.events import cloudtrail
from embedded_aws.events.cloudtrail import Caller, LambdaCall
from embedded_aws.http_responses import HttpResponse, error_in
from embedded_aws.request_router import ApiCall

_LOG: Final = logging.getLogger(__name__)
TRAIL_NAME: Final = "management-events"
_PARTITION: Final = "aws"


def start_trail(account: str, region: str) -> None:
    """Create the multi-region trail `TRAIL_NAME`, its bucket, and start it."""
    bucket = f"cloudtrail-{account}-{region}"
    s3_backends[account][_PARTITION].create_bucket(bucket, region)
    trail = cloudtrail_backends[account][region].create_trail(
        name=TRAIL_NAME,
        bucket_name=bucket,
        s3_key_prefix="",
        sns_topic_name="",
        is_global=True,
        is_multi_region=True,
        log_validation=True,
        is_org_trail=False,
        cw_log_group_arn="",
        cw_role_arn="",
        kms_key_id="",
        tags_list=[],
    )
    trail.start_logging()


def records_events(account: str, region: str) -> bool:
    """Whether a trail that logs records write management events of that account and region."""
    trails = [*_trails(account, region), *_organization_trails(account, region)]
    return any(trail.status.is_logging and _records_writes(trail) for trail in trails)


def _trails(account: str, region: str) -> list[Trail]:
    """Those of the account itself; one of several regions counts in all of them."""
    return list(cloudtrail_backends[account][region].describe_trails(include_shadow_trails=True))


def _organization_trails(account: str, region: str) -> list[Trail]:
    """Those that the management account of the account's organization made for all of its accounts."""
    management = management_account_of(account)
    return [] if management is None else [trail for trail in _trails(management, region) if trail.is_org_trail]


def _records_writes(trail: Trail) -> bool:
    """Without selectors a trail records all management events."""
    if trail.event_selectors:
        return any(
            selector.get("IncludeManagementEvents", True) and selector.get("ReadWriteType", "All") != "ReadOnly"
            for selector in trail.event_selectors
        )
    if trail.advanced_event_selectors:
        return any(_selects_management_writes(selector) for selector in trail.advanced_event_selectors)
    return True


def _selects_management_writes(selector: Mapping[str, Any]) -> bool:
    fields = {field["Field"]: field.get("Equals", []) for field in selector.get("FieldSelectors", [])}
    return fields.get("eventCategory") == ["Management"] and fields.get("readOnly", ["false"]) == ["false"]


def principal_arn(call: ApiCall) -> str | None:
    """ARN of who signed the call; None for a key that neither IAM nor STS knows."""
    session = authorization.session_of(call.access_key_id, account=call.account)
    if session is not None:
        return session.arn
    user = _user(call)
    return str(user.arn) if user else None


def caller(call: ApiCall) -> Caller:
    """Who made the call, as a record says it; a key that IAM does not know counts as the root user's."""
    key, user = call.access_key_id, _user(call)
    session = sts_backends[call.account][_PARTITION].get_assumed_role_from_access_key(key)
    if session is not None:
        identity = cloudtrail.role_identity(
            arn=session.arn,
            role_arn=session.role_arn,
            role_id=session.user_id.partition(":")[0],
            access_key_id=key,
            since=datetime.now(UTC),
        )
    elif user is not None:
        identity = cloudtrail.user_identity(arn=user.arn, user_id=user.id, access_key_id=key)
    else:
        identity = cloudtrail.root_identity(call.account, access_key_id=key)
    return Caller(identity=identity, source_ip=call.source_ip, user_agent=call.user_agent)


def _user(call: ApiCall) -> User | None:
    return iam_backends[call.account][_PARTITION].get_user_from_access_key_id(call.access_key_id)


def functions_of(call: ApiCall) -> dict[str, LambdaFunction]:
    """The functions of the call's account and region as they are now, by ARN."""
    backend = lambda_backends[call.account][call.region]
    return {function.function_arn: function for function in backend.list_functions()}


class Emitter:
    """Sends the event that follows from a call.

    Args:
        put: puts an envelope on the default bus of its account and region.
    """

    def __init__(self, *, put: Callable[[dict[str, Any]], object]) -> None:
        self._put = put

    def after_lambda(self, call: ApiCall, answer: HttpResponse) -> None:
        """A call of the Lambda API was answered."""
        with _apart_from_the_answer(call):
            self._emit_lambda(call, answer)

    def after_cloudformation(self, call: ApiCall, *, before: dict[str, LambdaFunction]) -> None:
        """A call of CloudFormation was answered; `before` is `functions_of` that call before it."""
        with _apart_from_the_answer(call):
            after = functions_of(call)
            by = cloudtrail.through_cloudformation(caller(call))
            for arn in after.keys() - before.keys():
                self._emit_cloudformation("CreateFunction", after[arn], call, by)
            for arn in before.keys() - after.keys():
                self._emit_cloudformation("DeleteFunction", before[arn], call, by)

    def _emit_lambda(self, call: ApiCall, answer: HttpResponse) -> None:
        if call.operation is None or not records_events(call.account, call.region):
            return
        response = None
        if not answer.failed and answer.body:
            response = json.loads(answer.body)
        document = cloudtrail.record(
            LambdaCall(
                operation=call.operation,
                parameters=call.parameters,
                response=response,
                error=error_in(answer),
                account=call.account,
                region=call.region,
                time=datetime.now(UTC),
                host=call.host,
            ),
            caller(call),
        )
        if document is not None:
            self._put(cloudtrail.envelope(document))

    def _emit_cloudformation(self, operation: str, function: LambdaFunction, call: ApiCall, by: Caller) -> None:
        if not records_events(call.account, call.region):
            return
        made = LambdaCall(
            operation=operation,
            parameters={"FunctionName": function.function_name},
            response=None,
            error=None,
            account=call.account,
            region=call.region,
            time=datetime.now(UTC),
            host=call.host,
        )
        if operation == "CreateFunction":
            configuration = function.get_configuration(on_create=True)
            made = replace(made, parameters=_creation(function, configuration), response=configuration)
        document = cloudtrail.record(made, by)
        if document is not None:
            self._put(cloudtrail.envelope(document))


@contextlib.contextmanager
def _apart_from_the_answer(call: ApiCall) -> Iterator[None]:
    """The call was carried out; a record that cannot be made must not tell its client that it failed."""
    try:
        yield
    except Exception:  # noqa: BLE001 - whatever the record fails on, the answer stands
        _LOG.exception("no CloudTrail record of %s", call.operation)


def _creation(function: LambdaFunction, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with which CloudFormation must have created the function."""
    given = ("FunctionName", "Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "PackageType")
    parameters = {key: configuration[key] for key in given if configuration.get(key) not in {None, ""}}
    code = {key: value for key, value in function.code.items() if key in {"S3Bucket", "S3Key"}}
    return parameters | {"Code": code, "Environment": {}} | ({"Tags": dict(function.tags)} if function.tags else {})
