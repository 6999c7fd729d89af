"""What is written down about AWS agrees with what the SDK knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import boto3
import botocore
import pytest

from ops.letter_queue import LetterQueue
from profiling_groups import events
from profiling_groups.decision import PROFILER_REGIONS, rule_out
from profiling_groups.functions import REGION, FunctionArn, FunctionReference, Place, partition
from profiling_groups.outcomes import Reason
from profiling_groups.policy import Policy
from profiling_groups.requests import Provision, read
from tests.records import envelope, record

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTITIONS: list[dict[str, Any]] = json.loads((Path(botocore.__file__).parent / "data/partitions.json").read_text())[
    "partitions"
]
ODD = {
    "ap-southeast-7": "aws",
    "cn-north-1": "aws-cn",
    "eusc-de-east-1": "aws-eusc",
    "il-central-1": "aws",
    "mx-central-1": "aws",
    "us-gov-west-1": "aws-us-gov",
    "us-isob-east-1": "aws-iso-b",
}


def known() -> Iterator[tuple[str, str]]:
    """Yield every region that the SDK knows, with its partition."""
    for each in PARTITIONS:
        yield from ((region, each["id"]) for region in each["regions"] if not region.endswith("-global"))


def test_the_regions_are_those_of_the_sdks_endpoints() -> None:
    """In every partition."""
    session = boto3.session.Session()
    regions = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("codeguruprofiler", partition_name=partition)
    }
    assert regions == PROFILER_REGIONS


def test_every_region_is_one_and_in_its_partition() -> None:
    """Four letters to begin with, or three words: whatever the SDK has."""
    found = dict(known())
    assert len(found) > 35
    assert ODD.items() <= found.items()
    assert {region: partition(region) for region in found if REGION.fullmatch(region)} == found


@pytest.mark.parametrize(("region", "partition"), ODD.items())
def test_a_function_of_whatever_region_is_understood(region: str, partition: str) -> None:
    """In an event, in a request, as an ARN; the profiler is not there, which is said."""
    arn = FunctionArn(account="444455556666", region=region, name="invoice-renderer")
    text = f"arn:{partition}:lambda:{region}:444455556666:function:invoice-renderer"
    assert str(arn) == text
    for written in (text, f"{text}:live", text.removeprefix(f"arn:{partition}:lambda:")):
        reference = FunctionReference.parse(written)
        assert reference == FunctionReference(name=arn.name, region=region, account=arn.account), written
    event = json.loads(json.dumps(envelope(record("create-function"))).replace("arn:aws:", f"arn:{partition}:"))
    event = json.loads(json.dumps(event).replace("eu-west-1", region))
    changed = events.changed(events.read(event), Policy())
    assert isinstance(changed, events.FunctionChanged)
    assert changed.function == arn
    place = Place(account=arn.account, region=region)
    assert read({"action": "provision", "functions": [text]}, place=place) == Provision(functions=(arn,))
    ruled_out = rule_out(arn, Policy())
    assert ruled_out is not None
    assert ruled_out.reason is Reason.REGION_UNSUPPORTED


@pytest.mark.parametrize("region", ODD)
def test_a_queue_of_whatever_region_is_asked_there(region: str) -> None:
    """Its URL tells."""
    session = Mock()
    LetterQueue(session, f"https://sqs.{region}.amazonaws.com/444455556666/queue")
    assert session.client.call_args.kwargs["region_name"] == region


def test_what_a_region_looks_like_is_defined_once() -> None:
    """Elsewhere it would be forgotten."""
    root = Path(__file__).parents[2]
    files = [file for folder in ("lambda_src", "infra", "ops") for file in (root / folder).rglob("*.py")]
    assert {file.name for file in files if "[a-z]{2" in file.read_text()} == {"functions.py"}


@pytest.mark.parametrize(
    "region", ["", "eu", "eu-west", "eu-west-", "EU-west-1", "europe-west-1", "eu-west-1a", "eu-west-123"]
)
def test_what_is_no_region_is_none(region: str) -> None:
    """As an availability zone, or another cloud's."""
    assert REGION.fullmatch(region) is None
