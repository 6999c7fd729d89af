"""Whether a role may do what it is about to do, by its policies in moto's IAM at this moment.

The server asks `refusal` before each call that is signed with credentials of `role_credentials`: those of an execution
environment, and of `role_clients`. `allowed` is asked for what Lambda and Step Functions do themselves in the role's
name. Calls signed with any other key are the operator's and may do anything; ``sandbox`` with 12 digits behind it is
the operator's key for that account. Signatures are not checked.

In an organization the service control policies of the caller's account must allow the call too.

Left out: permission boundaries, session policies, resource control policies, and resource policies other than a role's
trust policy.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moto.iam.exceptions import NotFoundException
from moto.iam.models import Policy, Role, iam_backends
from moto.sts.models import AssumedRole as MotoSession
from moto.sts.models import sts_backends

from embedded_aws.access.event_buses import bus_arn, buses_asked_for
from embedded_aws.access.organization import (
    management_account_of,
    organization_of,
    principal_context,
    resource_context,
    service_control_policies,
)
from embedded_aws.access.policies import AccessRequest, Decision, UnsupportedConditionError, evaluate
from embedded_aws.http_responses import ApiError, access_denied_code
from embedded_aws.request_router import ApiCall

_PARTITION: Final = "aws"
# moto derives the partition of a session from a region; every region of the partition will do.
_PARTITION_REGION: Final = "us-east-1"
_SESSION_SECONDS: Final = 12 * 3600
_OPERATOR_KEY: Final = re.compile(r"sandbox(\d{12})")
# STS API reference, AssumeRole, DurationSeconds; a role lets its sessions last as long, too, unless it says otherwise.
_CHAINED_SESSION_SECONDS: Final = 3600
# Their endpoints are in one region, whatever region the client is for.
_GLOBAL_SERVICES: Final = frozenset({"iam", "organizations"})


@dataclass(frozen=True, kw_only=True)
class AssumedRole:
    """A session of a role: who signs the calls of an execution environment."""

    account_id: str
    role_name: str
    session_name: str

    @classmethod
    def of(cls, role_arn: str, session_name: str) -> "AssumedRole":
        """The session of that name of the role with that ARN."""
        return cls(account_id=role_arn.split(":")[4], role_name=role_arn.rpartition("/")[2], session_name=session_name)

    @property
    def arn(self) -> str:
        """As STS writes it; a role's path is no part of it."""
        return f"arn:{_PARTITION}:sts::{self.account_id}:assumed-role/{self.role_name}/{self.session_name}"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Temporary credentials, as the environment variables of a function hold them."""

    access_key_id: str
    secret_access_key: str
    session_token: str


@dataclass(frozen=True, kw_only=True)
class Permission:
    """An action on a resource."""

    action: str
    resource: str


class _CheckedSession(MotoSession):
    """A session in moto's STS whose calls are held to the role's policies."""


def role_credentials(role_arn: str, session_name: str) -> Credentials:
    """Start a session of the role; calls signed with its key are checked from then on.

    The role's trust policy is not asked: see `trusts_service`.
    """
    account = role_arn.split(":")[4]
    session = sts_backends[account][_PARTITION].assume_role(
        region_name=_PARTITION_REGION,
        role_session_name=session_name,
        role_arn=role_arn,
        policy="",
        duration=_SESSION_SECONDS,
        external_id="",
    )
    check_session(session.access_key_id, account=account)
    return Credentials(
        access_key_id=session.access_key_id,
        secret_access_key=session.secret_access_key,
        session_token=session.session_token,
    )


def check_session(access_key_id: str, *, account: str) -> None:
    """Hold an existing session to its role's policies: one that a checked principal began by sts:AssumeRole."""
    for session in sts_backends[account][_PARTITION].assumed_roles:
        if session.access_key_id == access_key_id:
            session.__class__ = _CheckedSession


