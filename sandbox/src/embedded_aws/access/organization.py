"""The organization that an account belongs to, as moto's AWS Organizations has it at this moment.

IAM asks here for the condition keys that speak of an organization and for the service control policies in force;
the evaluation of a resource policy (a bus, a queue, a role's trust) adds `principal_context` of the caller's account.
Accounts outside any organization have neither keys nor policies. Only the partition aws is played.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from moto.organizations.models import (
    FakeAccount,
    FakeOrganizationalUnit,
    FakeRoot,
    OrganizationsBackend,
    organizations_backends,
)

_PARTITION: Final = "aws"
_SERVICE_CONTROL_POLICY: Final = "SERVICE_CONTROL_POLICY"


def backend_of(account: str) -> OrganizationsBackend | None:
    """Moto's backend of the management account of the organization that the account is in, itself included."""
    management, partition = organizations_backends.master_accounts.get(account, (account, _PARTITION))
    backend = organizations_backends[management][partition]
    return backend if backend.org is not None else None


def organization_of(account: str) -> str | None:
    """The id of the account's organization, ``o-…``."""
    backend = backend_of(account)
    return str(backend.org.id) if backend is not None and backend.org is not None else None


def management_account_of(account: str) -> str | None:
    """The account that made the account's organization."""
    backend = backend_of(account)
    return str(backend.account_id) if backend is not None else None


def organization_path(account: str) -> str | None:
    """The path to the account in the form of aws:PrincipalOrgPaths: ``o-…/r-…/ou-…/``, with a slash at its end."""
    backend = backend_of(account)
    if backend is None or backend.org is None:
        return None
    return "".join(f"{each}/" for each in (backend.org.id, *(unit.id for unit in _units(backend, account))))


def is_delegated_administrator(account: str, service: str | None = None) -> bool:
    """Whether the account is registered as a delegated administrator, of that service where one is named."""
    backend = backend_of(account)
    admins = [] if backend is None else backend.admins
    return any(admin.account.id == account and (service is None or service in admin.services) for admin in list(admins))


def principal_context(account: str) -> dict[str, str | tuple[str, ...]]:
    """The condition keys, in lower case, that a principal of the account brings: organization and paths to it."""
    return _context(account, "principal")


def resource_context(account: str) -> dict[str, str | tuple[str, ...]]:
    """The condition keys, in lower case, of a resource that the account owns: account, organization, paths to it."""
    return {"aws:resourceaccount": account, **_context(account, "resource")}


def _context(account: str, whose: str) -> dict[str, str | tuple[str, ...]]:
    organization, path = organization_of(account), organization_path(account)
    if organization is None or path is None:
        return {}
    return {f"aws:{whose}orgid": organization, f"aws:{whose}orgpaths": (path,)}


def service_control_policies(account: str) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    """The service control policies that bind the account, level by level: the root's, each OU's, its own.

    What is done there has to be allowed at each level, and denied at none. No levels: nothing binds it, as it is the
    management account, is in no organization, or the organization's root has that type of policy not enabled.
    """
    backend = backend_of(account)
    if backend is None or account == backend.account_id:
        return ()
    units = _units(backend, account)
    enabled = {kind["Type"] for root in units[:1] if isinstance(root, FakeRoot) for kind in root.policy_types}
    if _SERVICE_CONTROL_POLICY not in enabled:
        return ()
    holders: list[FakeOrganizationalUnit | FakeAccount] = [*units, backend.get_account_by_id(account)]
    return tuple(
        tuple(
            json.loads(str(policy.content))
            for policy in list(holder.attached_policies)
            if policy.type == _SERVICE_CONTROL_POLICY
        )
        for holder in holders
    )


def _units(backend: OrganizationsBackend, account: str) -> list[FakeOrganizationalUnit]:
    """The root and the OUs that hold the account, from the root down."""
    known = {unit.id: unit for unit in list(backend.ou)}
    parent: str | None = backend.get_account_by_id(account).parent_id
    found: list[FakeOrganizationalUnit] = []
    while parent in known:
        found.insert(0, known[parent])
        parent = known[parent].parent_id
    return found
