"""A queue for what could not be delivered, or not be worked on: the hub has one, and each region of a member."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_sqs as sqs

if TYPE_CHECKING:
    from constructs import Construct

# The longest that SQS keeps a message: time to find out, mend and replay.
_RETENTION = cdk.Duration.days(14)


def dead_letter_queue(scope: Construct, construct_id: str, *, queue_name: str | None = None) -> sqs.Queue:
    """Return a new queue, encrypted and for TLS only, which goes with the stack; CloudFormation names it by default."""
    made = sqs.Queue(
        scope,
        construct_id,
        queue_name=queue_name,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=_RETENTION,
    )
    cdk.Validations.of(made).acknowledge(
        cdk.Acknowledgment(id="AwsSolutions-SQS3", reason="It is the dead-letter queue itself.")
    )
    return made
