"""An organization's templates: the hub, what makes an account a member, and the stack set between them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs
from aws_cdk.assertions import Template

from embedded_aws.access.policies import AccessRequest, Decision, evaluate
from infra import member, state_machine
from infra.alarms import PAGE
from infra.organization import HubBus
from infra.permissions import NO_RESOURCE, permissions
from infra.settings import read
from profiling_groups.decision import PROFILER_REGIONS
from profiling_groups.events import UPDATE_FUNCTION_CONFIGURATION, triggers
from profiling_groups.metric_names import DIMENSION, EVERY, NAMESPACE, SERVICE
from profiling_groups.policy import Match, Override, Policy
from tests.infra.templates import allowances, named, text
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.settings import Organization

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
ID = "o-a1b2c3d4e5"
GIVEN: Json = {
    "id": ID,
    "ous": ["ou-ab12-11111111", "ou-ab12-22222222"],
    "regions": ["us-east-1", "eu-west-1"],
    "accounts": ["444455556666"],
}
ANOTHER: Json = {
    **GIVEN,
    "accounts": [],
    "role_region": "eu-west-1",
    "namespace": "blue",
    "call_as": "DELEGATED_ADMIN",
    "auto_deployment": False,
    "failure_tolerance_percentage": 0,
    "max_concurrent_percentage": 100,
    "max_concurrent_accounts": 3,
    "tolerated_failure_percentage": 20,
}
OTHERWISE_SOMEWHERE = Policy(
    overrides=(
        Override(match=Match(accounts=("1111*",)), changes={"lifecycle": {"when_function_is_deleted": "delete"}}),
        Override(match=Match(regions=("eu-*",)), changes={"group": {"name": "eu-{function_name}"}}),
        Override(match=Match(regions=("us-*",)), changes={"lifecycle": {"follow_configuration": True}}),
    )
)


def organization(**given: object) -> Organization:
    """Return an organization's settings."""
    found = read({"organization": {**GIVEN, **given}}, default_region=None).organization
    assert found is not None
    return found


def templates(folder: Path) -> tuple[Json, Json]:
    """Return the hub's template and the member's."""
    names = ("ProfilingGroups", "ProfilingGroupsMember")
    hub, made = (json.loads((folder / f"{name}.template.json").read_text()) for name in names)
    return hub, made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is synthesized for an organization; cdk-nag's checks are part of it, for the hub and for the member."""
    return synthesize(tmp_path_factory.mktemp("organization"), region="eu-west-1", organization=GIVEN)


@pytest.fixture(scope="module")
def blue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is synthesized for another deployment, with a namespace and other settings."""
    return synthesize(tmp_path_factory.mktemp("blue"), region="eu-west-1", organization=json.dumps(ANOTHER))


@pytest.fixture(scope="module")
def hub(folder: Path) -> Json:
    """The hub's template."""
    return templates(folder)[0]


@pytest.fixture(scope="module")
def made(folder: Path) -> Json:
    """The member's template."""
    return templates(folder)[1]


def of_type(template: Json, kind: str) -> list[Json]:
    """Return the properties of all resources of a type."""
    return [each["Properties"] for each in template["Resources"].values() if each["Type"] == kind]


def property_of(template: Json, kind: str) -> Json:
    """Return the properties of the one resource of a type."""
    (found,) = of_type(template, kind)
    return found


# --- the hub


def test_the_hub_has_the_outputs_of_any_deployment_and_those_that_members_need(template: Json, hub: Json) -> None:
    """Whoever deploys the members by hand reads the parameters there."""
    assert set(hub["Outputs"]) == {*template["Outputs"], "EventBusArn", "HubRoleArn", "StackSetName"}
    assert text(hub["Outputs"]["EventBusArn"]["Value"]) == "<HubBus.Arn>"
    assert text(hub["Outputs"]["HubRoleArn"]["Value"]) == "<Role.Arn>"
    # Of a rule on another bus than the default one, Ref gives the bus as well.
    (rule_arn,) = hub["Outputs"]["ProvisionerRuleName"]["Value"]["Fn::Select"][1]["Fn::Split"][1:]
    assert (hub["Outputs"]["ProvisionerRuleName"]["Value"]["Fn::Select"][0], text(rule_arn)) == (
        2,
        "<ProvisionerRule.Arn>",
    )


