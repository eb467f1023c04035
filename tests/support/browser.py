"""This module controls a headless Chromium over its DevTools protocol and records its requests and errors."""

import base64
import itertools
import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from websockets.sync.client import ClientConnection, connect

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE: Final = 30.0
"""Seconds to wait for a change in the page before the test fails."""

# These turn off the browser's own requests, so that only those of the page are recorded.
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--window-size=1200,1000",
    "--remote-debugging-port=0",
)


def find_browser() -> str | None:
    """Return the command of an installed browser, or None."""
    return next((command for name in NAMES if (command := shutil.which(name))), None)


class Page:
    """A page of a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        """The URLs of all requests of the page."""
        self.complaints: list[str] = []
        """The errors that the browser has logged: failed scripts, and violations of a policy."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result. Events that arrive meanwhile are recorded."""
        number = next(self._numbers)
        self._socket.send(msgspec.json.encode({"id": number, "method": method, "params": parameters}).decode())
        while True:
            message = msgspec.json.decode(self._socket.recv(PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._record(message.get("method"), message.get("params", {}))

    def _record(self, event: str, parameters: Any) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(parameters["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"]["text"])

    def visit(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """Evaluate a JavaScript expression and return its value."""
        evaluation = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in evaluation, evaluation
        return evaluation["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until a JavaScript expression is true and return its value."""
        return self._wait_until(lambda: self.run(script), script)

    def click(self, selector: str) -> None:
        """Wait for an element that matches the CSS `selector`, and click on it."""
        self.wait(f"document.querySelector({selector!r}) !== null")
        self.run(f"document.querySelector({selector!r}).click()")

    def picture(self, path: Path) -> None:
        """Write a screenshot of the page as PNG to `path`."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    @staticmethod
    def _wait_until(condition: Callable[[], Any], description: str) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.05)
        raise AssertionError(f"not true within {PATIENCE} seconds: {description}")


@contextmanager
def browsing(command: str, folder: Path) -> Generator[Page]:
    """Open a page in a new browser, which keeps its profile in `folder`."""
    port_file = folder / "DevToolsActivePort"
    flags = [*FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen([command, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            text = Page._wait_until(lambda: port_file.exists() and port_file.read_text(), "the browser has started")
            port, path = text.split()
            with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as socket:
                browser = _Browser(socket)
                target = browser.call("Target.createTarget", url="about:blank")["targetId"]
                with connect(f"ws://127.0.0.1:{port}/devtools/page/{target}", max_size=None) as page:
                    yield Page(page)
        finally:
            process.terminate()


class _Browser(Page):
    """The browser itself, which sends no events of pages."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
