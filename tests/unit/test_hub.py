"""The entry point of a hub: events and requests about the accounts and regions of an organization."""

from __future__ import annotations

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from unittest.mock import Mock

import boto3
import pytest

from profiling_groups import cursors, handler, organization, places
from profiling_groups.cursors import AccountCursor, StaleCursorError
from profiling_groups.functions import UnreadableAnswerError
from profiling_groups.handler import ProvisioningError
from profiling_groups.inventory import InventoryError
from profiling_groups.outcomes import Action, Outcome
from profiling_groups.policy import Globs, Match, Organization, Override, Policy, Units
from profiling_groups.requested import MembersUnreachableError
from profiling_groups.requests import BackfillAccount, InvalidRequestError
from profiling_groups.runs import Run, Tally, Totals
from tests.records import envelope, record
from tests.unit.account import ACCOUNT, REGION
from tests.unit.invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from profiling_groups.functions import Place
    from profiling_groups.requests import Backfill
    from tests.records import Json
    from tests.unit.invocation import Traces
    from tests.unit.organization import World

US = "us-east-1"
SCP = "not authorized to perform: it with an explicit deny in a service control policy"


@pytest.fixture
def hub(organization: World, obey: Callable[[Policy], None], monkeypatch: pytest.MonkeyPatch) -> World:
    """The function finds itself the hub of an organization, under the policy that ships."""
    told = organization.hub(regions=(REGION, US))
    for name, value in {
        "AWS_REGION": REGION,
        "MEMBER_ROLE_NAME": told.role_name,
        "MEMBER_QUEUE_NAME": told.member_queue,
        "ORGANIZATION_ID": told.organization,
        "ORGANIZATION_OUS": ",".join(told.ous),
        "ORGANIZATION_ACCOUNTS": "",
        "ORGANIZATION_REGIONS": ",".join(told.regions),
        "REPORT_BUCKET": "reports",
    }.items():
        monkeypatch.setenv(name, value)
    obey(Policy())
    return organization


def creation(name: str, account: str, region: str = REGION, **changes: object) -> Json:
    """Return the event of a creation in an account and region."""
    text = json.dumps(envelope(record("create-function")))
    event: Json = json.loads(text.replace("444455556666", account).replace("eu-west-1", region))
    text = json.dumps(event["detail"]).replace("invoice-renderer", name)
    return event | {"detail": json.loads(text) | changes}


def test_one_event_makes_one_group_in_its_own_place(hub: World) -> None:
    """Functions of the same name elsewhere are none of its business."""
    first, second = hub.account(), hub.account()
    for account in (first, second):
        for region in (REGION, US):
            hub.function("same", account=account, region=region)
    outcome = handler.handler(creation("same", second, US), Context())
    assert (outcome["action"], outcome["account"], outcome["region"]) == ("created", second, US)
    assert hub.groups() == {(second, US, "aws-lambda-same")}


def test_the_hubs_own_account_is_a_member_like_any_other(hub: World) -> None:
    """It is reached by its role, too."""
    hub.function("own", account=ACCOUNT)
    assert handler.handler(creation("own", ACCOUNT), Context())["action"] == "created"
    assert hub.sent[f"AssumeRole {ACCOUNT}"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"recipientAccountId": "111122223333"},
        {"awsRegion": "us-west-2"},
        {"responseElements": {"functionArn": "arn:aws:lambda:eu-west-1:111122223333:function:same"}},
        {"responseElements": None, "requestParameters": {"functionName": "111122223333:function:same"}},
    ],
    ids=repr,
)
def test_a_record_about_another_place_than_its_events_is_refused_and_told(
    changes: Json, hub: World, traces: Traces
) -> None:
    """Nothing is done, nothing raised, so that nobody can fill the dead-letter queue; one record for those on watch."""
    account = hub.account()
    hub.function("same", account=account)
    outcome = handler.handler(creation("same", account, **changes), Context())
    assert (outcome["action"], outcome["reason"], outcome["function"]) == ("failed", "invalid", None)
    assert (hub.sent, hub.groups()) == (Counter(), set())
    (suspicious,) = traces.records("security")
    assert (suspicious["account"], suspicious["region"]) == (account, REGION)