def statements_of_bus(template: Json) -> list[Json]:
    """Return the statements of the bus's policy."""
    policies = of_type(template, "AWS::Events::EventBusPolicy")
    assert {text(each["EventBusName"]) for each in policies} == {"<HubBus>"}
    return [each["Statement"] for each in policies]


def test_the_bus_policy_names_the_governed_units_and_accounts(hub: Json, blue: Path) -> None:
    """One statement for the units, one for the accounts if there are any, each within the organization."""
    units, accounts = statements_of_bus(hub)
    for statement in (units, accounts):
        assert {key: statement[key] for key in ("Effect", "Principal", "Action")} == {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "events:PutEvents",
        }
        assert text(statement["Resource"]) == "<HubBus.Arn>"
    forwarded = {
        "ForAllValues:StringEquals": {"events:source": "aws.lambda"},
        "BoolIfExists": {"events:eventBusInvocation": "true"},
    }
    assert units["Condition"] == forwarded | {
        "StringEquals": {"aws:PrincipalOrgID": ID},
        "ForAnyValue:StringLike": {
            "aws:PrincipalOrgPaths": [f"{ID}/*/ou-ab12-11111111/*", f"{ID}/*/ou-ab12-22222222/*"]
        },
    }
    assert accounts["Condition"] == forwarded | {
        "StringEquals": {"aws:PrincipalOrgID": ID, "aws:PrincipalAccount": ["444455556666"]}
    }
    assert len(statements_of_bus(templates(blue)[0])) == 1


MEMBER: Json = {
    "aws:principalorgid": ID,
    "aws:principalorgpaths": (f"{ID}/r-ab12/ou-ab12-11111111/",),
    "aws:principalaccount": "111122223333",
    "events:source": ("aws.lambda",),
    "events:eventbusinvocation": "true",
}
"""What EventBridge knows of a rule that forwards an event, in an account of a governed unit."""
AT_ROOT = (f"{ID}/r-ab12/",)


@pytest.mark.parametrize(
    ("changes", "is_admitted"),
    [
        ({}, True),
        ({"aws:principalorgpaths": (f"{ID}/r-ab12/ou-ab12-00000000/ou-ab12-22222222/ou-ab12-33333333/",)}, True),
        ({"aws:principalorgpaths": AT_ROOT, "aws:principalaccount": "444455556666"}, True),
        # The units are named by whole ids.
        ({"aws:principalorgpaths": (f"{ID}/r-ab12/ou-ab12-111111112/",)}, False),
        ({"aws:principalorgpaths": (f"{ID}/r-ab12/ou-ab12-33333333/",)}, False),
        ({"aws:principalorgpaths": AT_ROOT}, False),
        ({"aws:principalorgpaths": None}, False),
        ({"aws:principalorgid": "o-zzzzzzzzzz"}, False),
        ({"aws:principalorgid": "o-zzzzzzzzzz", "aws:principalaccount": "444455556666"}, False),
        ({"aws:principalorgid": None, "aws:principalaccount": "444455556666"}, False),
        ({"events:source": ("my.lambda",)}, False),
        ({"events:source": ("aws.lambda", "my.lambda")}, False),
        ({"events:eventbusinvocation": "false"}, False),
        # EventBridge is not known to set these for what a rule forwards.
        ({"events:source": None, "events:eventbusinvocation": None}, True),
    ],
    ids=repr,
)
def test_the_bus_admits_rules_of_governed_accounts_alone(changes: Json, is_admitted: bool, hub: Json) -> None:  # noqa: FBT001 - what is expected
    """As IAM evaluates the policy that is deployed."""
    context = {key: value for key, value in (MEMBER | changes).items() if value is not None}
    bus = f"arn:aws:events:eu-west-1:{'9' * 12}:event-bus/ProfilingGroups"
    document = {"Statement": [each | {"Resource": bus} for each in statements_of_bus(hub)]}
    request = AccessRequest(action="events:PutEvents", resource=bus, context=context)
    assert evaluate([document], request) is (Decision.ALLOWED if is_admitted else Decision.NOT_ALLOWED)


