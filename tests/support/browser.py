"""A headless Chromium, spoken to over its DevTools protocol: one page, what it asks for, and what it complains of."""

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
"""Seconds after which what should have happened in the page is taken for something that never will."""

# Nothing of the browser's own: only what the page asks for is to be seen.
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
    """The browser's command; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page of a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.requests: list[str] = []
        """The URLs of everything that the page has asked for."""
        self.complaints: list[str] = []
        """What the browser has logged as an error: scripts that failed, and what a policy forbade."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a method of the protocol; what happens meanwhile is noted."""
        number = next(self._numbers)
        self._socket.send(msgspec.json.encode({"id": number, "method": method, "params": parameters}).decode())
        while True:
            message = msgspec.json.decode(self._socket.recv(PATIENCE))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, event: str, said: Any) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif event == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.complaints.append(said["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(said["exceptionDetails"]["text"])

    def visit(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """The value of an expression once it is true."""
        return self._until(lambda: self.run(script), script)

    def click(self, selector: str) -> None:
        """Click on the first element that fits the CSS `selector`, once there is one."""
        self.wait(f"document.querySelector({selector!r}) !== null")
        self.run(f"document.querySelector({selector!r}).click()")

    def picture(self, path: Path) -> None:
        """Write a picture of the page, PNG, to `path`."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    @staticmethod
    def _until(value: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if found := value():
                return found
            time.sleep(0.05)
        raise AssertionError(f"never true: {what}")


@contextmanager
def browsing(command: str, folder: Path) -> Generator[Page]:
    """A page of a new browser, which keeps what it has to in `folder`."""
    port_file = folder / "DevToolsActivePort"
    flags = [*FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen([command, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            text = Page._until(lambda: port_file.exists() and port_file.read_text(), "the browser has started")
            port, path = text.split()
            with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as socket:
                browser = _Browser(socket)
                target = browser.call("Target.createTarget", url="about:blank")["targetId"]
                with connect(f"ws://127.0.0.1:{port}/devtools/page/{target}", max_size=None) as page:
                    yield Page(page)
        finally:
            process.terminate()


class _Browser(Page):
    """The browser itself, which has no pages' events."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
