"""Replacing a function of moto's by one that calls it."""

import functools
from collections.abc import Callable
from typing import Any

_ORIGINAL = "sandbox_original"


def extend(owner: object, name: str, function: Callable[..., Any]) -> None:
    """Replace a function or method of moto's; a later call replaces what an earlier one has put there.

    Args:
        owner: module or class.
        name: of the function in it.
        function: gets moto's own function, then the arguments of the call.
    """
    current = getattr(owner, name)
    original = getattr(current, _ORIGINAL, current)

    @functools.wraps(original)
    def extended(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any signature
        return function(original, *args, **kwargs)

    setattr(extended, _ORIGINAL, original)
    setattr(owner, name, extended)
