"""``profiling-groups``: the operator's command line.

Exit status: 0 fine, 1 found something, 2 wrong usage, or an environment in which it cannot work.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Final

import click

from ops.backfill_command import backfill
from ops.doctor_command import doctor
from ops.interrupts import INTERRUPTED
from ops.policy_commands import policy
from ops.problems import CannotWorkError
from ops.replay_command import replay
from ops.report_command import report_command

# As a shell has it of what ends by a signal: 128, and the number of SIGPIPE.
_PIPE_CLOSED: Final = 141


class _Commands(click.Group):
    """Commands that end without a word when they are interrupted or nobody reads on, and in a line on a full disk."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except OSError as error:
            # What is left would be written at the very end, and fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                ctx.exit(_PIPE_CLOSED)
            raise CannotWorkError(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="profiling-group-provisioner", prog_name="profiling-groups")
def commands() -> None:
    """Profiling groups for Lambda functions, by policy.

    Exit status everywhere: 0 fine, 1 found something, 2 wrong usage.
    """


for _command in (policy, backfill, report_command, doctor, replay):
    commands.add_command(_command)


def main() -> None:
    """Run the command line."""
    # A recorded name may be no valid Unicode, or nothing that the terminal can show.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    commands(prog_name="profiling-groups")


if __name__ == "__main__":
    main()
