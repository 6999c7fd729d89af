"""One function: what is done about it, at what cost, and what each error of AWS comes to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from profiling_groups.events import FunctionChanged
from profiling_groups.functions import FunctionArn
from profiling_groups.outcomes import Action, Outcome, Reason
from profiling_groups.policy import (
    AdoptExistingGroups,
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


ARN = FunctionArn(account="123456789012", region="eu-west-1", name="renderer")
ADDED = {"managed-by": "profiling-group-provisioner"}
OURS = {"profiling-group-provisioner:created-for": str(ARN), **ADDED}
ADOPTED = {"profiling-group-provisioner:adopted-for": str(ARN), **ADDED}
GRANTING = Policy(group=GroupSettings(grant_agent=True))


def run(  # noqa: PLR0913 - all by keyword but what it is about
    account: Account,
    arn: FunctionArn,
    policy: Policy | None = None,
    *,
    untagged: Collection[str] = (),
    is_creation: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Reconcile a function, under the policy that ships or another one."""
    change = FunctionChanged(
        function=arn,
        client_token="4e1f",  # noqa: S106 - no password
        is_creation=is_creation,
        untagged=frozenset(untagged),
    )
    return reconcile(change, clients=lambda _: account.clients, policy=policy or Policy(), dry_run=dry_run)


def test_a_function_without_a_group_gets_one_in_three_calls(account: Account) -> None:
    """The group is for Lambda, may profile, and carries the function's tags and ours."""
    arn = account.function(tags={"team": "billing", "aws:x": "y"})
    outcome = run(account, arn)
    assert (outcome.action, outcome.group, outcome.function) == (Action.CREATED, GROUP, str(arn))
    assert account.sent == [*READS, "CreateProfilingGroup"]
    group = account.group(GROUP)
    assert group["computePlatform"] == "AWSLambda"
    assert group["agentOrchestrationConfig"] == {"profilingEnabled": True}
    assert group["tags"] == OURS | {"team": "billing"}
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


def lifecycle(**changes: Any) -> Policy:  # noqa: ANN401 - any of its fields
    """Return the policy that ships with another lifecycle."""
    return Policy(lifecycle=Lifecycle(**changes))


NONE = lifecycle(adopt_existing_groups=AdoptExistingGroups.NONE)
ALL = lifecycle(adopt_existing_groups=AdoptExistingGroups.ALL)
OUT_OF_STEP = lifecycle(keep_tags_in_step=False)
CLOUDFORMATION = {"aws:cloudformation:stack-name": "s"}
FIFTY = {f"k{number:02}": "v" for number in range(50)}
OF_OTHERS = {"profiling-group-provisioner:created-for": f"{ARN}-2"}


