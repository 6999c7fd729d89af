"""The deployed state machine, as commands use it: started, or found running, and followed to its end."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ops import deployment, executions, output
from ops.connection import reachable
from ops.live import Live
from ops.map_progress import MapProgress
from ops.problems import CannotWorkError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import boto3
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

    from ops.deployment import Deployment
    from ops.executions import Ended, Progress

SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The state machine of a deployment.

    Attributes:
        session: The operator's.
        deployment: What the stack says of itself; None where it was not found, and an execution is followed all the
            same.
        organization: Whether it sweeps an organization.
        again: The command by which an execution is followed again, its ARN apart.
    """

    session: boto3.Session
    deployment: Deployment | None
    organization: bool
    again: Sequence[str]

    def carry_out(self, request: Mapping[str, Any], *, what: str) -> Ended:
        """Start it, and follow it to its end.

        Args:
            request: Its input.
            what: What is under way, in a word.

        Raises:
            CannotWorkError: AWS cannot be asked, or the results are not what they should be.
            KeyboardInterrupt: It was interrupted, which does not stop the machine.
        """
        if self.deployment is None:
            raise NotImplementedError  # whoever starts it has looked for it
        execution = executions.start(self.session, self.deployment.machine, dict(request))
        output.warn(f"Started {execution}")
        return self.follow(execution, what=what)

    def follow(self, execution: str, *, what: str) -> Ended:
        """Follow an execution to its end; with the errors of `carry_out`."""
        try:
            with reachable(), Live(what) as live:
                return executions.follow(self.session, execution, progress=self._progress(), live=live)
        except KeyboardInterrupt:
            output.warn(f"The state machine goes on. To follow it again: {self._again(execution)}")
            output.warn(f"To stop it: aws stepfunctions stop-execution --execution-arn {execution}")
            raise
        except CannotWorkError as error:
            raise CannotWorkError(f"{error.message} (to follow it again: {self._again(execution)})") from error

    def explain(self, ended: Ended) -> None:
        """Tell how an execution has ended that did not succeed, and how it goes on."""
        why = f": {ended.error}: {ended.cause}" if ended.error else ""
        output.warn(f"The execution has ended as {ended.status}{why}")
        output.warn("Once the cause is mended, it goes on where it stopped:")
        output.warn(f"  aws stepfunctions redrive-execution --execution-arn {ended.execution}")
        output.warn(f"  {self._again(ended.execution)}")

    def _again(self, execution: str) -> str:
        return shlex.join([*self.again, "--execution", execution])

    def _progress(self) -> Callable[[DescribeExecutionOutputTypeDef], Progress] | None:
        if self.organization:
            return lambda execution: MapProgress(self.session, execution["executionArn"])
        if self.deployment:
            return partial(executions.log_of, self.session, self.deployment.sweeper)
        return None


def find(
    session: boto3.Session, stack: str, *, organization: bool, execution: str | None, command: Sequence[str]
) -> Machine:
    """Find the state machine of a deployment, or what there is to follow an execution by.

    Args:
        session: The operator's.
        stack: Name of the stack.
        organization: Whether an organization was asked for.
        execution: One that is to be followed, for which no stack need be found; None to start one.
        command: The command that is to do it again.

    Raises:
        CannotWorkError: There is no such deployment, or it governs something else than was asked for.
    """
    found = None
    try:
        found = deployment.find(session, stack)
    except CannotWorkError as error:
        if execution is None:
            raise
        if not organization:
            output.warn(f"how far it is cannot be told: {error.message}")
    if found and execution is None:
        check(found, stack, organization=organization)
    is_hub = found.is_hub if found else organization
    again = [*command, *(["--organization"] if is_hub else [])]
    again += [] if stack == deployment.STACK else ["--stack", stack]
    return Machine(session=session, deployment=found, organization=is_hub, again=again)


def warn_of(left_out: Sequence[str]) -> None:
    """Tell of accounts and regions that were asked for, and not swept."""
    for name in left_out:
        output.warn(
            f"{name} is not governed: not in the organization's units that were named at deployment, not active, or"
            " left out by the policy"
        )


def warn_of_failures(ended: Ended) -> None:
    """Tell of what was not swept to the end, and why."""
    for failure in ended.failures:
        place = f"{failure.account} in {', '.join(failure.regions) or 'every region'}"
        output.warn(f"{place} was not swept to the end: {failure.error}: {failure.cause}")
    if ended.untold:
        output.warn(f"and {ended.untold:,} more were not")


def check(found: Deployment, stack: str, *, organization: bool) -> None:
    """See whether a deployment governs what was asked for.

    Args:
        found: The deployment.
        stack: Name of its stack.
        organization: Whether an organization was asked for.

    Raises:
        CannotWorkError: It governs something else.
    """
    if found.is_hub and not organization:
        raise CannotWorkError(
            f"the stack {stack} governs an organization: say --organization for all of it, and --account or --region"
            " for a part of it"
        )
    if organization and not found.is_hub:
        raise CannotWorkError(
            f"the stack {stack} governs the account and region that it is in, and no organization: leave out"
            " --organization, or name another stack by --stack"
        )
