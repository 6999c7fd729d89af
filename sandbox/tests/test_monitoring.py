"""CloudWatch in the sandbox: what is counted, when an alarm goes off, and who hears of it."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config

from embedded_aws.client import SandboxClient, SandboxError, SandboxProcess
from embedded_aws.monitoring.expressions import UnsupportedExpressionError, evaluate
from lambda_functions import archive
from waiting import LIMIT_SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

ACCOUNT, REGION = "860987654321", "eu-north-1"
PLACE = f"{REGION}:{ACCOUNT}"
OURS = {"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{PLACE}:*"}}
CLOUDWATCH = {"Service": "cloudwatch.amazonaws.com"}
PUBLISH = {"Effect": "Allow", "Principal": CLOUDWATCH, "Action": "sns:Publish", "Resource": "*", "Condition": OURS}
USE_KEY = PUBLISH | {"Action": ["kms:Decrypt", "kms:GenerateDataKey*"]}
OWNER = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "*", "Resource": "*"}
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxClient]:
    """A sandbox of this file's own."""
    options = ["--account", ACCOUNT, "--region", REGION, "--pace", "0.001"]
    with SandboxProcess(options=options) as client:
        yield client


@pytest.fixture
def region(sandbox: SandboxClient) -> Iterator[str]:
    """A region that no other test uses, so that each has the alarms to itself."""
    taken = _regions.pop()
    yield taken
    for alarm in client(sandbox, "cloudwatch", taken).describe_alarms()["MetricAlarms"]:
        client(sandbox, "cloudwatch", taken).delete_alarms(AlarmNames=[alarm["AlarmName"]])


_regions = ["us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-west-2", "eu-central-1", "ap-northeast-1"]


@cache
def session() -> Any:  # noqa: ANN401 - which makes clients of any service
    """An operator's; it keeps the API models, which cost most of what a client does."""
    return boto3.Session(aws_access_key_id="x", aws_secret_access_key="x")  # noqa: S106 - not checked


@cache
def client(sandbox: SandboxClient, service: str, region: str = REGION) -> Any:  # noqa: ANN401 - of any service
    """A client that tries once."""
    config = Config(retries={"total_max_attempts": 1}, read_timeout=LIMIT_SECONDS)
    return session().client(service, region_name=region, endpoint_url=sandbox.endpoint, config=config)


def document(*statements: Json) -> Json:
    """A policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def measure(sandbox: SandboxClient, region: str, name: str, *values: float, at: datetime, **more: object) -> None:
    """Put data points of a metric at one moment."""
    data = [{"MetricName": name, "Value": value, "Timestamp": at, **more} for value in values]
    client(sandbox, "cloudwatch", region).put_metric_data(Namespace="Tests", MetricData=data)


def watch(sandbox: SandboxClient, region: str, name: str, **given: object) -> None:
    """Make an alarm on the metric of its name: a minute's sum of 1 or more is bad."""
    defaults: dict[str, object] = {"EvaluationPeriods": 1, "Threshold": 1}
    defaults |= {"ComparisonOperator": "GreaterThanOrEqualToThreshold"}
    if "Metrics" not in given:
        defaults |= {"Namespace": "Tests", "MetricName": name, "Statistic": "Sum", "Period": 60}
    client(sandbox, "cloudwatch", region).put_metric_alarm(AlarmName=name, **(defaults | given))


def statistics(sandbox: SandboxClient, namespace: str, name: str, **dimensions: str) -> list[float]:
    """The values of the data points of a metric in the last hour."""
    now = datetime.now(UTC)
    found = client(sandbox, "cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=7200,
        Statistics=["Sum"],
    )
    return [point["Sum"] for point in found["Datapoints"]]


# --- when an alarm goes off