def test_the_root_is_a_unit_with_nothing_above_it() -> None:
    """Its path has no other part in front of it."""
    stack = cdk.Stack(cdk.App(), "Stack")
    HubBus(stack, "Hub", organization=organization(ous=["r-ab12"], accounts=[]))
    (statement,) = statements_of_bus(dict(Template.from_stack(stack).to_json()))
    assert statement["Condition"]["ForAnyValue:StringLike"] == {"aws:PrincipalOrgPaths": [f"{ID}/r-ab12/*"]}


def test_the_rule_is_on_the_hubs_bus_and_asks_for_no_account(template: Json, hub: Json) -> None:
    """Otherwise it is the rule of any deployment; and nothing listens to the hub's own default bus."""
    rule = named(hub, "ProvisionerRule")["Properties"]
    assert text(rule["EventBusName"]) == "<HubBus>"
    plain = named(template, "ProvisionerRule")["Properties"]["EventPattern"]
    assert rule["EventPattern"] == {key: value for key, value in plain.items() if key != "account"}
    sources = [
        each["EventPattern"]["source"] for each in of_type(hub, "AWS::Events::Rule") if "EventBusName" not in each
    ]
    assert sources == [["aws.cloudformation"]]


def test_the_hubs_role_may_do_nothing_itself_but_be_a_members_role(hub: Json) -> None:
    """Not even in its own account: that is a member like any other."""
    assert allowances(hub, "Role") == {
        "arn:<AWS::Partition>:iam::*:role/ProfilingGroupProvisioner": {"sts:AssumeRole"},
        f"arn:<AWS::Partition>:organizations::*:account/{ID}/*": {
            "organizations:DescribeAccount",
            "organizations:ListParents",
        },
        f"arn:<AWS::Partition>:organizations::*:ou/{ID}/ou-*": {
            "organizations:ListAccountsForParent",
            "organizations:ListOrganizationalUnitsForParent",
            "organizations:ListParents",
        },
        f"arn:<AWS::Partition>:organizations::*:root/{ID}/r-*": {
            "organizations:ListAccountsForParent",
            "organizations:ListOrganizationalUnitsForParent",
        },
        "*": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
        "<BackfillReports.Arn>/targets/*": {"s3:PutObject"},
        "<ProvisionerDeadLetters.Arn>": {"sqs:SendMessage"},
        "<ProvisionerLogs.Arn>": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "<BackfillLogs.Arn>": {"logs:CreateLogStream", "logs:PutLogEvents"},
    }
    statements = named(hub, "RoleDefaultPolicy")["Properties"]["PolicyDocument"]["Statement"]
    (assumes,) = (each for each in statements if each["Action"] == "sts:AssumeRole")
    assert assumes["Condition"] == {"StringEquals": {"aws:ResourceOrgID": ID}}


def test_the_functions_know_the_organization_by_their_environment(template: Json, hub: Json) -> None:
    """The bucket is for the one that lists accounts. Without an organization there is none of it."""
    expected = {
        "MEMBER_ROLE_NAME": "ProfilingGroupProvisioner",
        "MEMBER_QUEUE_NAME": "ProfilingGroupsMemberDeadLetters",
        "ORGANIZATION_ID": ID,
        "ORGANIZATION_OUS": "ou-ab12-11111111,ou-ab12-22222222",
        "ORGANIZATION_ACCOUNTS": "444455556666",
        "ORGANIZATION_REGIONS": "us-east-1,eu-west-1",
    }
    provisioner, backfill = (
        named(hub, f"{name}Function")["Properties"]["Environment"]["Variables"] for name in ("Provisioner", "Backfill")
    )
    assert provisioner == expected
    assert {key: text(value) for key, value in backfill.items()} == {**expected, "REPORT_BUCKET": "<BackfillReports>"}
    for name in ("Provisioner", "Backfill"):
        assert "Environment" not in named(template, f"{name}Function")["Properties"]


