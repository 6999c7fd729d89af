"""What moto lacks of S3 for a bucket that comes from a template, and for its policy.

- AWS::S3::BucketPolicy;
- of AWS::S3::Bucket: versioning, lifecycle rules, ownership, and the block of public access;
- a bucket policy's conditions: moto takes a Deny that asks for TLS for one that denies all.

The server calls `install`. Only statements on all principals count: moto passes no principal.
"""

import json
import logging
from typing import Any, Final, Self

from moto.core.common_models import CloudFormationModel
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket, s3_backends

from embedded_aws.access.policies import AccessRequest, Decision, UnsupportedConditionError, evaluate
from embedded_aws.moto_extensions.resources import AccountRegion, StackResource

_LOG: Final = logging.getLogger(__name__)
_PARTITION: Final = "aws"
_PERMISSIONS: Final = {
    Decision.DENIED: PermissionResult.DENIED,
    Decision.ALLOWED: PermissionResult.PERMITTED,
    Decision.NOT_ALLOWED: PermissionResult.NEUTRAL,
}

# moto's own, which the replacements below call.
_moto_create: Final = FakeBucket.create_from_cloudformation_json
_moto_update: Final = FakeBucket.update_from_cloudformation_json


class BucketPolicy(StackResource, CloudFormationModel):
    """The policy of one bucket, which Ref gives the name of."""

    template_type = "AWS::S3::BucketPolicy"

    @classmethod
    def make(cls, _name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Give the policy to the bucket."""
        document = json.dumps(properties["PolicyDocument"]).encode()
        s3_backends[place.account][_PARTITION].put_bucket_policy(properties["Bucket"], document)
        return cls(properties["Bucket"])

    def change(self, name: str, properties: dict[str, Any], place: AccountRegion, /) -> Self:
        """Replace it."""
        return self.make(name, properties, place)

    def remove(self, place: AccountRegion, /) -> None:
        """Take it from its bucket, where that still exists."""
        backend = s3_backends[place.account][_PARTITION]
        if self.ref in backend.buckets:
            backend.delete_bucket_policy(self.ref)


def install() -> None:
    """Extend moto; a second call changes nothing."""
    members = {
        "create_from_cloudformation_json": classmethod(_create),
        "update_from_cloudformation_json": classmethod(_update),
        "get_permission": _permission,
    }
    for name, member in members.items():
        setattr(FakeBucket, name, member)


def _create(
    _cls: type[FakeBucket],
    /,
    resource_name: str,
    cloudformation_json: Any,  # noqa: ANN401 - moto's signature
    account_id: str,
    region_name: str,
    **more: Any,  # noqa: ANN401 - moto's signature
) -> FakeBucket:
    bucket = _moto_create(resource_name, cloudformation_json, account_id, region_name, **more)
    _configure(bucket, cloudformation_json.get("Properties", {}), account_id)
    return bucket


def _update(
    _cls: type[FakeBucket],
    /,
    original_resource: FakeBucket,
    new_resource_name: str,
    cloudformation_json: Any,  # noqa: ANN401 - moto's signature
    account_id: str,
    region_name: str,
) -> FakeBucket:
    # moto looks for the name among the properties; a template may leave it to CloudFormation.
    properties = {"BucketName": original_resource.name, **cloudformation_json.get("Properties", {})}
    named = {**cloudformation_json, "Properties": properties}
    bucket = _moto_update(original_resource, new_resource_name, named, account_id, region_name)
    _configure(bucket, cloudformation_json.get("Properties", {}), account_id)
    return bucket


def _configure(bucket: FakeBucket, properties: dict[str, Any], account: str) -> None:
    backend = s3_backends[account][_PARTITION]
    if "VersioningConfiguration" in properties:
        backend.put_bucket_versioning(bucket.name, properties["VersioningConfiguration"]["Status"])
    if "PublicAccessBlockConfiguration" in properties:
        # As it comes in XML.
        blocked = {key: str(value).lower() for key, value in properties["PublicAccessBlockConfiguration"].items()}
        backend.put_public_access_block(bucket.name, blocked)
    if "OwnershipControls" in properties:
        (rule,) = properties["OwnershipControls"]["Rules"]
        backend.put_bucket_ownership_controls(bucket.name, {"Rule": rule})
    if "LifecycleConfiguration" in properties:
        rules = [_lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
        backend.put_bucket_lifecycle_configuration(bucket.name, rules)


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A template's rule as the API has it."""
    shared = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
    written: dict[str, Any] = {key: rule[key] for key in shared if key in rule}
    written |= {"ID": rule.get("Id"), "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        written["Expiration"] = {"Days": rule["ExpirationInDays"]}
    return written


def _permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
    if self.policy is None:
        return PermissionResult.NEUTRAL
    request = AccessRequest(
        action=action,
        resource=resource,
        context={"aws:securetransport": "true"},  # the sandbox stands for AWS, which its clients reach by TLS
        principals=frozenset({("AWS", "anonymous")}),
    )
    try:
        return _PERMISSIONS[evaluate([json.loads(self.policy)], request)]
    except UnsupportedConditionError:
        _LOG.exception("the policy of %s cannot be evaluated", self.name)
        return PermissionResult.DENIED
