"""Lists in pages, as `inventory`, `organizations` and `stack_sets` answer them.

A page begins after the last key of the page before it, so what is listed may come and go between two pages, and a page
can be asked for twice, as after a broken connection.
"""

import base64
import binascii
import heapq
from collections.abc import Callable, Iterable
from typing import TypeVar

_Item = TypeVar("_Item")


class BadTokenError(Exception):
    """The token is none that a page came with."""


def page_after(
    items: Iterable[_Item], *, key: Callable[[_Item], str], token: str | None, size: int
) -> tuple[list[_Item], str | None]:
    """The items that follow the token's, in the order of their keys, and the next page's token.

    Raises:
        BadTokenError: the token is none of ours.
    """
    after = _last_key(token) if token else ""
    found = heapq.nsmallest(size + 1, (item for item in items if key(item) > after), key=key)
    page = found[:size]
    more = len(found) > size
    return page, base64.urlsafe_b64encode(key(page[-1]).encode()).decode() if more else None


def _last_key(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError) as error:
        raise BadTokenError from error
