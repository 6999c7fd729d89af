"""`report --html`: the page, as a browser reads it that runs no script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from moto.stepfunctions.responses import StepFunctionResponse

from ops import consoles, html_report, output, pages
from ops.__main__ import commands
from ops.report import Entry, Report, Status
from profiling_groups.functions import FunctionArn, Place
from profiling_groups.outcomes import Reason
from tests.unit import deployed
from tests.unit.account import ACCOUNT, REGION
from tests.unit.marks import created_for
from tests.unit.sweeping import WRITES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.testing import Result
    from moto.core.responses import ActionResult

    from tests.unit.account import Account
    from tests.unit.sweeping import Sweeper

Json = dict[str, Any]

pytestmark = pytest.mark.usefixtures("operators_folder")
FILE = Path("coverage.html")
NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
HERE = Place(account=ACCOUNT, region=REGION)
LAMBDA = f"https://{REGION}.console.aws.amazon.com/lambda/home?region={REGION}#/functions/"
GROUP = f"https://{REGION}.console.aws.amazon.com/codeguru/profiler/profile?profileName="


class Reading(HTMLParser):
    """What is on a page.

    Attributes:
        elements: Each element with its attributes.
        tables: Rows of each table by its id or label: cells, each a text and where it leads.
        texts: All that is to be read, in pieces.
        raw: What stands in `style` and `script`.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[tuple[str, str | None]]]] = {}
        self.texts: list[str] = []
        self.raw: dict[str, str] = {}
        self._within = ""
        self._table: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        self._within = tag
        if tag == "table":
            self._table = attributes.get("id") or attributes.get("aria-label") or ""
            self.tables.setdefault(self._table, [])
        elif self._table is not None and tag == "tr":
            self.tables[self._table].append([])
        elif self._table is not None and tag in ("td", "th"):
            self.tables[self._table][-1].append(("", None))
        elif self._table is not None and tag == "a":
            text, _ = self.tables[self._table][-1][-1]
            self.tables[self._table][-1][-1] = (text, attributes["href"])

    def handle_endtag(self, tag: str) -> None:
        """Leave a table."""
        self._within = ""
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if self._within in ("style", "script"):
            self.raw[self._within] = data
            return
        self.texts.append(data)
        is_between = not self._within and data.isspace()
        if self._table is not None and not is_between and self.tables[self._table] and self.tables[self._table][-1]:
            text, leads = self.tables[self._table][-1][-1]
            self.tables[self._table][-1][-1] = (text + data, leads)

    def functions(self) -> list[tuple[str, ...]]:
        """Return the texts of the table of functions, without its headings."""
        return [tuple(text for text, _ in row) for row in self.tables["functions"][1:]]

    def part(self, title: str) -> list[tuple[str, ...]]:
        """Return what is told of each part."""
        return [tuple(text for text, _ in row) for row in self.tables[title]]

    def text(self) -> str:
        """Return all that is to be read, on one line."""
        return " ".join("".join(self.texts).replace("\u00a0", " ").split())


@pytest.fixture
def mixed(sweeper: Sweeper) -> Sweeper:
    """An account with a function in most states, one of them a container image, and a group without a function."""
    account = sweeper.account
    account.function("covered")
    account.make_group("aws-lambda-covered", tags=created_for("covered"))
    account.function("missing", runtime="java21")
    account.function("of-no-use")
    account.make_group("aws-lambda-of-no-use", tags=created_for("of-no-use"), platform="Default")
    account.function("web", runtime="nodejs22.x")
    account.function("image", runtime=None)
    account.make_group("aws-lambda-gone", tags=created_for("gone"))
    return sweeper


def report(*arguments: str, given: str | None = None) -> Result:
    """Run `report`."""
    return CliRunner().invoke(commands, ["report", *arguments], input=given)


def read() -> Reading:
    """Read the page that was written."""
    return Reading(FILE.read_text(encoding="utf-8"))


def page(*entries: Entry, place: Place = HERE, source: str = "policy.yaml") -> str:
    """Return a page about these."""
    stock = Report(place=place, functions=len(entries), entries=entries)
    return html_report.render(pages.of_accounts([stock], source={"Policy": source}), now=NOW)


def entry(status: Status = Status.COVERED, name: str = "orders", **other: Any) -> Entry:  # noqa: ANN401 - a field's value
    """Return an entry about a function of this name."""
    plain = Entry(
        status=status,
        function=str(FunctionArn(account=ACCOUNT, region=REGION, name=name)),
        group=f"aws-lambda-{name}",
        reason=None,
        detail=None,
        runtime="python3.13",
    )
    return replace(plain, **other)


