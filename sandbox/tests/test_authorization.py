"""Authorization in the sandbox: which action and resource a call needs, and whether a role's policies allow it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from moto.iam.models import IAMBackend, iam_backends
from moto.sts.models import sts_backends

from embedded_aws.access.authorization import (
    AssumedRole,
    Permission,
    account_of,
    allowed,
    is_checked,
    permissions_needed,
    refusal,
    role_credentials,
    session_of,
)
from embedded_aws.access.policies import AccessRequest, Decision, UnsupportedConditionError, evaluate
from embedded_aws.request_router import ApiCall

# An account of its own: moto's state is shared by all tests in the process.
ACCOUNT, REGION = "410987654321", "eu-central-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/provisioner"
OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:billing"
GROUP = f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/aws-lambda-billing"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:backfill"
FAR_BUS = f"arn:aws:events:{REGION}:999999999999:event-bus/central"
REPORT = "arn:aws:s3:::reports/a/b.json"
SESSION = AssumedRole.of(ROLE, "session")


def statement(effect: str, action: object, resource: object = "*", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A policy statement."""
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def a_call(service: str, operation: str, protocol: str = "rest-json", **parameters: object) -> ApiCall:
    """A call as the server would have named it."""
    return ApiCall(
        service=service,
        operation=operation,
        protocol=protocol,
        account=ACCOUNT,
        region=REGION,
        access_key_id="ASIA",
        parameters=parameters,
        user_agent="",
        source_ip="127.0.0.1",
        host="",
    )


READ = "lambda:GetFunction"


def read_if(operator: str, key: str, *values: str) -> dict[str, Any]:
    """A statement that allows to read on a condition."""
    return statement("Allow", READ, Condition={operator: {key: list(values)}})


ALLOWED, DENIED, NOT_ALLOWED = Decision.ALLOWED, Decision.DENIED, Decision.NOT_ALLOWED
REQUESTED = "aws:RequestedRegion"
POLICIES: dict[str, tuple[Decision, list[dict[str, Any]]]] = {
    "no statement": (NOT_ALLOWED, []),
    "exact": (ALLOWED, [statement("Allow", READ, FUNCTION)]),
    "lists": (ALLOWED, [statement("Allow", [READ], [FUNCTION])]),
    "actions have no case": (ALLOWED, [statement("Allow", "LAMBDA:getfunction")]),
    "resources have": (NOT_ALLOWED, [statement("Allow", READ, FUNCTION.upper())]),
    "star in an action": (ALLOWED, [statement("Allow", "lambda:Get*")]),
    "every action": (ALLOWED, [statement("Allow", "*")]),
    "a prefix is no match": (NOT_ALLOWED, [statement("Allow", "lambda:Get")]),
    "question mark is one character": (ALLOWED, [statement("Allow", "lambda:GetFunctio?")]),
    "and not none": (NOT_ALLOWED, [statement("Allow", "lambda:GetFunction?")]),
    "a dot is a dot": (NOT_ALLOWED, [statement("Allow", "lambda.GetFunction")]),
    "star in a resource": (ALLOWED, [statement("Allow", READ, FUNCTION[:-3] + "*")]),
    "star per part": (ALLOWED, [statement("Allow", READ, f"arn:*:lambda:*:{ACCOUNT}:*")]),
    "star over parts": (NOT_ALLOWED, [statement("Allow", READ, "arn:aws:*:function:billing")]),
    "only qualified": (NOT_ALLOWED, [statement("Allow", READ, FUNCTION + ":*")]),
    "deny wins": (DENIED, [statement("Allow", "lambda:*"), statement("Deny", READ, FUNCTION)]),
    "in any order": (DENIED, [statement("Deny", READ, FUNCTION), statement("Allow", "lambda:*")]),
    "deny elsewhere": (ALLOWED, [statement("Allow", READ), statement("Deny", READ, FUNCTION + "2")]),
    "all but others": (ALLOWED, [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]),
    "all but this": (NOT_ALLOWED, [{"Effect": "Allow", "NotAction": "lambda:*", "Resource": "*"}]),
    "deny all other resources": (
        ALLOWED,
        [{"Effect": "Deny", "Action": "*", "NotResource": FUNCTION}, statement("Allow", READ)],
    ),
    "condition holds": (ALLOWED, [read_if("StringEquals", REQUESTED, REGION, "us-east-1")]),
    "an allow whose condition fails denies nothing": (
        ALLOWED,
        [read_if("StringEquals", REQUESTED, "us-east-1"), statement("Allow", READ, FUNCTION)],
    ),
    "absent key equals nothing": (NOT_ALLOWED, [read_if("StringEquals", "aws:Absent", "x")]),
    "absent key differs from everything": (ALLOWED, [read_if("StringNotEquals", "aws:Absent", "x")]),
    "if it exists": (ALLOWED, [read_if("StringEqualsIfExists", "aws:Absent", "x")]),
    "there though it must not be": (NOT_ALLOWED, [read_if("Null", REQUESTED, "true")]),
    "not all values": (NOT_ALLOWED, [read_if("ForAllValues:StringEquals", "aws:TagKeys", "a", "b")]),
    "any value": (ALLOWED, [read_if("ForAnyValue:StringLike", "aws:TagKeys", "z*")]),
    "policy variable": (
        ALLOWED,
        [statement("Allow", READ, f"arn:aws:lambda:${{aws:RequestedRegion}}:{ACCOUNT}:function:*")],
    ),
}


