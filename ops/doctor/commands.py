"""The commands that mend something, as a shell takes them: the project's own, for a deployment, and the AWS CLI's."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore import xform_name

from ops.deployment import STACK
from ops.options import DEFAULT_POLICY

if TYPE_CHECKING:
    from pathlib import Path

BOOTSTRAP: Final = "make bootstrap"
DEPLOY: Final = "make deploy"
DEPLOY_ANEW: Final = f"make destroy && {DEPLOY}"
"""Groups and reports outlive the stack."""


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The project's own commands, for one deployment.

    Attributes:
        stack: Name of its stack.
        is_hub: Whether it governs an organization.
    """

    stack: str = STACK
    is_hub: bool = False

    def sweep(self, *words: str) -> str:
        """Return the command that sweeps everything, or whatever the words say."""
        return self._given("backfill", *(["--organization"] if self.is_hub else []), *words)

    def work_on(self, function: str) -> str:
        """Return the command that works on one function, which is named by its ARN."""
        return self._given("backfill", "--function", function)

    def replay(self, *words: str) -> str:
        """Return the command that replays the dead letters."""
        return self._given("replay", *words)

    def doctor(self, *words: str) -> str:
        """Return the command that looks at all of it again."""
        return self._given("doctor", *words)

    def _given(self, *words: str) -> str:
        stack = () if self.stack == STACK else ("--stack", self.stack)
        return shlex.join(["profiling-groups", *words, *stack])


def deploy(policy: Path | None) -> str:
    """Return the command that deploys the stack, with a policy file of one's own, if there is one."""
    if policy is None or policy.resolve() == DEFAULT_POLICY.resolve():
        return DEPLOY
    return f"{DEPLOY} ARGS={shlex.quote(shlex.join(['--context', f'policy={policy.resolve()}']))}"


def aws(service: str, operation: str, *flags: str, **parameters: object) -> str:
    """Return a command of the AWS CLI, as a shell takes it.

    Args:
        service: As the CLI calls it.
        operation: As the CLI calls it.
        *flags: Options without a value.
        **parameters: The API's parameters, in their own names; `None` is left out. What is no text is JSON.
    """
    words = ["aws", service, operation, *(f"--{flag}" for flag in flags)]
    for name, value in parameters.items():
        if value is None:
            continue
        words.append("--" + xform_name(name, "-"))
        match value:
            case str() | int():
                words.append(str(value))
            case Sequence() if value and all(isinstance(each, str) for each in value):
                words += value
            case Mapping() | Sequence():
                words.append(json.dumps(value))
    return shlex.join(words)
