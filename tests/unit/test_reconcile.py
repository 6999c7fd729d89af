"""One function: what is done about it, at what cost, and what each error of AWS comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from profiling_groups.functions import FunctionArn
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.policy import Policy
from profiling_groups.reconcile import reconcile

if TYPE_CHECKING:
    from tests.unit.account import Account

READS = ["GetFunctionConfiguration", "ListTags"]
GROUP = "aws-lambda-renderer"
URL = "https://codeguru-profiler.eu-west-1.amazonaws.com"


def run(account: Account, arn: FunctionArn) -> Outcome:
    """Reconcile a function under the policy that ships."""
    return reconcile(arn, clients=lambda _: account.clients, policy=Policy(), client_token="4e1f")  # noqa: S106 - no password


def test_a_function_without_a_group_gets_one_in_three_calls(account: Account) -> None:
    """The group is for Lambda, may profile, and carries the function's tags and ours."""
    arn = account.function(tags={"team": "billing", "aws:x": "y"})
    outcome = run(account, arn)
    assert (outcome.action, outcome.group, outcome.function) == (Action.CREATED, GROUP, str(arn))
    assert account.sent == [*READS, "CreateProfilingGroup"]
    group = account.group(GROUP)
    assert group["computePlatform"] == "AWSLambda"
    assert group["agentOrchestrationConfig"] == {"profilingEnabled": True}
    assert group["tags"] == {"team": "billing", "managed-by": "profiling-group-provisioner"}
    assert [tag.key for tag in outcome.dropped_tags] == ["aws:x"]


def test_a_group_that_is_as_wanted_is_found_in_four_calls_and_not_touched(account: Account) -> None:
    """The refused create is what finds it."""
    arn = account.function(tags={"team": "billing"})
    run(account, arn)
    before = account.group(GROUP)
    account.sent.clear()
    assert run(account, arn).action is Action.EXISTS
    assert account.sent == [*READS, "CreateProfilingGroup", "DescribeProfilingGroup"]
    assert account.group(GROUP) == before


@pytest.mark.parametrize(
    ("tags", "action", "after"),
    [
        pytest.param(
            {}, Action.UPDATED, {"team": "billing", "managed-by": "profiling-group-provisioner"}, id="the agent's"
        ),
        pytest.param(
            {"team": "old", "managed-by": "terraform", "own": "x"},
            Action.UPDATED,
            {"team": "billing", "managed-by": "terraform", "own": "x"},
            id="somebody's, with other tags",
        ),
        pytest.param(
            {"team": "billing", "managed-by": "terraform", "own": "x"},
            Action.EXISTS,
            {"team": "billing", "managed-by": "terraform", "own": "x"},
            id="somebody's, as wanted",
        ),
    ],
)
def test_a_group_that_somebody_made_first_has_its_tags_put_right(
    account: Account, tags: dict[str, str], action: Action, after: dict[str, str]
) -> None:
    """The function's value wins; keys that only the group has stay."""
    arn = account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags=tags)
    assert run(account, arn).action is action
    assert account.group(GROUP)["tags"] == after


def test_a_group_of_another_compute_platform_is_left_alone_and_reported(account: Account) -> None:
    """It cannot be changed, and it was made for something else."""
    arn = account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags={"own": "x"}, platform="Default")
    outcome = run(account, arn)
    assert (outcome.action, outcome.reason) == (Action.EXISTS, Reason.COMPUTE_PLATFORM_MISMATCH)
    assert account.group(GROUP)["tags"] == {"own": "x"}


def test_a_function_with_sixty_tags_gets_fifty_of_them_on_its_group_and_stays_as_it_is(account: Account) -> None:
    """What does not fit is named, and is no drift to be mended for ever."""
    arn = account.function(tags={f"k{number:02}": "v" for number in range(60)})
    outcome = run(account, arn)
    assert outcome.action is Action.CREATED
    assert len(account.group(GROUP)["tags"]) == 50
    assert len(outcome.dropped_tags) == 11
    assert run(account, arn).action is Action.EXISTS


