"""AWS Organizations as its own service answers: who may ask, in which pages, and what comes with a new account.

- the management account may do everything, a delegated administrator (of whatever service) may read, every other member
  only learns which organization it is in;
- ListAccounts, ListAccountsForParent and ListOrganizationalUnitsForParent in AWS's pages;
- the role of a new account is an administrator's;
- a policy of a type that is not enabled in the root cannot be attached;
- accounts may be registered as delegated administrators of CloudFormation StackSets and CloudTrail;
- whoever cares is told when an account comes, moves or goes.

Accounts are active at once. Source of who may call what: AWS Organizations API reference, each operation's own page.
"""

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

_Item = TypeVar("_Item")
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
    _extend("attach_policy", _attaching)
    _extend("list_parents", _listing_parents)
    _extend("create_account", lambda original: _creating(original, account_changed))
    for name in ("move_account", "close_account", "remove_account_from_organization"):
        _extend(name, lambda original: _telling(original, account_changed))


def _extend(name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    current = getattr(OrganizationsBackend, name)
    original = getattr(current, "sandbox_original", current)
    extended = wrap(original)
    extended.sandbox_original = original  # type: ignore[attr-defined] # a function takes any attribute
    setattr(OrganizationsBackend, name, extended)


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
    accounts, token = _page(self, self.organizations_backend.accounts, key=lambda account: account.id)
    return json.dumps({"Accounts": [account.describe() for account in accounts], "NextToken": token})


def _list_accounts_for_parent(self: OrganizationsResponse) -> str:
    backend = self.organizations_backend
    parent = backend.validate_parent_id(self._get_param("ParentId"))
    children: list[FakeAccount] = [account for account in backend.accounts if account.parent_id == parent]
    accounts, token = _page(self, children, key=lambda account: account.id)
    return json.dumps({"Accounts": [account.describe() for account in accounts], "NextToken": token})


def _list_units_for_parent(self: OrganizationsResponse) -> str:
    backend = self.organizations_backend
    parent = backend.validate_parent_id(self._get_param("ParentId"))
    children: list[FakeOrganizationalUnit] = [unit for unit in backend.ou if unit.parent_id == parent]
    units, token = _page(self, children, key=lambda unit: unit.id)
    described = [unit.describe()["OrganizationalUnit"] for unit in units]
    return json.dumps({"OrganizationalUnits": described, "NextToken": token})


def _page(
    self: OrganizationsResponse, items: Iterable[_Item], *, key: Callable[[_Item], str]
) -> tuple[list[_Item], str | None]:
    size = self._get_param("MaxResults", _PAGE)
    if not isinstance(size, int) or not 1 <= size <= _PAGE:
        raise InvalidInputException("You specified an invalid value.")
    try:
        return page_after(list(items), key=key, token=self._get_param("NextToken"), size=size)
    except BadTokenError as error:
        raise InvalidInputException("You specified an invalid value.") from error


def _attaching(original: Callable[..., None]) -> Callable[..., None]:
    def attach_policy(self: OrganizationsBackend, **parameters: Any) -> None:  # noqa: ANN401 - moto's signature
        policy: FakePolicy = self.get_policy_by_id(parameters["PolicyId"])
        root = next(unit for unit in self.ou if isinstance(unit, FakeRoot))
        # AWS's own policies hang everywhere from the beginning.
        if not policy.aws_managed and policy.type not in {kind["Type"] for kind in root.policy_types}:
            raise PolicyTypeNotEnabledException
        original(self, **parameters)

    return attach_policy


def _listing_parents(original: Callable[..., Any]) -> Callable[..., Any]:
    def list_parents(self: OrganizationsBackend, **parameters: Any) -> Any:  # noqa: ANN401 - moto's signature
        known = {account.id for account in self.accounts} | {unit.id for unit in self.ou}
        if parameters["ChildId"] not in known:
            message = "We can't find an organizational unit (OU) or AWS account with the ChildId that you specified."
            raise OrganizationsClientError("ChildNotFoundException", message)
        return original(self, **parameters)

    return list_parents


def _creating(original: Callable[..., Any], account_changed: _AccountChanged) -> Callable[..., Any]:
    def create_account(self: OrganizationsBackend, **parameters: Any) -> Any:  # noqa: ANN401 - moto's signature
        status = original(self, **parameters)
        account = str(status["CreateAccountStatus"]["AccountId"])
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        iam_backends[account][_PARTITION].put_role_policy(
            parameters.get("RoleName", "OrganizationAccountAccessRole"), "AdministratorAccess", json.dumps(everything)
        )
        account_changed(self, account)
        return status

    return create_account


def _telling(original: Callable[..., None], account_changed: _AccountChanged) -> Callable[..., None]:
    def change(self: OrganizationsBackend, **parameters: Any) -> None:  # noqa: ANN401 - moto's signature
        original(self, **parameters)
        account_changed(self, parameters["AccountId"])

    return change