STATES = {
    # The tables of the user guide, "Configuring how CloudWatch alarms treat missing data", as far as the periods that
    # are evaluated tell: oldest first, 0 is within the threshold, X beyond it, - missing.
    ("0X-", 3): ("OK", "OK", "OK", "OK"),
    ("--0", 3): ("OK", "OK", "OK", "OK"),
    ("---", 3): ("INSUFFICIENT_DATA", "INSUFFICIENT_DATA", "ALARM", "OK"),
    ("XXX", 3): ("ALARM", "ALARM", "ALARM", "ALARM"),
    ("X--", 3): ("ALARM", "INSUFFICIENT_DATA", "ALARM", "OK"),
    ("XX0", 2): ("ALARM", "ALARM", "ALARM", "ALARM"),
    ("X0X", 2): ("ALARM", "ALARM", "ALARM", "ALARM"),
    ("0X-", 2): ("OK", "OK", "ALARM", "OK"),
    ("--0", 2): ("OK", "OK", "ALARM", "OK"),
    ("--X", 1): ("ALARM", "ALARM", "ALARM", "ALARM"),
}
"""By the data points and how many must be bad: the state with missing data treated as each of these."""
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def test_the_state_follows_the_data_and_what_is_thought_of_missing_ones(sandbox: SandboxClient, region: str) -> None:
    """As CloudWatch's own tables have it; a new alarm has no data yet, which "ignore" keeps."""
    expected = {}
    for number, ((points, needed), states) in enumerate(STATES.items()):
        for treatment, state in zip(TREATMENTS, states, strict=True):
            name = f"{number}-{treatment}"
            expected[name] = state
            watch(
                sandbox,
                region,
                name,
                EvaluationPeriods=len(points),
                DatapointsToAlarm=needed,
                TreatMissingData=treatment,
            )
            for age, point in enumerate(reversed(points)):
                if point != "-":
                    measure(sandbox, region, name, float(point == "X"), at=NOON - timedelta(minutes=age, seconds=30))
    assert sandbox.evaluate_alarms(at=NOON, region=region) == expected
    described = client(sandbox, "cloudwatch", region).describe_alarms()["MetricAlarms"]
    assert {alarm["AlarmName"]: alarm["StateValue"] for alarm in described} == expected


@pytest.mark.parametrize(
    ("statistic", "value"), [("Sum", 6), ("Average", 2), ("Minimum", 1), ("Maximum", 3), ("SampleCount", 3)]
)
def test_each_statistic_is_that_of_one_metric_in_one_period(
    sandbox: SandboxClient, statistic: str, value: float
) -> None:
    """Neither another dimension's nor another period's data count; each comparison tells the value from its sides."""
    name = f"measured-{statistic}"
    ours, others = ([{"Name": "service", "Value": each}] for each in ("ours", "others"))
    measure(sandbox, REGION, name, 1, 2, 3, at=NOON, Dimensions=ours)
    measure(sandbox, REGION, name, 100, at=NOON, Dimensions=others)
    measure(sandbox, REGION, name, 100, at=NOON)
    measure(sandbox, REGION, name, 100, at=NOON - timedelta(seconds=61), Dimensions=ours)
    measure(sandbox, REGION, name, 100, at=NOON + timedelta(seconds=1), Dimensions=ours)
    at_least, above = "GreaterThanOrEqualToThreshold", "GreaterThanThreshold"
    at_most, below = "LessThanOrEqualToThreshold", "LessThanThreshold"
    for operator in (at_least, above, at_most, below):
        watch(
            sandbox,
            REGION,
            f"{name}-{operator}",
            MetricName=name,
            Statistic=statistic,
            Dimensions=ours,
            Threshold=value,
            ComparisonOperator=operator,
        )
    states = sandbox.evaluate_alarms(at=NOON)
    bad = {operator for operator in (at_least, above, at_most, below) if states[f"{name}-{operator}"] == "ALARM"}
    assert bad == {at_least, at_most}


def query(name: str) -> Json:
    """One metric of a metric math alarm, under its own name."""
    stat = {"Metric": {"Namespace": "Tests", "MetricName": name}, "Period": 60, "Stat": "Sum"}
    return {"Id": name, "MetricStat": stat, "ReturnData": False}


