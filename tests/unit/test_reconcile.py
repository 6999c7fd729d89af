"""One function: what is done about it, at what cost, and what each error of AWS comes to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from profiling_groups.events import FunctionChanged
from profiling_groups.functions import FunctionArn
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.policy import (
    Functions,
    FunctionTags,
    Globs,
    GroupSettings,
    GroupTags,
    Lifecycle,
    Policy,
    WhenDeleted,
)
from profiling_groups.reconcile import MOST_CALLS, reconcile

if TYPE_CHECKING:
    from collections.abc import Collection

    from tests.unit.account import Account

READS = ["GetFunctionConfiguration", "ListTags"]
GROUP = "aws-lambda-renderer"
URL = "https://codeguru-profiler.eu-west-1.amazonaws.com"


NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
OURS = {"managed-by": "profiling-group-provisioner"}
AT_ONCE = Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0))
GRANTING = Policy(group=GroupSettings(grant_agent=True))


def run(
    account: Account,
    arn: FunctionArn,
    policy: Policy | None = None,
    *,
    untagged: Collection[str] = (),
    time: datetime | None = None,
) -> Outcome:
    """Reconcile a function, under the policy that ships or another one."""
    change = FunctionChanged(function=arn, client_token="4e1f", time=time, untagged=frozenset(untagged))  # noqa: S106 - no password
    return reconcile(change, clients=lambda _: account.clients, policy=policy or Policy(), now=NOW)


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
    run(account, account.function(), Policy(group=GroupSettings(profiling_enabled=False)))
    assert account.group(GROUP)["agentOrchestrationConfig"] == {"profilingEnabled": False}


@pytest.mark.parametrize(
    ("group", "untagged", "after"),
    [
        pytest.param(
            {"team": "billing", "old": "x", "own": "y"}, {"old"}, {"team": "billing", "own": "y"}, id="it loses the key"
        ),
        pytest.param({"team": "billing", "own": "y"}, {"old"}, {"team": "billing", "own": "y"}, id="nothing to lose"),
        pytest.param({"team": "old"}, {"team"}, {"team": "billing"}, id="unless the function has the key again"),
        pytest.param(
            {"team": "billing", "managed-by": "me"},
            {"managed-by"},
            {"team": "billing"},
            id="what the policy adds stays",
        ),
    ],
)
def test_what_was_taken_off_the_function_comes_off_its_group(
    account: Account, group: dict[str, str], untagged: set[str], after: dict[str, str]
) -> None:
    """Once and for all: the same event again finds nothing to do."""
    arn = account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags=OURS | group)
    before = account.group(GROUP)["tags"]
    outcome = run(account, arn, untagged=untagged)
    assert account.group(GROUP)["tags"] == OURS | after
    assert outcome.action is (Action.EXISTS if before == OURS | after else Action.UPDATED)
    assert run(account, arn, untagged=untagged).action is Action.EXISTS


def test_a_key_that_the_policy_does_not_pass_on_stays_when_the_function_loses_it(account: Account) -> None:
    """The group never had it from the function."""
    arn = account.function(tags={"team": "billing", "secret": "s"})
    account.make_group(GROUP, tags=OURS | {"secret": "ours"})
    policy = Policy(tags=GroupTags(inherit=Globs(exclude=("secret",))))
    outcome = run(account, arn, policy, untagged={"secret"})
    assert account.group(GROUP)["tags"] == OURS | {"secret": "ours", "team": "billing"}
    assert {tag.key: tag.why for tag in outcome.dropped_tags} == {"secret": "tags.inherit.exclude of the policy"}


@pytest.mark.parametrize(
    ("group", "after"),
    [
        pytest.param(OURS | {"team": "old"}, OURS | {"team": "old"}, id="adopted already"),
        pytest.param({"team": "old"}, OURS | {"team": "billing"}, id="somebody's"),
        pytest.param({}, OURS | {"team": "billing"}, id="the agent's"),
    ],
)
def test_tags_out_of_step_are_written_once(account: Account, group: dict[str, str], after: dict[str, str]) -> None:
    """At creation, or when the group is adopted."""
    arn = account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags=group)
    run(account, arn, Policy(lifecycle=Lifecycle(keep_tags_in_step=False)), untagged={"team"})
    assert account.group(GROUP)["tags"] == after


def test_a_function_that_is_retagged_while_its_group_is_put_right_is_looked_at_again(account: Account) -> None:
    """Otherwise the older of two events could have the last word."""
    arn = account.function(tags={"team": "billing", "old": "x"})
    account.make_group(GROUP, tags={})
    account.meanwhile("TagResource", lambda: account.retag(arn, {"team": "payments"}, remove=["old"]))
    outcome = run(account, arn)
    assert outcome.action is Action.UPDATED
    assert account.group(GROUP)["tags"] == OURS | {"team": "payments"}


def test_a_function_that_never_rests_is_a_failure_to_be_tried_again(account: Account) -> None:
    """Later it will; and meanwhile the number of calls has its limit."""
    arn = account.function(tags={"n": "0"})
    account.make_group(GROUP, tags={})
    account.meanwhile("TagResource", *[partial(account.retag, arn, {"n": str(n)}) for n in range(1, 9)])
    outcome = run(account, arn)
    assert (outcome.action, outcome.reason, outcome.error_code) == (
        Action.FAILED,
        Reason.SERVICE_ERROR,
        "UnsettledError",
    )
    assert len(account.sent) <= MOST_CALLS


@pytest.mark.parametrize(
    ("policy", "tags", "action", "stays"),
    [
        pytest.param(AT_ONCE, OURS, Action.DELETED, False, id="ours"),
        pytest.param(AT_ONCE, {"managed-by": "terraform"}, Action.ORPHANED, True, id="somebody's"),
        pytest.param(AT_ONCE, {}, Action.ORPHANED, True, id="the agent's"),
        pytest.param(
            Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE)),
            OURS,
            Action.ORPHANED,
            True,
            id="spared for thirty days",
        ),
        pytest.param(Policy(), OURS, Action.SKIPPED, True, id="kept"),
    ],
)
@pytest.mark.parametrize("why", [Reason.FUNCTION_GONE, Reason.OPTED_OUT])
def test_a_group_that_no_function_needs_goes_where_the_policy_says_so(  # noqa: PLR0913 - a row of the table
    account: Account, why: Reason, policy: Policy, tags: dict[str, str], action: Action, *, stays: bool
) -> None:
    """Only what is ours, and only when its grace is over."""
    arn = FunctionArn(account="123456789012", region="eu-west-1", name="renderer")
    if why is Reason.OPTED_OUT:
        account.function(tags={"codeguru-profiler": "no"})
    account.make_group(GROUP, tags=tags)
    outcome = run(account, arn, policy)
    assert (outcome.action, outcome.reason) == (action, why)
    assert account.groups() == [GROUP] * stays
    if why is Reason.OPTED_OUT or action is not Action.SKIPPED:
        assert outcome.group == GROUP


@pytest.mark.parametrize(
    "sign", ["createdAt", "updatedAt", "latestAgentOrchestratedAt", "latestAgentProfileReportedAt"]
)
def test_a_group_is_spared_for_its_grace_after_any_sign_of_life(account: Account, sign: str) -> None:
    """Counted from the latest; the event itself is one, so that a deletion begins the grace."""
    gone = FunctionArn(account="123456789012", region="eu-west-1", name="renderer")
    account.make_group(GROUP, tags=OURS)
    long_ago = NOW - timedelta(days=31)
    lately = {sign: NOW - timedelta(days=29)}

    def age(parsed: dict[str, Any], **_: object) -> None:
        signs = {"createdAt": long_ago, "updatedAt": long_ago} | lately
        status = {key: signs.pop(key) for key in list(signs) if key.startswith("latest")}
        parsed["profilingGroup"] |= signs | {"profilingStatus": status}

    account.clients.profiler.meta.events.register("after-call.codeguruprofiler.DescribeProfilingGroup", age)
    policy = Policy(lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE))
    assert run(account, gone, policy, time=long_ago).action is Action.ORPHANED
    lately.clear()
    assert run(account, gone, policy, time=NOW - timedelta(days=29)).action is Action.ORPHANED
    assert run(account, gone, policy, time=datetime.max.replace(tzinfo=UTC)).action is Action.ORPHANED
    assert run(account, gone, policy).action is Action.ORPHANED
    assert run(account, gone, policy, time=long_ago).action is Action.DELETED
    assert account.groups() == []


def test_a_group_of_another_compute_platform_is_nobodys_leftover(account: Account) -> None:
    """It was made for something else."""
    account.make_group(GROUP, tags=OURS, platform="Default")
    outcome = run(account, FunctionArn(account="123456789012", region="eu-west-1", name="renderer"), AT_ONCE)
    assert (outcome.action, outcome.reason, outcome.group) == (Action.SKIPPED, Reason.FUNCTION_GONE, None)
    assert account.groups() == [GROUP]


def test_a_function_that_comes_back_while_its_group_is_deleted_gets_it_again(account: Account) -> None:
    """What the event said is not trusted over a fresh read, nor a read over a later one."""
    account.make_group(GROUP, tags=OURS)
    account.meanwhile("DeleteProfilingGroup", lambda: account.function(tags={"team": "billing"}))
    outcome = run(account, FunctionArn(account="123456789012", region="eu-west-1", name="renderer"), AT_ONCE)
    assert outcome.action is Action.CREATED
    assert account.group(GROUP)["tags"] == OURS | {"team": "billing"}


def test_a_function_that_goes_while_its_group_is_created_leaves_none_behind(account: Account) -> None:
    """Where the policy deletes: the event of the deletion may have been and gone."""
    arn = account.function()
    account.meanwhile("CreateProfilingGroup", lambda: account.remove_function(arn))
    assert run(account, arn, AT_ONCE).action is Action.DELETED
    assert account.groups() == []


def test_a_group_that_was_created_and_looked_at_again_was_created(account: Account) -> None:
    """Though by then it is as wanted."""
    arn = account.function(tags={"team": "billing", "odd": "a;b"})
    account.meanwhile("CreateProfilingGroup", lambda: account.retag(arn, {"odd": "c;d"}))
    assert run(account, arn, AT_ONCE).action is Action.CREATED
    assert run(account, arn, AT_ONCE).action is Action.EXISTS


def test_a_gone_functions_group_cannot_be_told_where_its_name_depends_on_more_than_the_arn(account: Account) -> None:
    """It is not guessed."""
    policy = replace(AT_ONCE, group=GroupSettings(name="{tag:team}-{function_name}"))
    account.make_group("untagged-renderer", tags=OURS)
    outcome = run(account, FunctionArn(account="123456789012", region="eu-west-1", name="renderer"), policy)
    assert (outcome.action, outcome.reason) == (Action.SKIPPED, Reason.FUNCTION_GONE)
    assert "group.name" in (outcome.detail or "")
    assert account.groups() == ["untagged-renderer"]


def test_a_function_that_no_longer_has_the_required_tag_keeps_its_group_unless_the_policy_deletes(
    account: Account,
) -> None:
    """That, too, is opting out."""
    arn = account.function()
    account.make_group(GROUP, tags=OURS)
    required = Functions(tags=FunctionTags(require={"profile": ("on",)}))
    kept = run(account, arn, Policy(functions=required))
    assert (kept.action, kept.reason, kept.group) == (Action.SKIPPED, Reason.EXCLUDED_BY_POLICY, GROUP)
    assert run(account, arn, replace(AT_ONCE, functions=required)).action is Action.DELETED
    assert account.groups() == []


def test_the_agents_role_is_allowed_on_a_new_group_and_on_an_old_one_without_anybody_losing_it(
    account: Account,
) -> None:
    """Once it is, nothing is written."""
    arn = account.function()
    role = account.role
    assert run(account, arn, GRANTING).action is Action.CREATED
    assert account.allowed(GROUP) == [role]
    assert run(account, arn, GRANTING).action is Action.EXISTS
    account.allow(GROUP, ["arn:aws:iam::123456789012:role/other"])
    assert run(account, arn, GRANTING).action is Action.UPDATED
    assert account.allowed(GROUP) == ["arn:aws:iam::123456789012:role/other", role]


def test_a_permission_that_is_changed_meanwhile_is_not_lost(account: Account) -> None:
    """The revision tells."""
    arn = account.function()
    account.make_group(GROUP, tags=OURS)
    other = "arn:aws:iam::123456789012:role/other"
    account.meanwhile("PutPermission", lambda: account.allow(GROUP, [other]))
    assert run(account, arn, GRANTING).action is Action.UPDATED
    assert account.allowed(GROUP) == [other, account.role]


def test_a_permission_that_never_rests_is_a_failure_to_be_tried_again(account: Account) -> None:
    """The conflict is no success here: the role has not been allowed."""
    arn = account.function()
    account.make_group(GROUP, tags=OURS)
    roles = [f"arn:aws:iam::123456789012:role/other-{number}" for number in range(3)]
    account.meanwhile("PutPermission", *[partial(account.allow, GROUP, [role]) for role in roles])
    outcome = run(account, arn, GRANTING)
    assert (outcome.action, outcome.error_code) == (Action.FAILED, "ConflictException")
    assert account.role not in account.allowed(GROUP)


def test_a_principal_that_is_gone_does_not_stand_in_the_way(account: Account) -> None:
    """IAM shows its bare id, which no request may name."""
    arn = account.function()
    account.make_group(GROUP, tags=OURS)
    account.allow(GROUP, ["AROAEXAMPLEOFAROLETHATWAS", "111122223333"])
    run(account, arn, GRANTING)
    assert account.allowed(GROUP) == ["111122223333", account.role]


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


@pytest.mark.parametrize(
    "operation",
    [
        *READS,
        "CreateProfilingGroup",
        "DescribeProfilingGroup",
        "TagResource",
        "UntagResource",
        "GetPolicy",
        "PutPermission",
    ],
)
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
    if operation not in {*READS, "CreateProfilingGroup"}:
        account.make_group(GROUP, tags={"old": "x"})
    before = account.groups()
    account.fail(operation, error)
    outcome = run(account, arn, GRANTING, untagged={"old"})
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
