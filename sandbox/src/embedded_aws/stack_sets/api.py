"""CloudFormation's operations on stack sets, for those with service-managed permissions that a template has made.

Left to moto are all others. What would change instances by the API (CreateStackInstances, UpdateStackSet and the like)
is not played for service-managed ones, as their template is what changes them; but for UpdateStackInstances without
other parameters, by which those that are not current are tried again, wherever they are.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from moto.cloudformation.exceptions import (
    CloudFormationError,
    StackSetNotFoundException,
    ValidationError,
)
from moto.cloudformation.models import CloudFormationBackend, cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult, EmptyResult

from embedded_aws.access.organization import backend_of, is_delegated_administrator
from embedded_aws.moto_extensions.organizations import STACK_SETS
from embedded_aws.moto_extensions.pages import BadTokenError, page_after
from embedded_aws.moto_extensions.patching import extend
from embedded_aws.stack_sets.sets import Instance, ManagedStackSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from moto.organizations.models import OrganizationsBackend

_LARGEST_PAGE: Final = 100
_UNSERVED: Final = (
    "create_stack_instances",
    "delete_stack_instances",
    "describe_stack_instance",
    "describe_stack_set_operation",
    "list_stack_set_operation_results",
    "delete_stack_set",
    "stop_stack_set_operation",
    "update_stack_set",
)


def install() -> None:
    """Extend moto; a second call changes nothing."""
    CloudFormationResponse.cloudformation_backend = property(_backend)  # type: ignore[assignment,method-assign] # extends moto
    answers: dict[str, Callable[[CloudFormationResponse, ManagedStackSet], ActionResult]] = {
        "describe_stack_set": _describe_stack_set,
        "list_stack_instances": _list_stack_instances,
        "list_stack_set_operations": _list_operations,
        "update_stack_instances": _try_again,
        **dict.fromkeys(_UNSERVED, _refuse),
    }
    for name, answer in answers.items():
        extend(CloudFormationResponse, name, functools.partial(_answer, answer))
    for name, method in (
        ("activate_organizations_access", _activate),
        ("deactivate_organizations_access", _deactivate),
        ("describe_organizations_access", _describe_access),
        ("list_stack_sets", _list_stack_sets),
    ):
        setattr(CloudFormationResponse, name, method)


def organization_for(account: str, *, call_as: str) -> OrganizationsBackend:
    """The organization whose stack sets the account operates.

    Args:
        account: the caller's.
        call_as: ``SELF`` or ``DELEGATED_ADMIN``.

    Raises:
        ValidationError: it may not, or CloudFormation has no trusted access there.
    """
    organization = backend_of(account)
    if call_as == "DELEGATED_ADMIN":
        if organization is None or not is_delegated_administrator(account, STACK_SETS):
            raise ValidationError(message="Account used is not a delegated administrator")
    elif organization is None or organization.account_id != account:
        message = (
            "You must be the management account or delegated admin account of an organization before operating a"
            " SERVICE_MANAGED stack set"
        )
        raise ValidationError(message=message)
    if not _is_trusted(organization):
        message = "You must enable organizations access to operate a service managed stack set"
        raise ValidationError(message=message)
    return organization


def _is_trusted(organization: OrganizationsBackend) -> bool:
    return any(service["ServicePrincipal"] == STACK_SETS for service in organization.services)


def _backend(self: CloudFormationResponse) -> CloudFormationBackend:
    """Where the caller's stack sets are kept: a delegated administrator's in the management account."""
    account = self.current_account
    if self._get_param("CallAs") == "DELEGATED_ADMIN":
        account = organization_for(account, call_as="DELEGATED_ADMIN").account_id
    return cloudformation_backends[account][self.region]


def _answer(
    answer: Callable[[CloudFormationResponse, ManagedStackSet], ActionResult],
    original: Callable[[CloudFormationResponse], ActionResult],
    self: CloudFormationResponse,
) -> ActionResult:
    """Return our answer if the request names a service-managed set, or else moto's."""
    try:
        named = self.cloudformation_backend.describe_stack_set(self._get_param("StackSetName"))
    except StackSetNotFoundException:
        return original(self)
    return answer(self, named) if isinstance(named, ManagedStackSet) else original(self)


def _refuse(self: CloudFormationResponse, stack_set: ManagedStackSet) -> ActionResult:
    raise NotImplementedError(f"{self._get_action()} of the service-managed stack set {stack_set.name}")


def _try_again(self: CloudFormationResponse, stack_set: ManagedStackSet) -> ActionResult:
    if self._get_param("ParameterOverrides"):
        return _refuse(self, stack_set)
    stack_set.roll_out()
    return ActionResult({"OperationId": stack_set.all_operations()[0].id})


def _list_stack_sets(self: CloudFormationResponse) -> ActionResult:
    status = self._get_param("Status")
    found = [each for each in self.cloudformation_backend.list_stack_sets() if status in {None, each.status}]
    page, token = _page(self, found, key=lambda each: str(each.id))
    summaries = [each.describe() if isinstance(each, ManagedStackSet) else each for each in page]
    return ActionResult({"Summaries": summaries, "NextToken": token})


def _describe_stack_set(_self: CloudFormationResponse, stack_set: ManagedStackSet) -> ActionResult:
    return ActionResult({"StackSet": stack_set.describe()})


def _list_stack_instances(self: CloudFormationResponse, stack_set: ManagedStackSet) -> ActionResult:
    account, region = self._get_param("StackInstanceAccount"), self._get_param("StackInstanceRegion")
    found = [
        instance
        for instance in stack_set.all_instances()
        if account in {None, instance.account} and region in {None, instance.region}
    ]
    page, token = _page(self, found, key=_place)
    return ActionResult({"Summaries": [each.describe(stack_set.id) for each in page], "NextToken": token})


def _place(instance: Instance) -> str:
    return f"{instance.account}/{instance.region}"


def _list_operations(self: CloudFormationResponse, stack_set: ManagedStackSet) -> ActionResult:
    numbered = list(enumerate(stack_set.all_operations()))
    page, token = _page(self, numbered, key=lambda each: f"{each[0]:08d}")
    return ActionResult({"Summaries": [operation.describe() for _, operation in page], "NextToken": token})


def _activate(self: CloudFormationResponse) -> ActionResult:
    organization = _managed_by(self)
    if not _is_trusted(organization):
        organization.enable_aws_service_access(ServicePrincipal=STACK_SETS)
    return EmptyResult()


def _deactivate(self: CloudFormationResponse) -> ActionResult:
    _managed_by(self).disable_aws_service_access(ServicePrincipal=STACK_SETS)
    return EmptyResult()


def _describe_access(self: CloudFormationResponse) -> ActionResult:
    organization = backend_of(self.current_account)
    trusted = organization is not None and _is_trusted(organization)
    return ActionResult({"Status": "ENABLED" if trusted else "DISABLED"})


def _managed_by(self: CloudFormationResponse) -> OrganizationsBackend:
    organization = backend_of(self.current_account)
    if organization is None or organization.account_id != self.current_account:
        code = "InvalidOperationException"
        raise CloudFormationError(code, "You must be the management account of an organization")
    return organization


def _page(self: CloudFormationResponse, items: list[Any], *, key: Callable[[Any], str]) -> tuple[list[Any], str | None]:
    size = int(self._get_param("MaxResults") or _LARGEST_PAGE)
    try:
        return page_after(items, key=key, token=self._get_param("NextToken"), size=size)
    except BadTokenError as error:
        raise ValidationError(message="The NextToken is invalid.") from error
