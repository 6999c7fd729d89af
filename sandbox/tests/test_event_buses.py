"""Events that go from account to account: who is let in by a bus, whose they are, and where refused ones end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from moto.core.exceptions import JsonRESTError
from moto.events.exceptions import ValidationException
from moto.events.models import events_backends
from moto.iam.models import iam_backends
from moto.organizations.models import organizations_backends
from moto.sqs.models import sqs_backends

from embedded_aws.events.eventbridge import EventBridge, install
from embedded_aws.execution.asynchronous import TimeScale
from embedded_aws.http_responses import ApiError
from embedded_aws.moto_extensions import events as event_resources
from waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedded_aws.events.machines import DeliveryError

Json = dict[str, Any]

# Accounts of their own: moto's state is shared by all tests in the process.
HUB, HUB_REGION, REGION = "630987654321", "eu-central-1", "eu-west-1"
BUS: Final = f"arn:aws:events:{HUB_REGION}:{HUB}:event-bus/central"
FORGIVING: Final = TimeScale(factor=0.0005)
SERVICE: Final = {"Service": "events.amazonaws.com"}


class Nobody:
    """Neither a function nor a state machine is called here."""

    def submit(self, function_arn: str, payload: bytes) -> str:
        """Take an event for a function."""
        raise AssertionError(function_arn, payload)

    def start(self, machine_arn: str, document: str, *, caller: object) -> DeliveryError | None:
        """Start an execution."""
        raise AssertionError(machine_arn, document, caller)


def allow(action: str, resource: object = "*", **more: object) -> Json:
    """A statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def a_document(*statements: Json) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def admits(**condition: str) -> str:
    """A bus policy that admits everybody for whom the condition holds; a key's colon is written as two underscores."""
    operators = {"events:source": "ForAllValues:StringEquals", "aws:PrincipalOrgPaths": "ForAnyValue:StringLike"}
    conditions: dict[str, dict[str, str]] = {}
    for name, value in condition.items():
        key = name.replace("__", ":").replace("_", "-")
        conditions.setdefault(operators.get(key, "StringEquals"), {})[key] = value
    return a_document(allow("events:PutEvents", BUS, Principal="*", Condition=conditions))


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A hub with a bus, a member of its organization with a rule that forwards to it, and both their queues."""

    bridge: EventBridge
    organization: str
    member: str
    faults: list[ApiError]

    @property
    def rule(self) -> str:
        """The member's rule."""
        return f"arn:aws:events:{REGION}:{self.member}:rule/forward"

    @property
    def role(self) -> str:
        """The role in whose name it forwards."""
        return f"arn:aws:iam::{self.member}:role/forwarder"

    def an_event(self, **changes: str) -> Json:
        """An event that is the member's, unless told otherwise."""
        return {
            "version": "0",
            "id": "0b6a7a52-60c5-4f0f-9ad2-6f8f2f9f1c11",
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.lambda",
            "account": self.member,
            "time": "2026-03-02T09:30:05Z",
            "region": REGION,
            "resources": [],
            "detail": {"eventName": "CreateFunction20150331"},
            **changes,
        }

    def admit(self, policy: str | None) -> None:
        """Let the hub's bus have this policy, or none."""
        backend = events_backends[HUB][HUB_REGION]
        backend.remove_permission("central", "", remove_all_permissions=True)
        if policy is not None:
            backend.put_permission("central", "", "", "", {}, policy)

    def target(self, **more: object) -> Json:
        """The hub's bus as a target of the member's rule."""
        queue = f"arn:aws:sqs:{REGION}:{self.member}:lost"
        return {"Id": "hub", "Arn": BUS, "RoleArn": self.role, "DeadLetterConfig": {"Arn": queue}, **more}

    def send(self, event: Json) -> None:
        """Put an event on the bus of its place, and wait until it has arrived or is given up."""
        self.bridge.put(event)
        until(self.bridge.idle)

    def arrived(self) -> list[Json]:
        """What the rule on the hub's bus has sent on."""
        return [json.loads(message.body) for message in _messages(HUB, HUB_REGION, "arrived")]

    def lost(self) -> list[tuple[Json, dict[str, str]]]:
        """What lies in the member's dead-letter queue: body and attributes."""
        return [
            (json.loads(message.body), {key: value["StringValue"] for key, value in message.message_attributes.items()})
            for message in _messages(self.member, REGION, "lost")
        ]


