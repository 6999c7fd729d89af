"""What the commands have found, as a person reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from ops import output
from ops.comparison import Kind
from ops.verdicts import what, where
from profiling_groups.functions import FunctionReference
from profiling_groups.policy import AdoptExistingGroups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ops.comparison import Allowed, Comparison, Exchange, FunctionChange
    from ops.simulation import Simulation
    from ops.verdicts import Verdict
    from profiling_groups.policy import Policy

_Thing = TypeVar("_Thing")

_UNSEEN = (
    "CloudTrail leaves environments out, so a function that names another group, or reports to another region, is not"
    " told from others here; nor is it known which groups were there already."
)
_ADOPTION = {
    AdoptExistingGroups.UNTAGGED: "adopted if it has no tags; otherwise not touched",
    AdoptExistingGroups.ALL: "otherwise adopted, unless CloudFormation manages it or it has another function's mark",
    AdoptExistingGroups.NONE: "otherwise not touched",
}
_OUTCOME = ("time", "account", "region", "function", "action", "reason", "group", "detail")


def print_policy(file: str, policy: Policy, events: Sequence[str], allowed: Sequence[Allowed]) -> None:
    """Print what follows from a policy."""
    output.say(f"{file} is a policy.")
    if policy.needs_organization_path:
        output.say("It speaks of organizational units, so only a deployment for an organization can obey it.")
    output.say()
    if policy.overrides:
        rows = [
            (str(number), _places(where(each)), ", ".join(what(each))) for number, each in enumerate(policy.overrides)
        ]
        output.table(("override", "where", "what is otherwise"), rows)
        output.say()
    output.table(("events that it listens to",), [(event,) for event in events])
    output.say()
    output.table(("what it asks to be allowed", "on"), [(each.action, each.resource) for each in allowed])


def print_verdict(verdict: Verdict, *, overrides: int) -> None:
    """Print what a function should have, by a policy with so many overrides."""
    rows = [*_about(verdict), *_overridden(verdict, overrides)]
    output.table((), rows, title=verdict.function)
    output.say()


def _overridden(verdict: Verdict, overrides: int) -> Iterator[tuple[str, str]]:
    if verdict.organization_path:
        yield "  is in", verdict.organization_path
    for label, each in zip(_label("overrides"), verdict.overrides, strict=False):
        decides = ", ".join(each.decides) or "nothing, as later ones do"
        yield label, f"{each.number} ({_places(each.match)}) decides {decides}"
    if overrides and not verdict.overrides:
        yield "  overrides", f"none of {overrides} applies"


def _places(match: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{name} {', '.join(globs)}" for name, globs in match.items())


def _about(verdict: Verdict) -> Iterator[tuple[str, str]]:
    if verdict.group is None:
        yield "  group", "none"
        yield "  reason", str(verdict.reason)
        yield "  because", verdict.detail or ""
        by = "" if verdict.rule_by is None else f" (by override {verdict.rule_by})"
        yield "  rule", f"{verdict.rule}{by}" if verdict.rule else "none: no policy could say otherwise"
        if verdict.leftover:
            yield "  left over", f"{verdict.leftover}, if there is such a group; {_fate(verdict, verdict.leftover)}"
        return
    yield "  group", verdict.group
    if verdict.adopts:
        yield "  existing", f"managed if it has this function's mark; {_ADOPTION[verdict.adopts]}"
    for label, (key, value) in zip(_label("tags"), verdict.tags.items(), strict=False):
        yield label, f"{key} = {value}"
    for label, tag in zip(_label("not inherited"), verdict.dropped_tags, strict=False):
        yield label, f"{tag.key}: {tag.why}"
    yield (
        "  profiling",
        "enabled, if the group is new" if verdict.profiling_enabled else "not enabled, if the group is new",
    )
    if verdict.agent_role:
        yield "  agent's role", verdict.agent_role
    if verdict.detail:
        yield "  but", verdict.detail


def _fate(verdict: Verdict, group: str | None) -> str:
    """Say what becomes of a group, should it be there."""
    if verdict.leftover != group or verdict.spared_days is None:
        return "kept"
    grace = f", {verdict.spared_days} days after its last activity" if verdict.spared_days else ""
    return f"deleted by a backfill if it was created for this function and no other needs it{grace}"


def _label(text: str) -> Iterator[str]:
    """Yield the label of a list's first row, and blanks for the others."""
    yield f"  {text}"
    while True:
        yield ""


