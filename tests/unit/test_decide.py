"""The decision table of the policy that ships."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profiling_groups.functions import FunctionArn, LambdaFunction
from profiling_groups.outcomes import Reason
from profiling_groups.policy import Policy, Provision, Skip, decide

FUNCTION = LambdaFunction(
    arn=FunctionArn(account="444455556666", region="eu-west-1", name="renderer"), runtime="python3.13"
)


def named(name: str) -> LambdaFunction:
    """Return the function under another name."""
    return replace(FUNCTION, arn=replace(FUNCTION.arn, name=name))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # runtime
        (replace(FUNCTION, runtime="python3.8"), "aws-lambda-renderer"),
        (replace(FUNCTION, runtime="python3.14"), "aws-lambda-renderer"),
        (replace(FUNCTION, runtime="java8.al2"), "aws-lambda-renderer"),
        (replace(FUNCTION, runtime="java21"), "aws-lambda-renderer"),
        (replace(FUNCTION, runtime=None), "aws-lambda-renderer"),
        (replace(FUNCTION, runtime="python2.7"), Reason.UNSUPPORTED_RUNTIME),
        (replace(FUNCTION, runtime="nodejs22.x"), Reason.UNSUPPORTED_RUNTIME),
        (replace(FUNCTION, runtime="provided.al2023"), Reason.UNSUPPORTED_RUNTIME),
        (replace(FUNCTION, runtime="dotnet8"), Reason.UNSUPPORTED_RUNTIME),
        (replace(FUNCTION, runtime="ruby3.3"), Reason.UNSUPPORTED_RUNTIME),
        # left alone by its owner
        (
            replace(FUNCTION, own_group="arn:aws:codeguru-profiler:eu-west-1:444455556666:profilingGroup/mine"),
            Reason.OWN_GROUP,
        ),
        (replace(FUNCTION, own_group="mine", tags={"codeguru-profiler": "off"}), Reason.OWN_GROUP),
        (replace(FUNCTION, tags={"codeguru-profiler": "off"}), Reason.OPTED_OUT),
        (replace(FUNCTION, tags={"codeguru-profiler": " Off "}), Reason.OPTED_OUT),
        (replace(FUNCTION, runtime=None, tags={"codeguru-profiler": "off"}), Reason.OPTED_OUT),
        (replace(FUNCTION, tags={"codeguru-profiler": "on"}), "aws-lambda-renderer"),
        (replace(FUNCTION, tags={"codeguru-profiler": ""}), "aws-lambda-renderer"),
        (replace(FUNCTION, tags={"CodeGuru-Profiler": "off"}), "aws-lambda-renderer"),
        (replace(FUNCTION, tags={"profiler": "off"}), "aws-lambda-renderer"),
        # names
        (named("us-east-1.renderer"), Reason.EDGE_REPLICA),
        (named("us-gov-west-1.renderer"), Reason.EDGE_REPLICA),
        (named("us-east-1-renderer"), "aws-lambda-us-east-1-renderer"),
        (replace(FUNCTION, arn=replace(FUNCTION.arn, region="sa-east-1")), Reason.REGION_UNSUPPORTED),
        (named("renderer.v2"), "aws-lambda-renderer-v2--16b3c1ac69ed3ce3"),
    ],
)
def test_a_function_gets_this_group_or_is_skipped_for_this_reason(function: LambdaFunction, expected: str) -> None:
    """The policy that ships, case by case."""
    match decide(function, Policy()):
        case Provision(group=group):
            assert group == expected
        case Skip(reason=reason):
            assert reason is expected


def test_a_group_inherits_every_tag_but_reserved_ones_and_is_marked_as_managed() -> None:
    """What is dropped is named."""
    tags = {"team": "billing", "aws:cloudformation:stack-name": "s", "odd": "a;b"}
    decision = decide(replace(FUNCTION, tags=tags), Policy())
    assert isinstance(decision, Provision)
    assert decision.tags.inherited == {"team": "billing"}
    assert decision.tags.added == {"managed-by": "profiling-group-provisioner"}
    assert {tag.key for tag in decision.dropped} == {"aws:cloudformation:stack-name", "odd"}


@pytest.mark.parametrize(
    ("policy", "function", "expected"),
    [
        (Policy(images=False), replace(FUNCTION, runtime=None), Reason.UNSUPPORTED_RUNTIME),
        (Policy(runtimes=("java*",)), FUNCTION, Reason.UNSUPPORTED_RUNTIME),
        (Policy(opt_out={"profile": ("no",)}), replace(FUNCTION, tags={"profile": "NO"}), Reason.OPTED_OUT),
        (Policy(opt_out={}), replace(FUNCTION, tags={"codeguru-profiler": "off"}), None),
    ],
)
def test_another_policy_decides_otherwise(policy: Policy, function: LambdaFunction, expected: Reason | None) -> None:
    """The decision follows from the policy that is passed in, not from the one that ships."""
    decision = decide(function, policy)
    assert (decision.reason if isinstance(decision, Skip) else None) is expected
