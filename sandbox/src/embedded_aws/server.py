"""The sandbox's server: moto behind a chain of layers, on one loopback port.

``python -m embedded_aws`` runs it. A request for an AWS operation passes, in this order: naming the operation, the
call log, CloudTrail, authorization, faults, moto; each layer may answer in place of those behind it. Requests under
``/_sandbox/`` go to the admin API, requests that are not signed straight to moto.
"""

import io
import logging
import os
import re
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from embedded_aws import moto_services, request_router
from embedded_aws.access import authorization, event_buses, simulation
from embedded_aws.access.authorization import AssumedRole
from embedded_aws.access.role_clients import RoleClients
from embedded_aws.admin_api import PREFIX, AdminApi
from embedded_aws.call_log import CallLog
from embedded_aws.events import eventbridge, stacks, trails
from embedded_aws.events.machines import MachineStarter
from embedded_aws.events.schedules import Schedules
from embedded_aws.execution.asynchronous import AsynchronousInvoker, TimeScale
from embedded_aws.execution.executor import Executor
from embedded_aws.fault_injection import Connection, Faults
from embedded_aws.http_responses import ApiError, HttpResponse, error_response, json_response
from embedded_aws.monitoring import cloudformation as monitoring
from embedded_aws.monitoring import metrics
from embedded_aws.moto_extensions import (
    awslambda,
    cloudformation,
    cloudtrail,
    conditions,
    events,
    iam,
    inventory,
    organizations,
    s3,
)
from embedded_aws.request_router import ApiCall, credential_scope, identify
from embedded_aws.stack_sets import cloudformation as stack_sets
from embedded_aws.step_functions import api as step_functions_api
from embedded_aws.step_functions import cloudformation as step_functions_cloudformation
from embedded_aws.step_functions import interpreter
from embedded_aws.step_functions.executions import Executions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_LOG: Final = logging.getLogger(__name__)
_HOST: Final = "127.0.0.1"
# What virtual-hosted S3 requests are made to; clients must resolve *.moto.test to the loopback address.
_S3_HOST: Final = "s3.moto.test"
_SERVED_HOSTS: Final = re.compile(r"(127\.0\.0\.1|localhost|([a-z0-9-]+\.)+moto\.test)(:\d+)?", re.IGNORECASE)
_ACCOUNT_HEADER: Final = "HTTP_X_MOTO_ACCOUNT_ID"
_IDLE_CONNECTION_SECONDS: Final = 120
_SHUTDOWN_POLL_SECONDS: Final = 0.05
# moto goes through its dictionaries without a lock, while functions, executions and deliveries add to them.
_READS: Final = ("Describe", "Filter", "Get", "Head", "List", "Lookup")
_READINGS: Final = 100
_CLOUDFORMATION_WRITES: Final = frozenset({"CreateStack", "UpdateStack", "DeleteStack", "ExecuteChangeSet"})


class _ConnectionBrokenError(Exception):
    """The connection was reset on purpose; there is no client to answer."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the sandbox is to be.

    Attributes:
        account: 12 digits; the account of every key that IAM does not know.
        region: where its trail is at home.
        port: to listen on; 0 for a free one.
        time_scale: of the waits that AWS would have.
        runtime_python: the interpreter that runs functions.
    """

    account: str
    region: str
    port: int
    time_scale: TimeScale
    runtime_python: Path


