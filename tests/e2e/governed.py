"""A stack that is deployed again and again, each time under another policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from demo.cdk_cli import deploy
from tests.e2e.deployment import ACCOUNT, REGION, ROOT, Deployment
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from embedded_aws.client import SandboxClient

SHIPPED = ROOT / "policy.yaml"


class Governed:
    """The stack in a sandbox of its own.

    What is synthesized is deployed by the real CLI: an update of the stack, its function's code, its rule and its role.

    Args:
        sandbox: The sandbox's control endpoint; the account is bootstrapped.
        folder: For policy files and assemblies.
    """

    def __init__(self, sandbox: SandboxClient, folder: Path) -> None:
        self._sandbox = sandbox
        self._folder = folder
        self._obeyed: Mapping[str, object] | None = None
        self._deployment: Deployment | None = None
        self._number = 0

    def obey(self, changes: Mapping[str, object]) -> Deployment:
        """Deploy the policy that ships with some keys changed, unless it is what is deployed.

        Args:
            changes: Keys of the policy, such as `group.name`, with their values.
        """
        if self._deployment is None or changes != self._obeyed:
            outputs = deploy(
                self._sandbox.endpoint, account=ACCOUNT, region=REGION, say=print, assembly=self._synth(changes)
            )
            self._deployment = self._deployment or Deployment(self._sandbox, outputs)
            self._obeyed = changes
        self._deployment.tidy()
        return self._deployment

    def _synth(self, changes: Mapping[str, object]) -> Path:
        self._number += 1
        file = self._folder / f"policy-{self._number}.yaml"
        write_policy(file, changes)
        return synthesize(self._folder / f"cdk.out-{self._number}", region=REGION, policy=str(file))


def write_policy(file: Path, changes: Mapping[str, object]) -> None:
    """Write the policy file that ships, with some keys changed.

    Args:
        file: Where to.
        changes: Keys of the policy, such as `group.name`, with their values.
    """
    yaml = YAML()
    document: Any = yaml.load(SHIPPED)
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = document
        for name in sections:
            section = section[name]
        assert last in section, f"{SHIPPED.name} has no {key}"
        section[last] = value
    yaml.dump(document, file)