@pytest.mark.parametrize(
    ("policy", "tags", "outcome", "after"),
    [
        # the agent's
        (Policy(), {}, "updated", ADOPTED | {"team": "billing"}),
        (ALL, {}, "updated", ADOPTED | {"team": "billing"}),
        (NONE, {}, "exists owned_elsewhere", {}),
        (OUT_OF_STEP, {}, "updated", ADOPTED | {"team": "billing"}),
        # other people's
        (Policy(), {"team": "infra"}, "exists owned_elsewhere", None),
        (Policy(), {"team": "infra", "managed-by": "terraform"}, "exists owned_elsewhere", None),
        (Policy(), {"team": "infra", **ADDED}, "exists owned_elsewhere", None),
        (Policy(), CLOUDFORMATION, "exists owned_elsewhere", None),
        (Policy(), OF_OTHERS, "exists owned_elsewhere", None),
        (ALL, {"team": "infra", "managed-by": "cdk"}, "updated", ADOPTED | {"team": "billing", "managed-by": "cdk"}),
        (ALL, CLOUDFORMATION, "exists owned_elsewhere", None),
        (ALL, OF_OTHERS, "exists owned_elsewhere", None),
        (ALL, FIFTY, "exists owned_elsewhere", None),
        # ours
        (Policy(), OURS | {"team": "billing"}, "exists", None),
        (Policy(), OURS | {"team": "old", "own": "x"}, "updated", OURS | {"team": "billing", "own": "x"}),
        (NONE, OURS | {"team": "old"}, "updated", OURS | {"team": "billing"}),
        (OUT_OF_STEP, OURS | {"team": "old"}, "exists", None),
        (Policy(), OURS | {"team": "old"} | CLOUDFORMATION, "exists owned_elsewhere", None),
        # adopted
        (Policy(), ADOPTED | {"team": "billing"}, "exists", None),
        (Policy(), ADOPTED | {"team": "old", "own": "x"}, "updated", ADOPTED | {"team": "billing", "own": "x"}),
        (OUT_OF_STEP, ADOPTED | {"team": "old"}, "exists", None),
        # released by a person, who removed the mark
        (Policy(), {"team": "old", **ADDED}, "exists owned_elsewhere", None),
    ],
)
def test_only_our_groups_and_adopted_ones_are_written_to(
    account: Account, policy: Policy, tags: dict[str, str], outcome: str, after: dict[str, str] | None
) -> None:
    """Doing it once more finds nothing to do; a dry run says the same beforehand, and writes nothing."""
    account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags=tags)
    dry = run(account, ARN, policy, dry_run=True)
    assert account.group(GROUP)["tags"] == tags
    found = run(account, ARN, policy)
    assert " ".join(filter(None, (found.action, found.reason))) == outcome
    assert (dry.action, dry.reason, dry.group) == (found.action, found.reason, found.group)
    assert account.group(GROUP)["tags"] == (tags if after is None else after)
    assert run(account, ARN, policy).action is Action.EXISTS


@pytest.mark.parametrize(
    ("tags", "sent"),
    [
        pytest.param({}, ADOPTED | {"team": "billing", "cost": "7"}, id="adoption"),
        pytest.param(OURS | {"team": "old", "own": "x"}, ADDED | {"team": "billing", "cost": "7"}, id="ours"),
        pytest.param(OURS | {"cost": "7"}, ADDED | {"team": "billing", "cost": "7"}, id="one key of two"),
        pytest.param(ADOPTED | {"team": "old", "own": "x"}, ADOPTED | {"team": "billing", "cost": "7"}, id="adopted"),
    ],
)
def test_a_tag_resource_call_sends_all_wanted_tags(
    account: Account, tags: dict[str, str], sent: dict[str, str]
) -> None:
    """Service control policies that demand a tag look at each call; created-for is never sent again."""
    account.function(tags={"team": "billing", "cost": "7"})
    account.make_group(GROUP, tags=tags)
    calls: list[dict[str, str]] = []
    account.clients.profiler.meta.events.register(
        "provide-client-params.codeguruprofiler.TagResource", lambda params, **_: calls.append(params["tags"])
    )
    assert run(account, ARN).action is Action.UPDATED
    assert calls == [sent]


@pytest.mark.parametrize("tags", [{"team": "infra"}, {"own": "x"} | ADDED], ids=str)
def test_an_external_group_gets_no_permission(account: Account, tags: dict[str, str]) -> None:
    """Nor anything else."""
    account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags=tags)
    assert run(account, ARN, GRANTING, untagged={"team"}).reason is Reason.OWNED_ELSEWHERE
    assert not {"TagResource", "UntagResource", "PutPermission"} & set(account.sent)


def test_a_description_without_tags_does_not_mean_a_group_without_tags(account: Account) -> None:
    """ListTagsForResource tells, and where it does not either, that is a failure."""
    account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags={"team": "infra"})
    events = account.clients.profiler.meta.events
    events.register(
        "after-call.codeguruprofiler.DescribeProfilingGroup", lambda parsed, **_: parsed["profilingGroup"].pop("tags")
    )
    assert run(account, ARN).reason is Reason.OWNED_ELSEWHERE
    events.register("after-call.codeguruprofiler.ListTagsForResource", lambda parsed, **_: parsed.pop("tags"))
    outcome = run(account, ARN)
    assert (outcome.reason, outcome.error_code) == (Reason.SERVICE_ERROR, "UnreadableAnswerError")
    assert account.group(GROUP)["tags"] == {"team": "infra"}


