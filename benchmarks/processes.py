"""This module starts server processes on loopback ports, watches them through /proc and ends them.

The cost of a server is that of its process and all its descendants, as Linux counts it. CPU time is utime and stime in
/proc/PID/stat (proc(5)), with the time of children that have ended. Memory is VmRSS and VmHWM in /proc/PID/status.
Systems without /proc have no such figures.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .peers import Lineup, Peer
from .workloads import KIB

HOST: Final = "127.0.0.1"
PATIENCE: Final = 30.0
"""Seconds in which a server must start, and accept a connection."""

TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds in the unit of /proc/PID/stat."""

PROC: Final = Path("/proc")

_RESET_PEAK: Final = "5"
"""Text that sets VmHWM to VmRSS when it is written to /proc/PID/clear_refs."""


class ServerFailed(Exception):
    """An error that holds the last line of a server that did not start."""


@dataclass(frozen=True)
class Server:
    """A kind of server: its name, and a function of target and port that returns the arguments of `python`."""

    name: str
    command: Callable[[str, str], Sequence[str]]


UVICORN: Final = Server(
    "uvicorn",
    lambda target, port: [
        *("-m", "uvicorn", target, "--host", HOST, "--port", port, "--http", "httptools", "--loop", "uvloop"),
        *("--no-access-log", "--log-level", "warning"),
    ],
)
GRANIAN: Final = Server(
    "granian",
    lambda target, port: [
        *("-m", "granian", target, "--interface", "asgi", "--host", HOST, "--port", port, "--loop", "uvloop"),
        *("--workers", "1", "--http", "1", "--no-access-log", "--log-level", "warning"),
    ],
)


class Process:
    """A server process that runs."""

    def __init__(self, server: Server, peer: Peer, lineup: Lineup, **environment: str) -> None:
        self.peer = peer
        self.port = find_free_port()
        self._log = lineup.folder / f"{server.name}-{peer.name}-{self.port}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [peer.python, *server.command(peer.target, str(self.port))],
                cwd=lineup.folder,
                env=lineup.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its children can be ended with it
            )

    def wait_ready(self) -> None:
        """Wait until it accepts connections. Raises ServerFailed."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with suppress(OSError), self.connect():
                return
            time.sleep(0.02)
        raise ServerFailed(f"{self.peer.name} does not start: {self._read_last_line()}")

    def connect(self) -> socket.socket:
        """Open a connection to it."""
        return socket.create_connection((HOST, self.port), timeout=PATIENCE)

    def read_cpu_seconds(self) -> float:
        """Return the seconds of CPU that it has used so far, including its children."""
        return sum(map(_read_cpu_seconds, self._list_processes()))

    def read_memory(self) -> int:
        """Return the bytes of memory that it uses now, including its children."""
        return sum([_read_status(pid, "VmRSS") for pid in self._list_processes()])

    def read_peak(self) -> int:
        """Return the most bytes of memory that it has used since `reset_peak`, including its children."""
        return sum([_read_status(pid, "VmHWM") for pid in self._list_processes()])

    def reset_peak(self) -> None:
        """Set the peak to the present use. Where the system refuses that, the peak since the start remains."""
        for pid in self._list_processes():
            with suppress(OSError):
                (PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)

    def _list_processes(self) -> list[int]:
        """Return its process id and those of all its descendants."""
        children: dict[int, list[int]] = {}
        for entry in PROC.iterdir():
            if entry.name.isdigit():
                with suppress(OSError, IndexError):
                    children.setdefault(int(_read_stat(int(entry.name))[1]), []).append(int(entry.name))
        processes = [self._process.pid]
        for pid in processes:  # the list grows during the loop
            processes += children.get(pid, [])
        return processes

    def _read_last_line(self) -> str:
        return (self._log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]

    def stop(self) -> None:
        """End it and its children: with SIGTERM, and after five seconds with SIGKILL."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # only the session that it was started in
        self._process.wait()


def _read_stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on. The second, a name in parentheses, may contain spaces."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _read_cpu_seconds(pid: int) -> float:
    with suppress(OSError):
        return sum(map(int, _read_stat(pid)[11:15])) * TICK  # utime, stime, cutime, cstime
    return 0.0


def _read_status(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * KIB
    return 0


def find_free_port() -> int:
    """Return a port of the loopback address on which no process listens."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_servers(
    server: Server, lineup: Lineup, **environment: str
) -> Generator[tuple[dict[str, Process], dict[str, str]]]:
    """Run a process of `server` for each peer until the block ends.

    Yield the processes by peer, and the reasons of those that did not start.
    """
    processes: dict[str, Process] = {}
    failed: dict[str, str] = {}
    try:
        for peer in lineup.peers:
            process = processes[peer.name] = Process(server, peer, lineup, **environment)
            try:
                process.wait_ready()
            except ServerFailed as error:
                failed[peer.name] = str(error)
                processes.pop(peer.name).stop()
        yield processes, failed
    finally:
        for process in processes.values():
            process.stop()
