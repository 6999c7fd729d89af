"""The checks: in order, each with what it looks at and which others it builds on. What they find is told one by one.

One that has failed does not paint others red: what builds on it is skipped, and says so.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from infra import fingerprint
from ops.account import CREDENTIALS
from ops.doctor import organization, roles, rules, trails, work
from ops.doctor.commands import BOOTSTRAP, DEPLOY, DEPLOY_ANEW, Commands, aws, deploy
from ops.doctor.findings import Finding, Status, Verdict
from ops.doctor.reading import Reading, is_denied
from ops.doctor.stacks import Template, UnresolvedError
from profiling_groups.decision import PROFILER_REGIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ops.doctor.stacks import Stack
    from profiling_groups.policy import Policy

_NOT_AUTHORIZED: Final = re.compile(r"not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z0-9]+)")


class Kind(Flag):
    """What is deployed in an account and region."""

    PLAIN = auto()
    """The stack, for this account and region."""
    HUB = auto()
    """The stack, for an organization."""
    MEMBER = auto()
    """What makes this account and region a member of one; the hub's own account may be both."""
    ANY = PLAIN | HUB | MEMBER


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What is looked at.

    Attributes:
        reading: Reads it.
        policy: The policy file at hand; None where there is none.
        policy_path: Where it is.
        now: The time.
    """

    reading: Reading
    policy: Policy | None
    policy_path: Path | None
    now: datetime

    @property
    def kind(self) -> Kind:
        """What is deployed here; by default, or where that cannot be told, what should be."""
        found = Kind(0)
        with suppress(ClientError, BotoCoreError):
            stack = self.reading.stack
            if stack and stack.is_deployment:
                found |= Kind.HUB if stack.is_hub else Kind.PLAIN
            if self.reading.member_stack:
                found |= Kind.MEMBER
        return found or Kind.PLAIN


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check.

    Attributes:
        id: What it is called, for good.
        kinds: Where it is of use.
        looks_at: What it looks at.
        run: Looks at it.
        needs: Those that it builds on.
    """

    id: str
    kinds: Kind
    looks_at: str
    run: Callable[[Patient], Verdict]
    needs: tuple[str, ...] = ()


def examine(patient: Patient) -> Iterator[Finding]:
    """Yield what each check finds, in order."""
    useless: set[str] = set()
    kind = Kind.ANY
    for check in CHECKS:
        if not check.kinds & kind:
            continue
        in_the_way = next((need for need in check.needs if need in useless), None)
        verdict = (
            Verdict.skipped(f"of no use before {in_the_way} is in order") if in_the_way else _verdict(check, patient)
        )
        if verdict.untold or verdict.status in (Status.FAIL, Status.SKIPPED):
            useless.add(check.id)
        if check.id == _FINDS_KIND:
            kind = patient.kind
        yield Finding(
            id=check.id,
            status=verdict.status,
            looked_at=check.looks_at,
            detail=verdict.detail,
            mend=verdict.mend,
        )


def _verdict(check: Check, patient: Patient) -> Verdict:
    try:
        return check.run(patient)
    except ClientError as error:
        if error.response["Error"]["Code"] in CREDENTIALS:
            raise
        if not is_denied(error):
            return Verdict.cannot_be_told(str(error))
        named = _NOT_AUTHORIZED.search(str(error))
        action = named["action"] if named else error.operation_name
        return Verdict.cannot_be_told(f"may not {action}", mend=f"allow whoever asks {action}")
    except BotoCoreError as error:
        return Verdict.cannot_be_told(str(error))
    except UnresolvedError as error:
        return Verdict.cannot_be_told(f"only CloudFormation knows what the template means by {error}")


# Here.


def _region(patient: Patient) -> Verdict:
    region = patient.reading.place.region
    if region in PROFILER_REGIONS:
        return Verdict.passed(f"CodeGuru Profiler is offered in {region}")
    return Verdict.failed(
        f"CodeGuru Profiler is not offered in {region}, only in {', '.join(sorted(PROFILER_REGIONS))}",
        mend="export AWS_REGION=<one of these>",
    )


def _profiler(patient: Patient) -> Verdict:
    try:
        _ = patient.reading.groups
    except ClientError as error:
        # Whoever may not ask, or asks too much, has an answer all the same.
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) < 500:  # noqa: PLR2004 - server errors
            raise
        return work.out_of_order(str(error), commands=patient.reading.commands)
    except BotoCoreError as error:
        return work.out_of_order(str(error), commands=patient.reading.commands)
    return Verdict.passed("it answers")


