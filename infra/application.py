"""The app: settings out of the cdk context, the policy out of its file → the stack, checked by cdk-nag."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra import bundling, member, policy_file, settings
from infra.stacks import ProfilingGroupsStack

STACK: Final = "ProfilingGroups"
"""Name of the template's file; and of the stack, but for an organization's namespace."""


def synthesize(app: cdk.App, *, default_region: str | None) -> None:
    """Write the assembly that the app's context asks for, with the members' template beside it, if there is one.

    Args:
        app: The app; its context has the settings.
        default_region: The CLI's, for settings that name none.

    Raises:
        settings.SettingsError: A setting is wrong.
        policy_file.PolicyFileError: The policy file is.
        member.MemberTemplateError: The policy asks for more than fits into the members' template.
    """
    chosen = settings.read(app.node.get_all_context(), default_region=default_region)
    policy = policy_file.read(Path(chosen.policy), organization=chosen.organization is not None)
    stack = ProfilingGroupsStack(app, STACK, settings=chosen, policy=policy)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()
    for asset in Path(app.outdir).glob("asset.*/"):
        # One that is there already is used as it is, and it may have been copied here with other modes.
        bundling.set_modes(asset)
    if stack.member_template is not None:
        # It is no stack of the app: it is rolled out by the stack set, or by whoever else.
        (Path(app.outdir) / member.FILE).write_text(stack.member_template)