def test_a_hub_with_a_namespace_counts_and_is_watched_apart(hub: Json, blue: Path) -> None:
    """Two hubs in one account have the same metrics but for the service; of a bus's rule, the metrics name both."""
    with_a_namespace, _ = templates(blue)
    for template, service in (hub, SERVICE), (with_a_namespace, f"{SERVICE}-blue"):
        told = {
            named(template, f"{name}Function")["Properties"]["Environment"]["Variables"].get("POWERTOOLS_SERVICE_NAME")
            for name in ("Provisioner", "Backfill")
        }
        assert told == {service if service != SERVICE else None}
        alarms = of_type(template, "AWS::CloudWatch::Alarm")
        watched = [alarm["Dimensions"] for alarm in alarms if alarm.get("Namespace") == NAMESPACE]
        assert watched == [[{"Name": DIMENSION, "Value": service}]] * 5
        body = text(property_of(template, "AWS::CloudWatch::Dashboard")["DashboardBody"])
        assert set(re.findall(rf'"{DIMENSION}","([^"]+)"', body)) == {service}
        (lost,) = (alarm for alarm in alarms if text(alarm["AlarmName"]).endswith("-events-lost"))
        stats = [query["MetricStat"]["Metric"] for query in lost["Metrics"] if "MetricStat" in query]
        dimensions = {stat["MetricName"]: [each["Name"] for each in stat["Dimensions"]] for stat in stats}
        assert dimensions == {
            "FailedInvocations": ["EventBusName", "RuleName"],
            "InvocationsFailedToBeSentToDlq": ["EventBusName", "RuleName"],
            "DeadLetterErrors": ["FunctionName"],
        }


def test_a_hub_has_alarms_for_its_members(hub: Json) -> None:
    """Those of any deployment, and two more, in the page's order; each on a metric that the code counts."""
    found = {text(each["AlarmName"]): each for each in of_type(hub, "AWS::CloudWatch::Alarm")}
    names = [name.removeprefix("<AWS::StackName>-") for name in found]
    assert names == re.findall(r"^## (.*)$", (ROOT / PAGE).read_text(), re.MULTILINE)
    for name, metric, statistic in (
        ("accounts-unreachable", "skipped.account_unreachable", "Sum"),
        ("member-dead-letters", "backfill.member_dead_letters", "Maximum"),
    ):
        alarm = found[f"<AWS::StackName>-{name}"]
        assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == (NAMESPACE, metric, statistic)
        assert (alarm["Threshold"], alarm["DatapointsToAlarm"], metric in EVERY) == (1, 1, True)
    body = text(property_of(hub, "AWS::CloudWatch::Dashboard")["DashboardBody"])
    assert all(f'"{metric}"' in body for metric in EVERY)


@pytest.mark.parametrize(
    ("which", "most_at_once", "tolerated"), [("folder", 40, 5), ("blue", 3, 20)], ids=["default", "chosen"]
)
def test_the_organizations_machine_is_deployed(
    request: pytest.FixtureRequest, which: str, most_at_once: int, tolerated: int
) -> None:
    """With the bounds that the settings say."""
    hub, _ = templates(request.getfixturevalue(which))
    machine = named(hub, "BackfillMachine")["Properties"]
    assert json.loads(text(machine["DefinitionString"])) == state_machine.organization_definition(
        partition="<AWS::Partition>",
        function_arn="<BackfillFunction.Arn>",
        bucket="<BackfillReports>",
        max_concurrent_accounts=most_at_once,
        tolerated_failure_percentage=tolerated,
    )


def test_the_machine_reads_the_lists_of_accounts_which_last_a_week(template: Json, hub: Json) -> None:
    """Reads them and no more; all else it may do as in any deployment."""
    found = allowances(hub, "BackfillMachineRole")
    assert found.pop("<BackfillReports.Arn>/targets/*") == {"s3:GetObject"}
    assert found == allowances(template, "BackfillMachineRole")
    _, rule = named(hub, "BackfillReports")["Properties"]["LifecycleConfiguration"]["Rules"]
    assert (rule["Prefix"], rule["ExpirationInDays"], rule["NoncurrentVersionExpiration"]) == (
        "targets/",
        7,
        {"NoncurrentDays": 7},
    )


# --- the stack set