def test_an_account_that_cannot_be_reached_is_no_failure(hub: World, traces: Traces) -> None:
    """Whoever tried again would fare no better; it is told once, and counted each time."""
    account = hub.account()
    hub.deny(f"AssumeRole {account}", code="AccessDenied")
    outcomes = [handler.handler(creation(name, account), Context()) for name in ("a", "b")]
    assert {(each["action"], each["reason"]) for each in outcomes} == {("skipped", "account_unreachable")}
    assert hub.sent == {f"AssumeRole {account}": 1}
    assert len([each for each in traces.records() if each["level"] == "WARNING"]) == 1


def test_trouble_on_the_way_to_an_account_is_one(hub: World) -> None:
    """It passes, and then the event is worked on."""
    account = hub.account()
    hub.deny(f"AssumeRole {account}", code="Throttling")
    with pytest.raises(ProvisioningError, match="throttled: sts:AssumeRole"):
        handler.handler(creation("a", account), Context())


@pytest.mark.parametrize(
    ("denied", "code", "message", "reason"),
    [
        ("GetFunctionConfiguration", "AccessDeniedException", SCP, "region_unsupported"),
        ("GetFunctionConfiguration", "UnrecognizedClientException", "The token is invalid.", "region_unsupported"),
        ("GetFunctionConfiguration", "AccessDeniedException", "not authorized to perform: it", "access_denied"),
        # One creation may be forbidden, as by a tag that is wanted; where the service is, to look is forbidden too.
        ("CreateProfilingGroup", "AccessDeniedException", SCP, "access_denied"),
        ("CreateProfilingGroup DescribeProfilingGroup", "AccessDeniedException", SCP, "region_unsupported"),
    ],
)
def test_a_region_that_is_disabled_or_forbidden_is_no_failure(
    denied: str, code: str, message: str, reason: str, hub: World
) -> None:
    """What the member's role lacks is one, and nothing is raised."""
    account = hub.account()
    hub.function("a", account=account)
    for operation in denied.split():
        hub.deny(f"{REGION} {operation}", code=code, message=message)
    outcome = handler.handler(creation("a", account), Context())
    action = "failed" if reason == "access_denied" else "skipped"
    assert (outcome["action"], outcome["reason"]) == (action, reason)


def test_a_region_that_is_not_governed_is_not_a_trigger(hub: World, traces: Traces) -> None:
    """Whatever the policy says about it; no call is made."""
    account = hub.account()
    event = creation("a", account, "ap-southeast-2", recipientAccountId="111122223333")
    outcome = handler.handler(event, Context())
    assert (outcome["action"], outcome["reason"], outcome["region"]) == ("skipped", "not_a_trigger", "ap-southeast-2")
    assert hub.sent == Counter()
    assert traces.records("security") == []


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [("AccessDeniedException", 403, "access_denied"), ("ValidationException", 400, "invalid")],
)
def test_a_failure_that_lies_with_a_member_is_not_raised(
    code: str, status: int, reason: str, hub: World, traces: Traces
) -> None:
    """It is recorded and counted; raised, it would come to the hub's dead-letter queue. The hub's own is raised."""
    account = hub.account()
    for each in (account, ACCOUNT):
        hub.function("a", account=each)
    hub.deny(f"{REGION} CreateProfilingGroup", code=code, status=status)
    outcome = handler.handler(creation("a", account), Context())
    assert (outcome["action"], outcome["reason"]) == ("failed", reason)
    assert traces.metrics()[f"failed.{reason}"] == [1.0]
    with pytest.raises(ProvisioningError, match=reason):
        handler.handler(creation("a", ACCOUNT), Context())
    assert [each["reason"] for each in traces.records("outcome")] == [reason] * 2


