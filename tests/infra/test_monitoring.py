"""Alarms, dashboard and saved queries: what they ask for is what the code says, and the page says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.alarms import PAGE, silence_hours
from infra.schedules import longest_gap_hours
from profiling_groups.metric_names import DIMENSION, EVERY, NAMESPACE, SERVICE, BackfillMetric
from profiling_groups.outcomes import LogType
from tests.infra.templates import text
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
Metric = tuple[str, str, dict[str, str]]

ROOT = Path(__file__).resolve().parents[2]

OWNERS = {
    ("AWS/Lambda", "FunctionName"): "AWS::Lambda::Function",
    ("AWS/SQS", "QueueName"): "AWS::SQS::Queue",
    ("AWS/Events", "RuleName"): "AWS::Events::Rule",
    ("AWS/States", "StateMachineArn"): "AWS::StepFunctions::StateMachine",
}
"""What AWS counts for which resources, and by which dimension it tells them apart."""
AWS_COUNTS = {
    "AWS/Lambda": {
        "AsyncEventAge",
        "ConcurrentExecutions",
        "DeadLetterErrors",
        "Duration",
        "Errors",
        "Invocations",
        "Throttles",
    },
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
    "AWS/Events": {
        "FailedInvocations",
        "Invocations",
        "InvocationsFailedToBeSentToDlq",
        "InvocationsSentToDlq",
    },
    "AWS/States": {"ExecutionsFailed", "ExecutionsStarted", "ExecutionsSucceeded"},
}
"""The services' own pages on their metrics, as far as they are shown here."""


def of_type(template: Json, kind: str) -> list[Json]:
    """Return the properties of each resource of a type."""
    return [each["Properties"] for each in template["Resources"].values() if each["Type"] == kind]


def alarms(template: Json) -> dict[str, Json]:
    """Return the alarms by their names, without the stack's."""
    found = {text(each["AlarmName"]): each for each in of_type(template, "AWS::CloudWatch::Alarm")}
    return {name.removeprefix("<AWS::StackName>-"): each for name, each in found.items()}


def alarmed_on(alarm: Json) -> Iterator[Metric]:
    """Yield the metrics that an alarm watches."""
    asked = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    for metric in asked or [alarm]:
        dimensions = {each["Name"]: reference(each["Value"]) for each in metric["Dimensions"]}
        yield metric["Namespace"], metric["MetricName"], dimensions


def reference(value: Any) -> str:  # noqa: ANN401 - what stands in a template's JSON
    """Return the logical id that a value refers to; itself, where it is none."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            return name
    return str(value)


def shown(template: Json) -> Iterator[Metric]:
    """Yield the metrics on the dashboard."""
    (board,) = of_type(template, "AWS::CloudWatch::Dashboard")
    _, parts = board["DashboardBody"]["Fn::Join"]
    body = json.loads("".join(part if isinstance(part, str) else reference(part) for part in parts))
    for widget in body["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if isinstance(metric[0], str):
                namespace, name, *pairs = (each for each in metric if isinstance(each, str))
                yield namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True))


def test_what_the_code_counts_is_shown_and_nothing_else_of_it(template: Json) -> None:
    """Each name, under the one dimension that the code counts under."""
    ours = [(name, dimensions) for namespace, name, dimensions in shown(template) if namespace == NAMESPACE]
    # There are no members.
    assert {name for name, _ in ours} == set(EVERY) - {BackfillMetric.MEMBER_DEAD_LETTERS}
    watched = [metric for alarm in alarms(template).values() for metric in alarmed_on(alarm)]
    ours += [(name, dimensions) for namespace, name, dimensions in watched if namespace == NAMESPACE]
    assert {name for name, _ in ours} <= set(EVERY)
    assert all(dimensions == {DIMENSION: SERVICE} for _, dimensions in ours)


def test_whatever_else_is_shown_or_alarmed_on_is_awss_own_of_a_resource_of_the_stack(template: Json) -> None:
    """Under the dimension that the service counts it by."""
    everything = [*shown(template), *(metric for alarm in alarms(template).values() for metric in alarmed_on(alarm))]
    theirs = [metric for metric in everything if metric[0] != NAMESPACE]
    assert {namespace for namespace, _, _ in theirs} == set(AWS_COUNTS)
    for namespace, name, dimensions in theirs:
        assert name in AWS_COUNTS[namespace]
        ((dimension, owner),) = dimensions.items()
        assert template["Resources"][owner]["Type"] == OWNERS[namespace, dimension]


def test_the_alarms_are_those_that_are_promised(template: Json) -> None:
    """Whoever subscribes filters by these names."""
    assert set(alarms(template)) == {
        "dead-letters",
        "events-lost",
        "provisioner-errors",
        "backfill-errors",
        "provisioner-throttles",
        "backfill-throttles",
        "sweep-failed",
        "functions-failed",
        "quota",
        "silence",
    }


def test_every_alarm_tells_the_topic_and_names_its_section_of_the_page(template: Json) -> None:
    """When it goes off and when it is over; and each section is an alarm's."""
    ours = alarms(template)
    for name, alarm in ours.items():
        for actions in (alarm["AlarmActions"], alarm["OKActions"]):
            (topic,) = map(reference, actions)
            assert template["Resources"][topic]["Type"] == "AWS::SNS::Topic"
        assert alarm["AlarmDescription"].endswith(f"{PAGE}#{name}")
        assert "ActionsEnabled" not in alarm
    headings = re.findall(r"^## (.*)$", (ROOT / PAGE).read_text(), re.MULTILINE)
    assert headings == [*ours, "accounts-unreachable", "member-dead-letters"]


