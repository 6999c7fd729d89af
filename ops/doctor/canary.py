"""The canary: a tiny function is created, its group is waited for, and all of it is removed, whatever happens."""

from __future__ import annotations

import io
import json
import signal
import sys
import time
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ops import output
from ops.doctor.commands import aws
from ops.doctor.findings import Status, Verdict
from ops.problems import CannotWorkError
from ops.whereabouts import Whereabouts, governing
from profiling_groups import groups
from profiling_groups.decision import Skip, decide, rule_out
from profiling_groups.functions import FunctionArn, LambdaFunction, UnreadableAnswerError
from profiling_groups.naming import group_arn
from profiling_groups.outcomes import Action
from profiling_groups.ownership import Ownership, read_ownership
from profiling_groups.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Self

    from ops.doctor.reading import Reading
    from ops.doctor.work import Record

PREFIX: Final = "profiling-groups-canary-"

_EVERY_SECONDS: Final = 2.0
_LINE_EVERY_SECONDS: Final = 15.0
_LOG_EVERY_SECONDS: Final = 10.0
_ROLE_SECONDS: Final = 60.0
"""For so long a role that was just made may not be known everywhere."""
_IN_FLIGHT_SECONDS: Final = 3.0
"""So long an event that is being worked on may still make a group of a function that is gone."""
_RUNTIMES: Final = ("python3.13", "python3.12", "python3.14", "java21")
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
_TAGS: Final = {"created-by": "profiling-groups-doctor"}


class NotOwnedError(Exception):
    """A group is not marked as created for the canary's function, so it may not be deleted."""


@dataclass(frozen=True, kw_only=True)
class Flight:
    """What came of a canary.

    Attributes:
        verdict: How it ended.
        latency_seconds: From the function's creation to its group; None where none came.
    """

    verdict: Verdict
    latency_seconds: float | None = None


@dataclass(kw_only=True)
class _Made:
    """Something that has to be removed, or may have to be.

    Attributes:
        what: What it is, for a person.
        remove: Removes it; that it is not there is no error.
        command: Does the same; None where it is not to be removed after all.
    """

    what: str
    remove: Callable[[], object]
    command: str | None


@dataclass(kw_only=True)
class _Cage:
    """What was made, in the order in which it is to be removed."""

    made: list[_Made] = field(default_factory=list)

    def clear(self) -> list[_Made]:
        """Remove it all; return what could not be removed."""
        left: list[_Made] = []
        while self.made:
            thing = self.made[0]
            try:
                thing.remove()
            except NotOwnedError as error:
                output.warn(f"{thing.what} was left as it is: {error}")
                left.append(replace(thing, command=None))
            except (BotoCoreError, ClientError, UnreadableAnswerError) as error:
                output.warn(f"{thing.what} could not be removed: {error}")
                left.append(thing)
            del self.made[0]
        return left


def fly(reading: Reading, *, policy: Policy | None, role: str | None, timeout: float) -> Flight:
    """Create a function, wait for its group, and remove both.

    Args:
        reading: Has the clients.
        policy: The policy file at hand, by which the group's name is known; None takes that of the one that ships.
        role: ARN of the function's role; None makes one.
        timeout: For how long the group is waited for, in seconds.

    Raises:
        KeyboardInterrupt: It was interrupted; what was made is removed by then, or told.
    """
    name = f"{PREFIX}{uuid4().hex[:12]}"
    role_arn = role or f"arn:aws:iam::{reading.place.account}:role/{name}"
    chosen = _choose(reading, policy or Policy(), name=name, role=role_arn)
    if isinstance(chosen, Verdict):
        return Flight(verdict=chosen)
    function, group = chosen
    cage = _Cage()
    try:
        with _terminated_as_interrupted(), _Display() as display:
            flight = _flown(reading, cage, function, group, make_role=role is None, timeout=timeout, display=display)
    finally:
        left = _cleared(cage)
    if not left:
        return flight
    verdict = flight.verdict
    return replace(
        flight,
        verdict=Verdict(
            status=verdict.status if verdict.status is Status.FAIL else Status.WARN,
            detail=f"{verdict.detail}; what was left behind: {', '.join(each.what for each in left)}",
            mend=" && ".join(each.command for each in left if each.command) or None,
        ),
    )


