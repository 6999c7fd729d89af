"""A queue of dead letters: they are received, held while somebody looks at them, and given back. No letter is lost.

What is received is hidden from everybody else for some minutes; what is not deleted comes back by itself then, and at
once on the way out of the `with` block.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops import letters, output
from ops.connection import CONFIG
from profiling_groups.functions import ACCOUNT, REGION, Place

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    import boto3

    from ops.letters import Letter, Tally

HIDDEN_SECONDS: Final = 300
"""For how long a letter is hidden, unless it is given back, or held for longer. So long a killed command hides it."""

_AT_ONCE: Final = 10
"""Messages of one call, by SQS's quota."""
_WAIT_SECONDS: Final = 2
"""A call that waits asks all of SQS's servers; one that does not asks a few, and may find nothing though there is."""
# Forms: SQS developer guide, "Queue and message identifiers" and "Interface VPC endpoints"; AWS General Reference,
# "Amazon SQS endpoints". botocore sends nothing to this host: the client's region and the account decide what is read.
_URL = re.compile(
    rf"https?://(?:(?:vpce-[a-z0-9-]+\.)?sqs(?:-fips)?\.(?P<region>{REGION.pattern})(?:\.vpce)?"
    rf"|(?:(?P<legacy>{REGION.pattern})\.)?queue)"
    r"\.(?:amazonaws\.(?:com(?:\.cn)?|eu)|api\.aws|api\.amazonwebservices\.com\.cn)(?::[0-9]+)?"
    rf"/(?P<account>{ACCOUNT.pattern})/[A-Za-z0-9_.-]+/?"
)
_LEGACY_REGION: Final = "us-east-1"
"""Region of `queue.amazonaws.com`."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What a queue says of itself, roughly.

    Attributes:
        waiting: Letters that can be received.
        hidden: Letters that somebody has received, and neither deleted nor given back.
    """

    waiting: int
    hidden: int


@dataclass(kw_only=True)
class _Held:
    receipt: str
    until: float


class LetterQueue:
    """A queue of dead letters, for the duration of a `with` block. Not for several threads.

    Args:
        session: The operator's.
        url: Its URL. The region that this names is asked, if any.
        only: Account and region that its events have to be about, where others than this deployment may write to it.

    Raises:
        botocore.exceptions.BotoCoreError: AWS could not be reached; here and by every method.
        botocore.exceptions.ClientError: There is no such queue, or it may not be read; likewise.
    """

    def __init__(self, session: boto3.Session, url: str, *, only: Place | None = None) -> None:
        place = parse_url(url)
        self._client = session.client("sqs", region_name=place.region if place else None, config=CONFIG)
        self._url = url
        self._only = only
        self._held: dict[str, _Held] = {}
        self._deleted: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.give_back(list(self._held))
        except (BotoCoreError, ClientError) as error:
            output.warn(
                f"{len(self._held):,} letters could not be given back, and come back by themselves within"
                f" {HIDDEN_SECONDS // 60} minutes: {error}"
            )

    def counts(self) -> Counts:
        """Return how many letters there are: one call."""
        found = self._client.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return Counts(
            waiting=int(found["ApproximateNumberOfMessages"]),
            hidden=int(found["ApproximateNumberOfMessagesNotVisible"]),
        )

    def receive(self) -> list[Letter]:
        """Receive up to ten letters that were not received before; none at the end. They are held from now on."""
        while messages := self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_AT_ONCE,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=_WAIT_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages"):
            found = []
            for message in messages:
                # SQS delivers at least once. Only the latest receipt holds.
                known = message["MessageId"] in self._held
                self._hold(message["MessageId"], message["ReceiptHandle"])
                if message["MessageId"] in self._deleted:
                    self.delete(message["MessageId"])
                elif not known:
                    found.append(letters.read(message, only=self._only))
            if found:
                return found
        return []

    def delete(self, letter_id: str) -> None:
        """Delete a letter that is held."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=self._held[letter_id].receipt)
        self._deleted.add(letter_id)
        del self._held[letter_id]

    def hold(self) -> None:
        """Keep on holding what is held; to be called at least once a minute."""
        soon = time.monotonic() + HIDDEN_SECONDS / 2
        self._change([each for each, held in self._held.items() if held.until < soon], seconds=HIDDEN_SECONDS)

    def give_back(self, letter_ids: Iterable[str]) -> None:
        """Let everybody see letters that are held."""
        given = list(letter_ids)
        self._change(given, seconds=0)
        for each in given:
            del self._held[each]

    def _hold(self, letter_id: str, receipt: str) -> None:
        self._held[letter_id] = _Held(receipt=receipt, until=time.monotonic() + HIDDEN_SECONDS)

    def _change(self, letter_ids: list[str], *, seconds: int) -> None:
        """Hide letters for so long from now on, those that are still held."""
        for start in range(0, len(letter_ids), _AT_ONCE):
            several = letter_ids[start : start + _AT_ONCE]
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {
                        "Id": str(number),
                        "ReceiptHandle": self._held[each].receipt,
                        "VisibilityTimeout": seconds,
                    }
                    for number, each in enumerate(several)
                ],
            )
            for each in several:
                self._held[each].until = time.monotonic() + seconds


def parse_url(url: str) -> Place | None:
    """Return the account and region that a queue's URL names; None where it does not name both."""
    found = _URL.fullmatch(url)
    if found is None:
        return None
    return Place(account=found["account"], region=found["region"] or found["legacy"] or _LEGACY_REGION)


def survey(queue: LetterQueue, *, most: int) -> Tally:
    """Look at so many letters of a queue at most, roughly, and give them back at once."""
    tally = letters.Tally()
    with queue:
        while tally.all < most and (found := queue.receive()):
            for letter in found:
                tally.add(letter)
    return tally