# The stack.


def _stack(patient: Patient) -> Verdict:
    reading = patient.reading
    stack = reading.stack
    if stack is None:
        if (member := reading.member_stack) is not None:
            return Verdict.passed(f"no stack {reading.stack_name} is here, but a member's: {member.name}")
        return Verdict.failed(
            f"there is no stack {reading.stack_name} in {reading.place.region}"
            " (--stack names another one, AWS_REGION another region)",
            mend=DEPLOY if reading.is_bootstrapped else f"{BOOTSTRAP} && {DEPLOY}",
        )
    if stack.is_member:
        return check_status(stack, f"{stack.name} makes this account a member", mend=_ask_hub(stack))
    if not stack.is_deployment or not {"ProvisionerFunctionName", "BackfillFunctionName"} <= stack.outputs.keys():
        return Verdict.failed(f"the stack {stack.name} is another one, or of an older version", mend=DEPLOY)
    return check_status(
        stack,
        f"{stack.name} is {stack.status}" + (", the hub of an organization" if stack.is_hub else ""),
        mend=DEPLOY,
    )


def _ask_hub(member: Stack) -> str:
    """Return what is to be done about a member's stack, which nobody in the member's account has deployed."""
    account, commands = _hub(member)
    return f"in the hub's account {account}: {commands.doctor()}"


def _hub(member: Stack) -> tuple[str, Commands]:
    """Return the account of a member's hub, and its commands there: its bus is called as its stack is."""
    *_, account, bus = member.parameters["HubBusArn"].split(":")
    return account, Commands(stack=bus.removeprefix("event-bus/"), is_hub=True)


def check_status(stack: Stack, detail: str, *, mend: str) -> Verdict:
    """See whether a stack's last deployment has come to its end, and to a good one.

    Args:
        stack: The stack.
        detail: What is said of it if so.
        mend: The command that deploys it.
    """
    if stack.status.endswith("_IN_PROGRESS"):
        return Verdict.warned(f"{stack.name} is being changed: {stack.status}")
    if stack.status == "UPDATE_ROLLBACK_FAILED":
        # It takes no deployment before it is back where it was.
        mend = aws("cloudformation", "continue-update-rollback", StackName=stack.name)
    if stack.status.endswith("_FAILED") or stack.status in ("ROLLBACK_COMPLETE", "DELETE_COMPLETE"):
        return Verdict.failed(f"{stack.name} is {stack.status}: {stack.reason or 'no reason is given'}", mend=mend)
    if stack.status.endswith("ROLLBACK_COMPLETE"):
        return Verdict.warned(
            f"{stack.name} is as it was before the last deployment, which failed: {stack.reason or stack.status}",
            mend=mend,
        )
    return Verdict.passed(detail)


def _stack_current(patient: Patient) -> Verdict:
    return check_fingerprint(
        patient.reading.template.fingerprint, policy=patient.policy, mend=deploy(patient.policy_path)
    )


def check_fingerprint(deployed: object, *, policy: Policy | None, mend: str) -> Verdict:
    """See whether what is deployed is what is at hand.

    Args:
        deployed: The fingerprint that the template carries; empty for none.
        policy: The policy file at hand; None where there is none.
        mend: The command that deploys it.
    """
    if not isinstance(deployed, dict) or not deployed:
        return Verdict.warned("the version that is deployed does not tell of what it was made", mend=mend)
    if policy is not None and deployed.get("policy") != fingerprint.policy_digest(policy):
        return Verdict.failed(
            "another policy is deployed than the file at hand (--policy names another one)", mend=mend
        )
    if deployed.get("code") != fingerprint.code_digest():
        return Verdict.warned("another version of the code is deployed than goes with this command", mend=mend)
    if policy is None:
        return Verdict.warned(
            "the code is of this version; with which policy cannot be told, as no file is at hand",
            mend="profiling-groups doctor --policy FILE",
        )
    return Verdict.passed("the policy and the code at hand are deployed")


def _functions(patient: Patient) -> Verdict:
    return work.check_functions(patient.reading.functions)


def _function_role(patient: Patient) -> Verdict:
    (role, *_) = patient.reading.deployed_roles(patient.reading.template, "lambda.amazonaws.com")
    return _role(patient, [role])


