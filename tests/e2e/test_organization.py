"""An organization governed from one hub: every account by its own events and its own role, and none through another."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from demo.account import Account
from embedded_aws.client import SandboxProcess
from tests.e2e.deployment import allowed
from tests.e2e.organization import (
    ABROAD,
    EXCLUDED,
    HOME,
    MANAGEMENT,
    OUTSIDER,
    ROLE,
    UNLISTED,
    Organization,
    found,
)
from tests.records import Json, envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organization]:
    """The organization, its hub deployed, its members made by the stack set, and the management account by hand."""
    options = ["--account", MANAGEMENT, "--region", HOME, "--pace", "0.001"]
    with SandboxProcess(options=options) as sandbox:
        organization = found(sandbox, tmp_path_factory.mktemp("organization"))
        organization.become_member(organization.there("management"))
        yield organization


@pytest.fixture
def organization(founded: Organization) -> Iterator[Organization]:
    """The organization with nothing wrong and no letters waiting; whatever a test breaks is mended after it."""
    founded.hub.tidy()
    yield founded
    founded.hub.tidy()


# Events


@pytest.mark.parametrize("account", ["shop", "governance", "management"])
def test_a_function_gets_its_group_in_its_own_account_by_that_accounts_role(
    organization: Organization, account: str
) -> None:
    """Also where that is the hub's account, or the one that the stack set does not reach."""
    before = organization.latest_call()
    name = organization.create(account, Tags={"team": "billing"})
    assert organization.groups(name) == {(account, HOME): {"team": "billing"} | organization.created_for(name, account)}
    assert organization.outcomes(name, account) == [("created", None)]
    calls = organization.calls_since(before)
    own = {"AssumeRole", "ListParents"}
    assert {call["operation"] for call in calls if "/ProfilingGroupsHub/" in call["principal"]} <= own
    role = f"arn:aws:sts::{organization.accounts[account]}:assumed-role/{ROLE}/profiling-group-provisioner"
    assert {call["principal"] for call in calls if call["service"] in ("lambda", "codeguruprofiler")} == {role}


def test_one_event_of_a_name_that_is_in_four_places_makes_one_group(organization: Organization) -> None:
    """In two accounts and two regions, one after the other: the others are left alone each time."""
    name = f"same-{uuid4().hex[:8]}"
    places = [("shop", HOME), ("shop", ABROAD), ("play", HOME), ("play", ABROAD)]
    for account, region in places:
        organization.hold(account, region, name=name, Tags={"place": f"{account} {region}"})
    seen: list[tuple[str, str]] = []
    for account, region in places:
        organization.deliver(organization.creation(name, account, region))
        seen.append((account, region))
        groups = organization.groups(name)
        assert list(groups) == sorted(seen, key=list(groups).index)
        assert set(groups) == set(seen)
    assert {place: tags["place"] for place, tags in groups.items()} == {each: " ".join(each) for each in places}


def test_tags_are_kept_in_step_across_accounts(organization: Organization) -> None:
    """In the region that is not the hub's, by the region's own events."""
    name = organization.create("shop", ABROAD, Tags={"team": "shop", "cost-center": "4711"})
    there, arn = organization.there("shop", ABROAD), organization.arn(name, "shop", ABROAD)
    there.awslambda.tag_resource(Resource=arn, Tags={"team": "fulfilment"})
    there.awslambda.untag_resource(Resource=arn, TagKeys=["cost-center"])
    organization.sandbox.wait_until_idle()
    tags = {"team": "fulfilment"} | organization.created_for(name, "shop", ABROAD)
    assert organization.groups(name) == {("shop", ABROAD): tags}


# The policy of a place


