"""`profiling-groups replay`: what events could not be worked on, and why; and once that is mended, once more."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from ops import deployment, letters, options, output
from ops.connection import connect, reachable
from ops.interrupts import INTERRUPTED
from ops.letter_queue import HIDDEN_SECONDS, LetterQueue, parse_url
from ops.live import Live
from ops.problems import CannotWorkError
from ops.replay import Interrupts, Replay, Selection, look
from profiling_groups.functions import FunctionReference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from threading import Event

    import boto3

    from ops.letters import Group, Letter, Tally
    from ops.replay import Replayed
    from profiling_groups.functions import Place

_GROUP: Final = ("from", "reason", "detail", "account", "region", "letters", "oldest", "newest", "for example")
_FAILURE: Final = ("reason", "detail", "account", "region", "letters", "for example", "message")
_NOT_OURS: Final = ("what", "account", "region", "messages", "for example")


class _Function(click.ParamType[FunctionReference]):
    """A function's name or ARN."""

    name = "function"

    def convert(
        self, value: str | FunctionReference, param: click.Parameter | None, ctx: click.Context | None
    ) -> FunctionReference:
        found = FunctionReference.parse(value) if isinstance(value, str) else value
        if found is None:
            self.fail(f"{value!r} is neither a function's name nor its ARN", param, ctx)
        return found


