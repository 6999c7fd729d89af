"""The demo's story: functions of every kind are created, each with what should become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox.demo.table import NOT_MATCHED, Result, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.client import SandboxClient
    from sandbox.demo.account import Account

_ROLE = "demo-function"
_OURS = {"managed-by": "profiling-group-provisioner"}


@dataclass(frozen=True, kw_only=True)
class Story:
    """A function that somebody creates.

    Attributes:
        name: Its name.
        what: What is special about it.
        expected: What should become of it.
        tags: Its tags.
        settings: Whatever else CreateFunction is told, other than the defaults.
        role: Name of its execution role; there is but the one.
        agent_was_first: Whether the CodeGuru agent makes the group before the event arrives, as it does, without tags.
    """

    name: str
    what: str
    expected: Result
    tags: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    role: str = _ROLE
    agent_was_first: bool = False


STORIES = (
    Story(
        name="orders-api",
        what="created: Python, with tags",
        tags={"team": "shop", "cost-center": "4711", "aws:cloudformation:stack-name": "orders"},
        expected=Result(
            action="created", group="aws-lambda-orders-api", tags={"team": "shop", "cost-center": "4711"} | _OURS
        ),
    ),
    Story(
        name="invoice-renderer",
        what="created: Java",
        settings={"Runtime": "java21", "Handler": "com.example.Renderer"},
        expected=Result(action="created", group="aws-lambda-invoice-renderer", tags=_OURS),
    ),
    Story(
        name="thumbnailer",
        what="created: a container image",
        settings={
            "PackageType": "Image",
            "Code": {"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/thumbnailer:1"},
        },
        tags={"team": "media"},
        expected=Result(action="created", group="aws-lambda-thumbnailer", tags={"team": "media"} | _OURS),
    ),
    Story(
        name="web-frontend",
        what="created: Node.js",
        settings={"Runtime": "nodejs22.x"},
        expected=Result(action="skipped", reason="unsupported_runtime"),
    ),
    Story(
        name="broken-worker",
        what="creation refused: its role cannot be assumed",
        role="no-such-role",
        expected=Result(action=NOT_MATCHED),
    ),
    Story(
        name="batch-cleanup",
        what="created: opted out by its tag",
        tags={"codeguru-profiler": "off"},
        expected=Result(action="skipped", reason="opted_out"),
    ),
    Story(
        name="report-writer",
        what="created: names a group of its own",
        settings={"Environment": {"Variables": {"AWS_CODEGURU_PROFILER_GROUP_NAME": "reports"}}},
        expected=Result(action="skipped", reason="own_group"),
    ),
    Story(
        name="legacy-import",
        what="created: the agent made its group first, without tags",
        tags={"team": "data"},
        agent_was_first=True,
        expected=Result(action="updated", group="aws-lambda-legacy-import", tags={"team": "data"} | _OURS),
    ),
)


def play(story: Story, account: Account, *, role: str) -> None:
    """Create the function; a creation that is meant to be refused is."""
    if story.agent_was_first:
        account.profiler.create_profiling_group(
            profilingGroupName=f"aws-lambda-{story.name}", computePlatform="AWSLambda", clientToken="agent"
        )
    code = {"Runtime": "python3.13", "Handler": "app.handler", "Code": {"ZipFile": b"no code is run"}}
    if "ImageUri" in story.settings.get("Code", {}):
        code = {}
    role = role.replace(_ROLE, story.role)
    request = {"FunctionName": story.name, "Role": role, "Tags": story.tags, **code, **story.settings}
    try:
        account.awslambda.create_function(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidParameterValueException":
            raise


def tell(account: Account, sandbox: SandboxClient, *, provisioner: str) -> list[Row]:
    """Create all the functions, wait for what becomes of them, and return it."""
    role = account.role(_ROLE)
    for story in STORIES:
        play(story, account, role=role)
    sandbox.wait_until_idle()
    outcomes = {str(outcome["function"]).rpartition(":")[2]: outcome for outcome in account.outcomes(provisioner)}
    events = [invocation["payload"]["detail"] for invocation in sandbox.invocations()]
    matched = {event["requestParameters"]["functionName"] for event in events}
    return [
        Row(
            function=story.name,
            what=story.what,
            result=account.result(outcomes.get(story.name), matched=story.name in matched),
            expected=[story.expected],
        )
        for story in STORIES
    ]
