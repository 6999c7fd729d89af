"""CodeGuru Profiler: groups, tags and policies, as a boto3 client sees them."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.backends import get_backend

from embedded_aws.moto_services import register
from embedded_aws.moto_services.codeguruprofiler import codeguruprofiler_backends, models
from embedded_aws.moto_services.codeguruprofiler.models import ProfilingGroup

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
REGION = "eu-central-1"
ARN = f"arn:aws:codeguru-profiler:{REGION}:{ACCOUNT}:profilingGroup/checkout"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/checkout"
REVISION = "125820ee-98c7-4df9-8739-442ffad7b3a0"
AGENT = "agentPermissions"


def client_for(region: str = REGION, **keys: str) -> Any:  # noqa: ANN401 - its type is known to type checkers alone
    """Return a client that tries once."""
    config = Config(retries={"total_max_attempts": 1})
    untyped: Any = boto3.client
    return untyped("codeguruprofiler", region_name=region, config=config, **keys)


def create(client: Any, name: str = "checkout", **more: object) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Create a group and return it."""
    return dict(client.create_profiling_group(profilingGroupName=name, **more)["profilingGroup"])


def describe(client: Any, name: str = "checkout") -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return a group."""
    return dict(client.describe_profiling_group(profilingGroupName=name)["profilingGroup"])


def error_of(method: Callable[..., object], *args: object, **parameters: object) -> str:
    """Return the error code of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        method(*args, **parameters)
    return str(caught.value.response["Error"]["Code"])


@mock_aws
def test_create_describe_update_delete() -> None:
    """Only UpdateProfilingGroup changes `updatedAt`; tags, policies and agent calls do not."""
    client = client_for()
    created = create(client)
    assert (created["name"], created["arn"], created["computePlatform"]) == ("checkout", ARN, "Default")
    assert created["agentOrchestrationConfig"] == {"profilingEnabled": True}
    assert created["profilingStatus"] == created["tags"] == {}
    assert created["updatedAt"] == created["createdAt"]

    time.sleep(0.005)  # more than the precision of the timestamps
    client.tag_resource(resourceArn=ARN, tags={"team": "payments"})
    client.put_permission(profilingGroupName="checkout", actionGroup=AGENT, principals=[ROLE])
    client.configure_agent(profilingGroupName="checkout")
    assert describe(client)["updatedAt"] == created["createdAt"]
    updated = client.update_profiling_group(
        profilingGroupName="checkout", agentOrchestrationConfig={"profilingEnabled": False}
    )["profilingGroup"]
    assert updated["agentOrchestrationConfig"] == {"profilingEnabled": False}
    assert updated["updatedAt"] > updated["createdAt"] == created["createdAt"]
    assert describe(client) == updated

    # The name is free again; neither tags nor policy remain.
    client.delete_profiling_group(profilingGroupName="checkout")
    assert create(client)["tags"] == {}
    assert error_of(client.get_policy, profilingGroupName="checkout") == "ResourceNotFoundException"


@mock_aws
def test_create_existing_group_is_a_conflict() -> None:
    """With the same clientToken too; the group stays as it was."""
    client = client_for()
    first = create(client, clientToken="t", tags={"team": "payments"})
    for token in ("t", "u"):
        with pytest.raises(client.exceptions.ConflictException, match="checkout"):
            create(client, clientToken=token, tags={"team": "other"})
    assert describe(client) == first


@mock_aws
def test_quota() -> None:
    """500 by default. A new name beyond it fails with 402; an existing name is still a conflict."""
    client, backend = client_for(), codeguruprofiler_backends[ACCOUNT][REGION]
    assert backend.quota == 500
    backend.quota = 2
    for name in ("one", "two"):
        create(client, name)
    with pytest.raises(client.exceptions.ServiceQuotaExceededException, match="2 profiling groups") as caught:
        create(client, "three")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 402
    assert error_of(create, client, "two") == "ConflictException"
    client.delete_profiling_group(profilingGroupName="one")
    create(client, "three")
    assert client.list_profiling_groups()["profilingGroupNames"] == ["two", "three"]


