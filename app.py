"""CDK entry point: settings out of the cdk context, the policy out of its file → the stack, checked by cdk-nag."""

import os
import sys
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra import policy_file, settings
from infra.stacks import ProfilingGroupsStack

app = cdk.App()
try:
    chosen = settings.read(app.node.get_all_context(), default_region=os.environ.get("CDK_DEFAULT_REGION"))
    policy = policy_file.read(Path(chosen.policy))
except (settings.SettingsError, policy_file.PolicyFileError) as error:
    sys.exit(f"synth: {error}")
ProfilingGroupsStack(app, "ProfilingGroups", settings=chosen, policy=policy)
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
app.synth()
