"""CloudTrail as an organization's member sees it: the organization's trail is among its own, and is not its to ask.

As in AWS it is seen, by its ARN, in every account of the organization; its status can be asked, its event selectors and
any change of it are for the management account, where the trail is. `install` is called once, by the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.cloudtrail.models import CloudTrailBackend, cloudtrail_backends

from embedded_aws.access.organization import management_account_of
from embedded_aws.moto_extensions.patching import extend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moto.cloudtrail.models import Trail


def install() -> None:
    """Extend moto; a second call changes nothing."""
    extend(CloudTrailBackend, "describe_trails", _describe_trails)


def _describe_trails(
    original: Callable[..., Iterable[Trail]], self: CloudTrailBackend, include_shadow_trails: object
) -> Iterable[Trail]:
    found = list(original(self, include_shadow_trails))
    management = management_account_of(self.account_id)
    # In a member it is a shadow trail (CloudTrail API reference, DescribeTrails).
    if include_shadow_trails and management not in {None, self.account_id}:
        managed = cloudtrail_backends[management][self.region_name]
        found += [trail for trail in original(managed, include_shadow_trails) if trail.is_org_trail]
    return found