@pytest.mark.parametrize(("names", "expected"), [(["checkout"] * 12, 1), (list("abcdefghijkl"), 5)])
@mock_aws
def test_concurrent_creation(monkeypatch: pytest.MonkeyPatch, names: list[str], expected: int) -> None:
    """Twelve at once: of one name one succeeds, of twelve names as many as the quota allows."""
    codeguruprofiler_backends[ACCOUNT][REGION].quota = 5
    client, barrier = client_for(), threading.Barrier(len(names))

    def slowly(**attributes: Any) -> ProfilingGroup:  # noqa: ANN401 - the dataclass's own
        time.sleep(0.03)  # without the lock, all would pass the checks meanwhile
        return ProfilingGroup(**attributes)

    def attempt(name: str) -> str:
        barrier.wait()
        try:
            create(client, name)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "created"

    monkeypatch.setattr(models, "ProfilingGroup", slowly)
    with ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(attempt, names))
    refused = "ConflictException" if expected == 1 else "ServiceQuotaExceededException"
    assert sorted(answers) == sorted(["created"] * expected + [refused] * (len(names) - expected))
    assert len(client.list_profiling_groups()["profilingGroupNames"]) == expected


@mock_aws
def test_agent_creates_its_group_and_gets_its_configuration() -> None:
    """As the agent does in Lambda: ask, find no group, create it, ask again."""
    client, name = client_for(), "aws-lambda-pay"
    assert error_of(client.configure_agent, profilingGroupName=name) == "ResourceNotFoundException"
    created = create(client, name, computePlatform="AWSLambda")
    assert (created["computePlatform"], created["tags"]) == ("AWSLambda", {})
    answer = client.configure_agent(profilingGroupName=name, metadata={"ComputePlatform": "AWSLambda"})
    assert answer["configuration"] == {"shouldProfile": True, "periodInSeconds": 300, "agentParameters": {}}
    assert describe(client, name)["profilingStatus"]["latestAgentOrchestratedAt"] >= created["createdAt"]
    client.update_profiling_group(profilingGroupName=name, agentOrchestrationConfig={"profilingEnabled": False})
    assert client.configure_agent(profilingGroupName=name)["configuration"]["shouldProfile"] is False


@mock_aws
def test_accounts_and_regions_are_separate() -> None:
    """An ARN is known in its own account, region and partition only."""
    role = boto3.client("sts", region_name=REGION).assume_role(
        RoleArn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/provisioner", RoleSessionName="test"
    )["Credentials"]
    keys = {
        "aws_access_key_id": role["AccessKeyId"],
        "aws_secret_access_key": role["SecretAccessKey"],
        "aws_session_token": role["SessionToken"],
    }
    client = client_for()
    for each, arn in (
        (client, ARN),
        (client_for(**keys), ARN.replace(ACCOUNT, OTHER_ACCOUNT)),
        (client_for("us-west-2"), ARN.replace(REGION, "us-west-2")),
        (client_for("cn-north-1"), ARN.replace(REGION, "cn-north-1").replace("arn:aws:", "arn:aws-cn:")),
    ):
        assert each.list_profiling_groups()["profilingGroupNames"] == []
        assert create(each)["arn"] == arn
        each.tag_resource(resourceArn=arn, tags={"from": arn})
        if each is not client:
            assert error_of(each.list_tags_for_resource, resourceArn=ARN) == "ResourceNotFoundException"
    assert client.list_tags_for_resource(resourceArn=ARN)["tags"] == {"from": ARN}