def test_whether_agents_may_profile_is_the_policys_to_say(account: Account) -> None:
    """It is told at creation."""
    policy = Policy(profiling_enabled=False)
    reconcile(account.function(), clients=lambda _: account.clients, policy=policy, client_token="4e1f")  # noqa: S106 - no password
    assert account.group(GROUP)["agentOrchestrationConfig"] == {"profilingEnabled": False}


@pytest.mark.parametrize(
    ("function", "reason", "calls"),
    [
        (FunctionArn(account="123456789012", region="eu-west-1", name="gone"), Reason.FUNCTION_GONE, READS[:1]),
        (FunctionArn(account="123456789012", region="sa-east-1", name="far"), Reason.REGION_UNSUPPORTED, []),
        (FunctionArn(account="123456789012", region="eu-west-1", name="us-east-1.f"), Reason.EDGE_REPLICA, []),
    ],
)
def test_what_is_not_there_or_out_of_reach_is_skipped(
    account: Account, function: FunctionArn, reason: Reason, calls: list[str]
) -> None:
    """Neither is an error."""
    outcome = run(account, function)
    assert (outcome.action, outcome.reason, account.sent) == (Action.SKIPPED, reason, calls)


def test_a_function_that_goes_away_between_the_reads_is_skipped(account: Account) -> None:
    """Its tags can no longer be listed."""
    arn = account.function()
    account.fail("ListTags", (404, "ResourceNotFoundException"))
    assert run(account, arn).reason is Reason.FUNCTION_GONE


@pytest.mark.parametrize("variable", ["AWS_CODEGURU_PROFILER_GROUP_ARN", "AWS_CODEGURU_PROFILER_GROUP_NAME"])
def test_a_function_that_names_its_own_group_is_left_alone(account: Account, variable: str) -> None:
    """A human's choice wins."""
    arn = account.function(variables={variable: "mine", "SECRET": "s3cr3t"})
    outcome = run(account, arn)
    assert (outcome.reason, account.groups()) == (Reason.OWN_GROUP, [])
    assert "s3cr3t" not in repr(outcome)


def test_a_container_image_gets_a_group(account: Account) -> None:
    """It has no runtime to go by."""
    arn = account.function()
    account.clients.awslambda.meta.events.register(
        "after-call.lambda.GetFunctionConfiguration", lambda parsed, **_: parsed.update(Runtime=None)
    )
    assert run(account, arn).action is Action.CREATED


def test_an_environment_that_cannot_be_read_is_mentioned(account: Account) -> None:
    """A customer managed key may keep it from us: a group named there would go unseen."""
    arn = account.function()
    account.clients.awslambda.meta.events.register(
        "after-call.lambda.GetFunctionConfiguration",
        lambda parsed, **_: parsed.update(
            Environment={"Error": {"ErrorCode": "AccessDeniedException", "Message": "m"}}
        ),
    )
    outcome = run(account, arn)
    assert outcome.action is Action.CREATED
    assert "AccessDeniedException" in (outcome.detail or "")


