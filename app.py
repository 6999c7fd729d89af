"""CDK entry point: settings out of the cdk context → the stack, checked by cdk-nag."""

import os
import sys

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra import settings
from infra.stacks import ProfilingGroupsStack

app = cdk.App()
try:
    chosen = settings.read(app.node.get_all_context(), default_region=os.environ.get("CDK_DEFAULT_REGION"))
except settings.SettingsError as error:
    sys.exit(f"synth: {error}")
ProfilingGroupsStack(app, "ProfilingGroups", settings=chosen)
cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
app.synth()