@pytest.mark.parametrize("described", [False, True], ids=["names", "descriptions"])
@pytest.mark.parametrize(("size", "pages"), [(1, 23), (7, 4), (23, 1), (1000, 1), (None, 1)])
@mock_aws
def test_list_pages_contain_each_group_once(*, size: int | None, pages: int, described: bool) -> None:
    """Whatever the page size; the last page has no token, even if it is full."""
    client = client_for()
    made = [f"group-{number * 7 % 23}" for number in range(23)]
    for name in made:
        create(client, name)
    arguments: dict[str, Any] = {"includeDescription": described} | ({"maxResults": size} if size else {})
    answers = [client.list_profiling_groups(**arguments)]
    while token := answers[-1].get("nextToken"):
        assert len(answers) < len(made), "the tokens form a circle"
        answers.append(client.list_profiling_groups(**arguments, nextToken=token))
    seen = [
        [group["name"] for group in answer["profilingGroups"]] if described else answer["profilingGroupNames"]
        for answer in answers
    ]
    assert sorted(name for page in seen for name in page) == sorted(made)
    assert (len(seen), max(map(len, seen)) <= (size or 1000)) == (pages, True)
    for answer in answers:
        assert bool(answer["profilingGroupNames"]) is not described
        assert ("profilingGroups" in answer) is described


@mock_aws
def test_list_pages_have_a_default_size_and_survive_deletions() -> None:
    """Groups that exist throughout are listed once. A token of the caller's own is refused."""
    client = client_for()
    for number in range(101):
        create(client, f"group-{number}")
    page = client.list_profiling_groups()
    assert len(page["profilingGroupNames"]) == 100
    for number in (99, 7):  # one is the last of the page
        client.delete_profiling_group(profilingGroupName=f"group-{number}")
    rest = client.list_profiling_groups(nextToken=page["nextToken"])
    assert rest["profilingGroupNames"] == ["group-100"]
    with pytest.raises(client.exceptions.ValidationException, match="nextToken"):
        client.list_profiling_groups(nextToken="page-2")


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("team", "payments", True),
        ("empty", "", True),
        ("k" * 128, "v" * 256, True),
        ("k" * 129, "v", False),
        ("k", "v" * 257, False),
        ("", "v", False),
        ("aws:cloudformation:stack-name", "v", False),
        ("AWS:x", "v", False),
        ("aWs:", "v", False),
        ("aws", "aws:v", True),
        ("my-aws:x", "v", True),
        ("a+b-c=d.e_f:g/h@i j", "a+b-c=d.e_f:g/h@i j", True),
        ("größe", "北京 ٣", True),
        ("Éire", "日本", True),
        ("why?", "v", False),
        ("k", "50%", False),
        ("k", "a,b", False),
        ("k", "line\nbreak", False),
        ("k", "tab\t", False),
        ("k", "no\u00a0break", False),
        ("k", "x²", False),
        ("k", "🚀", False),
    ],
)
@mock_aws
def test_tag_rules(key: str, value: str, *, allowed: bool) -> None:
    """The API model has no limits for tags; these are the CloudFormation schema's."""
    client, tags = client_for(), {"sound": "tag", key: value}
    later = create(client, "later")["arn"]
    if allowed:
        create(client, tags=tags)
        client.tag_resource(resourceArn=later, tags=tags)
        assert describe(client)["tags"] == describe(client, "later")["tags"] == tags
    else:
        assert error_of(create, client, tags=tags) == "ValidationException"
        assert error_of(client.tag_resource, resourceArn=later, tags=tags) == "ValidationException"
        assert client.list_profiling_groups()["profilingGroupNames"] == ["later"]
        assert describe(client, "later")["tags"] == {}


