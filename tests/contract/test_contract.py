"""What the deployed functions promise to the outside, case by case, whatever the code behind it looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract import cases
from tests.contract.deployment import REGION, DeployedFunction, synthesize
from tests.contract.wire import WRITES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.deployment import Result
    from tests.contract.wire import Key, World

Json = dict[str, Any]

_CASES = cases.read_cases()
_DEPLOYMENTS = cases.read_deployments()
_HUB = "100000000099"
"""The hub's own account."""
_SECONDS = 300.0


class Functions:
    """The functions of both deployments; a deployment is synthesized when a case first needs it."""

    def __init__(self, folder_of: pytest.TempPathFactory) -> None:
        self._folder_of = folder_of
        self._running: dict[tuple[str, str], DeployedFunction] = {}
        self._assemblies: dict[str, Any] = {}

    def get(self, deployment: str, output: str, *, fresh: bool) -> DeployedFunction:
        """Return a function of a deployment.

        Args:
            deployment: "single" or "organization".
            output: The stack output that names it.
            fresh: Whether it must be a new process.
        """
        key = (deployment, output)
        if deployment not in self._assemblies:
            self._assemblies[deployment] = self._synthesize(deployment)
        if fresh and key in self._running:
            self._running.pop(key).close()
        if key not in self._running:
            folder = self._folder_of.mktemp(f"{deployment}-{output}")
            self._running[key] = DeployedFunction(self._assemblies[deployment], output=output, folder=folder)
        return self._running[key]

    def close(self) -> None:
        """End all processes."""
        for each in self._running.values():
            each.close()

    def _synthesize(self, deployment: str) -> Any:  # noqa: ANN401 - a path
        folder = self._folder_of.mktemp(deployment) / "assembly"
        if deployment == "single":
            return synthesize(folder, context={}, policy=_DEPLOYMENTS.policy_file())
        context = {"organization": _DEPLOYMENTS.organization, "account": _HUB, "region": REGION}
        return synthesize(folder, context=context, policy=_DEPLOYMENTS.organization_policy)


def test_every_policy_has_a_case() -> None:
    """A policy without one would be a promise that nothing checks."""
    assert {case["policy"] for case in _CASES} == _DEPLOYMENTS.policies.keys()


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    """The functions of both deployments."""
    found = Functions(tmp_path_factory)
    yield found
    found.close()


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case['file']}: {case['case']}")
def test_contract(case: Json, functions: Functions) -> None:
    """Invoke the function as the case says, and compare answer, records, calls and state."""
    in_organization = case["deployment"] == "organization"
    own = _HUB if in_organization else _DEPLOYMENTS.account(case["policy"])
    account, region = case.get("account", own), case.get("region", REGION)
    world = cases.world(case, _DEPLOYMENTS, own_account=own, account=account, region=region)
    groups_before = _tags_of_groups(world)
    cursor: str | None = None
    fresh = case.get("fresh", False)
    for step in case.get("steps", [case]):
        given = cases.payload(step, account=account, region=region, cursor=cursor)
        is_backfill = isinstance(given, dict) and given.get("action") == "backfill"
        output = "BackfillFunctionName" if is_backfill else "ProvisionerFunctionName"
        function = functions.get(case["deployment"], output, fresh=fresh)
        result = function.invoke(given, world, account=own, seconds=step.get("seconds", _SECONDS))
        _check_result(step, result)
        cursor = result.body.get("cursor") if isinstance(result.body, dict) else None
        fresh = False
    _check_calls(case, world)
    _check_state(case, world, groups_before, account=account, region=region)


def _check_result(step: Json, result: Result) -> None:
    if "raises" in step:
        assert result.is_error, result.body
        assert result.body["errorType"].startswith(step["raises"]), result.body
    else:
        assert not result.is_error, result.body
    assert step.get("message", "") in str(result.body.get("errorMessage", ""))
    records = [each for each in result.records if each.get("log_type") == "outcome"]
    if "outcome" in step:
        # Raised or returned, each outcome of an event leaves exactly one record.
        (record,) = records
        assert _words(record) == step["outcome"], record
        assert step.get("detail", "") in (record["detail"] or ""), record["detail"]
        assert [each["key"] for each in record.get("dropped_tags", ())] == step.get("dropped_tags", [])
        if "error_code" in step:
            assert record["error_code"] == step["error_code"]
        if not result.is_error:
            assert {key: record[key] for key in result.body} == result.body
    if "outcomes" in step:
        assert {_subject(each): _words(each) for each in records} == step["outcomes"]
        for subject, detail in step.get("details", {}).items():
            assert any(_subject(each) == subject and detail in each["detail"] for each in records), records
    for key, value in step.get("run", {}).items():
        assert result.body[key] == value, (key, result.body)
    assert any(each.get("log_type") == "security" for each in result.records) is step.get("security", False)
    metrics = {key: value for each in result.records if "_aws" in each for key, value in each.items()}
    for name, value in step.get("metrics", {}).items():
        found = metrics.get(name, [0])
        assert sum(found if isinstance(found, list) else [found]) == value, metrics


def _check_calls(case: Json, world: World) -> None:
    # The SDK's retries of one call count once.
    writes = sorted({str(call) for call in world.calls if call.operation in WRITES})
    if "at_most_writes" in case:
        assert len(writes) <= case["at_most_writes"]
    elif "remaining_groups" not in case:
        assert writes == sorted(case.get("writes", []))
    if "calls" in case:
        assert len(world.calls) == case["calls"], [str(call) for call in world.calls]
    assert not set(case.get("no_calls", ())) & {call.operation for call in world.calls}


def _check_state(case: Json, world: World, before: dict[Key, Any], *, account: str, region: str) -> None:
    if "remaining_groups" in case:
        assert len(world.groups) == case["remaining_groups"]
        return
    expected = dict(before)
    for name, tags in case.get("after", {}).items():
        owner = name.removeprefix("aws-lambda-")
        if tags == "gone":
            del expected[account, region, name]
        else:
            expected[account, region, name] = cases.expanded(tags, owner, account, region)
    assert _tags_of_groups(world) == expected
    for name, enabled in case.get("profiling_enabled", {}).items():
        assert world.groups[account, region, name].profiling_enabled is enabled
    for name, roles in case.get("agents", {}).items():
        arns = [f"arn:aws:iam::{account}:role/{role}" for role in roles]
        assert world.groups[account, region, name].agents == arns


def _tags_of_groups(world: World) -> dict[Key, Any]:
    return {key: None if group.tags is None else dict(group.tags) for key, group in world.groups.items()}


def _words(outcome: Json) -> str:
    would = "(dry run) " if outcome["dry_run"] else ""
    return would + " ".join(word for word in (outcome["action"], outcome["reason"]) if word)


def _subject(outcome: Json) -> str:
    """Return the function's name; for a superseded group, which its function has beside its own, the group's."""
    if outcome["reason"] == "superseded" or outcome["function"] is None:
        return str(outcome["group"])
    return str(outcome["function"]).rpartition(":")[2]