def test_a_group_that_is_tagged_since_it_was_described_is_not_adopted(account: Account) -> None:
    """Its tags are listed directly before."""
    account.function()
    account.make_group(GROUP, tags={"team": "infra"})
    account.clients.profiler.meta.events.register(
        "after-call.codeguruprofiler.DescribeProfilingGroup",
        lambda parsed, **_: parsed["profilingGroup"].update(tags={}),
    )
    assert run(account, ARN).reason is Reason.OWNED_ELSEWHERE
    assert account.group(GROUP)["tags"] == {"team": "infra"}


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
    assert len(outcome.dropped_tags) == 12
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


@pytest.mark.parametrize("tags", [OURS, ADOPTED, {}], ids=["ours", "adopted", "to be adopted"])
def test_a_function_retagged_during_a_tag_write_fails_and_a_retry_resolves_it(
    account: Account, tags: dict[str, str]
) -> None:
    """Otherwise the older of two events could have the last word."""
    arn = account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags=tags)
    account.meanwhile("TagResource", lambda: account.retag(arn, {"team": "payments"}))
    outcome = run(account, arn)
    assert (outcome.action, outcome.reason) == (Action.FAILED, Reason.CONCURRENT_CHANGE)
    assert len(account.sent) <= MOST_CALLS
    assert run(account, arn).action is Action.UPDATED
    assert account.group(GROUP)["tags"]["team"] == "payments"


def test_a_group_deleted_during_a_tag_write_fails_and_a_retry_creates_it(account: Account) -> None:
    """By whoever owns it, or by a backfill."""
    arn = account.function(tags={"team": "billing"})
    account.make_group(GROUP, tags=OURS)
    account.meanwhile("TagResource", lambda: account.remove_group(GROUP))
    assert run(account, arn).reason is Reason.CONCURRENT_CHANGE
    assert run(account, arn).action is Action.CREATED


@pytest.mark.parametrize(
    ("is_creation", "answers", "action", "reads"),
    [
        (True, [(404, "ResourceNotFoundException"), None], Action.CREATED, 2),
        (True, [(404, "ResourceNotFoundException")], Action.SKIPPED, 2),
        (False, [(404, "ResourceNotFoundException"), None], Action.SKIPPED, 1),
    ],
)
@pytest.mark.parametrize("operation", READS)
def test_one_404_is_not_believed_right_after_a_creation(  # noqa: PLR0913, PLR0917 - a row of the table
    account: Account,
    operation: str,
    is_creation: bool,  # noqa: FBT001
    answers: list[tuple[int, str] | None],
    action: Action,
    reads: int,
) -> None:
    """Lambda's reads may lag behind its writes."""
    arn = account.function()
    account.fail(operation, *answers)
    outcome = run(account, arn, is_creation=is_creation)
    assert (outcome.action, account.sent.count("GetFunctionConfiguration")) == (action, reads)
    if action is Action.SKIPPED:
        assert outcome.reason is Reason.FUNCTION_GONE


@pytest.mark.parametrize(
    "tags", [{"codeguru-profiler": "no"}, {}], ids=["opted out", "without the tag that is required"]
)
def test_a_function_that_does_not_want_its_group_keeps_it_for_the_backfill(
    account: Account, tags: dict[str, str]
) -> None:
    """Whatever the policy says about deletion, and without a call about the group."""
    arn = account.function(tags=tags)
    account.make_group(GROUP, tags=OURS)
    deletes = Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0)
    required = Functions(tags=FunctionTags(require={} if tags else {"profile": ("on",)}))
    outcome = run(account, arn, Policy(functions=required, lifecycle=deletes))
    assert outcome.action is Action.SKIPPED
    assert (account.groups(), account.sent) == ([GROUP], READS)


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
def test_a_function_that_names_another_group_is_left_alone(account: Account, variable: str) -> None:
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
        "ListTagsForResource",
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
        account.make_group(GROUP, tags={} if operation == "ListTagsForResource" else OURS | {"old": "x"})
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


