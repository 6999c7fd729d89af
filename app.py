"""CDK entry point: what is wrong with a setting or the policy is said in a line."""

import os
import sys

import aws_cdk as cdk

from infra import application, member, policy_file, settings

try:
    application.synthesize(cdk.App(), default_region=os.environ.get("CDK_DEFAULT_REGION"))
except (settings.SettingsError, policy_file.PolicyFileError, member.MemberTemplateError) as error:
    sys.exit(f"synth: {error}")