def test_an_account_is_told_with_all_its_functions(mixed: Sweeper) -> None:
    """In figures, by account, region and runtime, and one by one with what there is to look at in the console."""
    done = report("--html", str(FILE))
    assert (done.exit_code, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        f"{ACCOUNT} in {REGION}: 25.0 % covered, 1 of 4 functions that should have a group.",
        f"The page is in {FILE}",
    ]
    found = read()
    assert "25.0 % covered: 1 of 4 functions that should have a group 3 missing should have a group" in found.text()
    assert "Policypolicy.yaml" in found.text()
    told = ("25.0 % 1 of 4", "3 missing, 1 orphaned, 1 skipped")
    assert found.part("By account") == [(ACCOUNT, *told)]
    assert found.part("By region") == [(REGION, *told)]
    assert found.part("By runtime") == [
        ("container image", "0.0 % 0 of 1", "1 missing"),
        ("java21", "0.0 % 0 of 1", "1 missing"),
        ("python3.13", "50.0 % 1 of 2", "1 missing"),
        ("nodejs22.x", "none to cover", "1 skipped"),
    ]
    headings, *rows = found.tables["functions"]
    assert [text for text, _ in headings] == ["status", "function", "group", "runtime", "reason", "detail"]
    assert [row[:5] for row in rows] == [
        [
            (s, None),
            (name, function and LAMBDA + function),
            (group, is_there and GROUP + group),
            (on, None),
            (why, None),
        ]
        for s, name, function, group, is_there, on, why in (
            ("missing", "image", "image", "aws-lambda-image", None, "container image", ""),
            ("missing", "missing", "missing", "aws-lambda-missing", None, "java21", ""),
            (
                "missing",
                "of-no-use",
                "of-no-use",
                "aws-lambda-of-no-use",
                "t",
                "python3.13",
                "compute_platform_mismatch",
            ),
            ("orphaned", "gone", None, "aws-lambda-gone", "there", "", "function_gone"),
            ("skipped", "web", "web", "", None, "nodejs22.x", "unsupported_runtime"),
            ("covered", "covered", "covered", "aws-lambda-covered", "there", "python3.13", ""),
        )
    ]
    assert not WRITES & set(mixed.account.sent)


@pytest.mark.usefixtures("mixed")
def test_what_was_saved_makes_the_same_page() -> None:
    """Whether out of a file or out of a pipe; but for where it comes from, and nobody is asked."""
    report("--html", str(FILE))
    live = read()
    Path("saved.json").write_text(report("--json").stdout)
    for source, called in (("saved.json", "saved.json"), ("-", "<stdin>")):
        done = report("--from", source, "--html", str(FILE), given=Path("saved.json").read_text())
        assert (done.exit_code, done.stderr) == (1, "")
        found = read()
        assert found.tables == live.tables
        assert f"From{called}Policypolicy.yaml" in found.text()


def test_several_accounts_and_regions_are_told_together() -> None:
    """By each, the worst first; which function is whose then stands in the table."""
    second = Place(account="222222222222", region="us-east-1")
    for name, place, entries in (
        ("one.json", HERE, [entry(), entry(name="late", status=Status.MISSING)]),
        ("two.json", second, [entry(name="fine")]),
        ("three.json", replace(second, region=REGION), []),
    ):
        facts = {"policy": f"{name}.yaml", **asdict(place), "totals": {"functions": len(entries)}}
        Path(name).write_text(json.dumps({**facts, "entries": [asdict(each) for each in entries]}))
    done = report("--from", "one.json", "--from", "two.json", "--from", "three.json", "--html", str(FILE))
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        1,
        "2 accounts in 2 regions: 66.6 % covered, 2 of 3 functions that should have a group.",
    )
    found = read()
    assert found.part("By account") == [(ACCOUNT, "50.0 % 1 of 2", "1 missing"), ("222222222222", "100.0 % 1 of 1", "")]
    assert found.part("By region") == [(REGION, "50.0 % 1 of 2", "1 missing"), ("us-east-1", "100.0 % 1 of 1", "")]
    assert [row[:4] for row in found.functions()] == [
        ("missing", "late", ACCOUNT, REGION),
        ("covered", "fine", "222222222222", "us-east-1"),
        ("covered", "orders", ACCOUNT, REGION),
    ]
    fine = found.tables["functions"][2][1]
    assert fine[1] == "https://us-east-1.console.aws.amazon.com/lambda/home?region=us-east-1#/functions/fine"


