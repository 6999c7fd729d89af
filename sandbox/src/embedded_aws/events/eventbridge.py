"""EventBridge's delivery to functions, state machines and buses, which moto lacks: permission, retries, dead letters.

The server installs it once; from then on moto's rules send to such targets through here, whether the event came by
PutEvents or from `EventBridge.put` (events of AWS services). What a target gets is the event as EventBridge delivers
it. Differences to AWS: no schedules, and a failed delivery's backoff is 1 s doubling to 10 minutes (AWS does not say;
it adds jitter).

A bus of another account or region gets an event in the name of the target's role, and if it lets that in; the event
keeps its account and region, and goes no further than one such hop. What is put on another account's bus by the API is
from the account that calls, whatever the event says.

A delivery for which the target is missing or its policy forbids it is not retried: it goes straight to the dead-letter
queue. Any other failure (faults set on Lambda's Invoke, Step Functions' StartExecution and EventBridge's PutEvents
stand for those) is retried as the target's RetryPolicy says.
Sources: EventBridge user guide, "Using dead-letter queues to process undelivered events", "Sending and receiving events
between AWS accounts"; API reference, PutTargets; the CDK's EventBusProps (no retry policy for buses).
"""

import copy
import functools
import heapq
import itertools
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Condition, Thread
from typing import Any, Final

from moto.awslambda.models import LambdaFunction
from moto.events.exceptions import ValidationException
from moto.events.models import EventsBackend, Rule, events_backends
from moto.events.utils import EventMessageType
from moto.sqs.exceptions import QueueDoesNotExist
from moto.sqs.models import sqs_backends

from embedded_aws.access import authorization, event_buses
from embedded_aws.access.authorization import AssumedRole
from embedded_aws.access.policies import AccessRequest, Decision, UnsupportedConditionError, evaluate
from embedded_aws.events.machines import Caller, DeliveryError, Invoker, Machines
from embedded_aws.execution.asynchronous import PayloadTooLargeError, TimeScale
from embedded_aws.execution.deployment import find_function
from embedded_aws.http_responses import ApiError
from embedded_aws.monitoring import metrics
from embedded_aws.moto_extensions.patching import extend

_LOG: Final = logging.getLogger(__name__)
_SERVICE: Final = ("Service", "events.amazonaws.com")
_SESSION_NAME: Final = "events"
_DEFAULT_ATTEMPTS: Final = 185
_DEFAULT_AGE_SECONDS: Final = 86_400
_LONGEST_WAIT_SECONDS: Final = 600.0
_MOST_ENTRIES: Final = 10
_TRANSFORMATIONS: Final = ("Input", "InputPath")
_REFUSED_SOURCE: Final = {
    "ErrorCode": "NotAuthorizedForSourceException",
    "ErrorMessage": "Not authorized for the source.",
}


_Fault = Callable[[str, str, str], ApiError | None]


