"""The Lambda asset, built without Docker: our package and the locked pure-Python dependencies, side by side."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_

from infra import policy_file

if TYPE_CHECKING:
    from profiling_groups.policy import Policy

RUNTIME = lambda_.Runtime.PYTHON_3_14
ARCHITECTURE = lambda_.Architecture.ARM_64
HANDLER = "profiling_groups.handler.handler"

_ROOT = Path(__file__).resolve().parent.parent
_SOURCE = _ROOT / "lambda_src"
# Lambda runs a function as another user than the owner of its files.
_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
# What installers write for themselves; some of it differs from machine to machine, and the asset's hash must not.
_INSTALLER_FILES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json")


def code(policy: Policy) -> lambda_.AssetCode:
    """Return the Lambda code with a policy in it; its hash follows from the files and is the same on every machine."""
    return lambda_.Code.from_asset(
        str(_SOURCE),
        asset_hash_type=cdk.AssetHashType.OUTPUT,
        bundling=cdk.BundlingOptions(image=RUNTIME.bundling_image, local=_LocalBundling(policy)),
    )


def build(target: Path, policy: Policy) -> None:
    """Fill `target` with what runs in Lambda, and with the policy that it obeys.

    Raises:
        subprocess.CalledProcessError: uv could not install the locked dependencies; it has said why on stderr.
        FileNotFoundError: There is no uv; `make` sets it up.
    """
    uv = shutil.which("uv", path=f"{_ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        raise FileNotFoundError("uv is neither on PATH nor in .tools/bin; any make target of this project sets it up")
    # boto3, and so the stock runtime, brings jmespath; and there it lies with its bytecode.
    locked = subprocess.run(  # noqa: S603 - a fixed command
        [
            *(uv, "export", "--project", _ROOT, "--frozen", "--only-group", "lambda", "--prune", "jmespath"),
            *("--quiet", "--color", "never"),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    subprocess.run(  # noqa: S603 - a fixed command
        [
            *(uv, "pip", "install", "--quiet", "--target", target, "--python", sys.executable),
            *("--require-hashes", "--only-binary", ":all:", "--no-deps"),
            # A hard link would share its mode with uv's cache.
            *("--link-mode", "copy"),
            *("--python-version", RUNTIME.name.removeprefix("python"), "--python-platform", "aarch64-manylinux2014"),
            *("--requirements", "-"),
        ],
        input=locked,
        check=True,
        text=True,
    )
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)
    for metadata in target.glob("*.dist-info"):
        for name in _INSTALLER_FILES:
            (metadata / name).unlink(missing_ok=True)
    package = "profiling_groups"
    shutil.copytree(_SOURCE / package, target / package, ignore=shutil.ignore_patterns("__pycache__"))
    (target / package / "policy.json").write_text(policy_file.compiled(policy))
    # The CDK's hash of an asset covers names and contents only. With this file it covers the modes, too.
    modes = target / package / "modes.sha256"
    modes.touch()
    set_modes(target)
    modes.write_text(_hash_of_modes(target))


def set_modes(folder: Path) -> None:
    """Let every user read a folder and all that is in it, and its owner alone write, whatever the umask was."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)


def _hash_of_modes(folder: Path) -> str:
    modes = (f"{path.stat().st_mode:o} {path.relative_to(folder).as_posix()}\n" for path in sorted(folder.rglob("*")))
    return hashlib.sha256("".join(modes).encode()).hexdigest()


@jsii.implements(cdk.ILocalBundling)
class _LocalBundling:
    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def try_bundle(self, output_dir: str, *_: object, **__: object) -> bool:
        build(Path(output_dir), self._policy)
        return True
