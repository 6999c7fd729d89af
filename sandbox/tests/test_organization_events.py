"""An organization's events, through the server: trails that count everywhere, buses in stacks, and who may put what."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError

from embedded_aws.client import SandboxClient, SandboxProcess
from support import Json, allow, package, policy, stack_outputs, template, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

HUB, HUB_REGION = "830987654321", "eu-central-1"
REGIONS: Final = ("eu-west-1", "us-east-1")
OUTSIDER: Final = "840987654321"
BUS: Final = f"arn:aws:events:{HUB_REGION}:{HUB}:event-bus/central"
QUEUE_ARN: Final = {"Fn::GetAtt": ["Queue", "Arn"]}
DELIVERY: Final = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Resource": QUEUE_ARN}
QUEUE: Final[Json] = {
    "Queue": ("SQS::Queue", {"QueueName": "events"}),
    "QueuePolicy": (
        "SQS::QueuePolicy",
        {"Queues": [{"Ref": "Queue"}], "PolicyDocument": {"Statement": [{**DELIVERY, "Action": "sqs:SendMessage"}]}},
    ),
}
CREATIONS: Final = {"source": ["aws.lambda"], "detail": {"eventName": ["CreateFunction20150331"]}}


def the_hub(*policies: Json) -> str:
    """A bus with these statements or parameters as its policies, and a rule that sends everything to a queue."""
    rule = {
        "EventBusName": {"Ref": "Bus"},
        "EventPattern": {"source": [{"exists": True}]},
        "Targets": [{"Id": "queue", "Arn": QUEUE_ARN}],
    }
    resources = {
        **QUEUE,
        "Bus": ("Events::EventBus", {"Name": "central", "Description": f"{len(policies)} policies"}),
        "Rule": ("Events::Rule", rule),
    } | {
        f"Policy{number}": ("Events::EventBusPolicy", {"EventBusName": {"Ref": "Bus"}, **policy})
        for number, policy in enumerate(policies)
    }
    return template(
        resources,
        Bus={"Ref": "Bus"},
        BusArn={"Fn::GetAtt": ["Bus", "Arn"]},
        BusName={"Fn::GetAtt": ["Bus", "Name"]},
        Rule={"Ref": "Rule"},
    )


def a_member() -> str:
    """A rule that forwards creations to the hub's bus, by a role of its own."""
    permission = {"Effect": "Allow", "Action": "events:PutEvents", "Resource": BUS}
    role = {
        "AssumeRolePolicyDocument": trust("events"),
        "Policies": [{"PolicyName": "forward", "PolicyDocument": policy(permission)}],
    }
    target = {
        "Id": "hub",
        "Arn": BUS,
        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "DeadLetterConfig": {"Arn": QUEUE_ARN},
    }
    rule = {"EventPattern": CREATIONS, "Targets": [target]}
    return template({**QUEUE, "Role": ("IAM::Role", role), "Rule": ("Events::Rule", rule)})


@dataclass(frozen=True)
class Organization:
    """The sandbox's own account is the hub and manages it; there is one member, and an account outside.

    Attributes:
        id: of the organization.
        member: the member's account.
    """

    sandbox: SandboxClient
    id: str
    member: str
    _clients: list[Any] = field(default_factory=list)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Account and region of each of the forwarding rules."""
        return [(self.member, REGIONS[0]), (self.member, REGIONS[1]), (HUB, REGIONS[0])]

    def client(self, service: str, account: str, region: str = HUB_REGION, **keys: str) -> Any:  # noqa: ANN401 - boto's clients have no type
        """A client of an account's operator; with keys, of whom they belong to, who claims to be of that account."""
        given = keys or {"aws_access_key_id": f"sandbox{account}", "aws_secret_access_key": "x"}
        session: Any = boto3.Session(region_name=region, **given)  # type: ignore[arg-type] # keys are text
        client = session.client(service, endpoint_url=self.sandbox.endpoint)
        if keys:
            client.meta.events.register(
                "before-call", lambda params, **_: params["headers"].update({"X-Moto-Account-Id": account})
            )
        self._clients.append(client)
        return client

    def statement(self, **conditions: str) -> Json:
        """A bus policy that admits the organization, where the conditions hold."""
        condition = {"StringEquals": {"aws:PrincipalOrgID": self.id, **conditions}}
        admitted = {"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": BUS}
        return {"StatementId": "organization", "Statement": {**admitted, "Condition": condition}}

    def create(self, name: str, account: str, region: str) -> None:
        """Create a function, and wait until all that follows from it has happened."""
        role = f"arn:aws:iam::{account}:role/functions"
        self.client("lambda", account, region).create_function(
            FunctionName=name, Runtime="python3.14", Handler="app.main", Role=role, Code={"ZipFile": package()}
        )
        self.sandbox.wait_until_idle()

    def received(self, account: str = HUB, region: str = HUB_REGION) -> list[Json]:
        """The messages in the queue of the stack there; they are gone then."""
        client = self.client("sqs", account, region)
        url, found = client.get_queue_url(QueueName="events")["QueueUrl"], []
        while messages := client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found += messages
        return found

    def events(self) -> list[Json]:
        """The events that have arrived at the hub."""
        return [json.loads(message["Body"]) for message in self.received()]

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()