def test_failed_functions_are_an_alarm_until_the_next_backfill(template: Json) -> None:
    """On the metric, and under the dimension, that the code counts; a backfill may well succeed with them."""
    alarm = alarms(template)["functions-failed"]
    assert list(alarmed_on(alarm)) == [(NAMESPACE, "backfill.failed", {DIMENSION: SERVICE})]
    assert (alarm["Statistic"], alarm["Threshold"], alarm["ComparisonOperator"]) == (
        "Maximum",
        1,
        "GreaterThanOrEqualToThreshold",
    )
    # A day, and as much as a backfill may be late.
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (3600, 26, 1)
    assert alarm["TreatMissingData"] == "notBreaching"


def test_the_page_about_dead_letters_is_named_where_it_is_needed() -> None:
    """In that alarm's section."""
    section = (ROOT / PAGE).read_text().split("## dead-letters\n")[1].split("\n## ")[0]
    assert "(replay.md)" in section


def test_nothing_but_this_stacks_alarms_may_publish_and_the_key_is_its_own(template: Json) -> None:
    """CloudWatch cannot use the key that AWS keeps for SNS."""
    (topic,) = of_type(template, "AWS::SNS::Topic")
    (key,) = of_type(template, "AWS::KMS::Key")
    assert template["Resources"][reference(topic["KmsMasterKeyId"])]["Properties"] is key
    (policy,) = of_type(template, "AWS::SNS::TopicPolicy")
    statements = [*policy["PolicyDocument"]["Statement"], *key["KeyPolicy"]["Statement"]]
    ours = [each for each in statements if each["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
    assert sorted(str(each["Action"]) for each in ours) == ["['kms:Decrypt', 'kms:GenerateDataKey*']", "sns:Publish"]
    for each in ours:
        assert text(each["Condition"]["ArnLike"]["aws:SourceArn"]).endswith(":alarm:<AWS::StackName>-*")
        assert text(each["Condition"]["StringEquals"]["aws:SourceAccount"]) == "<AWS::AccountId>"
    assert of_type(template, "AWS::SNS::Subscription") == []


def test_saved_queries_filter_on_the_kinds_of_records_that_the_code_writes(template: Json) -> None:
    """Each kind is asked about by one at least, in log groups of the stack."""
    kinds = set()
    for query in of_type(template, "AWS::Logs::QueryDefinition"):
        (kind,) = re.findall(r'filter log_type = "(\w+)"', query["QueryString"])
        kinds.add(kind)
        assert query["LogGroupNames"]
        for group in map(reference, query["LogGroupNames"]):
            assert template["Resources"][group]["Type"] == "AWS::Logs::LogGroup"
    assert kinds == set(map(str, LogType))


def test_silence_is_two_periods_of_the_schedule_that_ships(template: Json) -> None:
    """What is missing is bad: who has stopped counts nothing."""
    silence = alarms(template)["silence"]
    assert silence["EvaluationPeriods"] == silence["DatapointsToAlarm"] == 48
    assert (silence["Period"], silence["Statistic"], silence["Threshold"]) == (3600, "SampleCount", 1)
    assert silence["ComparisonOperator"] == "LessThanThreshold"
    assert silence["TreatMissingData"] == "breaching"


@pytest.mark.parametrize(
    ("schedule", "gap", "silent"),
    [
        ("rate(1 hour)", 1, 2),
        ("rate(12 hours)", 12, 24),
        ("rate(1 day)", 24, 48),
        ("rate(5 days)", 120, 168),
        ("rate(7 days)", 168, None),
        ("cron(0 3 * * ? *)", 24, 48),
        ("cron(0 3 ? * MON-FRI *)", 72, 144),
        ("cron(0 3 ? * 2,5 *)", 96, 168),
        ("cron(0 3 ? * SUN *)", 168, None),
        ("cron(0 3 ? * FRI-MON *)", 96, 168),
        ("cron(0 3 1 * ? *)", None, None),
    ],
)
def test_silence_follows_the_schedule_as_far_as_an_alarm_looks_back(
    schedule: str, gap: int | None, silent: int | None
) -> None:
    """A week; where even one period and the time that a sweep may be late is longer, there is no such alarm."""
    assert (longest_gap_hours(schedule), silence_hours(schedule)) == (gap, silent)


def test_without_a_schedule_nothing_is_silent_and_an_address_is_subscribed(tmp_path: Path) -> None:
    """The settings as they are given."""
    synthesize(tmp_path, region="eu-west-1", backfill_schedule="null", alarm_email="ops@example.com")
    template: Json = json.loads((tmp_path / "ProfilingGroups.template.json").read_text())
    assert "silence" not in alarms(template)
    (subscription,) = of_type(template, "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.com")
