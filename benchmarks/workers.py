"""This module starts a worker process for each peer and sends it commands. Only one of them works at a time."""

import json
import select
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from .peers import Lineup, Peer
from .workloads import Response, describe_difference, find_workload

PATIENCE: Final = 60.0
"""Seconds after which a worker counts as stuck, unless the caller passes another number."""


class WorkerFailed(Exception):
    """An error that says how a peer failed: by a wrong response, an exception or silence."""


class Worker:
    """A process of `benchmarks.worker`."""

    def __init__(self, peer: Peer, lineup: Lineup) -> None:
        self.peer = peer
        self._log = tempfile.TemporaryFile(dir=lineup.folder)  # noqa: SIM115  # closed by `stop`
        self._process = subprocess.Popen(
            [peer.python, "-m", "benchmarks.worker", peer.kind.module],
            cwd=lineup.folder,
            env=lineup.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._buffer = b""

    def check(self, workload: str, patience: float = PATIENCE) -> None:
        """Send the request of `workload` once. Raises WorkerFailed when the response is not the expected one."""
        reply = self.send_command(patience, do="check", name=workload)
        headers = tuple((name, value) for name, value in reply["headers"])
        response = Response(reply["status"], headers, reply["body"].encode("latin-1"))
        if fault := describe_difference(find_workload(workload).expected, response):
            raise WorkerFailed(fault)

    def time(self, workload: str, count: int) -> float:
        """Return the seconds that `count` requests of `workload` take."""
        seconds: float = self.send_command(do="time", name=workload, count=count)["seconds"]
        return seconds

    def build(self, count: int) -> float:
        """Return the seconds that building and starting an app of `count` routes takes."""
        seconds: float = self.send_command(do="build", count=count)["seconds"]
        return seconds

    def wait_ready(self) -> None:
        """Wait until it has imported its app. Raises WorkerFailed."""
        self._read_reply(PATIENCE)

    def send_command(self, patience: float = PATIENCE, **command: Any) -> dict[str, Any]:
        """Send a command and return the reply. Raises WorkerFailed."""
        pipe = self._process.stdin
        if pipe is None or self._process.poll() is not None:
            raise WorkerFailed(f"its process has ended: {self._read_last_line()}")
        pipe.write(json.dumps(command).encode() + b"\n")
        pipe.flush()
        reply = self._read_reply(patience)
        if "error" in reply:
            raise WorkerFailed(reply["error"])
        return reply

    def _read_reply(self, patience: float) -> dict[str, Any]:
        pipe = self._process.stdout
        end = time.monotonic() + patience
        while b"\n" not in self._buffer:
            remaining = end - time.monotonic()
            if pipe is None or remaining <= 0 or not select.select([pipe], [], [], remaining)[0]:
                self._process.kill()  # a late reply could be taken for the next one
                raise WorkerFailed(f"did not answer in {patience:.0f} seconds")
            piece = pipe.read1(65536)  # type: ignore[attr-defined]  # a pipe of Popen is a BufferedReader
            if not piece:
                raise WorkerFailed(f"its process has ended: {self._read_last_line()}")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _read_last_line(self) -> str:
        self._log.seek(0)
        return (self._log.read().decode(errors="replace").strip().splitlines() or ["it printed nothing"])[-1]

    def stop(self) -> None:
        """End the process: close its pipes, and kill it if it still runs after five seconds."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextmanager
def run_workers(lineup: Lineup, peers: Sequence[Peer]) -> Generator[dict[str, Worker]]:
    """Run a worker for each of `peers` until the block ends. Yield the workers by name."""
    workers: dict[str, Worker] = {}
    try:
        for peer in peers:
            workers[peer.name] = Worker(peer, lineup)
        for worker in workers.values():
            worker.wait_ready()
        yield workers
    finally:
        for worker in workers.values():
            worker.stop()
