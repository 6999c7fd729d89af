"""Threads that do not outstay the deadline."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


class Threads(ThreadPoolExecutor):
    """Threads, within a `with` block: at its end all that was begun is done.

    If the block is interrupted, it ends at once. What has not begun is cancelled, and what is stuck is left behind.
    """

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        done = False
        try:
            if not is_interruption(error):
                self.shutdown()
                done = True
        finally:
            if not done:
                self.shutdown(wait=False, cancel_futures=True)


def is_interruption(error: type[BaseException] | None) -> bool:
    """Whether what ends a block is an interruption, such as by the deadline or Ctrl-C, rather than an error."""
    return error is not None and not issubclass(error, Exception)