def print_simulation(simulation: Simulation, *, folder: str, policy: str) -> None:
    """Print what came of a folder of records."""
    if not simulation.records:
        output.say(f"There is no CloudTrail record (*.json, *.json.gz) in {folder}.")
        return
    output.say(f"{simulation.creations:,} creations among {simulation.records:,} records of {folder}, by {policy}.")
    if simulation.unjudged:
        output.say(f"{simulation.unjudged:,} of them cannot be judged.")
    if not simulation.counts:
        return
    output.say()
    output.table(
        ("action", "reason", "count"),
        [(each["action"], each["reason"] or "", f"{each['count']:,}") for each in simulation.tally()],
    )
    output.say()
    output.say(_UNSEEN)
    output.say()
    widths = output.widest(map(_outcome, simulation.outcomes.items()))
    output.table(_OUTCOME, map(_outcome, simulation.outcomes.items()), widths=widths)


def _outcome(found: Mapping[str, Any]) -> tuple[str, ...]:
    name = FunctionReference.parse(found["function"] or "")
    cells = {**found, "function": name and name.name}
    return tuple(cells[key] or "" for key in _OUTCOME)


def print_comparison(comparison: Comparison, changes: Sequence[FunctionChange], *, asked: int | None) -> None:
    """Print what changes between two policies.

    Args:
        comparison: What changes whatever the functions.
        changes: The functions that change hands.
        asked: How many functions were asked about; None for none.
    """
    if comparison.keys:
        output.table(
            ("key", "old", "new"), [(each.key, _value(each.old), _value(each.new)) for each in comparison.keys]
        )
    else:
        output.say("No key differs.")
    if comparison.events:
        output.say()
        output.table(("", "event"), [(sign, event) for sign, event in _exchanged(comparison.events)])
    if comparison.permissions:
        output.say()
        rows = [(sign, each.action, each.resource) for sign, each in _exchanged(comparison.permissions)]
        output.table(("", "permission", "on"), rows)
    if asked is not None:
        output.say()
        output.say(f"{len(changes):,} of {asked:,} functions change hands.")
    if changes:
        output.say()
        output.table(("function", "what", "old", "new"), [row for change in changes for row in _change(change)])


def _exchanged(exchange: Exchange[_Thing]) -> Iterator[tuple[str, _Thing]]:
    yield from (("lost", each) for each in exchange.lost)
    yield from (("gained", each) for each in exchange.gained)


def _change(change: FunctionChange) -> Iterator[tuple[str, str, str, str]]:
    for kind in change.kinds:
        match kind:
            case Kind.RETAGGED:
                old, new = change.old.tags, change.new.tags
                differ = [key for key in {**old, **new} if old.get(key) != new.get(key)]
                before = ", ".join(f"{key} = {old[key]}" for key in differ if key in old)
                after = ", ".join(f"{key} = {new[key]}" for key in differ if key in new)
            case Kind.AGENT:
                before, after = change.old.agent_role or "", change.new.agent_role or ""
            case Kind.GROUP_GOES | Kind.GROUP_STAYS:
                group = (change.new if kind is Kind.GROUP_GOES else change.old).leftover
                before, after = (f"{group}: {_fate(each, group)}" for each in (change.old, change.new))
            case _:
                before, after = _result(change.old), _result(change.new)
        yield change.new.function, kind, before, after


def _result(verdict: Verdict) -> str:
    if verdict.group is not None:
        return verdict.group
    return f"{verdict.reason} ({verdict.rule})" if verdict.rule else str(verdict.reason)


def _value(value: object) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