def test_the_stack_set_rolls_the_member_out_to_the_units(hub: Json, folder: Path) -> None:
    """Region by region, from that of the role on; to accounts that join as well; leaving nothing where one leaves."""
    stack_set = property_of(hub, "AWS::CloudFormation::StackSet")
    assert stack_set.pop("TemplateBody") == (folder / "ProfilingGroupsMember.template.json").read_text()
    parameters = {each["ParameterKey"]: text(each["ParameterValue"]) for each in stack_set.pop("Parameters")}
    assert parameters == {"HubBusArn": "<HubBus.Arn>", "HubRoleArn": "<Role.Arn>"}
    assert stack_set == {
        "StackSetName": "ProfilingGroupsMember",
        "Description": "Makes accounts members of Profiling Group Provisioner",
        "PermissionModel": "SERVICE_MANAGED",
        "CallAs": "SELF",
        "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": False},
        "ManagedExecution": {"Active": True},
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "OperationPreferences": {
            "RegionConcurrencyType": "SEQUENTIAL",
            "RegionOrder": ["us-east-1", "eu-west-1"],
            "FailureTolerancePercentage": 10,
            "MaxConcurrentPercentage": 25,
            "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE",
        },
        "StackInstancesGroup": [
            {
                "DeploymentTargets": {"OrganizationalUnitIds": ["ou-ab12-11111111", "ou-ab12-22222222"]},
                "Regions": ["us-east-1", "eu-west-1"],
            }
        ],
    }


def test_the_stack_set_waits_for_the_buss_policy_and_goes_before_it(hub: Json) -> None:
    """So that the first member's events are taken, and the last one's."""
    policies = {name for name, each in hub["Resources"].items() if each["Type"] == "AWS::Events::EventBusPolicy"}
    assert policies < set(named(hub, "MembersStackSet")["DependsOn"])


def test_the_rollout_is_as_the_settings_say(blue: Path) -> None:
    """Where it is not automatic, CloudFormation takes no word on accounts that leave."""
    stack_set = property_of(templates(blue)[0], "AWS::CloudFormation::StackSet")
    assert (stack_set["StackSetName"], stack_set["CallAs"]) == ("ProfilingGroupsMember-blue", "DELEGATED_ADMIN")
    assert stack_set["AutoDeployment"] == {"Enabled": False}
    preferences = stack_set["OperationPreferences"]
    assert preferences["RegionOrder"] == ["eu-west-1", "us-east-1"]
    assert (preferences["FailureTolerancePercentage"], preferences["MaxConcurrentPercentage"]) == (0, 100)


# --- the member


def test_the_member_needs_neither_assets_nor_bootstrap(made: Json, folder: Path) -> None:
    """By hand it takes the two parameters; as it is, CloudFormation takes it without a bucket."""
    assert set(made["Parameters"]) == {"HubBusArn", "HubRoleArn"}
    assert "Rules" not in made
    body = (folder / "ProfilingGroupsMember.template.json").read_text()
    assert "cdk" not in body
    assert len(body.encode()) < member.MOST_BYTES
    assert {each["Type"] for each in made["Resources"].values()} == {
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    }


def test_the_member_leaves_nothing_behind(made: Json) -> None:
    """Dead letters that nobody has fetched go with the rest."""
    policies = {each.get("DeletionPolicy", "Delete") for each in made["Resources"].values()}
    assert policies == {"Delete"}


def test_the_member_forwards_its_own_accounts_events_to_the_hub(template: Json, made: Json) -> None:
    """The same ones that a deployment of its own would hear; EventBridge takes no retry policy for a bus."""
    rule = property_of(made, "AWS::Events::Rule")
    assert rule["EventPattern"] == named(template, "ProvisionerRule")["Properties"]["EventPattern"]
    assert "EventBusName" not in rule
    (target,) = rule["Targets"]
    assert {key: text(value) for key, value in target.items() if key != "DeadLetterConfig"} == {
        "Id": "Target0",
        "Arn": "<HubBusArn>",
        "RoleArn": "<Forwarder.Arn>",
    }
    assert text(target["DeadLetterConfig"]["Arn"]) == "<DeadLetters.Arn>"


