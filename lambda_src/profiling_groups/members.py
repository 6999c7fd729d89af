"""The accounts of an organization, reached from the hub: as the role that each of them has for it.

The `reach` of a hub has one. A session is begun when an account is first asked for, and renewed before it ends; clients
are kept for the places that come again.
"""

from __future__ import annotations

import time
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.exceptions import ClientError

from profiling_groups import aws
from profiling_groups.functions import partition
from profiling_groups.observability import logger

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_sts import STSClient

    from profiling_groups.aws import Clients, SweepClients
    from profiling_groups.functions import Place

_SESSION_SECONDS: Final = 3600
"""The longest that a role which itself was assumed gets (IAM user guide, "Role chaining")."""
_RENEWED_BEFORE_SECONDS: Final = 300
_NEEDED_FOR_SECONDS: Final = 120
"""With less than this left no call is made before the session is renewed."""
_REFUSED_SECONDS: Final = 300
"""For how long an account that cannot be reached is not tried again."""
_MOST_SESSIONS: Final = 1_000
_MOST_PLACES: Final = 64
"""Accounts and regions whose clients are kept; those of one place take some 2 MB."""


class Members:
    """The accounts that the hub reaches.

    Args:
        role_name: Name of the role, the same in each account.
        hub: The hub's own region, whose STS is asked.
    """

    def __init__(self, role_name: str, *, hub: str) -> None:
        self._role_name = role_name
        self._hub = hub
        self._sts: STSClient = aws.client("sts", region=hub)
        self._lock = Lock()
        self._refused: dict[str, tuple[float, ClientError]] = {}
        self._sessions = lru_cache(_MOST_SESSIONS)(self._begin)
        self._clients = lru_cache(_MOST_PLACES)(
            lambda place: aws.clients_of(self._session(place.account), place.region)
        )

    def clients(self, place: Place) -> Clients:
        """Return the clients for a place.

        Raises:
            botocore.exceptions.ClientError: The account's role cannot be assumed.
            botocore.exceptions.BotoCoreError: STS could not be reached.
        """
        return self._clients(place)

    def sweep_clients(self, place: Place) -> SweepClients:
        """Return clients for one sweep of a place; with the errors of `clients`."""
        return aws.sweep_clients(place.region, session=self._session(place.account))

    def _session(self, account: str) -> Session:
        # For several threads at once that ask for the same account.
        with self._lock:
            return self._begun(account)

    def _begun(self, account: str) -> Session:
        until, error = self._refused.get(account, (0.0, None))
        if error is not None and time.monotonic() < until:
            # Of its earlier raising it need not tell again.
            raise error.with_traceback(None)
        try:
            return self._sessions(account)
        except ClientError as refused:
            self._refused[account] = (time.monotonic() + _REFUSED_SECONDS, refused)
            detail = aws.explain(refused, function="*", group=None).detail
            logger.warning("an account cannot be reached", extra={"account": account, "detail": detail})
            raise

    def _begin(self, account: str) -> Session:
        def assume() -> dict[str, Any]:
            return self._assume(account)

        credentials = RefreshableCredentials.create_from_metadata(
            metadata=assume(),
            refresh_using=assume,
            method=_Assumed.METHOD,
            advisory_timeout=_RENEWED_BEFORE_SECONDS,
            mandatory_timeout=_NEEDED_FOR_SECONDS,
        )
        session = aws.session()
        session.register_component("credential_provider", CredentialResolver([_Assumed(credentials)]))
        return session

    def _assume(self, account: str) -> dict[str, Any]:
        answer = self._sts.assume_role(
            RoleArn=f"arn:{partition(self._hub)}:iam::{account}:role/{self._role_name}",
            RoleSessionName="profiling-group-provisioner",
            DurationSeconds=_SESSION_SECONDS,
        )["Credentials"]
        return {
            "access_key": answer["AccessKeyId"],
            "secret_key": answer["SecretAccessKey"],
            "token": answer["SessionToken"],
            "expiry_time": answer["Expiration"].isoformat(),
        }


class _Assumed(CredentialProvider):
    """Where a session gets its credentials: from here, and from nowhere else."""

    METHOD = "assume-role"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        """Return them."""
        return self._credentials