# An organization


def run(region: str, *outcomes: tuple[str, str | None], covered: int = 0, dry_run: bool = False) -> Json:
    """Return the run of a region: actions and reasons, of functions that are called by their number."""
    counts = dict.fromkeys((action for action, _ in outcomes), 1)
    eligible = covered + sum(action in ("created", "failed") and dry_run for action, _ in outcomes)
    return {
        "region": region,
        "dry_run": dry_run,
        "complete": True,
        "counts": counts,
        "outcomes": [
            {
                "function": f"arn:aws:lambda:{region}:{ACCOUNT}:function:f{number}",
                "group": f"g{number}",
                "action": action,
            }
            | {"reason": reason, "detail": f"detail {number}"}
            for number, (action, reason) in enumerate(outcomes)
        ],
        "truncated": False,
        "totals": {"sweep": "s", "functions": 9, "eligible": eligible, "covered": covered, "counts": counts},
    }


def child(account: str, *runs: Json) -> Json:
    """Return the output of the child workflow of an account."""
    path = "o-a1b2c3d4e5/r-ab12/"
    listed = [{"account": account, "organization_path": path, **each} for each in runs]
    return {"account": account, "organization_path": path, "runs": listed}


@pytest.fixture
def execution(account: Account, monkeypatch: pytest.MonkeyPatch) -> str:
    """An execution of a hub's machine that has ended, for the results to be put there."""

    def none(_: StepFunctionResponse) -> ActionResult:
        raise NotImplementedError

    hub = deployed.world(account, EventBusArn="arn:aws:events:eu-west-1:123456789012:event-bus/ProfilingGroups")
    monkeypatch.setattr(StepFunctionResponse, "list_map_runs", none)
    boto3.client("stepfunctions", region_name=REGION).start_execution(stateMachineArn=hub.machine, input="{}")
    hub.end()()
    return str(hub.executions()[-1].execution_arn)


def test_an_organization_is_told_with_what_the_bucket_has(execution: str) -> None:
    """After what was done; the page says that it is not all. What was not looked at is told with its reason."""
    about = {
        "function": None,
        "group": None,
        "action": "skipped",
        "reason": "region_unsupported",
        "detail": "by an SCP",
    }
    closed = {**run("us-east-1"), "outcomes": [about]}
    deployed.reports(
        child("111111111111", run(REGION, ("failed", "throttled"), ("created", None), ("deleted", None), covered=3)),
        child("222222222222", run(REGION, ("skipped", "opted_out"), covered=2), closed),
    )
    done = report("--organization", "--execution", execution, "--html", str(FILE))
    assert done.stdout.startswith("o-a1b2c3d4e5: 2 accounts, 2 regions: 100.0 % covered, 5 of 5"), done.output
    found = read()
    assert [row[:6] for row in found.functions()] == [
        ("failed", "f0", "111111111111", REGION, "g0", "throttled"),
        ("skipped", "f0", "222222222222", REGION, "g0", "opted_out"),
        ("covered", "f1", "111111111111", REGION, "g1", ""),
    ]
    assert "only so many outcomes" in found.text()
    assert "By runtime nothing can be told" in found.text()
    assert [row[0] for row in found.part("By account")] == ["111111111111r-ab12", "222222222222r-ab12"]
    assert [row[0] for row in found.part("By organizational unit")] == ["r-ab12"]
    (title,) = (title for title in found.tables if title.startswith("By account and region"))
    assert title == "By account and region (2 are not shown, as there is nothing to do)"
    assert found.part(title) == [("222222222222us-east-1", "not known", "unsupportedby an SCP")]


def test_only_what_was_asked_for_is_listed(execution: str) -> None:
    """Of an execution that has looked at more."""
    deployed.reports(
        child("111111111111", run(REGION, ("skipped", "opted_out"))),
        child("222222222222", run(REGION, ("skipped", "own_group"))),
    )
    report("--organization", "--account", "222222222222", "--execution", execution, "--html", str(FILE))
    assert [(row[1], row[3]) for row in read().functions()] == [("f0", "own_group")]