def test_only_the_members_rule_may_forward_and_leave_dead_letters(made: Json) -> None:
    """EventBridge does neither for anybody else's rule."""
    forwarder = named(made, "Forwarder")["Properties"]
    (trust,) = forwarder["AssumeRolePolicyDocument"]["Statement"]
    rule = "arn:<AWS::Partition>:events:<AWS::Region>:<AWS::AccountId>:rule/ProfilingGroupsMember"
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert text(trust["Condition"]["StringEquals"]["aws:SourceAccount"]) == "<AWS::AccountId>"
    assert text(trust["Condition"]["ArnEquals"]["aws:SourceArn"]) == rule
    assert property_of(made, "AWS::Events::Rule")["Name"] == "ProfilingGroupsMember"
    (policy,) = forwarder["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Action"], text(statement["Resource"])) == ("events:PutEvents", "<HubBusArn>")

    assert property_of(made, "AWS::SQS::Queue") == {
        # A name, so that the hub can tell its URL.
        "QueueName": "ProfilingGroupsMemberDeadLetters",
        "MessageRetentionPeriod": 1_209_600,
        "SqsManagedSseEnabled": True,
    }
    tls, sends = property_of(made, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert (sends["Action"], sends["Principal"]) == ("sqs:SendMessage", {"Service": "events.amazonaws.com"})
    assert text(sends["Condition"]["ArnEquals"]["aws:SourceArn"]) == "<Rule.Arn>"


def test_the_members_role_is_in_one_region_and_trusts_the_hubs_functions_alone(made: Json) -> None:
    """By the name of their role, so that one which is made anew is still known; and within the organization."""
    role = named(made, "Role")
    assert made["Conditions"] == {role["Condition"]: {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}}
    assert [name for name, each in made["Resources"].items() if "Condition" in each] == ["Role1ABCC5F0"]
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    _, partition, service, account, root = trust["Principal"]["AWS"]["Fn::Join"][1]
    assert (text(partition), service, root) == ("<AWS::Partition>", ":iam::", ":root")
    assert account == {"Fn::Select": [4, {"Fn::Split": [":", {"Ref": "HubRoleArn"}]}]}
    assert trust["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": {"Ref": "HubRoleArn"}},
        "StringEquals": {"aws:PrincipalOrgID": ID},
    }


@pytest.mark.parametrize("policy", [Policy(), OTHERWISE_SOMEWHERE], ids=["shipped", "with overrides"])
def test_the_members_role_may_do_what_the_policy_asks_for_in_any_place(policy: Policy) -> None:
    """In its account and the governed regions, and no more but to see how deep its dead-letter queue is."""
    made = json.loads(member.template(organization(), policy))
    (inline,) = named(made, "Role")["Properties"]["Policies"]
    found: dict[str, set[str]] = {}
    for statement in inline["PolicyDocument"]["Statement"]:
        assert statement["Condition"] == {"StringEquals": {"aws:RequestedRegion": ["us-east-1", "eu-west-1"]}}
        for resource in listed(statement["Resource"]):
            found.setdefault(text(resource), set()).update(listed(statement["Action"]))
    expected: dict[str, set[str]] = {}
    for each in permissions(policy):
        arn = f"arn:<AWS::Partition>:{each.service}:*:<AWS::AccountId>:{each.resource}"
        expected.setdefault(NO_RESOURCE if each.resource == NO_RESOURCE else arn, set()).update(each.actions)
    depth = "arn:<AWS::Partition>:sqs:*:<AWS::AccountId>:ProfilingGroupsMemberDeadLetters"
    assert found == expected | {depth: {"sqs:GetQueueAttributes"}}


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - what stands in a template's JSON
    """Return a list, where one stands for itself."""
    return value if isinstance(value, list) else [value]


def test_a_members_events_are_those_that_the_policy_heeds_in_any_place() -> None:
    """An override in one account is enough: the function decides where an event counts."""
    made = json.loads(member.template(organization(), OTHERWISE_SOMEWHERE))
    names = property_of(made, "AWS::Events::Rule")["EventPattern"]["detail"]["eventName"]
    assert names == list(triggers(OTHERWISE_SOMEWHERE))
    assert UPDATE_FUNCTION_CONFIGURATION in names
    assert UPDATE_FUNCTION_CONFIGURATION not in triggers(Policy())
    assert not any("DeleteFunction" in name for name in names)


def test_a_groups_name_with_account_and_region_is_within_reach_in_every_region() -> None:
    """The role serves them all, so that the region is left open."""
    policy = Policy(
        overrides=(
            Override(match=Match(accounts=("1*",)), changes={"group": {"name": "{account}-{region}-{function_name}"}}),
        )
    )
    made = json.loads(member.template(organization(), policy))
    (inline,) = named(made, "Role")["Properties"]["Policies"]
    reached = {
        text(each) for statement in inline["PolicyDocument"]["Statement"] for each in listed(statement["Resource"])
    }
    assert "arn:<AWS::Partition>:codeguru-profiler:*:<AWS::AccountId>:profilingGroup/<AWS::AccountId>-*-*" in reached


