"""A loopback AWS with an organization of any size, as far from its hub as AWS's regions are: in a process of its own.

Whose credentials sign a request is whose account it is about, so that what is signed with another account's is seen.
``python -m bench.organization_stub SETTINGS`` is that process: it prints its port, and serves until its standard input
ends, which it does with whoever has started it.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import urlopen

from bench import made_up
from bench.made_up import MadeUp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HUB_REGION: Final = "us-east-1"
ORGANIZATION: Final = "o-a1b2c3d4e5"
ROLE: Final = "ProfilingGroupProvisioner"
QUEUE: Final = "ProfilingGroupsMemberDeadLetters"
BUCKET: Final = "reports"
ROUND_TRIPS: Final = {
    "us-east-1": 0.001,
    "us-east-2": 0.013,
    "us-west-2": 0.065,
    "eu-west-1": 0.070,
    "eu-west-2": 0.077,
    "eu-central-1": 0.090,
    "eu-north-1": 0.110,
    "ap-northeast-1": 0.150,
    "ap-southeast-2": 0.200,
    "ap-southeast-1": 0.220,
}
"""Seconds to a region and back from the hub's, in round figures of what is measured between AWS's regions."""
SERVING: Final = {
    "AssumeRole": (0.05, 0.05),
    "ListParents": (0.1, 0.1),
    "ListAccountsForParent": (0.1, 0.1),
    "ListOrganizationalUnitsForParent": (0.1, 0.1),
    "PutObject": (0.05, 0.05),
    "ListFunctions": (0.06, 0.12),
    "GetResources": (0.06, 0.12),
    "ListProfilingGroups": (0.06, 0.12),
    "GetServiceQuota": (0.06, 0.12),
    "ListTags": (0.06, 0.12),
    "GetQueueAttributes": (0.01, 0.03),
    "CreateProfilingGroup": (0.06, 0.12),
}
"""Seconds that a service takes for an answer, at the least and at the most; what a region's distance takes comes on
top, and for a new connection that of two more round trips: TCP's and TLS 1.3's."""
NEW_CONNECTION_ROUND_TRIPS: Final = 2

_ROOT: Final = Path(__file__).resolve().parent.parent
_FIRST_ACCOUNT: Final = 100_000_000_001
_UNITS: Final = 5
_ACCOUNTS_A_PAGE: Final = 20
_KEY: Final = "ASIA"
_SEEN: Final = "/seen"
_TARGETS: Final = "/targets"
_FORBIDDEN: Final = "is not authorized to perform this action with an explicit deny in a service control policy"
_ERRORS: Final = {403: "AccessDeniedException", 404: "ResourceNotFoundException"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a stub is like.

    Attributes:
        accounts: How many accounts there are, in five units.
        functions: How many functions each has in each region.
        missing: How many of these have no group.
        unreachable: One in so many accounts gives its role to nobody; 0 for none.
        forbidden: Regions that a service control policy forbids.
        distant: Whether answers take their time; otherwise they come at once.
    """

    accounts: int
    functions: int = 50
    missing: int = 1
    unreachable: int = 0
    forbidden: tuple[str, ...] = ()
    distant: bool = True

    def ids(self) -> list[str]:
        """Return the ids of the accounts."""
        return [str(_FIRST_ACCOUNT + number) for number in range(self.accounts)]

    def gives_its_role(self, account: str) -> bool:
        """Whether an account can be reached."""
        return not self.unreachable or int(account) % self.unreachable > 0

    def units(self) -> dict[str, list[str]]:
        """Return the accounts of each unit."""
        ids = self.ids()
        return {f"ou-ab12-{number:08}": ids[number::_UNITS] for number in range(_UNITS)}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a stub has seen.

    Attributes:
        calls: Calls by operation.
        assumed: How often a role was asked for, by account.
        waited: Seconds in which an account had a call under way, or several, by account.
        signed: Calls that were signed as an account, by account.
        connections: Connections over which requests have come.
        strange: Calls that nobody knows, or that the hub has signed itself where an account should have.
    """

    calls: Mapping[str, int]
    assumed: Mapping[str, int]
    waited: Mapping[str, float]
    signed: Mapping[str, int]
    connections: int
    strange: int


class OrganizationStub:
    """The server, until the end of its `with` block.

    Attributes:
        endpoint: Its URL.
    """

    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this very module
            [sys.executable, "-m", "bench.organization_stub", json.dumps(asdict(settings))],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port = self._process.stdout.readline().strip() if self._process.stdout else ""
        self.endpoint = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def seen(self) -> Seen:
        """Ask what it has seen so far."""
        with urlopen(self.endpoint + _SEEN) as answer:  # noqa: S310 - loopback
            return Seen(**json.load(answer))

    def targets(self) -> list[dict[str, Any]]:
        """Return the list of accounts that was left in the bucket last."""
        with urlopen(self.endpoint + _TARGETS) as answer:  # noqa: S310 - loopback
            found: list[dict[str, Any]] = json.load(answer)
        return found


def under_way(spans: Iterable[tuple[float, float]]) -> float:
    """Return how long at least one of several things was under way, each from when to when."""
    total, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


@dataclass(frozen=True, kw_only=True)
class _Request:
    """A request.

    Attributes:
        operation: Its name; a path where none is known.
        account: Whose credentials have signed it; empty for the hub's.
        region: For which region.
        asked: Its query and its body.
    """

    operation: str
    account: str
    region: str
    asked: Mapping[str, Any]

    @property
    def about(self) -> str:
        """The account that is waited for; empty for the hub's own."""
        return self.account or ":".join(self.asked.get("RoleArn", "").split(":")[4:5])