def _messages(account: str, region: str, queue: str) -> list[Any]:
    return list(sqs_backends[account][region].get_queue(queue)._messages)  # noqa: SLF001 - leaves them there


@pytest.fixture
def landscape() -> Iterator[Landscape]:
    """Everything in place and permitted."""
    organizations = organizations_backends[HUB]["aws"]
    organization = organizations.create_organization(HUB_REGION)["Organization"]["Id"]
    member = organizations.create_account(AccountName="team", Email="team@example.com")["CreateAccountStatus"]
    faults: list[ApiError] = []
    event_resources.install()
    bridge = install(Nobody(), FORGIVING, machines=Nobody(), fault=lambda *_: faults.pop() if faults else None)
    there = Landscape(bridge=bridge, organization=organization, member=str(member["AccountId"]), faults=faults)
    hub = events_backends[HUB][HUB_REGION]
    hub.create_event_bus("central")
    there.admit(admits(aws__PrincipalOrgID=organization))
    hub.put_rule("all", event_pattern=json.dumps({"source": [{"exists": True}]}), event_bus_arn="central")
    queue = sqs_backends[HUB][HUB_REGION].create_queue("arrived")
    hub.put_targets("all", "central", [{"Id": "queue", "Arn": queue.queue_arn}])
    trust = {
        "Effect": "Allow",
        "Principal": SERVICE,
        "Action": "sts:AssumeRole",
        "Condition": {"ArnEquals": {"aws:SourceArn": there.rule}, "StringEquals": {"aws:SourceAccount": there.member}},
    }
    roles = iam_backends[there.member]["aws"]
    role = roles.create_role("forwarder", a_document(trust), "/", None, "", [], None)
    role.put_policy("forward", a_document(allow("events:PutEvents", BUS)))
    lost = sqs_backends[there.member][REGION].create_queue("lost")
    lost.policy = a_document(allow("sqs:SendMessage", lost.queue_arn, Principal=SERVICE))
    backend = events_backends[there.member][REGION]
    backend.put_rule("forward", event_pattern=json.dumps({"source": [{"exists": True}], "account": [there.member]}))
    backend.put_targets("forward", None, [there.target()])
    yield there
    bridge.close()
    organizations.reset()
    organizations_backends.master_accounts.pop(there.member)
    for account, region in ((HUB, HUB_REGION), (there.member, REGION)):
        for backends in (events_backends, sqs_backends):
            backends[account][region].reset()
        iam_backends[account]["aws"].reset()


def test_the_hub_gets_a_members_event_as_it_is(landscape: Landscape) -> None:
    """Account, region and id stay its origin's, though it has crossed both."""
    landscape.send(landscape.an_event())

    assert landscape.arrived() == [landscape.an_event()]
    assert landscape.lost() == []


