"""Wrong answers of AWS, for every call that an event or a backfill makes; what must hold whatever comes back."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from embedded_aws.moto_services.codeguruprofiler.models import codeguruprofiler_backends
from profiling_groups import handler
from profiling_groups.handler import ProvisioningError
from profiling_groups.inventory import InventoryError
from profiling_groups.outcomes import REASONS, Action
from profiling_groups.policy import GroupSettings, Lifecycle, Policy, WhenDeleted
from tests.fuzz.spoiling import SPOILS, Wire
from tests.records import envelope, record
from tests.unit.account import ACCOUNT, REGION
from tests.unit.invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.records import Json
    from tests.unit.account import Account
    from tests.unit.sweeping import Sweeper

OPERATIONS = (
    *("GetFunctionConfiguration", "ListTags", "ListFunctions", "GetResources", "GetServiceQuota"),
    *("CreateProfilingGroup", "DescribeProfilingGroup", "ListProfilingGroups", "ListTagsForResource"),
    *("TagResource", "UntagResource", "DeleteProfilingGroup", "GetPolicy", "PutPermission"),
)
POLICY = Policy(
    group=GroupSettings(grant_agent=True),
    lifecycle=Lifecycle(when_function_is_deleted=WhenDeleted.DELETE, orphan_grace_days=0),
)


def function_arn(name: str) -> str:
    """Return the ARN of a function of the account."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def created_for(name: str) -> dict[str, str]:
    """Return the mark of a group that was created for a function."""
    return {"profiling-group-provisioner:created-for": function_arn(name)}


NEEDED = ("aws-lambda-living", "aws-lambda-drifted", "theirs", "aws-lambda-foreign", "aws-lambda-named")


@pytest.fixture
def inhabited(account: Account) -> Account:
    """An account with a group of every kind, and functions that need, lack and refuse one."""
    account.function("new", tags={"team": "a"})
    account.function("living", tags={"team": "a"})
    account.make_group("aws-lambda-living", tags={**created_for("living"), "team": "a"})
    account.function("drifted", tags={"team": "a"})
    account.make_group("aws-lambda-drifted", tags={**created_for("drifted"), "team": "old"})
    account.function("foreign", tags={"team": "a"})
    account.make_group("aws-lambda-foreign", tags={"team": "infra"})
    account.function("untagged")
    account.make_group("aws-lambda-untagged", tags={})
    account.function("refusing", tags={"codeguru-profiler": "off"})
    account.function("user", variables={"AWS_CODEGURU_PROFILER_GROUP_NAME": "aws-lambda-named"})
    account.make_group("aws-lambda-named", tags=created_for("named"))
    account.make_group("theirs", tags={"team": "infra"})
    account.make_group("aws-lambda-gone", tags=created_for("gone"))
    account.sent.clear()
    return account


def check(account: Account, wire: Wire, outcomes: list[dict[str, Any]]) -> None:
    """Hold what was answered to what became of the account."""
    groups = {name: account.group(name)["tags"] for name in account.groups()}
    assert set(NEEDED) <= groups.keys(), "a group that is needed, or another's, was deleted"
    assert groups["theirs"] == groups["aws-lambda-foreign"] == {"team": "infra"}, "another's group was written to"
    assert "aws-lambda-refusing" not in groups, "an opted-out function got a group"
    assert wire.regions <= {REGION}
    for each in outcomes:
        action, reason = Action(each["action"]), each["reason"]
        assert reason is None or reason in REASONS[action]
        if action is Action.CREATED:
            assert each["group"] in groups, "a creation is claimed that did not happen"
        if action is Action.DELETED:
            assert each["group"] not in groups, "a deletion is claimed that did not happen"
        if action is Action.UPDATED:
            assert groups[each["group"]].get("team", "a") == "a", "an update is claimed that did not happen"
    json.dumps(outcomes, allow_nan=False, ensure_ascii=False).encode()


def creation(name: str) -> Json:
    """Return the event of a function's creation."""
    detail = record("create-function") | {"recipientAccountId": ACCOUNT, "awsRegion": REGION, "responseElements": None}
    detail["requestParameters"]["functionName"] = name
    return envelope(detail) | {"account": ACCOUNT, "region": REGION}


def invoke(account: Account, wire: Wire, event: Json) -> None:
    """Invoke the handler with wrong answers, check what must hold, and put the groups back."""
    backend = codeguruprofiler_backends[ACCOUNT][REGION]
    before = dict(backend._groups)  # noqa: SLF001 - the groups are values; nothing else puts them back as quickly
    account.answer_by(wire.answer)
    try:
        answer = handler.handler(event, Context())
    except (ProvisioningError, InventoryError):
        answer = {"outcomes": []}
    account.recover()
    check(account, wire, answer.get("outcomes", [answer]))
    backend._groups.clear()  # noqa: SLF001 - as above
    backend._groups.update(before)  # noqa: SLF001 - as above


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("way", ["events", "backfill"])
def test_wrong_answers_lose_nothing_and_claim_nothing(
    inhabited: Account, sweeper: Sweeper, obey: Callable[[Policy], None], way: str, operation: str
) -> None:
    """Only documented errors; what is needed stays; nothing is claimed that did not happen."""
    assert sweeper.account is inhabited
    obey(POLICY)
    random = Random(operation)  # noqa: S311 - a choice of tests
    names = ("new", "drifted", "untagged", "foreign", "refusing")
    for event in [creation(name) for name in names] if way == "events" else [{"action": "backfill"}]:
        for spoil in random.sample(SPOILS, k=min(len(SPOILS), settings().max_examples // 10)):
            wire = Wire(operation, spoil, random)
            invoke(inhabited, wire, event)
            if not wire.spoiled:
                # No such call is made about this function.
                break