@dataclass(kw_only=True)
class _Organization:
    """The organization, and what has been seen of those who call."""

    settings: Settings
    calls: Counter[str] = field(default_factory=Counter)
    assumed: Counter[str] = field(default_factory=Counter)
    spans: defaultdict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    signed: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    strange: int = 0
    targets: bytes = b"[]"
    random: Random = field(default_factory=lambda: Random(5))  # noqa: S311 - so that each run has the same latencies

    def seconds(self, request: _Request, *, first: bool) -> float:
        """Return how long a request takes; the first one of a connection takes longer."""
        if not self.settings.distant:
            return 0.0
        serving = self.random.uniform(*SERVING.get(request.operation, (0.0, 0.0)))
        return serving + ROUND_TRIPS[request.region] * (1 + first * NEW_CONNECTION_ROUND_TRIPS)

    def answer(self, request: _Request) -> tuple[int, bytes]:
        """Return status and body for a request."""
        self.calls[request.operation] += 1
        match request.operation:
            case "AssumeRole":
                return self._assume(request.asked["RoleArn"])
            case "ListParents":
                return 200, _json({"Parents": [{"Id": "r-ab12", "Type": "ROOT"}]})
            case "ListOrganizationalUnitsForParent":
                return 200, _json({"OrganizationalUnits": []})
            case "ListAccountsForParent":
                return self._list_accounts(request.asked)
            case "PutObject" if not request.account:
                self.targets = request.asked["body"]
                return 200, b""
        return self._of_member(request)

    def _assume(self, role: str) -> tuple[int, bytes]:
        account = role.split(":")[4]
        self.assumed[account] += 1
        if not self.settings.gives_its_role(account):
            return 403, _ERROR_XML
        return 200, _SESSION_XML.replace(b"ACCOUNT", account.encode())

    def _list_accounts(self, asked: Mapping[str, Any]) -> tuple[int, bytes]:
        ids, start = self.settings.units()[asked["ParentId"]], int(asked.get("NextToken", 0))
        end = start + _ACCOUNTS_A_PAGE
        page: dict[str, Any] = {"Accounts": [{"Id": each, "Status": "ACTIVE"} for each in ids[start:end]]}
        return 200, _json({**page, "NextToken": str(end)} if end < len(ids) else page)

    def _of_member(self, request: _Request) -> tuple[int, bytes]:
        if not request.account:
            # Signed by the hub, which has no business in any account but through a role.
            self.strange += 1
            return 403, _json({"message": "is not authorized"})
        self.signed[request.account] += 1
        if request.region in self.settings.forbidden:
            return 403, _json({"message": _FORBIDDEN})
        asked = request.asked
        match request.operation:
            case "CreateProfilingGroup":
                return 201, _json(made_up.created(asked, account=request.account, region=request.region))
            case "ListTags":
                body: bytes | None = _json(MadeUp(functions=self.settings.functions).list_tags(asked["Resource"]))
            case "GetQueueAttributes" if asked["QueueUrl"].endswith(f"/{QUEUE}"):
                body = _json({"Attributes": {"ApproximateNumberOfMessages": "0"}})
            case _:
                body = _page(request.operation, self.settings.functions, self.settings.missing)
        if body is None:
            self.strange += 1
            return 404, _json({"message": f"the stub has no {request.operation}"})
        # The same functions everywhere, each under its own ARN.
        body = body.replace(made_up.ACCOUNT.encode(), request.account.encode())
        return 200, body.replace(made_up.REGION.encode(), request.region.encode())

    def seen(self) -> Seen:
        """Return what has been seen."""
        return Seen(
            calls=dict(self.calls),
            assumed=dict(self.assumed),
            waited={account: under_way(spans) for account, spans in self.spans.items()},
            signed=dict(self.signed),
            connections=self.connections,
            strange=self.strange,
        )


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