def test_a_members_event_is_raised_if_the_hub_may_not_ask_where_it_is(
    hub: World, obey: Callable[[Policy], None]
) -> None:
    """That lies with the hub's own role; once it is put right, the event is of use again."""
    account = hub.account()
    obey(Policy(organization=Organization(ous=Units(exclude=("ou-none-11111111",)))))
    hub.deny("ListParents")
    with pytest.raises(ProvisioningError, match="access_denied: organizations:ListParents"):
        handler.handler(creation("a", account), Context())


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"detail": {}, "account": "1", "region": REGION, "detail-type": "AWS API Call via CloudTrail"},
        creation("a", "111122223333", requestParameters=None, responseElements=None),
    ],
    ids=["no event", "no account", "no function"],
)
def test_an_event_that_is_invalid_is_not_raised(event: Json, hub: World, traces: Traces) -> None:
    """No retry helps, and any member can have one made."""
    outcome = handler.handler(event, Context())
    assert (outcome["action"], outcome["reason"], hub.sent) == ("failed", "invalid", {})
    assert traces.metrics()["failed.invalid"] == [1.0]


def test_a_callers_copy_of_a_cross_account_call_is_left_to_the_owners(hub: World, traces: Traces) -> None:
    """Each of two members has a record of the call; the owner's copy makes the group."""
    caller, owner = hub.account(), hub.account()
    hub.function("theirs", account=owner)
    shared = {
        "sharedEventID": "5b7bd4a0-ee2d-4c4e-9b5a-6f5a2d3c1a01",
        "responseElements": None,
        "requestParameters": {"functionName": f"arn:aws:lambda:{REGION}:{owner}:function:theirs"},
    }
    copies = [creation("theirs", account) for account in (caller, owner)]
    outcomes = [handler.handler(copy | {"detail": copy["detail"] | shared}, Context()) for copy in copies]
    assert [(each["action"], each["reason"]) for each in outcomes] == [("skipped", "not_a_trigger"), ("created", None)]
    assert traces.records("security") == []


def test_what_governs_follows_from_where_the_account_is(hub: World, obey: Callable[[Policy], None]) -> None:
    """The organization is asked once for each account, and only where the policy speaks of units."""
    prod, sandbox, spared = (hub.unit(name) for name in ("prod", "sandbox", "spared"))
    accounts = {unit: hub.account(unit=unit) for unit in (prod, sandbox, spared)}
    for account in accounts.values():
        hub.function("a", account=account)
    obey(
        Policy(
            organization=Organization(ous=Units(exclude=(spared,))),
            overrides=(Override(match=Match(ous=(sandbox,)), changes={"tags": {"add": {"stage": "sandbox"}}}),),
        )
    )
    seen = {unit: handler.handler(creation("a", account), Context()) for unit, account in accounts.items()}
    assert [seen[unit]["action"] for unit in (prod, sandbox, spared)] == ["created", "created", "skipped"]
    assert (seen[spared]["reason"], "organization.ous.exclude" in seen[spared]["detail"]) == (
        "excluded_by_policy",
        True,
    )
    asked = hub.sent["ListParents"]
    handler.handler(creation("a", accounts[prod]), Context())
    assert hub.sent["ListParents"] == asked == 6


@pytest.mark.usefixtures("hub")
def test_an_account_that_has_left_the_organization_is_unreachable(obey: Callable[[Policy], None]) -> None:
    """Where it is cannot be told any more; nor is there a reason to try again."""
    obey(Policy(organization=Organization(ous=Units(exclude=("ou-none-11111111",)))))
    outcome = handler.handler(creation("a", "999999999999"), Context())
    assert (outcome["action"], outcome["reason"]) == ("skipped", "account_unreachable")


# Requests


def backfill(account: str, **more: object) -> Json:
    """Ask for an account with two regions."""
    asked = {"action": "backfill", "account": account, "regions": [REGION, US], **more}
    return handler.handler(asked, Context())


def test_an_account_is_swept_region_by_region_by_one_role(hub: World, traces: Traces) -> None:
    """One run for each region, one assumed role for all."""
    account = hub.account()
    names = {REGION: ["a", "b"], US: ["c"]}
    for region, found in names.items():
        for name in found:
            hub.function(name, account=account, region=region)
    path = f"{hub.id}/{hub.root}/"
    answer = backfill(account, organization_path=path)
    assert json.loads(json.dumps(answer)) == json.loads(json.dumps(answer | {"complete": True, "cursor": None}))
    assert {key: answer[key] for key in ("action", "account", "organization_path", "dry_run")} == {
        "action": "backfill",
        "account": account,
        "organization_path": path,
        "dry_run": False,
    }
    assert [(run["region"], run["counts"], run["complete"]) for run in answer["runs"]] == [
        (REGION, {"created": 2}, True),
        (US, {"created": 1}, True),
    ]
    assert hub.groups() == {(account, region, f"aws-lambda-{each}") for region in names for each in names[region]}
    assert hub.sent[f"AssumeRole {account}"] == 1
    metrics = traces.metrics()
    assert (metrics["created"], metrics["backfill.functions"]) == ([2.0, 1.0], [2.0, 1.0])


