"""This app fails in every way that an app can fail. `test_reliability.py` sends requests to it.

The app notes what happens to a request under the request's `token`, and `/noted/…` returns the notes.
"""

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from msgspec import Meta

from micropie import App, Limits, UploadError, UploadFile, WebSocket
from micropie.types import Receive, Scope, Send

SECRET = "text that no client may read"
NUL = "\N{SYMBOL FOR NULL}"
"""A placeholder for NUL in a header, because a query string cannot contain NUL."""
KIB = 1024
PATIENCE = 30.0

released: defaultdict[str, threading.Event] = defaultdict(threading.Event)
notes: defaultdict[str, list[str]] = defaultdict(list)


class Strict(App):
    """An app that is mounted with small limits or short timeouts."""

    async def body(self) -> int:
        return len(self.request.body)


class Faulty(App):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await super().__call__(scope, receive, send)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        token = query.get("token", [""])[0]
        try:
            await super().__call__(scope, receive, send)
        finally:
            notes[token].append("over")

    async def index(self) -> str:
        return "Hello!"

    async def noted(self, name: str) -> list[str]:
        return notes[name]

    # Bodies

    async def take(self, token: str) -> str:
        notes[token].append("handler")
        return "taken"

    async def save(self, token: str, file: UploadFile) -> int:
        """Save an upload under the name `token`, and note the outcome."""
        notes[token].append("handler")
        try:
            size = await file.save(Path(token))
        except UploadError as error:
            notes[token].append(f"UploadError {error.status}")
            raise
        notes[token].append("saved")
        return size

    async def two(self, first: UploadFile, second: UploadFile) -> list[int]:
        return [len(await first.read()), len(await second.read())]

    async def second_only(self, first: UploadFile, second: UploadFile) -> list[int]:
        return [0, len(await second.read())]

    async def unread(self, first: UploadFile) -> str:
        return first.filename

    async def field_after(self, first: UploadFile, note: str) -> list[int | str]:
        return [len(await first.read()), note]

    def spools(self) -> list[str]:
        """List the temporary files that this process has open."""
        links: list[str] = []
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                links.append(str(descriptor.readlink()))
        return [link for link in links if link.startswith(os.environ["TMPDIR"]) and not link.endswith(".log")]

    # Streams

    async def ticking(self, token: str) -> AsyncGenerator[str]:
        try:
            while True:
                yield "."
                await asyncio.sleep(0.01)
        finally:
            notes[token].append("closed")

    async def hasty(self, token: str) -> AsyncIterator[str]:
        try:
            while True:
                yield "."
        finally:
            notes[token].append("closed")

    def counting(self, token: str) -> Iterator[str]:
        try:
            while True:
                yield "."
        finally:
            notes[token].append("closed")

    # Streams of handlers whose request's body may still be arriving

    def unread_file(self, token: str, file: UploadFile) -> AsyncIterator[str]:
        return self.ticking(token)

    async def begun_file(self, token: str, file: UploadFile) -> AsyncIterator[str]:
        await file.read(10)
        async with aclosing(self.ticking(token)) as ticks:
            async for tick in ticks:
                yield tick

    async def read_file(self, token: str, file: UploadFile) -> AsyncIterator[str]:
        yield str(len(await file.read()))
        async with aclosing(self.ticking(token)) as ticks:
            async for tick in ticks:
                yield tick

    def unread_body(self, token: str, body: AsyncIterator[bytes]) -> AsyncIterator[str]:
        return self.ticking(token)

    async def begun_body(self, token: str, body: AsyncIterator[bytes]) -> AsyncIterator[str]:
        await anext(body)
        async with aclosing(self.ticking(token)) as ticks:
            async for tick in ticks:
                yield tick

    async def read_pieces(self, token: str, body: AsyncIterator[bytes]) -> AsyncIterator[str]:
        yield str(sum([len(piece) async for piece in body]))
        async with aclosing(self.ticking(token)) as ticks:
            async for tick in ticks:
                yield tick

    # Failures

    async def fails(self, token: str) -> str:
        raise RuntimeError(f"{SECRET} {token}")

    def fails_in_thread(self, token: str) -> str:
        raise RuntimeError(f"{SECRET} {token}")

    async def fails_at_once(self, token: str) -> AsyncIterator[str]:
        if token:
            raise RuntimeError(f"{SECRET} {token}")
        yield "nothing failed"

    async def fails_later(self, token: str) -> AsyncIterator[str]:
        yield "begun"
        raise RuntimeError(f"{SECRET} {token}")

    def fails_later_in_thread(self, token: str) -> Iterator[str]:
        yield "begun"
        raise RuntimeError(f"{SECRET} {token}")

    async def ws_fails(self, ws: WebSocket, token: str) -> None:
        await ws.accept()
        raise RuntimeError(f"{SECRET} {token}")

    async def header(self, value: str) -> tuple[int, str, dict[str, str]]:
        return 200, "fine", {"X-Value": value.replace(NUL, "\0")}

    async def header_name(self, value: str) -> tuple[int, str, dict[str, str]]:
        return 200, "fine", {value.replace(NUL, "\0"): "x"}

    async def cookie(self, value: str) -> tuple[int, str, dict[str, str]]:
        return 200, "fine", {"Set-Cookie": "a=" + value.replace(NUL, "\0")}

    async def location(self, value: str) -> tuple[int, str, dict[str, str]]:
        return 302, "", {"Location": value.replace(NUL, "\0")}

    async def redirect(self, value: str) -> tuple[int, str, Any]:
        return self._redirect(value.replace(NUL, "\0"))

    # Waiting

    def blocks(self, token: str) -> str:
        notes[token].append("handler")
        return "released" if released[token].wait(PATIENCE) else "forgotten"

    def blocks_in_stream(self, token: str) -> Iterator[str]:
        yield "begun, "
        yield self.blocks(token)

    async def release(self, name: str) -> None:
        released[name].set()

    async def slow(self, token: str) -> str:
        notes[token].append("handler")
        await asyncio.sleep(2)
        return "done"

    # Paths and sockets

    async def greet(self, name: str) -> str:
        return f"Hello, {name}!"

    async def fetch(self, name: Annotated[str, Meta(pattern=r"^[a-z]+\.txt$")]) -> Path:
        return Path(name)

    async def ws_echo(self, ws: WebSocket) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send(message)

    async def _private(self) -> str:
        return "private"


def note_in_file(word: str) -> None:
    with Path("lifespan.txt").open("a") as file:
        file.write(f"{word}\n")


app = Faulty()
app.mount("/modest", Strict(limits=Limits(body=64 * KIB)))
app.mount("/impatient", Strict(limits=Limits(read_timeout=1.0)))
app.mount("/hurried", Strict(limits=Limits(body_timeout=1.0)))
app.startup_handlers.append(lambda: note_in_file("startup"))
app.shutdown_handlers.append(lambda: note_in_file("shutdown"))
