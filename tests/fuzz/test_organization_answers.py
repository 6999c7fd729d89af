"""Wrong answers of AWS to the calls that only a hub makes: about its members, and where they are."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from profiling_groups import handler
from profiling_groups.handler import ProvisioningError
from profiling_groups.inventory import InventoryError
from profiling_groups.policy import Match, Override, Policy
from profiling_groups.requested import MembersUnreachableError
from tests.fuzz.spoiling import SPOILS, Wire
from tests.records import envelope, record
from tests.unit.account import REGION
from tests.unit.invocation import Context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.organization import World

OPERATIONS = ("AssumeRole", "ListParents", "ListAccountsForParent", "GetQueueAttributes")


@pytest.fixture
def member(organization: World, obey: Callable[[Policy], None], monkeypatch: pytest.MonkeyPatch) -> str:
    """The function is a hub, whose policy asks where an account is; one member has a function."""
    told = organization.hub()
    for name, value in {
        "AWS_REGION": REGION,
        "MEMBER_ROLE_NAME": told.role_name,
        "MEMBER_QUEUE_NAME": told.member_queue,
        "ORGANIZATION_ID": told.organization,
        "ORGANIZATION_OUS": ",".join(told.ous),
        "ORGANIZATION_ACCOUNTS": "",
        "ORGANIZATION_REGIONS": REGION,
        "REPORT_BUCKET": "reports",
    }.items():
        monkeypatch.setenv(name, value)
    changes = {"group": {"profiling_enabled": False}}
    obey(Policy(overrides=(Override(match=Match(ous=("ou-ab12-11111111",)), changes=changes),)))
    account = organization.account()
    organization.function("renderer", account=account)
    return account


@pytest.mark.parametrize("operation", OPERATIONS)
def test_wrong_answers_in_a_hub_end_in_documented_errors(
    member: str, organization: World, obey: Callable[[Policy], None], operation: str
) -> None:
    """Whatever is asked; nothing is written but the group of the one function."""
    text = json.dumps(envelope(record("create-function")))
    event = json.loads(text.replace("444455556666", member).replace("invoice-renderer", "renderer"))
    function = f"arn:aws:lambda:{REGION}:{member}:function:renderer"
    random = Random(operation)  # noqa: S311 - a choice of tests
    for payload in (
        event,
        {"action": "provision", "functions": [function]},
        {"action": "backfill", "account": member, "region": REGION},
        {"action": "targets"},
    ):
        for spoil in random.sample(SPOILS, k=min(len(SPOILS), settings().max_examples // 10)):
            # A new environment: what was read before would be known.
            obey(handler._reach().policy)  # noqa: SLF001 - as above
            wire = Wire(operation, spoil, random)
            organization.answer_by(wire.answer)
            try:
                answer = handler.handler(payload, Context())
            except (ProvisioningError, InventoryError, MembersUnreachableError):
                answer = {}
            organization.recover()
            json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()
            assert organization.groups() <= {(member, REGION, "aws-lambda-renderer")}
            if not wire.spoiled:
                break
