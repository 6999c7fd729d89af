"""The page of `report --html` in headless Chromium: what it does, how it is laid out, and what a screen reader gets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.browser import made
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ops.report import Entry
    from tests.browser.chromium import Chromium

NAMES = "[...document.querySelectorAll('#functions tbody tr')].map((row) => row.cells[1].textContent)"
STATUSES = "[...document.querySelectorAll('#functions tbody tr')].map((row) => row.cells[0].textContent)"
SAID = "document.querySelector('output').textContent"
FOCUS = "(document.activeElement.getAttribute('name') || document.activeElement.textContent.trim())"
"""What the element is called that a key would go to."""
LAID_OUT = "!document.querySelector('#functions tbody:not(.laid-out)')"


@pytest.fixture
def page(browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The page about 250 functions, in a wide window; at the end it has made no noise, and asked for nothing."""
    browser.size(1280, 900)
    browser.prefer("light")
    address = made.write(tmp_path_factory.mktemp("page") / "page.html", made.entries(250))
    browser.open(address)
    yield browser
    assert (browser.told, browser.requested) == ([], [address])


def choose(page: Chromium, name: str, value: str) -> None:
    """Choose what a filter lets through."""
    page.run(f"""{{ const choice = document.querySelector("select[name={name}]");
        choice.value = {value!r}; choice.dispatchEvent(new Event("change")); }}""")


def press_heading(page: Chromium, column: str) -> None:
    """Sort by a column."""
    page.run(f"document.querySelector('th[data-column={column}] button').click()")


def sorting(page: Chromium) -> dict[str, str]:
    """Return what is said of how the columns are sorted."""
    found: dict[str, str] = page.run(
        "Object.fromEntries([...document.querySelectorAll('th[aria-sort]')]"
        ".map((each) => [each.dataset.column, each.getAttribute('aria-sort')]))"
    )
    return found


def test_all_is_there_at_first(page: Chromium) -> None:
    """By status."""
    statuses = page.run(STATUSES)
    assert statuses == ["failed"] * 25 + ["missing"] * 25 + ["drifted"] * 25 + ["skipped"] * 50 + ["covered"] * 125
    assert sorting(page) == {"status": "ascending"}
    assert page.run(SAID) == "250 of 250 are shown."


def test_filters_leave_what_fits_all_of_them(page: Chromium) -> None:
    """Choices and words, whatever their case; a button takes all away again, and the focus to where one types."""
    choose(page, "status", "failed missing drifted")
    assert (page.run(SAID), set(page.run(STATUSES))) == (
        "75 of 250 are shown.",
        {"failed", "missing", "drifted"},
    )
    choose(page, "runtime", "java21")
    narrowed = page.run(NAMES)
    assert narrowed == [str(each.function).rpartition(":")[2] for each in expected(narrowed)]
    assert len(narrowed) == 25
    page.run("document.querySelector('[type=search]').focus()")
    before = page.run(SAID)
    page.type("TEAM-7- throttl")
    page.until(f"{SAID} !== {json.dumps(before)}")
    assert page.run(SAID) == f"{len(page.run(NAMES))} of 250 are shown."
    assert set(page.run(STATUSES)) == {"failed"}
    page.type(" nowhere")
    page.until(f"{SAID} === '0 of 250 are shown.'")
    assert page.run(NAMES) == []
    page.run("document.querySelector('[role=search] button').focus()")
    page.press("Enter", text="\r")
    assert page.run(SAID) == "250 of 250 are shown."
    assert page.run("document.activeElement.type") == "search"
    choose(page, "reason", "opted_out")
    assert page.run(SAID) == "25 of 250 are shown."


def expected(names: list[str]) -> list[Entry]:
    """Return the entries about Java functions that are not covered and should be; in the order of these names."""
    fitting = {
        str(each.function).rpartition(":")[2]: each
        for each in made.entries(250)
        if each.runtime == "java21" and each.status in ("failed", "missing", "drifted")
    }
    assert set(names) == set(fitting)
    return [fitting[name] for name in names]


