"""CloudTrail records in a folder, as they lie in S3: one at a time, whatever the size of the file that holds them.

Memory is bounded by the largest record. Shapes: `{"Records": [...]}` as CloudTrail writes it, a bare list, or a file
with one single record; gzipped or not. Digest files, which CloudTrail puts beside them, hold none (user guide,
"CloudTrail digest file structure").
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ijson  # type: ignore[import-untyped]  # it brings no types

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

Record = dict[str, Any]

_GZIP: Final = b"\x1f\x8b"
_SUFFIXES: Final = (".json", ".json.gz")
_CHUNK: Final = 1 << 16
_LARGEST_ALONE: Final = 1 << 20
"""Bytes of a file with one record alone. CloudTrail's own limit for an event is 256 KB (user guide, "Quotas")."""
_DEEPEST: Final = 2_000
"""Levels of nesting, by far more than any API has."""
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{[]}"))
_OF_A_DIGEST: Final = b'"digestS3Object"'


class UnreadableError(ValueError):
    """A file holds something that is no record, or breaks off; the text says what, and where."""


def files(folder: Path, unreadable: Callable[[OSError], object]) -> Iterator[Path]:
    """Yield every `*.json` and `*.json.gz` in a folder and below it, by name; links to folders are not followed.

    Args:
        folder: Where to look.
        unreadable: Is told of each folder that cannot be opened.
    """
    for where, below, names in os.walk(folder, onerror=unreadable):
        below.sort()
        yield from (Path(where, name) for name in sorted(names) if name.endswith(_SUFFIXES))


def size(folder: Path) -> int:
    """Return how many bytes these files take on the disk."""
    found = 0
    for path in files(folder, lambda _: None):
        # It may be gone, or not be ours to see; who reads it will say so.
        with suppress(OSError):
            found += path.stat().st_size
    return found


def read(path: Path, progress: Callable[[int], object]) -> Iterator[Record]:
    """Yield the records of a file, none for a digest.

    Args:
        path: The file.
        progress: Is told how many more bytes of it were read, as they lie on the disk.

    Raises:
        UnreadableError: The rest of the file cannot be read, or some of it is no record. What could be was yielded.
    """
    try:
        if not path.is_file():
            # A named pipe would be waited for.
            raise UnreadableError("is no file")
        with path.open("rb") as file:
            yield from _records(file, progress)
    except ijson.JSONError as error:
        raise UnreadableError(f"is no JSON, or breaks off: {_first_line(error)}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(f"cannot be read: {error}") from error


def _records(file: BufferedReader, progress: Callable[[int], object]) -> Iterator[Record]:
    chunks = _chunks(file, progress)
    beginning = next(chunks, b"")
    prefix = "item" if beginning.lstrip().startswith(b"[") else "Records.item"
    open_since, number, strangers = 0, 0, 0

    def shallow() -> Iterator[bytes]:
        """Yield the chunks, as long as they do not nest without end: ijson keeps a path for every level."""
        nonlocal open_since
        for chunk in chain([beginning], chunks):
            # Those in strings count too, which does not matter: it begins anew with every record.
            brackets = chunk.translate(None, _NO_BRACKETS)
            open_since += 2 * (brackets.count(b"{") + brackets.count(b"[")) - len(brackets)
            if open_since > _DEEPEST:
                raise UnreadableError("is nested too deeply for CloudTrail records")
            yield chunk

    for number, entry in enumerate(ijson.items(ijson.from_iter(shallow()), prefix), start=1):
        open_since = 0
        if _is_record(entry):
            yield entry
        else:
            strangers, last = strangers + 1, number
    if strangers:
        raise UnreadableError(f"{strangers} of its {number} records are none of CloudTrail's, such as number {last}")
    if not number and prefix != "item":
        yield from _alone(file)


def _alone(file: BufferedReader) -> Iterator[Record]:
    """Yield what a file holds that is JSON, but no list of records."""
    file.seek(0)
    text = b""
    for chunk in _chunks(file, lambda _: None):
        text += chunk
        if _OF_A_DIGEST in text:
            return
        if len(text) > _LARGEST_ALONE:
            raise UnreadableError("holds no CloudTrail records")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"holds no CloudTrail record that can be read: {error}") from error
    if _is_record(document):
        yield document
    elif not (isinstance(document, dict) and document.get("Records") == []):
        raise UnreadableError("holds no CloudTrail records")


def _chunks(file: BufferedReader, progress: Callable[[int], object]) -> Iterator[bytes]:
    """Yield what the file holds, unpacked; all of it up to the place where it breaks off."""
    stream = gzip.GzipFile(fileobj=file) if file.peek(len(_GZIP)).startswith(_GZIP) else file
    told = 0
    # Not `read`, which would lose what it has when the file breaks off.
    while chunk := stream.read1(_CHUNK):
        position = file.tell()
        progress(position - told)
        told = position
        yield chunk


def _is_record(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("eventName"), str)


def _first_line(error: ijson.JSONError) -> str:
    """Return what yajl says; on its other lines it shows the place."""
    text = error.args[0]
    return (text.decode(errors="replace") if isinstance(text, bytes) else str(text)).partition("\n")[0]
