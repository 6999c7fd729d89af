"""EventBridge: whether an event that has come to be reaches what it is for: rule, target, and the leave to call it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.doctor import policies
from ops.doctor.commands import aws
from ops.doctor.findings import Verdict
from ops.doctor.policies import Decision, Request
from profiling_groups.events import CREATE_FUNCTION, SOURCE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_ENABLED: Final = frozenset({"ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"})


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule as it was deployed.

    Attributes:
        name: Its name.
        bus: Name of its bus; None for the default one.
        pattern: What it lets through.
        targets: What that goes to, as PutTargets takes it.
    """

    name: str
    bus: str | None
    pattern: Mapping[str, Any]
    targets: Sequence[Mapping[str, Any]]


def check(deployed: Rule, found: Mapping[str, Any] | None) -> Verdict:
    """See whether a rule is as it was deployed.

    Args:
        deployed: As it was.
        found: As DescribeRule has it; None where there is none.
    """
    put = aws(
        "events",
        "put-rule",
        Name=deployed.name,
        EventBusName=deployed.bus,
        EventPattern=json.dumps(deployed.pattern),
        State="ENABLED",
    )
    if found is None:
        return Verdict.failed(f"the rule {deployed.name} is gone", mend=put)
    if found["State"] not in _ENABLED:
        return Verdict.failed(
            f"the rule {deployed.name} is {found['State'].lower()}",
            mend=aws("events", "enable-rule", Name=deployed.name, EventBusName=deployed.bus),
        )
    if not policies.is_same(json.loads(found.get("EventPattern", "{}")), deployed.pattern):
        return Verdict.failed(f"the rule {deployed.name} lets other events through than was deployed", mend=put)
    return Verdict.passed(f"the rule {deployed.name} is enabled, with the pattern that was deployed")


def check_single(found: Sequence[Mapping[str, Any]], *, own: Collection[str]) -> Verdict:
    """Check that no other deployment governs this account and region.

    Args:
        found: The rules of the default event bus, as ListRules returns them.
        own: Names of the rules of the deployment, and of the account's membership in an organization.
    """
    others = [each for each in found if each["Name"] not in own and _is_provisioner_rule(each)]
    if not others:
        return Verdict.passed("no other rule has the pattern of a Profiling Group Provisioner")
    names = ", ".join(each["Name"] for each in others)
    return Verdict.warned(
        f"{names} has the pattern of another Profiling Group Provisioner; one deployment governs an account and region",
        mend=aws("events", "list-targets-by-rule", Rule=others[0]["Name"]),
    )


def _is_provisioner_rule(rule: Mapping[str, Any]) -> bool:
    """Return whether a rule matches successful creations of functions by exact names, as every deployment's does."""
    pattern = json.loads(rule.get("EventPattern") or "{}")
    detail = pattern.get("detail", {})
    return (
        pattern.get("source") == [SOURCE]
        and detail.get("errorCode") == [{"exists": False}]
        and CREATE_FUNCTION in detail.get("eventName", ())
    )


def check_target(deployed: Rule, found: Sequence[Mapping[str, Any]]) -> Verdict:
    """See whether a rule's target is as it was deployed.

    Args:
        deployed: As it was.
        found: The targets that ListTargetsByRule has.
    """
    put = aws("events", "put-targets", Rule=deployed.name, EventBusName=deployed.bus, Targets=list(deployed.targets))
    now = {each["Arn"]: each for each in found}
    for target in deployed.targets:
        name = target["Arn"].rpartition(":")[2]
        if target["Arn"] not in now:
            return Verdict.failed(f"the rule {deployed.name} has lost its target {name}", mend=put)
        there = now[target["Arn"]]
        if there.get("RoleArn") != target.get("RoleArn"):
            return Verdict.failed(f"the rule {deployed.name} calls {name} in the name of another role", mend=put)
        if there.get("DeadLetterConfig") != target.get("DeadLetterConfig"):
            return Verdict.warned(
                f"what the rule {deployed.name} cannot deliver to {name} is lost: it has not the dead-letter queue"
                " that was deployed",
                mend=put,
            )
    return Verdict.passed(f"it has the target that was deployed, {deployed.targets[0]['Arn'].rpartition(':')[2]}")


def check_permission(function_arn: str, rule_arn: str, policy: policies.Document | None) -> Verdict:
    """See whether a rule may invoke a function.

    Args:
        function_arn: ARN of the function.
        rule_arn: ARN of the rule.
        policy: The function's policy; None where it has none.
    """
    account, name = rule_arn.split(":")[4], function_arn.rpartition(":")[2]
    said = policies.decide(
        [policy or {}],
        Request(
            action="lambda:InvokeFunction",
            resource=function_arn,
            principal=("Service", "events.amazonaws.com"),
            context={"aws:sourcearn": rule_arn, "aws:sourceaccount": account},
        ),
    )
    if said is Decision.ALLOWED:
        return Verdict.passed(f"the policy of {name} lets the rule invoke it")
    return Verdict.failed(
        f"the policy of {name} does not let the rule invoke it",
        mend=aws(
            "lambda",
            "add-permission",
            FunctionName=name,
            StatementId="rule-" + rule_arn.rpartition("/")[2].replace(".", "-"),
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            SourceArn=rule_arn,
        ),
    )


def check_bus(name: str, deployed: Sequence[Mapping[str, Any]], found: policies.Document | None) -> Verdict:
    """See whether a hub's bus takes what its members forward.

    Args:
        name: The bus's name.
        deployed: The statements of its policy as it was deployed.
        found: Its policy.
    """
    now = policies.listed((found or {}).get("Statement", []))
    if all(any(policies.is_same(statement, each) for each in now) for statement in deployed):
        return Verdict.passed(f"the policy of the bus {name} lets the organization's accounts in")
    document = {"Version": "2012-10-17", "Statement": list(deployed)}
    return Verdict.failed(
        f"the policy of the bus {name} is not the one that was deployed: what members forward may be refused",
        mend=aws("events", "put-permission", EventBusName=name, Policy=json.dumps(document)),
    )
