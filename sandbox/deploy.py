"""The real deployment, with the real CDK CLI, into a running sandbox. Demo and end-to-end tests call it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

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
    _run(arguments, endpoint=endpoint, region=region, say=say)


def deploy(
    endpoint: str, *, region: str, say: Callable[[str], None], context: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Run ``cdk deploy`` of the real stack.

    Args:
        endpoint: URL of the sandbox.
        region: Region to deploy to.
        say: Called with each line that the CLI prints.
        context: Settings other than those of `cdk.json`.

    Returns:
        The stack's outputs.

    Raises:
        DeployError: It failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        outputs = Path(folder) / "outputs.json"
        arguments = ["deploy", STACK, "--require-approval", "never", "--outputs-file", str(outputs)]
        arguments += ["--output", str(Path(folder) / "cdk.out")]
        for key, value in (context or {}).items():
            arguments += ["--context", f"{key}={value}"]
        _run(arguments, endpoint=endpoint, region=region, say=say)
        return dict(json.loads(outputs.read_text())[STACK])


def _run(arguments: Sequence[str], *, endpoint: str, region: str, say: Callable[[str], None]) -> None:
    port = endpoint.rpartition(":")[2]
    # Nothing of the developer's own AWS settings: this must never reach a real account.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
    environment |= {
        # moto hands out template URLs only for endpoints called localhost.
        "AWS_ENDPOINT_URL": f"http://localhost:{port}",
        "AWS_ENDPOINT_URL_S3": f"http://s3.moto.test:{port}",
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NODE_OPTIONS": f"--require {_ROOT / 'sandbox' / 'resolve_buckets.cjs'}",
        "NO_COLOR": "1",
    }
    command = [str(_CDK), *arguments, "--no-notices"]
    lines: list[str] = []
    with (
        # The CLI remembers which account an access key belongs to; it must neither remember ours nor what was before.
        tempfile.TemporaryDirectory() as home,
        subprocess.Popen(  # noqa: S603 - the pinned CDK CLI
            command,
            cwd=_ROOT,
            env=environment | {"CDK_HOME": home},
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
