"""Groups that are kept in step with their functions by the events of the deployed stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.deployment import created_for

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment


def test_a_group_keeps_in_step_with_its_functions_tags(deployment: Deployment) -> None:
    """A new value, a new key, a key that goes; what only the group has is somebody's own, and what we add stays."""
    name = deployment.create_function(Tags={"team": "shop", "cost-center": "4711", "managed-by": "terraform"})
    group = f"aws-lambda-{name}"
    own = {"team": "shop", "cost-center": "4711", "managed-by": "terraform"}
    assert deployment.tags(group) == created_for(name) | own
    arn = deployment.account.profiler.describe_profiling_group(profilingGroupName=group)["profilingGroup"]["arn"]
    deployment.account.profiler.tag_resource(resourceArn=arn, tags={"reviewed": "yes"})
    deployment.tag(name, team="fulfilment", stage="live")
    deployment.untag(name, "cost-center", "managed-by", "reviewed-not")
    assert deployment.tags(group) == {"team": "fulfilment", "stage": "live", "reviewed": "yes"} | created_for(name)
    assert deployment.outcomes(name) == [("created", None), ("updated", None), ("updated", None)]


def test_opting_out_leaves_the_group_and_opting_in_takes_it_up_again(deployment: Deployment) -> None:
    """While it is out, its tags are its own affair."""
    name = deployment.create_function(Tags={"team": "shop"})
    deployment.tag(name, **{"codeguru-profiler": "Off"})
    deployment.tag(name, team="fulfilment")
    assert deployment.outcomes(name)[1:] == [("skipped", "opted_out")] * 2
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "shop"} | created_for(name)
    deployment.untag(name, "codeguru-profiler")
    assert deployment.outcomes(name)[3:] == [("updated", None)]
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "fulfilment"} | created_for(name)


def test_a_group_outlives_its_function_and_serves_the_next_of_that_name(deployment: Deployment) -> None:
    """The deletion is not even heard of."""
    name = deployment.create_function(Tags={"team": "shop"})
    deployment.delete_function(name)
    assert deployment.outcomes(name) == [("created", None)]
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "shop"} | created_for(name)
    deployment.create_function(name, Tags={"team": "fulfilment"})
    assert deployment.outcomes(name)[1:] == [("updated", None)]
    assert deployment.tags(f"aws-lambda-{name}") == {"team": "fulfilment"} | created_for(name)
