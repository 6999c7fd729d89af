"""A fake of the AWS APIs that the deployed function calls, over HTTP: state in, calls and state out.

It holds functions, groups and an organization, answers as the API models say, and records each call. Faults replace
answers; changes let somebody else change the state in the middle. One server also serves the Lambda Runtime API
(Lambda developer guide, "Using the Lambda runtime API for custom runtimes"), so the function needs
one port only.
"""

from __future__ import annotations

import json
import queue
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Json = dict[str, Any]
Key = tuple[str, str, str]
"""Account, region and name."""

RUNTIME: Final = "/2018-06-01/runtime"
WRITES: Final = frozenset(
    {
        "CreateProfilingGroup",
        "DeleteProfilingGroup",
        "PutPermission",
        "RemovePermission",
        "TagResource",
        "UntagResource",
        "UpdateProfilingGroup",
    }
)
_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")
_STATUS: Final = {
    "ConflictException": 409,
    "ResourceNotFoundException": 404,
    "ThrottlingException": 429,
    "TooManyRequestsException": 429,
    "InternalServerException": 500,
    "ServiceException": 500,
    "ServiceQuotaExceededException": 402,
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "AccessDenied": 403,
    "ChildNotFoundException": 400,
}
_PAGE: Final = {"ListFunctions": 50, "ListProfilingGroups": 1_000, "GetResources": 100}


class ApiError(Exception):
    """An error that an API answers with."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: its operation, and the name of what it is about."""

    operation: str
    account: str
    region: str
    subject: str

    def __str__(self) -> str:
        return f"{self.operation} {self.subject}".strip()


@dataclass(kw_only=True)
class Function:
    """A Lambda function; `listed` holds what the bulk listings say if they lag behind."""

    configuration: Json
    tags: dict[str, str]
    in_listing: bool = True
    readable: bool = True
    listed_tags: dict[str, str] | None = None


@dataclass(kw_only=True)
class Group:
    """A profiling group."""

    platform: str
    tags: dict[str, str] | None
    changed_at: datetime
    agents: list[str] = field(default_factory=list)
    profiling_enabled: bool = True


