"""State machines in the sandbox: deployed by CloudFormation, run by moto's interpreter, with functions as tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from embedded_aws.client import SandboxClient, SandboxProcess
from support import Json, allow, client, package, policy, stack_outputs, template, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, REGION = "820987654321", "eu-central-1"
SERVICES = ("cloudformation", "iam", "lambda", "logs", "s3", "stepfunctions")
CODE = """
import os

class NotYetError(Exception):
    pass

def main(event, context):
    if event["item"] == "broken" and "MENDED" not in os.environ:
        raise NotYetError("not before somebody mends it")
    left = event["cursor"] or 3
    return {"item": event["item"], "cursor": left - 1, "complete": left == 1}
"""
CHILD = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "Sweep",
    "States": {
        "Sweep": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "${Function}", "Payload": {"item.$": "$.item", "cursor.$": "$.cursor"}},
            "ResultPath": "$.answer",
            "Retry": [
                {
                    "ErrorEquals": ["NotYetError", "Lambda.SdkClientException", "Lambda.TooManyRequestsException"],
                    "MaxAttempts": 2,
                    "IntervalSeconds": 300,
                }
            ],
            "Next": "Complete?",
        },
        "Complete?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.answer.Payload.complete", "BooleanEquals": True, "Next": "Done"}],
            "Default": "Pause",
        },
        "Pause": {"Type": "Wait", "Seconds": 600, "Next": "Go on"},
        "Go on": {
            "Type": "Pass",
            "InputPath": "$.answer.Payload.cursor",
            "ResultPath": "$.cursor",
            "Next": "Sweep",
        },
        "Done": {"Type": "Pass", "InputPath": "$.answer.Payload", "End": True},
    },
}
MACHINE = {
    "StartAt": "Each",
    "States": {
        "Each": {
            "Type": "Map",
            "Label": "Items",
            "ItemsPath": "$.items",
            "ItemSelector": {"item.$": "$$.Map.Item.Value", "cursor.$": "$.cursor"},
            "MaxConcurrency": 4,
            "ToleratedFailurePercentage": 40.0,
            "ItemProcessor": CHILD,
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "Parameters": {"Bucket": "${Bucket}", "Prefix": "results"},
            },
            "End": True,
        }
    },
}
READER = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "JSON"},
    "Parameters": {"Bucket.$": "$.list.bucket", "Key.$": "$.list.key"},
}
WAITING = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 99_999_999, "End": True}}}


def a_template(definition: Json) -> str:
    """A stack with the machine, its role and its log group."""
    substitutions = {"Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sweep", "Bucket": "reports"}
    resources = {
        "Role": (
            "IAM::Role",
            {"RoleName": "machine", "AssumeRolePolicyDocument": trust("states")},
        ),
        "Log": ("Logs::LogGroup", {"LogGroupName": "/aws/vendedlogs/states/machine"}),
        "Machine": (
            "StepFunctions::StateMachine",
            {
                "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                "DefinitionString": json.dumps(definition),
                "DefinitionSubstitutions": substitutions,
                "LoggingConfiguration": {
                    "Level": "ALL",
                    "IncludeExecutionData": True,
                    "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["Log", "Arn"]}}}],
                },
                "TracingConfiguration": {"Enabled": True},
            },
        ),
    }
    return template(resources, Arn={"Ref": "Machine"}, Name={"Fn::GetAtt": ["Machine", "Name"]})


class Account:
    """The machine, the function that it calls, and the bucket that it writes to."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox
        self.clients = {name: client(sandbox, name, region=REGION) for name in SERVICES}
        role = self.clients["iam"].create_role(RoleName="function", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        self.clients["lambda"].create_function(
            FunctionName="sweep",
            Runtime="python3.14",
            Handler="app.main",
            Role=role,
            Code={"ZipFile": package(CODE)},
            Timeout=60,
        )
        self.clients["s3"].create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.clients["cloudformation"].create_stack(StackName="machine", TemplateBody=a_template(MACHINE))
        outputs = stack_outputs(self.clients["cloudformation"], "machine")
        self.machine, self.name = outputs["Arn"], outputs["Name"]

    def permit(self, *actions: str) -> None:
        """Give the machine's role these permissions and no others."""
        statements = [allow(action) for action in actions] or [{"Effect": "Deny", "Action": "*", "Resource": "*"}]
        document = json.dumps(policy(*statements))
        self.clients["iam"].put_role_policy(RoleName="machine", PolicyName="machine", PolicyDocument=document)

    def mend(self, *, broken: bool = False) -> None:
        """Let the function work on everything, or break it again."""
        variables = {} if broken else {"MENDED": "yes"}
        self.clients["lambda"].update_function_configuration(FunctionName="sweep", Environment={"Variables": variables})

    def start(self, *items: str) -> str:
        """Start an execution; its ARN."""
        given = json.dumps({"items": items, "cursor": None})
        started = self.clients["stepfunctions"].start_execution(stateMachineArn=self.machine, input=given)
        return str(started["executionArn"])

    def run(self, *items: str) -> Json:
        """Run an execution to its end."""
        execution = self.start(*items)
        self.sandbox.wait_until_idle()
        return self.describe(execution)

    def redrive(self, execution: Json) -> Json:
        """Redrive it, to its end."""
        self.clients["stepfunctions"].redrive_execution(executionArn=execution["executionArn"])
        self.sandbox.wait_until_idle()
        return self.describe(execution["executionArn"])

    def describe(self, execution: str) -> Json:
        """The execution."""
        return dict(self.clients["stepfunctions"].describe_execution(executionArn=execution))

    def map_run(self, execution: Json) -> Json:
        """Its map run."""
        runs = self.clients["stepfunctions"].list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
        (arn,) = [run["mapRunArn"] for run in runs]
        return dict(self.clients["stepfunctions"].describe_map_run(mapRunArn=arn))

    def children(self, execution: Json) -> dict[str, Json]:
        """The child executions, by their item."""
        run = self.map_run(execution)["mapRunArn"]
        children = self.clients["stepfunctions"].list_executions(mapRunArn=run)["executions"]
        described = [self.describe(child["executionArn"]) for child in children]
        return {json.loads(child["input"])["item"]: child for child in described}

    def history(self, execution: str) -> list[str]:
        """The types of the events."""
        events = self.clients["stepfunctions"].get_execution_history(executionArn=execution)["events"]
        return [event["type"] for event in events]

    def results(self, execution: Json) -> dict[str, Json]:
        """The results of the children in the bucket, by their item."""
        folder = self.map_run(execution)["mapRunArn"].rpartition(":")[2]
        manifest = self.read(f"results/{folder}/manifest.json")
        results = [
            result for files in manifest["ResultFiles"].values() for file in files for result in self.read(file["Key"])
        ]
        return {json.loads(result["Input"])["item"]: result for result in results}

    def read(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """What lies in the bucket."""
        return json.load(self.clients["s3"].get_object(Bucket="reports", Key=key)["Body"])

    def invoked(self) -> list[str | None]:
        """The errors of the machine's invocations since the call log was cleared, None for a success."""
        return [call["error_code"] for call in self.sandbox.calls() if call["operation"] == "Invoke"]


@pytest.fixture(scope="module")
def deployed() -> Iterator[Account]:
    """The account, for all tests."""
    options = ["--account", ACCOUNT, "--region", REGION, "--pace", "0.00001"]
    with SandboxProcess(options=options) as sandbox:
        yield Account(sandbox)


@pytest.fixture
def account(deployed: Account) -> Account:
    """The account, in which the machine may do what it has to, and nothing is broken but what is called so."""
    deployed.permit("lambda:InvokeFunction", "s3:PutObject", "states:StartExecution", "states:RedriveExecution")
    deployed.mend(broken=True)
    deployed.sandbox.clear_faults()
    deployed.sandbox.clear_calls()
    return deployed


def test_children_loop_until_they_are_complete_and_their_results_lie_in_the_bucket(account: Account) -> None:
    """Waits of AWS's ten minutes pass at the sandbox's time scale; files and manifest are laid out as in AWS."""
    execution = account.run("one", "two")

    assert execution["status"] == "SUCCEEDED"
    run = account.map_run(execution)
    folder = f"results/{run['mapRunArn'].rpartition(':')[2]}"
    output = json.loads(execution["output"])
    assert output == {
        "MapRunArn": run["mapRunArn"],
        "ResultWriterDetails": {"Bucket": "reports", "Key": f"{folder}/manifest.json"},
    }
    (file,) = account.read(f"{folder}/manifest.json")["ResultFiles"]["SUCCEEDED"]
    assert file["Key"] == f"{folder}/SUCCEEDED_0.json"
    results = account.results(execution)
    assert {item: json.loads(result["Output"]) for item, result in results.items()} == {
        item: {"item": item, "cursor": 0, "complete": True} for item in ("one", "two")
    }
    children = account.children(execution)
    assert {result["ExecutionArn"] for result in results.values()} == {
        child["executionArn"] for child in children.values()
    }
    assert children["one"]["executionArn"].startswith(
        f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{account.name}/Items:"
    )
    assert account.invoked() == [None] * 6


def test_calls_are_made_by_the_machines_role(account: Account) -> None:
    """And are so in the call log."""
    account.run("one")

    principals = {call["principal"] for call in account.sandbox.calls() if call["operation"] in {"Invoke", "PutObject"}}
    assert principals == {f"arn:aws:sts::{ACCOUNT}:assumed-role/machine/states"}


def test_a_few_failures_are_tolerated_and_told(account: Account) -> None:
    """One in three is less than 40 percent."""
    execution = account.run("one", "broken", "two")

    assert execution["status"] == "SUCCEEDED"
    assert (
        account.map_run(execution)["executionCounts"] | {"pending": 0} == account.map_run(execution)["executionCounts"]
    )
    assert {item: result["Status"] for item, result in account.results(execution).items()} == {
        "one": "SUCCEEDED",
        "broken": "FAILED",
        "two": "SUCCEEDED",
    }
    assert account.results(execution)["broken"]["Error"] == "NotYetError"


def test_too_many_failures_fail_the_execution_and_a_redrive_runs_only_those_again(account: Account) -> None:
    """With the same ARNs, and with what succeeded left alone."""
    failed = account.run("broken", "one")
    before = account.children(failed)
    account.mend()
    account.sandbox.clear_calls()
    redriven = account.redrive(failed)

    assert (failed["status"], failed["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert (before["broken"]["status"], before["broken"]["error"]) == ("FAILED", "NotYetError")
    assert failed["redriveStatus"] == "REDRIVABLE"
    after = account.children(redriven)
    assert (redriven["status"], redriven["redriveCount"]) == ("SUCCEEDED", 1)
    assert {item: child["executionArn"] for item, child in after.items()} == {
        item: child["executionArn"] for item, child in before.items()
    }
    assert {item: result["Status"] for item, result in account.results(redriven).items()} == {
        "broken": "SUCCEEDED",
        "one": "SUCCEEDED",
    }
    assert account.map_run(redriven)["redriveCount"] == 1
    assert after["broken"]["redriveCount"] == 1
    history = account.history(redriven["executionArn"])
    assert history.index("ExecutionFailed") < history.index("ExecutionRedriven") < history.index("MapRunRedriven")


def test_what_succeeded_is_not_run_again(account: Account) -> None:
    """Where only the writing of the results had failed, a redrive does just that."""
    account.permit("lambda:InvokeFunction", "states:StartExecution", "states:RedriveExecution")
    failed = account.run("one", "two")
    account.permit("lambda:InvokeFunction", "s3:PutObject", "states:StartExecution", "states:RedriveExecution")
    account.sandbox.clear_calls()
    redriven = account.redrive(failed)

    assert (failed["status"], failed["error"]) == ("FAILED", "States.ResultWriterFailed")
    assert "s3:PutObject" in failed["cause"]
    assert redriven["status"] == "SUCCEEDED"
    assert account.invoked() == []
    assert set(account.results(redriven)) == {"one", "two"}


@pytest.mark.parametrize(
    ("permitted", "error", "named"),
    [
        (("lambda:InvokeFunction", "s3:PutObject"), "States.Permissions", "states:StartExecution"),
        (("states:StartExecution", "s3:PutObject"), "States.ExceedToleratedFailureThreshold", None),
    ],
)
def test_what_the_role_may_not_do_fails(
    account: Account, permitted: tuple[str, ...], error: str, named: str | None
) -> None:
    """Starting children, or invoking the function."""
    account.permit(*permitted)
    execution = account.run("one")

    assert (execution["status"], execution["error"]) == ("FAILED", error)
    if named:
        assert named in execution["cause"]
    else:
        child = account.children(execution)["one"]
        assert child["error"] == "Lambda.AWSLambdaException"
        assert "lambda:InvokeFunction" in child["cause"]


@pytest.mark.parametrize(
    "fault",
    [
        {"error": {"code": "TooManyRequestsException", "status": 429}},
        {"connection": "reset"},
    ],
)
def test_lambdas_errors_have_the_names_that_machines_retry(account: Account, fault: Json) -> None:
    """The machine retries twice, by name."""
    account.sandbox.set_faults({"service": "lambda", "operation": "Invoke", "times": 2, **fault})

    assert account.run("one")["status"] == "SUCCEEDED"
    assert account.invoked()[2:] == [None] * 3


def test_events_are_logged_where_the_machine_says(account: Account) -> None:
    """In the log group of its configuration, its children's too."""
    execution = account.run("one")

    messages = account.clients["logs"].filter_log_events(logGroupName="/aws/vendedlogs/states/machine")["events"]
    records = [json.loads(message["message"]) for message in messages]
    (child,) = account.children(execution).values()
    logged = {record["type"] for record in records if record["execution_arn"] == execution["executionArn"]}
    assert logged == set(account.history(execution["executionArn"]))
    assert child["executionArn"] in {record["execution_arn"] for record in records}


def test_an_update_of_the_stack_changes_the_machine_in_place(account: Account) -> None:
    """Its executions stay; one that is stopped has ended at once."""
    before = account.run("one")
    account.clients["cloudformation"].update_stack(StackName="machine", TemplateBody=a_template(WAITING))
    waiting = account.start()
    idle = account.sandbox.idle()
    account.clients["stepfunctions"].stop_execution(executionArn=waiting)
    stopped = account.describe(waiting)
    account.sandbox.wait_until_idle()
    account.clients["cloudformation"].update_stack(StackName="machine", TemplateBody=a_template(MACHINE))

    assert not idle
    assert stopped["status"] == "ABORTED"
    assert account.history(waiting)[-1] == "ExecutionAborted"
    assert account.describe(before["executionArn"])["status"] == "SUCCEEDED"
    assert account.run("one")["status"] == "SUCCEEDED"


@pytest.fixture(scope="module")
def reading(deployed: Account) -> str:
    """Another machine of the same role, which takes its items from a list in the bucket."""
    substituted = json.loads(a_template(MACHINE))["Resources"]["Machine"]["Properties"]["DefinitionSubstitutions"]
    definition = json.loads(json.dumps(MACHINE))
    each = definition["States"]["Each"]
    del each["ItemsPath"]
    each |= {"ItemReader": READER, "ItemSelector": {**each["ItemSelector"], "item.$": "$$.Map.Item.Value.name"}}
    text = json.dumps(definition)
    for name, value in substituted.items():
        text = text.replace(f"${{{name}}}", value)
    role = f"arn:aws:iam::{ACCOUNT}:role/machine"
    made = deployed.clients["stepfunctions"].create_state_machine(name="reading", definition=text, roleArn=role)
    return str(made["stateMachineArn"])


def put_list(account: Account, *items: str) -> None:
    """Let the list in the bucket have these items."""
    body = json.dumps([{"name": item} for item in items]).encode()
    account.clients["s3"].put_object(Bucket="reports", Key="targets/list.json", Body=body)


def read_and_run(account: Account, machine: str, key: str = "targets/list.json") -> Json:
    """Run the machine over a list, to its end."""
    given = json.dumps({"list": {"bucket": "reports", "key": key}, "cursor": None})
    started = account.clients["stepfunctions"].start_execution(stateMachineArn=machine, input=given)
    account.sandbox.wait_until_idle()
    return account.describe(started["executionArn"])


RUN_ITEMS = ("lambda:InvokeFunction", "s3:PutObject", "states:StartExecution", "states:RedriveExecution")


def test_items_are_read_from_a_bucket_by_the_machines_role(account: Account, reading: str) -> None:
    """Each becomes a child's input by the selector; the call is in the call log."""
    account.permit(*RUN_ITEMS, "s3:GetObject")
    put_list(account, "one", "two", "three")
    account.sandbox.clear_calls()
    execution = read_and_run(account, reading)

    assert execution["status"] == "SUCCEEDED"
    reads = [call for call in account.sandbox.calls() if call["operation"] == "GetObject"]
    assert [(call["principal"], call["parameters"]["Key"]) for call in reads] == [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/machine/states", "targets/list.json")
    ]
    assert {item: result["Status"] for item, result in account.results(execution).items()} == dict.fromkeys(
        ("one", "two", "three"), "SUCCEEDED"
    )


def test_a_redrive_goes_on_with_the_items_that_were_read(account: Account, reading: str) -> None:
    """Whatever lies in the bucket by then."""
    account.permit(*RUN_ITEMS, "s3:GetObject")
    put_list(account, "broken", "one")
    failed = read_and_run(account, reading)
    put_list(account, "others")
    account.mend()
    account.sandbox.clear_calls()
    redriven = account.redrive(failed)
    called = {call["operation"] for call in account.sandbox.calls()}

    assert (failed["error"], redriven["status"]) == ("States.ExceedToleratedFailureThreshold", "SUCCEEDED")
    assert set(account.results(redriven)) == {"broken", "one"}
    assert "GetObject" not in called


@pytest.mark.parametrize(
    ("permitted", "key", "cause"),
    [
        ((), "targets/list.json", "s3:GetObject"),
        (("s3:GetObject",), "targets/missing.json", "NoSuchKey"),
        (("s3:GetObject",), "targets/broken.json", "Expecting"),
        (("s3:GetObject",), "targets/object.json", "non-iterable"),
    ],
)
def test_items_that_cannot_be_read_fail_the_execution_and_a_redrive_reads_anew(
    account: Account, reading: str, permitted: tuple[str, ...], key: str, cause: str
) -> None:
    """In a map run of its own, as nothing of the first has begun."""
    account.clients["s3"].put_object(Bucket="reports", Key="targets/broken.json", Body=b"[{")
    account.clients["s3"].put_object(Bucket="reports", Key="targets/object.json", Body=b"{}")
    account.clients["s3"].delete_object(Bucket="reports", Key="targets/missing.json")
    put_list(account, "one")
    account.permit(*RUN_ITEMS, *permitted)
    failed = read_and_run(account, reading, key)
    account.permit(*RUN_ITEMS, "s3:GetObject")
    account.clients["s3"].put_object(Bucket="reports", Key=key, Body=b'[{"name": "one"}]')
    redriven = account.redrive(failed)

    assert (failed["status"], failed["error"]) == ("FAILED", "States.ItemReaderFailed")
    assert cause in failed["cause"]
    assert redriven["status"] == "SUCCEEDED"
    runs = account.clients["stepfunctions"].list_map_runs(executionArn=failed["executionArn"])["mapRuns"]
    described = [account.clients["stepfunctions"].describe_map_run(mapRunArn=run["mapRunArn"]) for run in runs]
    assert sorted((run["status"], run["itemCounts"]["succeeded"]) for run in described) == [
        ("FAILED", 0),
        ("SUCCEEDED", 1),
    ]


def test_what_succeeded_cannot_be_redriven(account: Account) -> None:
    """Nor can a child but with its map run."""
    execution = account.run("one")
    (child,) = account.children(execution).values()

    for arn in (execution["executionArn"], child["executionArn"]):
        with pytest.raises(ClientError) as caught:
            account.clients["stepfunctions"].redrive_execution(executionArn=arn)
        assert caught.value.response["Error"]["Code"] == "ExecutionNotRedrivable"
