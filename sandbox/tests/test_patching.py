"""Replacing moto's functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedded_aws.moto_extensions.patching import extend

if TYPE_CHECKING:
    from collections.abc import Callable


class Service:
    """A class of moto's."""

    def answer(self, number: int) -> int:
        """Return a number."""
        return number


def doubled(original: Callable[..., int], self: Service, number: int) -> int:
    """Return twice the original answer."""
    return 2 * original(self, number)


def test_extend_again_replaces_the_extension() -> None:
    """An extension calls moto's own function, never an earlier extension."""
    for _ in range(2):
        extend(Service, "answer", doubled)

    assert Service().answer(3) == 6
