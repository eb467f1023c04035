"""This module runs one app in the interpreter of its framework, and sends it requests on command.

`python -m benchmarks.worker NAME` reads a JSON object from each line and replies with another. `{"do": "check", …}`
returns the response of the app to a workload, `{"do": "time", …}` the seconds of requests, `{"do": "build", …}` the
seconds of building an app. The reply to a command that fails is `{"error": …}`. It needs the standard library alone.
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
from .workloads import Workload, find_workload


class Worker:
    """The apps of one module, each started when a workload first needs it."""

    def __init__(self, name: str) -> None:
        self._module = importlib.import_module(f"benchmarks.apps.{name}")
        self._running: dict[str, tuple[client.App, client.Lifespan]] = {}
        self._cookies: dict[str, str] = {}
        self._latest: tuple[str, Workload] | None = None

    async def check(self, name: str) -> dict[str, Any]:
        """Return the response to the workload `name`, with its body as latin-1 text."""
        workload = self._find_workload(name)
        app = await self._start_app(workload)
        self._cookies[name] = await client.start_session(app, workload)
        response = await client.send_request(app, workload, self._cookies[name])
        return {"status": response.status, "headers": response.headers, "body": response.body.decode("latin-1")}

    async def time(self, name: str, count: int) -> dict[str, Any]:
        """Return the seconds that `count` requests of the workload `name` take. Call `check` first."""
        workload = self._find_workload(name)
        app = await self._start_app(workload)
        return {"seconds": await client.time_calls(app, workload, self._cookies[name], count)}

    async def build(self, count: int) -> dict[str, Any]:
        """Return the seconds that building and starting an app of `count` routes takes."""
        gc.collect()
        begin = time.perf_counter()
        lifespan = client.Lifespan(self._module.routes(count))
        await lifespan.start()
        seconds = time.perf_counter() - begin
        await lifespan.stop()
        return {"seconds": seconds}

    def _find_workload(self, name: str) -> Workload:
        if self._latest is None or self._latest[0] != name:
            self._latest = (name, find_workload(name))
        return self._latest[1]

    async def _start_app(self, workload: Workload) -> client.App:
        running = self._running.get(workload.target)
        if running is None:
            kind, _, size = workload.target.partition(":")
            target = getattr(self._module, kind)
            if size:
                await self._stop_apps(kind)
                target = target(int(size))
            running = self._running[workload.target] = target, client.Lifespan(target)
            await running[1].start()
            gc.collect()
            gc.freeze()
        return running[0]

    async def _stop_apps(self, kind: str) -> None:
        for target in [target for target in self._running if target.startswith(f"{kind}:")]:
            await self._running.pop(target)[1].stop()

    async def stop(self) -> None:
        """Stop every app that was started."""
        for _, lifespan in self._running.values():
            await lifespan.stop()


async def serve(name: str, read: Callable[[], bytes], write: Callable[[bytes], object]) -> None:
    """Run the commands that `read` returns, line by line, until it returns nothing."""
    worker = Worker(name)
    write(b'{"ready": true}\n')
    tasks: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
        "check": worker.check,
        "time": worker.time,
        "build": worker.build,
    }
    while line := read():
        command = json.loads(line)
        try:
            reply = await tasks[command.pop("do")](**command)
        except Exception as error:  # noqa: BLE001  # an exception of a framework is reported, not fatal
            reply = {"error": f"{type(error).__name__}: {error}"}
        write(json.dumps(reply).encode() + b"\n")
    await worker.stop()


def main() -> None:
    """Serve on standard input and output. Output of the frameworks goes to standard error."""
    out = os.dup(1)
    os.dup2(2, 1)
    asyncio.run(serve(sys.argv[1], sys.stdin.buffer.readline, lambda line: os.write(out, line)))


if __name__ == "__main__":
    main()