def test_an_organization_that_was_saved_is_told_in_figures(execution: str) -> None:
    """The file has no more; the page says so, and how to get more."""
    deployed.reports(
        child("111111111111", run(REGION, ("created", None), covered=3, dry_run=True)),
        child("222222222222", run(REGION, covered=2)),
    )
    Path("saved.json").write_text(report("--organization", "--execution", execution, "--json").stdout)
    report("--organization", "--execution", execution, "--html", str(FILE))
    live = read()
    done = report("--from", "saved.json", "--html", str(FILE))
    assert done.exit_code == 1, done.output
    found = read()
    assert {name: rows for name, rows in live.tables.items() if name != "functions"} == found.tables
    assert "83.3 % covered: 5 of 6 functions" in found.text()
    assert "Functions are not listed: the file has the figures only." in found.text()
    assert execution in found.text()


# What is on any page

NASTY = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><a href="javascript:alert(1)">',
    "<!-- ]]> {{functions}} {{policy}}",
    "a\u2028b\u2029\u202e\x00\x1b[31m\ud800",
    "&lt;&amp;&#x3c;",
    "' onclick='alert(1)",
]


def texts() -> st.SearchStrategy[str]:
    """Return any text, those that mean mischief among them."""
    return st.one_of(st.sampled_from(NASTY), st.text(), st.lists(st.sampled_from(NASTY)).map("".join))


@given(name=texts(), group=texts(), detail=texts(), runtime=texts(), account=texts(), region=texts(), policy=texts())
def test_whatever_it_is_told_is_text(  # noqa: PLR0913 - each a text
    *, name: str, group: str, detail: str, runtime: str, account: str, region: str, policy: str
) -> None:
    """The page has the same elements as of harmless names, leads to the console only, and shows each in full."""
    place = Place(account=account, region=region)
    told = entry(function=name, group=group, detail=detail, runtime=runtime)
    text = page(told, place=place, source=policy)
    text.encode()
    found, harmless = Reading(text), Reading(page(entry(detail="x"), place=replace(HERE, account="1")))
    without_links = [tag for tag, _ in found.elements if tag != "a"]
    assert without_links == [tag for tag, _ in harmless.elements if tag != "a"]
    assert found.raw == harmless.raw
    for (tag, attributes), (_, plain) in zip(found.elements, harmless.elements, strict=False):
        if tag in ("meta", "script", "style"):
            assert attributes == plain
    # A browser reads a text without the blanks of HTML at its end in `td` as it stands; so does the parser.
    row = [text for text, _ in found.tables["functions"][1]]
    shown = [output.clean(each) for each in (detail, runtime or "container image", group)]
    assert [row[5], row[3], row[2]] == shown
    assert output.clean(policy) in "".join(found.texts)
    assert leads(found) <= {"#list"} | {each for each in leads(found) if each.startswith("https://eu-west-1.console.")}


def leads(found: Reading) -> set[str]:
    """Return where the page leads or what it asks for."""
    names = ("href", "src", "srcset", "action", "formaction", "data", "poster", "background")
    listed = {attributes.get(name) or "" for _, attributes in found.elements for name in names}
    return listed - {"", "data:,"}


