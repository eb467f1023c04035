"""Many connections at once, each sending its next request when the last one was answered.

`wrk` makes the load where it is installed: it costs the machine least. Otherwise, and for windows shorter than its one
second, a generator of our own does, which counts answers and looks at nothing but their status and their end.
"""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from .processes import HOST
from .wire import request_bytes
from .workloads import Workload


class LoadFailed(Exception):
    """Answers were missing or wrong; the text says which."""


@dataclass(frozen=True)
class Load:
    """What was answered, and in how many seconds."""

    requests: int
    seconds: float


Generator: TypeAlias = Callable[[int, Workload, int, float], Load]
"""Called with the port, the workload, the number of connections and the seconds. Raises LoadFailed."""


def generator(seconds: float, folder: Path) -> tuple[str, Generator]:
    """What makes the load here, for windows of that many seconds, and its name; `folder` is for its scripts."""
    found = shutil.which("wrk")
    if found is None or seconds < 1:
        return "the generator of benchmarks/load.py", own
    wrk = found

    def run(port: int, workload: Workload, connections: int, seconds: float) -> Load:
        return _wrk(wrk, folder / "request.lua", port, workload, connections, seconds)

    return "wrk", run


# --- wrk ---

_TOTAL: Final = re.compile(r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m),", re.MULTILINE)
_WRONG: Final = re.compile(r"^\s*(Non-2xx.*|Socket errors.*)$", re.MULTILINE)
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def _wrk(wrk: str, script: Path, port: int, workload: Workload, connections: int, seconds: float) -> Load:
    script.write_text(lua(workload))
    url = f"http://{HOST}:{port}{workload.path}"
    command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    return parse_wrk(done.stdout + done.stderr)


def lua(workload: Workload) -> str:
    """The script that makes wrk send `workload`."""
    lines = [f'wrk.method = "{workload.method}"']
    if workload.body:
        escaped = "".join(f"\\{byte:03d}" for byte in workload.body)
        lines += [f'wrk.body = "{escaped}"', f'wrk.headers["Content-Type"] = "{workload.content_type}"']
    return "\n".join(lines) + "\n"


def parse_wrk(output: str) -> Load:
    """What wrk reported. Raises LoadFailed for errors, and for no report."""
    total, wrong = _TOTAL.search(output), _WRONG.search(output)
    if wrong is not None:
        raise LoadFailed(wrong[1])
    if total is None or total[1] == "0":
        raise LoadFailed((output.strip().splitlines() or ["wrk said nothing"])[-1])
    return Load(int(total[1]), float(total[2]) * _UNITS[total[3]])


# --- our own ---


def own(port: int, workload: Workload, connections: int, seconds: float) -> Load:
    """The same without wrk."""
    return asyncio.run(_own(port, workload, connections, seconds))


async def _own(port: int, workload: Workload, connections: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    request = request_bytes(workload)
    clients: list[_Client] = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(request), HOST, port)
        clients.append(client)
    begin = time.perf_counter()
    for client in clients:
        client.go()
    await asyncio.sleep(seconds)
    taken = time.perf_counter() - begin
    requests = sum([client.answered for client in clients])
    failed = next((client.failed for client in clients if client.failed), "")
    for client in clients:
        client.leave()
    if failed or not requests:
        raise LoadFailed(failed or f"no answer in {seconds} seconds")
    return Load(requests, taken)


_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._buffer = b""
        self._leaving = False
        self._transport: asyncio.Transport | None = None
        self.answered = 0
        self.failed = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def go(self) -> None:
        """Send the next request."""
        if self._transport is not None:
            self._transport.write(self._request)

    def leave(self) -> None:
        """Close the connection."""
        self._leaving = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head)
        if not (len(body) >= int(length[1]) if length is not None else body.endswith(_LAST_CHUNK)):
            return
        self._buffer = b""
        if head[9:10] != b"2":
            self.failed = head.partition(b"\r\n")[0].decode("latin-1")
            return
        self.answered += 1
        self.go()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._leaving:
            self.failed = f"the server closed a connection: {exc}"
