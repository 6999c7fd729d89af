"""What stands in a command's way: all of it, or a part of what was asked for."""

from __future__ import annotations

import click

from ops import output


class CannotWorkError(click.ClickException):
    """The command cannot do its work: a file to go by is none, AWS cannot be asked, the disk is full.

    It ends in one line on standard error.
    """

    exit_code = 2


class Problems:
    """What could not be read of what was asked for; the rest goes on.

    Attributes:
        told: What was told so far.
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, message: str) -> None:
        """Tell of one more, at once and on standard error."""
        output.warn(message)
        self.told.append(message)