def test_a_backfill_deletes_groups_where_an_override_says_so(organization: Organization) -> None:
    """By `match.ous`, and no event does; elsewhere groups are kept."""
    for account, expected in (("play", ("deleted", "function_gone")), ("shop", None)):
        name = organization.create(account)
        organization.there(account).awslambda.delete_function(FunctionName=name)
        organization.sandbox.wait_until_idle()
        assert organization.outcomes(name, account) == [("created", None)]
        assert set(organization.groups(name)) == {(account, HOME)}
        run, _ = organization.backfill(account)
        outcomes = {each["function"]: (each["action"], each["reason"]) for each in run["outcomes"]}
        assert outcomes.get(organization.arn(name, account)) == expected
        assert set(organization.groups(name)) == ({("shop", HOME)} if account == "shop" else set())


def test_a_backfill_deletes_nothing_where_it_is_not_known_where_an_account_is(organization: Organization) -> None:
    """An unknown path is no permission, though the override by `match.ous` would delete."""
    name = organization.create("play")
    organization.there("play").awslambda.delete_function(FunctionName=name)
    organization.start_afresh()
    with organization.hub.without("organizations:ListParents"):
        organization.backfill("play")
        assert set(organization.groups(name)) == {("play", HOME)}
    organization.start_afresh()


# Accounts come and go


def test_an_account_that_joins_becomes_a_member_by_itself(organization: Organization) -> None:
    """From then on by its events; what it had before by the next sweep. As it leaves, it takes its role with it."""
    newcomer = organization.accounts["newcomer"]
    before = organization.create("newcomer")
    assert organization.groups(before) == {}

    with organization.moved("newcomer", source="root", destination="workloads"):
        name = organization.create("newcomer")
        assert set(organization.groups(name)) == {("newcomer", HOME)}
        assert organization.groups(before) == {}
        execution = organization.hub.execute({"accounts": [newcomer]})
        assert execution["status"] == "SUCCEEDED"
        assert set(organization.groups(before)) == {("newcomer", HOME)}

    roles = organization.there("newcomer").client("iam").list_roles()["Roles"]
    assert ROLE not in {role["RoleName"] for role in roles}
    invocations = len(organization.sandbox.invocations())
    organization.create("newcomer")
    assert len(organization.sandbox.invocations()) == invocations


def test_an_account_whose_role_is_taken_away_is_skipped(organization: Organization) -> None:
    """With one warning, however many events; none is tried again, none becomes a dead letter."""
    with organization.distrusted("billing"):
        warnings = len(organization.warnings())
        invocations = len(organization.sandbox.invocations())
        names = [organization.create("billing") for _ in range(2)]
        for name in names:
            assert organization.outcomes(name, "billing") == [("skipped", "account_unreachable")]
            assert organization.groups(name) == {}
        attempts = [len(each["attempts"]) for each in organization.sandbox.invocations()[invocations:]]
        assert attempts == [1, 1]
        assert [each["account"] for each in organization.warnings()[warnings:]] == [organization.accounts["billing"]]
        assert organization.hub.letters() == []
    organization.deliver(organization.creation(names[0], "billing", HOME))
    assert set(organization.groups(names[0])) == {("billing", HOME)}


def test_a_role_that_goes_while_a_session_lives_is_found_out(organization: Organization) -> None:
    """The hub holds a session of it still; what that is refused is not the function's failure."""
    organization.create("billing")
    iam = organization.there("billing").client("iam")
    role = iam.get_role(RoleName=ROLE)["Role"]
    policies = {
        name: iam.get_role_policy(RoleName=ROLE, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    }
    for policy in policies:
        iam.delete_role_policy(RoleName=ROLE, PolicyName=policy)
    iam.delete_role(RoleName=ROLE)
    try:
        name = organization.create("billing")
        assert organization.outcomes(name, "billing") == [("skipped", "account_unreachable")]
        assert organization.hub.letters() == []
    finally:
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(role["AssumeRolePolicyDocument"]))
        for policy, document in policies.items():
            iam.put_role_policy(RoleName=ROLE, PolicyName=policy, PolicyDocument=json.dumps(document))
        organization.start_afresh()


