"""Sees to it that no runtime process and no unpacked code outlives the sandbox, however the sandbox ends.

A runtime that waits for work exits by itself when its Runtime API is gone, but one whose handler hangs would live on
after the sandbox was killed with SIGKILL. So `executor` starts one tiny process, this file run as a script, and tells
it through a pipe which process groups there are; when the pipe closes, the reaper kills those still on its list and
removes the executor's folder.
(Linux's parent-death signal will not do: it is bound to the thread that forked, and macOS has none.)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO


class ProcessReaper:
    """The sandbox's end of the pipe.

    Args:
        folder: What to remove when the sandbox ends.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 (our own file under our own interpreter)
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # out of reach of Ctrl-C, which ends the sandbox and not its reaper
            env={},
        )

    def watch(self, group: int) -> None:
        """Kill this process group when the sandbox ends."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget a process group that has ended; its number may be used again."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the reaper, and with it whatever is still on its list, and the folder."""
        with self._lock, contextlib.suppress(OSError):
            self._pipe.close()
        self._process.wait()

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 (narrows a type; Popen was given PIPE)
        return self._process.stdin

    def _tell(self, line: str) -> None:
        # A reaper that was killed must not break the sandbox; close() and the runtimes' own exit remain.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._pipe.write(line.encode())
            self._pipe.flush()


def remove(folder: Path) -> None:
    """Remove a folder, if it is there, with the folders in it that may not be written to."""
    for path in folder.rglob("*/"):
        # What a function has linked to is not ours.
        if not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Read "+group" and "-group" lines until the pipe closes, then kill the groups that are left and tidy up."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    remove(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