@pytest.mark.parametrize("operation", [*READS, "CreateProfilingGroup", "DescribeProfilingGroup", "TagResource"])
@pytest.mark.parametrize(
    ("error", "reason", "code", "attempts"),
    [
        ((429, "ThrottlingException"), Reason.THROTTLED, "ThrottlingException", 4),
        ((400, "ThrottlingException"), Reason.THROTTLED, "ThrottlingException", 4),
        ((429, "TooManyRequestsException"), Reason.THROTTLED, "TooManyRequestsException", 4),
        ((500, "InternalServerException"), Reason.SERVICE_ERROR, "InternalServerException", 4),
        ((503, "ServiceException"), Reason.SERVICE_ERROR, "ServiceException", 4),
        ((402, "ServiceQuotaExceededException"), Reason.QUOTA_EXCEEDED, "ServiceQuotaExceededException", 1),
        ((403, "AccessDeniedException"), Reason.ACCESS_DENIED, "AccessDeniedException", 1),
        ((400, "ValidationException"), Reason.INVALID, "ValidationException", 1),
        ((403, "403"), Reason.ACCESS_DENIED, "403", 1),
        ((403, "ExpiredTokenException"), Reason.ACCESS_DENIED, "ExpiredTokenException", 1),
        ((400, "InvalidParameterValueException"), Reason.INVALID, "InvalidParameterValueException", 1),
        ((418, "TeapotException"), Reason.SERVICE_ERROR, "TeapotException", 1),
        (EndpointConnectionError(endpoint_url=URL), Reason.SERVICE_ERROR, "EndpointConnectionError", 4),
        (ConnectionClosedError(endpoint_url=URL), Reason.SERVICE_ERROR, "ConnectionClosedError", 4),
    ],
    ids=str,
)
def test_an_error_for_good_is_a_failure_that_names_its_reason_and_resource(  # noqa: PLR0913, PLR0917 - a row of the table
    account: Account, operation: str, error: tuple[int, str] | Exception, reason: Reason, code: str, attempts: int
) -> None:
    """Whichever call it meets: what can pass is tried four times, a refusal once, and nothing is half-made."""
    arn = account.function(tags={"team": "billing"})
    if operation in {"DescribeProfilingGroup", "TagResource"}:
        account.make_group(GROUP, tags={})
    before = account.groups()
    account.fail(operation, error)
    outcome = run(account, arn)
    assert (outcome.action, outcome.reason, outcome.error_code) == (Action.FAILED, reason, code)
    assert account.sent.count(operation) == attempts
    assert account.groups() == before
    resource = str(arn) if operation in READS else "profilingGroup/aws-lambda-renderer"
    assert resource in (outcome.detail or "")
    if isinstance(error, tuple):
        assert f"{'lambda' if operation in READS else 'codeguru-profiler'}:{operation}" in (outcome.detail or "")
    if reason is Reason.QUOTA_EXCEEDED:
        assert "L-DA8D4E8D" in (outcome.detail or "")


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        pytest.param("lambda.GetFunctionConfiguration", {}, id="a function's configuration without a function"),
        pytest.param("lambda.GetFunctionConfiguration", {"FunctionName": "f", "Environment": []}, id="of wrong types"),
        pytest.param("lambda.ListTags", {"Tags": ["team"]}, id="tags that are none"),
        pytest.param("codeguruprofiler.DescribeProfilingGroup", {}, id="a group's description without a group"),
    ],
)
def test_an_answer_that_makes_no_sense_is_a_failure_with_its_outcome(
    account: Account, operation: str, answer: dict[str, object]
) -> None:
    """What botocore makes of an answer that was cut off must neither pass for a function nor end without a record."""
    arn = account.function()
    if "ProfilingGroup" in operation:
        account.make_group(GROUP, tags={})
    before = account.groups()

    def garble(parsed: dict[str, object], **_: object) -> None:
        parsed.clear()
        parsed.update(answer)

    for client in (account.clients.awslambda, account.clients.profiler):
        client.meta.events.register(f"after-call.{operation}", garble)
    outcome = run(account, arn)
    assert (outcome.action, outcome.reason) == (Action.FAILED, Reason.SERVICE_ERROR)
    assert outcome.error_code
    assert account.groups() == before


@pytest.mark.parametrize("operation", [*READS, "CreateProfilingGroup"])
@pytest.mark.parametrize("error", [(429, "ThrottlingException"), (500, "InternalServerException")])
def test_what_passes_after_two_errors_leaves_one_group_and_one_outcome(
    account: Account, operation: str, error: tuple[int, str]
) -> None:
    """The SDK's retries see to it."""
    arn = account.function()
    account.fail(operation, error, error, None)
    assert run(account, arn).action is Action.CREATED
    assert account.groups() == [GROUP]


def test_a_create_that_was_carried_out_though_its_answer_got_lost_is_found_to_exist(account: Account) -> None:
    """The SDK tries again and meets the conflict, which is success."""
    arn = account.function()
    account.lose_next_answer()
    assert run(account, arn).action is Action.EXISTS
    assert account.groups() == [GROUP]
