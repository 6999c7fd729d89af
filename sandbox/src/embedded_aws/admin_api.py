"""The admin API: what tests and demo ask of the sandbox itself, JSON under ``/_sandbox/``.

The server hands every request under that path to `AdminApi.answer`; `embedded_aws.client` is the other end.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from moto.events.models import events_backends

from embedded_aws.call_log import CallLog
from embedded_aws.events import cloudtrail
from embedded_aws.events.eventbridge import EventBridge
from embedded_aws.events.schedules import NotFiredError, Schedules
from embedded_aws.execution.asynchronous import AsynchronousInvoker
from embedded_aws.fault_injection import Faults, FaultSpecError, parse_fault
from embedded_aws.http_responses import HttpResponse, json_response
from embedded_aws.moto_services.codeguruprofiler.models import codeguruprofiler_backends
from embedded_aws.step_functions.clock import age
from embedded_aws.step_functions.executions import Executions

PREFIX: Final = "/_sandbox/"


class _RefusedError(Exception):
    """The request cannot be done; the text says why."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class _Request:
    query: Mapping[str, list[str]]
    body: bytes

    def document(self) -> Any:  # noqa: ANN401 - JSON
        try:
            return json.loads(self.body)
        except ValueError as error:
            message = f"the body is not JSON: {error}"
            raise _RefusedError(message) from error


@dataclass(frozen=True, kw_only=True)
class AdminApi:
    """Answers the requests under `PREFIX`.

    Attributes:
        facts: what ``health`` says: account, region, endpoint, runtime.
        call_log: of the AWS calls.
        faults: that are set.
        bridge: takes CloudTrail records.
        invocations: the asynchronous ones.
        executions: of state machines.
        schedules: that can be fired.
    """

    facts: Mapping[str, str]
    call_log: CallLog
    faults: Faults
    bridge: EventBridge
    invocations: AsynchronousInvoker
    executions: Executions
    schedules: Schedules

    def answer(self, method: str, path: str, query: str, body: bytes) -> HttpResponse:
        """Do what the request asks; whatever is wrong with it is a 4xx whose ``error`` names it."""
        request = _Request(query=parse_qs(query), body=body)
        try:
            return json_response(200, self._route(method, path.removeprefix(PREFIX))(request))
        except _RefusedError as error:
            return json_response(error.status, {"error": str(error)})
        except (FaultSpecError, cloudtrail.RecordError, NotFiredError) as error:
            return json_response(400, {"error": str(error)})

    def _route(self, method: str, name: str) -> Callable[[_Request], object]:
        routes = self._routes()
        if (method, name) in routes:
            return routes[method, name]
        methods = sorted(known for known, route in routes if route == name)
        if methods:
            message = f"{name} takes {', '.join(methods)}, not {method}"
            raise _RefusedError(message, status=405)
        message = f"there is no {PREFIX}{name}; there are {', '.join(sorted({route for _, route in routes}))}"
        raise _RefusedError(message, status=404)

    def _routes(self) -> dict[tuple[str, str], Callable[[_Request], object]]:
        return {
            ("GET", "health"): lambda _: dict(self.facts),
            ("GET", "calls"): self._calls,
            ("DELETE", "calls"): lambda _: self.call_log.clear(),
            ("GET", "faults"): lambda _: self.faults.describe(),
            ("PUT", "faults"): self._set_faults,
            ("DELETE", "faults"): lambda _: self.faults.replace([]),
            ("PUT", "quota"): self._set_quota,
            ("POST", "cloudtrail"): self._put_records,
            ("GET", "invocations"): lambda _: self.invocations.invocations(),
            ("GET", "schedules"): self._describe_schedules,
            ("POST", "schedules"): self._fire_schedules,
            ("POST", "age"): self._age,
            ("GET", "idle"): lambda _: {"idle": self._idle()},
        }

    def _idle(self) -> bool:
        """In this order: what leaves EventBridge is an execution or an invocation by then, what they do is an event."""
        return self.bridge.idle() and self.executions.idle() and self.bridge.idle() and self.invocations.idle()

    def _calls(self, request: _Request) -> object:
        since = request.query.get("since", ["0"])[0]
        if not since.isdigit():
            message = f"since must be a number, not {since!r}"
            raise _RefusedError(message)
        return self.call_log.since(int(since))

    def _set_faults(self, request: _Request) -> object:
        specs = request.document()
        if not isinstance(specs, list):
            message = f"faults must be a list, not {type(specs).__name__}"
            raise _RefusedError(message)
        self.faults.replace([parse_fault(spec) for spec in specs])
        return self.faults.describe()

    def _set_quota(self, request: _Request) -> object:
        wanted, account, region = self._wanted(request, "quota", "profiling_groups")
        groups = wanted.get("profiling_groups")
        if not isinstance(groups, int) or isinstance(groups, bool) or groups < 0:
            message = f"profiling_groups must be a whole number of at least 0, not {groups!r}"
            raise _RefusedError(message)
        codeguruprofiler_backends[account][region].quota = groups
        return {"profiling_groups": groups, "account": account, "region": region}

    def _put_records(self, request: _Request) -> object:
        document = request.document()
        records = document["Records"] if isinstance(document, dict) and "Records" in document else [document]
        if not isinstance(records, list):
            message = f"Records must be a list, not {type(records).__name__}"
            raise _RefusedError(message)
        envelopes = [cloudtrail.envelope(record) for record in records]
        for envelope in envelopes:
            _check_place(envelope["account"], envelope["region"])
        return [
            {
                "event_id": envelope["detail"].get("eventID"),
                "envelope_id": envelope["id"],
                "matched_rules": self.bridge.put(envelope),
            }
            for envelope in envelopes
        ]

    def _describe_schedules(self, request: _Request) -> object:
        _, account, region = self._wanted(request, "schedules")
        return self.schedules.describe(account, region)

    def _fire_schedules(self, request: _Request) -> object:
        wanted, account, region = self._wanted(request, "schedules", "name")
        return self.schedules.fire(account, region, name=wanted.get("name"))

    def _age(self, request: _Request) -> object:
        wanted, account, region = self._wanted(request, "age", "seconds")
        seconds = wanted.get("seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            message = f"seconds must be a number of at least 0, not {seconds!r}"
            raise _RefusedError(message)
        return {"executions": age(account, region, seconds=seconds)}

    def _wanted(self, request: _Request, name: str, *keys: str) -> tuple[dict[str, Any], str, str]:
        """Return what a request asks for, by its body or its query, with account and region (default: the sandbox's).

        Raises:
            _RefusedError: it has keys beyond these, or names a place that does not exist.
        """
        given = request.document() if request.body else {key: values[0] for key, values in request.query.items()}
        known = {*keys, "account", "region"}
        unknown = sorted(set(given) - known) if isinstance(given, dict) else ["(no object)"]
        if unknown:
            message = f"unknown key {unknown[0]!r}; {name} takes {', '.join(sorted(known))}"
            raise _RefusedError(message)
        account, region = given.get("account", self.facts["account"]), given.get("region", self.facts["region"])
        _check_place(account, region)
        return given, account, region


def _check_place(account: object, region: object) -> None:
    if not isinstance(account, str) or not re.fullmatch(r"\d{12}", account):
        message = f"an account id has 12 digits, not {account!r}"
        raise _RefusedError(message)
    if not isinstance(region, str) or region not in events_backends[account]:
        message = f"there is no region {region!r}"
        raise _RefusedError(message)
