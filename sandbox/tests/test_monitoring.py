"""CloudWatch: metrics of log records and services, and a stack with an alarm."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from embedded_aws.client import SandboxClient, SandboxProcess
from support import Json, client, package, policy, stack_outputs, template, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCOUNT, REGION = "860987654321", "eu-north-1"
PLACE = f"{REGION}:{ACCOUNT}"
OURS = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{PLACE}:*"}}
CLOUDWATCH = {"Service": "cloudwatch.amazonaws.com"}
PUBLISH = {"Effect": "Allow", "Principal": CLOUDWATCH, "Action": "sns:Publish", "Resource": "*", "Condition": OURS}
USE_KEY = PUBLISH | {"Action": ["kms:Decrypt", "kms:GenerateDataKey*"]}
OWNER = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "*", "Resource": "*"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxClient]:
    """A sandbox of this file's own."""
    options = ["--account", ACCOUNT, "--region", REGION, "--pace", "0.001"]
    with SandboxProcess(options=options) as client:
        yield client


def aws(sandbox: SandboxClient, service: str) -> Any:  # noqa: ANN401 - of any service
    """Return a client."""
    return client(sandbox, service, region=REGION)


def role(sandbox: SandboxClient, name: str, service: str) -> str:
    """Create a role that a service may assume; return its ARN."""
    made = aws(sandbox, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust(service)))
    return str(made["Role"]["Arn"])


def statistics(sandbox: SandboxClient, namespace: str, name: str, **dimensions: str) -> list[float]:
    """The values of the data points of a metric in the last hour."""
    now = datetime.now(UTC)
    found = aws(sandbox, "cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=7200,
        Statistics=["Sum"],
    )
    return [point["Sum"] for point in found["Datapoints"]]


def a_template(*, threshold: int = 1, said: str = "Ops") -> str:
    """An alarm, and the encrypted topic that it notifies, to which a queue subscribes."""
    arn = {"Fn::GetAtt": ["Key", "Arn"]}
    resources = {
        "Key": ("KMS::Key", {"KeyPolicy": policy(OWNER, USE_KEY), "EnableKeyRotation": True}),
        "Topic": ("SNS::Topic", {"DisplayName": said, "KmsMasterKeyId": arn}),
        "TopicPolicy": ("SNS::TopicPolicy", {"Topics": [{"Ref": "Topic"}], "PolicyDocument": policy(PUBLISH)}),
        "Heard": ("SQS::Queue", {"QueueName": "heard"}),
        "Subscription": (
            "SNS::Subscription",
            {"TopicArn": {"Ref": "Topic"}, "Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Heard", "Arn"]}},
        ),
        "Alarm": (
            "CloudWatch::Alarm",
            {
                "AlarmName": "ours",
                "AlarmDescription": "read on there",
                "Namespace": "Tests",
                "MetricName": "told",
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": threshold,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "TreatMissingData": "notBreaching",
                "AlarmActions": [{"Ref": "Topic"}],
                "OKActions": [{"Ref": "Topic"}],
            },
        ),
        "Query": ("Logs::QueryDefinition", {"Name": "ours/failures", "QueryString": "fields @timestamp"}),
        "Board": (
            "CloudWatch::Dashboard",
            {"DashboardName": "ours", "DashboardBody": json.dumps({"widgets": []})},
        ),
    }
    return template(
        resources,
        Topic={"Ref": "Topic"},
        Key={"Ref": "Key"},
        Alarm={"Fn::GetAtt": ["Alarm", "Arn"]},
        Queue={"Ref": "Heard"},
    )


def test_stack_updates_its_alarm_topic_and_key_in_place_and_deletes_them(sandbox: SandboxClient) -> None:
    """The alarm keeps its definition, the topic its subscription."""
    formation, cloudwatch, sns = (aws(sandbox, name) for name in ("cloudformation", "cloudwatch", "sns"))
    formation.create_stack(StackName="ours", TemplateBody=a_template())
    outputs = stack_outputs(formation, "ours")
    (created,) = cloudwatch.describe_alarms()["MetricAlarms"]
    formation.update_stack(StackName="ours", TemplateBody=a_template(threshold=3, said="Operations"))
    (updated,) = cloudwatch.describe_alarms()["MetricAlarms"]
    topic = sns.get_topic_attributes(TopicArn=outputs["Topic"])["Attributes"]
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=outputs["Topic"])["Subscriptions"]
    key = aws(sandbox, "kms").get_key_policy(KeyId=outputs["Key"], PolicyName="default")["Policy"]
    formation.delete_stack(StackName="ours")

    assert created["AlarmArn"] == outputs["Alarm"]
    assert (created["Threshold"], created["TreatMissingData"]) == (1, "notBreaching")
    assert created["AlarmActions"] == created["OKActions"] == [outputs["Topic"]]
    assert (updated["AlarmName"], updated["Threshold"]) == (created["AlarmName"], 3)
    assert topic["DisplayName"] == "Operations"
    assert topic["KmsMasterKeyId"].endswith(outputs["Key"])
    assert json.loads(topic["Policy"]) == policy(PUBLISH)
    assert json.loads(key) == policy(OWNER, USE_KEY)
    assert subscription["Endpoint"].endswith(":heard")
    assert cloudwatch.describe_alarms()["MetricAlarms"] == sns.list_topics()["Topics"] == []
    assert sns.list_subscriptions()["Subscriptions"] == []


# --- what is counted


