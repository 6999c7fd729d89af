"""A page about the coverage as HTML: one file that needs nothing else, and of which nothing is run but what is ours.

Whatever AWS or a file says is text: escaped, and with nothing invisible in it. Style and script are named by their
hashes in the page's content security policy: a browser would run nothing else even if something slipped through.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ops import consoles, output
from ops.report import PROBLEMS, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from ops.pages import Line, Page, Part

_TEMPLATE: Final = Path(__file__).with_suffix(".html")
_ROWS_AT_ONCE: Final = 100
"""Rows of one body of the table, as the script has them, too."""
_MOST_PARTS: Final = 10
"""Accounts and the like that are shown at once; the others are unfolded."""
_MEANINGS: Final = {
    Status.FAILED: "could not be looked at",
    Status.MISSING: "should have a group, and have none, or one of no use",
    Status.DRIFTED: "have a group that is not as it should be",
    Status.ORPHANED: "groups that no function needs",
    Status.SKIPPED: "are to have no group",
    Status.COVERED: "have their group, as it should be",
}
_BAR: Final = (Status.COVERED, Status.DRIFTED, Status.MISSING, Status.FAILED)
_PLACES: Final = ("account", "region")
_SORTED: Final = ' aria-sort="ascending"'
_CHOICES: Final = ("account", "region", "runtime", "reason")


def render(page: Page, *, now: datetime) -> str:
    """Return the page as HTML.

    Args:
        page: What it says.
        now: When it is made, in UTC.
    """
    source = {**page.source, "Made": f"{now:%Y-%m-%d %H:%M} UTC"}
    values = {
        "policy": _content_security_policy(),
        "title": _text(page.title),
        "figure": _figure(page.total),
        "source": f"<dl>{''.join(f'<dt>{_text(k)}<dd>{_text(v)}' for k, v in source.items())}</dl>",
        "remarks": "\n".join(f'<p class="remark">{_text(remark)}</p>' for remark in page.remarks),
        "parts": "\n".join(_parts(what, parts) for what, parts in page.parts.items()),
        "functions": "<p>They are not listed here.</p>" if page.lines is None else _functions(page, page.lines),
    }
    # At one go, so that nothing in a value passes for a place to be filled in.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], _template())


@cache
def _template() -> str:
    return _TEMPLATE.read_text(encoding="utf-8")


def _content_security_policy() -> str:
    hashes = {}
    for element in ("style", "script"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", _template(), re.DOTALL)
        hashes[element] = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


def _text(text: str) -> str:
    """Return a text as HTML, be it content or the value of an attribute; what is invisible is told by its code."""
    return escape(output.clean(text))


def _figure(total: Part) -> str:
    percent = "Nothing is known" if total.percent is None else f"<strong>{total.percent}&nbsp;%</strong> covered"
    counted = "".join(
        f'<li class="{status}"><b>{total.counts[status]:,} {status}</b> <span class="faint">{_MEANINGS[status]}</span>'
        for status in Status
        if total.counts.get(status)
    )
    said = ", ".join(f"{total.counts.get(status, 0):,} {status}" for status in _BAR)
    return (
        f'<p class="figure">{percent}: {total.covered:,} of {total.eligible:,} functions that should have a group</p>\n'
        f"{_bar(total, label=f'Of {total.eligible:,} functions: {said}')}\n"
        f'<ul class="statuses">{counted}</ul>'
    )


def _bar(part: Part, *, label: str | None = None) -> str:
    """Return a bar; without a label, one that tells nothing that does not stand beside it."""
    rects, start = [], 0.0
    for status in _BAR:
        if part.eligible and (count := part.counts.get(status, 0)):
            width = 100 * count / part.eligible
            rects.append(f'<rect class="{status}" x="{start:.2f}%" width="{width:.2f}%" height="100%"/>')
            start += width
    told = f'role="img" aria-label="{_text(label)}"' if label else 'aria-hidden="true"'
    return f"<svg {told}>{''.join(rects)}</svg>"


def _parts(what: str, parts: Sequence[Part]) -> str:
    """Return how accounts, regions, runtimes or units stand."""
    if not parts:
        return ""
    title = f"By {_text(what)}"
    more = ""
    if hidden := parts[_MOST_PARTS:]:
        more = f"<details><summary>{len(hidden):,} more</summary>{_part_table(title, hidden)}</details>"
    return f"<section><h2>{title}</h2>{_part_table(title, parts[:_MOST_PARTS])}{more}</section>"


def _part_table(title: str, parts: Iterable[Part]) -> str:
    rows = []
    for part in parts:
        others = [f"{part.counts[s]:,} {s}" for s in Status if s is not Status.COVERED and part.counts.get(s)]
        context = f"<small>{_text(part.context)}</small>" if part.context else ""
        aside = "".join(f"<small>{_text(each)}</small>" for each in ([", ".join(others)] if others else [])) + "".join(
            f"<small>{_text(remark)}</small>" for remark in part.remarks
        )
        figure = "not known" if part.percent is None else f"{part.percent} %" if part.eligible else "none to cover"
        counted = f" <small>{part.covered:,} of {part.eligible:,}</small>" if part.eligible else ""
        rows.append(f'<tr><th scope="row">{_text(part.name)}{context}<td>{figure}{counted}<td>{_bar(part)}{aside}</tr>')
    return f'<table aria-label="{title}">{"".join(rows)}</table>'


def _functions(page: Page, lines: Sequence[Line]) -> str:
    """Return the table of functions, and what it is filtered by."""
    columns = ["status", "function", *(_PLACES if page.several_places else ()), "group", "runtime", "reason", "detail"]
    if not any(line.runtime for line in lines):
        columns.remove("runtime")
    headings = "".join(
        f'<th scope="col" data-column="{column}"{_SORTED if column == "status" else ""}>{column}</th>'
        for column in columns
    )
    bodies = (lines[first : first + _ROWS_AT_ONCE] for first in range(0, len(lines), _ROWS_AT_ONCE))
    rows = "\n".join(f"<tbody>{''.join(_row(line, columns) for line in body)}</tbody>" for body in bodies)
    classes = " ".join(word for word, column in (("places", "account"), ("runtime", "runtime")) if column in columns)
    return f"""{_filters(lines, columns)}