def test_columns_are_sorted_either_way(page: Chromium) -> None:
    """Numbers in names as numbers, the status by how bad it is, and what is empty last."""
    press_heading(page, "function")
    names = page.run(NAMES)
    assert sorting(page) == {"function": "ascending"}
    assert names == sorted(names, key=lambda name: [int(part) for part in name.split("-")[1::2]])
    assert names != sorted(names)
    press_heading(page, "function")
    assert (page.run(NAMES), sorting(page)) == (names[::-1], {"function": "descending"})
    press_heading(page, "status")
    press_heading(page, "status")
    assert page.run(STATUSES)[0] == "covered"
    groups = "[...document.querySelectorAll('#functions tbody tr')].map((row) => row.cells[2].textContent)"
    for _ in range(2):
        press_heading(page, "group")
        found = page.run(groups)
        assert found[-50:] == [""] * 50
        assert "" not in found[:-50]
    choose(page, "status", "covered")
    assert sorting(page) == {"group": "descending"}
    assert len(page.run(NAMES)) == 125


def test_it_is_used_by_keyboard(page: Chromium) -> None:
    """In the order in which it is read; one may skip to the functions, and Enter sorts."""
    page.press("Tab")
    assert page.run(FOCUS) == "Skip to the functions"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
    page.press("Enter", text="\r")
    assert page.run(FOCUS) == "Functions"
    order = []
    for _ in range(12):
        page.press("Tab")
        order.append(page.run(FOCUS))
    assert order == [
        *("", "status", "runtime", "reason", "Show all"),
        *("status", "function", "group", "runtime", "reason", "detail"),
        "team-0-service-37",
    ]
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.run("document.querySelector('th[data-column=function] button').focus()")
    page.press("Enter", text="\r")
    assert sorting(page) == {"function": "ascending"}
    assert page.run(FOCUS) == "function"


@pytest.mark.parametrize(("width", "phone"), [(1280, False), (390, True)], ids=["wide", "phone"])
def test_a_screen_reader_gets_a_table_and_names(page: Chromium, width: int, *, phone: bool) -> None:
    """However it is laid out; every control has a name, and the bar one that tells what it shows."""
    page.size(width, 844, phone=phone)
    page.until(LAID_OUT)
    told = page.accessible()
    roles = [role for role, _ in told]
    assert roles.count("columnheader") == 6
    assert roles.count("row") > 250
    assert roles.count("rowheader") == 1 + 1 + 3
    assert not [
        role for role, name in told if role in ("searchbox", "combobox", "button", "link", "image") and not name
    ]
    assert ("search", "Filter the functions") in told
    assert ("image", "Of 200 functions: 125 covered, 25 drifted, 25 missing, 25 failed") in told


@pytest.mark.parametrize(("width", "phone"), [(1280, False), (768, False), (390, True), (320, True)])
def test_nothing_is_cut_off_at_the_side(page: Chromium, width: int, *, phone: bool) -> None:
    """No scrolling sideways, at any width, with the longest of names."""
    longest = replace(made.entries(1)[0], function=f"{'arn:aws:lambda:eu-west-1:123456789012:function:'}{'n' * 64}")
    page.size(width, 844, phone=phone)
    page.run(f"document.querySelector('#functions tbody a').textContent = {longest.function!r}")
    assert page.run("document.documentElement.scrollWidth") <= width
    beyond = (
        "[...document.querySelectorAll('#functions tbody a')].filter((each) => edge(each) > edge(each.parentElement))"
    )
    edge = "const edge = (element) => element.getBoundingClientRect().right"
    assert (
        page.run(
            f"{{ {edge}; {beyond}.length + [...document.querySelectorAll('td')].filter("
            f"(each) => edge(each) > {width}).length }}"
        )
        == 0
    )


