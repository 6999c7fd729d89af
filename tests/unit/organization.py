"""An organization of moto's within the test's own process: a hub, its accounts, and who of them can be reached."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.awsrequest import AWSResponse, HeadersDict
from moto.awslambda.models import lambda_backends
from moto.core.models import botocore_stubber
from moto.iam.models import iam_backends
from moto.sqs.models import sqs_backends

from embedded_aws.moto_services.codeguruprofiler.models import codeguruprofiler_backends
from profiling_groups import aws
from profiling_groups.functions import FunctionArn
from profiling_groups.organization import Hub
from tests.unit.account import REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.session import Session

    from tests.unit.account import Answering


QUEUE = "ProfilingGroupsMemberDeadLetters"
"""Name of the members' dead-letter queues."""


class World:
    """An organization whose management account is the test's own; its calls are counted, and can be refused.

    Attributes:
        id: The organization's id.
        root: Id of its root.
        sent: The operations that were sent; those of AssumeRole as `AssumeRole <account>`.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: Counter[str] = Counter()
        self._denied: dict[str, tuple[str, str, int]] = {}
        self._answering: Answering | None = None
        self._organizations = boto3.client("organizations", region_name=REGION)
        self.id = self._organizations.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        self.root = self._organizations.list_roots()["Roots"][0]["Id"]
        begin = aws.session

        def session() -> Session:
            begun = begin()
            events = begun.get_component("event_emitter")
            # One who answers in place of moto: botocore asks every handler, and moto would carry the call out.
            events.unregister("before-send", botocore_stubber)
            events.register_first("before-send", self._before_send)
            return begun

        monkeypatch.setattr(aws, "session", session)

    def unit(self, name: str, *, parent: str | None = None) -> str:
        """Make an organizational unit, and return its id."""
        made = self._organizations.create_organizational_unit(ParentId=parent or self.root, Name=name)
        return made["OrganizationalUnit"]["Id"]

    def account(self, *, unit: str | None = None) -> str:
        """Make an account, in a unit or right under the root, and return its id."""
        made = self._organizations.create_account(AccountName="a", Email="a@example.com")["CreateAccountStatus"]
        account = made["AccountId"]
        if unit is not None:
            self._organizations.move_account(AccountId=account, SourceParentId=self.root, DestinationParentId=unit)
        return account

    def close(self, account: str) -> None:
        """Close an account; Organizations lists it for a while yet."""
        self._organizations.close_account(AccountId=account)

    def hub(
        self, *, ous: tuple[str, ...] = (), accounts: tuple[str, ...] = (), regions: tuple[str, ...] = (REGION,)
    ) -> Hub:
        """Return what a hub is told: the whole organization, unless it is said otherwise."""
        return Hub(
            organization=self.id,
            role_name="ProfilingGroupProvisioner",
            member_queue=QUEUE,
            ous=ous or (self.root,),
            accounts=accounts,
            regions=regions,
            report_bucket="reports",
        )

    def function(self, name: str, *, account: str, region: str = REGION) -> FunctionArn:
        """Let an account have a function."""
        iam = iam_backends[account]["aws"]
        if "function" not in {role.name for role in iam.roles.values()}:
            iam.create_role("function", "{}", "/", None, "", [], "3600")
        spec = {"Runtime": "python3.13", "Handler": "app.handler", "Code": {"ZipFile": b"code"}, "Tags": {}}
        role = f"arn:aws:iam::{account}:role/function"
        lambda_backends[account][region].create_function({"FunctionName": name, "Role": role, **spec})
        return FunctionArn(account=account, region=region, name=name)

    def dead_letter(self, *, account: str, region: str = REGION, messages: int = 1) -> None:
        """Let an account have its dead-letter queue in a region, with so many messages."""
        backend = sqs_backends[account][region]
        backend.create_queue(QUEUE)
        for _ in range(messages):
            backend.send_message(QUEUE, "an event that did not reach the hub")

    def deny(
        self, what: str, *, code: str = "AccessDeniedException", message: str = "not authorized", status: int = 403
    ) -> None:
        """Refuse an operation: `AssumeRole <account>`, or `<region> <operation>`."""
        self._denied[what] = (code, message, status)

    def answer_by(self, answer: Answering) -> None:
        """Let a function answer all calls; it may have them carried out."""
        self._answering = answer

    def recover(self) -> None:
        """Refuse nothing any more."""
        self._denied.clear()
        self._answering = None

    def groups(self) -> set[tuple[str, str, str]]:
        """Return all groups that there are: account, region, name."""
        return {
            (account, region, group.name)
            for account, regions in codeguruprofiler_backends.items()
            for region, backend in regions.items()
            for group in backend.list_profiling_groups(max_results=None, next_token=None).groups
        }

    def _before_send(self, request: AWSPreparedRequest, event_name: str, **_: object) -> Any:  # noqa: ANN401 - botocore's stubs know of no hook that answers
        operation = event_name.rpartition(".")[2]
        if operation == "AssumeRole":
            account = re.search(r"iam%3A%3A(\d+)", str(request.body))
            operation = f"AssumeRole {account[1] if account else ''}"
        self.sent[operation] += 1
        region = re.search(r"\.([a-z]{2}-[a-z]+-\d)\.", request.url)
        for what in (operation, f"{region[1] if region else ''} {operation}"):
            if what in self._denied:
                return _refusal(request, *self._denied[what])
        if self._answering is None:
            return botocore_stubber(event_name, request)
        # moto answers each of these operations.
        carry_out = cast("Callable[[], AWSResponse]", partial(botocore_stubber, event_name, request))
        answered = self._answering(request, operation.partition(" ")[0], carry_out)
        if isinstance(answered, Exception):
            raise answered
        return answered


def _refusal(request: AWSPreparedRequest, code: str, message: str, status: int) -> AWSResponse:
    text = json.dumps({"__type": code, "message": message})
    if "AssumeRole" in str(request.body):
        text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    body = BytesIO(text.encode())
    body.stream = lambda: iter([body.read()])  # type: ignore[attr-defined]  # all that botocore asks of it
    return AWSResponse(request.url, status, HeadersDict({"x-amzn-ErrorType": code}), body)  # type: ignore[arg-type]  # what botocore makes itself