@mock_aws
def test_tag_limit() -> None:
    """50 tags after the call count; a new value of an existing key does not add one."""
    client = client_for()
    fifty = {f"key-{number}": "v" for number in range(50)}
    too_many = fifty | {"one": "more"}
    assert error_of(create, client, tags=too_many) == "ValidationException"
    create(client, tags=fifty)
    assert error_of(client.tag_resource, resourceArn=ARN, tags={"one": "more"}) == "ValidationException"
    client.tag_resource(resourceArn=ARN, tags={"key-7": "new"})
    client.untag_resource(resourceArn=ARN, tagKeys=["key-1", "key-2", "never there"])
    client.tag_resource(resourceArn=ARN, tags={"one": "more"})
    expected = {key: value for key, value in too_many.items() if key not in {"key-1", "key-2"}} | {"key-7": "new"}
    assert client.list_tags_for_resource(resourceArn=ARN)["tags"] == describe(client)["tags"] == expected


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("checkout", "ValidationException"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:checkout", "ValidationException"),
        (ARN.replace("profilingGroup/", "profile/"), "ValidationException"),
        (ARN + "/x", "ResourceNotFoundException"),
        (ARN.replace(REGION, "us-east-1"), "ResourceNotFoundException"),
        (ARN.replace(ACCOUNT, OTHER_ACCOUNT), "ResourceNotFoundException"),
        (ARN.replace("arn:aws:", "arn:aws-cn:"), "ResourceNotFoundException"),
    ],
)
@mock_aws
def test_tag_operations_with_another_arn(arn: str, code: str) -> None:
    """An ARN of another kind is invalid, one of a group elsewhere is not found."""
    client = client_for()
    create(client)
    assert error_of(client.list_tags_for_resource, resourceArn=arn) == code
    assert error_of(client.tag_resource, resourceArn=arn, tags={"a": "b"}) == code
    assert error_of(client.untag_resource, resourceArn=arn, tagKeys=["a"]) == code


@mock_aws
def test_permission_revisions() -> None:
    """The first has none, later ones need the current one; anything else is a conflict that changes nothing."""
    client = client_for()
    create(client)
    permission: dict[str, Any] = {"profilingGroupName": "checkout", "actionGroup": AGENT}
    both = [ROLE, f"arn:aws:iam::{ACCOUNT}:user/ci"]

    assert error_of(client.get_policy, profilingGroupName="checkout") == "ResourceNotFoundException"
    assert error_of(client.remove_permission, **permission, revisionId=REVISION) == "ResourceNotFoundException"
    assert error_of(client.put_permission, **permission, principals=[ROLE], revisionId=REVISION) == "ConflictException"
    first = client.put_permission(**permission, principals=[ROLE])
    assert json.loads(first["policy"])["Statement"] == [
        {
            "Sid": "agentPermissions-statement",
            "Effect": "Allow",
            "Principal": {"AWS": ROLE},
            "Action": ["codeguru-profiler:ConfigureAgent", "codeguru-profiler:PostAgentProfile"],
            "Resource": ARN,
        }
    ]

    for stale in ({}, {"revisionId": REVISION}):
        assert error_of(client.put_permission, **permission, principals=both, **stale) == "ConflictException"
    second = client.put_permission(**permission, principals=both, revisionId=first["revisionId"])
    assert json.loads(second["policy"])["Statement"][0]["Principal"] == {"AWS": both}
    held = client.get_policy(profilingGroupName="checkout")
    assert (held["policy"], held["revisionId"]) == (second["policy"], second["revisionId"])
    assert second["revisionId"] != first["revisionId"]

    assert error_of(client.remove_permission, **permission, revisionId=first["revisionId"]) == "ConflictException"
    emptied = client.remove_permission(**permission, revisionId=second["revisionId"])
    assert json.loads(emptied["policy"])["Statement"] == []
    assert error_of(client.get_policy, profilingGroupName="checkout") == "ResourceNotFoundException"
    client.put_permission(**permission, principals=[ROLE])


@pytest.mark.parametrize("principal", ["*", f"arn:aws:iam::{ACCOUNT}:role/*", f"arn:aws:iam::{ACCOUNT}:role/checkou?"])
@mock_aws
def test_permission_with_a_wildcard_is_refused(principal: str) -> None:
    """Principals are single roles and users."""
    client = client_for()
    create(client)
    with pytest.raises(client.exceptions.ValidationException, match="principals"):
        client.put_permission(profilingGroupName="checkout", actionGroup=AGENT, principals=[ROLE, principal])


@mock_aws
def test_moto_finds_the_registered_backend() -> None:
    """A second call of `register` changes nothing."""
    register()
    service: Any = "codeguruprofiler"
    assert get_backend(service) is codeguruprofiler_backends