@pytest.mark.parametrize(
    "condition",
    [
        {"aws__PrincipalAccount": "{member}"},
        {"aws__PrincipalOrgPaths": "{organization}/{root}/*"},
        {"aws__PrincipalOrgPaths": "{organization}/*/{unit}/*", "events__source": "aws.lambda"},
        {"aws__PrincipalArn": "arn:aws:iam::{member}:role/forwarder"},
        {"events__source": "aws.lambda", "events__detail_type": "AWS API Call via CloudTrail"},
        {"events__eventBusInvocation": "true"},
    ],
)
def test_the_bus_may_ask_who_sends_what(landscape: Landscape, condition: dict[str, str]) -> None:
    """Each condition holds for the member's rule, and fails for anything else."""
    organizations = organizations_backends[HUB]["aws"]
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name="unit")["OrganizationalUnit"]["Id"]
    inner = organizations.create_organizational_unit(ParentId=unit, Name="inner")["OrganizationalUnit"]["Id"]
    organizations.move_account(AccountId=landscape.member, SourceParentId=root, DestinationParentId=inner)
    known = {"member": landscape.member, "organization": landscape.organization, "root": root, "unit": unit}
    right = {key: value.format(**known) for key, value in condition.items()}
    landscape.admit(admits(**{key: f"{value}-not" for key, value in right.items()}))
    landscape.send(landscape.an_event())
    refused = landscape.arrived()
    landscape.admit(admits(**right))
    landscape.send(landscape.an_event())

    assert refused == []
    assert len(landscape.arrived()) == 1


def test_a_plain_operator_on_a_key_of_several_values_admits_nobody(landscape: Landscape) -> None:
    """What AWS makes of it is not documented; no deployment should rest on it."""
    condition = {"StringEquals": {"aws:PrincipalOrgID": landscape.organization, "events:source": "aws.lambda"}}
    landscape.admit(a_document(allow("events:PutEvents", BUS, Principal="*", Condition=condition)))
    landscape.send(landscape.an_event())

    assert landscape.arrived() == []
    assert len(landscape.lost()) == 1


@pytest.mark.parametrize(
    ("breakage", "error_code"),
    [
        ("no policy", "NO_PERMISSIONS"),
        ("another organization", "NO_PERMISSIONS"),
        ("denied", "NO_PERMISSIONS"),
        ("no role", "NO_PERMISSIONS"),
        ("a role that trusts another rule", "NO_PERMISSIONS"),
        ("a role that may not", "NO_PERMISSIONS"),
        ("no bus", "NO_RESOURCE"),
    ],
)
def test_what_the_bus_does_not_take_is_buried_with_the_reason(
    landscape: Landscape, breakage: str, error_code: str
) -> None:
    """At once, in the member's queue, whole; nothing of it reaches the hub."""
    roles = iam_backends[landscape.member]["aws"]
    role = roles.get_role("forwarder")
    match breakage:
        case "no policy":
            landscape.admit(None)
        case "another organization":
            landscape.admit(admits(aws__PrincipalOrgID="o-another0000"))
        case "denied":
            both = (allow("events:*", BUS, Principal="*"), {**allow("events:*", BUS, Principal="*"), "Effect": "Deny"})
            landscape.admit(a_document(*both))
        case "no role":
            role.delete_policy("forward")
            roles.delete_role("forwarder")
        case "a role that trusts another rule":
            role.assume_role_policy_document = role.assume_role_policy_document.replace("rule/forward", "rule/other")
        case "a role that may not":
            role.put_policy("forward", a_document(allow("events:PutEvents", BUS.replace("central", "default"))))
        case _:
            events_backends[HUB][HUB_REGION].delete_event_bus("central")
    landscape.send(landscape.an_event())

    ((body, attributes),) = landscape.lost()
    assert body == landscape.an_event()
    assert (attributes["ERROR_CODE"], attributes["RULE_ARN"]) == (error_code, landscape.rule)
    assert landscape.arrived() == []


def test_a_member_that_leaves_the_organization_is_no_longer_let_in(landscape: Landscape) -> None:
    """The bus asks for the organization as it is when the event comes."""
    organizations = organizations_backends[HUB]["aws"]
    organizations_backends.master_accounts.pop(landscape.member)
    landscape.send(landscape.an_event())
    organizations_backends.master_accounts[landscape.member] = (HUB, organizations.partition)

    assert landscape.arrived() == []
    ((_, attributes),) = landscape.lost()
    assert "no resource-based policy" in attributes["ERROR_MESSAGE"]