def _machine_roles(patient: Patient) -> Verdict:
    template = patient.reading.template
    services = ("states.amazonaws.com", "scheduler.amazonaws.com", "events.amazonaws.com")
    return _role(patient, [role for each in services for role in patient.reading.deployed_roles(template, each)])


def _role(patient: Patient, deployed: Sequence[roles.DeployedRole]) -> Verdict:
    """Return the first verdict that is none of a pass, or the last one."""
    reading = patient.reading
    verdict = Verdict.passed("there is none")
    for role in deployed:
        trust = reading.trust(role.name)
        if trust is None:
            return Verdict.failed(
                f"the role {role.name} is gone, and CloudFormation does not make it anew by itself",
                mend=DEPLOY_ANEW,
            )
        asked, simulated = reading.asked(role)
        verdict = roles.check(role, trust=trust, asked=asked, now=_or_none(lambda: reading.role_policies(role.name)))  # noqa: B023 - called at once
        if not simulated:
            verdict = Verdict(
                status=verdict.status,
                detail=f"{verdict.detail} (by its own policies, as IAM's simulator may not be asked)",
                mend=verdict.mend,
            )
        if verdict.status is not Status.PASS:
            return verdict
    if len(deployed) > 1:
        return Verdict.passed(f"all {len(deployed)} roles may do what they were deployed for")
    return verdict


def _or_none(read: Callable[[], roles.RolePolicies]) -> Callable[[], roles.RolePolicies | None]:
    def readable() -> roles.RolePolicies | None:
        try:
            return read()
        except ClientError:
            return None

    return readable


# Events.


def _trail(patient: Patient) -> Verdict:
    verdict = trails.check(patient.reading.trails, place=patient.reading.place)
    if patient.kind is not Kind.HUB or verdict.status is Status.PASS:
        return verdict
    return Verdict.cannot_be_told(
        "this account is no member, and no organization's trail is seen from here that is known to record;"
        " the members' own trails cannot be read from the hub",
        mend="run in a member's account: profiling-groups doctor",
    )


def _rule(patient: Patient) -> Verdict:
    return _rule_of(patient.reading, patient.reading.template)


def _rule_of(reading: Reading, template: Template) -> Verdict:
    deployed = reading.deployed_rule(template)
    return rules.check(deployed, reading.rule(deployed))


def _single_deployment(patient: Patient) -> Verdict:
    reading = patient.reading
    own = {reading.deployed_rule(reading.template).name}
    if reading.member_stack:
        own.add(reading.deployed_rule(reading.member_template).name)
    return rules.check_single(reading.default_bus_rules(), own=own)


def _rule_target(patient: Patient) -> Verdict:
    return _target_of(patient.reading, patient.reading.template)


def _target_of(reading: Reading, template: Template) -> Verdict:
    deployed = reading.deployed_rule(template)
    found = reading.targets(deployed)
    return (
        Verdict.skipped("the rule is gone, and its targets with it")
        if found is None
        else rules.check_target(deployed, found)
    )


def _invoke_permission(patient: Patient) -> Verdict:
    reading = patient.reading
    rule = reading.deployed_rule(reading.template)
    bus = f"{rule.bus}/" if rule.bus else ""
    function = next(iter(rule.targets))["Arn"]
    beginning = function.rpartition(":function:")[0].replace(":lambda:", ":events:")
    return rules.check_permission(function, f"{beginning}:rule/{bus}{rule.name}", reading.function_policy(function))


def _bus_policy(patient: Patient) -> Verdict:
    reading = patient.reading
    deployed = [
        reading.template.resolved(each.properties["Statement"])
        for each in reading.template.of_type("AWS::Events::EventBusPolicy")
    ]
    name = reading.outputs["EventBusArn"].rpartition("/")[2]
    return rules.check_bus(name, deployed, reading.bus_policy(name))


# What was done.


def _last_invocations(patient: Patient) -> Verdict:
    reading = patient.reading
    found = [reading.records(each.name, now=patient.now) for each in reading.functions]
    return work.check_outcomes(
        [record for records, _ in found for record in records],
        complete=all(all_ for _, all_ in found),
        commands=reading.commands,
    )


def _dead_letters(patient: Patient) -> Verdict:
    return _letters_of(patient.reading, patient.reading.outputs["DeadLetterQueueUrl"])


