"""Listings that come in pages: each page is checked, and none is asked for twice or after the deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from profiling_groups import deadline
from profiling_groups.functions import UnreadableAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def pages(
    call: Callable[..., Mapping[str, Any]], *, items: str, marker: str, next_marker: str, **request: object
) -> Iterator[Mapping[str, Any]]:
    """Yield each page, which has a list of items.

    A listing that ends in an error is not complete: nothing follows from what was not in it.

    Args:
        call: The operation, a method of a client.
        items: Key of the items in an answer.
        marker: Parameter of a request that names the page.
        next_marker: Key of an answer that names the next page; missing or empty in the last one.
        request: The operation's other parameters.

    Raises:
        UnreadableAnswerError: An answer has no list of items, or leads back to a page that was there before.
        DeadlineError: The invocation ran out of time before the last page.
        botocore.exceptions.ClientError: The API refused a page.
        botocore.exceptions.BotoCoreError: The API could not be reached.
    """
    limit = deadline.current()
    name = getattr(call, "__name__", "the listing")
    seen: set[str] = set()
    while True:
        limit.check()
        page = call(**request)
        if not isinstance(page.get(items), list):
            raise UnreadableAnswerError(f"the answer to {name} has no list of {items}")
        yield page
        following = page.get(next_marker)
        if not following:
            return
        if not isinstance(following, str):
            raise UnreadableAnswerError(f"the answer to {name} has a {next_marker} that is not a string")
        if following in seen:
            raise UnreadableAnswerError(f"{name} leads back to a page that was listed before")
        seen.add(following)
        request[marker] = following