def warnings(traces: Traces) -> list[tuple[str, str, str]]:
    """Return what the log warns of: account, region and detail."""
    return [
        (each["account"], each["region"], each["detail"]) for each in traces.records() if each["level"] == "WARNING"
    ]


def test_a_complete_backfill_counts_the_members_dead_letters(hub: World, traces: Traces) -> None:
    """By one call for each account and region, the hub's own among them; the log says where some wait."""
    account = hub.account()
    hub.dead_letter(account=account, region=REGION, messages=0)
    hub.dead_letter(account=account, region=US, messages=3)
    hub.dead_letter(account=ACCOUNT, messages=2)
    backfill(account)
    assert traces.metrics()["backfill.member_dead_letters"] == [0.0, 3.0]
    assert hub.sent["GetQueueAttributes"] == 2
    ((where, region, detail),) = warnings(traces)
    assert (where, region, detail.split()[:2]) == (account, US, ["3", "events"])
    handler.handler({"action": "backfill"}, Context())
    assert traces.metrics()["backfill.member_dead_letters"] == [2.0]


def test_dead_letters_are_counted_once_all_is_done(hub: World, traces: Traces) -> None:
    """Not in each of a backfill's invocations, and not in a dry run."""
    account = hub.account()
    hub.dead_letter(account=account)
    for name in ("a", "b"):
        hub.function(name, account=account)
    asked = {"action": "backfill", "account": account, "region": REGION}
    handler.handler(asked | {"dry_run": True}, Context())
    assert traces.capsys.readouterr().out == ""
    run = handler.handler(asked | {"time_budget_seconds": 0}, Context())
    assert (run["complete"], hub.sent["GetQueueAttributes"]) == (False, 0)
    assert "backfill.member_dead_letters" not in traces.metrics()
    handler.handler(asked | {"cursor": run["cursor"]}, Context())
    assert (traces.metrics()["backfill.member_dead_letters"], hub.sent["GetQueueAttributes"]) == ([1.0], 1)


@pytest.mark.parametrize("obstacle", ["denied", "no such queue"])
def test_dead_letters_that_cannot_be_counted_are_a_warning(obstacle: str, hub: World, traces: Traces) -> None:
    """The backfill is complete all the same, and no number is made up."""
    account = hub.account()
    hub.function("a", account=account)
    if obstacle == "denied":
        hub.dead_letter(account=account)
        hub.deny(f"{REGION} GetQueueAttributes")
    run = handler.handler({"action": "backfill", "account": account, "region": REGION}, Context())
    assert (run["complete"], run["counts"]) == (True, {"created": 1})
    ((where, region, detail),) = warnings(traces)
    assert (where, region, "could not be read" in detail) == (account, REGION, True)
    assert "sqs:GetQueueAttributes" in detail
    assert "backfill.member_dead_letters" not in traces.metrics()


def test_an_account_goes_on_from_its_cursor(hub: World) -> None:
    """Function by function, over the regions; what is done is done, and told in every answer."""
    account = hub.account()
    for region in (REGION, US):
        for name in ("a", "b"):
            hub.function(name, account=account, region=region)
    answers = [backfill(account, time_budget_seconds=0)]
    while answers[-1]["cursor"]:
        assert len(answers) < 10
        assert len(answers[-1]["cursor"]) < 5_000
        answers.append(backfill(account, time_budget_seconds=0, cursor=answers[-1]["cursor"]))
    assert [each["complete"] for each in answers] == [False, False, False, True]
    assert [(run["region"], run["complete"], run["totals"]["counts"]) for run in answers[-1]["runs"]] == [
        (REGION, True, {"created": 2}),
        (US, True, {"created": 2}),
    ]
    assert [(len(run["outcomes"]), run["truncated"]) for run in answers[-1]["runs"]] == [(0, True), (1, False)]
    assert len(hub.groups()) == 4


