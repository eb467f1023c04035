"""This module starts real servers in separate processes, and has a client that sends exactly the given bytes.

A server is a command line and a list of what that server cannot do. Each process has its own port and directory, writes
a log that tests can read, and is stopped with SIGTERM.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import ClientConnection

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"
FIXTURES: Final = Path(__file__).parent

PATIENCE: Final = 30.0
"""Seconds to wait for something before the test fails."""


class Ability(Enum):
    """Something that an app needs from its server, and that not every server does."""

    RUN_LIFESPAN = "run the lifespan"
    PASS_BODIES_ON = "pass a body on before it is complete"
    BREAK_OFF = "break off a connection when a response fails midway"
    FINISH_REQUESTS = "let requests finish at SIGTERM"
    CLOSE_SOCKETS = "close WebSockets at SIGTERM with a code"
    CLOSE_TOO_LARGE = "close a WebSocket with a code when a message is too large"
    CLOSE_1XXX = "close a WebSocket with another code than 1000 or 3000 to 4999"


@dataclass(frozen=True)
class Kind:
    """A kind of server: the command that serves a target such as `todo:app`, and what the server cannot do."""

    name: str
    command: Callable[[str, str], Sequence[str]]
    """Builds the arguments of `python` from the target and the port."""
    cannot: frozenset[Ability] = frozenset()
    clean: int = 0
    """The exit code after a clean end by SIGTERM."""


def _uvicorn(http: str) -> Kind:
    return Kind(
        f"uvicorn-{http}",
        lambda target, port: ["-m", "uvicorn", "--http", http, "--port", port, target],
        clean=-signal.SIGTERM,  # it raises the signal again when it has finished
    )


KINDS: Final = [
    _uvicorn("httptools"),
    _uvicorn("h11"),
    Kind("hypercorn", lambda target, port: ["-m", "hypercorn", "--bind", f"127.0.0.1:{port}", target]),
    Kind(
        "granian",
        lambda target, port: ["-m", "granian", "--interface", "asgi", "--port", port, target],
        cannot=frozenset({Ability.CLOSE_SOCKETS}),
    ),
    Kind("daphne", lambda target, port: ["-m", "daphne", "-p", port, target], cannot=frozenset(Ability)),
]

MICROPIE: Final = Kind("micropie", lambda target, port: ["-m", "micropie", "run", "--port", port, target])


@dataclass(frozen=True)
class Reply:
    """A complete response."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def read_reply(client: socket.socket, method: str = "GET") -> Reply:
    """Read the next response on `client`. Raises http.client.HTTPException or OSError if it breaks off."""
    with HTTPResponse(client, method=method) as response:
        response.begin()
        return Reply(response.status, response.headers, response.read())


def closed_with(socket: ClientConnection) -> Close | None:
    """Return the close frame that the server sends next, or None if the connection breaks without one."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(PATIENCE)
    return closed.value.rcvd


@dataclass
class Server:
    """A running server process."""

    kind: Kind
    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    """The working directory of the process, also for its temporary files."""

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def can(self, what: Ability) -> bool:
        return what not in self.kind.cannot

    def needs(self, what: Ability) -> None:
        """Skip the test if this server cannot do `what`."""
        if not self.can(what):
            pytest.skip(f"{self.kind.name} cannot {what.value}")

    def log(self) -> str:
        """Return what the process has written so far."""
        return (self.folder / "server.log").read_text(errors="replace")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def say(self, head: str | bytes, pieces: Iterable[bytes] = (), method: str = "GET") -> Reply:
        """Send `head`, then `pieces` for as long as the server accepts them, and return the response."""
        with self.connect() as client:
            client.sendall(encoded(head))
            sending = threading.Thread(target=_send_all, args=(client, pieces))
            sending.start()
            try:
                return read_reply(client, method)
            finally:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
                sending.join()

    def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> Reply:
        """Send a request on a new connection and return the response. `headers` are complete lines."""
        framing = [f"Content-Length: {len(body)}"] if body else []
        return self.say(request_head(method, path, "Connection: close", *framing, *headers), [body], method)

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def stop(self) -> None:
        """End the process with SIGTERM. Fail with its log if it does not end, or not with the clean exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.check_end()

    def check_end(self) -> None:
        """Wait until the process has ended after SIGTERM, and check how."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.kind.name} does not stop:\n{self.log()}") from None
        assert code == self.kind.clean, f"{self.kind.name} ended with {code}:\n{self.log()}"
        for sign in ("was never awaited", "was never retrieved", "Task was destroyed"):
            assert sign not in self.log(), self.log()

    def kill(self) -> None:
        """Kill the process and its children, if they still run."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def request_head(method: str, path: str, *headers: str) -> str:
    """Build a request head, including the empty line at its end."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""])


def encoded(text: str | bytes) -> bytes:
    """Encode `text` for the wire, each character as a byte."""
    return text.encode("latin-1") if isinstance(text, str) else text


def _send_all(client: socket.socket, pieces: Iterable[bytes]) -> None:
    with suppress(OSError):  # a server that has sent its response need not read on
        for piece in pieces:
            client.sendall(piece)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once `condition()` is true. Fail if it does not become true in time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE} seconds for {what}"
        time.sleep(0.02)


@contextmanager
def serving(kind: Kind, target: str, app_dir: Path, folder: Path, **environment: str) -> Generator[Server]:
    """Serve `target`, a module in `app_dir`, with a process that works in `folder`, until the block ends."""
    port = _free_port()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *kind.command(target, str(port))],
            cwd=folder,
            env=_environment(app_dir, folder) | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children can be killed with it
        )
    server = Server(kind, port, process, folder)
    try:
        wait_until(lambda: _answers(server), f"{kind.name} to answer")
        yield server
        server.stop()
    finally:
        server.kill()


def _environment(app_dir: Path, folder: Path) -> dict[str, str]:
    mine = {"PYTHONPATH": f"{app_dir}{os.pathsep}{ROOT}", "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder)}
    return {name: value for name, value in os.environ.items() if name not in ("WEB_CONCURRENCY", "PORT")} | mine


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, f"{server.kind.name} could not start:\n{server.log()}"
    try:
        server.get("/")
    except OSError:
        return False
    return True