def account_of(access_key_id: str) -> str | None:
    """The account that moto's IAM or STS made the key in, or that the operator's key names; None for any other key."""
    named = _OPERATOR_KEY.fullmatch(access_key_id)
    if named is not None:
        return named[1]
    return next(
        (
            account
            for account, backends in list(iam_backends.items())
            if access_key_id in backends[_PARTITION].access_keys
        ),
        None,
    )


def session_of(access_key_id: str, *, account: str) -> AssumedRole | None:
    """The role session that signs with the key, checked or not."""
    session = sts_backends[account][_PARTITION].get_assumed_role_from_access_key(access_key_id)
    if session is None:
        return None
    return AssumedRole.of(session.role_arn, session.session_name)


def is_checked(access_key_id: str, *, account: str) -> bool:
    """Whether calls signed with the key are held to policies."""
    session = sts_backends[account][_PARTITION].get_assumed_role_from_access_key(access_key_id)
    return isinstance(session, _CheckedSession)


def allowed(principal: AssumedRole, *, action: str, resource: str) -> bool:
    """Whether the role's policies, as they are now, allow the action on the resource (an ARN, or ``*``)."""
    permission = Permission(action=action, resource=resource)
    region = resource.split(":")[3] if resource.startswith("arn:") else ""
    context = _context(principal, region=region or None) | resource_context(_owner(permission, principal.account_id))
    bound = _bound(principal.account_id, permission, context)
    return bound is Decision.ALLOWED and _decide(principal, permission, context=context) is Decision.ALLOWED


def evaluate_role(
    principal: AssumedRole, *, action: str, resource: str, context: Mapping[str, str | tuple[str, ...]]
) -> tuple[Decision, Decision]:
    """What the role's own policies say to the action, and what the service control policies of its account say.

    Args:
        principal: a session of the role.
        action: as policies write it.
        resource: an ARN, or ``*``.
        context: condition keys in lower case with their value or values, in addition to those about the principal.

    Raises:
        UnsupportedConditionError: a policy that concerns the request has a condition operator that is not known.
    """
    permission = Permission(action=action, resource=resource)
    full = {**_context(principal, region=None), **resource_context(_owner(permission, principal.account_id)), **context}
    return _decide(principal, permission, context=full), _bound(principal.account_id, permission, full)


def refusal(principal: AssumedRole, call: ApiCall) -> ApiError | None:
    """Why IAM refuses the call, in AWS's words; None where it is allowed."""
    code = access_denied_code(call.protocol)
    if (call.service, call.operation) == ("sts", "GetCallerIdentity"):  # needs no permission
        return None
    permissions = permissions_needed(call)
    if permissions is None:
        message = (
            f"User: {principal.arn} is not authorized to perform: {call.service}:{call.operation}: the sandbox knows no"
            " action and resource for this operation (sandbox/access/authorization.py)"
        )
        return ApiError(code=code, message=message)
    region = _PARTITION_REGION if call.service in _GLOBAL_SERVICES else call.region
    context = _context(principal, region=region) | _tag_context(call.parameters)
    for permission in permissions:
        owner = _owner(permission, call.account)
        why = _why_not(principal, permission, context | resource_context(owner))
        if why is None and permission.action == "sts:AssumeRole":
            why = _why_not_trusted(principal, permission.resource, call)
        if why is not None:
            message = (
                f"User: {principal.arn} is not authorized to perform: {permission.action} on resource:"
                f" {permission.resource} {why}"
            )
            return ApiError(code=code, message=message.rstrip())
    return None


def forbidden_by_control_policy(account: str, *, action: str, region: str, principal_arn: str) -> str | None:
    """Why an account's service control policies refuse an action of a role there, in AWS's words.

    Args:
        account: whose policies they are.
        action: on whatever resource.
        region: in which.
        principal_arn: of the role's session.
    """
    permission = Permission(action=action, resource="*")
    role = f"arn:{_PARTITION}:iam::{account}:role/{principal_arn.split('/')[1]}"
    context = {
        "aws:principalaccount": account,
        "aws:principalarn": role,
        "aws:requestedregion": region,
        **principal_context(account),
        **resource_context(account),
    }
    try:
        why = _control_policy_says(_bound(account, permission, context), action)
    except UnsupportedConditionError as error:
        why = _unknown(error)
    return None if why is None else f"User: {principal_arn} is not authorized to perform: {action} on resource: * {why}"