@click.command("replay", short_help="Show what events could not be worked on, and give them to the function again.")
@options.stack
@click.option(
    "--queue",
    metavar="URL",
    help="Another queue than the stack's own: that of an organization's member, in one region. Takes only events"
    " of the account and region in its URL.",
)
@click.option("--dry-run", is_flag=True, help="Only show them.")
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="REASON",
    help="Only letters of this reason, as they are shown; may be given several times.",
)
@click.option(
    "--function",
    "functions",
    multiple=True,
    type=_Function(),
    metavar="NAME",
    help="Only letters about this function, by name or ARN; may be given several times.",
)
@click.option("--all", "everything", is_flag=True, help="All letters of the queue; so it is unless something is said.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="So many letters at most.")
@click.option("--yes", is_flag=True, help="Show nothing beforehand, and do not ask.")
@options.as_json
@click.pass_context
def replay(  # noqa: PLR0913 - an argument for each of the command's
    context: click.Context,
    *,
    stack: str,
    queue: str | None,
    dry_run: bool,
    reasons: tuple[str, ...],
    functions: tuple[FunctionReference, ...],
    everything: bool,
    limit: int | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Show the dead letters: events that the rule could not deliver, or that the function has failed at, and why.

    At a terminal it asks, and then gives them to the function again, two at a time. A letter that the function gets
    done is deleted; any other stays in the queue, as does what is not asked for, and what is no letter of ours. Nothing
    is lost, and no harm done, if it is interrupted, or run twice, at the same time even.

    Exit status: 0 none is left of those that were asked for; 1 some are; 2 wrong usage, or AWS cannot be asked.
    """
    if everything and (limit or reasons or functions):
        raise click.UsageError("--all, or --limit, --reason and --function, not both.")
    if dry_run and yes:
        raise click.UsageError("--dry-run or --yes, not both.")
    asks = not (dry_run or yes)
    if asks and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("say --yes to replay them without being asked, or --dry-run to see them.")
    selection = Selection(
        reasons=frozenset(reason.strip().lower() for reason in reasons), functions=functions, limit=limit
    )
    with reachable():
        work = _Work(connect(), stack=stack, queue=queue, selection=selection)
        if not yes:
            seen = work.look()
            if as_json:
                output.print_json(work.to_json(seen, dry_run=True))
            else:
                _print_seen(seen, limit=limit)
            if dry_run or not seen.asked:
                context.exit(work.status(seen))
            if not _confirmed(seen.asked):
                context.exit(1)
        done = work.replay()
    if as_json:
        output.print_json(work.to_json(done, dry_run=False))
    else:
        _print_done(done)
    context.exit(INTERRUPTED if work.interrupted else work.status(done))


class _Work:
    """A deployment's dead letters, or another queue's, and the function that is to be given them.

    Args:
        session: The operator's.
        stack: Name of the stack.
        queue: URL of another queue than the stack's; None for that.
        selection: What letters are asked for.

    Attributes:
        interrupted: Whether it was ended by Ctrl-C.

    Raises:
        CannotWorkError: There is no such stack, or an older one; or the other queue's URL does not name its account and
            region.
    """

    def __init__(self, session: boto3.Session, *, stack: str, queue: str | None, selection: Selection) -> None:
        outputs = deployment.outputs(session, stack, needed=("ProvisionerFunctionName", "DeadLetterQueueUrl"))
        self._session = session
        self._function = outputs["ProvisionerFunctionName"]
        self._url = queue or outputs["DeadLetterQueueUrl"]
        self._is_own = self._url == outputs["DeadLetterQueueUrl"]
        self._bus = outputs.get(deployment.HUB_OUTPUT)
        self._selection = selection
        self._queue = LetterQueue(session, self._url, only=None if self._is_own else _origin(self._url))
        self._hidden = self._queue.counts().hidden
        self.interrupted = False
        if self._hidden:
            output.warn(
                f"{self._hidden:,} letters are hidden: somebody looks at them, or has looked a moment ago. They come"
                f" back by themselves; this command hides none for longer than {HIDDEN_SECONDS // 60} minutes."
            )

    def look(self) -> Replayed:
        """See what there is."""
        with Live("Looking") as live, self._interruptible(live) as stopping:
            seen = look(self._queue, self._selection, known=self._known, live=live, stopping=stopping)
        if self.interrupted:
            raise KeyboardInterrupt
        return seen

    def replay(self) -> Replayed:
        """Replay what is asked for."""
        with Live("Replaying") as live, self._interruptible(live) as stopping:
            work = Replay(
                self._session,
                function=self._function,
                selection=self._selection,
                known=self._known,
                live=live,
                stopping=stopping,
            )
            try:
                return work.run(self._queue)
            except Exception:
                output.warn(f"{work.done.replayed:,} letters were replayed; all others are in the queue.")
                raise

    def status(self, done: Replayed) -> int:
        """Return the exit status: nobody knows what is hidden."""
        return 1 if done.replayed < done.asked or self._hidden else 0

    def to_json(self, done: Replayed, *, dry_run: bool) -> dict[str, Any]:
        """Return what came of it as JSON values."""
        return {
            "queue": self._url,
            "function": self._function,
            "dry_run": dry_run,
            "interrupted": self.interrupted,
            "hidden": self._hidden,
            "asked": done.asked,
            "replayed": done.replayed,
            "failed": done.failed,
            "left": done.left,
            "letters": [group.to_json() for group in done.found.groups()],
            "others": [group.to_json() for group in done.others.groups()],
            "failures": [failure.to_json() for failure in done.failures],
            "truncated": len(done.failures) < done.failed,
            "given_up": done.busy,
        }

    @contextmanager
    def _interruptible(self, live: Live) -> Iterator[Event]:
        try:
            with Interrupts(live) as interrupts:
                yield interrupts.stopping
        except KeyboardInterrupt:
            # The second one: what the function still works on is not waited for, which its thread would be.
            live.__exit__()
            os._exit(INTERRUPTED)
        self.interrupted = interrupts.pressed

    def _known(self, letter: Letter) -> Letter:
        """Leave alone what another queue has besides: other functions' letters, and other rules'.

        Attributes are anybody's to write there. They may say that a letter is not ours, never that it is.
        """
        if self._is_own or not letter.is_ours:
            return letter
        if letter.target is None:
            return letters.not_ours(letter, "a letter of a function's, which nothing tells")
        if letter.target == self._bus or letter.target.endswith(f":function:{self._function}"):
            return letter
        return letters.not_ours(letter, f"was not on its way to this deployment, but to {letter.target}")


def _origin(url: str) -> Place:
    """Return the account and region that the events of another queue have to be about: the queue's own."""
    place = parse_url(url)
    if place is None:
        raise CannotWorkError(
            f"{url!r} does not name its account and region; expected https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
        )
    return place


def _confirmed(number: int) -> bool:
    try:
        return click.confirm(f"Replay {number:,} letters?" if number > 1 else "Replay this letter?", err=True)
    except click.Abort as error:
        raise KeyboardInterrupt from error


def _print_seen(seen: Replayed, *, limit: int | None) -> None:
    found = seen.found.all
    if found:
        output.table(_GROUP, [_cells(group) for group in seen.found.groups()])
    else:
        output.say("There is no letter that is asked for." if seen.others.all else "There are no letters.")
    if limit is not None and found > limit:
        output.say(f"{limit:,} of these {found:,} are asked for.")
    _print_others(seen.others)


def _print_others(others: Tally) -> None:
    if ours := others.all - others.not_ours:
        output.say(f"{ours:,} more were not asked for.")
    if others.not_ours:
        output.say()
        output.say(f"{others.not_ours:,} messages are not ours, and left alone:")
        groups = [group for group in others.groups() if not group.is_ours]
        output.table(_NOT_OURS, [(g.cause.detail, *_where(g), f"{g.letters:,}", g.example.id) for g in groups])


def _print_done(done: Replayed) -> None:
    output.say(f"{done.replayed:,} of {done.asked:,} letters were replayed.")
    if done.failed:
        output.say(f"{done.failed:,} have failed again, and stay in the queue:")
        output.say()
        output.table(_FAILURE, [_failed(group) for group in done.causes.groups()])
    if done.busy:
        output.warn(f"The function took none for minutes, so it was given up: {done.busy}")
    if done.left:
        output.warn(
            f"{done.left:,} more were received, and not tried. They are in the queue, as are those not received."
        )
    _print_others(done.others)


def _cells(group: Group) -> Sequence[str]:
    cause = group.cause
    return (
        cause.origin,
        cause.reason,
        cause.detail,
        *_where(group),
        f"{group.letters:,}",
        _minute(group.oldest),
        _minute(group.newest),
        _about(group.example),
    )


def _failed(group: Group) -> Sequence[str]:
    return (
        group.cause.reason,
        group.cause.detail,
        *_where(group),
        f"{group.letters:,}",
        _about(group.example),
        group.example.message,
    )


def _where(group: Group) -> tuple[str, str]:
    return group.account or "-", group.region or "-"


def _about(letter: Letter) -> str:
    return letter.function.name if letter.function else letter.id


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
