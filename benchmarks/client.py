"""This module sends requests to an app in the same process, by plain ASGI messages, and times them.

Every request has a new scope, because frameworks write into it; its headers are those of a small client. Once the app
has received the body, `receive` waits, as it does for a client that waits for the response. The cost of the loop itself
(a call, a copied dictionary) is part of every figure, also that of the bare app.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import unquote

from .workloads import KIB, Response, Workload

Message: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[object]]

CHUNK = 64 * KIB
"""Bytes of one message of a request body: the most that uvicorn passes on."""


def build_scope(workload: Workload, cookie: str = "") -> dict[str, Any]:
    """Build the scope of a request for `workload`."""
    raw, _, query = workload.path.partition("?")
    headers = [
        (b"host", b"127.0.0.1:8000"),
        (b"user-agent", b"benchmarks"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"identity"),
    ]
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    if workload.body:
        headers.append((b"content-type", workload.content_type.encode()))
        headers.append((b"content-length", str(len(workload.body)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": workload.method,
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


def build_messages(body: bytes) -> list[Message]:
    """Build the messages that `receive` returns for `body`."""
    pieces = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)] or [b""]
    return [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    ]


async def send_request(app: App, workload: Workload, cookie: str = "") -> Response:
    """Send the request of `workload` to `app` and return the response."""
    messages = iter(build_messages(workload.body))
    sent: list[Message] = []
    finished = asyncio.Event()

    async def receive() -> Message:
        message = next(messages, None)
        if message is None:
            await finished.wait()
            return {"type": "http.disconnect"}
        return message

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            finished.set()

    await app(build_scope(workload, cookie), receive, send)
    headers = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in sent[0].get("headers", ()))
    return Response(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


async def start_session(app: App, workload: Workload) -> str:
    """Request the start page of `workload`. Return the Cookie header that it sets, or an empty text."""
    if not workload.start:
        return ""
    response = await send_request(app, Workload("start", "", "GET", workload.start, workload.expected))
    cookies = [value.partition(";")[0] for name, value in response.headers if name == "set-cookie"]
    return "; ".join(cookies)


async def time_calls(app: App, workload: Workload, cookie: str, count: int) -> float:
    """Time `count` requests, one after the other, with garbage collection off. Return seconds."""
    template = build_scope(workload, cookie)
    messages = build_messages(workload.body)
    total = len(messages)
    position = 0

    async def receive() -> Message:
        nonlocal position
        if position < total:
            message = messages[position]
            position += 1
            return message
        return await _wait_forever()

    async def send(_: Message) -> None:
        pass

    gc.collect()
    gc.disable()
    try:
        begin = time.perf_counter()
        for _ in range(count):
            position = 0
            await app(template.copy(), receive, send)
        return time.perf_counter() - begin
    finally:
        gc.enable()


async def _wait_forever() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("nothing sets this event")


class Lifespan:
    """A lifespan of `app`, from `start` to `stop`. Apps without lifespan support are ignored."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the startup. Raises RuntimeError when the app reports a failure."""
        self._task = asyncio.create_task(self._run())
        await self._to_app.put({"type": "lifespan.startup"})
        message = await self._from_app.get()
        if message["type"] == "lifespan.startup.failed":
            raise RuntimeError(message.get("message") or "the app could not start")

    async def stop(self) -> None:
        """Run the shutdown."""
        if self._task is not None and not self._task.done():
            await self._to_app.put({"type": "lifespan.shutdown"})
            await self._task

    async def _run(self) -> None:
        scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await self._app(scope, self._to_app.get, self._from_app.put)
        except Exception:  # noqa: BLE001  # ASGI: an exception here means that the app does not support lifespans
            pass
        await self._from_app.put({"type": "lifespan.ended"})