def test_the_page_needs_nothing_else_and_runs_nothing_else() -> None:
    """No address but those that a person may follow; style and script by hash, and none in attributes."""
    text = page(entry(), entry(status=Status.MISSING), entry(status=Status.FAILED, reason=Reason.THROTTLED))
    found = Reading(text)
    (policy,) = (a["content"] for tag, a in found.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(maxsplit=1) for rule in str(policy).split("; "))
    hashes = {
        element: f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
        for element, content in found.raw.items()
    }
    assert rules == {
        "default-src": "'none'",
        "style-src": hashes["style"],
        "script-src": hashes["script"],
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
    assert not [attributes for _, attributes in found.elements if "style" in attributes]
    assert not re.findall(r"url\(|@import|@font-face", found.raw["style"])
    assert not re.findall(
        r"\b(fetch|XMLHttpRequest|WebSocket|import|innerHTML|eval)\b\(?", found.raw["script"].split("\n", 3)[3]
    )
    assert all(each.startswith(("#", f"https://{REGION}.console.aws.amazon.com/")) for each in leads(found))


def test_the_script_and_the_page_agree_on_the_table() -> None:
    """On how many rows there are in a body, and on the order of the statuses."""
    text = page(*(entry(name=f"f{number}") for number in range(250)))
    assert [body.count("<tr>") for body in text.split("<tbody>")[1:]] == [100, 100, 50]
    found = Reading(text)
    assert "const ROWS_AT_ONCE = 100;" in found.raw["script"]
    (table,) = (attributes for tag, attributes in found.elements if attributes.get("id") == "functions")
    assert json.loads(str(table["data-statuses"])) == list(Status)


@given(st.lists(st.tuples(st.sampled_from(Status), st.sampled_from(["java21", "python3.13", None])), max_size=30))
def test_the_parts_add_up_to_the_whole(told: list[tuple[Status, str | None]]) -> None:
    """Of every status, and of those that should have a group; what has no function has no runtime."""
    entries = tuple(entry(status=status, name=f"f{n}", runtime=runtime) for n, (status, runtime) in enumerate(told))
    stock = Report(place=HERE, functions=len(entries), entries=entries)
    made = pages.of_accounts([stock], source={})
    totals = stock.totals()
    for parts in made.parts.values():
        for status in Status:
            expected = 0 if parts is made.parts["runtime"] and status is Status.ORPHANED else totals["counts"][status]
            assert sum(part.counts.get(status, 0) for part in parts) == expected
        assert sum(part.eligible for part in parts) == totals["eligible"]
    assert (made.total.covered, made.total.percent) == (totals["covered"], totals["covered_percent"])
    assert [len(made.lines or ())] == [len(entries)]


def test_many_parts_are_folded_away() -> None:
    """The worst ten are to be seen at first."""
    found = Reading(page(*(entry(runtime=f"python3.{number}") for number in range(25))))
    assert [tag for tag, _ in found.elements].count("details") == 1
    assert "15 more" in found.text()
    assert len(found.part("By runtime")) == 25


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("us-iso-east-1", None),
        ("evil.example/#", None),
        ("", None),
    ],
)
def test_links_lead_to_the_console_of_the_partition_and_region(region: str, host: str | None) -> None:
    """None to one that is not known, or to another's host."""
    arn = FunctionArn(account=ACCOUNT, region=region, name="a b/ü?&#")
    quoted = "a%20b%2F%C3%BC%3F%26%23"
    function, group = consoles.of_function(arn), consoles.of_group(arn.name, region=region)
    assert function == (host and f"https://{host}/lambda/home?region={region}#/functions/{quoted}")
    assert group == (host and f"https://{host}/codeguru/profiler/profile?profileName={quoted}")


def saved(**other: Any) -> str:  # noqa: ANN401 - JSON
    """Return the JSON of a report."""
    facts = {"policy": "p", "account": ACCOUNT, "region": REGION, "totals": {"functions": 0}, "entries": []}
    return json.dumps({**facts, **other})


COVERAGE = json.dumps(
    {"execution": "e", "dry_run": True, "totals": {}, "ous": [], "accounts": [], "regions": [], "places": []}
)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["{"], "0.json is no JSON: "),
        (["7"], "0.json is not what report --json prints: the whole: "),
        (["[" * 100_000], "0.json is not what report --json prints: it is nested too deep"),
        ([saved(account=7)], "0.json is not what report --json prints: account: "),
        ([saved(entries=[{"status": "fine"}])], "0.json is not what report --json prints: entries.0.status: "),
        ([COVERAGE], "0.json is not what report --json prints: scope: "),
        ([saved(), saved()], f"two of the files are about {ACCOUNT} in {REGION}"),
    ],
)
def test_a_file_that_is_something_else_is_told_in_a_line(files: Sequence[str], said: str) -> None:
    """And no page is written."""
    arguments = []
    for number, text in enumerate(files):
        Path(f"{number}.json").write_text(text)
        arguments += ["--from", f"{number}.json"]
    done = report(*arguments, "--html", str(FILE))
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert said in done.stderr
    assert not FILE.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--html", "p.html", "--json"], "--json or --html, not both"),
        (["--html", "p.html", "--csv"], "--csv or --html, not both"),
        (["--html", "nowhere/p.html"], "nothing can be written to the folder"),
        (["--from", "policy.yaml"], "--from goes with --html"),
        (["--from", "gone.json", "--html", "p.html"], "gone.json"),
        (["--from", "policy.yaml", "--html", "p.html", "--organization"], "--from or --organization, not both"),
        (["--from", "policy.yaml", "--html", "p.html", "--policy", "policy.yaml"], "--from or --policy, not both"),
        (["--from", "policy.yaml", "--html", "p.html", "--region", REGION], "--from or --region, not both"),
    ],
)
def test_wrong_usage_is_told(sweeper: Sweeper, arguments: list[str], said: str) -> None:
    """And nothing is asked, nor written."""
    done = report(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert not sweeper.account.sent
    assert not Path("p.html").exists()