<output>{len(lines):,} of {len(lines):,} are shown.</output>
<table id="functions" class="{classes}" data-statuses="{_text(json.dumps(list(Status)))}">
<caption>Links lead to the console of the account that the browser is signed in to.</caption>
<thead><tr>{headings}</tr></thead>
{rows}
</table>"""


def _filters(lines: Sequence[Line], columns: Sequence[str]) -> str:
    present = {line.status for line in lines}
    statuses = [(str(status), str(status)) for status in Status if status in present]
    if len(present.intersection(PROBLEMS)) > 1:
        statuses.insert(0, (" ".join(PROBLEMS), "all that are not covered"))
    selects = [_select("status", statuses)]
    for column in _CHOICES:
        found = sorted({value for line in lines if (value := getattr(line, column))})
        if column in columns and len(found) > 1:
            selects.append(_select(column, ((value, value) for value in found)))
    return (
        '<div role="search" aria-label="Filter the functions" hidden>'
        '<label>any text<input type="search" autocomplete="off" spellcheck="false"></label>'
        f"{''.join(selects)}"
        '<button type="button">Show all</button></div>'
    )


def _select(column: str, choices: Iterable[tuple[str, str]]) -> str:
    options = "".join(f'<option value="{_text(value)}">{_text(shown)}' for value, shown in choices)
    return f'<label>{column}<select name="{column}"><option value="">any{options}</select></label>'


def _row(line: Line, columns: Sequence[str]) -> str:
    return f"<tr>{''.join(_cells(line, columns))}"


def _cells(line: Line, columns: Sequence[str]) -> Iterator[str]:
    for column in columns:
        match column:
            case "status":
                yield f"<td class={line.status}>{line.status}"
            case "function":
                yield f"<td>{_linked(line.name, consoles.of_function(line.arn) if line.arn else None)}"
            case "group":
                there = line.existing_group
                yield f"<td>{_linked(line.group, consoles.of_group(there, region=line.region) if there else None)}"
            case _:
                yield f"<td>{_text(getattr(line, column) or '')}"


def _linked(text: str | None, address: str | None) -> str:
    shown = _text(text or "")
    return f'<a href="{_text(address)}">{shown}</a>' if address else shown
