"""Headless Chromium with one page, driven by its DevTools protocol over a pair of pipes: no port is opened for it.

What is written to the browser's descriptor 3, and read from its 4, is JSON; a zero byte ends each message (Chromium,
`--remote-debugging-pipe`).

``python -m tests.browser.chromium`` prints the path of the browser; exit status 1 where there is none.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import sys
from fcntl import F_DUPFD_CLOEXEC, fcntl
from typing import TYPE_CHECKING, Any, Final

from tests.waiting import LIMIT_SECONDS

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

Json = dict[str, Any]

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")


def find() -> str | None:
    """Return the path of a Chromium; None where there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class BrowserError(Exception):
    """The browser did not answer, or with an error."""


class Chromium:
    """A browser with one page. A context manager: it is ended with it.

    Args:
        program: Its path.
        folder: An empty folder, for its profile.

    Attributes:
        told: What the page has told the console, and what went wrong in it: errors, warnings, what was blocked.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self.told: list[str] = []
        self._requested: dict[str, str] = {}
        self._loaded: set[str] = set()
        self._number = 0
        self._rest = b""
        self._session: str | None = None
        (theirs_in, self._to), (self._from, theirs_out) = os.pipe(), os.pipe()
        # Out of the way of the numbers that they are to have.
        high_in, high_out = (fcntl(each, F_DUPFD_CLOEXEC, 100) for each in (theirs_in, theirs_out))
        arguments = [
            *(program, "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder}"),
            *("--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            # Chromium's own sandbox refuses to work for root.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "about:blank",
        ]
        self._process = os.posix_spawn(
            program,
            arguments,
            {**os.environ, "HOME": str(folder)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, high_in, 3),
                (os.POSIX_SPAWN_DUP2, high_out, 4),
            ],
            setpgroup=0,
        )
        for each in (theirs_in, theirs_out, high_in, high_out):
            os.close(each)

    def __enter__(self) -> Self:
        (target,) = (each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, **parameters: object) -> Json:
        """Call a method of the protocol, and return its result.

        Raises:
            BrowserError: It is an error, or nothing came.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") != self._number:
                continue
            if "error" in answer:
                raise BrowserError(f"{method}: {answer['error']}")
            result: Json = answer["result"]
            return result

    def open(self, address: str) -> None:
        """Open a page, and wait until it is there, with all that belongs to it."""
        self.told.clear()
        self._requested.clear()
        # It may be there before the call is answered.
        loader = self.call("Page.navigate", url=address)["loaderId"]
        while loader not in self._loaded:
            self._read()

    @property
    def requested(self) -> list[str]:
        """The addresses that the page has asked for, its own among them, but for what was blocked."""
        return list(self._requested.values())

    def run(self, script: str) -> Any:  # noqa: ANN401 - whatever it returns
        """Run JavaScript in the page, and return the value of its last expression, once it is there.

        Raises:
            BrowserError: It threw.
        """
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise BrowserError(str(done["exceptionDetails"]))
        return done["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true in the page."""
        self.run(f"""new Promise((done) => {{
            const look = () => {condition} ? done() : setTimeout(look, 20);
            look();
        }})""")

    def press(self, key: str, *, text: str = "") -> None:
        """Press a key, such as `Tab` or `Enter`."""
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text)
            text = ""

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Set the size of the window, in CSS pixels."""
        scale = 2 if phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    def prefer(self, scheme: str, *, media: str = "") -> None:
        """Prefer the colour scheme `light` or `dark`; or be a printer, with the medium `print`."""
        self.call(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def scripts(self, *, run: bool) -> None:
        """Let pages that are opened from now on run scripts, or not."""
        self.call("Emulation.setScriptExecutionDisabled", value=not run)

    def screenshot(self, file: Path) -> None:
        """Write what is to be seen, as PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def accessible(self) -> list[tuple[str, str]]:
        """Return role and name of all that a screen reader is told."""
        # It costs the browser much, so it is not on otherwise.
        self.call("Accessibility.enable")
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        self.call("Accessibility.disable")
        return [(each["role"]["value"], each.get("name", {}).get("value", "")) for each in nodes if not each["ignored"]]

    def _read(self) -> Json:
        while b"\0" not in self._rest:
            before = signal.signal(signal.SIGALRM, self._give_up)
            signal.alarm(LIMIT_SECONDS)
            try:
                piece = os.read(self._from, 1 << 20)
            finally:
                signal.alarm(0)
                signal.signal(signal.SIGALRM, before)
            if not piece:
                raise BrowserError("the browser has ended")
            self._rest += piece
        (message, _, self._rest) = self._rest.partition(b"\0")
        found: Json = json.loads(message)
        self._note(found)
        return found

    def _note(self, message: Json) -> None:
        about = message.get("params", {})
        match message.get("method"):
            case "Page.lifecycleEvent" if about["name"] == "load":
                self._loaded.add(about["loaderId"])
            case "Log.entryAdded":
                self.told.append(about["entry"]["text"])
            case "Runtime.consoleAPICalled":
                self.told.append(" ".join(str(each.get("value")) for each in about["args"]))
            case "Runtime.exceptionThrown":
                self.told.append(str(about["exceptionDetails"]))
            case "Network.requestWillBeSent":
                self._requested[about["requestId"]] = about["request"]["url"]
            case "Network.loadingFailed" if "blockedReason" in about:
                self._requested.pop(about["requestId"], None)

    def _give_up(self, *_: object) -> None:
        raise BrowserError(f"no answer for {LIMIT_SECONDS} s")


if __name__ == "__main__":
    if not (path := find()):
        sys.exit(1)
    sys.stdout.write(f"{path}\n")
