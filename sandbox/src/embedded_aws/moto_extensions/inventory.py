"""What moto lacks for taking stock of an account: functions and tagged resources in pages, and the quota of groups.

- ListFunctions in pages, without what AWS leaves out of a list;
- GetResources of the Resource Groups Tagging API in pages of as many resources as were asked for. Moto ends a page
  after 100 tags, and a page that is asked for twice, as after a broken connection, is an error there;
- GetServiceQuota and RequestServiceQuotaIncrease for CodeGuru Profiler, by the backend that enforces the quota. What is
  asked for is granted at once, where AWS takes minutes to days.

The server calls `install`, and so do tests that use moto in their own process.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction, LambdaStorage
from moto.awslambda.responses import LambdaResponse
from moto.core.exceptions import JsonRESTError
from moto.core.resource_tagging import TaggedResource
from moto.resourcegroupstaggingapi.exceptions import ResourceGroupsTaggingAPIError
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend
from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.responses import ServiceQuotasResponse

from embedded_aws.moto_extensions.pages import BadTokenError, page_after
from embedded_aws.moto_services.codeguruprofiler.models import codeguruprofiler_backends

MOST_FUNCTIONS: Final = 50
"""Functions on a page of ListFunctions, however many are asked for (Lambda API reference, ListFunctions)."""

PROFILER_QUOTA: Final = ("codeguru-profiler", "L-DA8D4E8D")
"""Service code and quota code of the number of profiling groups."""

# "Returns a subset of the FunctionConfiguration fields" (Lambda API reference, ListFunctions).
_LEFT_OUT: Final = frozenset(
    {
        *("State", "StateReason", "StateReasonCode"),
        *("LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"),
        "RuntimeVersionConfig",
    }
)

# moto's own, which the replacement below calls.
_moto_quota: Final = ServiceQuotasBackend.get_service_quota


def install() -> None:
    """Extend moto; a second call changes nothing."""
    LambdaStorage.latest = _latest  # type: ignore[method-assign] # extends moto
    LambdaResponse.list_functions = _list_functions  # type: ignore[method-assign] # extends moto
    ResourceGroupsTaggingAPIBackend.get_resources = _get_resources  # type: ignore[method-assign] # extends moto
    ServiceQuotasBackend.get_service_quota = _get_service_quota  # type: ignore[method-assign] # extends moto
    ServiceQuotasResponse.request_service_quota_increase = _request_increase  # type: ignore[attr-defined] # extends moto


def _latest(self: LambdaStorage) -> Iterable[LambdaFunction]:
    """Moto walks over the functions themselves, which breaks where one is created meanwhile."""
    return [group["latest"] for group in list(self._functions.values()) if group["latest"] is not None]


def _list_functions(self: LambdaResponse) -> str:
    most = min(int(self.querystring.get("MaxItems", [str(MOST_FUNCTIONS)])[0]), MOST_FUNCTIONS)
    functions = self.backend.list_functions(self.querystring.get("FunctionVersion", [None])[0])
    try:
        page, marker = page_after(
            functions,
            key=lambda function: str(function.function_arn),
            token=self.querystring.get("Marker", [None])[0],
            size=most,
        )
    except BadTokenError as error:
        raise LambdaClientError("InvalidParameterValueException", "Invalid Marker") from error
    listed = [
        {key: value for key, value in function.get_configuration().items() if key not in _LEFT_OUT} for function in page
    ]
    return json.dumps({"Functions": listed, "NextMarker": marker})


def _get_resources(  # noqa: PLR0913, PLR0917 - moto's signature
    self: ResourceGroupsTaggingAPIBackend,
    pagination_token: str | None = None,
    resources_per_page: int = 50,
    tags_per_page: int = 100,  # noqa: ARG001 - moto cannot tell a limit from none
    tag_filters: list[dict[str, Any]] | None = None,
    resource_type_filters: list[str] | None = None,
    resource_arn_list: list[str] | None = None,
) -> tuple[str, list[TaggedResource]]:
    resources = self._get_resources_generator(tag_filters, resource_type_filters, resource_arn_list)
    try:
        page, token = page_after(
            resources, key=lambda resource: resource.arn, token=pagination_token or None, size=resources_per_page
        )
    except BadTokenError as error:
        message = "The pagination token is expired or invalid."
        raise ResourceGroupsTaggingAPIError("PaginationTokenExpiredException", message) from error
    # The last page has an empty token, not none.
    return token or "", page


def _get_service_quota(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict[str, Any]:
    if (service_code, quota_code) != PROFILER_QUOTA:
        return _moto_quota(self, service_code, quota_code)
    place = f"{self.partition}:servicequotas:{self.region_name}:{self.account_id}"
    return {
        "ServiceCode": service_code,
        "ServiceName": "Amazon CodeGuru Profiler",
        "QuotaArn": f"arn:{place}:{service_code}/{quota_code}",
        "QuotaCode": quota_code,
        "QuotaName": "Profiling groups",
        "Value": float(codeguruprofiler_backends[self.account_id][self.region_name].quota),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _request_increase(self: ServiceQuotasResponse) -> str:
    wanted = json.loads(self.body)
    if (wanted["ServiceCode"], wanted["QuotaCode"]) != PROFILER_QUOTA:
        raise NoSuchResource
    profiler = codeguruprofiler_backends[self.current_account][self.region]
    if wanted["DesiredValue"] <= profiler.quota:
        message = "You must provide a quota value greater than the current quota value."
        raise JsonRESTError("IllegalArgumentException", message)
    profiler.quota = int(wanted["DesiredValue"])
    quota = self.backend.get_service_quota(*PROFILER_QUOTA)
    described = {key: value for key, value in quota.items() if key not in {"Value", "Adjustable"}}
    now = datetime.now(UTC).timestamp()
    granted = {"Id": uuid4().hex, "Status": "APPROVED", "Created": now, "LastUpdated": now}
    return json.dumps({"RequestedQuota": described | granted | {"DesiredValue": wanted["DesiredValue"]}})
