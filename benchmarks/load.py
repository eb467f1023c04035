"""This module loads a server over many connections. Each sends its next request once it has the last response.

`wrk` makes the load where it is installed, because it costs the machine least. It cannot run for less than a second, so
a simple generator takes its place for shorter samples, and where `wrk` is missing. The generator counts responses and
reads only their status and their end.
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
from .wire import encode_request
from .workloads import Workload


class LoadFailed(Exception):
    """An error that says which responses were missing or wrong."""


@dataclass(frozen=True)
class Load:
    """A number of responses, and the seconds in which they arrived."""

    requests: int
    seconds: float


Generator: TypeAlias = Callable[[int, Workload, int, float], Load]
"""A function of the port, the workload, the number of connections and the seconds. It raises LoadFailed."""


def choose_generator(seconds: float, folder: Path) -> tuple[str, Generator]:
    """Return the name of the generator for samples of `seconds`, and the generator. It writes scripts into `folder`."""
    wrk = shutil.which("wrk")
    if wrk is None or seconds < 1:
        return "the generator of benchmarks/load.py", generate_load
    path = wrk

    def run(port: int, workload: Workload, connections: int, seconds: float) -> Load:
        return _run_wrk(path, folder / "request.lua", port, workload, connections, seconds)

    return "wrk", run


# --- wrk ---

_TOTAL: Final = re.compile(r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m),", re.MULTILINE)
_ERRORS: Final = re.compile(r"^\s*(Non-2xx.*|Socket errors.*)$", re.MULTILINE)
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def _run_wrk(wrk: str, script: Path, port: int, workload: Workload, connections: int, seconds: float) -> Load:
    script.write_text(build_wrk_script(workload))
    url = f"http://{HOST}:{port}{workload.path}"
    command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    process = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    return parse_wrk(process.stdout + process.stderr)


def build_wrk_script(workload: Workload) -> str:
    """Return the Lua script with which wrk sends `workload`."""
    lines = [f'wrk.method = "{workload.method}"']
    if workload.body:
        escaped = "".join(f"\\{byte:03d}" for byte in workload.body)
        lines += [f'wrk.body = "{escaped}"', f'wrk.headers["Content-Type"] = "{workload.content_type}"']
    return "\n".join(lines) + "\n"


def parse_wrk(output: str) -> Load:
    """Parse the report of wrk. Raises LoadFailed when it lists errors or is missing."""
    total, errors = _TOTAL.search(output), _ERRORS.search(output)
    if errors is not None:
        raise LoadFailed(errors[1])
    if total is None or total[1] == "0":
        raise LoadFailed((output.strip().splitlines() or ["wrk printed nothing"])[-1])
    return Load(int(total[1]), float(total[2]) * _UNITS[total[3]])


# --- the simple generator ---


def generate_load(port: int, workload: Workload, connections: int, seconds: float) -> Load:
    """Send requests over `connections` connections for `seconds`. Raises LoadFailed."""
    return asyncio.run(_generate_load(port, workload, connections, seconds))


async def _generate_load(port: int, workload: Workload, connections: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    request = encode_request(workload)
    clients: list[_Client] = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(request), HOST, port)
        clients.append(client)
    begin = time.perf_counter()
    for client in clients:
        client.send()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - begin
    requests = sum([client.responses for client in clients])
    error = next((client.error for client in clients if client.error), "")
    for client in clients:
        client.close()
    if error or not requests:
        raise LoadFailed(error or f"no response in {seconds} seconds")
    return Load(requests, elapsed)


_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK: Final = b"0\r\n\r\n"


class _Client(asyncio.Protocol):
    """A connection that sends a request, waits for the whole response and sends the next."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._buffer = b""
        self._closing = False
        self._transport: asyncio.Transport | None = None
        self.responses = 0
        self.error = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def send(self) -> None:
        """Send the next request."""
        if self._transport is not None:
            self._transport.write(self._request)

    def close(self) -> None:
        """Close the connection."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Count the response once it is complete, and send the next request. A status other than 2xx ends that."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head)
        if not (len(body) >= int(length[1]) if length is not None else body.endswith(_LAST_CHUNK)):
            return
        self._buffer = b""
        if head[9:10] != b"2":
            self.error = head.partition(b"\r\n")[0].decode("latin-1")
            return
        self.responses += 1
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closing:
            self.error = f"the server closed a connection: {exc}"