NAMED = {"name": GROUP, "arn": f"arn:aws:codeguru-profiler:eu-west-1:123456789012:profilingGroup/{GROUP}"}
NO_ANSWERS = [{}, {"message": "<html>"}]
"""What botocore makes of a body that is empty, cut off, or a page of a proxy's."""


@pytest.mark.parametrize(
    ("operation", "tags", "answers"),
    [
        (
            "lambda.GetFunctionConfiguration",
            None,
            [*NO_ANSWERS, {"FunctionArn": f"{ARN}-2"}, {"FunctionArn": str(ARN), "Environment": []}],
        ),
        ("lambda.ListTags", None, [*NO_ANSWERS, {"Tags": ["team"]}]),
        (
            "codeguruprofiler.DescribeProfilingGroup",
            {},
            [
                *[*NO_ANSWERS, {"profilingGroup": {}}, {"profilingGroup": NAMED}],
                {"profilingGroup": NAMED | {"name": "other", "computePlatform": "AWSLambda"}},
                {"profilingGroup": NAMED | {"arn": f"{NAMED['arn']}-2", "computePlatform": "AWSLambda"}},
            ],
        ),
        ("codeguruprofiler.ListTagsForResource", {}, NO_ANSWERS),
        ("codeguruprofiler.GetPolicy", OURS, [*NO_ANSWERS, {"policy": "<html>", "revisionId": "r"}]),
        ("codeguruprofiler.PutPermission", OURS, NO_ANSWERS),
    ],
)
def test_an_answer_that_lacks_what_it_must_have_is_a_failure(
    account: Account, operation: str, tags: dict[str, str] | None, answers: list[dict[str, object]]
) -> None:
    """It never means that there is nothing; each is tried again by a retry."""
    arn = account.function()
    if tags is not None:
        account.make_group(GROUP, tags=tags)
    before = account.groups()
    answer: dict[str, object] = {}

    def garble(parsed: dict[str, object], **_: object) -> None:
        parsed.clear()
        parsed.update(answer)

    for client in (account.clients.awslambda, account.clients.profiler):
        client.meta.events.register(f"after-call.{operation}", garble)
    for each in answers:
        answer = each
        if tags is not None:
            account.allow(GROUP, ["arn:aws:iam::123456789012:role/other"])
        outcome = run(account, arn, GRANTING)
        assert (outcome.action, outcome.reason) == (Action.FAILED, Reason.SERVICE_ERROR), each
        assert outcome.error_code
    assert account.groups() == before


@pytest.mark.parametrize("answer", [*NO_ANSWERS, {"profilingGroup": NAMED}], ids=str)
@pytest.mark.parametrize("was_created", [True, False])
def test_a_creation_with_an_unreadable_answer_is_not_claimed(
    account: Account, answer: dict[str, object], *, was_created: bool
) -> None:
    """DescribeProfilingGroup says whether the group exists."""
    arn = account.function()

    def garble(parsed: dict[str, object], **_: object) -> None:
        if not was_created:
            account.remove_group(GROUP)
        parsed.clear()
        parsed.update(answer)

    account.clients.profiler.meta.events.register("after-call.codeguruprofiler.CreateProfilingGroup", garble)
    outcome = run(account, arn)
    assert (outcome.action, outcome.reason) == (
        (Action.EXISTS, None) if was_created else (Action.FAILED, Reason.SERVICE_ERROR)
    )


@pytest.mark.parametrize(("operation", "untagged"), [("TagResource", set()), ("UntagResource", {"old"})])
def test_a_write_whose_answer_is_not_empty_is_not_claimed(account: Account, operation: str, untagged: set[str]) -> None:
    """A proxy's page with status 200, say, from which botocore makes a success."""
    arn = account.function()
    account.make_group(GROUP, tags=OURS | {"old": "x"} if untagged else {})
    account.fail(operation, (200, "<html>"))
    outcome = run(account, arn, untagged=untagged)
    assert (outcome.action, outcome.error_code) == (Action.FAILED, "UnreadableAnswerError")


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