@dataclass(frozen=True, kw_only=True)
class _Delivery:
    """One event on its way to one target.

    Attributes:
        age: Seconds on AWS's clock: the waits before its retries, and nothing else.
    """

    rule_arn: str
    target: Mapping[str, Any]
    event: Mapping[str, Any]
    payload: bytes
    retries: int = 0
    age: float = 0.0

    @property
    def most_retries(self) -> int:
        return int(self.target.get("RetryPolicy", {}).get("MaximumRetryAttempts", _DEFAULT_ATTEMPTS))

    @property
    def oldest(self) -> float:
        return float(self.target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", _DEFAULT_AGE_SECONDS))


class EventBridge:
    """Delivers events to functions, state machines and buses; one thread waits for retries."""

    def __init__(
        self,
        *,
        invoker: Invoker,
        machines: Machines,
        time_scale: TimeScale,
        fault: _Fault | None = None,
    ) -> None:
        self._invoker = invoker
        self._machines = machines
        self._time_scale = time_scale
        self._fault = fault or (lambda *_: None)
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
        # What came from another account or region is not forwarded again.
        is_from_here = (event["account"], event["region"]) == (rule.account_id, rule.region_name)
        for target in rule.targets:
            arn = str(target["Arn"])
            if _is_function(arn) or _is_machine(arn) or (_is_bus(arn) and is_from_here):
                delivery = _Delivery(
                    rule_arn=rule.arn,
                    target=copy.deepcopy(target),
                    event=event,
                    payload=json.dumps(_input(target, event)).encode(),
                )
                with self._changed:
                    self._under_way += 1
                self._attempt(delivery)

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
                metrics.of_rule(delivery.rule_arn, "Invocations")
                return
            exhausted = self._exhausted(delivery) if error.retriable else None
            waits = error.retriable and exhausted is None
            if not waits:
                self._send_to_dlq(delivery, error, exhausted=exhausted)
        finally:
            with self._changed:
                if waits:
                    pause = min(2.0**delivery.retries, _LONGEST_WAIT_SECONDS)
                    due = time.monotonic() + self._time_scale.sleep_seconds(pause)
                    again = replace(delivery, retries=delivery.retries + 1, age=delivery.age + pause)
                    heapq.heappush(self._waiting, (due, next(self._order), again))
                    self._changed.notify_all()
                else:
                    self._under_way -= 1

    def _exhausted(self, delivery: _Delivery) -> str | None:
        """The condition that forbids another try."""
        if delivery.retries >= delivery.most_retries:
            return "MaximumRetryAttempts"
        if delivery.age >= delivery.oldest:
            return "MaximumEventAgeInSeconds"
        return None

    def _deliver(self, delivery: _Delivery) -> DeliveryError | None:
        arn = str(delivery.target["Arn"])
        if _is_machine(arn):
            caller = Caller(service=_SERVICE[1], source_arn=delivery.rule_arn, role_arn=delivery.target.get("RoleArn"))
            return self._machines.start(arn, delivery.payload.decode(), caller=caller)
        if _is_bus(arn):
            return self._forward(arn, delivery)
        return self._invoke(arn, delivery)

    def _forward(self, arn: str, delivery: _Delivery) -> DeliveryError | None:
        account, role = delivery.rule_arn.split(":")[4], delivery.target.get("RoleArn")
        why = _why_role_may_not(role, arn, rule_arn=delivery.rule_arn)
        if why is not None:
            return DeliveryError(code="NO_PERMISSIONS", message=why, retriable=False)
        if event_buses.find_bus(arn) is None:
            return DeliveryError(code="NO_RESOURCE", message=f"Event bus not found: {arn}", retriable=False)
        sender = event_buses.Sender(account=account, arn=f"arn:aws:iam::{account}:root", principal_arn=str(role))
        if role is not None:
            sender = replace(sender, arn=AssumedRole.of(role, _SESSION_NAME).arn)
        event = dict(delivery.event)
        wish = event_buses.PutEventsRequest(
            bus=arn,
            action="events:PutEvents",
            source=event["source"],
            detail_type=event["detail-type"],
            from_a_rule=True,
        )
        why = event_buses.why_not(sender, wish)
        if why is not None:
            message = f"{sender.arn} is not authorized to perform: events:PutEvents on resource: {arn} {why}"
            return DeliveryError(code="NO_PERMISSIONS", message=message, retriable=False)
        failure = self._failure("events", "PutEvents", arn)
        if failure is not None:
            return failure
        _, _, _, region, owner, resource = arn.split(":", 5)
        self._put_on(events_backends[owner][region], event, resource.removeprefix("event-bus/"))
        return None

    def _invoke(self, arn: str, delivery: _Delivery) -> DeliveryError | None:
        function = find_function(arn)
        if function is None:
            return DeliveryError(code="NO_RESOURCE", message=f"Function not found: {arn}", retriable=False)
        if not _may_invoke(function, arn, rule_arn=delivery.rule_arn):
            message = f"The resource policy of {arn} does not let {_SERVICE[1]} invoke it for {delivery.rule_arn}"
            return DeliveryError(code="NO_PERMISSIONS", message=message, retriable=False)
        failure = self._failure("lambda", "Invoke", arn)
        if failure is not None:
            return failure
        try:
            self._invoker.submit(arn, delivery.payload)
        except PayloadTooLargeError as error:
            return DeliveryError(code="ERROR_FROM_TARGET", message=f"{type(error).__name__}: {error}", retriable=False)
        return None

    def _failure(self, service: str, operation: str, target_arn: str) -> DeliveryError | None:
        """What a fault that is set on the target's operation makes of the delivery."""
        fault = self._fault(service, operation, target_arn)
        if fault is None:
            return None
        throttled = "Throttl" in fault.code or "TooManyRequests" in fault.code
        code = "THROTTLING" if throttled else "ERROR_FROM_TARGET"
        return DeliveryError(code=code, message=f"{fault.code}: {fault.message}", retriable=True)

    def _send_to_dlq(self, delivery: _Delivery, error: DeliveryError, *, exhausted: str | None) -> None:
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
        kept = arn is not None and _send_to_queue(arn, delivery, attributes)
        counted = ["InvocationsSentToDlq"] if kept else ["FailedInvocations"]
        if arn is not None and not kept:
            counted.append("InvocationsFailedToBeSentToDlq")
        metrics.of_rule(delivery.rule_arn, "Invocations", *counted)
        if not kept:
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
    invoker: Invoker,
    time_scale: TimeScale,
    *,
    machines: Machines,
    fault: _Fault | None = None,
) -> EventBridge:
    """Make moto's rules deliver to functions, state machines and buses, and moto refuse what AWS refuses there.

    That is PutEvents with a source that begins with ``aws.``, or on a bus of another region; PutTargets with a bus and
    with what only other targets may have.

    A later call replaces what an earlier one installed.

    Args:
        invoker: takes the events for functions.
        time_scale: of the waits between retries and of an event's age.
        machines: starts state machines.
        fault: asked before each call of Lambda's Invoke and EventBridge's PutEvents that a delivery makes, by service,
            operation and the target's ARN; the error that it ends with instead, if any.
    """
    bridge = EventBridge(invoker=invoker, machines=machines, time_scale=time_scale, fault=fault)
    extend(Rule, "send_to_targets", functools.partial(_send_to_targets, bridge))
    extend(EventsBackend, "put_events", _put_events)
    extend(EventsBackend, "put_targets", _put_targets)
    return bridge