def refused_duration(call: ApiCall) -> ApiError | None:
    """Why STS refuses an AssumeRole for its DurationSeconds, in AWS's words; None where that is in order."""
    seconds = call.parameters.get("DurationSeconds")
    if (call.service, call.operation) != ("sts", "AssumeRole") or not isinstance(seconds, int):
        return None
    role = _role_of(str(call.parameters.get("RoleArn", "")))
    if seconds > _CHAINED_SESSION_SECONDS and session_of(call.access_key_id, account=call.account) is not None:
        message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
    elif role is not None and seconds > int(role.max_session_duration or _CHAINED_SESSION_SECONDS):
        message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    else:
        return None
    return ApiError(code="ValidationError", message=message)


def _owner(permission: Permission, account: str) -> str:
    """Return the account of the resource; the caller's if the resource names none."""
    parts = permission.resource.split(":")
    return parts[4] if len(parts) > 4 and parts[4].isdigit() else account  # noqa: PLR2004 - an ARN's fifth part


def _why_not(principal: AssumedRole, permission: Permission, context: dict[str, str | tuple[str, ...]]) -> str | None:
    try:
        bound = _bound(principal.account_id, permission, context)
        decision = _decide(principal, permission, context=context)
    except UnsupportedConditionError as error:
        return _unknown(error)
    if decision is Decision.DENIED and bound is not Decision.DENIED:
        return "with an explicit deny in an identity-based policy"
    if bound is Decision.ALLOWED and decision is Decision.NOT_ALLOWED:
        return f"because no identity-based policy allows the {permission.action} action"
    return _control_policy_says(bound, permission.action)


def _why_not_trusted(principal: AssumedRole, role_arn: str, call: ApiCall) -> str | None:
    """What the role's trust policy says to it. To another account AWS does not tell whether there is such a role."""
    try:
        decision = _trust_decides(principal, role_arn, call)
    except UnsupportedConditionError as error:
        return _unknown(error)
    if decision is Decision.ALLOWED:
        return None
    if _role_of(role_arn) is None or role_arn.split(":")[4] != principal.account_id:
        return ""
    if decision is Decision.DENIED:
        return "with an explicit deny in the role trust policy"
    return "because no role trust policy allows the sts:AssumeRole action"


def _control_policy_says(bound: Decision, action: str) -> str | None:
    match bound:
        case Decision.DENIED:
            return "with an explicit deny in a service control policy"
        case Decision.NOT_ALLOWED:
            return f"because no service control policy allows the {action} action"
        case Decision.ALLOWED:
            return None


def _unknown(error: UnsupportedConditionError) -> str:
    return f"because the sandbox does not know the condition operator {error} in one of the policies"


def _bound(account: str, permission: Permission, context: Mapping[str, str | tuple[str, ...]]) -> Decision:
    """What the account's service control policies say: each level has to allow, none may deny."""
    request = AccessRequest(action=permission.action, resource=permission.resource, context=context)
    said = {evaluate(level, request) for level in service_control_policies(account)}
    return next((each for each in (Decision.DENIED, Decision.NOT_ALLOWED) if each in said), Decision.ALLOWED)


def _decide(
    principal: AssumedRole, permission: Permission, *, context: Mapping[str, str | tuple[str, ...]]
) -> Decision:
    role = _role(principal.account_id, principal.role_name)
    if role is None:
        return Decision.NOT_ALLOWED
    attached = [_default_document(policy) for policy in list(role.managed_policies.values())]
    documents = [_parsed(document) for document in [*role.policies.values(), *attached]]
    request = AccessRequest(action=permission.action, resource=permission.resource, context=context)
    return evaluate(documents, request)


def _role(account: str, name: str) -> Role | None:
    try:
        return iam_backends[account][_PARTITION].get_role(name)
    except NotFoundException:
        return None