def test_an_alarm_may_watch_an_expression(sandbox: SandboxClient, region: str) -> None:
    """What is missing of one metric does not hide the other, if it is filled."""
    measure(sandbox, region, "lost", 2, at=NOON)
    for name, expression in {"filled": "FILL(lost, 0) + FILL(buried, 0)", "open": "lost + buried"}.items():
        result = {"Id": "result", "Expression": expression, "ReturnData": True}
        watch(sandbox, region, name, Threshold=2, Metrics=[query("lost"), query("buried"), result])
    assert sandbox.evaluate_alarms(at=NOON, region=region) == {"filled": "ALARM", "open": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    "given",
    [
        {"Metrics": [query("lost"), {"Id": "e", "Expression": "ANOMALY_DETECTION_BAND(lost)", "ReturnData": True}]},
        {"ComparisonOperator": "GreaterThanUpperThreshold"},
    ],
    ids=["expression", "comparison"],
)
def test_what_the_sandbox_cannot_evaluate_is_refused_by_name(
    sandbox: SandboxClient, region: str, given: dict[str, object]
) -> None:
    """Rather than being all right for ever."""
    watch(sandbox, region, "beyond", **given)
    with pytest.raises(SandboxError, match="beyond: the sandbox does not know"):
        sandbox.evaluate_alarms(region=region)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", [4.0, None, None]),
        ("100 * a / b", [300.0, None, None]),
        ("FILL(a, 0) - FILL(b, 2)", [2.0, 0.0, -2.0]),
        ("a / (a - a)", [None, None, None]),
    ],
)
def test_an_expression_has_a_value_where_its_metrics_do(expression: str, expected: list[float | None]) -> None:
    """None where one is missing, or where it divides by zero."""
    assert evaluate(expression, {"a": [3.0, 2.0, None], "b": [1.0, None, None]}, periods=3) == expected


@pytest.mark.parametrize("expression", ["METRICS()", "a ** 2", "unknown + 1", "FILL(a, REPEAT)", "a +", "'a'"])
def test_an_expression_beyond_that_is_refused(expression: str) -> None:
    """None is guessed at, and nothing is run."""
    with pytest.raises(UnsupportedExpressionError):
        evaluate(expression, {"a": [1.0]}, periods=1)


@pytest.mark.parametrize("at", ["2026-03-04T12:00:00", "noon", 12])
def test_a_moment_has_its_zone(sandbox: SandboxClient, at: object) -> None:
    """Otherwise it is refused, and no alarm changes."""
    with pytest.raises(SandboxError, match="at must be a time with its zone"):
        sandbox._ask("POST", "alarms", {"at": at})  # noqa: SLF001 - the client takes no such thing


# --- who hears of it


