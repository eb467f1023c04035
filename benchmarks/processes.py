"""Server processes: started on a loopback port, watched through /proc, ended.

What a server costs is what its process and all that descend from it have used, as Linux counts it: utime, stime and
what ended children have left behind, in /proc/PID/stat (proc(5)); VmRSS and VmHWM in /proc/PID/status for memory.
Where there is no /proc there are no such figures.
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

from .peers import Field, Peer
from .workloads import KIB

HOST: Final = "127.0.0.1"
PATIENCE: Final = 30.0
"""Seconds that a server has to start or to end."""

TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
"""Seconds in the unit of /proc/PID/stat."""

PROC: Final = Path("/proc")

_RESET_PEAK: Final = "5"
"""Written to /proc/PID/clear_refs it sets VmHWM to VmRSS."""


class NoServer(Exception):
    """It could not be started; the text says what it said."""


@dataclass(frozen=True)
class Server:
    """One kind of server: the arguments of `python` from the target and the port."""

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
    """A server process under way."""

    def __init__(self, server: Server, peer: Peer, field: Field, **environment: str) -> None:
        self.peer = peer
        self.port = free_port()
        self._log = field.folder / f"{server.name}-{peer.name}-{self.port}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [peer.python, *server.command(peer.target, str(self.port))],
                cwd=field.folder,
                env=field.environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its children can be ended with it
            )

    def wait_ready(self) -> None:
        """Wait until it takes connections. Raises NoServer."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with suppress(OSError), self.connect():
                return
            time.sleep(0.02)
        raise NoServer(f"{self.peer.name} does not start: {self._last_words()}")

    def connect(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection((HOST, self.port), timeout=PATIENCE)

    def cpu(self) -> float:
        """The seconds of CPU that it has used so far, its children included."""
        return sum(map(_cpu_of, self._family()))

    def memory(self) -> int:
        """The bytes of memory that it has now, its children included."""
        return sum([_status_of(pid, "VmRSS") for pid in self._family()])

    def peak(self) -> int:
        """The bytes of memory that it had at most since `reset_peak`, its children included."""
        return sum([_status_of(pid, "VmHWM") for pid in self._family()])

    def reset_peak(self) -> None:
        """Begin a new peak here, where the system lets us; else the peak is that since the start."""
        for pid in self._family():
            with suppress(OSError):
                (PROC / str(pid) / "clear_refs").write_text(_RESET_PEAK)

    def _family(self) -> list[int]:
        """Its process id and those of all that descend from it."""
        children: dict[int, list[int]] = {}
        for entry in PROC.iterdir():
            if entry.name.isdigit():
                with suppress(OSError, IndexError):
                    children.setdefault(int(_stat_of(int(entry.name))[1]), []).append(int(entry.name))
        family = [self._process.pid]
        for pid in family:  # which grows as it is walked
            family += children.get(pid, [])
        return family

    def _last_words(self) -> str:
        return (self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]

    def stop(self) -> None:
        """End it with SIGTERM, and with SIGKILL if that does not help; what it started ends with it."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the session that it was started in, and nothing else
        self._process.wait()


def _stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second, a name in parentheses, may hold anything."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _cpu_of(pid: int) -> float:
    with suppress(OSError):
        return sum(map(int, _stat_of(pid)[11:15])) * TICK  # utime, stime, cutime, cstime
    return 0.0


def _status_of(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * KIB
    return 0


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.create_server((HOST, 0)) as found:
        port: int = found.getsockname()[1]
        return port


@contextmanager
def serving(server: Server, field: Field, **environment: str) -> Generator[tuple[dict[str, Process], dict[str, str]]]:
    """A process of `server` for each peer, by name, and why there is none, until the block ends."""
    processes: dict[str, Process] = {}
    failed: dict[str, str] = {}
    try:
        for peer in field.peers:
            process = processes[peer.name] = Process(server, peer, field, **environment)
            try:
                process.wait_ready()
            except NoServer as error:
                failed[peer.name] = str(error)
                processes.pop(peer.name).stop()
        yield processes, failed
    finally:
        for process in processes.values():
            process.stop()
