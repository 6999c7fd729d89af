"""The driver of the browser, against a program that speaks its protocol."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.browser.chromium import Chromium

if TYPE_CHECKING:
    from pathlib import Path

HASTY = """#!{python}
import json, os

def say(**message):
    os.write(4, json.dumps(message).encode() + b"\\0")

rest = b""
while piece := os.read(3, 1 << 16):
    *messages, rest = (rest + piece).split(b"\\0")
    for message in map(json.loads, messages):
        result = {{}}
        match message["method"]:
            case "Target.getTargets":
                result = {{"targetInfos": [{{"type": "page", "targetId": "t"}}]}}
            case "Target.attachToTarget":
                result = {{"sessionId": "s"}}
            case "Page.navigate":
                result = {{"loaderId": "l", "frameId": "f"}}
                say(method="Page.loadEventFired", params={{}})
                say(method="Page.lifecycleEvent", params={{"name": "load", "loaderId": "l", "frameId": "f"}})
        say(id=message["id"], result=result)
"""


def test_page_that_is_there_before_the_call_is_answered_is_not_waited_for(tmp_path: Path) -> None:
    """On a busy machine the event comes first."""
    program = tmp_path / "hasty"
    program.write_text(HASTY.format(python=sys.executable))
    program.chmod(0o755)
    with Chromium(str(program), tmp_path) as browser:
        browser.open("file:///page.html")