def test_a_bus_that_throttles_gets_the_event_later(landscape: Landscape) -> None:
    """As a function does."""
    landscape.faults.extend([ApiError(code="ThrottlingException", message="Rate exceeded")] * 2)
    landscape.send(landscape.an_event())

    assert (landscape.arrived(), landscape.lost(), landscape.faults) == ([landscape.an_event()], [], [])


def test_what_was_forwarded_is_not_forwarded_again(landscape: Landscape) -> None:
    """Though a rule on the hub's bus says so, and everybody would permit it."""
    back = f"arn:aws:events:{REGION}:{landscape.member}:event-bus/other"
    there = events_backends[landscape.member][REGION]
    there.create_event_bus("other")
    there.put_permission("other", "", "", "", {}, a_document(allow("events:PutEvents", back, Principal="*")))
    there.put_rule("all", event_pattern=json.dumps({"source": ["aws.lambda"]}), event_bus_arn="other")
    there.put_targets("all", "other", [{"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{landscape.member}:lost"}])
    trust = a_document({"Effect": "Allow", "Principal": SERVICE, "Action": "sts:AssumeRole"})
    role = iam_backends[HUB]["aws"].create_role("back", trust, "/", None, "", [], None)
    role.put_policy("back", a_document(allow("events:PutEvents", back)))
    hub = events_backends[HUB][HUB_REGION]
    hub.put_targets("all", "central", [{"Id": "back", "Arn": back, "RoleArn": role.arn}])
    landscape.bridge.put(landscape.an_event(account=HUB, region=HUB_REGION), bus="central")
    returned = len(landscape.lost())
    landscape.send(landscape.an_event())

    assert returned == 1, "what is the hub's own goes there"
    assert len(landscape.arrived()) == 2
    assert len(landscape.lost()) == returned


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"Input": "{}"}, "Input"),
        ({"InputPath": "$.detail"}, "InputPath"),
        ({"RetryPolicy": {"MaximumRetryAttempts": 3}}, "RetryPolicy"),
        ({"RoleArn": None}, "RoleArn"),
    ],
)
def test_targets_that_a_far_bus_cannot_be_are_refused(landscape: Landscape, change: Json, named: str) -> None:
    """By PutTargets; what was there stays."""
    target = {key: value for key, value in landscape.target(**change).items() if value is not None}
    backend = events_backends[landscape.member][REGION]
    with pytest.raises(ValidationException, match=f"{named} is"):
        backend.put_targets("forward", None, [target])

    assert backend.event_buses["default"].rules["forward"].targets == [landscape.target()]


def test_a_policy_document_replaces_the_whole_policy(landscape: Landscape) -> None:
    """Also with two statements on one principal; a statement by its parameters is not served."""
    backend = events_backends[HUB][HUB_REGION]
    statement = allow("events:PutEvents", BUS, Principal={"AWS": landscape.member})
    for document in (a_document(statement | {"Sid": "one"}, statement | {"Sid": "two"}), a_document(statement)):
        backend.put_permission("central", "", "", "", {}, document)
        assert json.loads(backend.describe_event_bus("central").policy or "") == json.loads(document)
    with pytest.raises(NotImplementedError):
        backend.put_permission("central", "events:PutEvents", "*", "organization", {}, "")


@pytest.mark.parametrize("policy", ["{", a_document({"Effect": "Allow", "Action": "events:PutEvents"})])
@pytest.mark.usefixtures("landscape")
def test_a_document_that_is_no_policy_is_refused(policy: str) -> None:
    """And what was in force stays."""
    backend = events_backends[HUB][HUB_REGION]
    before = backend.describe_event_bus("central").policy
    with pytest.raises(JsonRESTError):
        backend.put_permission("central", "", "", "", {}, policy)

    assert before
    assert backend.describe_event_bus("central").policy == before