def test_a_policy_that_does_not_fit_into_the_member_is_refused() -> None:
    """With what is too long, by how much, and what makes it so."""
    names = [f"{number:03}-{'n' * 40}-" for number in range(120)]
    policy = Policy(
        overrides=tuple(
            Override(match=Match(accounts=(f"{number:012}",)), changes={"group": {"name": name + "{function_name}"}})
            for number, name in enumerate(names)
        )
    )
    with pytest.raises(member.MemberTemplateError, match=r"policy of the members' role comes to \d{5} .* takes 10240"):
        member.template(organization(), policy)


def test_the_longest_member_that_a_role_has_room_for_fits_into_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the role's limit is the one that binds; the other is watched all the same."""
    monkeypatch.setattr(member, "MOST_BYTES", 5_000)
    with pytest.raises(member.MemberTemplateError, match=r"members' template comes to \d{4} .* takes 5000"):
        member.template(organization(regions=sorted(PROFILER_REGIONS)), Policy())


def test_what_cdk_nag_finds_in_the_member_fails_the_synth(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line never comes to see the member's app."""
    monkeypatch.setattr(member, "dead_letter_queue", sqs.Queue)
    with pytest.raises(RuntimeError, match="AwsSolutions-SQS4"):
        member.template(organization(), Policy())


# --- both


def names_of(template: Json) -> Iterator[str]:
    """Yield the names that are given, rather than made up by CloudFormation."""
    for each in template["Resources"].values():
        for key in ("RoleName", "Name", "StackSetName", "FunctionName", "QueueName", "BucketName", "StateMachineName"):
            if isinstance(each["Properties"].get(key), str):
                yield f"{each['Type']} {each['Properties'][key]}"


def test_two_deployments_live_side_by_side(folder: Path, blue: Path) -> None:
    """In one hub account and region, with the same members: no name is given twice."""
    ours, theirs = ([name for template in templates(each) for name in names_of(template)] for each in (folder, blue))
    assert sorted(ours) == [
        "AWS::CloudFormation::StackSet ProfilingGroupsMember",
        "AWS::Events::EventBus ProfilingGroups",
        "AWS::Events::Rule ProfilingGroupsMember",
        "AWS::IAM::Role ProfilingGroupProvisioner",
        "AWS::IAM::Role ProfilingGroupsHub",
        "AWS::SQS::Queue ProfilingGroupsMemberDeadLetters",
    ]
    assert sorted(theirs) == [f"{name}-blue" for name in sorted(ours)]


def test_the_hubs_stack_carries_the_namespace_and_its_files_do_not(blue: Path) -> None:
    """Pipelines find the templates by the same names."""
    artifact = json.loads((blue / "manifest.json").read_text())["artifacts"]["ProfilingGroups"]
    assert artifact["properties"]["stackName"] == "ProfilingGroups-blue"


def test_cfn_lint_has_nothing_to_say(folder: Path) -> None:
    """Neither of the hub nor of the member."""
    files = [folder / f"{name}.template.json" for name in ("ProfilingGroups", "ProfilingGroupsMember")]
    done = subprocess.run(
        ["cfn-lint", "--ignore-checks", "W3005", "--", *files], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_without_an_organization_there_is_no_member(assembly: Path, template: Json) -> None:
    """Nor anything of a hub."""
    assert not (assembly / "ProfilingGroupsMember.template.json").exists()
    kinds = {each["Type"] for each in template["Resources"].values()}
    assert not kinds & {"AWS::Events::EventBus", "AWS::Events::EventBusPolicy", "AWS::CloudFormation::StackSet"}
    assert not list(names_of(template))


def test_a_policy_that_speaks_of_units_needs_an_organization(
    synth: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Without one, nothing tells which unit an account is in."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("organization:\n  ous: {include: [ou-ab12-11111111]}\n")
    done = synth(tmp_path / "out", policy=str(policy))
    assert done.returncode != 0
    assert f"{policy}:2: organization.ous" in done.stderr
    assert "Traceback" not in done.stderr
