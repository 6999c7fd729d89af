"""A stack set with service-managed permissions, its instances, and the operations that bring them about.

An instance is a real stack in moto's CloudFormation of its account and region. An operation goes through the places
one by one, and a failure in one of them is recorded on that instance: the others go on. In AWS an operation stops in a
region where more instances failed than are tolerated; here it says FAILED then, but is carried out everywhere.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from moto.cloudformation.exceptions import StackSetNotEmpty
from moto.cloudformation.models import CloudFormationBackend, StackSet, cloudformation_backends
from moto.cloudformation.utils import generate_stackset_id
from moto.core.utils import utcnow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from moto.organizations.models import OrganizationsBackend

    from embedded_aws.stack_sets.targets import AccountAndRegion, Specification, Target

_NOTHING_TO_DO: Final = "No updates are to be performed."


class StackBlocker(Protocol):
    """Asked before each stack is created, updated or deleted."""

    def __call__(self, account: str, region: str, /, *, operation: str) -> str | None:
        """Why it cannot be there, if so."""


@dataclass(kw_only=True)
class Instance:
    """A place of the set and how it is there.

    Attributes:
        unit: the OU for whose sake it is there.
        overrides: of the set's parameters.
        stack_name: AWS's form.
        stack_id: of the stack, once there was one.
        status: ``CURRENT``, ``OUTDATED`` or ``INOPERABLE``.
        detailed_status: how the last operation ended here.
        reason: why it is not current.
        operation: id of the last one.
    """

    account: str
    region: str
    unit: str
    overrides: Mapping[str, str]
    stack_name: str
    stack_id: str | None = None
    status: str = "OUTDATED"
    detailed_status: str = "PENDING"
    reason: str | None = None
    operation: str | None = None

    def describe(self, stack_set_id: str) -> dict[str, Any]:
        """As ListStackInstances and DescribeStackInstance have it."""
        return {
            "StackSetId": stack_set_id,
            "Account": self.account,
            "Region": self.region,
            "StackId": self.stack_id,
            "ParameterOverrides": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in self.overrides.items()
            ],
            "Status": self.status,
            "StatusReason": self.reason,
            "StackInstanceStatus": {"DetailedStatus": self.detailed_status},
            "OrganizationalUnitId": self.unit,
            "DriftStatus": "NOT_CHECKED",
            "LastOperationId": self.operation,
        }

    def ends(self, detailed_status: str, *, status: str, reason: str | None = None) -> None:
        """Say how the operation ended here."""
        self.detailed_status, self.status, self.reason = detailed_status, status, reason


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What was done to a set, and how it ended."""

    id: str
    action: str
    preferences: Mapping[str, Any]
    failed: bool
    started: datetime
    failures: int
    ended: datetime = field(default_factory=utcnow)

    def describe(self) -> dict[str, Any]:
        """As ListStackSetOperations has it."""
        return {
            "OperationId": self.id,
            "Action": self.action,
            "Status": "FAILED" if self.failed else "SUCCEEDED",
            "CreationTimestamp": self.started,
            "EndTimestamp": self.ended,
            "OperationPreferences": dict(self.preferences),
            "StatusDetails": {"FailedStackInstancesCount": self.failures},
        }


