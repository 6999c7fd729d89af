"""A deployed stack as the end-to-end tests handle it, through the AWS APIs and the sandbox's control endpoint."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from demo.account import Account
from tests.records import Json, envelope, record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from embedded_aws.client import SandboxClient

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "444455556666"
REGION = "eu-west-1"
OURS = {"managed-by": "profiling-group-provisioner"}
"""What the policy that ships adds to a group's tags."""


class Deployment:
    """The stack in its sandbox.

    Args:
        sandbox: The sandbox's control endpoint.
        outputs: The stack's outputs.
        account: The account that it is deployed to; the sandbox's own if none is named.

    Attributes:
        sandbox: The sandbox's control endpoint.
        outputs: The stack's outputs.
        account: The account that it is deployed to.
        function: Name of the deployed function.
        machine: ARN of the deployed state machine.
        sweeper: Name of the function that it invokes.
        queue_url: URL of the dead-letter queue.
        rule: Name of the deployed rule.
    """

    def __init__(self, sandbox: SandboxClient, outputs: Mapping[str, str], *, account: Account | None = None) -> None:
        self.sandbox = sandbox
        self.outputs = outputs
        self.account = account or Account(sandbox.endpoint, region=REGION)
        self.function = outputs["ProvisionerFunctionName"]
        self.rule = outputs["ProvisionerRuleName"]
        self.machine = outputs["BackfillStateMachineArn"]
        self.sweeper = outputs["BackfillFunctionName"]
        self.queue_url = outputs["DeadLetterQueueUrl"]
        self._sqs = self.account.client("sqs")
        self._steps = self.account.client("stepfunctions")

    def tidy(self) -> None:
        """Set nothing wrong, and leave no letters waiting."""
        self.sandbox.clear_faults()
        self.sandbox.set_quota(500)
        self.sandbox.wait_until_idle()
        self.letters()

    def role(self) -> str:
        """Return the name of the function's role."""
        configuration = self.account.awslambda.get_function_configuration(FunctionName=self.function)
        return str(configuration["Role"]).rpartition("/")[2]

    def allowed(self) -> dict[str, str]:
        """Return the actions that the role's policies allow, each with the resource that it allows them on."""
        return allowed(self.account, self.role())

    @contextmanager
    def without(self, action: str) -> Iterator[None]:
        """Take an action from the role for the duration of a ``with`` block."""
        with taken_away(action, self.account, self.role()):
            yield

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Let no event come of what is done in a ``with`` block."""
        self.account.logging(on=False)
        try:
            yield
        finally:
            self.account.logging(on=True)

    def start_afresh(self) -> None:
        """Let the function's next invocation be one in a new environment; a policy may well listen to such a change."""
        with self.unheard():
            self.account.awslambda.update_function_configuration(
                FunctionName=self.function, Description=f"started afresh: {uuid4()}"
            )

    def create_function(self, name: str | None = None, **request: object) -> str:
        """Create a function through the Lambda API, wait until all that follows is over, and return its name."""
        name = name or f"function-{uuid4().hex[:12]}"
        defaults: dict[str, object] = {
            "Runtime": "python3.13",
            "Handler": "app.handler",
            "Code": {"ZipFile": b"no code is run"},
        }
        if request.get("PackageType") == "Image":
            defaults.clear()
        self.account.awslambda.create_function(
            **{"FunctionName": name, "Role": self.account.role("function"), **defaults, **request}
        )
        self.sandbox.wait_until_idle()
        return name

    def tag(self, name: str, **tags: str) -> None:
        """Add tags to a function, or change their values, and wait until all that follows is over."""
        self.account.awslambda.tag_resource(Resource=function_arn(name), Tags=tags)
        self.sandbox.wait_until_idle()

    def untag(self, name: str, *keys: str) -> None:
        """Take tags off a function, and wait until all that follows is over."""
        self.account.awslambda.untag_resource(Resource=function_arn(name), TagKeys=keys)
        self.sandbox.wait_until_idle()

    def delete_function(self, name: str) -> None:
        """Delete a function, and wait until all that follows is over."""
        self.account.awslambda.delete_function(FunctionName=name)
        self.sandbox.wait_until_idle()

    def empty(self) -> None:
        """Delete all functions but the stack's own, without an event, and all groups."""
        pages = self.account.awslambda.get_paginator("list_functions").paginate()
        names = {each["FunctionName"] for page in pages for each in page["Functions"]}
        with self.unheard():
            for name in names - {self.function, self.sweeper}:
                self.account.awslambda.delete_function(FunctionName=name)
        for name in self.account.profiler.list_profiling_groups(maxResults=1000)["profilingGroupNames"]:
            self.account.profiler.delete_profiling_group(profilingGroupName=name)

    def hold_function(self, name: str, **request: object) -> str:
        """Create a function without an event, as if it had been there before."""
        with self.unheard():
            return self.create_function(name, **request)

    def invoke(self, payload: object, *, function: str | None = None) -> tuple[Json, list[Json]]:
        """Invoke a function and wait; return what it answers (result or error), and the AWS calls that it made.

        Args:
            payload: What it is given.
            function: Which one; by default the one for events.
        """
        function = function or self.function
        before = max((call["seq"] for call in self.sandbox.calls()), default=0)
        answer = self.account.awslambda.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
        calls = [call for call in self.sandbox.calls(since=before) if f"/{function}" in (call["principal"] or "")]
        result: Json = json.loads(answer["Payload"].read())
        return result, calls

    def backfill(self) -> Json:
        """Let the function for backfills look at the whole account and region, and return the run."""
        run, _ = self.invoke({"action": "backfill"}, function=self.sweeper)
        assert run["complete"]
        return run

    def execute(self, request: Json) -> Json:
        """Start the state machine, wait until all is over, and return the execution."""
        started = self._steps.start_execution(stateMachineArn=self.machine, input=json.dumps(request))
        self.sandbox.wait_until_idle()
        return self.execution(started["executionArn"])

    def redrive(self, execution: Json) -> Json:
        """Let a failed execution go on, wait until all is over, and return it."""
        self._steps.redrive_execution(executionArn=execution["executionArn"])
        self.sandbox.wait_until_idle()
        return self.execution(execution["executionArn"])

    def execution(self, arn: str) -> Json:
        """Return an execution as it stands."""
        return dict(self._steps.describe_execution(executionArn=arn))

    def executions(self) -> list[str]:
        """Return the ARNs of the machine's executions, latest first."""
        found = self._steps.list_executions(stateMachineArn=self.machine)["executions"]
        return [each["executionArn"] for each in found]

    def reports(self, execution: Json) -> list[Json]:
        """Return what an execution has left in the report bucket: the run of each target."""
        details = json.loads(execution["output"])["ResultWriterDetails"]
        s3 = self.account.client("s3")

        def read(key: str) -> Any:  # noqa: ANN401 - JSON
            return json.loads(s3.get_object(Bucket=details["Bucket"], Key=key)["Body"].read())

        files = read(details["Key"])["ResultFiles"]["SUCCEEDED"]
        return [json.loads(result["Output"]) for file in files for result in read(file["Key"])]

    def invocation(self, name: str) -> Json:
        """Return the asynchronous invocation that the creation of a function has led to."""
        found: Json
        (found,) = (
            each
            for each in self.sandbox.invocations()
            # The events of tags name a resource instead.
            if each["payload"]["detail"]["requestParameters"].get("functionName") == name
        )
        return found

    def outcomes(self, name: str) -> list[tuple[str, str | None]]:
        """Return action and reason of each outcome about a function, oldest first."""
        found = (each for each in self.account.outcomes(self.function) if each["function"] == function_arn(name))
        return [(each["action"], each["reason"]) for each in found]

    def letters(self) -> list[dict[str, Any]]:
        """Take all dead letters out of the queue and return them."""
        found: list[dict[str, Any]] = []
        while batch := self._sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in batch:
                self._sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
            found += batch
        return found

    def letters_waiting(self) -> int:
        """Return how many dead letters are in the queue."""
        names = ["ApproximateNumberOfMessages"]
        found = self._sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)["Attributes"]
        return int(found[names[0]])

    def make_group(self, group: str, *, tags: dict[str, str] | None = None) -> None:
        """Create a group as another owner would; the agent gives it no tags."""
        self.account.profiler.create_profiling_group(
            profilingGroupName=group, computePlatform="AWSLambda", tags=tags or {}, clientToken="another-owner"
        )

    def groups(self, name: str) -> set[str]:
        """Return the names of the groups in which a function's name occurs."""
        found = self.account.profiler.list_profiling_groups(maxResults=1000)["profilingGroupNames"]
        return {group for group in found if name in group}

    def tags(self, group: str) -> dict[str, str] | None:
        """Return a group's tags; None where there is no such group."""
        profiler = self.account.profiler
        try:
            found = profiler.describe_profiling_group(profilingGroupName=group)["profilingGroup"]
        except profiler.exceptions.ResourceNotFoundException:
            return None
        return dict(found["tags"])

    def agents(self, group: str) -> list[str]:
        """Return the names of the roles to which a group's resource policy allows the agent's calls."""
        profiler = self.account.profiler
        try:
            found = json.loads(profiler.get_policy(profilingGroupName=group)["policy"])["Statement"]
        except profiler.exceptions.ResourceNotFoundException:
            return []
        named = [statement["Principal"]["AWS"] for statement in found]
        arns = [arn for each in named for arn in ([each] if isinstance(each, str) else each)]
        return [arn.rpartition("/")[2] for arn in arns]


