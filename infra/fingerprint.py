"""What tells one deployment from another: digests of the policy and of the code, which the template carries.

Synth writes them, `profiling-groups doctor` compares them with the policy file and the code at hand. No CDK here.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import profiling_groups
from infra import policy_file

if TYPE_CHECKING:
    from profiling_groups.policy import Policy

METADATA: Final = "ProfilingGroups"
"""Where in the template's metadata they stand. CloudFormation takes no change of these alone, nor is there ever one:
with either digest the function's asset changes."""

_DIGITS: Final = 16


def fingerprint(policy: Policy) -> dict[str, str]:
    """Return the digests of a policy, and of the code that goes with this command."""
    return {"policy": policy_digest(policy), "code": code_digest()}


def policy_digest(policy: Policy) -> str:
    """Return the digest of a policy, however its file is written."""
    return sha256(policy_file.compiled(policy).encode()).hexdigest()[:_DIGITS]


def code_digest() -> str:
    """Return the digest of what runs in Lambda, as it lies here; without the locked dependencies."""
    digest = sha256()
    folder = Path(profiling_groups.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:_DIGITS]