def _letters_of(reading: Reading, url: str) -> Verdict:
    tally, counts = reading.letters(url)
    return work.check_letters(tally, waiting=counts.waiting, hidden=counts.hidden, commands=reading.commands)


def _quota(patient: Patient) -> Verdict:
    reading = patient.reading
    if patient.kind & Kind.HUB:
        return organization.check_room(reading.swept[1] if reading.swept else None, commands=reading.commands)
    quota, is_known = reading.quota
    return work.check_quota(used=reading.groups, quota=quota, is_known=is_known)


def _schedule(patient: Patient) -> Verdict:
    return work.check_schedule(patient.reading.schedule)


def _last_sweep(patient: Patient) -> Verdict:
    reading = patient.reading
    return work.check_sweep(
        reading.sweeps,
        schedule=reading.schedule,
        now=patient.now,
        commands=reading.commands,
    )


# The organization.


def _stack_set(patient: Patient) -> Verdict:
    return organization.check_stack_set(patient.reading.stack_set, patient.reading.instances)


def _accounts(patient: Patient) -> Verdict:
    swept = patient.reading.swept
    return organization.check_accounts(
        swept[0] if swept else None, outputs=patient.reading.outputs, commands=patient.reading.commands
    )


def _member_stack(patient: Patient) -> Verdict:
    stack = patient.reading.member_stack
    if stack is None:
        raise LookupError
    hub, _ = _hub(stack)
    return check_status(stack, f"{stack.name} forwards events to account {hub}", mend=_ask_hub(stack))


def _member_rule(patient: Patient) -> Verdict:
    return _rule_of(patient.reading, patient.reading.member_template)


def _member_target(patient: Patient) -> Verdict:
    return _target_of(patient.reading, patient.reading.member_template)


def _member_forwarder(patient: Patient) -> Verdict:
    reading = patient.reading
    return _role(patient, reading.deployed_roles(reading.member_template, "events.amazonaws.com"))


def _member_role(patient: Patient) -> Verdict:
    reading = patient.reading
    hubs = [
        role
        for each in reading.member_template.of_type("AWS::IAM::Role")
        if (role := reading.role_named(reading.member_template, each.name))
        and "events.amazonaws.com" not in str(role.trust)
    ]
    if not hubs:
        return Verdict.passed("this is not the region that has the role")
    return _role(patient, hubs)


def _member_letters(patient: Patient) -> Verdict:
    stack = patient.reading.member_stack
    if stack is None:
        raise LookupError
    url = stack.outputs["DeadLetterQueueUrl"]
    verdict = _letters_of(patient.reading, url)
    if verdict.status is not Status.FAIL:
        return verdict
    # Whoever may read a member's queue may seldom invoke the hub's function.
    hub, there = _hub(stack)
    sweep = there.sweep("--account", patient.reading.place.account)
    purge = aws("sqs", "purge-queue", QueueUrl=url)
    return Verdict.failed(verdict.detail, mend=f"in the hub's account {hub}: {sweep}; then here: {purge}")


_FINDS_KIND: Final = "stack"
_DEPLOYED: Final = Kind.PLAIN | Kind.HUB