def test_a_region_that_a_control_policy_forbids_is_skipped(organization: Organization) -> None:
    """In the unit's accounts, and in no other region of theirs."""
    with organization.forbidden(ABROAD, unit="playground"):
        invocations = len(organization.sandbox.invocations())
        forbidden, free = organization.create("play", ABROAD), organization.create("play", HOME)
        assert organization.outcomes(forbidden, "play", ABROAD) == [("skipped", "region_unsupported")]
        assert organization.outcomes(free, "play") == [("created", None)]
        assert organization.groups(forbidden) == {}
        attempts = [len(each["attempts"]) for each in organization.sandbox.invocations()[invocations:]]
        assert attempts == [1, 1]
        assert organization.hub.letters() == []


# Forgeries


@contextmanager
def refused(organization: Organization, *, account: str, region: str = HOME) -> Iterator[None]:
    """What happens in a ``with`` block is refused: one record says so, nothing is tried, and nothing is tried again.

    Args:
        organization: The organization.
        account: Whose event it is.
        region: Of which region.
    """
    told, invocations = len(organization.security_records()), len(organization.sandbox.invocations())
    before = organization.latest_call()
    yield
    (invocation,) = organization.sandbox.invocations()[invocations:]
    assert (invocation["state"], len(invocation["attempts"])) == ("succeeded", 1)
    assert (invocation["result"]["action"], invocation["result"]["reason"]) == ("failed", "invalid")
    (record,) = organization.security_records()[told:]
    assert (record["account"], record["region"]) == (organization.accounts[account], region)
    assert record["detail"] == invocation["result"]["detail"]
    called = {call["service"] for call in organization.calls_since(before)}
    assert called & {"sts", "lambda", "codeguruprofiler"} == set()
    assert organization.hub.letters() == []


def test_nobody_puts_events_of_lambda_on_the_hubs_bus(organization: Organization) -> None:
    """Not by the bus's policy, and EventBridge itself refuses the source; for any other there is no rule."""
    victim = organization.hold("billing")
    forged = envelope(organization.creation(victim, "billing", HOME))
    entry = {
        "EventBusName": organization.hub.outputs["EventBusArn"],
        "DetailType": forged["detail-type"],
        "Detail": json.dumps(forged["detail"] | {"account": organization.accounts["billing"]}),
    }
    invocations = len(organization.sandbox.invocations())
    member = organization.there("shop").client("events")
    for source in ("aws.lambda", "my.lambda"):
        with pytest.raises(ClientError, match="AccessDenied"):
            member.put_events(Entries=[entry | {"Source": source}])
    # The hub's own account needs no leave of the bus's policy.
    own = organization.hub.account.client("events")
    answer = own.put_events(Entries=[entry | {"Source": source} for source in ("aws.lambda", "my.lambda")])
    organization.sandbox.wait_until_idle()
    assert [each.get("ErrorCode") for each in answer["Entries"]] == ["NotAuthorizedForSourceException", None]
    assert len(organization.sandbox.invocations()) == invocations
    assert organization.groups(victim) == {}