@pytest.fixture(scope="module")
def deployed() -> Iterator[Organization]:
    """Deployed: the hub, and the member's stack in each region of the member and in one of the hub."""
    with SandboxProcess(options=["--account", HUB, "--region", HUB_REGION, "--pace", "0.00001"]) as sandbox:
        first = Organization(sandbox, id="", member="")
        organizations = first.client("organizations", HUB)
        made = organizations.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        member = organizations.create_account(AccountName="team", Email="team@example.com")["CreateAccountStatus"]
        organization = Organization(sandbox, id=made, member=member["AccountId"])
        first.client("cloudtrail", HUB).update_trail(Name="management-events", IsOrganizationTrail=True)
        for account in (HUB, organization.member, OUTSIDER):
            organization.client("iam", account).create_role(RoleName="functions", AssumeRolePolicyDocument="{}")
        hub = organization.client("cloudformation", HUB)
        hub.create_stack(StackName="hub", TemplateBody=the_hub(organization.statement()))
        for account, region in organization.places:
            formation = organization.client("cloudformation", account, region)
            formation.create_stack(StackName="member", TemplateBody=a_member())
        yield organization
        organization.close()
        first.close()


@pytest.fixture
def organization(deployed: Organization) -> Organization:
    """What is deployed, with empty queues."""
    for account, region in (*deployed.places, (HUB, HUB_REGION)):
        deployed.received(account, region)
    return deployed


def test_creations_in_all_accounts_and_regions_reach_the_hub_once(organization: Organization) -> None:
    """By the organization's one trail; the same name in three places makes three events, each of its place."""
    places = organization.places
    for account, region in places:
        organization.create("checkout", account, region)
    organization.create("checkout", OUTSIDER, REGIONS[0])

    events = organization.events()
    assert [(event["account"], event["region"]) for event in events] == places
    assert [
        (event["detail"]["recipientAccountId"], event["detail"]["responseElements"]["functionArn"]) for event in events
    ] == [(account, f"arn:aws:lambda:{region}:{account}:function:checkout") for account, region in places]


def test_without_the_organizations_trail_members_pass_in_silence(organization: Organization) -> None:
    """A trail of the management account alone is no trail of theirs."""
    trails = organization.client("cloudtrail", HUB)
    trails.update_trail(Name="management-events", IsOrganizationTrail=False)
    organization.create("silent", organization.member, REGIONS[0])
    organization.create("audible", HUB, REGIONS[0])
    trails.update_trail(Name="management-events", IsOrganizationTrail=True)

    assert [event["account"] for event in organization.events()] == [HUB]


def test_a_trail_of_one_region_counts_there_alone(organization: Organization) -> None:
    """Also when it is one of the organization."""
    trails = organization.client("cloudtrail", HUB)
    trails.update_trail(Name="management-events", IsMultiRegionTrail=False)
    organization.create("elsewhere", organization.member, REGIONS[0])
    trails.update_trail(Name="management-events", IsMultiRegionTrail=True)

    assert organization.events() == []


def put(client: Any, **entry: str) -> Json:  # noqa: ANN401 - boto's clients have no type
    """Put an event on the hub's bus; what became of it."""
    given = {"EventBusName": BUS, "Source": "my.app", "DetailType": "AWS API Call via CloudTrail", **entry}
    (result,) = client.put_events(Entries=[{"Detail": "{}", **given}])["Entries"]
    return dict(result)


def test_who_puts_an_event_cannot_choose_whose_it_is(organization: Organization) -> None:
    """Whatever the detail says, and whatever account the client claims: it is of the account that owns the key."""
    member = organization.client("iam", organization.member)
    member.create_user(UserName="mallory")
    key = member.create_access_key(UserName="mallory")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    claim = json.dumps({"account": HUB, "recipientAccountId": HUB})
    put(organization.client("events", HUB, **keys), Detail=claim)

    (event,) = organization.events()
    assert (event["account"], event["region"]) == (organization.member, HUB_REGION)
    assert event["detail"]["account"] == HUB


def test_nobody_speaks_for_aws(organization: Organization) -> None:
    """Not even the bus's own account."""
    for account in (organization.member, HUB):
        result = put(organization.client("events", account), Source="aws.lambda")
        assert result["ErrorCode"] == "NotAuthorizedForSourceException"

    assert organization.events() == []


def test_another_organizations_principals_are_refused(organization: Organization) -> None:
    """And those of none, in AWS's words."""
    for joins in (False, True):
        if joins:
            organization.client("organizations", OUTSIDER).create_organization(FeatureSet="ALL")
        with pytest.raises(ClientError) as caught:
            put(organization.client("events", OUTSIDER))
        error = caught.value.response["Error"]
        assert error["Code"] == "AccessDeniedException"
        assert error["Message"] == (
            f"User: arn:aws:iam::{OUTSIDER}:root is not authorized to perform: events:PutEvents on resource: {BUS}"
            " because no resource-based policy allows the events:PutEvents action"
        )

    assert organization.events() == []