def a_template(*, threshold: int = 1, said: str = "Ops") -> str:
    """An alarm, and an encrypted topic that it tells, to which a queue has subscribed."""
    arn = {"Fn::GetAtt": ["Key", "Arn"]}
    resources = {
        "Key": ("KMS::Key", {"KeyPolicy": document(OWNER, USE_KEY), "EnableKeyRotation": True}),
        "Topic": ("SNS::Topic", {"DisplayName": said, "KmsMasterKeyId": arn}),
        "TopicPolicy": ("SNS::TopicPolicy", {"Topics": [{"Ref": "Topic"}], "PolicyDocument": document(PUBLISH)}),
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
    outputs = {
        "Topic": {"Ref": "Topic"},
        "Key": {"Ref": "Key"},
        "Alarm": {"Fn::GetAtt": ["Alarm", "Arn"]},
        "Queue": {"Ref": "Heard"},
    }
    return json.dumps(
        {
            "Resources": {
                name: {"Type": f"AWS::{kind}", "Properties": properties}
                for name, (kind, properties) in resources.items()
            },
            "Outputs": {name: {"Value": value} for name, value in outputs.items()},
        }
    )


_minutes = count()


class Watched:
    """The stack, and what its queue hears."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox
        self.formation = client(sandbox, "cloudformation")
        self.formation.create_stack(StackName="ours", TemplateBody=a_template())
        (stack,) = self.formation.describe_stacks(StackName="ours")["Stacks"]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def state(self, value: float = 0) -> str:
        """The alarm's state after another minute in which the metric had this value."""
        at = NOON + timedelta(minutes=2 * next(_minutes))
        measure(self.sandbox, REGION, "told", value, at=at)
        return self.sandbox.evaluate_alarms(at=at)["ours"]

    def heard(self) -> list[Json]:
        """The messages since the last call."""
        sqs = client(self.sandbox, "sqs")
        found: list[Json] = []
        while batch := sqs.receive_message(QueueUrl=self.outputs["Queue"], MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                sqs.delete_message(QueueUrl=self.outputs["Queue"], ReceiptHandle=message["ReceiptHandle"])
                body = json.loads(message["Body"])
                found.append({"Subject": body["Subject"], **json.loads(body["Message"])})
        return found


@pytest.fixture
def watched(sandbox: SandboxClient) -> Iterator[Watched]:
    """The stack, deployed for one test."""
    made = Watched(sandbox)
    yield made
    made.formation.delete_stack(StackName="ours")


def test_a_change_is_told_once_and_so_is_the_end_of_it(watched: Watched) -> None:
    """What it says names the alarm, what it was and what it is."""
    assert watched.state(0) == "OK"
    watched.heard()
    assert [watched.state(5), watched.state(5)] == ["ALARM", "ALARM"]
    (told,) = watched.heard()
    assert told["Subject"] == f'ALARM: "ours" in {REGION}'
    assert {key: told[key] for key in ("AlarmName", "AlarmArn", "AlarmDescription", "AWSAccountId")} == {
        "AlarmName": "ours",
        "AlarmArn": watched.outputs["Alarm"],
        "AlarmDescription": "read on there",
        "AWSAccountId": ACCOUNT,
    }
    assert (told["OldStateValue"], told["NewStateValue"]) == ("OK", "ALARM")
    assert watched.state(0) == "OK"
    assert [each["NewStateValue"] for each in watched.heard()] == ["OK"]


def test_an_update_keeps_state_and_subscribers_and_a_deletion_leaves_nothing(watched: Watched) -> None:
    """The alarm's threshold and the topic's name are new; neither is a new one."""
    assert watched.state(5) == "ALARM"
    watched.heard()
    watched.formation.update_stack(StackName="ours", TemplateBody=a_template(threshold=3, said="Operations"))
    assert watched.state(5) == "ALARM"
    assert watched.heard() == []
    assert watched.state(2) == "OK"
    assert [each["NewStateValue"] for each in watched.heard()] == ["OK"]
    sns = client(watched.sandbox, "sns")
    attributes = sns.get_topic_attributes(TopicArn=watched.outputs["Topic"])["Attributes"]
    assert attributes["DisplayName"] == "Operations"
    assert attributes["KmsMasterKeyId"].endswith(watched.outputs["Key"])
    watched.formation.delete_stack(StackName="ours")
    assert "ours" not in watched.sandbox.evaluate_alarms(at=NOON)
    assert sns.list_topics()["Topics"] == sns.list_subscriptions()["Subscriptions"] == []


@pytest.mark.parametrize("closed", ["topic", "key", "elsewhere"])
def test_nobody_hears_of_it_where_topic_or_key_does_not_let_cloudwatch(watched: Watched, closed: str) -> None:
    """The alarm is in ALARM all the same: that is how such silence looks in AWS."""
    assert watched.state(0) == "OK"
    watched.heard()
    if closed == "key":
        client(watched.sandbox, "kms").put_key_policy(
            KeyId=watched.outputs["Key"], PolicyName="default", Policy=json.dumps(document(OWNER))
        )
    else:
        others = {"StringEquals": {"aws:SourceAccount": "111122223333"}}
        policy = document(OWNER) if closed == "topic" else document(PUBLISH | {"Condition": others})
        client(watched.sandbox, "sns").set_topic_attributes(
            TopicArn=watched.outputs["Topic"], AttributeName="Policy", AttributeValue=json.dumps(policy)
        )
    assert watched.state(5) == "ALARM"
    assert watched.heard() == []


# --- what is counted


def test_a_record_in_embedded_metric_format_counts(sandbox: SandboxClient) -> None:
    """Each value of each metric, under its dimensions; what only looks like one is a record and no more."""
    logs = client(sandbox, "logs")
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
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    name = f"function-{uuid4().hex[:8]}"
    role = client(sandbox, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(document(trust)))
    code = "def handler(event, context):\n    return 1 / event.get('by', 0)\n"
    client(sandbox, "lambda").create_function(
        FunctionName=name,
        Runtime="python3.14",
        Handler="app.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": base64.b64decode(archive(code))},
        Timeout=60,
    )
    return name


def test_invocations_errors_and_throttles_of_a_function_count(sandbox: SandboxClient, function: str) -> None:
    """Each attempt, whoever makes it; a throttle is neither an invocation nor an error."""
    awslambda = client(sandbox, "lambda")
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
    sqs, awslambda = client(sandbox, "sqs"), client(sandbox, "lambda")
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
    events, sqs, rule = client(sandbox, "events"), client(sandbox, "sqs"), f"rule-{uuid4().hex[:8]}"
    there = {} if bus is None else {"EventBusName": bus}
    if bus:
        events.create_event_bus(Name=bus)
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}), **there)
    target: Json = {"Id": "gone", "Arn": f"arn:aws:lambda:{PLACE}:function:gone"}
    if queue:
        allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        attributes = {"Policy": json.dumps(document(allowed))} if queue == "open" else {}
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
    steps = client(sandbox, "stepfunctions")
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = client(sandbox, "iam").create_role(RoleName="machine", AssumeRolePolicyDocument=json.dumps(document(trust)))
    choice = {"Variable": "$.fail", "BooleanEquals": True, "Next": "No"}
    states = {
        "Which": {"Type": "Choice", "Choices": [choice], "Default": "Yes"},
        "Yes": {"Type": "Succeed"},
        "No": {"Type": "Fail"},
    }
    machine = steps.create_state_machine(
        name="counted",
        definition=json.dumps({"StartAt": "Which", "States": states}),
        roleArn=role["Role"]["Arn"],
    )["stateMachineArn"]
    for fail in (True, False, True):
        steps.start_execution(stateMachineArn=machine, input=json.dumps({"fail": fail}))
    sandbox.wait_until_idle()

    def counted(name: str) -> list[float]:
        return statistics(sandbox, "AWS/States", name, StateMachineArn=machine)

    names = ("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsAborted")
    assert [counted(name) for name in names] == [[3], [1], [2], []]


def test_the_length_of_a_queue_is_that_of_the_moment(sandbox: SandboxClient, region: str) -> None:
    """It is measured with each look at the alarms."""
    sqs = client(sandbox, "sqs", region)
    url = sqs.create_queue(QueueName="letters")["QueueUrl"]
    watch(
        sandbox,
        region,
        "letters",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "letters"}],
        Statistic="Maximum",
    )
    now = datetime.now(UTC)
    assert sandbox.evaluate_alarms(at=now, region=region) == {"letters": "OK"}
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert sandbox.evaluate_alarms(at=now + timedelta(minutes=1), region=region) == {"letters": "ALARM"}
    sqs.purge_queue(QueueUrl=url)
    until(lambda: sandbox.evaluate_alarms(at=now + timedelta(minutes=3), region=region) == {"letters": "OK"})