def test_why_nothing_can_be_done_is_told_to_the_end(hub: World) -> None:
    """However little room there is for outcomes, and in however many parts; the report names it by that."""
    account = hub.account()
    hub.deny(f"AssumeRole {account}", code="AccessDenied", message="no")
    answer = backfill(account, time_budget_seconds=0, max_outcomes=0)
    assert (answer["complete"], len(answer["runs"])) == (False, 1)
    answer = backfill(account, time_budget_seconds=0, max_outcomes=0, cursor=answer["cursor"])
    told = [(outcome["reason"], run["truncated"]) for run in answer["runs"] for outcome in run["outcomes"]]
    assert told == [("account_unreachable", False)] * 2


def test_whoever_asks_for_an_account_again_has_it_tried_again(hub: World) -> None:
    """The role may have been put right since; a sweep that goes on from a cursor need not find out."""
    account = hub.account()
    hub.deny(f"AssumeRole {account}", code="AccessDenied", message="no")
    answer = backfill(account, time_budget_seconds=0)
    backfill(account, time_budget_seconds=0, cursor=answer["cursor"])
    assert hub.sent[f"AssumeRole {account}"] == 1
    hub.recover()
    assert [run["counts"] for run in backfill(account)["runs"]] == [{}, {}]


@pytest.mark.parametrize(
    ("denied", "error", "reasons"),
    [
        ("AssumeRole {}", ("AccessDenied", "no"), ["account_unreachable"] * 2),
        (f"{US} ListFunctions", ("AccessDeniedException", SCP), [None, "region_unsupported"]),
        (f"{US} ListProfilingGroups", ("AccessDeniedException", SCP), [None, "region_unsupported"]),
        (f"{US} ListFunctions", ("UnrecognizedClientException", "no"), [None, "region_unsupported"]),
        # There is another way to the tags.
        (f"{US} GetResources", ("AccessDeniedException", SCP), [None, None]),
    ],
)
def test_a_place_in_which_nothing_can_be_done_is_complete(
    denied: str, error: tuple[str, str], reasons: list[str | None], hub: World, traces: Traces
) -> None:
    """With one outcome that says so; it has no coverage, and the others have theirs."""
    account = hub.account()
    for region in (REGION, US):
        hub.function("a", account=account, region=region)
    hub.deny(denied.format(account), code=error[0], message=error[1])
    answer = backfill(account)
    assert answer["complete"]
    for run, reason in zip(answer["runs"], reasons, strict=True):
        outcomes = [(each["action"], each["reason"], each["function"]) for each in run["outcomes"]]
        if reason is None:
            assert run["counts"] == {"created": 1}
        else:
            assert outcomes == [("skipped", reason, None)]
            assert (run["counts"], run["totals"]["functions"], run["totals"]["sweep"]) == ({"skipped": 1}, 0, None)
    assert traces.metrics().get("backfill.functions", []) == [1.0] * reasons.count(None)


def test_a_place_that_is_not_governed_is_complete(hub: World, obey: Callable[[Policy], None]) -> None:
    """By whatever way it came to be asked for."""
    account = hub.account()
    obey(Policy(organization=Organization(regions=Globs(exclude=("us-*",)), accounts=Globs(exclude=(ACCOUNT,)))))
    assert [run["outcomes"] and run["outcomes"][0]["reason"] for run in backfill(account)["runs"]] == [
        [],
        "excluded_by_policy",
    ]
    (outcome,) = handler.handler({"action": "backfill"}, Context())["outcomes"]
    assert outcome["detail"].endswith("(organization.accounts.exclude)")


def test_one_place_may_be_asked_for_as_well(hub: World) -> None:
    """In the words of any deployment; without them it is the hub's own."""
    account = hub.account()
    hub.function("a", account=account, region=US)
    run = handler.handler({"action": "backfill", "account": account, "region": US}, Context())
    assert (run["account"], run["region"], run["counts"]) == (account, US, {"created": 1})
    assert handler.handler({"action": "backfill"}, Context())["account"] == ACCOUNT


