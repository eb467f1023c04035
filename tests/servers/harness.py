"""Real servers in processes of their own, and a client that says exactly the bytes it is given.

A server here is a command line and a list of what that server is known to be unable to do. Everything that is started
has its own port and its own directory, writes a log that tests can read, and is stopped with SIGTERM.
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
"""Seconds after which what should have happened is taken for something that never will."""


class Ability(Enum):
    """What an app needs a server for, and not every server does."""

    RUN_LIFESPAN = "run the lifespan"
    PASS_BODIES_ON = "hand a body over before it is whole"
    BREAK_OFF = "break a connection off when a response fails half way"
    FINISH_REQUESTS = "let requests finish at SIGTERM"
    CLOSE_SOCKETS = "close WebSockets at SIGTERM with a code"
    CLOSE_TOO_LARGE = "close a WebSocket with a code when a message is too large"
    CLOSE_1XXX = "close a WebSocket with another code than 1000 or 3000 to 4999"


@dataclass(frozen=True)
class Kind:
    """One kind of server: how it is started for a target such as `todo:app`, and what it cannot do."""

    name: str
    command: Callable[[str, str], Sequence[str]]
    """The arguments of `python`, from the target and the port."""
    cannot: frozenset[Ability] = frozenset()
    clean: int = 0
    """How it exits when SIGTERM ended it properly."""


def _uvicorn(http: str) -> Kind:
    return Kind(
        f"uvicorn-{http}",
        lambda target, port: ["-m", "uvicorn", "--http", http, "--port", port, target],
        clean=-signal.SIGTERM,  # when everything is done it lets the signal have its way
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
    """One answer, whole."""

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
    """The next answer on `client`. Raises http.client.HTTPException or OSError for one that breaks off."""
    with HTTPResponse(client, method=method) as response:
        response.begin()
        return Reply(response.status, response.headers, response.read())


def closed_with(socket: ClientConnection) -> Close | None:
    """The close frame that the server sends next, or None when the connection just breaks."""
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(PATIENCE)
    return closed.value.rcvd


@dataclass
class Server:
    """A server process under way."""

    kind: Kind
    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    """Its working directory; its temporary files go there too."""

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def can(self, what: Ability) -> bool:
        return what not in self.kind.cannot

    def needs(self, what: Ability) -> None:
        """Skip a test that is about what this server cannot do, saying so."""
        if not self.can(what):
            pytest.skip(f"{self.kind.name} cannot {what.value}")

    def log(self) -> str:
        """What the process has written so far."""
        return (self.folder / "server.log").read_text(errors="replace")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def say(self, head: str | bytes, pieces: Iterable[bytes] = (), method: str = "GET") -> Reply:
        """Send `head`, then `pieces` one after the other for as long as they are taken; the answer to that."""
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
        """A request on a connection of its own, and its answer. `headers` are whole lines."""
        framing = [f"Content-Length: {len(body)}"] if body else []
        return self.say(request_head(method, path, "Connection: close", *framing, *headers), [body], method)

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def stop(self) -> None:
        """End it with SIGTERM. Fails, showing its log, when it does not go or does not go well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.check_end()

    def check_end(self) -> None:
        """Wait for its end, which has been asked for."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.kind.name} does not stop:\n{self.log()}") from None
        assert code == self.kind.clean, f"{self.kind.name} ended with {code}:\n{self.log()}"
        for sign in ("was never awaited", "was never retrieved", "Task was destroyed"):
            assert sign not in self.log(), self.log()

    def kill(self) -> None:
        """End it and what it started at once, if that is still necessary."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def request_head(method: str, path: str, *headers: str) -> str:
    """A request up to and with the empty line."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""])


def encoded(text: str | bytes) -> bytes:
    """`text` as it goes over the wire: a character, a byte."""
    return text.encode("latin-1") if isinstance(text, str) else text


def _send_all(client: socket.socket, pieces: Iterable[bytes]) -> None:
    with suppress(OSError):  # a server that has answered need not listen any longer
        for piece in pieces:
            client.sendall(piece)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once `condition()` is true. Fails when that does not happen."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE} seconds in vain for {what}"
        time.sleep(0.02)


@contextmanager
def serving(kind: Kind, target: str, app_dir: Path, folder: Path, **environment: str) -> Generator[Server]:
    """`target`, a module in `app_dir`, served by a process that lives in `folder` until the block ends."""
    port = _free_port()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *kind.command(target, str(port))],
            cwd=folder,
            env=_environment(app_dir, folder) | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that what it starts can be found again
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
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _answers(server: Server) -> bool:
    assert server.process.poll() is None, f"{server.kind.name} could not start:\n{server.log()}"
    try:
        server.get("/")
    except OSError:
        return False
    return True