def contrast(page: Chromium, selector: str) -> float:
    """Return the contrast of a text with the page, as WCAG 2 has it."""

    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    text = page.run(f"getComputedStyle(document.querySelector({selector!r})).color")
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    light, dark = sorted((luminance(text), luminance(ground)), reverse=True)[:2]
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_in_both_colour_schemes(page: Chromium, scheme: str) -> None:
    """The page takes the reader's; every text stands out by 4.5 to 1 at least (WCAG 2, 1.4.3)."""
    page.prefer(scheme)
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is (scheme == "light")
    statuses = [f"#functions td.{status}" for status in ("failed", "missing", "drifted", "skipped", "covered")]
    for selector in ("body", "dt", ".faint", "output", "a[href^=https]", ".parts small", *statuses):
        assert contrast(page, selector) >= 4.5, selector


def test_without_scripts_the_table_is_there(browser: Chromium, tmp_path: Path) -> None:
    """And nothing that would do nothing."""
    browser.scripts(run=False)
    try:
        browser.open(made.write(tmp_path / "page.html", made.entries(250)))
        told = browser.accessible()
    finally:
        browser.scripts(run=True)
    assert len([role for role, _ in told if role == "row"]) > 250
    assert not [role for role, _ in told if role in ("searchbox", "combobox", "button")]


def test_what_is_printed_is_what_is_shown(page: Chromium) -> None:
    """Without what one can only press, in black on white, whatever the reader's scheme, and with all that is folded."""
    choose(page, "status", "missing")
    page.prefer("dark", media="print")
    shown = "getComputedStyle(document.querySelector('[role=search]')).display"
    assert page.run(shown) == "none"
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    heights = "[...document.querySelectorAll('#functions tbody tr')].map((row) => row.getBoundingClientRect().height)"
    assert len([height for height in page.run(heights) if height > 5]) == 25
    page.prefer("light")


def test_what_a_name_says_is_not_run(browser: Chromium, tmp_path: Path) -> None:
    """It is shown as it is, and the console has nothing to tell."""
    (plain,) = made.entries(1)
    nasty = "</script><img src=x onerror=document.title='pwned'><script>document.title='pwned'</script>"
    entry = replace(plain, function=nasty, group=nasty, detail=nasty, runtime=nasty)
    address = made.write(tmp_path / "page.html", [entry, *made.entries(2)])
    browser.open(address)
    choose(browser, "status", "covered")
    assert browser.run("document.title") == "Profiling groups: 123456789012 in eu-west-1"
    assert nasty in browser.run(NAMES)
    assert browser.run("document.querySelectorAll('img').length") == 0
    choose(browser, "runtime", nasty)
    assert browser.run(SAID) == "1 of 3 are shown."
    assert (browser.told, browser.requested) == ([], [address])


def test_were_a_script_to_slip_in_it_would_not_run(browser: Chromium, tmp_path: Path) -> None:
    """The page's own policy forbids it, and what it would ask for."""
    file = tmp_path / "page.html"
    made.write(file, made.entries(1))
    slipped = (
        "<script>document.title='pwned'</script><img src='https://example.com/x'><b onclick='1' style='top:0'>x</b>"
    )
    file.write_text(file.read_text().replace("<main>", f"<main>{slipped}"))
    browser.open(file.as_uri())
    assert browser.run("document.title") == "Profiling groups: 123456789012 in eu-west-1"
    # What the console is told may come after the page; each call reads what has come.
    until(lambda: browser.run("0") == 0 and len([text for text in browser.told if "Content Security" in text]) >= 3)
    assert [address for address in browser.requested if not address.startswith("file:")] == []


def test_ten_thousand_functions_are_all_there(browser: Chromium, tmp_path: Path) -> None:
    """How long it takes is measured by `make test-browser`, as other work on the machine would count."""
    browser.size(1280, 900)
    browser.open(made.write(tmp_path / "page.html", made.entries(10_000)))
    assert len(browser.run(NAMES)) == 10_000
    # Bodies that are not in view are not laid out, and are found by searching the page all the same.
    assert browser.run("window.find('team-6-service-6333')") is True
    choose(browser, "status", "failed")
    assert browser.run(SAID) == "1,000 of 10,000 are shown."