def test_named_functions_may_be_anywhere(hub: World) -> None:
    """Each is given what its own place's policy says, as its own account's role."""
    first, second = hub.account(), hub.account()
    arns = [hub.function("a", account=first), hub.function("a", account=second, region=US)]
    hub.function("a", account=ACCOUNT)
    run = handler.handler({"action": "provision", "functions": [*map(str, arns), "a"]}, Context())
    assert run["counts"] == {"created": 3}
    assert hub.groups() == {
        (account, region, "aws-lambda-a") for account, region in ((first, REGION), (second, US), (ACCOUNT, REGION))
    }


@pytest.mark.parametrize(
    ("code", "name"),
    [("AccessDeniedException", "InventoryDeniedError"), ("TooManyRequestsException", "InventoryError")],
)
def test_targets_that_cannot_be_listed_are_an_error(code: str, name: str, hub: World) -> None:
    """One that is documented; the state machine goes by its name."""
    hub.deny("ListAccountsForParent", code=code)
    with pytest.raises(InventoryError, match="organizations:ListAccountsForParent on o-") as error:
        handler.handler({"action": "targets"}, Context())
    assert error.typename == name


@pytest.fixture
def narrow(hub: World, obey: Callable[[Policy], None], monkeypatch: pytest.MonkeyPatch) -> World:
    """The hub governs a unit, one of its accounts below it, and one account besides; the policy asks for no path."""
    outer = hub.unit("outer")
    monkeypatch.setenv("ORGANIZATION_OUS", outer)
    monkeypatch.setenv("ORGANIZATION_ACCOUNTS", hub.account(unit=hub.unit("besides")))
    obey(Policy())
    return hub


def governed_unit() -> str:
    """Return the unit that the hub governs."""
    return os.environ["ORGANIZATION_OUS"]


def requests_about(account: str, region: str) -> dict[str, Json]:
    """Return each request that can be made about an account and region, by the key that would be at fault."""
    arn = f"arn:aws:lambda:{region}:{account}:function:f"
    return {
        "functions": {"action": "provision", "functions": ["own", arn]},
        "region": {"action": "backfill", "account": account, "region": region},
        "regions": {"action": "backfill", "account": account, "regions": [US, region]},
    }


def test_requests_about_governed_accounts_are_answered(narrow: World) -> None:
    """The hub's own, those of the setting `accounts`, and those in the units or below them."""
    unit = governed_unit()
    accounts = [ACCOUNT, os.environ["ORGANIZATION_ACCOUNTS"], narrow.account(unit=unit)]
    accounts.append(narrow.account(unit=narrow.unit("inner", parent=unit)))
    for account in accounts:
        for request in requests_about(account, REGION).values():
            handler.handler(request | {"dry_run": True}, Context())


@pytest.mark.parametrize("key", ["functions", "region", "regions"])
def test_requests_about_accounts_outside_are_refused(key: str, narrow: World) -> None:
    """Those of other units, those right under the root, and those of no organization; nothing is done for others."""
    narrow.function("own", account=ACCOUNT)
    outside = [narrow.account(unit=narrow.unit("other")), narrow.account(), "999999999999"]
    for account in outside:
        named = "functions" if key == "functions" else "account"
        with pytest.raises(InvalidRequestError, match=f"'{named}' names {account}"):
            handler.handler(requests_about(account, REGION)[key], Context())
    assert set(narrow.sent) == {"ListParents"}
    assert narrow.groups() == set()


@pytest.mark.parametrize("key", ["functions", "region", "regions"])
def test_requests_about_regions_outside_are_refused(key: str, narrow: World) -> None:
    """Of the hub's own account, too; no call is made."""
    for account in (ACCOUNT, narrow.account()):
        with pytest.raises(InvalidRequestError, match=f"'{key}' names eu-central-1, .* eu-west-1, us-east-1"):
            handler.handler(requests_about(account, "eu-central-1")[key], Context())
    assert narrow.sent == {}