def test_rules_cannot_be_made_on_anothers_bus(organization: Organization) -> None:
    """Nor does one come to be on a bus of the same name of one's own."""
    events = organization.client("events", organization.member)
    events.create_event_bus(Name="central")
    for call, parameters in (
        (events.put_rule, {"Name": "mine", "EventBusName": BUS, "EventPattern": '{"source": ["aws.lambda"]}'}),
        (events.describe_event_bus, {"Name": BUS}),
    ):
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"

    assert events.list_rules(EventBusName="central")["Rules"] == []
    events.delete_event_bus(Name="central")


def test_a_bus_is_reached_in_its_own_region(organization: Organization) -> None:
    """A call elsewhere is told so, as only rules cross regions."""
    with pytest.raises(ClientError) as caught:
        put(organization.client("events", organization.member, REGIONS[0]))

    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert organization.events() == []


def test_a_stack_says_who_may_put_events_on_its_bus(organization: Organization) -> None:
    """An update changes the policy in place, perhaps to admit rules only; without it nobody is admitted."""
    hub, events = organization.client("cloudformation", HUB), organization.client("events", HUB)
    outputs = stack_outputs(hub, "hub")
    bus, name = outputs["Rule"].split("|")

    def statements() -> list[Json]:
        found = events.describe_event_bus(Name="central").get("Policy", '{"Statement": []}')
        return list(json.loads(found)["Statement"])

    assert (outputs["Bus"], outputs["BusName"], outputs["BusArn"], bus) == ("central", "central", BUS, "central")
    assert statements() == [{**organization.statement()["Statement"], "Sid": "organization"}]

    only = organization.statement(**{"events:eventBusInvocation": "true"})
    only["Statement"]["Condition"]["ForAllValues:StringEquals"] = {"events:source": "aws.lambda"}
    hub.update_stack(StackName="hub", TemplateBody=the_hub(only))
    with pytest.raises(ClientError):
        put(organization.client("events", organization.member))
    organization.create("forwarded", organization.member, REGIONS[0])
    assert statements() == [{**only["Statement"], "Sid": "organization"}]
    assert [event["source"] for event in organization.events()] == ["aws.lambda"]

    hub.update_stack(StackName="hub", TemplateBody=the_hub())
    organization.create("not-let-in", organization.member, REGIONS[0])
    assert statements() == []
    assert organization.events() == []
    (lost,) = organization.received(organization.member, REGIONS[0])
    assert lost["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"

    hub.update_stack(StackName="hub", TemplateBody=the_hub(organization.statement()))
    organization.create("let-in-again", organization.member, REGIONS[0])
    assert len(organization.events()) == 1
    (rule,) = events.list_rules(EventBusName="central")["Rules"]
    assert rule["Name"] == name


def test_schedules_and_quotas_are_those_of_a_place(organization: Organization) -> None:
    """Of another account and region, where these are named."""
    member, region = organization.member, REGIONS[1]
    iam = organization.client("iam", member)
    role = iam.create_role(RoleName="scheduler", AssumeRolePolicyDocument=json.dumps(trust("scheduler")))["Role"]["Arn"]
    iam.put_role_policy(
        RoleName="scheduler", PolicyName="invoke", PolicyDocument=json.dumps(policy(allow("lambda:InvokeFunction")))
    )
    function = f"arn:aws:lambda:{region}:{member}:function:nightly"
    organization.create("nightly", member, region)
    organization.client("scheduler", member, region).create_schedule(
        Name="nightly",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": function, "RoleArn": role},
    )
    sandbox = organization.sandbox
    fired = [sandbox.fire_schedules(), sandbox.fire_schedules(account=member, region=region)]
    sandbox.wait_until_idle()
    sandbox.set_quota(0, account=member, region=region)
    refused = []
    for account in (member, HUB):
        try:
            organization.client("codeguruprofiler", account, region).create_profiling_group(profilingGroupName="group")
        except ClientError as error:
            refused.append((account, error.response["Error"]["Code"]))

    assert fired == [[], ["nightly"]]
    assert [each["name"] for each in sandbox.schedules(account=member, region=region)] == ["nightly"]
    assert [each["function_arn"] for each in sandbox.invocations()] == [function]
    assert refused == [(member, "ServiceQuotaExceededException")]


def test_a_deleted_stack_leaves_no_bus(organization: Organization) -> None:
    """With its policy and its rule; what is forwarded then finds nothing there."""
    hub = organization.client("cloudformation", HUB)
    hub.delete_stack(StackName="hub")
    organization.create("too-late", organization.member, REGIONS[0])

    buses = organization.client("events", HUB).list_event_buses()["EventBuses"]
    (lost,) = organization.received(organization.member, REGIONS[0])
    assert [bus["Name"] for bus in buses] == ["default"]
    assert lost["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"