def outcome(run: Json, name: str) -> tuple[str, str | None] | None:
    """Return action and reason of a run's outcome about a function; None if the run lists none."""
    found = (each for each in run["outcomes"] if each["function"] == function_arn(name))
    return next(((each["action"], each["reason"]) for each in found), None)


def allowed(account: Account, role: str) -> dict[str, str]:
    """Return the actions that a role's policies allow, each with the resource that it allows them on."""
    iam = account.client("iam")
    found: dict[str, str] = {}
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            found |= dict.fromkeys(actions, statement["Resource"])
    return found


@contextmanager
def taken_away(action: str, account: Account, role: str) -> Iterator[None]:
    """Take an action from a role for the duration of a ``with`` block."""
    iam = account.client("iam")
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="taken", PolicyDocument=document)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="taken")


def created_for(name: str) -> dict[str, str]:
    """Return the tags that a group that was created for a function has besides its function's."""
    return OURS | {"profiling-group-provisioner:created-for": function_arn(name)}


def adopted_for(name: str) -> dict[str, str]:
    """Return the tags that a group that was adopted for a function has besides its function's."""
    return OURS | {"profiling-group-provisioner:adopted-for": function_arn(name)}


def function_arn(name: str) -> str:
    """Return the ARN of a function of the account."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def creation(name: str, **changes: object) -> Json:
    """Return the event of a function's creation.

    Args:
        name: The function's name.
        changes: Keys of the CloudTrail record that differ.
    """
    detail = json.loads(json.dumps(record("create-function")).replace("invoice-renderer", name))
    return envelope(detail | {"eventID": str(uuid4())} | changes)
