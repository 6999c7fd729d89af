"""What is read of an account: each thing once, when a check first asks for it, with the operator's credentials."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ops.connection import CONFIG
from ops.deployment import STACK
from ops.doctor import policies, stacks
from ops.doctor.commands import Commands
from ops.doctor.organization import Instance, Room, StackSet
from ops.doctor.policies import Decision, Request
from ops.doctor.roles import Asked, DeployedRole, RolePolicies
from ops.doctor.rules import Rule
from ops.doctor.trails import Trail
from ops.doctor.work import Function, Record, Schedule, Sweep
from ops.letter_queue import Counts, LetterQueue
from ops.letters import Tally
from ops.problems import CannotWorkError
from ops.results import Results
from ops.swept import Swept, of_failure, of_run
from profiling_groups.aws import QUOTA_CODE
from profiling_groups.events import SOURCE
from profiling_groups.functions import partition
from profiling_groups.sweep import DEFAULT_QUOTA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import boto3

    from ops.doctor.stacks import Resource, Stack, Template
    from profiling_groups.functions import Place

# Somebody waits; what does not answer is told as such.
_CONFIG: Final = CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 3}))
_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "UnauthorizedOperation",
    }
)
_BOOTSTRAPPED: Final = "/cdk-bootstrap/hnb659fds/version"
"""Under the CDK's qualifier, which is its default one (CDK developer guide, "Customize bootstrapping")."""
_LOOKED_BACK: Final = timedelta(days=1)
_MOST_PAGES: Final = 20
"""Pages of a log, each of up to 10,000 records."""
_MOST_LETTERS: Final = 100
_MOST_EXECUTIONS: Final = 50
"""Executions that are looked at in search of one that succeeded; dry runs are among them."""
_NOT_ALL: Final = ("dry_run", "accounts", "regions")
"""What the input of an execution has that writes nothing, or sweeps a part of an organization."""
_GROUPS_A_PAGE: Final = 1_000


def is_denied(error: ClientError) -> bool:
    """Whether the operator may not ask that."""
    return error.response["Error"]["Code"] in _DENIED