@pytest.mark.parametrize(("decision", "statements"), POLICIES.values(), ids=POLICIES)
def test_policy_decides_as_iam_would(decision: Decision, statements: list[dict[str, Any]]) -> None:
    """A deny wins, an allow allows, nothing else does; patterns and conditions mean what IAM's guide says."""
    request = AccessRequest(
        action=READ, resource=FUNCTION, context={"aws:requestedregion": REGION, "aws:tagkeys": ("a", "zebra")}
    )

    assert evaluate([{"Statement": statements}], request) is decision


def test_unknown_condition_operator_is_no_answer() -> None:
    """The evaluator says that it does not know, rather than guess."""
    document = {"Statement": statement("Allow", READ, Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})}

    with pytest.raises(UnsupportedConditionError, match="IpAddress"):
        evaluate([document], AccessRequest(action=READ, resource=FUNCTION, context={"aws:sourceip": "10.1.1.1"}))


@pytest.mark.parametrize(
    ("call", "needed"),
    [
        (
            a_call("lambda", "GetFunctionConfiguration", FunctionName="billing"),
            {"lambda:GetFunctionConfiguration": FUNCTION},
        ),
        (a_call("lambda", "GetFunction", FunctionName=f"{ACCOUNT}:function:billing"), {READ: FUNCTION}),
        (a_call("lambda", "GetFunction", FunctionName=FUNCTION), {READ: FUNCTION}),
        (a_call("lambda", "GetFunction", FunctionName=f"{FUNCTION}:live"), {READ: f"{FUNCTION}:live"}),
        (a_call("lambda", "GetFunction", FunctionName="billing", Qualifier="7"), {READ: f"{FUNCTION}:7"}),
        (a_call("lambda", "Invoke", FunctionName="billing"), {"lambda:InvokeFunction": FUNCTION}),
        (a_call("lambda", "ListTags", Resource=FUNCTION), {"lambda:ListTags": FUNCTION}),
        (a_call("lambda", "ListFunctions"), {"lambda:ListFunctions": "*"}),
        (
            a_call("codeguruprofiler", "CreateProfilingGroup", profilingGroupName="aws-lambda-billing"),
            {"codeguru-profiler:CreateProfilingGroup": "*"},
        ),
        (
            a_call(
                "codeguruprofiler", "CreateProfilingGroup", profilingGroupName="aws-lambda-billing", tags={"team": "x"}
            ),
            {"codeguru-profiler:CreateProfilingGroup": "*", "codeguru-profiler:TagResource": GROUP},
        ),
        (
            a_call("codeguruprofiler", "DescribeProfilingGroup", profilingGroupName="aws-lambda-billing"),
            {"codeguru-profiler:DescribeProfilingGroup": GROUP},
        ),
        (a_call("codeguruprofiler", "TagResource", resourceArn=GROUP), {"codeguru-profiler:TagResource": GROUP}),
        (
            a_call("events", "PutEvents", Entries=[{"EventBusName": FAR_BUS, "Source": "my.app"}]),
            {"events:PutEvents": FAR_BUS},
        ),
        (
            a_call("events", "DescribeEventBus"),
            {"events:DescribeEventBus": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"},
        ),
        (
            a_call("events", "PutRule", Name="creations"),
            {"events:PutRule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/creations"},
        ),
        (
            a_call("events", "PutTargets", Rule="creations", EventBusName="central"),
            {"events:PutTargets": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/central/creations"},
        ),
        (a_call("codeguruprofiler", "ListProfilingGroups"), {"codeguru-profiler:ListProfilingGroups": "*"}),
        (a_call("resourcegroupstaggingapi", "GetResources", "json"), {"tag:GetResources": "*"}),
        (
            a_call("service-quotas", "GetServiceQuota", "json", ServiceCode="codeguru-profiler", QuotaCode="L-1"),
            {"servicequotas:GetServiceQuota": f"arn:aws:servicequotas:{REGION}:{ACCOUNT}:codeguru-profiler/L-1"},
        ),
        (
            a_call("stepfunctions", "StartExecution", "json", stateMachineArn=MACHINE),
            {"states:StartExecution": MACHINE},
        ),
        (a_call("s3", "PutObject", "rest-xml", Bucket="reports", Key="a/b.json"), {"s3:PutObject": REPORT}),
        (a_call("sts", "AssumeRole", "query", RoleArn=OTHER), {"sts:AssumeRole": OTHER}),
        (
            a_call("sqs", "SendMessage", "json", QueueUrl=f"http://localhost:1/{ACCOUNT}/lost"),
            {"sqs:SendMessage": f"arn:aws:sqs:{REGION}:{ACCOUNT}:lost"},
        ),
        (
            a_call("logs", "PutLogEvents", "json", logGroupName="/aws/lambda/x", logStreamName="s"),
            {"logs:PutLogEvents": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/lambda/x:log-stream:s"},
        ),
    ],
    ids=lambda value: f"{value.service}.{value.operation}" if isinstance(value, ApiCall) else "",
)
def test_call_needs_its_action_on_its_resource(call: ApiCall, needed: Mapping[str, str]) -> None:
    """The resource is the full ARN, however the call named it."""
    assert permissions_needed(call) == tuple(Permission(action=a, resource=r) for a, r in needed.items())


@pytest.fixture
def iam() -> Iterator[IAMBackend]:
    """IAM with the role that calls and one that trusts it."""
    backend = iam_backends[ACCOUNT]["aws"]
    trust = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    backend.create_role("provisioner", trust, "/", None, "", [], None)
    backend.create_role("other", trust, "/", None, "", [], None)
    yield backend
    backend.reset()
    sts_backends[ACCOUNT]["aws"].reset()


def allow(iam: IAMBackend, *statements: dict[str, Any], role: str = "provisioner") -> None:
    """Give the role an inline policy of these statements, in place of the one that it has."""
    iam.put_role_policy(role, "own", policy(*statements))


LIST_TAGS = a_call("lambda", "ListTags", Resource=FUNCTION)


def test_refusal_has_awss_words(iam: IAMBackend) -> None:
    """Who may not do what to what, and that no policy allows it."""
    allow(iam, statement("Allow", READ))

    error = refusal(SESSION, LIST_TAGS)

    assert error is not None
    assert error.code == "AccessDeniedException"
    assert error.message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/provisioner/session is not authorized to perform: lambda:ListTags"
        f" on resource: {FUNCTION} because no identity-based policy allows the lambda:ListTags action"
    )


def test_explicit_deny_is_named(iam: IAMBackend) -> None:
    """A deny, even in another policy than the allow, wins and the message says that it was one."""
    allow(iam, statement("Allow", "lambda:*"))
    iam.put_role_policy("provisioner", "guard", policy(statement("Deny", "*", FUNCTION)))

    error = refusal(SESSION, LIST_TAGS)

    assert error is not None
    assert error.message.endswith(f"on resource: {FUNCTION} with an explicit deny in an identity-based policy")


def test_policies_in_force_at_the_call_count(iam: IAMBackend) -> None:
    """A change in IAM is felt by the very next call, in attached policies too."""
    assert refusal(SESSION, LIST_TAGS) is not None
    tags = iam.create_policy("", "/", policy(statement("Allow", "lambda:ListTags")), "tags", [])
    iam.attach_role_policy(tags.arn, "provisioner")
    assert refusal(SESSION, LIST_TAGS) is None

    iam.detach_role_policy(tags.arn, "provisioner")
    assert refusal(SESSION, LIST_TAGS) is not None


def test_tagged_creation_names_the_missing_tag_permission(iam: IAMBackend) -> None:
    """CreateProfilingGroup alone does for a group without tags only."""
    name = "aws-lambda-billing"
    allow(iam, statement("Allow", "codeguru-profiler:CreateProfilingGroup", GROUP))
    # The action has no resource type, so that a statement about groups does not allow it.
    assert refusal(SESSION, a_call("codeguruprofiler", "CreateProfilingGroup", profilingGroupName=name)) is not None

    elsewhere = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    allow(iam, statement("Allow", "codeguru-profiler:CreateProfilingGroup", Condition=elsewhere))
    assert refusal(SESSION, a_call("codeguruprofiler", "CreateProfilingGroup", profilingGroupName=name)) is not None

    here = {"StringEquals": {"aws:RequestedRegion": REGION}}
    allow(iam, statement("Allow", "codeguru-profiler:CreateProfilingGroup", Condition=here))
    assert refusal(SESSION, a_call("codeguruprofiler", "CreateProfilingGroup", profilingGroupName=name)) is None
    error = refusal(
        SESSION, a_call("codeguruprofiler", "CreateProfilingGroup", profilingGroupName=name, tags={"a": "b"})
    )
    assert error is not None
    assert f"perform: codeguru-profiler:TagResource on resource: {GROUP}" in error.message


def test_query_protocol_has_its_own_code(iam: IAMBackend) -> None:
    """STS says AccessDenied where Lambda says AccessDeniedException."""
    allow(iam, statement("Allow", READ))

    error = refusal(SESSION, a_call("sts", "AssumeRole", "query", RoleArn=OTHER))

    assert error is not None
    assert error.code == "AccessDenied"


def test_role_must_trust_who_assumes_it(iam: IAMBackend) -> None:
    """The caller's own policy is not enough; the role's trust policy has to name the caller."""
    allow(iam, statement("Allow", "sts:AssumeRole", OTHER))
    call = a_call("sts", "AssumeRole", "query", RoleArn=OTHER)
    assert refusal(SESSION, call) is not None

    trust = policy({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "sts:AssumeRole"})
    iam.update_assume_role_policy("other", trust)
    assert refusal(SESSION, call) is None


def test_operation_without_a_resource_in_the_table_is_refused(iam: IAMBackend) -> None:
    """What the sandbox cannot check it does not let through, and says so."""
    allow(iam, statement("Allow", "*"))

    error = refusal(SESSION, a_call("ec2", "DescribeRegions", "ec2"))

    assert error is not None
    assert "the sandbox knows no action and resource" in error.message


def test_caller_identity_needs_no_permission(iam: IAMBackend) -> None:
    """Everybody may ask who he is, even where everything is denied."""
    allow(iam, statement("Deny", "*"))

    assert refusal(SESSION, a_call("sts", "GetCallerIdentity", "query")) is None


def test_role_that_is_gone_may_nothing() -> None:
    """A deleted role's session is refused."""
    assert not allowed(SESSION, action="lambda:ListFunctions", resource="*")


@pytest.mark.usefixtures("iam")
def test_credentials_of_an_environment_stand_for_its_session() -> None:
    """The key that a function signs with leads to its account and its session, whose calls are checked."""
    credentials = role_credentials(ROLE, "session")

    assert account_of(credentials.access_key_id) == ACCOUNT
    assert session_of(credentials.access_key_id, account=ACCOUNT) == SESSION
    assert is_checked(credentials.access_key_id, account=ACCOUNT)


@pytest.mark.usefixtures("iam")
def test_operators_session_is_not_checked() -> None:
    """A session that an operator began through STS, as the CDK CLI does, may do anything."""
    session = sts_backends[ACCOUNT]["aws"].assume_role(REGION, "operator", ROLE, "", 3600, "")

    assert session_of(session.access_key_id, account=ACCOUNT) == AssumedRole.of(ROLE, "operator")
    assert not is_checked(session.access_key_id, account=ACCOUNT)
