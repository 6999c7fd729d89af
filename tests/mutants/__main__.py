"""``python -m tests.mutants [WORDS]``: put each fault of mutants.toml into a copy of the code, and see its test fail.

Exit status 0 if every mutant was killed, 1 if one survived or its entry does not fit the code.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

_ROOT: Final = Path(__file__).resolve().parents[2]
_LINKED: Final = (".venv", ".venv-runtime", ".tools", "node_modules")
_TESTS_FAILED: Final = 1
"""pytest's exit status if tests were run and some failed; an error in collecting them has another one."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A fault and the test that must fail.

    Attributes:
        name: What is wrong with the code.
        file: Path from the root.
        old: Text that occurs once in it.
        new: Text in its place.
        test: Arguments of pytest.
    """

    name: str
    file: str
    old: str
    new: str
    test: str


def main() -> int:
    """Try the mutants whose name, file or test contains all words; return the exit status."""
    parser = argparse.ArgumentParser(prog="make mutants", description="See each known fault killed by its test.")
    parser.add_argument("words", nargs="*", help="only mutants with these words in their entry")
    words = parser.parse_args().words
    entries = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text())["mutant"]
    mutants = [Mutant(**entry) for entry in entries if all(word in str(entry) for word in words)]
    workers = os.cpu_count() or 1
    copies: SimpleQueue[Path] = SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as threads:
        for number in range(workers):
            copies.put(_copy(Path(folder) / str(number)))

        def attempt(mutant: Mutant) -> str | None:
            copy = copies.get()
            try:
                return _survives(mutant, copy)
            finally:
                copies.put(copy)

        survivors = 0
        for mutant, problem in zip(mutants, threads.map(attempt, mutants), strict=True):
            survivors += problem is not None
            print(f"{problem or 'killed':10} {mutant.file}: {mutant.name} ({mutant.test})", flush=True)  # noqa: T201 - for a person
    print(f"{len(mutants) - survivors} of {len(mutants)} mutants killed")  # noqa: T201 - for a person
    return 1 if survivors or not mutants else 0


def _copy(folder: Path) -> Path:
    """Copy the project's tracked and new files, and link what was set up."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=_ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        if (source := _ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    for name in _LINKED:
        (folder / name).symlink_to(_ROOT / name)
    return folder


def _survives(mutant: Mutant, copy: Path) -> str | None:
    """Return why a mutant is not killed; None if it is."""
    file = copy / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        return "unknown"
    file.write_text(text.replace(mutant.old, mutant.new))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *shlex.split(mutant.test)],
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            capture_output=True,
            text=True,
        )
    finally:
        file.write_text(text)
    if done.returncode == _TESTS_FAILED:
        return None
    return "SURVIVED" if done.returncode == 0 else "no test"


if __name__ == "__main__":
    sys.exit(main())