class Reading:
    """What there is to read.

    Args:
        session: The operator's.
        place: The account and region.
        stack: Name of the stack.

    Attributes:
        place: The account and region.
        stack_name: Name of the stack.

    Every property and method raises botocore's ClientError where it may not be read, and BotoCoreError where AWS could
    not be reached.
    """

    def __init__(self, session: boto3.Session, place: Place, *, stack: str) -> None:
        self._session = session
        self.place = place
        self.stack_name = stack
        self._clients: dict[tuple[str, str | None], Any] = {}

    def client(self, service: str, *, region: str | None = None) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client for a service."""
        if (service, region) not in self._clients:
            made = self._session.client(service, region_name=region, config=_CONFIG)  # type: ignore[call-overload]  # any service
            self._clients[service, region] = made
        return self._clients[service, region]

    # What is deployed.

    @cached_property
    def stack(self) -> Stack | None:
        """The project's stack, or whatever stack has its name; None where there is none."""
        return stacks.find(self.client("cloudformation"), self.stack_name)

    @property
    def is_bootstrapped(self) -> bool:
        """Whether the CDK may deploy here, as it sees that itself; True where that may not be read."""
        client = self.client("ssm")
        try:
            client.get_parameter(Name=_BOOTSTRAPPED)
        except client.exceptions.ParameterNotFound:
            return False
        except ClientError:
            return True
        return True

    @cached_property
    def member_stack(self) -> Stack | None:
        """The stack that makes this account and region a member of an organization; None where there is none."""
        if self.stack and self.stack.is_member:
            return self.stack
        # Who names a stack means that one. A plain deployment and a member would do the same work twice.
        if self.stack_name != STACK if self.stack is None else not self.stack.is_hub:
            return None
        return next(iter(stacks.members(self.client("cloudformation"))), None)

    @cached_property
    def template(self) -> Template:
        """The stack's template, deployed."""
        if self.stack is None:
            raise LookupError(self.stack_name)
        return stacks.template(self.client("cloudformation"), self.stack, self.place)

    @cached_property
    def member_template(self) -> Template:
        """The member's template, deployed."""
        if self.member_stack is None:
            raise LookupError
        return stacks.template(self.client("cloudformation"), self.member_stack, self.place)

    @property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs."""
        return self.stack.outputs if self.stack else {}

    @cached_property
    def commands(self) -> Commands:
        """The project's own commands for this deployment; where it cannot be seen, for one that is no hub."""
        is_hub = False
        with suppress(ClientError, BotoCoreError):
            is_hub = self.stack is not None and self.stack.is_hub
        return Commands(stack=self.stack_name, is_hub=is_hub)

    # Events.

    @cached_property
    def trails(self) -> Sequence[Trail]:
        """All trails that can be seen here, those of the organization among them.

        Where there is none, those that record in another region alone, of which a list tells and no more.
        """
        found = self.client("cloudtrail").describe_trails(includeShadowTrails=True)["trailList"]
        if not found:
            with suppress(ClientError):
                pages = self.client("cloudtrail").get_paginator("list_trails").paginate()
                for each in (each for page in pages for each in page["Trails"]):
                    there = self.client("cloudtrail", region=each["HomeRegion"])
                    found += there.describe_trails(trailNameList=[each["TrailARN"]])["trailList"]
        return [self._trail(each) for each in found]

    def _trail(self, found: Mapping[str, Any]) -> Trail:
        arn, client = found["TrailARN"], self.client("cloudtrail", region=found["HomeRegion"])
        is_logging: bool | None = None
        selectors: Mapping[str, Any] = {"EventSelectors": None, "AdvancedEventSelectors": None}
        # Of an organization's trail a member may know that it is there, and no more.
        with suppress(ClientError):
            is_logging = client.get_trail_status(Name=arn)["IsLogging"]
        with suppress(ClientError):
            selectors = client.get_event_selectors(TrailName=arn)
        return Trail(
            arn=arn,
            home=found["HomeRegion"],
            is_multi_region=found.get("IsMultiRegionTrail", False),
            is_organization=found.get("IsOrganizationTrail", False),
            is_logging=is_logging,
            selectors=selectors.get("EventSelectors", ()),
            advanced=selectors.get("AdvancedEventSelectors", ()),
        )

    def deployed_rule(self, template: Template) -> Rule:
        """Return the rule that a template has for Lambda's events."""
        for each in template.of_type("AWS::Events::Rule"):
            if each.properties["EventPattern"].get("source") == [SOURCE]:
                bus, _, name = each.name.rpartition("|")
                return Rule(
                    name=name,
                    bus=bus or None,
                    pattern=template.resolved(each.properties["EventPattern"]),
                    targets=template.resolved(each.properties["Targets"]),
                )
        raise LookupError

    def rule(self, deployed: Rule) -> Mapping[str, Any] | None:
        """Return a rule as it is; None where it is gone."""
        client = self.client("events")
        with suppress(client.exceptions.ResourceNotFoundException):
            found: Mapping[str, Any] = client.describe_rule(Name=deployed.name, **_bus(deployed))
            return found
        return None

    def default_bus_rules(self) -> Sequence[Mapping[str, Any]]:
        """Return the rules of the default event bus."""
        pages = self.client("events").get_paginator("list_rules").paginate()
        return [rule for page in pages for rule in page["Rules"]]

    def targets(self, deployed: Rule) -> Sequence[Mapping[str, Any]] | None:
        """Return a rule's targets; None where it is gone."""
        client = self.client("events")
        with suppress(client.exceptions.ResourceNotFoundException):
            found: Sequence[Mapping[str, Any]] = client.list_targets_by_rule(Rule=deployed.name, **_bus(deployed))[
                "Targets"
            ]
            return found
        return None

    def function_policy(self, function: str) -> policies.Document | None:
        """Return a function's policy; None where there is none."""
        client = self.client("lambda")
        with suppress(client.exceptions.ResourceNotFoundException):
            found: policies.Document = json.loads(client.get_policy(FunctionName=function)["Policy"])
            return found
        return None

    def bus_policy(self, name: str) -> policies.Document | None:
        """Return a bus's policy; None where it has none, or is gone."""
        client = self.client("events")
        with suppress(client.exceptions.ResourceNotFoundException):
            if policy := client.describe_event_bus(Name=name).get("Policy"):
                found: policies.Document = json.loads(policy)
                return found
        return None

    # Functions and roles.

    @cached_property
    def functions(self) -> Sequence[Function]:
        """The deployment's functions: first the one for events, then the one that sweeps."""
        return [
            self._function(each)
            for each in (self.outputs["ProvisionerFunctionName"], self.outputs["BackfillFunctionName"])
        ]

    def _function(self, name: str) -> Function:
        client = self.client("lambda")
        configuration = concurrency = None
        with suppress(client.exceptions.ResourceNotFoundException):
            configuration = client.get_function_configuration(FunctionName=name)
            concurrency = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        deployed = next(each for each in self.template.of_type("AWS::Lambda::Function") if each.name == name).properties
        return Function(
            name=name,
            configuration=configuration,
            concurrency=concurrency,
            role=self.template.resolved(deployed["Role"]),
            deployed_concurrency=deployed.get("ReservedConcurrentExecutions"),
        )

    def log_group(self, function: str) -> str:
        """Return the log group of one of the functions."""
        configuration = next(each.configuration for each in self.functions if each.name == function) or {}
        return str(configuration.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}")

    def deployed_roles(self, template: Template, service: str) -> list[DeployedRole]:
        """Return the roles of a template that a service may assume."""
        return [
            role
            for each in template.of_type("AWS::IAM::Role")
            if service in json.dumps((role := _deployed_role(template, each)).trust)
        ]

    def role_named(self, template: Template, name: str) -> DeployedRole | None:
        """Return a role of a template by its name."""
        found = next((each for each in template.of_type("AWS::IAM::Role") if each.name == name), None)
        return _deployed_role(template, found) if found else None

    def trust(self, role: str) -> policies.Document | None:
        """Return who may assume a role; None where it is gone."""
        client = self.client("iam")
        with suppress(client.exceptions.NoSuchEntityException):
            found: policies.Document = client.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
            return found
        return None

    def asked(self, role: DeployedRole) -> tuple[list[Asked], bool]:
        """Return what is said to each thing that a role was deployed for, and whether IAM itself has said it."""
        wanted = [statement for document in role.policies.values() for statement in policies.statements(document)]
        try:
            return [each for statement in wanted for each in self._simulated(role, statement)], True
        except ClientError as error:
            # AWS's own partitions and emulators may not have it, either.
            if not is_denied(error) and error.response["Error"]["Code"] not in ("InvalidAction", "NotImplemented"):
                raise
        now = self.role_policies(role.name)
        said = []
        for statement in wanted:
            context = {key.lower(): values[0] for key, values in statement.context.items()}
            for resource in statement.samples(account=self.place.account, region=self.place.region):
                for action in statement.actions:
                    request = Request(action=action, resource=resource, context=context)
                    said.append(Asked(action=action, resource=resource, decision=now.decide(request)))
        return said, False

    def _simulated(self, role: DeployedRole, statement: policies.Statement) -> Iterator[Asked]:
        pages = (
            self.client("iam")
            .get_paginator("simulate_principal_policy")
            .paginate(
                PolicySourceArn=f"arn:{partition(self.place.region)}:iam::{self.place.account}:role/{role.name}",
                ActionNames=list(statement.actions),
                ResourceArns=list(statement.samples(account=self.place.account, region=self.place.region)),
                ContextEntries=[
                    {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [values[0]]}
                    for key, values in statement.context.items()
                ],
            )
        )
        decisions = {"allowed": Decision.ALLOWED, "explicitDeny": Decision.DENIED}
        for page in pages:
            for each in page["EvaluationResults"]:
                yield Asked(
                    action=each["EvalActionName"],
                    resource=each.get("EvalResourceName", "*"),
                    decision=decisions.get(each["EvalDecision"], Decision.NOT_ALLOWED),
                    by_organization=not each.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True),
                    by_boundary=not each.get("PermissionsBoundaryDecisionDetail", {}).get(
                        "AllowedByPermissionsBoundary", True
                    ),
                )

    def role_policies(self, role: str) -> RolePolicies:
        """Return the policies that a role has."""
        client = self.client("iam")
        own, attached = {}, {}
        for page in client.get_paginator("list_role_policies").paginate(RoleName=role):
            for name in page["PolicyNames"]:
                own[name] = client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for page in client.get_paginator("list_attached_role_policies").paginate(RoleName=role):
            for each in page["AttachedPolicies"]:
                arn = each["PolicyArn"]
                version = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
                attached[arn] = client.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        return RolePolicies(own=own, attached=attached)

    # What was done.

    def records(self, function: str, *, now: datetime, about: str = "outcome") -> tuple[list[Record], bool]:
        """Return a function's outcomes of the day before, and since, and whether these are all.

        Args:
            function: Whose log it is.
            now: The end of that day.
            about: A word that they have in them.
        """
        pages = (
            self.client("logs")
            .get_paginator("filter_log_events")
            .paginate(
                logGroupName=self.log_group(function),
                filterPattern=f'"{about}"',
                startTime=int((now - _LOOKED_BACK).timestamp() * 1000),
            )
        )
        found: list[Record] = []
        pages = iter(pages)
        for page in islice(pages, _MOST_PAGES):
            found += (record for event in page["events"] if (record := _record(event)))
        return found, next(pages, None) is None

    def letters(self, url: str) -> tuple[Tally, Counts]:
        """Return the dead letters that wait, as far as they are looked at; they are given back at once."""
        tally, seen = Tally(), 0
        with LetterQueue(self._session, url) as queue:
            counts = queue.counts()
            while (counts.waiting or seen) and seen < _MOST_LETTERS and (batch := queue.receive()):
                for letter in batch:
                    tally.add(letter)
                seen += len(batch)
        return tally, counts

    @cached_property
    def groups(self) -> int:
        """How many profiling groups there are."""
        client, request, found = self.client("codeguruprofiler"), {"maxResults": _GROUPS_A_PAGE}, 0
        while True:
            page = client.list_profiling_groups(**request)
            found += len(page["profilingGroupNames"])
            if not page.get("nextToken") or page["nextToken"] == request.get("nextToken"):
                return found
            request["nextToken"] = page["nextToken"]

    @cached_property
    def quota(self) -> tuple[int, bool]:
        """How many there may be, and whether Service Quotas has said so."""
        with suppress(ClientError):
            found = self.client("service-quotas").get_service_quota(
                ServiceCode="codeguru-profiler", QuotaCode=QUOTA_CODE
            )["Quota"]
            return int(found["Value"]), True
        return DEFAULT_QUOTA, False

    @cached_property
    def sweeps(self) -> Sequence[Sweep]:
        """The executions that sweep everything, the latest first, as far back as the last that succeeded."""
        client = self.client("stepfunctions")
        pages = client.get_paginator("list_executions").paginate(
            stateMachineArn=self.outputs["BackfillStateMachineArn"]
        )
        found = []
        for each in islice((each for page in pages for each in page["executions"]), _MOST_EXECUTIONS):
            described = client.describe_execution(executionArn=each["executionArn"])
            request = json.loads(described.get("input") or "{}")
            if any(request.get(key) for key in _NOT_ALL):
                continue
            found.append(
                Sweep(
                    arn=each["executionArn"],
                    status=each["status"],
                    began=described.get("redriveDate") or each["startDate"],
                    ended=each.get("stopDate"),
                )
            )
            if each["status"] == "SUCCEEDED":
                break
        return found

    @cached_property
    def schedule(self) -> Schedule | None:
        """The schedule; None where none was deployed."""
        deployed = next(self.template.of_type("AWS::Scheduler::Schedule"), None)
        if deployed is None:
            return None
        client, found = self.client("scheduler"), None
        with suppress(client.exceptions.ResourceNotFoundException):
            found = client.get_schedule(Name=deployed.name)
        return Schedule(name=deployed.name, deployed=self.template.resolved(deployed.properties), found=found)

    # The organization.

    @cached_property
    def stack_set(self) -> StackSet:
        """The stack set as it was deployed."""
        properties = next(self.template.of_type("AWS::CloudFormation::StackSet")).properties
        groups = properties.get("StackInstancesGroup", [])
        return StackSet(
            name=properties["StackSetName"],
            call_as=properties.get("CallAs", "SELF"),
            units=[unit for each in groups for unit in each["DeploymentTargets"].get("OrganizationalUnitIds", [])],
        )

    @cached_property
    def instances(self) -> Sequence[Instance] | None:
        """Its instances; None where it is gone."""
        client = self.client("cloudformation")
        pages = client.get_paginator("list_stack_instances").paginate(
            StackSetName=self.stack_set.name, CallAs=self.stack_set.call_as
        )
        with suppress(client.exceptions.StackSetNotFoundException):
            return [
                Instance(
                    account=each["Account"],
                    region=each["Region"],
                    status=each["Status"],
                    detailed_status=each.get("StackInstanceStatus", {}).get("DetailedStatus"),
                    reason=each.get("StatusReason"),
                )
                for page in pages
                for each in page["Summaries"]
            ]
        return None

    @cached_property
    def swept(self) -> tuple[list[Swept], list[Room]] | None:
        """What the last sweep came to, and how much room it found for groups; None where nothing tells any more."""
        last = next((each for each in self.sweeps if each.status == "SUCCEEDED"), None)
        if last is None:
            return None
        found = self.client("stepfunctions").describe_execution(executionArn=last.arn)
        details = json.loads(found["output"]).get("ResultWriterDetails")
        if not details:
            return [], []
        places, rooms = [], []
        try:
            results = Results(self._session, details)
            for run in results.runs():
                places.append(of_run(run))
                totals = run["totals"] or {}
                if totals.get("quota") and totals.get("groups") is not None:
                    rooms.append(
                        Room(
                            account=run["account"],
                            region=run["region"],
                            groups=totals["groups"],
                            quota=totals["quota"],
                        )
                    )
            for failure in results.failures():
                places.extend(of_failure(failure, dry_run=False))
        except CannotWorkError:
            return None
        return places, rooms