def test_a_record_in_embedded_metric_format_counts(sandbox: SandboxClient) -> None:
    """Each value of each metric, under its dimensions; what only looks like one is a record and no more."""
    logs = aws(sandbox, "logs")
    logs.create_log_group(logGroupName="records")
    logs.create_log_stream(logGroupName="records", logStreamName="one")
    now = int(time.time() * 1000)
    directive = {"Namespace": "Embedded", "Dimensions": [["service"]], "Metrics": [{"Name": "created"}, {"Name": "n"}]}
    good = {"_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]}, "service": "s", "created": [1, 2], "n": 7}
    records = [
        json.dumps(good),
        json.dumps(good | {"_aws": {"Timestamp": now}}),
        json.dumps({"_aws": good["_aws"], "created": 100}),
        '"_aws"',
        '{"_aws": ',
    ]
    events = [{"timestamp": now, "message": message} for message in records]
    logs.put_log_events(logGroupName="records", logStreamName="one", logEvents=events)
    assert statistics(sandbox, "Embedded", "created", service="s") == [3]
    assert statistics(sandbox, "Embedded", "n", service="s") == [7]
    assert len(logs.filter_log_events(logGroupName="records")["events"]) == len(records)


@pytest.fixture
def function(sandbox: SandboxClient) -> str:
    """A function that fails over what it is told to; its role may do nothing."""
    name = f"function-{uuid4().hex[:8]}"
    code = "def handler(event, context):\n    return 1 / event.get('by', 0)\n"
    aws(sandbox, "lambda").create_function(
        FunctionName=name,
        Runtime="python3.14",
        Handler="app.handler",
        Role=role(sandbox, name, "lambda"),
        Code={"ZipFile": package(code)},
        Timeout=60,
    )
    return name


def test_invocations_errors_and_throttles_of_a_function_count(sandbox: SandboxClient, function: str) -> None:
    """Each attempt, whoever makes it; a throttle is neither an invocation nor an error."""
    awslambda = aws(sandbox, "lambda")
    awslambda.invoke(FunctionName=function, Payload=b'{"by": 2}')
    awslambda.invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")
    sandbox.wait_until_idle()
    awslambda.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(awslambda.exceptions.TooManyRequestsException):
        awslambda.invoke(FunctionName=function)

    def counted(name: str) -> list[float]:
        return statistics(sandbox, "AWS/Lambda", name, FunctionName=function)

    assert [counted(name) for name in ("Invocations", "Errors", "Throttles")] == [[4], [3], [1]]
    assert counted("Duration")[0] > 0


def test_an_event_that_lambda_cannot_keep_counts(sandbox: SandboxClient, function: str) -> None:
    """The function has a dead-letter queue to which its role may not send."""
    sqs, awslambda = aws(sandbox, "sqs"), aws(sandbox, "lambda")
    sqs.create_queue(QueueName=function)
    queue = f"arn:aws:sqs:{PLACE}:{function}"
    awslambda.update_function_configuration(FunctionName=function, DeadLetterConfig={"TargetArn": queue})
    awslambda.invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")
    sandbox.wait_until_idle()
    assert statistics(sandbox, "AWS/Lambda", "DeadLetterErrors", FunctionName=function) == [1]


@pytest.mark.parametrize(
    ("bus", "queue", "counted"),
    [
        (None, "open", {"InvocationsSentToDlq"}),
        (None, None, {"FailedInvocations"}),
        ("hub", "closed", {"FailedInvocations", "InvocationsFailedToBeSentToDlq"}),
    ],
)
def test_what_a_rule_cannot_deliver_counts(
    sandbox: SandboxClient, bus: str | None, queue: str | None, counted: set[str]
) -> None:
    """Kept or lost; of a bus of one's own, the metrics name the bus."""
    events, sqs, rule = (
        aws(sandbox, "events"),
        aws(sandbox, "sqs"),
        f"rule-{uuid4().hex[:8]}",
    )
    there = {} if bus is None else {"EventBusName": bus}
    if bus:
        events.create_event_bus(Name=bus)
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}), **there)
    target: Json = {"Id": "gone", "Arn": f"arn:aws:lambda:{PLACE}:function:gone"}
    if queue:
        allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        attributes = {"Policy": json.dumps(policy(allowed))} if queue == "open" else {}
        sqs.create_queue(QueueName=rule, Attributes=attributes)
        target["DeadLetterConfig"] = {"Arn": f"arn:aws:sqs:{PLACE}:{rule}"}
    events.put_targets(Rule=rule, Targets=[target], **there)
    events.put_events(Entries=[{"Source": rule, "DetailType": "t", "Detail": "{}", **there}])
    sandbox.wait_until_idle()
    names = {"Invocations", "FailedInvocations", "InvocationsSentToDlq", "InvocationsFailedToBeSentToDlq"}
    found = {name: statistics(sandbox, "AWS/Events", name, RuleName=rule, **there) for name in names}
    assert found == {name: [1] if name in counted | {"Invocations"} else [] for name in names}


def test_the_ends_of_executions_count(sandbox: SandboxClient) -> None:
    """By how they ended."""
    steps = aws(sandbox, "stepfunctions")
    choice = {"Variable": "$.fail", "BooleanEquals": True, "Next": "No"}
    states = {
        "Which": {"Type": "Choice", "Choices": [choice], "Default": "Yes"},
        "Yes": {"Type": "Succeed"},
        "No": {"Type": "Fail"},
    }
    machine = steps.create_state_machine(
        name="counted",
        definition=json.dumps({"StartAt": "Which", "States": states}),
        roleArn=role(sandbox, "machine", "states"),
    )["stateMachineArn"]
    for fail in (True, False, True):
        steps.start_execution(stateMachineArn=machine, input=json.dumps({"fail": fail}))
    sandbox.wait_until_idle()

    def counted(name: str) -> list[float]:
        return statistics(sandbox, "AWS/States", name, StateMachineArn=machine)

    names = ("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsAborted")
    assert [counted(name) for name in names] == [[3], [1], [2], []]