def _cleared(cage: _Cage) -> list[_Made]:
    try:
        return cage.clear()
    except KeyboardInterrupt:
        for each in cage.made:
            output.warn(f"{each.what} is left behind: {each.command}")
        raise


def _choose(reading: Reading, policy: Policy, *, name: str, role: str) -> tuple[LambdaFunction, str] | Verdict:
    """Return a function that is to get a group, and the group's name."""
    place = reading.place
    arn = FunctionArn(account=place.account, region=place.region, name=name)
    try:
        here = governing(policy, place, Whereabouts((), policy))
    except CannotWorkError as error:
        return Verdict.warned(f"no canary was sent: {error.message}")
    if skip := rule_out(arn, here):
        return Verdict.warned(f"no canary was sent, as the policy would leave it out: {skip}")
    # What the policy asks for, the canary has.
    required = {
        key: globs[0].replace("*", "canary").replace("?", "x") for key, globs in here.functions.tags.require.items()
    }
    skip = None
    for runtime in _RUNTIMES:
        function = LambdaFunction(
            arn=arn,
            runtime=runtime,
            architectures=("x86_64",) if "x86_64" in here.functions.architectures else ("arm64",),
            role=role,
            tags={**_TAGS, **required},
        )
        decision = decide(function, here)
        if not isinstance(decision, Skip):
            return function, decision.group
        skip = skip or decision
    return Verdict.warned(f"no canary was sent, as the policy would leave it out: {skip}")


def _flown(  # noqa: PLR0913 - all by keyword but for what it works with
    reading: Reading,
    cage: _Cage,
    function: LambdaFunction,
    group: str,
    *,
    make_role: bool,
    timeout: float,
    display: _Display,
) -> Flight:
    profiler = reading.client("codeguruprofiler")
    if _is_there(profiler, group):
        return Flight(verdict=Verdict.warned(f"no canary was sent, as the group {group} is there already"))
    name = function.arn.name
    _to_be_removed(reading, cage, function.arn, group, make_role=make_role)
    began = datetime.now(UTC)
    display.tell(f"creating {name}")
    try:
        if make_role:
            reading.client("iam").create_role(
                RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST), Tags=_listed(_TAGS)
            )
        _create(reading.client("lambda"), function, new_role=make_role)
    except ClientError as error:
        return Flight(
            verdict=Verdict.warned(
                f"no canary could be sent: {error}",
                mend=reading.commands.doctor("--canary", "--canary-role", "ARN") if make_role else None,
            )
        )
    created, last, asked = time.monotonic(), None, 0.0
    while (waited := time.monotonic() - created) < timeout:
        if _is_there(profiler, group):
            seconds = time.monotonic() - created
            return Flight(
                verdict=Verdict.passed(f"the group {group} of a new function was there after {seconds:.0f} s"),
                latency_seconds=round(seconds, 1),
            )
        if waited - asked >= _LOG_EVERY_SECONDS:
            asked, last = waited, _outcome(reading, function, since=began) or last
            if last and last.action not in (Action.FAILED, Action.CREATED):
                break
        display.tell(f"{name} is there; waiting for its group {group}" + (f"; {last.action} so far" if last else ""))
        time.sleep(_EVERY_SECONDS)
    last = _outcome(reading, function, since=began) or last
    what = f"no group {group} came of a new function within {waited:.0f} s"
    if last is None:
        return Flight(
            verdict=Verdict.failed(
                f"{what}, nor any outcome: its event has not arrived",
                mend=reading.commands.doctor("--canary", "--canary-timeout", "1800"),
            )
        )
    return Flight(
        verdict=Verdict.failed(
            f"{what}; the outcome was {last.action}, {last.reason}: {last.detail}", mend=reading.commands.doctor()
        )
    )


