"""The accounts of an organization, reached from the hub: as the role that each of them has for it.

The `reach` of a hub has one. A session is begun when an account is first asked for, and renewed before it ends; clients
are kept for the places that come again. Connections are the hub's: whatever account a request is for, it goes over one
that there is to that region's API, since it is signed by itself.
"""

from __future__ import annotations

import time
from dataclasses import fields
from functools import lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.exceptions import ClientError

from profiling_groups import aws
from profiling_groups.functions import UnreadableAnswerError, partition
from profiling_groups.observability import logger

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel
    from botocore.session import Session
    from mypy_boto3_sqs import SQSClient
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
_DENIED: Final = 403
_MOST_CREDENTIALS: Final = 1_000
_MOST_SESSIONS: Final = 16
"""Accounts whose session of botocore is kept; one takes some 150 KB, the credentials in it next to nothing."""
_MOST_PLACES: Final = 64
"""Accounts and regions whose clients are kept; those of one place take some 2 MB."""

_C = TypeVar("_C", "Clients", "SweepClients")


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
        self._confirmed: dict[str, float] = {}
        self._credentials = lru_cache(_MOST_CREDENTIALS)(self._assumed)
        self._sessions = lru_cache(_MOST_SESSIONS)(self._begin)
        self._clients = lru_cache(_MOST_PLACES)(
            lambda place: self._connected(aws.clients_of(self._session(place.account), place.region), place.region)
        )
        self._connections: dict[tuple[object, ...], Any] = {}

    def clients(self, place: Place) -> Clients:
        """Return the clients for a place.

        Raises:
            botocore.exceptions.ClientError: The account's role cannot be assumed.
            botocore.exceptions.BotoCoreError: STS could not be reached.
        """
        return self._clients(place)

    def sweep_clients(self, place: Place) -> SweepClients:
        """Return clients for one sweep of a place; with the errors of `clients`."""
        clients = aws.sweep_clients(place.region, session=self._session(place.account))
        return self._connected(clients, place.region)

    def count_dead_letters(self, place: Place, *, queue: str) -> int:
        """Return how many messages a queue in an account and region holds; with the errors of `clients`, and more."""
        sqs: SQSClient = aws.client_of(self._session(place.account), "sqs", region=place.region)
        self._share_connection(sqs, "sqs", place.region)
        answer = sqs.get_queue_attributes(
            QueueUrl=f"{sqs.meta.endpoint_url}/{place.account}/{queue}", AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def forget_refusals(self) -> None:
        """Try every account anew that could not be reached: somebody asks, who may have mended it."""
        with self._lock:
            self._refused.clear()

    def _connected(self, clients: _C, region: str) -> _C:
        """Let clients send over the connections of those that were the first to a region.

        A connection of one's own costs two round trips, and to load the certificates that are trusted as much time as
        all else that is done about a place. botocore has no public way to it; a version without this one costs that.
        """
        for each in fields(clients):
            self._share_connection(getattr(clients, each.name), type(clients), each.name, region)
        return clients

    def _share_connection(self, client: object, *key: object) -> None:
        endpoint: Any = getattr(client, "_endpoint", None)
        if hasattr(endpoint, "http_session"):
            endpoint.http_session = self._connections.setdefault(key, endpoint.http_session)

    def _session(self, account: str) -> Session:
        # For several threads at once that ask for the same account.
        with self._lock:
            return self._begun(account)

    def _begun(self, account: str) -> Session:
        self._spare(account)
        try:
            return self._sessions(account)
        except ClientError as refused:
            self._give_up(account, refused)
            raise

    def _spare(self, account: str) -> None:
        """Raise why an account cannot be reached, if that is known."""
        until, error = self._refused.get(account, (0.0, None))
        if error is not None and time.monotonic() < until:
            # Of its earlier raising it need not tell again.
            raise error.with_traceback(None)

    def _give_up(self, account: str, refused: ClientError) -> None:
        self._refused[account] = (time.monotonic() + _REFUSED_SECONDS, refused)
        detail = aws.explain(refused, function="*", group=None).detail
        logger.warning("an account cannot be reached", extra={"account": account, "detail": detail})

    def _look_again(
        self, account: str, *, http_response: AWSResponse, parsed: dict[str, Any], model: OperationModel, **_: object
    ) -> None:
        """Raise why an account's role can no longer be assumed, where a call in its name was denied.

        A session outlives its role. What a role that is there may not do is looked into once in some minutes only.
        """
        if http_response.status_code != _DENIED or aws.is_forbidden(ClientError(parsed, model.name)):  # type: ignore[arg-type]  # an answer as botocore has it
            return
        with self._lock:
            self._spare(account)
            if time.monotonic() < self._confirmed.get(account, 0.0):
                return
            try:
                self._assume(account)
            except ClientError as refused:
                self._give_up(account, refused)
                # Should the role come back, its old session does not.
                for kept in (self._clients, self._sessions, self._credentials):
                    kept.cache_clear()
                raise
            self._confirmed[account] = time.monotonic() + _REFUSED_SECONDS

    def _begin(self, account: str) -> Session:
        credentials = self._credentials(account)
        session = aws.session()
        session.register_component("credential_provider", CredentialResolver([_Assumed(credentials)]))
        session.register("after-call", partial(self._look_again, account))
        return session

    def _assumed(self, account: str) -> RefreshableCredentials:
        def assume() -> dict[str, Any]:
            return self._assume(account)

        return RefreshableCredentials.create_from_metadata(
            metadata=assume(),
            refresh_using=assume,
            method=_Assumed.METHOD,
            advisory_timeout=_RENEWED_BEFORE_SECONDS,
            mandatory_timeout=_NEEDED_FOR_SECONDS,
        )

    def _assume(self, account: str) -> dict[str, Any]:
        answer = self._sts.assume_role(
            RoleArn=f"arn:{partition(self._hub)}:iam::{account}:role/{self._role_name}",
            RoleSessionName="profiling-group-provisioner",
            DurationSeconds=_SESSION_SECONDS,
        )
        try:
            credentials = answer["Credentials"]
            return {
                "access_key": credentials["AccessKeyId"],
                "secret_key": credentials["SecretAccessKey"],
                "token": credentials["SessionToken"],
                "expiry_time": credentials["Expiration"].isoformat(),
            }
        except (KeyError, AttributeError) as error:
            raise UnreadableAnswerError("AssumeRole's answer has no credentials") from error


class _Assumed(CredentialProvider):
    """Where a session gets its credentials: from here, and from nowhere else."""

    METHOD = "assume-role"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        """Return them."""
        return self._credentials