def test_a_path_in_the_request_is_believed(narrow: World) -> None:
    """The state machine has it from the list of targets: a call for each account would be too many."""
    account = narrow.account()
    path = f"{narrow.id}/{narrow.root}/{governed_unit()}/"
    assert backfill(account, organization_path=path)["complete"]
    assert narrow.sent["ListParents"] == 0
    for foreign in (f"{narrow.id}/{narrow.root}/", path.replace(narrow.id, "o-zzzzzzzzzz")):
        with pytest.raises(InvalidRequestError, match=f"'account' names {account}"):
            backfill(account, organization_path=foreign)


@pytest.mark.parametrize("key", ["functions", "region", "regions"])
def test_organizations_out_of_reach_is_a_failure_and_no_refusal(key: str, narrow: World) -> None:
    """The state machine retries it; nothing is written until it is known."""
    narrow.function("own", account=ACCOUNT)
    account = narrow.account(unit=governed_unit())
    narrow.deny("ListParents")
    with pytest.raises(InventoryError, match="access_denied: organizations:ListParents"):
        handler.handler(requests_about(account, REGION)[key], Context())
    assert narrow.groups() == set()
    narrow.recover()
    handler.handler(requests_about(account, REGION)[key], Context())


def test_an_answer_of_organizations_that_makes_no_sense_is_a_failure(
    narrow: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells nothing about the account."""
    account = narrow.account(unit=governed_unit())
    monkeypatch.setattr(organization, "path", Mock(side_effect=UnreadableAnswerError("no parent")))
    with pytest.raises(InventoryError, match="no parent"):
        backfill(account)


def test_targets_are_laid_down_in_the_report_bucket(hub: World) -> None:
    """For the state machine, which reads them from there."""
    storage = boto3.client("s3", region_name=REGION)
    storage.create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    account = hub.account()
    answer = handler.handler({"action": "targets", "accounts": [account], "regions": [US]}, Context())
    assert {key: answer[key] for key in ("bucket", "accounts", "targets")} == {
        "bucket": "reports",
        "accounts": 1,
        "targets": 1,
    }
    laid_down = json.loads(storage.get_object(Bucket="reports", Key=answer["key"])["Body"].read())
    path = f"{hub.id}/{hub.root}/"
    assert laid_down == [{"account": account, "regions": [US], "organization_path": path}]


@pytest.fixture
def bucket(hub: World) -> World:
    """The hub, with its report bucket."""
    storage = boto3.client("s3", region_name=REGION)
    storage.create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return hub


def roles_tried(world: World) -> list[str]:
    """Return the accounts whose role was tried, in order."""
    return [what.removeprefix("AssumeRole ") for what in world.sent if what.startswith("AssumeRole")]


def test_a_role_that_every_member_refuses_is_the_hubs_failure(bucket: World) -> None:
    """Five of them are tried, all over the list; then nothing is listed, and the error says why."""
    accounts = [ACCOUNT, *(bucket.account() for _ in range(11))]
    for account in accounts:
        bucket.deny(f"AssumeRole {account}", code="AccessDenied")
    with pytest.raises(MembersUnreachableError) as caught:
        handler.handler({"action": "targets"}, Context())
    tried = roles_tried(bucket)
    listed = [each["Id"] for each in boto3.client("organizations", region_name=REGION).list_accounts()["Accounts"]]
    assert [listed.index(account) for account in tried] == [0, 2, 4, 7, 9]
    assert all(account in str(caught.value) for account in tried)
    assert bucket.sent["PutObject"] == 0
    bucket.recover()
    assert handler.handler({"action": "targets"}, Context())["accounts"] == len(accounts)


def test_one_member_that_lets_the_hub_in_is_enough(bucket: World) -> None:
    """The others are their own owners' business; the search ends with the first one."""
    accounts = [ACCOUNT, *(bucket.account() for _ in range(3))]
    for account in accounts[:2]:
        bucket.deny(f"AssumeRole {account}", code="AccessDenied")
    assert handler.handler({"action": "targets"}, Context())["accounts"] == len(accounts)
    assert roles_tried(bucket) == accounts[:3]


def test_trouble_with_sts_is_no_refusal(bucket: World) -> None:
    """Each account's backfill meets it again, and is retried."""
    bucket.deny(f"AssumeRole {ACCOUNT}", code="Throttling")
    assert handler.handler({"action": "targets"}, Context())["accounts"] == 1


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"action": "backfill", "regions": [REGION]}, "'account' is None, not an account id"),
        ({"action": "backfill", "account": ACCOUNT, "regions": []}, "'regions' is [], not a list of regions"),
        ({"action": "backfill", "account": ACCOUNT, "regions": ["here"]}, "'regions[0]' is 'here'"),
        ({"action": "backfill", "account": "1", "region": REGION}, "'account' is '1', not an account id"),
        (
            {"action": "backfill", "account": ACCOUNT, "regions": [REGION], "organization_path": "ou-1"},
            "'organization_path' is 'ou-1'",
        ),
        ({"action": "backfill", "account": ACCOUNT, "regions": [REGION], "cursor": "x"}, "'cursor' is none that"),
        ({"action": "targets", "account": ACCOUNT}, "'account' is unknown; did you mean 'accounts'?"),
        ({"action": "targets", "accounts": ["1"]}, "'accounts[0]' is '1'"),
    ],
    ids=repr,
)
def test_what_a_hub_refuses_names_its_key(payload: Json, message: str, hub: World) -> None:
    """And nothing is called."""
    with pytest.raises(InvalidRequestError) as caught:
        handler.handler(payload, Context())
    assert message in str(caught.value)
    assert hub.sent == {}