def _deployed_role(template: Template, role: Resource) -> DeployedRole:
    """Return a role with all that its template allows it.

    Raises:
        UnresolvedError: Only CloudFormation knows what that is.
    """
    documents: dict[str, policies.Document] = {
        each["PolicyName"]: template.resolved(each["PolicyDocument"]) for each in role.properties.get("Policies", [])
    }
    for policy in template.of_type("AWS::IAM::Policy"):
        if {"Ref": role.id} in policy.properties.get("Roles", []):
            documents[policy.properties["PolicyName"]] = template.resolved(policy.properties["PolicyDocument"])
    return DeployedRole(
        name=role.name,
        trust=template.resolved(role.properties["AssumeRolePolicyDocument"]),
        policies=documents,
        boundary=template.resolved(role.properties.get("PermissionsBoundary")),
    )


def _bus(rule: Rule) -> dict[str, str]:
    return {"EventBusName": rule.bus} if rule.bus else {}


def _record(event: Mapping[str, Any]) -> Record | None:
    """Return an outcome's record; None for another one, and for one of a dry run."""
    try:
        found = json.loads(event["message"])
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("log_type") != "outcome" or found.get("dry_run"):
        return None
    return Record(
        at=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
        function=found.get("function"),
        action=str(found.get("action")),
        reason=found.get("reason"),
        detail=found.get("detail"),
    )
