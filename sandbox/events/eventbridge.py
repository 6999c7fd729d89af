"""EventBridge's delivery to Lambda and Step Functions, which moto lacks: permission, retries, dead-letter queues.

The server installs it once; from then on moto's rules send to such targets through here, whether the event came by
PutEvents or from `EventBridge.put` (events of AWS services). What a target gets is the event as EventBridge delivers
it. Differences to AWS: no schedules, the policy of another account's bus is not asked, and a failed delivery's
backoff is 1 s doubling to 10 minutes (AWS does not say; it adds jitter).

A delivery for which the target is missing or its policy forbids it is not retried: it goes straight to the dead-letter
queue. Any other failure (faults set on Lambda's Invoke and Step Functions' StartExecution stand for those) is retried
as the target's RetryPolicy says.
Source: EventBridge user guide, "Using dead-letter queues to process undelivered events".
"""

import copy
import heapq
import itertools
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Condition, Thread
from typing import Any, Final, Protocol

from moto.awslambda.models import LambdaFunction
from moto.events.models import EventsBackend, Rule, events_backends
from moto.events.utils import EventMessageType, EventTemplateParser
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends

from sandbox.access.policies import AccessRequest, Decision, UnsupportedConditionError, evaluate
from sandbox.answers import ApiError
from sandbox.events.machines import Caller, DeliveryError
from sandbox.execution.asynchronous import Pace, PayloadTooLargeError
from sandbox.execution.deployment import find_function

_LOG: Final = logging.getLogger(__name__)
_SERVICE: Final = ("Service", "events.amazonaws.com")
_DEFAULT_ATTEMPTS: Final = 185
_DEFAULT_AGE_SECONDS: Final = 86_400
_LONGEST_WAIT_SECONDS: Final = 600.0
_REFUSED_SOURCE: Final = {
    "ErrorCode": "NotAuthorizedForSourceException",
    "ErrorMessage": "Not authorized for the source.",
}


class _Invoker(Protocol):
    """The part of `sandbox.execution.asynchronous.AsynchronousInvoker` that delivery needs."""

    def submit(self, function_arn: str, payload: bytes) -> str: ...


class _Machines(Protocol):
    """`sandbox.events.machines.MachineStarter`."""

    def start(self, machine_arn: str, document: str, *, caller: Caller) -> DeliveryError | None: ...


