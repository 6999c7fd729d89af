"""The real deployment, with the real CDK CLI, into a running sandbox. Demo and end-to-end tests call it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from embedded_aws.client import cli_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

STACK = "ProfilingGroups"

_ROOT = Path(__file__).resolve().parent.parent
_CDK = _ROOT / "node_modules" / ".bin" / "cdk"
_LAST_LINES = 25


class DeployError(Exception):
    """The CDK CLI failed; the text is the end of what it said."""


def bootstrap(endpoint: str, *, account: str, region: str, say: Callable[[str], None]) -> None:
    """Run ``cdk bootstrap``.

    Args:
        endpoint: URL of the sandbox.
        account: Account to prepare.
        region: Region to prepare.
        say: Called with each line that the CLI prints.

    Raises:
        DeployError: It failed.
    """
    # Without an app: there is nothing to synthesize yet.
    arguments = ["bootstrap", f"aws://{account}/{region}", "--app", ""]
    _run(arguments, environment=cli_environment(endpoint, account=account, region=region), say=say)


def deploy(  # noqa: PLR0913 - where to, what, and who is told
    endpoint: str,
    *,
    account: str,
    region: str,
    say: Callable[[str], None],
    context: Mapping[str, str] | None = None,
    assembly: Path | None = None,
    output: Path | None = None,
) -> dict[str, str]:
    """Run ``cdk deploy`` of the real stack; where it is deployed already, it is updated.

    Args:
        endpoint: URL of the sandbox.
        account: Account to deploy to.
        region: Region to deploy to.
        say: Called with each line that the CLI prints.
        context: Keys of the cdk context that differ from `cdk.json`.
        assembly: What synth wrote before, to be deployed as it is; without it, the CLI synthesizes the app.
        output: The folder that gets what the CLI synthesizes; without it, nothing of that is kept.

    Returns:
        The stack's outputs.

    Raises:
        DeployError: It failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs.json"
        arguments = ["deploy", STACK, "--require-approval", "never", "--outputs-file", str(outputs)]
        for key, value in (context or {}).items():
            arguments += ["--context", f"{key}={value}"]
        arguments += ["--app", str(assembly)] if assembly else ["--output", str(output or Path(folder) / "cdk.out")]
        _run(arguments, environment=cli_environment(endpoint, account=account, region=region), say=say)
        return dict(json.loads(outputs.read_text())[STACK])


def destroy(endpoint: str, *, account: str, region: str, say: Callable[[str], None], assembly: Path) -> None:
    """Run ``cdk destroy`` of the stack.

    Args:
        endpoint: URL of the sandbox.
        account: Account that it is deployed to.
        region: Region that it is deployed to.
        say: Called with each line that the CLI prints.
        assembly: What synth wrote before.

    Raises:
        DeployError: It failed.
    """
    arguments = ["destroy", STACK, "--force", "--app", str(assembly)]
    _run(arguments, environment=cli_environment(endpoint, account=account, region=region), say=say)


def _run(arguments: Sequence[str], *, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    # Nothing of the developer's own AWS settings: this must never reach a real account.
    neutral = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    command = [str(_CDK), *arguments, "--no-notices"]
    lines: list[str] = []
    with (
        # What the CLI remembers of us would only be in its way at the next real deployment.
        tempfile.TemporaryDirectory() as home,
        subprocess.Popen(  # noqa: S603 - the pinned CDK CLI
            command,
            cwd=_ROOT,
            env={**neutral, **environment, "CDK_HOME": home, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            lines.append(line.rstrip())
            say(lines[-1])
    if process.returncode != 0:
        raise DeployError(f"cdk {arguments[0]} failed:\n" + "\n".join(lines[-_LAST_LINES:]))
