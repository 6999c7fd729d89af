"""docs/hardening.md: its examples are valid, and it names what the deployment calls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from policy_sentry.querying.all import get_all_actions

from infra.settings import Vpc, read
from tests.infra.templates import allowances, text
from tests.synthesis import synthesize

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "hardening.md").read_text()
SETTINGS, KEY_POLICY = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
ORGANIZATION: Final = {"id": "o-a1b2c3d4e5", "ous": ["ou-ab12-11111111"], "regions": ["us-east-1", "eu-west-1"]}
ENDPOINTS: Final = {
    "lambda": "lambda",
    "codeguru-profiler": "codeguru-profiler",
    "tag": "tagging",
    "servicequotas": "servicequotas",
    "sts": "sts",
    "organizations": "organizations",
    "s3": "s3",
    "sqs": "sqs",
}
"""Names of endpoints by the prefixes of actions."""
BY_LAMBDA_ITSELF: Final = {"logs", "xray"}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """Return all templates, with the settings of the page."""
    folder = tmp_path_factory.mktemp("docs")
    given = json.loads(f"{{{SETTINGS}}}")
    plain = synthesize(folder / "plain", region="eu-west-1", kms_key_arn=given["kms_key_arn"])
    hub = synthesize(folder / "hub", region="eu-west-1", kms_key_arn=given["kms_key_arn"], organization=ORGANIZATION)
    return {
        "plain": json.loads((plain / "ProfilingGroups.template.json").read_text()),
        "hub": json.loads((hub / "ProfilingGroups.template.json").read_text()),
        "member": json.loads((hub / "ProfilingGroupsMember.template.json").read_text()),
    }


def names(template: Json, kind: str, key: str) -> Iterator[str]:
    """Yield the names that resources of a type come to have; CloudFormation makes up those that are not given."""
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield text(resource["Properties"].get(key, f"<AWS::StackName>-{logical_id}-X"))


def test_the_settings_of_the_page_are_valid() -> None:
    """As they stand there."""
    found = read(json.loads(f"{{{SETTINGS}}}"), default_region="eu-west-1")
    assert found.tags == {"team": "platform", "cost-center": "42"}
    assert found.permissions_boundary == "platform-boundary"
    assert found.vpc == Vpc(subnet_ids=("subnet-0a1b2c3d", "subnet-4e5f6a7b"), security_group_ids=("sg-8c9d0e1f",))


def statement(sid: str) -> Json:
    """Return a statement of the key policy."""
    (found,) = (each for each in json.loads(KEY_POLICY)["Statement"] if each["Sid"] == sid)
    made: Json = found
    return made


def test_the_key_policy_has_actions_that_exist() -> None:
    """Globs among them."""
    known = {each for each in get_all_actions() if each.startswith("kms:")}
    for each in json.loads(KEY_POLICY)["Statement"]:
        actions = each["Action"] if isinstance(each["Action"], list) else [each["Action"]]
        for action in actions:
            assert any(re.fullmatch(action.lower().replace("*", ".*"), name.lower()) for name in known), action


@pytest.mark.parametrize("which", ["plain", "hub"])
def test_the_key_policy_names_every_log_group_and_alarm(templates: dict[str, Json], which: str) -> None:
    """By the name that each comes to have, with a namespace, too."""
    for sid, kind, key, begins in (
        ("LogGroups", "AWS::Logs::LogGroup", "LogGroupName", "arn:aws:logs:eu-west-1:111122223333:log-group:"),
        ("Alarms", "AWS::CloudWatch::Alarm", "AlarmName", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:"),
    ):
        (globs,) = statement(sid)["Condition"]["ArnLike"].values()
        patterns = [re.escape(each).replace(r"\*", ".*") for each in (globs if isinstance(globs, list) else [globs])]
        for stack in ("ProfilingGroups", "ProfilingGroups-blue"):
            for name in names(templates[which], kind, key):
                arn = begins + name.replace("<AWS::StackName>", stack)
                assert any(re.fullmatch(pattern, arn) for pattern in patterns), arn


def test_every_service_that_the_functions_call_has_an_endpoint_on_the_page(templates: dict[str, Json]) -> None:
    """Those of a hub call with the members' role, too."""
    listed = set(re.findall(r"^\| [A-Z][^|]+ \| `([a-z0-9-]+)`", PAGE, re.MULTILINE))
    assert listed == set(ENDPOINTS.values())
    (member,) = (each for name, each in templates["member"]["Resources"].items() if name.startswith("Role"))
    statements = member["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    of_functions = [each for which in ("plain", "hub") for each in allowances(templates[which], "Role").values()]
    of_member = [each["Action"] if isinstance(each["Action"], list) else [each["Action"]] for each in statements]
    prefixes = {action.partition(":")[0] for actions in (*of_functions, *of_member) for action in actions}
    assert prefixes - BY_LAMBDA_ITSELF - {"kms"} <= set(ENDPOINTS)