def test_an_account_outside_the_organization_is_not_let_in_and_not_reached(organization: Organization) -> None:
    """Though it has the whole of a member's stack: neither its events nor its calls, and the hub does not act there."""
    stranger = Account(organization.sandbox.endpoint, region=HOME, account=OUTSIDER)
    organization.become_member(stranger)
    entry = {"EventBusName": organization.hub.outputs["EventBusArn"], "Source": "aws.lambda", "DetailType": "x"}
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.client("events").put_events(Entries=[entry | {"Detail": "{}"}])

    invocations = len(organization.sandbox.invocations())
    foreign = organization.creation("stranger", "shop", HOME) | {"recipientAccountId": OUTSIDER}
    organization.deliver(foreign)
    assert len(organization.sandbox.invocations()) == invocations
    sqs = stranger.client("sqs")
    (queue,) = sqs.list_queues()["QueueUrls"]
    (letter,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"

    # Organizations does not know it, so it is refused. By a path that nobody vouches for, it is STS that refuses.
    asked = {"action": "backfill", "account": OUTSIDER, "regions": [HOME]}
    error, _ = organization.hub.invoke(asked, function=organization.hub.sweeper)
    assert (error["errorType"], OUTSIDER in error["errorMessage"]) == ("InvalidRequestError", True)
    path = f"{organization.id}/{organization.units['root']}/{organization.units['workloads']}/"
    answer, _ = organization.hub.invoke(asked | {"organization_path": path}, function=organization.hub.sweeper)
    (run,) = answer["runs"]
    (outcome,) = run["outcomes"]
    assert (outcome["action"], outcome["reason"]) == ("skipped", "account_unreachable")
    assert "sts:AssumeRole" in outcome["detail"]


def test_an_account_outside_the_governed_units_is_not_let_in(organization: Organization) -> None:
    """Though it is in the organization and has a member's stack: its events end in its own dead-letter queue."""
    newcomer = organization.there("newcomer")
    organization.become_member(newcomer)
    try:
        invocations = len(organization.sandbox.invocations())
        name = organization.create("newcomer")
        assert len(organization.sandbox.invocations()) == invocations
        assert organization.groups(name) == {}
        sqs = newcomer.client("sqs")
        (queue,) = sqs.list_queues()["QueueUrls"]
        (letter,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
        assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    finally:
        newcomer.client("cloudformation").delete_stack(StackName="ByHand")

    path = f"{organization.id}/{organization.units['root']}/"
    asked = {"action": "backfill", "account": organization.accounts["newcomer"], "regions": [HOME]}
    for given in (asked, asked | {"organization_path": path}):
        error, _ = organization.hub.invoke(given, function=organization.hub.sweeper)
        assert error["errorType"] == "InvalidRequestError"


# The backfill


def test_a_backfill_covers_what_it_can_and_names_what_it_cannot(organization: Organization) -> None:
    """One account is out of reach, one region forbidden; the execution succeeds. Each role is assumed once."""
    name = f"held-{uuid4().hex[:8]}"
    places = {(account, region) for account in ("shop", "play", "billing") for region in (HOME, ABROAD)}
    for account, region in places:
        organization.hold(account, region, name=name, Tags={"profile": "yes"})
    with organization.distrusted("billing"), organization.forbidden(ABROAD, unit="playground"):
        before = organization.latest_call()
        execution = organization.hub.execute({})
        calls = organization.calls_since(before)
    assert execution["status"] == "SUCCEEDED"
    assert set(organization.groups(name)) == {("shop", HOME), ("shop", ABROAD), ("play", HOME)}

    governed = {"management", "governance", "shop", "billing", "play"}
    assumed = Counter(
        call["parameters"]["RoleArn"].split(":")[4] for call in calls if call["operation"] == "AssumeRole"
    )
    # To list the accounts, one role more is tried, in an environment that may be another one.
    assert set(assumed) == {organization.accounts[account] for account in governed}
    assert assumed.total() <= len(governed) + 1
    assert organization.alarm("accounts-unreachable").is_breached()

    reports = organization.hub.reports(execution)
    runs = {organization.place(run): run for report in reports for run in report["runs"]}
    assert set(runs) == {(account, region) for account in governed for region in (HOME, ABROAD)}
    assert all(run["complete"] for run in runs.values())
    skipped = {place: run["outcomes"][0] for place, run in runs.items() if run["counts"] == {"skipped": 1}}
    assert {place: outcome["reason"] for place, outcome in skipped.items() if outcome["function"] is None} == {
        ("billing", HOME): "account_unreachable",
        ("billing", ABROAD): "account_unreachable",
        ("play", ABROAD): "region_unsupported",
    }
    created = [each["function"] for each in runs["shop", ABROAD]["outcomes"] if each["action"] == "created"]
    assert organization.arn(name, "shop", ABROAD) in created


def test_the_list_of_targets_lies_in_the_bucket(organization: Organization) -> None:
    """Accounts that are governed, with their regions and where they are; as many as the caller asked for."""
    asked = [organization.accounts[name] for name in ("shop", "retired", "audit")]
    answer, _ = organization.hub.invoke(
        {"action": "targets", "accounts": asked, "regions": [ABROAD, EXCLUDED, UNLISTED]},
        function=organization.hub.sweeper,
    )
    assert (answer["bucket"], answer["accounts"], answer["targets"]) == (
        organization.hub.outputs["ReportBucketName"],
        1,
        1,
    )
    body = organization.hub.account.client("s3").get_object(Bucket=answer["bucket"], Key=answer["key"])["Body"]
    path = f"{organization.id}/{organization.units['root']}/{organization.units['workloads']}/"
    assert json.loads(body.read()) == [
        {"account": organization.accounts["shop"], "regions": [ABROAD], "organization_path": path}
    ]


def test_dead_letters_of_a_member_set_off_the_hubs_alarm(organization: Organization) -> None:
    """Found by the member's next backfill; the log names the member."""
    sqs = organization.there("shop", ABROAD).client("sqs")
    (queue,) = sqs.list_queues()["QueueUrls"]
    sqs.send_message(QueueUrl=queue, MessageBody="an event that did not reach the hub")
    execution = organization.hub.execute({"accounts": [organization.accounts["shop"]]})
    sqs.purge_queue(QueueUrl=queue)
    assert execution["status"] == "SUCCEEDED"
    assert organization.alarm("member-dead-letters").is_breached()
    place = {"level": "WARNING", "account": organization.accounts["shop"], "region": ABROAD}
    records = organization.hub.account.records(organization.hub.sweeper)
    warned = [each["detail"] for each in records if place.items() <= each.items()]
    assert len([detail for detail in warned if detail.startswith("1 events wait")]) == 1


def test_an_account_is_swept_from_cursor_to_cursor(organization: Organization) -> None:
    """Without time, every invocation takes one function, region after region; the totals are those of all."""
    prefix = f"held-{uuid4().hex[:8]}"
    for number in range(2):
        for region in (HOME, ABROAD):
            organization.hold("play", region, name=f"{prefix}-{number}")
    before = organization.latest_call()
    execution = organization.hub.execute({"accounts": [organization.accounts["play"]], "time_budget_seconds": 0})
    assert execution["status"] == "SUCCEEDED"
    for number in range(2):
        assert set(organization.groups(f"{prefix}-{number}")) == {("play", HOME), ("play", ABROAD)}
    (report,) = organization.hub.reports(execution)
    assert [run["region"] for run in report["runs"]] == [HOME, ABROAD]
    for run in report["runs"]:
        assert sum(run["totals"]["counts"].values()) == run["totals"]["functions"] >= 2
    sweeps = [
        call
        for call in organization.calls_since(before)
        if call["operation"] == "Invoke" and organization.hub.sweeper in str(call["parameters"]["FunctionName"])
    ]
    assert len(sweeps) >= 1 + 4


def test_a_backfill_that_fails_for_good_is_redriven(organization: Organization) -> None:
    """One account's role may not list functions, until it may again."""
    name = organization.hold("shop")
    with organization.without("lambda:ListFunctions", account="shop"):
        execution = organization.hub.execute({"accounts": [organization.accounts["shop"]]})
        assert execution["status"] == "FAILED"
    redriven = organization.hub.redrive(execution)
    assert redriven["status"] == "SUCCEEDED"
    assert set(organization.groups(name)) == {("shop", HOME)}


# Least privilege


def provision(organization: Organization, name: str) -> Json:
    """Ask the hub for a function of the account `play` by its ARN, and return the outcome."""
    arn = organization.arn(name, "play")
    run, _ = organization.hub.invoke({"action": "provision", "functions": [arn]})
    (outcome,) = run["outcomes"]
    return dict(outcome)


def denied(outcome: Json, action: str) -> None:
    """The outcome says that the action is not allowed."""
    assert (outcome["action"], outcome["reason"]) == ("failed", "access_denied")
    assert action in outcome["detail"]


def fails_a_creation(organization: Organization, action: str) -> None:
    """The function cannot be read, or its group not be made."""
    name = organization.hold("play")
    with organization.without(action, account="play"):
        denied(provision(organization, name), action)


def fails_an_adoption(organization: Organization, action: str) -> None:
    """A group that the agent made first keeps lacking its tags, or its permission."""
    name = organization.hold("play")
    organization.there("play").profiler.create_profiling_group(
        profilingGroupName=f"aws-lambda-{name}", computePlatform="AWSLambda", clientToken="agent"
    )
    with organization.without(action, account="play"):
        denied(provision(organization, name), action)


def is_denied_without_a_letter(organization: Organization, name: str, action: str) -> None:
    """The event's outcome says that the action is not allowed; no member fills the hub's dead-letter queue so."""
    records = organization.hub.account.outcomes(organization.hub.function)
    denied([each for each in records if each["function"] == organization.arn(name, "play")][-1], action)
    assert organization.hub.letters() == []


def leaves_a_tag(organization: Organization, action: str) -> None:
    """A tag that the function loses stays on the group."""
    name = organization.create("play", Tags={"team": "billing"})
    with organization.without(action, account="play"):
        there = organization.there("play")
        there.awslambda.untag_resource(Resource=organization.arn(name, "play"), TagKeys=["team"])
        organization.sandbox.wait_until_idle()
    assert organization.groups(name)["play", HOME]["team"] == "billing"
    is_denied_without_a_letter(organization, name, action)


def leaves_the_group(organization: Organization, action: str) -> None:
    """A group outlives its function and the next backfill, though the override deletes."""
    name = organization.create("play")
    organization.there("play").awslambda.delete_function(FunctionName=name)
    with organization.without(action, account="play"):
        run, _ = organization.backfill("play")
    (outcome,) = (each for each in run["outcomes"] if each["function"] == organization.arn(name, "play"))
    denied(outcome, action)
    assert set(organization.groups(name)) == {("play", HOME)}


def cannot_sweep(organization: Organization, action: str) -> None:
    """A backfill ends in an error that names the action."""
    with organization.without(action, account="shop"):
        error, _ = organization.backfill("shop")
    assert error["errorType"] == "InventoryDeniedError"
    assert action in error["errorMessage"]


def reads_tags_one_by_one(organization: Organization, action: str) -> None:
    """A backfill has to ask for each function's tags."""
    organization.hold("shop", Tags={"team": "billing"})
    with organization.without(action, account="shop"):
        run, calls = organization.backfill("shop")
    assert run["complete"]
    assert "ListTags" in {call["operation"] for call in calls}


def does_not_know_the_groups(organization: Organization, action: str) -> None:
    """A backfill cannot tell how many there are."""
    with organization.without(action, account="shop"):
        run, _ = organization.backfill("shop")
    assert run["totals"]["groups"] is None


def assumes_a_quota(organization: Organization, action: str) -> None:
    """A backfill does not know that there may be more groups than usual."""
    organization.sandbox.set_quota(1234, account=organization.accounts["shop"], region=HOME)
    with organization.without(action, account="shop"):
        run, _ = organization.backfill("shop")
    assert run["totals"]["quota"] == 500


def does_not_know_the_dead_letters(organization: Organization, action: str) -> None:
    """A backfill cannot tell how many events did not reach the hub, and warns of that."""
    with organization.without(action, account="shop"):
        run, _ = organization.backfill("shop")
    assert run["complete"]
    records = organization.hub.account.records(organization.hub.sweeper)
    assert any(action in each["detail"] for each in records if each.get("level") == "WARNING")


MEMBERS_MISSED: dict[str, Callable[[Organization, str], None]] = {
    "lambda:GetFunctionConfiguration": fails_a_creation,
    "lambda:ListTags": fails_a_creation,
    "lambda:ListFunctions": cannot_sweep,
    "tag:GetResources": reads_tags_one_by_one,
    "codeguru-profiler:ListProfilingGroups": does_not_know_the_groups,
    "codeguru-profiler:CreateProfilingGroup": fails_a_creation,
    "codeguru-profiler:DescribeProfilingGroup": fails_an_adoption,
    "codeguru-profiler:ListTagsForResource": fails_an_adoption,
    "codeguru-profiler:TagResource": fails_an_adoption,
    "codeguru-profiler:UntagResource": leaves_a_tag,
    "codeguru-profiler:GetPolicy": fails_an_adoption,
    "codeguru-profiler:PutPermission": fails_an_adoption,
    "codeguru-profiler:DeleteProfilingGroup": leaves_the_group,
    "servicequotas:GetServiceQuota": assumes_a_quota,
    "sqs:GetQueueAttributes": does_not_know_the_dead_letters,
}
"""What a member's role allows, each with what is missed without it."""


def test_a_members_role_allows_just_what_is_listed_here(organization: Organization) -> None:
    """What any place's policy asks for, in every member alike."""
    for account in ("play", "governance", "management"):
        assert allowed(organization.there(account), ROLE).keys() == MEMBERS_MISSED.keys()


@pytest.mark.parametrize("action", MEMBERS_MISSED)
def test_an_action_that_is_taken_away_from_a_member_is_missed(organization: Organization, action: str) -> None:
    """So none is allowed in vain."""
    MEMBERS_MISSED[action](organization, action)


def test_nothing_is_missed_while_nothing_is_taken_away(organization: Organization) -> None:
    """The checks above would fail here."""
    organization.sandbox.set_quota(1234, account=organization.accounts["shop"], region=HOME)
    organization.backfill("shop")
    run, calls = organization.backfill("shop")
    assert run["totals"]["quota"] == 1234
    assert run["totals"]["groups"] is not None
    assert {call["operation"] for call in calls} & {"ListTags", "CreateProfilingGroup"} == set()


def cannot_list_targets(organization: Organization, action: str) -> None:
    """The backfill fails at its first step; the error names the action."""
    with organization.hub.without(action):
        error, _ = organization.hub.invoke({"action": "targets"}, function=organization.hub.sweeper)
    assert error["errorMessage"].startswith(f"access_denied: {action} on ")


def does_not_know_where_an_account_is(organization: Organization, action: str) -> None:
    """Nothing is done without knowing: an error, which a retry may help."""
    asked = {"action": "provision", "functions": [organization.arn(organization.hold("play"), "play")]}
    organization.start_afresh()
    with organization.hub.without(action):
        error, _ = organization.hub.invoke(asked)
    assert (error["errorType"], action in error["errorMessage"]) == ("InventoryError", True)


def reaches_nobody(organization: Organization, _action: str) -> None:
    """Every account is out of reach, the hub's own among them; no backfill starts."""
    organization.start_afresh()
    with organization.hub.without("sts:AssumeRole"):
        name = organization.create("governance")
        assert organization.outcomes(name, "governance") == [("skipped", "account_unreachable")]
        execution = organization.hub.execute({})
    assert (execution["status"], execution["error"]) == ("FAILED", "MembersUnreachableError")
    organization.start_afresh()
    assert organization.groups(name) == {}


HUBS_MISSED: dict[str, Callable[[Organization, str], None]] = {
    "sts:AssumeRole": reaches_nobody,
    "organizations:ListParents": does_not_know_where_an_account_is,
    "organizations:ListAccountsForParent": cannot_list_targets,
    "organizations:ListOrganizationalUnitsForParent": cannot_list_targets,
    "organizations:DescribeAccount": cannot_list_targets,
    "s3:PutObject": cannot_list_targets,
}
"""What the hub's role allows because it is one, each with what is missed without it."""


def test_the_hubs_role_allows_nothing_on_functions_and_groups(organization: Organization) -> None:
    """It is the members' roles that do, where its own account is one of them too; the rest is as in any deployment."""
    found = organization.hub.allowed()
    as_ever = {
        *("logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"),
        *("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
    }
    assert found.keys() == HUBS_MISSED.keys() | as_ever
    assert found["sts:AssumeRole"] == f"arn:aws:iam::*:role/{ROLE}"
    assert found["s3:PutObject"].endswith("/targets/*")


@pytest.mark.parametrize("action", HUBS_MISSED)
def test_an_action_that_is_taken_away_from_the_hub_is_missed(organization: Organization, action: str) -> None:
    """So none is allowed in vain."""
    HUBS_MISSED[action](organization, action)
