"""Targets of rules and schedules, and starting those that are state machines, in the name of the target's role."""

from dataclasses import dataclass
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from embedded_aws.access import authorization
from embedded_aws.access.role_clients import RoleClients

_FIRST_SERVER_ERROR: Final = 500


@dataclass(frozen=True, kw_only=True)
class DeliveryError:
    """Why an event did not reach its target.

    Attributes:
        code: as the dead letter's ERROR_CODE says it.
        message: for people.
        retriable: whether trying again may help.
    """

    code: str
    message: str
    retriable: bool


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The service that starts an execution, and the resource of its that asks for it.

    Attributes:
        service: its principal, ``events.amazonaws.com``.
        source_arn: that a role's trust policy may ask for: of a rule, or of a schedule's group.
        role_arn: the target's; None where it has none.
    """

    service: str
    source_arn: str
    role_arn: str | None


class Invoker(Protocol):
    """Lambda's asynchronous invocation: `embedded_aws.execution.asynchronous.AsynchronousInvoker`."""

    def submit(self, function_arn: str, payload: bytes) -> str:
        """Accept an event for a function and return its request id."""


class Machines(Protocol):
    """Step Functions: `MachineStarter`."""

    def start(self, machine_arn: str, document: str, *, caller: Caller) -> DeliveryError | None:
        """Start an execution; return why not, if so."""


@dataclass(frozen=True, kw_only=True)
class MachineStarter:
    """Starts executions.

    Attributes:
        clients: to call Step Functions with.
    """

    clients: RoleClients

    def start(self, machine_arn: str, document: str, *, caller: Caller) -> DeliveryError | None:
        """Start an execution, once.

        Args:
            machine_arn: what to start.
            document: the execution's input, JSON.
            caller: who starts it.

        Returns:
            Why it was not started, None where it was.
        """
        role = caller.role_arn
        if role is None or not authorization.trusts_service(role, caller.service, source_arn=caller.source_arn):
            message = f"{caller.service} may not assume the role {role} for {caller.source_arn}"
            return DeliveryError(code="NO_PERMISSIONS", message=message, retriable=False)
        service, region = caller.service.partition(".")[0], machine_arn.split(":")[3]
        client = self.clients.client("stepfunctions", region=region, role_arn=role, session_name=service)
        try:
            client.start_execution(stateMachineArn=machine_arn, input=document)
        except ClientError as error:
            return _error(error)
        except BotoCoreError as error:
            return DeliveryError(code="ERROR_FROM_TARGET", message=str(error), retriable=True)
        return None


def _error(error: ClientError) -> DeliveryError:
    code, message = error.response["Error"]["Code"], str(error)
    match code:
        case "AccessDeniedException":
            return DeliveryError(code="NO_PERMISSIONS", message=message, retriable=False)
        case "StateMachineDoesNotExist":
            return DeliveryError(code="NO_RESOURCE", message=message, retriable=False)
        case _ if "Throttl" in code or "LimitExceeded" in code:
            return DeliveryError(code="THROTTLING", message=message, retriable=True)
        case _:
            broken = error.response["ResponseMetadata"]["HTTPStatusCode"] >= _FIRST_SERVER_ERROR
            return DeliveryError(code="ERROR_FROM_TARGET", message=message, retriable=broken)