def _to_be_removed(reading: Reading, cage: _Cage, arn: FunctionArn, group: str, *, make_role: bool) -> None:
    """Say what is going to be made. Before it is: an interrupt may come between a call and its answer."""
    name = arn.name
    awslambda, profiler, iam = (reading.client(each) for each in ("lambda", "codeguruprofiler", "iam"))

    def remove_function() -> None:
        with suppress(awslambda.exceptions.ResourceNotFoundException):
            awslambda.delete_function(FunctionName=name)

    def remove_group() -> None:
        if not _is_there(profiler, group):
            time.sleep(_IN_FLIGHT_SECONDS)
        found = groups.find(profiler, group_arn(arn, group))
        if found is None:
            return
        if read_ownership(found, arn) is not Ownership.CREATED:
            raise NotOwnedError(f"it is not marked as created for {arn}")
        groups.delete(profiler, group)

    def remove_role() -> None:
        with suppress(iam.exceptions.NoSuchEntityException):
            iam.delete_role(RoleName=name)

    cage.made = [
        _Made(
            what=f"the function {name}",
            remove=remove_function,
            command=aws("lambda", "delete-function", FunctionName=name),
        ),
    ]
    # Where the name is not the canary's own, somebody else's function may have come to share the group.
    if name in group:
        cage.made.append(
            _Made(
                what=f"the group {group}",
                remove=remove_group,
                command=aws("codeguruprofiler", "delete-profiling-group", profilingGroupName=group),
            )
        )
    if make_role:
        cage.made.append(
            _Made(what=f"the role {name}", remove=remove_role, command=aws("iam", "delete-role", RoleName=name))
        )


def _create(client: Any, function: LambdaFunction, *, new_role: bool) -> None:  # noqa: ANN401 - Lambda's client
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("canary.py", "def handler(event, context):\n    return None\n")
    until = time.monotonic() + (_ROLE_SECONDS if new_role else 0)
    while True:
        try:
            client.create_function(
                FunctionName=function.arn.name,
                Description="Tries whether new functions get their profiling groups; removed by who made it",
                Runtime=function.runtime,
                Architectures=list(function.architectures),
                Handler="canary.handler",
                Role=function.role,
                Code={"ZipFile": content.getvalue()},
                Tags=dict(function.tags),
            )
        except client.exceptions.InvalidParameterValueException as error:
            if "assumed" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_EVERY_SECONDS)
        else:
            return


def _is_there(profiler: Any, group: str) -> bool:  # noqa: ANN401 - CodeGuru Profiler's client
    try:
        profiler.describe_profiling_group(profilingGroupName=group)
    except profiler.exceptions.ResourceNotFoundException:
        return False
    return True


def _outcome(reading: Reading, function: LambdaFunction, *, since: datetime) -> Record | None:
    """Return the last outcome about the canary, where the log can be read: that of a member is the hub's."""
    if not reading.stack or not reading.stack.is_deployment:
        return None
    with suppress(ClientError, BotoCoreError, LookupError):
        found, _ = reading.records(reading.functions[0].name, now=since, about=function.arn.name)
        mine = [record for record in found if record.function == str(function.arn)]
        return max(mine, key=lambda record: record.at, default=None)
    return None


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class _Display:
    """Tells what the canary is at, on standard error: a moving line on a terminal, elsewhere a line now and then."""

    def __init__(self) -> None:
        console = Console(file=sys.stderr, highlight=False, emoji=False)
        self._on_terminal = console.is_terminal
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not self._on_terminal)
        self._task = self._progress.add_task("", total=None)
        self._told, self._told_at = "", float("-inf")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, text: str) -> None:
        """Say what it is at."""
        self._progress.update(self._task, description=f"canary: {text}")
        now = time.monotonic()
        if not self._on_terminal and (text != self._told or now - self._told_at >= _LINE_EVERY_SECONDS):
            self._told, self._told_at = text, now
            output.warn(f"canary: {text}")


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let whoever ends this process by SIGTERM find nothing left behind, either."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
