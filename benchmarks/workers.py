"""The worker processes, from outside: one for each peer, all alive at once, and only one of them at work at a time."""

import json
import select
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from .peers import Field, Peer
from .workloads import Answer, difference, find

PATIENCE: Final = 60.0
"""Seconds after which a worker is taken for stuck, unless the caller says otherwise."""


class Failed(Exception):
    """The peer answered wrongly, raised, or did not answer at all; the text says what."""


class Worker:
    """One process of `benchmarks.worker`."""

    def __init__(self, peer: Peer, field: Field) -> None:
        self.peer = peer
        self._log = tempfile.TemporaryFile(dir=field.folder)  # noqa: SIM115  # closed by `stop`
        self._process = subprocess.Popen(
            [peer.python, "-m", "benchmarks.worker", peer.kind.module],
            cwd=field.folder,
            env=field.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._buffer = b""

    def check(self, workload: str, patience: float = PATIENCE) -> None:
        """Ask it `workload` once. Raises Failed when the answer is not the expected one."""
        answered = self.ask(patience, do="check", workload=workload)
        headers = tuple((name, value) for name, value in answered["headers"])
        answer = Answer(answered["status"], headers, answered["body"].encode("latin-1"))
        if wrong := difference(find(workload).expected, answer):
            raise Failed(wrong)

    def time(self, workload: str, count: int) -> float:
        """The seconds that `count` requests take it."""
        seconds: float = self.ask(do="time", workload=workload, count=count)["seconds"]
        return seconds

    def build(self, count: int) -> float:
        """The seconds that it takes to make an app of `count` routes."""
        seconds: float = self.ask(do="build", count=count)["seconds"]
        return seconds

    def wait_ready(self) -> None:
        """Wait until it has imported its app. Raises Failed."""
        self._read(PATIENCE)

    def ask(self, patience: float = PATIENCE, **wanted: Any) -> dict[str, Any]:
        """Its answer to one command. Raises Failed."""
        pipe = self._process.stdin
        if pipe is None or self._process.poll() is not None:
            raise Failed(f"its process has ended: {self._last_words()}")
        pipe.write(json.dumps(wanted).encode() + b"\n")
        pipe.flush()
        answer = self._read(patience)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def _read(self, patience: float) -> dict[str, Any]:
        pipe = self._process.stdout
        end = time.monotonic() + patience
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if pipe is None or left <= 0 or not select.select([pipe], [], [], left)[0]:
                self._process.kill()  # it is ours, and nothing that it says later could be told from its next answer
                raise Failed(f"did not answer in {patience:.0f} seconds")
            piece = pipe.read1(65536)  # type: ignore[attr-defined]  # a pipe of Popen is a BufferedReader
            if not piece:
                raise Failed(f"its process has ended: {self._last_words()}")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        self._log.seek(0)
        return (self._log.read().decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]

    def stop(self) -> None:
        """End it: its input ends, and if that does not help, it is killed."""
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
def working(field: Field, peers: Sequence[Peer]) -> Generator[dict[str, Worker]]:
    """A worker for each of `peers`, by name, until the block ends."""
    workers: dict[str, Worker] = {}
    try:
        for peer in peers:
            workers[peer.name] = Worker(peer, field)
        for worker in workers.values():
            worker.wait_ready()
        yield workers
    finally:
        for worker in workers.values():
            worker.stop()