def _send_to_targets(
    bridge: EventBridge, original: Callable[..., None], self: Rule, event: EventMessageType, *_: object
) -> None:
    if not _matches(self, event):
        return
    others = copy.copy(self)
    others.targets = [each for each in self.targets if not _is_delivered_here(str(each["Arn"]))]
    # Left to itself moto transforms every event, by a template that forgets the account.
    original(others, _without_arrival(event), False)  # noqa: FBT003 - moto's signature
    bridge.fire(self, _as_delivered(event))


def _put_events(
    original: Callable[..., list[dict[str, Any]]], self: EventsBackend, events: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    if len(events) > _MOST_ENTRIES:
        return original(self, events)  # which refuses them
    return [
        dict(_REFUSED_SOURCE) if _claims_aws(event) else original(_at_bus_of(self, event), [event])[0]
        for event in events
    ]


def _put_targets(
    original: Callable[..., None],
    self: EventsBackend,
    name: str,
    event_bus_arn: str | None,
    targets: list[dict[str, Any]],
) -> None:
    for target in targets:
        if "InputTransformer" in target:
            raise NotImplementedError("targets with an InputTransformer")
        if _is_bus(target["Arn"]):
            _check_bus(target, rule=self)
    original(self, name, event_bus_arn, targets)


def _at_bus_of(sender: EventsBackend, entry: Mapping[str, Any]) -> EventsBackend:
    """The sender's backend, with the buses of the account that the entry names; that one may is asked before.

    The rules are those of this moment: moto goes through them while other threads make and delete some.
    """
    arn = event_buses.bus_arn(entry.get("EventBusName"), account=sender.account_id, region=sender.region_name)
    _, _, _, region, account, _ = arn.split(":", 5)
    if region != sender.region_name:
        message = "Cross-region API call is not allowed."
        raise ValidationException(message)
    there = copy.copy(sender)
    there.event_buses = {}
    for name, bus in list(events_backends[account][region].event_buses.items()):
        there.event_buses[name] = copy.copy(bus)
        there.event_buses[name].rules = dict(bus.rules)
    return there


def _check_bus(target: Mapping[str, Any], *, rule: EventsBackend) -> None:
    """Refuse what PutTargets does not take with a bus as its target; the texts are the sandbox's own.

    Raises:
        ValidationException: a retry policy; for a bus elsewhere no role; for one of another account something else
            than the event as it is.
    """
    _, _, _, region, account, _ = str(target["Arn"]).split(":", 5)
    refused = ("RetryPolicy",) if account == rule.account_id else ("RetryPolicy", *_TRANSFORMATIONS)
    for key in refused:
        if key in target:
            message = f"{key} is not supported for target {target['Id']}: it is an event bus."
            raise ValidationException(message)
    if "RoleArn" not in target and (account, region) != (rule.account_id, rule.region_name):
        message = f"RoleArn is required for target {target['Id']}: it is an event bus of another account or region."
        raise ValidationException(message)


def _why_role_may_not(role: str | None, bus: str, *, rule_arn: str) -> str | None:
    """Why the target's role cannot put events on the bus for the rule; None where it can."""
    account = rule_arn.split(":")[4]
    if role is None:
        return None  # as `_check_bus` has it: a neighbour in the same account and region
    trusts = authorization.trusts_service(role, _SERVICE[1], source_arn=rule_arn)
    if role.split(":")[4] != account or not trusts:
        return f"{_SERVICE[1]} may not assume the role {role} for {rule_arn}"
    session = AssumedRole.of(role, _SESSION_NAME)
    if not authorization.allowed(session, action="events:PutEvents", resource=bus):
        return (
            f"User: {session.arn} is not authorized to perform: events:PutEvents on resource: {bus} because no"
            " identity-based policy allows the events:PutEvents action"
        )
    return None


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


def _is_delivered_here(arn: str) -> bool:
    return _is_function(arn) or _is_machine(arn) or _is_bus(arn)


def _is_bus(arn: str) -> bool:
    return ":events:" in arn and ":event-bus/" in arn


def _input(target: Mapping[str, Any], event: Mapping[str, Any]) -> object:
    """What the target gets: the event, or its Input."""
    return json.loads(target["Input"]) if "Input" in target else event


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
