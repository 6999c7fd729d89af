"""HTTP for the CodeGuru Profiler backend: a method per operation. Called by moto's dispatcher through `urls`.

An operation of the API model that is not served (profiles, findings, notification channels) answers 501
`NotImplementedException`, a path that the model does not have 404 `UnknownOperationException`; SDKs retry neither.
"""

import json
from typing import Final, TypedDict, cast

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.core.utils import camelcase_to_underscores

from .models import CodeGuruProfilerBackend, ComputePlatform, codeguruprofiler_backends
from .validation import parameters, target

AGENT_PERIOD_SECONDS: Final = 300
"""Reporting interval in an agent's configuration: the five minutes of the example in the API model."""


class _Parameters(TypedDict, total=False):
    """Every parameter of the served operations, as the API model types it; an operation has some of them."""

    profilingGroupName: str
    computePlatform: str
    agentOrchestrationConfig: dict[str, bool]
    tags: dict[str, str]
    includeDescription: bool
    maxResults: int
    nextToken: str
    resourceArn: str
    tagKeys: list[str]
    principals: list[str]
    revisionId: str


class CodeGuruProfilerResponse(BaseResponse):
    """One request to the service. moto calls the method that is named after the operation."""

    # Malformed UTF-8 is the caller's error (400), so it must not fail before the body is looked at.
    use_raw_body = True

    def __init__(self) -> None:
        super().__init__(service_name="codeguruprofiler")

    def call_action(self) -> TYPE_RESPONSE:
        """Answer the request, or say clearly that the sandbox does not serve it."""
        action = self._get_action()
        if not action:
            return self._unserved(
                404, "UnknownOperationException", f"CodeGuru Profiler has no {self.method} {self.path}."
            )
        if not hasattr(self, camelcase_to_underscores(action)):
            return self._unserved(501, "NotImplementedException", f"The sandbox does not serve {action}.")
        return super().call_action()

    def create_profiling_group(self) -> ActionResult:
        """201 with the new group."""
        given = self._checked()
        group = self._backend.create_profiling_group(
            given["profilingGroupName"],
            compute_platform=ComputePlatform(given.get("computePlatform", ComputePlatform.DEFAULT)),
            profiling_enabled=given.get("agentOrchestrationConfig", {}).get("profilingEnabled", True),
            tags=given.get("tags", {}),
        )
        return ActionResult({"profilingGroup": group.description()})

    def describe_profiling_group(self) -> ActionResult:
        """200 with the group."""
        group = self._backend.describe_profiling_group(self._checked()["profilingGroupName"])
        return ActionResult({"profilingGroup": group.description()})

    def list_profiling_groups(self) -> ActionResult:
        """200 with names, or, where descriptions are asked for, with those and an empty list of names."""
        given = self._checked()
        page = self._backend.list_profiling_groups(
            max_results=given.get("maxResults"), next_token=given.get("nextToken")
        )
        described = bool(given.get("includeDescription"))
        return ActionResult(
            {
                "profilingGroupNames": [] if described else [group.name for group in page.groups],
                "profilingGroups": [group.description() for group in page.groups] if described else None,
                "nextToken": page.next_token,
            }
        )

    def update_profiling_group(self) -> ActionResult:
        """200 with the group as it is now."""
        given = self._checked()
        group = self._backend.update_profiling_group(
            given["profilingGroupName"], profiling_enabled=given["agentOrchestrationConfig"]["profilingEnabled"]
        )
        return ActionResult({"profilingGroup": group.description()})

    def delete_profiling_group(self) -> ActionResult:
        """204."""
        self._backend.delete_profiling_group(self._checked()["profilingGroupName"])
        return EmptyResult()

    def configure_agent(self) -> ActionResult:
        """200 with the agent's orders; no agentParameters, so that the agent keeps its own defaults."""
        group = self._backend.configure_agent(self._checked()["profilingGroupName"])
        configuration = {
            "shouldProfile": group.profiling_enabled,
            "periodInSeconds": AGENT_PERIOD_SECONDS,
            "agentParameters": {},
        }
        return ActionResult({"configuration": configuration})

    def tag_resource(self) -> ActionResult:
        """204."""
        given = self._checked()
        self._backend.tag_resource(given["resourceArn"], given["tags"])
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        """204."""
        given = self._checked()
        self._backend.untag_resource(given["resourceArn"], given["tagKeys"])
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        """200 with the tags."""
        tags = self._backend.list_tags_for_resource(self._checked()["resourceArn"])
        return ActionResult({"tags": dict(tags)})

    def get_policy(self) -> ActionResult:
        """200 with the policy as JSON text and its revision."""
        return _policy_result(self._backend.get_policy(self._checked()["profilingGroupName"]))

    def put_permission(self) -> ActionResult:
        """200 with the policy that is in force now."""
        given = self._checked()
        return _policy_result(
            self._backend.put_permission(
                given["profilingGroupName"], principals=given["principals"], revision_id=given.get("revisionId")
            )
        )

    def remove_permission(self) -> ActionResult:
        """200 with what is left of the policy."""
        given = self._checked()
        return _policy_result(
            self._backend.remove_permission(given["profilingGroupName"], revision_id=given["revisionId"])
        )

    @property
    def _backend(self) -> CodeGuruProfilerBackend:
        return codeguruprofiler_backends[self.current_account][self.region]

    def _get_action(self) -> str:
        wanted = target(self.method, self.raw_path)
        return wanted.operation.name if wanted else ""

    def _checked(self) -> _Parameters:
        """Return the request's parameters; ValidationError where they break the API model."""
        wanted = target(self.method, self.raw_path)
        if wanted is None:  # call_action has answered such a request already
            raise NotImplementedError
        given = parameters(wanted, query=self.parsed_url.query, body=self.raw_body)
        # The check against the model is what makes this true.
        return cast("_Parameters", given)

    def _unserved(self, status: int, code: str, message: str) -> TYPE_RESPONSE:
        headers = {**self.response_headers, "x-amzn-errortype": code, "content-type": "application/json"}
        return status, headers, json.dumps({"message": message})


def _policy_result(policy: tuple[str, str]) -> ActionResult:
    document, revision_id = policy
    return ActionResult({"policy": document, "revisionId": revision_id})