class ManagedStackSet(StackSet):
    """A stack set whose stacks are where the organization's accounts are. Safe to use from several threads.

    Args:
        specification: what it shall be.
        organization: whose accounts it is for; the set belongs to its management account.
        region: where the set is at home.
        why_not: asked before each stack.
    """

    def __init__(
        self, specification: Specification, *, organization: OrganizationsBackend, region: str, why_not: StackBlocker
    ) -> None:
        account = organization.account_id
        service_role = "aws-service-role/stacksets.cloudformation.amazonaws.com"
        super().__init__(
            stackset_id=generate_stackset_id(specification.name),
            account_id=account,
            name=specification.name,
            template=specification.template,
            region=region,
            description=specification.description,
            parameters=dict(specification.parameters),
            permission_model="SERVICE_MANAGED",
            tags=dict(specification.tags),
            admin_role=f"arn:aws:iam::{account}:role/{service_role}/AWSServiceRoleForCloudFormationStackSetsOrgAdmin",
            execution_role=f"stacksets-exec-{uuid4().hex}",
        )
        self.specification = specification
        self._organization = organization
        self._why_not = why_not
        self._instances: dict[AccountAndRegion, Instance] = {}
        self._operations: list[Operation] = []
        self._lock = RLock()

    def describe(self) -> dict[str, Any]:
        """As DescribeStackSet and ListStackSets have it; the answer's own transformer makes lists of the mappings."""
        wanted = self.specification
        return {
            "StackSetName": wanted.name,
            "StackSetId": self.id,
            "StackSetARN": self.arn,
            "Description": wanted.description,
            "Status": self.status,
            "TemplateBody": wanted.template,
            "Parameters": dict(wanted.parameters),
            "Tags": dict(wanted.tags),
            "Capabilities": list(wanted.capabilities),
            "AdministrationRoleARN": self.administration_role_arn,
            "ExecutionRoleName": self.execution_role_name,
            "PermissionModel": self.permission_model,
            "AutoDeployment": {
                "Enabled": wanted.auto_deployment,
                "RetainStacksOnAccountRemoval": wanted.retain_on_removal,
            },
            "ManagedExecution": {"Active": wanted.managed_execution},
            "OrganizationalUnitIds": list(wanted.units),
            "Regions": list(wanted.regions),
        }

    def all_instances(self) -> list[Instance]:
        """The instances, by account and region."""
        with self._lock:
            return [self._instances[place] for place in sorted(self._instances)]

    def all_operations(self) -> list[Operation]:
        """The operations, the latest first."""
        with self._lock:
            return self._operations[::-1]

    def roll_out(self, specification: Specification | None = None) -> None:
        """Bring all instances about, after the set itself was made or has changed."""
        with self._lock:
            before = self.specification
            self.specification = specification or before
            wanted = self.specification.targets(self._organization)
            suspended = self._suspended()
            gone, stale = [], []
            for place, instance in self._instances.items():
                if place not in wanted and instance.account not in suspended:
                    gone.append(instance)
                elif before.content != self.specification.content or _differs(instance, wanted.get(place)):
                    stale.append(instance)
            fresh = self._add(wanted)
            if stale:
                self._operate("UPDATE", stale)
            if fresh or not self._operations:
                self._operate("CREATE", fresh)
            if gone:
                self._operate("DELETE", gone)

    def account_changed(self, account: str) -> None:
        """An account came, moved, was closed or has left: deploy to it or take from it, where that is automatic."""
        with self._lock:
            own = [instance for instance in self._instances.values() if instance.account == account]
            if not self.specification.auto_deployment or account in self._suspended():
                return
            targets = self.specification.targets(self._organization)
            wanted = {place: target for place, target in targets.items() if place[0] == account}
            gone = [instance for instance in own if (instance.account, instance.region) not in wanted]
            fresh = self._add(wanted)
            if fresh:
                self._operate("CREATE", fresh)
            if gone and self.specification.retain_on_removal:
                self._forget(gone)
            elif gone:
                self._operate("DELETE", gone)

    def remove(self) -> None:
        """Delete every stack, then the set.

        Raises:
            StackSetNotEmpty: one of the stacks could not be deleted.
        """
        with self._lock:
            suspended = self._suspended()
            self._forget([instance for instance in self._instances.values() if instance.account in suspended])
            if self._instances:
                self._operate("DELETE", list(self._instances.values()))
            if self._instances:
                raise StackSetNotEmpty
            self.delete()

    def _add(self, wanted: Mapping[AccountAndRegion, Target]) -> list[Instance]:
        """The instances of places that had none yet."""
        fresh = []
        for place, target in wanted.items():
            if place not in self._instances:
                self._instances[place] = Instance(
                    account=place[0],
                    region=place[1],
                    unit=target.unit,
                    overrides=target.overrides,
                    stack_name=f"StackSet-{self.specification.name}-{uuid4()}",
                )
                fresh.append(self._instances[place])
        return fresh

    def _forget(self, instances: Iterable[Instance]) -> None:
        for instance in list(instances):
            del self._instances[instance.account, instance.region]

    def _suspended(self) -> set[str]:
        return {account.id for account in list(self._organization.accounts) if account.status == "SUSPENDED"}

    def _operate(self, action: str, instances: list[Instance]) -> None:
        started, identifier = utcnow(), str(uuid4())
        regions = {region: index for index, region in enumerate(self.specification.regions)}
        wanted, suspended = self.specification.targets(self._organization), self._suspended()
        failed: Counter[str] = Counter()
        for instance in sorted(instances, key=lambda each: (regions.get(each.region, len(regions)), each.account)):
            if instance.account in suspended:
                reason = "The account was suspended at the time of the operation."
                instance.ends("SKIPPED_SUSPENDED_ACCOUNT", status="OUTDATED", reason=reason)
            elif action == "DELETE":
                self._delete(instance)
            else:
                target = wanted.get((instance.account, instance.region))
                instance.overrides = target.overrides if target else instance.overrides
                self._deploy(instance)
            instance.operation = identifier
            failed[instance.region] += instance.detailed_status in {"FAILED", "INOPERABLE"}
        self._operations.append(
            Operation(
                id=identifier,
                action=action,
                preferences=self.specification.preferences,
                failed=self._failed_too_often(instances, failed),
                started=started,
                failures=failed.total(),
            )
        )

    def _failed_too_often(self, instances: list[Instance], failed: Counter[str]) -> bool:
        sizes = Counter(instance.region for instance in instances)
        return any(failed[region] > self.specification.tolerated_failures(size) for region, size in sizes.items())

    def _deploy(self, instance: Instance) -> None:
        backend = cloudformation_backends[instance.account][instance.region]
        exists = instance.stack_id in backend.stacks
        reason = self._why_not(
            instance.account, instance.region, operation="UpdateStack" if exists else "CreateStack"
        ) or (self._updated(backend, instance) if exists else self._created(backend, instance))
        if reason is None:
            instance.ends("SUCCEEDED", status="CURRENT")
        else:
            instance.ends("FAILED", status="OUTDATED", reason=reason)

    def _created(self, backend: CloudFormationBackend, instance: Instance) -> str | None:
        parameters = {**self.specification.parameters, **instance.overrides}
        try:
            stack = backend.create_stack(
                instance.stack_name, self.specification.template, parameters, tags=dict(self.specification.tags)
            )
        except Exception as error:  # noqa: BLE001 - whatever it fails on, the other instances go on
            # Moto keeps what was made before the failure; CloudFormation rolls back.
            backend.delete_stack(instance.stack_name)
            return _message(error)
        instance.stack_id = stack.stack_id
        return None

    def _updated(self, backend: CloudFormationBackend, instance: Instance) -> str | None:
        parameters = {**self.specification.parameters, **instance.overrides}
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        try:
            backend.update_stack(
                str(instance.stack_id), self.specification.template, None, given, dict(self.specification.tags)
            )
        except Exception as error:  # noqa: BLE001 - whatever it fails on, the other instances go on
            return None if _message(error) == _NOTHING_TO_DO else _message(error)
        return None

    def _delete(self, instance: Instance) -> None:
        backend = cloudformation_backends[instance.account][instance.region]
        reason = self._why_not(instance.account, instance.region, operation="DeleteStack")
        if reason is None and instance.stack_id in backend.stacks:
            try:
                backend.delete_stack(str(instance.stack_id))
            except Exception as error:  # noqa: BLE001 - whatever it fails on, the other instances go on
                reason = _message(error)
        if reason is None:
            instance.ends("SUCCEEDED", status="CURRENT")
            self._forget([instance])
        else:
            instance.ends("INOPERABLE", status="INOPERABLE", reason=reason)


def _differs(instance: Instance, target: Target | None) -> bool:
    return instance.status != "CURRENT" or (target is not None and target.overrides != instance.overrides)


def _message(error: Exception) -> str:
    return str(getattr(error, "message", None) or error or type(error).__name__)
