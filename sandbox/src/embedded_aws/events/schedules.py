"""EventBridge Scheduler's schedules, which come due here when the admin API is asked for it, and only then.

moto keeps schedules and never looks at them again. A target is called in the name of its role, once: there are no
retries, and no dead-letter queue.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from moto.scheduler.models import Schedule, scheduler_backends

from embedded_aws.access import authorization
from embedded_aws.events.machines import Caller, DeliveryError, Invoker, MachineStarter
from embedded_aws.execution.deployment import find_function
from embedded_aws.execution.telemetry import PermissionChecker

_SERVICE: Final = "scheduler.amazonaws.com"


class NotFiredError(Exception):
    """A schedule cannot be fired; the text says which and why."""


@dataclass(frozen=True, kw_only=True)
class Schedules:
    """Lists schedules, and fires them.

    Attributes:
        invoker: takes the events for functions.
        machines: starts state machines.
        permits: says what a target's role may do.
    """

    invoker: Invoker
    machines: MachineStarter
    permits: PermissionChecker

    @staticmethod
    def describe(account: str, region: str) -> list[dict[str, str]]:
        """What there is to fire."""
        return [
            {
                "name": schedule.name,
                "group": schedule.group_name,
                "expression": schedule.schedule_expression,
                "state": schedule.state,
                "target": schedule.target["Arn"],
            }
            for schedule in _all(account, region)
        ]

    def fire(self, account: str, region: str, *, name: str | None) -> list[str]:
        """Let them come due.

        Args:
            account: whose.
            region: where.
            name: of one schedule; None for all that are enabled.

        Returns:
            The names of those that were fired.

        Raises:
            NotFiredError: there is none of that name, it is disabled, or a target could not be called.
        """
        due = [schedule for schedule in _all(account, region) if name in {None, schedule.name}]
        if name is not None and not due:
            message = f"there is no schedule {name!r}"
            raise NotFiredError(message)
        enabled = [schedule for schedule in due if schedule.state == "ENABLED"]
        if name is not None and not enabled:
            message = f"the schedule {name} is disabled"
            raise NotFiredError(message)
        for schedule in enabled:
            error = self._call(schedule, account, region)
            if error is not None:
                message = f"the schedule {schedule.name} could not call its target: {error.code}: {error.message}"
                raise NotFiredError(message)
        return [schedule.name for schedule in enabled]

    def _call(self, schedule: Schedule, account: str, region: str) -> DeliveryError | None:
        target = schedule.target
        document = target.get("Input") or json.dumps(_event(schedule, account, region))
        group_arn = f"{schedule.arn.replace(':schedule/', ':schedule-group/').rpartition('/')[0]}"
        caller = Caller(service=_SERVICE, source_arn=group_arn, role_arn=target["RoleArn"])
        match target["Arn"].split(":")[2]:
            case "states":
                return self.machines.start(target["Arn"], document, caller=caller)
            case "lambda":
                return self._invoke(target["Arn"], document, caller)
            case service:
                message = f"the sandbox calls no targets of {service}"
                return DeliveryError(code="NO_RESOURCE", message=message, retriable=False)

    def _invoke(self, arn: str, document: str, caller: Caller) -> DeliveryError | None:
        role = str(caller.role_arn)
        trusted = authorization.trusts_service(role, _SERVICE, source_arn=caller.source_arn)
        if not trusted or not self.permits(role, "scheduler", action="lambda:InvokeFunction", resource=arn):
            message = f"{role} may not be assumed, or may not invoke {arn}"
            return DeliveryError(code="NO_PERMISSIONS", message=message, retriable=False)
        if find_function(arn) is None:
            return DeliveryError(code="NO_RESOURCE", message=f"Function not found: {arn}", retriable=False)
        self.invoker.submit(arn, document.encode())
        return None


def _all(account: str, region: str) -> Iterator[Schedule]:
    for group in list(scheduler_backends[account][region].schedule_groups.values()):
        yield from list(group.schedules.values())


def _event(schedule: Schedule, account: str, region: str) -> dict[str, Any]:
    """What a target without an input of its own gets."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": account,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [schedule.arn],
        "detail": "{}",
    }