@dataclass(frozen=True, kw_only=True)
class _Delivery:
    """One event on its way to one target."""

    rule_arn: str
    target: Mapping[str, Any]
    event: Mapping[str, Any]
    payload: bytes
    started: float
    retries: int = 0

    @property
    def most_retries(self) -> int:
        return int(self.target.get("RetryPolicy", {}).get("MaximumRetryAttempts", _DEFAULT_ATTEMPTS))

    @property
    def oldest(self) -> float:
        return float(self.target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", _DEFAULT_AGE_SECONDS))


class EventBridge:
    """Delivers events to functions and state machines; one thread waits for retries."""

    def __init__(
        self,
        *,
        invoker: _Invoker,
        machines: _Machines,
        pace: Pace,
        invoke_fault: Callable[[], ApiError | None] | None = None,
    ) -> None:
        self._invoker = invoker
        self._machines = machines
        self._pace = pace
        self._invoke_fault = invoke_fault or (lambda: None)
        self._waiting: list[tuple[float, int, _Delivery]] = []
        self._order = itertools.count()
        self._under_way = 0
        self._closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._retry, name="eventbridge-retries", daemon=True)
        self._thread.start()

    def put(self, envelope: Mapping[str, Any], *, bus: str = "default") -> list[str]:
        """Put a whole event, as it is, on a bus of the account and region that it names.

        Args:
            envelope: with ``id``, ``source``, ``account``, ``region``, ``time`` (ISO 8601), ``detail-type`` and
                ``detail``.
            bus: the bus's name.

        Returns:
            The names of the rules that it matched.
        """
        backend = events_backends[envelope["account"]][envelope["region"]]
        return self._put_on(backend, dict(envelope), bus)

    def idle(self) -> bool:
        """Whether no event is in delivery or waits for a retry."""
        with self._changed:
            return self._under_way == 0

    def close(self) -> None:
        """Give up what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def fire(self, rule: Rule, event: dict[str, Any]) -> None:
        """Send the event to those of the rule's targets that are functions, state machines or buses."""
        for target in rule.targets:
            arn = str(target["Arn"])
            if _is_function(arn) or _is_machine(arn):
                delivery = _Delivery(
                    rule_arn=rule.arn,
                    target=copy.deepcopy(target),
                    event=event,
                    payload=json.dumps(_input(target, event)).encode(),
                    started=time.monotonic(),
                )
                with self._changed:
                    self._under_way += 1
                self._attempt(delivery)
            elif _is_bus(arn) and (event["account"], event["region"]) == (rule.account_id, rule.region_name):
                # What came from another account or region is not forwarded again.
                _, _, _, region, account, resource = arn.split(":", 5)
                self._put_on(events_backends[account][region], event, resource.removeprefix("event-bus/"))

    def _put_on(self, backend: EventsBackend, event: dict[str, Any], bus: str) -> list[str]:
        rules = list(backend.describe_event_bus(bus).rules.values())
        matched = [rule for rule in rules if _matches(rule, event)]
        for rule in matched:
            rule.send_to_targets(_as_moto_has_it(event))
        return [rule.name for rule in matched]

    def _attempt(self, delivery: _Delivery) -> None:
        """Try once; then the delivery is over, or waits for its next try."""
        waits = False
        try:
            error = self._deliver(delivery)
            if error is None:
                return
            exhausted = self._exhausted(delivery) if error.retriable else None
            waits = error.retriable and exhausted is None
            if not waits:
                self._bury(delivery, error, exhausted=exhausted)
        finally:
            with self._changed:
                if waits:
                    pause = self._pace.sleep_seconds(min(2.0**delivery.retries, _LONGEST_WAIT_SECONDS))
                    again = replace(delivery, retries=delivery.retries + 1)
                    heapq.heappush(self._waiting, (time.monotonic() + pause, next(self._order), again))
                    self._changed.notify_all()
                else:
                    self._under_way -= 1

    def _exhausted(self, delivery: _Delivery) -> str | None:
        """The condition that forbids another try."""
        if delivery.retries >= delivery.most_retries:
            return "MaximumRetryAttempts"
        if time.monotonic() - delivery.started >= self._pace.sleep_seconds(delivery.oldest):
            return "MaximumEventAgeInSeconds"
        return None

    def _deliver(self, delivery: _Delivery) -> DeliveryError | None:
        arn = str(delivery.target["Arn"])
        if _is_machine(arn):
            caller = Caller(service=_SERVICE[1], source_arn=delivery.rule_arn, role_arn=delivery.target.get("RoleArn"))
            return self._machines.start(arn, delivery.payload.decode(), caller=caller)
        return self._invoke(arn, delivery)

    def _invoke(self, arn: str, delivery: _Delivery) -> DeliveryError | None:
        function = find_function(arn)
        if function is None:
            return DeliveryError(code="NO_RESOURCE", message=f"Function not found: {arn}", retriable=False)
        if not _may_invoke(function, arn, rule_arn=delivery.rule_arn):
            message = f"The resource policy of {arn} does not let {_SERVICE[1]} invoke it for {delivery.rule_arn}"
            return DeliveryError(code="NO_PERMISSIONS", message=message, retriable=False)
        fault = self._invoke_fault()
        if fault is not None:
            throttled = "Throttl" in fault.code or "TooManyRequests" in fault.code
            code = "THROTTLING" if throttled else "ERROR_FROM_TARGET"
            return DeliveryError(code=code, message=f"{fault.code}: {fault.message}", retriable=True)
        try:
            self._invoker.submit(arn, delivery.payload)
        except PayloadTooLargeError as error:
            return DeliveryError(code="ERROR_FROM_TARGET", message=f"{type(error).__name__}: {error}", retriable=False)
        return None

    def _bury(self, delivery: _Delivery, error: DeliveryError, *, exhausted: str | None) -> None:
        arn = delivery.target.get("DeadLetterConfig", {}).get("Arn")
        attributes = {
            "RULE_ARN": delivery.rule_arn,
            "TARGET_ARN": str(delivery.target["Arn"]),
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": error.message,
        }
        if exhausted is not None:
            attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
            attributes["RETRY_ATTEMPTS"] = str(delivery.retries)
        if arn is None or not _send_to_queue(arn, delivery, attributes):
            _LOG.warning("event dropped: %s: %s, and no queue takes it", delivery.target["Arn"], error.message)

    def _retry(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._waiting or self._waiting[0][0] > time.monotonic()):
                    self._changed.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
                if self._closed:
                    return
                _, _, delivery = heapq.heappop(self._waiting)
            self._attempt(delivery)


