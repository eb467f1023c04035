"""A process that has one app and asks it what it is told to, in the interpreter that the app's framework lives in.

`python -m benchmarks.worker NAME` reads one JSON object a line and answers each with one: `{"do": "check", …}` with
the app's answer to a workload, `{"do": "time", …}` with what a request takes, `{"do": "build", …}` with what making an
app takes. A failure is an answer, too: `{"error": …}`. The standard library alone.
"""

import asyncio
import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from . import client
from .workloads import Workload, find


class Worker:
    """The apps of one module, each started when it is first asked for."""

    def __init__(self, name: str) -> None:
        self._module = importlib.import_module(f"benchmarks.apps.{name}")
        self._running: dict[str, tuple[client.App, client.Lifespan]] = {}
        self._cookies: dict[str, str] = {}
        self._found: tuple[str, Workload] | None = None

    async def check(self, workload: str) -> dict[str, Any]:
        """The answer to `workload`; its body as latin-1 text."""
        found = self._find(workload)
        app = await self._app(found)
        self._cookies[workload] = await client.start_session(app, found)
        answer = await client.ask(app, found, self._cookies[workload])
        return {"status": answer.status, "headers": answer.headers, "body": answer.body.decode("latin-1")}

    async def time(self, workload: str, count: int) -> dict[str, Any]:
        """The seconds that `count` requests take. `check` comes first."""
        found = self._find(workload)
        app = await self._app(found)
        return {"seconds": await client.time_calls(app, found, self._cookies[workload], count)}

    async def build(self, count: int) -> dict[str, Any]:
        """The seconds that it takes to make an app of `count` routes and to start it."""
        gc.collect()
        begin = time.perf_counter()
        lifespan = client.Lifespan(self._module.routes(count))
        await lifespan.start()
        seconds = time.perf_counter() - begin
        await lifespan.stop()
        return {"seconds": seconds}

    def _find(self, name: str) -> Workload:
        if self._found is None or self._found[0] != name:
            self._found = (name, find(name))
        return self._found[1]

    async def _app(self, workload: Workload) -> client.App:
        running = self._running.get(workload.target)
        if running is None:
            kind, _, size = workload.target.partition(":")
            made = getattr(self._module, kind)
            if size:
                await self._stop_others_of(kind)
                made = made(int(size))
            running = self._running[workload.target] = made, client.Lifespan(made)
            await running[1].start()
            gc.collect()
            gc.freeze()
        return running[0]

    async def _stop_others_of(self, kind: str) -> None:
        for target in [target for target in self._running if target.startswith(f"{kind}:")]:
            await self._running.pop(target)[1].stop()

    async def stop(self) -> None:
        """End every app that was started."""
        for _, lifespan in self._running.values():
            await lifespan.stop()


async def serve(name: str, read: Callable[[], bytes], write: Callable[[bytes], object]) -> None:
    """Do what comes, line by line, until nothing comes any more."""
    worker = Worker(name)
    write(b'{"ready": true}\n')
    tasks: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
        "check": worker.check,
        "time": worker.time,
        "build": worker.build,
    }
    while line := read():
        wanted = json.loads(line)
        try:
            answer = await tasks[wanted.pop("do")](**wanted)
        except Exception as error:  # noqa: BLE001  # whatever a framework raises is reported, not fatal
            answer = {"error": f"{type(error).__name__}: {error}"}
        write(json.dumps(answer).encode() + b"\n")
    await worker.stop()


def main() -> None:
    """Serve on standard input and output; what frameworks print goes to standard error."""
    out = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(serve(sys.argv[1], sys.stdin.buffer.readline, lambda line: os.write(out, line)))


if __name__ == "__main__":
    main()
