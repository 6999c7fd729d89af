"""CDK entry point: settings out of the cdk context, the policy out of its file → the stack, checked by cdk-nag."""

import os
import sys
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra import member, policy_file, settings
from infra.stacks import ProfilingGroupsStack

app = cdk.App()
try:
    chosen = settings.read(app.node.get_all_context(), default_region=os.environ.get("CDK_DEFAULT_REGION"))
    policy = policy_file.read(Path(chosen.policy), organization=chosen.organization is not None)
    stack = ProfilingGroupsStack(app, "ProfilingGroups", settings=chosen, policy=policy)
except (settings.SettingsError, policy_file.PolicyFileError, member.MemberTemplateError) as error:
    sys.exit(f"synth: {error}")
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
app.synth()
if stack.member_template is not None:
    # It is no stack of the app: it is rolled out by the stack set, or by whoever else.
    (Path(app.outdir) / member.FILE).write_text(stack.member_template)