def install(
    invoker: _Invoker,
    pace: Pace,
    *,
    machines: _Machines,
    invoke_fault: Callable[[], ApiError | None] | None = None,
) -> EventBridge:
    """Make moto's rules deliver to Lambda and Step Functions, and refuse PutEvents whose source begins with ``aws.``.

    A later call replaces what an earlier one installed.

    Args:
        invoker: takes the events for functions.
        pace: of the waits between retries and of an event's age.
        machines: starts state machines.
        invoke_fault: asked before each invocation; the error that it ends with instead, if any.
    """
    bridge = EventBridge(invoker=invoker, machines=machines, pace=pace, invoke_fault=invoke_fault)
    send = getattr(Rule.send_to_targets, "sandbox_original", Rule.send_to_targets)
    put = getattr(EventsBackend.put_events, "sandbox_original", EventsBackend.put_events)

    def send_to_targets(self: Rule, original_event: EventMessageType, transform_input: bool = True) -> None:  # noqa: FBT001, FBT002 - moto's signature
        if not _matches(self, original_event):
            return
        ours = (_is_function, _is_machine, _is_bus)
        rest = [target for target in self.targets if not any(is_one(str(target["Arn"])) for is_one in ours)]
        transformed = copy.copy(self)
        transformed.targets = [target for target in rest if "InputTransformer" in target]
        send(transformed, original_event, transform_input)
        # Left to itself moto transforms every event, by a template that forgets the account.
        plain = copy.copy(self)
        plain.targets = [target for target in rest if "InputTransformer" not in target]
        send(plain, _without_arrival(original_event), False)  # noqa: FBT003 - moto's signature
        bridge.fire(self, _as_delivered(original_event))

    def put_events(self: EventsBackend, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        own = [event for event in events if not _claims_aws(event)]
        results = iter(put(self, own) if own or not events else [])
        return [dict(_REFUSED_SOURCE) if _claims_aws(event) else next(results) for event in events]

    send_to_targets.sandbox_original = send  # type: ignore[attr-defined] # a function object takes any attribute
    put_events.sandbox_original = put  # type: ignore[attr-defined] # a function object takes any attribute
    Rule.send_to_targets = send_to_targets  # type: ignore[method-assign] # this is how moto is extended
    EventsBackend.put_events = put_events  # type: ignore[method-assign] # this is how moto is extended
    return bridge


def _claims_aws(event: Mapping[str, Any]) -> bool:
    return str(event.get("Source", "")).startswith("aws.")


def _matches(rule: Rule, event: Mapping[str, Any]) -> bool:
    """Unlike moto, ask for the rule's state and whether it has a pattern at all (a schedule has none)."""
    enabled = rule.state.startswith("ENABLED")
    return enabled and bool(rule.event_pattern.get_pattern()) and rule.event_pattern.matches_event(_as_delivered(event))


def _as_delivered(event: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON, which moto types as its own TypedDict
    """The event as EventBridge hands it out: `time` as text, no field that is moto's own."""
    delivered = _without_arrival(event)
    moment = delivered.get("time")
    if isinstance(moment, int | float):
        delivered["time"] = datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return delivered


def _as_moto_has_it(event: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON, which moto types as its own TypedDict
    """The event with a number for its time, which moto's own targets expect, and the time of its arrival."""
    moment = datetime.fromisoformat(str(event["time"])).timestamp()
    return {**event, "time": moment, "ingestion-time": time.time()}


def _without_arrival(event: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON, which moto types as its own TypedDict
    return {key: value for key, value in event.items() if key != "ingestion-time"}


def _is_function(arn: str) -> bool:
    return ":lambda:" in arn


def _is_machine(arn: str) -> bool:
    return ":states:" in arn and ":stateMachine:" in arn


def _is_bus(arn: str) -> bool:
    return ":events:" in arn and ":event-bus/" in arn


def _input(target: Mapping[str, Any], event: Mapping[str, Any]) -> object:
    """What the target gets: the event, or what its Input or InputTransformer makes of it."""
    if "Input" in target:
        return json.loads(target["Input"])
    transformer = target.get("InputTransformer")
    if transformer:
        return EventTemplateParser.parse(
            transformer.get("InputTemplate"), transformer.get("InputPathsMap", {}), _as_moto_has_it(event)
        )
    return event


def _may_invoke(function: LambdaFunction, arn: str, *, rule_arn: str) -> bool:
    statements = function.policy.statements
    return _service_may("lambda:InvokeFunction", arn, [{"Statement": statements}], rule_arn=rule_arn)


def _service_may(action: str, resource: str, policies: list[dict[str, Any]], *, rule_arn: str) -> bool:
    request = AccessRequest(
        action=action,
        resource=resource,
        context={
            "aws:sourcearn": rule_arn,
            "aws:sourceaccount": rule_arn.split(":")[4],
            "aws:securetransport": "true",
            "aws:principalisawsservice": "true",
            "aws:principalservicename": _SERVICE[1],
        },
        principals=frozenset({_SERVICE}),
    )
    try:
        return evaluate(policies, request) is Decision.ALLOWED
    except UnsupportedConditionError:
        _LOG.exception("the policy of %s cannot be evaluated", resource)
        return False


def _send_to_queue(arn: str, delivery: _Delivery, attributes: Mapping[str, str]) -> bool:
    """Whether the queue exists, lets EventBridge send for this rule, and took the event."""
    _, _, _, region, account, name = arn.split(":", 5)
    backend = sqs_backends[account][region]
    try:
        queue = backend.get_queue(name)
    except QueueDoesNotExist:
        return False
    policies = [json.loads(queue.policy)] if queue.policy else []
    if not _service_may("sqs:SendMessage", arn, policies, rule_arn=delivery.rule_arn):
        return False
    backend.send_message(
        name,
        json.dumps(delivery.event),
        message_attributes={key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()},
    )
    return True
