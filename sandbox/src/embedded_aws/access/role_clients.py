"""SDK clients that call the sandbox in a role's name.

State machines, EventBridge and Scheduler call AWS as a role of the account does. So do they here: over HTTP, past the
call log, authorization and faults, as any other caller.
"""

from threading import Lock
from typing import Any, Final

import boto3
from botocore.config import Config

from embedded_aws.access.authorization import role_credentials

# As long as the longest task may take; each caller has a time-out of its own.
_NO_TIMEOUT_SECONDS: Final = 99_999_999
_MOST_CONNECTIONS: Final = 100


class RoleClients:
    """Clients by role, service and region, each made when it is first asked for. Safe to use from several threads.

    They try each call once.

    Args:
        endpoint_url: the sandbox's.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        # Shared: each session reads the API models and the endpoints again.
        self._session: Any = boto3.Session()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = Lock()

    def client(self, service: str, *, region: str, role_arn: str, session_name: str) -> Any:  # noqa: ANN401 - boto's clients have no type
        """A client that signs as a session of the role.

        Args:
            service: boto's name of it.
            region: to call.
            role_arn: whose calls they are.
            session_name: of the session; the first one given for this role, service and region counts.
        """
        with self._lock:
            key = (role_arn, service, region)
            if key not in self._clients:
                credentials = role_credentials(role_arn, session_name)
                config = Config(
                    # What a state machine passes on is the service's to check.
                    parameter_validation=False,
                    retries={"total_max_attempts": 1},
                    connect_timeout=_NO_TIMEOUT_SECONDS,
                    read_timeout=_NO_TIMEOUT_SECONDS,
                    max_pool_connections=_MOST_CONNECTIONS,
                    s3={"addressing_style": "path"},
                )
                self._clients[key] = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=self._endpoint_url,
                    aws_access_key_id=credentials.access_key_id,
                    aws_secret_access_key=credentials.secret_access_key,
                    aws_session_token=credentials.session_token,
                    config=config,
                )
            return self._clients[key]

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
