"""Every page: what it links to is there, and the commands that it names are the project's own."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from ops.__main__ import commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def named(page: Path) -> str:
    """Return a page's path as a person writes it."""
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and GitLab make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_is_linked_is_there(page: Path) -> None:
    """The file, and the heading in it."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_are_real(page: Path) -> None:
    """With their options; and so are the targets of make."""
    text = page.read_text()
    for line in re.findall(r"(?:^|`)profiling-groups ([^`\n]*)", text, re.MULTILINE):
        words = re.split(r" <|  |#|<\(|…", line)[0].split()
        command: click.Command = commands
        while isinstance(command, click.Group) and words:
            word = words.pop(0)
            assert word in command.commands, line
            command = command.commands[word]
        taken = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= {*taken, "--help"}, line
    for target in re.findall(r"(?:^|`|&& )make ([a-z-]+)", text, re.MULTILINE):
        assert target in TARGETS, target