@cache
def _page(operation: str, functions: int, missing: int) -> bytes | None:
    """Return the one page of a listing; None for what is no listing."""
    account = MadeUp(functions=functions, grouped=True)
    match operation:
        case "ListFunctions":
            return _json(account.list_functions(0, functions))
        case "GetResources":
            return _json(account.get_resources(0, functions))
        case "ListProfilingGroups":
            return _json(MadeUp(functions=functions - missing, grouped=True).list_profiling_groups(0, functions))
        case "GetServiceQuota":
            return _json({"Quota": {"Value": 500.0}})
    return None


_ERROR_XML: Final = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
    b"<Message>User is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>"
)
_SESSION_XML: Final = (
    b'<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
    b"<AccessKeyId>%bACCOUNT</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>%b</SessionToken>"
    b"<Expiration>%b</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
) % (
    _KEY.encode(),
    # About as long as a real one.
    b"t" * 800,
    time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)).encode(),
)


def _read(head: str, body: bytes) -> _Request:
    """Understand a request, of whatever protocol."""
    line, *lines = head.split("\r\n")
    method, target, _ = line.split(" ")
    headers = {key.lower(): value for key, _, value in (each.partition(": ") for each in lines)}
    url = urlsplit(target)
    asked: dict[str, Any] = {key: values[0] for key, values in parse_qs(url.query).items()}
    signed = re.search(r"Credential=(\w+)/\d+/([a-z0-9-]+)/", headers.get("authorization", ""))
    key, region = signed.groups() if signed else ("", HUB_REGION)
    operation = url.path
    match method, url.path.strip("/").split("/"):
        case "POST", [""] if "x-amz-target" in headers:
            operation = headers["x-amz-target"].rpartition(".")[2]
            asked |= json.loads(body)
        case "POST", [""]:
            asked |= {key: values[0] for key, values in parse_qs(body.decode()).items()}
            operation = asked["Action"]
        case "GET", ["2015-03-31", "functions", *_]:
            operation = "ListFunctions"
        case "GET", ["2017-03-31", "tags", arn]:
            operation, asked = "ListTags", {"Resource": unquote(arn)}
        case "GET", ["profilingGroups"]:
            operation = "ListProfilingGroups"
        case "POST", ["profilingGroups"]:
            operation, asked = "CreateProfilingGroup", json.loads(body)
        case "PUT", [bucket, *_] if bucket == BUCKET:
            operation, asked = "PutObject", {"body": body}
    account = key.removeprefix(_KEY) if key.startswith(_KEY) else ""
    return _Request(operation=operation, account=account, region=region, asked=asked)


async def _serve(organization: _Organization, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    first = True
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        if "\r\nexpect: 100-continue" in head.lower():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(r"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        request = _read(head, await reader.readexactly(int(length[1]) if length else 0))
        match request.operation:
            case _ if request.operation == _SEEN:
                status, body = 200, _json(asdict(organization.seen()))
            case _ if request.operation == _TARGETS:
                status, body = 200, organization.targets
            case _:
                organization.connections += first
                seconds, begin = organization.seconds(request, first=first), time.monotonic()
                first = False
                status, body = organization.answer(request)
                organization.spans[request.about].append((begin, begin + seconds))
                await asyncio.sleep(seconds)
        error = f"x-amzn-ErrorType: {_ERRORS[status]}\r\n" if status in _ERRORS else ""
        writer.write(f"HTTP/1.1 {status} -\r\n{error}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def _main(settings: str) -> None:
    given = json.loads(settings)
    organization = _Organization(settings=Settings(**{**given, "forbidden": tuple(given["forbidden"])}))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever still has a connection at the end has no need of it.
        with suppress(asyncio.CancelledError):
            await _serve(organization, reader, writer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1_024, limit=2**22) as server:
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - the answer
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
