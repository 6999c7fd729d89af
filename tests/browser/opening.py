"""``python -m tests.browser.opening``: how long a page about 10,000 functions takes in headless Chromium; its size.

Beside it stands the page about 100, on the same machine at the same time: what else it does hits both alike.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.browser import chromium, made
from tests.browser.chromium import Chromium

if TYPE_CHECKING:
    from collections.abc import Callable

_RUNS = 5
# What a person waits for: the frame that shows what was done.
_SHOWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
_DEEDS = {
    "sorted": "document.querySelector('th[data-column=function] button').click()",
    "filtered": """(() => { const choice = document.querySelector('select[name=status]');
        choice.value = 'missing'; choice.dispatchEvent(new Event('change')); })()""",
}


def main() -> int:
    """Measure, and return the exit status."""
    program = chromium.find()
    if program is None:
        sys.stderr.write("There is no Chromium on PATH.\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        (profile := Path(folder) / "profile").mkdir()
        with Chromium(program, profile) as browser:
            browser.size(1280, 900)
            for number in (100, 10_000):
                _tell(browser, Path(folder) / f"{number}.html", number)
    return 0


def _tell(browser: Chromium, file: Path, number: int) -> None:
    listed = made.entries(number)
    began = time.monotonic()
    address = made.write(file, listed)
    written = time.monotonic() - began
    took: dict[str, list[float]] = {"opened": [], **{deed: [] for deed in _DEEDS}}
    # The first warms up the disk.
    for _ in range(_RUNS + 1):
        browser.open("about:blank")
        took["opened"].append(_seconds(browser, browser.open, address))
        for deed, script in _DEEDS.items():
            took[deed].append(_seconds(browser, browser.run, script))
    figures = ", ".join(f"{deed} in {median(each[1:]):.2f} s" for deed, each in took.items())
    content = file.read_bytes()
    sizes = f"{len(content) / 1e6:.2f} MB ({len(gzip.compress(content)) / 1e6:.2f} compressed)"
    sys.stdout.write(f"{number:,} functions: {sizes}, written in {written:.2f} s, {figures}\n")


def _seconds(browser: Chromium, act: Callable[[str], object], what: str) -> float:
    began = time.monotonic()
    act(what)
    browser.run(_SHOWN)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
