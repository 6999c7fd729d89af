"""What is told at the end, kept on the disk until then: a million lines of it take no memory."""

from __future__ import annotations

import json
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Spool:
    """JSON objects, in the order in which they came. They are gone when it is closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - closed by `close`
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: dict[str, Any]) -> None:
        """Keep one more."""
        self._file.write(json.dumps(item) + "\n")
        self._count += 1

    def lines(self) -> Iterator[str]:
        """Yield them as text, without the ends of the lines."""
        self._file.seek(0)
        return (line.removesuffix("\n") for line in self._file)

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield them."""
        return map(json.loads, self.lines())

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()