class Sandbox:
    """The embedded AWS, listening from the moment it is made until `close`.

    It configures moto, whose state belongs to the process: one sandbox per process.

    Attributes:
        endpoint: its URL.
        facts: what ``/_sandbox/health`` says.
    """

    def __init__(self, settings: Settings) -> None:
        self._account = settings.account
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._call_log = CallLog()
        self._faults = Faults()
        self._server = make_server(_HOST, settings.port, self, threaded=True, request_handler=_Handler)
        self.endpoint = f"http://{_HOST}:{self._server.server_port}"
        _configure_moto(self._server.server_port)
        request_router.install()
        moto_services.register()
        inventory.install()
        s3.install()
        cloudformation.install()
        cloudtrail.install()
        conditions.install()
        iam.install()
        simulation.install()
        stack_sets.install(self._why_no_stack)
        organizations.install(stack_sets.account_changed)
        events.install()
        metrics.install()
        monitoring.install()
        self._executor = Executor(
            endpoint_url=self.endpoint,
            runtime_python=settings.runtime_python,
            credentials=authorization.role_credentials,
            permits=_permits,
        )
        self._invoker = AsynchronousInvoker(executor=self._executor, time_scale=settings.time_scale, permits=_permits)
        awslambda.install(self._executor, self._invoker)
        self._clients = RoleClients(self.endpoint)
        self._executions = Executions()
        interpreter.install(
            executions=self._executions, clients=self._clients, time_scale=settings.time_scale, permits=_permits
        )
        step_functions_api.install()
        step_functions_cloudformation.install()
        machines = MachineStarter(clients=self._clients)
        self._bridge = eventbridge.install(
            self._invoker, settings.time_scale, machines=machines, fault=self._delivery_fault
        )
        self._emitter = trails.Emitter(put=self._bridge.put)
        trails.start_trail(settings.account, settings.region)
        self.facts = {
            "account": settings.account,
            "region": settings.region,
            "endpoint": self.endpoint,
            "runtime": self._executor.runtime_description,
        }
        self._admin_api = AdminApi(
            facts=self.facts,
            call_log=self._call_log,
            faults=self._faults,
            bridge=self._bridge,
            invocations=self._invoker,
            executions=self._executions,
            schedules=Schedules(invoker=self._invoker, machines=machines, permits=_permits),
        )
        self._thread = Thread(target=self._server.serve_forever, args=(_SHUTDOWN_POLL_SECONDS,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give up what waits, stop listening, end every process that runs a function."""
        self._faults.replace([])  # what is held goes on
        # While it still answers: what is on its way calls it.
        self._bridge.close()
        self._executions.close()
        self._server.shutdown()
        self._invoker.close()
        self._executor.close()
        self._clients.close()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request (WSGI)."""
        try:
            answer = self._answer(environ, _take_body(environ))
        except _ConnectionBrokenError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of the sandbox's own must not look like a broken network
            _LOG.exception("failed on %s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            answer = json_response(500, {"error": f"the sandbox failed: {error!r}"})
        start_response(f"{answer.status} {_reason(answer.status)}", list(answer.headers))
        return [answer.body]

    def _answer(self, environ: "WSGIEnvironment", body: bytes) -> HttpResponse:
        reason = _refusal_of_origin(environ)
        if reason is not None:
            return json_response(HTTPStatus.FORBIDDEN, {"error": reason, "message": reason})
        path = str(environ["PATH_INFO"])
        if path.startswith(PREFIX):
            return self._admin_api.answer(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), body)
        scope = credential_scope(environ)
        # Whose key is known cannot say otherwise.
        account = authorization.account_of(scope.access_key_id) if scope is not None else None
        environ[_ACCOUNT_HEADER] = account = account or environ.get(_ACCOUNT_HEADER) or self._account
        if scope is None:
            return self._ask_moto(environ, protocol="rest-xml", is_read=False)
        call = identify(environ, body, scope=scope, account=account)
        principal = trails.principal_arn(call)
        try:
            answer, connection = self._served(call, environ)
        except _ConnectionBrokenError:
            self._call_log.add(call, principal=principal, answer=HttpResponse(status=0, headers=(), body=b""))
            raise
        self._call_log.add(call, principal=principal, answer=answer)
        if connection is Connection.RESET_AFTER:
            _reset(environ)
        return answer

    def _served(self, call: ApiCall, environ: "WSGIEnvironment") -> tuple[HttpResponse, Connection | None]:
        """The answer to a call, and how its connection is to break before it gets there."""
        if _is_stack_write(call):
            return self._stack_written(call, environ)
        answer, connection = self._carried_out(call, environ)
        if call.service == "lambda":
            self._emitter.after_lambda(call, answer)
        return answer, connection

    def _stack_written(self, call: ApiCall, environ: "WSGIEnvironment") -> tuple[HttpResponse, Connection | None]:
        functions, events = trails.functions_of(call), stacks.events_of(call)
        answer, connection = self._carried_out(call, environ)
        self._emitter.after_cloudformation(call, before=functions)
        # In this order, and after all: a rule of the stack itself hears of what completed.
        for envelope in stacks.envelopes(call, before=events):
            self._bridge.put(envelope)
        return answer, connection

    def _carried_out(self, call: ApiCall, environ: "WSGIEnvironment") -> tuple[HttpResponse, Connection | None]:
        """Authorization, faults, moto."""
        session = None
        if authorization.is_checked(call.access_key_id, account=call.account):
            session = authorization.session_of(call.access_key_id, account=call.account)
        refusal = authorization.refusal(session, call) if session else None
        if refusal is None and call.service == "events":
            refusal = event_buses.refusal(call)
        if refusal is not None:
            return error_response(call.protocol, status=403, error=refusal), None
        invalid = authorization.refused_duration(call)
        if invalid is not None:
            return error_response(call.protocol, status=400, error=invalid), None
        effect = self._faults.effect(call.service, call.operation, account=call.account, region=call.region)
        self._faults.delay(effect)
        if effect.connection is Connection.RESET:
            _reset(environ)
        if effect.error is not None:
            status, error = effect.error
            return error_response(call.protocol, status=status, error=error), effect.connection
        is_read = (call.operation or "").startswith(_READS)
        answer = self._ask_moto(environ, protocol=call.protocol, is_read=is_read)
        if session is not None and (call.service, call.operation) == ("sts", "AssumeRole") and not answer.failed:
            _check_new_session(call, answer)
        return answer, effect.connection

    def _ask_moto(self, environ: "WSGIEnvironment", *, protocol: str, is_read: bool) -> HttpResponse:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> Any:  # noqa: ANN401 - WSGI's own type for it is out of use
            started.append((status, headers))
            return lambda _data: None

        def ask() -> bytes:
            environ["wsgi.input"].seek(0)
            return b"".join(self._moto(dict(environ), start_response))

        try:
            body = read_while_others_write(ask) if is_read else ask()
        except NotImplementedError as error:
            missing = ApiError(code="NotImplemented", message=f"The sandbox lacks this: {error}")
            return error_response(protocol, status=501, error=missing)
        except Exception as error:  # noqa: BLE001 - whatever breaks in moto, the client gets an answer
            _LOG.exception("moto failed on %s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            failure = ApiError(code="InternalFailure", message=f"The sandbox failed: {error!r}")
            return error_response(protocol, status=500, error=failure)
        status, headers = started[-1]
        return HttpResponse(status=int(status.split(maxsplit=1)[0]), headers=tuple(headers), body=body)

    def _why_no_stack(self, account: str, region: str, /, *, operation: str) -> str | None:
        """Why a stack set cannot have a stack there: a fault that is set, or the account's service control policies."""
        error = self._faults.effect("cloudformation", operation, account=account, region=region).error
        if error is not None:
            return error[1].message
        return authorization.forbidden_by_control_policy(
            account,
            action=f"cloudformation:{operation}",
            region=region,
            principal_arn=f"arn:aws:sts::{account}:assumed-role/stacksets-exec/AWSCloudFormation",
        )

    def _delivery_fault(self, service: str, operation: str, target_arn: str) -> ApiError | None:
        _, _, _, region, account, _ = target_arn.split(":", 5)
        error = self._faults.effect(service, operation, account=account, region=region).error
        return error[1] if error else None


class _Handler(MotoRequestHandler):
    """Serves one connection, which stays open between requests; moto's own closes it after each.

    `Sandbox` takes the whole body and gives the whole answer, so that nothing is ever left to drain.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_CONNECTION_SECONDS

    def run_wsgi(self) -> None:
        """HttpResponse one request."""
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> Any:  # noqa: ANN401 - WSGI's own type for it is out of use
            started.append((status, headers))
            return lambda _data: None

        try:
            body = b"".join(self.server.app(self.make_environ(), start_response))
        except _ConnectionBrokenError:
            self.close_connection = True
            return
        status, headers = started[-1]
        code, reason = status.split(maxsplit=1)
        self.send_response(int(code), reason)
        named = {name.lower() for name, _ in headers}
        for name, value in headers:
            if name.lower() not in {"connection", "server", "date", "transfer-encoding"}:
                self.send_header(name, value)
        if "content-length" not in named and int(code) != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and int(code) != HTTPStatus.NO_CONTENT:
            self.wfile.write(body)

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's signature
        """Write nothing: the call log is the log."""


def read_while_others_write(read: Callable[[], bytes]) -> bytes:
    """Return what moto reads; it reads again if another thread has changed what it was just going through.

    Raises:
        RuntimeError: it did so each time.
    """
    for _ in range(_READINGS - 1):
        try:
            return read()
        except RuntimeError as error:
            if "during iteration" not in str(error):
                raise
    return read()


def _refusal_of_origin(environ: "WSGIEnvironment") -> str | None:
    """Return why a request is refused that a web page may have sent; None for any other.

    Functions run with the rights of the sandbox's user. By DNS rebinding a page reaches this port under a host
    name of its own; what a page sends to other sites carries an Origin header.
    """
    host = environ.get("HTTP_HOST", "")
    if not _SERVED_HOSTS.fullmatch(host):
        return f"Host {host!r} is not served; expected 127.0.0.1, localhost or *.moto.test."
    if "HTTP_ORIGIN" in environ:
        return "Requests with an Origin header are refused: they come from a web page. Use an AWS SDK or the AWS CLI."
    return None


def _configure_moto(port: int) -> None:
    """Moto reads these when it needs them."""
    # It would put every call into one account, role sessions of other accounts too; the header does it by key.
    os.environ.pop("MOTO_ACCOUNT_ID", None)
    # A profile that is not configured on this machine breaks moto's own sessions.
    os.environ.pop("AWS_PROFILE", None)
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    # Without it the host itself would be taken for that of a bucket named s3.
    os.environ["MOTO_S3_CUSTOM_ENDPOINTS"] = f"http://{_S3_HOST}:{port}"


def _permits(role_arn: str, session_name: str, /, *, action: str, resource: str) -> bool:
    return authorization.allowed(AssumedRole.of(role_arn, session_name), action=action, resource=resource)


def _check_new_session(call: ApiCall, answer: HttpResponse) -> None:
    """What a function assumes is held to policies as the function itself is."""
    key = re.search(rb"<AccessKeyId>(\w+)</AccessKeyId>", answer.body)
    if key is not None:
        authorization.check_session(key[1].decode(), account=str(call.parameters["RoleArn"]).split(":")[4])


def _is_stack_write(call: ApiCall) -> bool:
    return call.service == "cloudformation" and call.operation in _CLOUDFORMATION_WRITES


def _take_body(environ: "WSGIEnvironment") -> bytes:
    """Read the whole body and leave it in the environment as one that has a length."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body = stream.read()
        environ.pop("HTTP_TRANSFER_ENCODING", None)
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return bytes(body)


def _reset(environ: "WSGIEnvironment") -> None:
    """Break the connection with a TCP reset, which is what a lingering time of zero makes of a close.

    Raises:
        _ConnectionBrokenError: always.
    """
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The handler's files share the socket; closing it by its number does not wait for them.
    os.close(connection.detach())
    raise _ConnectionBrokenError


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