def _parsed(document: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """A policy; moto keeps those that stand in a role's own template as they are."""
    return json.loads(document) if isinstance(document, str) else document


def _default_document(policy: Policy) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))


def trusts_service(role_arn: str, service: str, *, source_arn: str) -> bool:
    """Whether the role's trust policy lets a service assume it on behalf of a resource.

    Args:
        role_arn: the role; one that does not exist trusts no service.
        service: its principal, ``states.amazonaws.com``.
        source_arn: of the resource, for the condition keys aws:SourceArn and aws:SourceAccount.
    """
    request = AccessRequest(
        action="sts:AssumeRole",
        resource=role_arn,
        context={"aws:sourcearn": source_arn, "aws:sourceaccount": source_arn.split(":")[4]},
        principals=frozenset({("Service", service)}),
    )
    return _trust(role_arn, request) is Decision.ALLOWED


def _role_of(role_arn: str) -> Role | None:
    parts = role_arn.split(":")
    return _role(parts[4], role_arn.rpartition("/")[2]) if len(parts) > 4 else None  # noqa: PLR2004 - an ARN's fifth part


def _trust(role_arn: str, request: AccessRequest) -> Decision:
    role = _role_of(role_arn)
    if role is None:
        return Decision.NOT_ALLOWED
    return evaluate([json.loads(role.assume_role_policy_document)], request)


def _trust_decides(principal: AssumedRole, role_arn: str, call: ApiCall) -> Decision:
    """What the role's trust policy says to the principal, as a session of its role."""
    own_role = _role(principal.account_id, principal.role_name)
    counts_as = {
        principal.account_id,
        f"arn:{_PARTITION}:iam::{principal.account_id}:root",
        principal.arn,
        own_role.arn if own_role else principal.arn,
    }
    request = AccessRequest(
        action="sts:AssumeRole",
        resource=role_arn,
        context=_context(principal, region=call.region) | _session_context(call.parameters),
        principals=frozenset(("AWS", name) for name in counts_as),
    )
    return _trust(role_arn, request)


def _context(principal: AssumedRole, *, region: str | None) -> dict[str, str | tuple[str, ...]]:
    """The global condition keys. The sandbox stands for AWS, which its clients reach by TLS."""
    role = _role(principal.account_id, principal.role_name)
    context: dict[str, str | tuple[str, ...]] = {
        "aws:principalaccount": principal.account_id,
        "aws:principalarn": role.arn if role else principal.arn,
        "aws:securetransport": "true",
        **principal_context(principal.account_id),
    }
    if region is not None:
        context["aws:requestedregion"] = region
    return context