@dataclass(kw_only=True)
class World:
    """What exists, what goes wrong, and what was called.

    Attributes:
        own_account: Account of the credentials that the function starts with.
        units: Parent of each account and organizational unit.
        faults: Answers that replace the real ones, in order; each names its operation.
        changes: What somebody else does directly before or after a call.
    """

    own_account: str
    functions: dict[Key, Function] = field(default_factory=dict)
    groups: dict[Key, Group] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    faults: list[Json] = field(default_factory=list)
    changes: list[Json] = field(default_factory=list)
    dead_letters: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, request: Request) -> tuple[int, bytes, str | None] | None:
        """Return status, body and error code; None closes the connection without an answer."""
        operation, subject, arguments = _route(request)
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        account, region = (self._account(scope["key"]), scope["region"]) if scope else ("", "")
        call = Call(operation=operation, account=account, region=region, subject=subject)
        with self.lock:
            self.calls.append(call)
            self._apply(call, "before")
            try:
                return self._respond(call, arguments, request)
            except ApiError as error:
                return _STATUS[error.code], self._error(error, request), error.code
            finally:
                self._apply(call, "after")

    def _respond(self, call: Call, arguments: Json, request: Request) -> tuple[int, bytes, str | None] | None:
        fault = self._fault(call)
        if fault and fault.get("takes_effect"):
            self._handle(call, arguments)
        if fault is None:
            body = self._handle(call, arguments)
            return 200, body if isinstance(body, bytes) else json.dumps(body).encode(), None
        if fault.get("no_answer"):
            return None
        if "error" in fault:
            code = str(fault["error"])
            message = str(fault.get("message", code))
            status = fault.get("status", _STATUS.get(code, 400))
            return status, self._error(ApiError(code, message), request), code
        body = fault["body"]
        return fault.get("status", 200), body.encode() if isinstance(body, str) else json.dumps(body).encode(), None

    @staticmethod
    def _error(error: ApiError, request: Request) -> bytes:
        if request.is_form:
            document = f"<Error><Code>{error.code}</Code><Message>{error}</Message></Error>"
            return f"<ErrorResponse>{document}</ErrorResponse>".encode()
        return json.dumps({"__type": error.code, "message": str(error)}).encode()

    def _account(self, access_key: str) -> str:
        found = re.fullmatch(r"ASIA(\d{12})", access_key)
        return found[1] if found else self.own_account

    def _fault(self, call: Call) -> Json | None:
        for fault in self.faults:
            if _concerns(fault, call) and fault.get("times", 1_000_000) > 0:
                fault["times"] = fault.get("times", 1_000_000) - 1
                return fault
        return None

    def _apply(self, call: Call, moment: str) -> None:
        for change in self.changes:
            if change["when"] == moment and _concerns(change, call) and not change.get("done"):
                change["done"] = True
                key = (call.account, call.region)
                for name, tags in change.get("function_tags", {}).items():
                    self.functions[*key, name].tags = dict(tags)
                for name in change.get("delete_groups", ()):
                    self.groups.pop((*key, name), None)
                for name in change.get("readable_functions", ()):
                    self.functions[*key, name].readable = True
                for name, tags in change.get("group_tags", {}).items():
                    self.groups[*key, name].tags = dict(tags)

    def _handle(self, call: Call, arguments: Json) -> Json | bytes:  # noqa: C901, PLR0911, PLR0912 - one row an operation
        key = (call.account, call.region, call.subject)
        match call.operation:
            case "GetFunctionConfiguration":
                return self._function(key).configuration
            case "ListTags":
                return {"Tags": self._function(key).tags}
            case "ListFunctions":
                found = [each.configuration for each in self._here(self.functions, call) if each.in_listing]
                page, marker = _page(found, arguments.get("Marker"), _PAGE[call.operation])
                return {"Functions": page} | ({"NextMarker": marker} if marker else {})
            case "GetResources":
                return self._get_resources(call, arguments)
            case "GetServiceQuota":
                return {"Quota": {"QuotaCode": "L-DA8D4E8D", "Value": 500.0}}
            case "CreateProfilingGroup":
                if key in self.groups:
                    raise ApiError("ConflictException")
                self.groups[key] = Group(
                    platform=arguments.get("computePlatform", "Default"),
                    tags=dict(arguments.get("tags") or {}),
                    changed_at=datetime.now(UTC),
                    profiling_enabled=(arguments.get("agentOrchestrationConfig") or {}).get("profilingEnabled", True),
                )
                return self._describe(key)
            case "DescribeProfilingGroup":
                return self._describe(key)
            case "ListProfilingGroups":
                names = [name for account, region, name in sorted(self.groups) if (account, region) == key[:2]]
                page, token = _page(names, arguments.get("nextToken"), _PAGE[call.operation])
                described = [self._describe((*key[:2], name)) for name in page]
                answer: Json = {"profilingGroups": described, "profilingGroupNames": []}
                return answer | ({"nextToken": token} if token else {})
            case "DeleteProfilingGroup":
                self._group(key)
                del self.groups[key]
                return {}
            case "ListTagsForResource":
                return {"tags": self._group(key).tags or {}}
            case "TagResource":
                group = self._group(key)
                group.tags = {**(group.tags or {}), **arguments["tags"]}
                return {}
            case "UntagResource":
                group = self._group(key)
                group.tags = {k: v for k, v in (group.tags or {}).items() if k not in arguments["tagKeys"]}
                return {}
            case "GetPolicy":
                if not (agents := self._group(key).agents):
                    raise ApiError("ResourceNotFoundException")
                statement = {"Effect": "Allow", "Principal": {"AWS": agents}, "Action": "codeguru-profiler:*"}
                return {"policy": json.dumps({"Statement": [statement]}), "revisionId": "1"}
            case "PutPermission":
                self._group(key).agents = list(arguments["principals"])
                return {"policy": "{}", "revisionId": "2"}
            case "AssumeRole":
                return self._assume_role(call.subject)
            case "GetQueueAttributes":
                depth = self.dead_letters.get((call.account, call.region), 0)
                return {"Attributes": {"ApproximateNumberOfMessages": str(depth)}}
            case "ListParents":
                if arguments["ChildId"] not in self.units:
                    raise ApiError("ChildNotFoundException")
                return {"Parents": [{"Id": self.units[arguments["ChildId"]]}]}
        raise ApiError("ValidationException", f"the fake has no {call.operation}")

    @staticmethod
    def _assume_role(account: str) -> bytes:
        expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return (
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>ASIA{account}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
            f"<SessionToken>token</SessionToken><Expiration>{expires}</Expiration>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ).encode()

    def _get_resources(self, call: Call, arguments: Json) -> Json:
        found = []
        for (account, region, _), each in sorted(self.functions.items()):
            tags = each.tags if each.listed_tags is None else each.listed_tags
            if (account, region) == (call.account, call.region) and tags and each.in_listing:
                pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
                found.append({"ResourceARN": each.configuration["FunctionArn"], "Tags": pairs})
        page, token = _page(found, arguments.get("PaginationToken"), _PAGE[call.operation])
        return {"ResourceTagMappingList": page, "PaginationToken": token}

    @staticmethod
    def _here(held: Mapping[Key, Any], call: Call) -> Iterator[Any]:
        return (held[key] for key in sorted(held) if key[:2] == (call.account, call.region))

    def _function(self, key: Key) -> Function:
        if key not in self.functions or not self.functions[key].readable:
            raise ApiError("ResourceNotFoundException", f"Function not found: {key[2]}")
        return self.functions[key]

    def _group(self, key: Key) -> Group:
        if key not in self.groups:
            raise ApiError("ResourceNotFoundException", f"there is no profiling group {key[2]}")
        return self.groups[key]

    def _describe(self, key: Key) -> Json:
        account, region, name = key
        group = self._group(key)
        at = group.changed_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        found: Json = {
            "name": name,
            "arn": f"arn:aws:codeguru-profiler:{region}:{account}:profilingGroup/{name}",
            "computePlatform": group.platform,
            "agentOrchestrationConfig": {"profilingEnabled": group.profiling_enabled},
            "createdAt": at,
            "updatedAt": at,
            "profilingStatus": {},
        }
        return found if group.tags is None else found | {"tags": group.tags}


def _concerns(rule: Mapping[str, Any], call: Call) -> bool:
    return rule["operation"] in (call.operation, "*") and all(
        rule.get(name) in (None, getattr(call, name)) for name in ("subject", "account", "region")
    )


def _page(found: list[Any], marker: str | None, size: int) -> tuple[list[Any], str]:
    start = int(marker or 0)
    end = start + size
    return found[start:end], str(end) if end < len(found) else ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """An HTTP request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_form(self) -> bool:
        """Whether it is of the query protocol."""
        return "x-www-form-urlencoded" in self.headers.get("Content-Type", "")


def _route(request: Request) -> tuple[str, str, Json]:  # noqa: C901, PLR0911, PLR0912 - one row an operation
    """Return operation, subject and arguments of a request."""
    arguments: Json = dict(request.query)
    if request.is_form:
        form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
        return form["Action"], form.get("RoleArn", "").split(":")[4], form
    if request.body:
        arguments |= json.loads(request.body)
    if target := request.headers.get("X-Amz-Target"):
        return target.rpartition(".")[2], "", arguments
    named = [unquote(part) for part in request.path.strip("/").split("/")]
    match request.method, named:
        case "GET", ["2015-03-31", "functions"]:
            return "ListFunctions", "", arguments
        case "GET", ["2015-03-31", "functions", name, "configuration"]:
            return "GetFunctionConfiguration", name.rpartition(":")[2], arguments
        case "GET", ["2017-03-31", "tags", *arn]:
            return "ListTags", "/".join(arn).rpartition(":")[2], arguments
        case "POST", ["profilingGroups"]:
            return "CreateProfilingGroup", arguments["profilingGroupName"], arguments
        case "GET", ["profilingGroups"]:
            return "ListProfilingGroups", "", arguments
        case "GET", ["profilingGroups", name]:
            return "DescribeProfilingGroup", name, arguments
        case "DELETE", ["profilingGroups", name]:
            return "DeleteProfilingGroup", name, arguments
        case "PUT", ["profilingGroups", name]:
            return "UpdateProfilingGroup", name, arguments
        case "GET", ["profilingGroups", name, "policy"]:
            return "GetPolicy", name, arguments
        case "PUT", ["profilingGroups", name, "policy", _]:
            return "PutPermission", name, arguments
        case method, ["tags", *arn]:
            operation = {"GET": "ListTagsForResource", "POST": "TagResource", "DELETE": "UntagResource"}[method]
            arguments["tagKeys"] = parse_qs(request.headers["X-Query"]).get("tagKeys", [])
            return operation, "/".join(arn).rpartition("/")[2], arguments
    raise AssertionError(f"the fake does not know {request.method} {request.path}")


class Server:
    """The wire and the Runtime API on one loopback port, until closed.

    Attributes:
        address: host:port.
        world: What exists; replaced for each case.
    """

    def __init__(self) -> None:
        self.world = World(own_account="")
        self._invocations: queue.Queue[Json | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._server = _HTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._invocations.put(None)
        self._server.shutdown()
        self._server.server_close()

    def invoke(self, payload: object, *, function_arn: str, seconds: float, timeout: float) -> tuple[str, Any]:
        """Give the function a payload; return "response" or "error", with the JSON that it posted."""
        self._invocations.put({"payload": payload, "arn": function_arn, "seconds": seconds})
        kind, body = self._answers.get(timeout=timeout)
        return kind, json.loads(body)

    def serve_runtime(self, method: str, path: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Answer the runtime: the next invocation, or the receipt of an answer."""
        if method == "GET":
            invocation = self._invocations.get()
            if invocation is None:
                return 500, {}, b""
            deadline = datetime.now(UTC) + timedelta(seconds=invocation["seconds"])
            headers = {
                "Lambda-Runtime-Aws-Request-Id": "11111111-2222-4333-8444-555555555555",
                "Lambda-Runtime-Invoked-Function-Arn": invocation["arn"],
                "Lambda-Runtime-Deadline-Ms": str(int(deadline.timestamp() * 1000)),
            }
            payload = invocation["payload"]
            return 200, headers, payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._answers.put((path.rpartition("/")[2], body))
        return 202, {}, b""


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Print nothing: a process that is killed leaves its connections half open."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            url = urlsplit(self.path)
            if url.path.startswith(RUNTIME):
                status, headers, answer = server.serve_runtime(self.command, url.path, body)
                self._send(status, headers, answer)
                return
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            request = Request(
                method=self.command,
                path=url.path,
                query=query,
                headers={**dict(self.headers.items()), "X-Query": url.query},
                body=body,
            )
            found = server.world.answer(request)
            if found is None:
                self.close_connection = True
                return
            status, answer, code = found
            self._send(status, {"x-amzn-ErrorType": code} if code else {}, answer)

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    return Handler
