"""AWS Organizations as its own service answers: who may ask, in which pages, and what comes with a new account.

- the management account may do everything, a delegated administrator (of whatever service) may read, every other member
  only learns which organization it is in;
- ListAccounts, ListAccountsForParent and ListOrganizationalUnitsForParent in AWS's pages;
- the role of a new account is an administrator's;
- a policy of a type that is not enabled in the root cannot be attached;
- accounts may be registered as delegated administrators of CloudFormation StackSets and CloudTrail;
- a callback is called when an account is created, moved or closed.

Accounts are active at once. Source of who may call what: AWS Organizations API reference, each operation's own page.
"""

import functools
import json
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from moto.iam.models import iam_backends
from moto.organizations.exceptions import (
    AWSOrganizationsNotInUseException,
    InvalidInputException,
    OrganizationsClientError,
    PolicyTypeNotEnabledException,
)
from moto.organizations.models import (
    FakeAccount,
    FakeDelegatedAdministrator,
    FakeOrganizationalUnit,
    FakePolicy,
    FakeRoot,
    OrganizationsBackend,
    organizations_backends,
)
from moto.organizations.responses import OrganizationsResponse

from embedded_aws.access.organization import backend_of, is_delegated_administrator
from embedded_aws.moto_extensions.pages import BadTokenError, page_after
from embedded_aws.moto_extensions.patching import extend

STACK_SETS: Final = "member.org.stacksets.cloudformation.amazonaws.com"
"""CloudFormation StackSets as Organizations knows it, for trusted access and delegated administrators."""

_PARTITION: Final = "aws"
_PAGE: Final = 20
# Registered as such in AWS, but not in moto.
_MORE_DELEGATED: Final = (STACK_SETS, "cloudtrail.amazonaws.com")
_EVERY_MEMBER: Final = frozenset({"DescribeOrganization"})
_DELEGATED: Final = frozenset(
    {
        *("DescribeAccount", "DescribeCreateAccountStatus", "DescribeOrganizationalUnit", "DescribePolicy"),
        *("ListAWSServiceAccessForOrganization", "ListAccounts", "ListAccountsForParent", "ListChildren"),
        *("ListCreateAccountStatus", "ListDelegatedAdministrators", "ListDelegatedServicesForAccount"),
        *("ListOrganizationalUnitsForParent", "ListParents", "ListPolicies", "ListPoliciesForTarget", "ListRoots"),
        *("ListTagsForResource", "ListTargetsForPolicy"),
    }
)

_Item = TypeVar("_Item", FakeAccount, FakeOrganizationalUnit)
_AccountChanged = Callable[[OrganizationsBackend, str], None]


def install(account_changed: _AccountChanged) -> None:
    """Extend moto; a later call replaces what an earlier one installed.

    Args:
        account_changed: told the organization's backend and the account's id after it was created, moved, closed or
            removed.
    """
    OrganizationsResponse.organizations_backend = property(_backend)  # type: ignore[assignment,method-assign] # extends moto
    OrganizationsResponse.list_accounts = _list_accounts  # type: ignore[method-assign] # extends moto
    OrganizationsResponse.list_accounts_for_parent = _list_accounts_for_parent  # type: ignore[method-assign] # extends moto
    OrganizationsResponse.list_organizational_units_for_parent = _list_units_for_parent  # type: ignore[method-assign] # extends moto
    FakeDelegatedAdministrator.SUPPORTED_SERVICES = list(
        dict.fromkeys([*FakeDelegatedAdministrator.SUPPORTED_SERVICES, *_MORE_DELEGATED])
    )
    extend(OrganizationsBackend, "attach_policy", _attach_policy)
    extend(OrganizationsBackend, "list_parents", _list_parents)
    extend(OrganizationsBackend, "create_account", functools.partial(_create_account, account_changed))
    for name in ("move_account", "close_account", "remove_account_from_organization"):
        extend(OrganizationsBackend, name, functools.partial(_change_account, account_changed))


def _backend(self: OrganizationsResponse) -> OrganizationsBackend:
    """The backend that holds what the caller may see; moto takes each account for a management account of its own."""
    account, operation = self.current_account, self._get_action()
    if operation == "CreateOrganization":
        return organizations_backends[account][self.partition]
    backend = backend_of(account)
    if backend is None:
        raise AWSOrganizationsNotInUseException
    if (
        account == backend.account_id
        or operation in _EVERY_MEMBER
        or (operation in _DELEGATED and is_delegated_administrator(account))
    ):
        return backend
    raise OrganizationsClientError("AccessDeniedException", "You don't have permissions to access this resource.")


def _list_accounts(self: OrganizationsResponse) -> str:
    return _page(self, "Accounts", self.organizations_backend.accounts, FakeAccount.describe)


def _list_accounts_for_parent(self: OrganizationsResponse) -> str:
    return _page(self, "Accounts", _children(self, self.organizations_backend.accounts), FakeAccount.describe)


def _list_units_for_parent(self: OrganizationsResponse) -> str:
    units = _children(self, self.organizations_backend.ou)
    return _page(self, "OrganizationalUnits", units, lambda unit: unit.describe()["OrganizationalUnit"])


def _children(self: OrganizationsResponse, items: Iterable[_Item]) -> list[_Item]:
    parent = self.organizations_backend.validate_parent_id(self._get_param("ParentId"))
    return [each for each in items if each.parent_id == parent]


def _page(self: OrganizationsResponse, member: str, items: Iterable[_Item], describe: Callable[[_Item], object]) -> str:
    size = self._get_param("MaxResults", _PAGE)
    if not isinstance(size, int) or not 1 <= size <= _PAGE:
        raise InvalidInputException("You specified an invalid value.")
    try:
        page, token = page_after(
            list(items), key=lambda each: str(each.id), token=self._get_param("NextToken"), size=size
        )
    except BadTokenError as error:
        raise InvalidInputException("You specified an invalid value.") from error
    return json.dumps({member: [describe(each) for each in page], "NextToken": token})


def _attach_policy(original: Callable[..., None], self: OrganizationsBackend, **parameters: str) -> None:
    policy: FakePolicy = self.get_policy_by_id(parameters["PolicyId"])
    root = next(unit for unit in self.ou if isinstance(unit, FakeRoot))
    # AWS's own policies hang everywhere from the beginning.
    if not policy.aws_managed and policy.type not in {kind["Type"] for kind in root.policy_types}:
        raise PolicyTypeNotEnabledException
    original(self, **parameters)


def _list_parents(original: Callable[..., Any], self: OrganizationsBackend, **parameters: str) -> Any:  # noqa: ANN401 - moto's own
    if parameters["ChildId"] not in {each.id for units in (self.accounts, self.ou) for each in units}:
        message = "We can't find an organizational unit (OU) or AWS account with the ChildId that you specified."
        raise OrganizationsClientError("ChildNotFoundException", message)
    return original(self, **parameters)


def _create_account(
    account_changed: _AccountChanged, original: Callable[..., Any], self: OrganizationsBackend, **parameters: str
) -> Any:  # noqa: ANN401 - moto's own
    status = original(self, **parameters)
    account = str(status["CreateAccountStatus"]["AccountId"])
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam_backends[account][_PARTITION].put_role_policy(
        parameters.get("RoleName", "OrganizationAccountAccessRole"), "AdministratorAccess", json.dumps(everything)
    )
    account_changed(self, account)
    return status


def _change_account(
    account_changed: _AccountChanged, original: Callable[..., None], self: OrganizationsBackend, **parameters: str
) -> None:
    original(self, **parameters)
    account_changed(self, parameters["AccountId"])
