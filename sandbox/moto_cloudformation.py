"""CloudFormation's AWS::SQS::QueuePolicy, which moto ignores: without it no service may send to a queue.

`sandbox.eventbridge.install` calls `register`.
"""

import json
from typing import Any

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.sqs.models import Queue, sqs_backends


class QueuePolicy(CloudFormationModel):
    """The policy of the queues whose URLs it names."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def physical_resource_id(self) -> str:
        """A name that CloudFormation makes up; the policy has no ARN."""
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        """It cannot be named."""
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        """Its type in templates."""
        return "AWS::SQS::QueuePolicy"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
        **_: Any,  # noqa: ANN401 - moto's signature
    ) -> "QueuePolicy":
        """Give the policy to its queues."""
        properties = cloudformation_json["Properties"]
        for queue in _queues(properties, account_id, region_name):
            queue.policy = json.dumps(properties["PolicyDocument"])
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: "QueuePolicy",
        new_resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
    ) -> "QueuePolicy":
        """Replace the policy of its queues."""
        return cls.create_from_cloudformation_json(original_resource.name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: Any,  # noqa: ANN401 - moto's signature
        account_id: str,
        region_name: str,
    ) -> None:
        """Take the policy from those of its queues that still exist."""
        for queue in _queues(cloudformation_json["Properties"], account_id, region_name):
            queue.policy = None


def register() -> None:
    """Let moto's CloudFormation find the type; importing this module defines it, its cached list may be older."""
    parsing.get_model_list.cache_clear()
    parsing.get_model_map.cache_clear()


def _queues(properties: dict[str, Any], account: str, region: str) -> list[Queue]:
    queues = sqs_backends[account][region].queues
    names = [str(url).rpartition("/")[2] for url in properties["Queues"]]
    return [queues[name] for name in names if name in queues]