CHECKS: Final = (
    Check(id="region-supported", kinds=Kind.ANY, looks_at="the regions of CodeGuru Profiler", run=_region),
    Check(
        id="profiler",
        kinds=Kind.ANY,
        looks_at="codeguru-profiler:ListProfilingGroups",
        run=_profiler,
        needs=("region-supported",),
    ),
    Check(
        id="stack",
        kinds=Kind.ANY,
        looks_at="cloudformation:DescribeStacks",
        run=_stack,
        needs=("region-supported",),
    ),
    Check(
        id="stack-current",
        kinds=_DEPLOYED,
        looks_at="the fingerprint in the deployed template, the policy file and the code at hand",
        run=_stack_current,
        needs=("stack",),
    ),
    Check(
        id="trail",
        kinds=Kind.ANY,
        looks_at="the trails that are seen here: whether they log, what they record, in which regions",
        run=_trail,
        needs=("region-supported",),
    ),
    Check(
        id="rule",
        kinds=_DEPLOYED,
        looks_at="events:DescribeRule, the deployed template",
        run=_rule,
        needs=("stack",),
    ),
    Check(
        id="single-deployment",
        kinds=_DEPLOYED,
        looks_at="events:ListRules",
        run=_single_deployment,
        needs=("stack",),
    ),
    Check(
        id="rule-target",
        kinds=_DEPLOYED,
        looks_at="events:ListTargetsByRule, the deployed template",
        run=_rule_target,
        needs=("stack",),
    ),
    Check(
        id="function",
        kinds=_DEPLOYED,
        looks_at="lambda:GetFunctionConfiguration, lambda:GetFunctionConcurrency",
        run=_functions,
        needs=("stack",),
    ),
    Check(
        id="invoke-permission",
        kinds=_DEPLOYED,
        looks_at="lambda:GetPolicy of the function",
        run=_invoke_permission,
        needs=("stack", "function"),
    ),
    Check(
        id="function-role",
        kinds=_DEPLOYED,
        looks_at="iam:SimulatePrincipalPolicy for all that the template gives the functions' role",
        run=_function_role,
        needs=("stack",),
    ),
    Check(
        id="bus-policy",
        kinds=Kind.HUB,
        looks_at="events:DescribeEventBus, the deployed template",
        run=_bus_policy,
        needs=("stack",),
    ),
    Check(
        id="last-invocations",
        kinds=_DEPLOYED,
        looks_at="the outcomes in the functions' logs, of the last day",
        run=_last_invocations,
        needs=("stack", "function"),
    ),
    Check(
        id="dead-letters",
        kinds=_DEPLOYED,
        looks_at="the dead-letter queue; what is looked at is given back at once",
        run=_dead_letters,
        needs=("stack",),
    ),
    Check(
        id="quota",
        kinds=_DEPLOYED,
        looks_at="the number of groups, servicequotas:GetServiceQuota; of a hub, what the last sweep has found",
        run=_quota,
        needs=("profiler", "stack"),
    ),
    Check(
        id="machine-roles",
        kinds=_DEPLOYED,
        looks_at="iam:SimulatePrincipalPolicy for the roles of the state machine and of what starts it",
        run=_machine_roles,
        needs=("stack",),
    ),
    Check(
        id="schedule",
        kinds=_DEPLOYED,
        looks_at="scheduler:GetSchedule, the deployed template",
        run=_schedule,
        needs=("stack",),
    ),
    Check(
        id="last-sweep",
        kinds=_DEPLOYED,
        looks_at="states:ListExecutions of the state machine; dry runs, and sweeps of a part, do not count",
        run=_last_sweep,
        needs=("stack",),
    ),
    Check(
        id="stack-set",
        kinds=Kind.HUB,
        looks_at="cloudformation:ListStackInstances of the members' stack set",
        run=_stack_set,
        needs=("stack",),
    ),
    Check(
        id="accounts",
        kinds=Kind.HUB,
        looks_at="what the last sweep has left in the report bucket; the members' own rules cannot be read from here",
        run=_accounts,
        needs=("stack", "last-sweep"),
    ),
    Check(
        id="member-stack",
        kinds=Kind.MEMBER,
        looks_at="cloudformation:DescribeStacks: the stack with the members' template",
        run=_member_stack,
    ),
    Check(
        id="member-rule",
        kinds=Kind.MEMBER,
        looks_at="events:DescribeRule, the deployed template",
        run=_member_rule,
        needs=("member-stack",),
    ),
    Check(
        id="member-target",
        kinds=Kind.MEMBER,
        looks_at="events:ListTargetsByRule, the deployed template",
        run=_member_target,
        needs=("member-stack",),
    ),
    Check(
        id="member-forwarder",
        kinds=Kind.MEMBER,
        looks_at="iam:SimulatePrincipalPolicy for the role that forwards events to the hub's bus",
        run=_member_forwarder,
        needs=("member-stack",),
    ),
    Check(
        id="member-role",
        kinds=Kind.MEMBER,
        looks_at="iam:SimulatePrincipalPolicy for the role that the hub assumes",
        run=_member_role,
        needs=("member-stack",),
    ),
    Check(
        id="member-dead-letters",
        kinds=Kind.MEMBER,
        looks_at="the member's dead-letter queue; what is looked at is given back at once",
        run=_member_letters,
        needs=("member-stack",),
    ),
)

ON_THE_WAY: Final = frozenset(
    {
        *("region-supported", "profiler", "stack", "trail", "rule", "rule-target", "function", "invoke-permission"),
        *("function-role", "bus-policy", "quota", "member-stack", "member-rule", "member-target", "member-forwarder"),
        "member-role",
    }
)
"""Checks without which no new function gets a group."""