def test_without_an_organization_there_are_no_others(obey: Callable[[Policy], None]) -> None:
    """The same requests are refused by a deployment for its own account."""
    obey(Policy())
    for payload in ({"action": "targets"}, {"action": "backfill", "account": ACCOUNT, "regions": [REGION]}):
        with pytest.raises(InvalidRequestError):
            handler.handler(payload, Context())


# Sweeps of an account, as far as they are arithmetic


NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def swept(request: Backfill, place: Place, *, outcomes: int = 3) -> Run:
    """Return a run with so many outcomes, as many as are asked for at the most."""
    skipped = Outcome(function="f", action=Action.SKIPPED, account=place.account, region=place.region)
    kept = (skipped,) * min(outcomes, request.max_outcomes)
    tally = Tally(counts=Counter({Action.SKIPPED: outcomes}))
    totals = Totals(
        sweep="s", began=NOW, functions=outcomes, eligible=0, covered=0, counts=tally.counts, groups=0, quota=1
    )
    return Run(
        action="backfill",
        place=place,
        dry_run=request.dry_run,
        complete=True,
        cursor=None,
        counts=tally.counts,
        outcomes=kept,
        truncated=len(kept) < outcomes,
        totals=totals,
    )


def test_all_regions_share_the_room_for_outcomes() -> None:
    """So that the answer of an account is no longer than that of a place."""
    request = BackfillAccount(account=ACCOUNT, regions=(REGION, US, "us-west-2"), max_outcomes=5)
    done = places.sweep_account(request, sweep=swept, now=NOW, stop=lambda: False)
    assert [(len(run["outcomes"]), run["truncated"]) for run in done.runs] == [(3, False), (2, True), (0, True)]


def test_an_accounts_cursor_is_good_for_it_alone() -> None:
    """And for a day."""
    cursor = AccountCursor(account=ACCOUNT, regions=(REGION, US), dry_run=False, began=NOW, within="w")
    same = {"account": ACCOUNT, "regions": (REGION, US), "dry_run": False, "now": NOW + timedelta(hours=24)}
    assert cursors.read_account(str(cursor), **same) == cursor  # type: ignore[arg-type]  # of mixed types
    for change in ({"account": "1"}, {"regions": (US, REGION)}, {"dry_run": True}):
        with pytest.raises(InvalidRequestError):
            cursors.read_account(str(cursor), **(same | change))  # type: ignore[arg-type]  # of mixed types
    with pytest.raises(StaleCursorError):
        cursors.read_account(str(cursor), **(same | {"now": NOW + timedelta(hours=25)}))  # type: ignore[arg-type]  # of mixed types
    for garbled in (str(cursor)[:-1], "", "x" * 50, str(cursor).swapcase()):
        with pytest.raises(InvalidRequestError):
            cursors.read_account(garbled, **same)  # type: ignore[arg-type]  # of mixed types
