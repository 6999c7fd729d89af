"""CloudTrail records in files: every shape in which they lie about, and what is left of a file that breaks off."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import records
from tests.records import record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE, OTHER = record("create-function"), record("update-function-code")
# Each ends in two braces, and has them nowhere else.
MANY = [{"eventName": "Invoke", "eventID": str(number), "requestParameters": {"a": None}} for number in range(200)]
TEXT = json.dumps({"Records": MANY}).encode()
# What CloudTrail writes beside the records once the integrity of log files is to be checked, abridged.
DIGEST = {
    "awsAccountId": "444455556666",
    "digestStartTime": "2026-03-04T08:00:00Z",
    "digestEndTime": "2026-03-04T09:00:00Z",
    "digestS3Bucket": "trail",
    "digestS3Object": "AWSLogs/444455556666/CloudTrail-Digest/eu-west-1/2026/03/04/444455556666.json.gz",
    "logFiles": [{"s3Bucket": "trail", "s3Object": "AWSLogs/…", "hashAlgorithm": "SHA-256"}],
}


def read(path: Path) -> tuple[list[dict[str, Any]], str | None]:
    """Return the records of a file, and what is wrong with it."""
    found = []
    try:
        for each in records.read(path, lambda _: None):
            found.append(each)  # noqa: PERF402 - those before the error are wanted
    except records.UnreadableError as error:
        return found, str(error)
    return found, None


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"Records": [ONE, OTHER]}, [ONE, OTHER]),
        ({"version": 1, "note": {"Records": [OTHER]}, "Records": [ONE]}, [ONE]),
        ([ONE, OTHER], [ONE, OTHER]),
        (ONE, [ONE]),
        ({"Records": []}, []),
        ([], []),
        (DIGEST, []),
        ({"Records": [{**ONE, "additionalEventData": {"count": 2**64, "share": 0.5}}]}, None),
    ],
)
@pytest.mark.parametrize("pack", [lambda text: text, gzip.compress, lambda text: b" \n" + text])
def test_every_shape_is_read(
    tmp_path: Path, document: object, expected: list[object] | None, pack: Callable[[bytes], bytes]
) -> None:
    """By what the file holds, not by its name; a number of any size is no obstacle."""
    path = tmp_path / "records.json"
    path.write_bytes(pack(json.dumps(document).encode()))
    found, problem = read(path)
    assert problem is None
    assert found == expected or (expected is None and len(found) == 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "premature EOF"),
        (b"no JSON", "is no JSON"),
        (b'{"Records": [] } more', "trailing garbage"),
        (b'{"Records": 5}', "holds no CloudTrail records"),
        (b'{"configurationItems": [{"eventName": "x"}]}', "holds no CloudTrail records"),
        (b'{"filler": "' + b"x" * (1 << 20) + b'"}', "holds no CloudTrail records"),
        (b'{"Records": [{"eventName": "A"}, 3, {"a": "b"}]}', "2 of its 3 records are none of CloudTrail's"),
        (b"\x1f\x8bno gzip", "cannot be read"),
        (gzip.compress(json.dumps([ONE]).encode())[:-12], "cannot be read"),
        (b"\xff\xfe{\x00}\x00", "is no JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"Records": [{"eventName": "A", "b": ' + b'{"c":' * 30_000, "is nested too deeply"),
    ],
)
def test_what_is_no_record_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    """In a line."""
    path = tmp_path / "x.json"
    path.write_bytes(content)
    _, problem = read(path)
    assert problem is not None
    assert said in problem
    assert "\n" not in problem


@given(cut=st.integers(0, len(TEXT) - 1))
@pytest.mark.parametrize("packed", [False, True])
def test_what_stands_before_a_break_is_read(
    tmp_path_factory: pytest.TempPathFactory, *, packed: bool, cut: int
) -> None:
    """All records that end before it, and none that does not."""
    path = tmp_path_factory.mktemp("cut") / "x.json.gz"
    # Level 0 stores the text as it is, behind 15 bytes, so that a cut in the packed file is one in the text.
    path.write_bytes(gzip.compress(TEXT, compresslevel=0)[: cut + 15] if packed else TEXT[:cut])
    found, problem = read(path)
    assert problem is not None
    assert found == MANY[: TEXT[:cut].count(b"}}")]


def test_a_folder_is_searched_to_its_bottom(tmp_path: Path) -> None:
    """For what CloudTrail writes, in a fixed order; nothing that would be waited for is opened."""
    deep = tmp_path / "AWSLogs" / "444455556666" / "CloudTrail" / "eu-west-1" / "2026"
    deep.mkdir(parents=True)
    for name in ("b.json.gz", "a.json", "notes.txt"):
        (deep / name).write_text("{}")
    others = [tmp_path / "AWSLogs" / str(number) / "x.json" for number in (7, 5, 6)]
    for other in others:
        other.parent.mkdir()
        other.write_text("{}")
    os.mkfifo(tmp_path / "pipe.json")
    found = list(records.files(tmp_path, lambda error: pytest.fail(str(error))))
    assert found == [tmp_path / "pipe.json", deep / "a.json", deep / "b.json.gz", *sorted(others)]
    assert read(tmp_path / "pipe.json") == ([], "is no file")


def test_progress_comes_to_the_size_of_the_file(tmp_path: Path) -> None:
    """As it lies on the disk: packed."""
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(json.dumps([{**OTHER, "eventID": str(n)} for n in range(500)]).encode()))
    told: list[int] = []
    assert len(list(records.read(path, told.append))) == 500
    assert sum(told) == path.stat().st_size == records.size(tmp_path)