def _session_context(parameters: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    keys = {"sts:externalid": "ExternalId", "sts:rolesessionname": "RoleSessionName"}
    return {key: str(parameters[name]) for key, name in keys.items() if parameters.get(name)}


def _tag_context(parameters: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    tags = parameters.get("tags", parameters.get("Tags"))
    if isinstance(tags, Mapping):
        return {f"aws:requesttag/{key.lower()}": str(value) for key, value in tags.items()} | {
            "aws:tagkeys": tuple(tags)
        }
    keys = parameters.get("tagKeys", parameters.get("TagKeys"))
    return {"aws:tagkeys": tuple(keys)} if isinstance(keys, list) else {}


# What a function or a state machine of this project may call, now or later, and the resource that IAM asks about.
# Source: the "Actions, resources, and condition keys" pages of AWS's service authorization reference.

_Resource = Callable[[ApiCall], str]


def _everything(_call: ApiCall) -> str:
    return "*"


def _parameter(name: str) -> _Resource:
    return lambda call: str(call.parameters.get(name, ""))


def _function(call: ApiCall) -> str:
    """The full ARN of a function named by name, partial or full ARN, with the qualifier where there is one."""
    return function_arn(
        str(call.parameters.get("FunctionName", "")),
        qualifier=call.parameters.get("Qualifier"),
        account=call.account,
        region=call.region,
    )


_FUNCTION_NAME: Final = re.compile(
    r"(?:arn:(?P<partition>[a-z-]+):lambda:(?P<region>[a-z0-9-]+):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[^:]+)(?::(?P<qualifier>[^:]+))?"
)


def function_arn(name: str, *, qualifier: str | None, account: str, region: str) -> str:
    """The full ARN of a function that is given by name, partial ARN or full ARN, qualified or not."""
    found = _FUNCTION_NAME.fullmatch(name)
    if found is None:
        return f"arn:{_PARTITION}:lambda:{region}:{account}:function:{name}"
    arn = (
        f"arn:{found['partition'] or _PARTITION}:lambda:{found['region'] or region}:{found['account'] or account}"
        f":function:{found['name']}"
    )
    qualifier = found["qualifier"] or qualifier
    return f"{arn}:{qualifier}" if qualifier else arn


def _group(call: ApiCall) -> str:
    name = call.parameters.get("profilingGroupName", "")
    return f"arn:{_PARTITION}:codeguru-profiler:{call.region}:{call.account}:profilingGroup/{name}"


def _queue(call: ApiCall) -> str:
    name = str(call.parameters.get("QueueUrl") or call.parameters.get("QueueName", "")).split("/")[-1]
    return f"arn:{_PARTITION}:sqs:{call.region}:{call.account}:{name}"


def _log_group(call: ApiCall) -> str:
    name = call.parameters.get("logGroupName", "")
    return f"arn:{_PARTITION}:logs:{call.region}:{call.account}:log-group:{name}"


def _log_stream(call: ApiCall) -> str:
    return f"{_log_group(call)}:log-stream:{call.parameters.get('logStreamName', '')}"


def _bucket(call: ApiCall) -> str:
    return f"arn:{_PARTITION}:s3:::{call.parameters.get('Bucket', '')}"


def _object(call: ApiCall) -> str:
    return f"{_bucket(call)}/{call.parameters.get('Key', '')}"


def _quota(call: ApiCall) -> str:
    quota = f"{call.parameters.get('ServiceCode', '')}/{call.parameters.get('QuotaCode', '')}"
    return f"arn:{_PARTITION}:servicequotas:{call.region}:{call.account}:{quota}"


def _event_bus(call: ApiCall) -> str:
    name = call.parameters.get("EventBusName") or call.parameters.get("Name")
    return bus_arn(name, account=call.account, region=call.region)


def _event_rule(call: ApiCall) -> str:
    bus = bus_arn(call.parameters.get("EventBusName"), account=call.account, region=call.region)
    place, name = bus.removesuffix("/default").split(":event-bus")
    return f"{place}:rule{name}/{call.parameters.get('Rule') or call.parameters.get('Name', '')}"


def _organization_entity(parameter: str) -> _Resource:
    """An account, OU or root of the caller's organization."""

    def resource(call: ApiCall) -> str:
        entity = str(call.parameters.get(parameter, ""))
        kind = {"r": "root", "o": "ou"}.get(entity[:1], "account")
        owner, organization = management_account_of(call.account), organization_of(call.account)
        return f"arn:{_PARTITION}:organizations::{owner}:{kind}/{organization}/{entity}"

    return resource


def _table(prefix: str, operations: str, resource: _Resource) -> dict[str, tuple[str, _Resource]]:
    """The operations, which are named like their actions, with their resource."""
    return {name: (f"{prefix}:{name}", resource) for name in operations.split()}


_ACTIONS: Final[Mapping[str, Mapping[str, tuple[str, _Resource]]]] = {
    "lambda": {
        **_table(
            "lambda",
            "GetFunctionConfiguration GetFunction GetFunctionConcurrency GetFunctionEventInvokeConfig GetPolicy"
            " ListVersionsByFunction ListAliases UpdateFunctionConfiguration UpdateFunctionCode DeleteFunction",
            _function,
        ),
        **_table("lambda", "ListTags TagResource UntagResource", _parameter("Resource")),
        **_table("lambda", "ListFunctions GetAccountSettings", _everything),
        "Invoke": ("lambda:InvokeFunction", _function),
    },
    "codeguruprofiler": {
        **_table(
            "codeguru-profiler",
            "DescribeProfilingGroup UpdateProfilingGroup DeleteProfilingGroup PutPermission"
            " GetPolicy RemovePermission ConfigureAgent PostAgentProfile GetProfile GetRecommendations ListProfileTimes"
            " ListFindingsReports BatchGetFrameMetricData AddNotificationChannels GetNotificationConfiguration"
            " RemoveNotificationChannel SubmitFeedback",
            _group,
        ),
        **_table("codeguru-profiler", "TagResource UntagResource ListTagsForResource", _parameter("resourceArn")),
        **_table(
            "codeguru-profiler",
            "CreateProfilingGroup ListProfilingGroups GetFindingsReportAccountSummary",
            _everything,
        ),
    },
    "events": {
        **_table(
            "events",
            "PutEvents CreateEventBus DescribeEventBus UpdateEventBus DeleteEventBus PutPermission RemovePermission",
            _event_bus,
        ),
        **_table(
            "events",
            "PutRule DescribeRule DeleteRule EnableRule DisableRule PutTargets RemoveTargets ListTargetsByRule",
            _event_rule,
        ),
        **_table("events", "TagResource UntagResource ListTagsForResource", _parameter("ResourceARN")),
        **_table("events", "ListEventBuses ListRules ListRuleNamesByTarget", _everything),
    },
    "organizations": {
        **_table("organizations", "DescribeAccount", _organization_entity("AccountId")),
        **_table("organizations", "DescribeOrganizationalUnit", _organization_entity("OrganizationalUnitId")),
        **_table("organizations", "ListParents", _organization_entity("ChildId")),
        **_table(
            "organizations",
            "ListAccountsForParent ListChildren ListOrganizationalUnitsForParent",
            _organization_entity("ParentId"),
        ),
        **_table(
            "organizations", "DescribeOrganization ListAccounts ListDelegatedAdministrators ListRoots", _everything
        ),
    },
    "resourcegroupstaggingapi": _table("tag", "GetResources GetTagKeys GetTagValues", _everything),
    "service-quotas": {
        **_table("servicequotas", "GetServiceQuota", _quota),
        **_table("servicequotas", "GetAWSDefaultServiceQuota", _everything),
    },
    "stepfunctions": {
        **_table("states", "StartExecution DescribeStateMachine ListExecutions", _parameter("stateMachineArn")),
        **_table(
            "states", "DescribeExecution GetExecutionHistory StopExecution RedriveExecution", _parameter("executionArn")
        ),
        **_table("states", "DescribeMapRun", _parameter("mapRunArn")),
    },
    "sts": _table("sts", "AssumeRole", _parameter("RoleArn")),
    "sqs": _table(
        "sqs", "SendMessage ReceiveMessage DeleteMessage ChangeMessageVisibility GetQueueAttributes GetQueueUrl", _queue
    ),
    "logs": {
        **_table("logs", "CreateLogStream PutLogEvents GetLogEvents", _log_stream),
        **_table("logs", "CreateLogGroup DescribeLogStreams FilterLogEvents", _log_group),
    },
    "cloudwatch": _table("cloudwatch", "PutMetricData", _everything),
    "s3": {
        **_table("s3", "GetObject PutObject DeleteObject", _object),
        "HeadObject": ("s3:GetObject", _object),
        "ListObjectsV2": ("s3:ListBucket", _bucket),
    },
}


def permissions_needed(call: ApiCall) -> tuple[Permission, ...] | None:
    """What IAM asks for before the call; None for an operation that the table does not have."""
    entry = _ACTIONS.get(call.service, {}).get(call.operation or "")
    if entry is None:
        return None
    action, resource = entry
    if action == "events:PutEvents":
        return tuple(Permission(action=action, resource=bus) for bus, _ in buses_asked_for(call))
    needed = (Permission(action=action, resource=resource(call)),)
    if action == "codeguru-profiler:CreateProfilingGroup" and call.parameters.get("tags"):
        return (*needed, Permission(action="codeguru-profiler:TagResource", resource=_group(call)))
    return needed
