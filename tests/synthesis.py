"""A synth in this process: most of a synth's time is the start of the CDK, and here that is once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import aws_cdk as cdk

from infra import application

_ROOT: Final = Path(__file__).resolve().parents[1]
_FROM_THE_CLI: Final = {
    # As the CLI has it, so that the template is the same.
    "aws:cdk:enable-path-metadata": True,
    "aws:cdk:enable-asset-metadata": True,
    # The CLI itself would fail over what cdk-nag finds.
    "@aws-cdk/core:failSynthOnValidationErrors": True,
}


def synthesize(output: Path, *, region: str, **context: object) -> Path:
    """Write an assembly, by the settings that ship but for those that are given.

    Args:
        output: The folder for it, which is returned.
        region: The CLI's region.
        **context: Keys of the cdk context.

    Raises:
        RuntimeError: cdk-nag finds something.
    """
    shipped = json.loads((_ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(outdir=str(output), context=shipped | context, post_cli_context=_FROM_THE_CLI)
    application.synthesize(app, default_region=region)
    return output
