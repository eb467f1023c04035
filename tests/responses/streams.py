"""These helpers stream chunks to a server in memory, whose client can leave.

The client leaves as servers report it, by `http.disconnect` or by an OSError from `send`. The tasks are real ones.
`PATIENCE` only turns a hang into a failure.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from micropie.responses.streaming import iterate_chunks, send_stream
from micropie.types import Message, RawHeaders

T = TypeVar("T")

PATIENCE = 10.0


@dataclass
class Server:
    """A server, as `send` and `receive` show it.

    The client leaves when `gone` is set, and after `leaves_after` chunks. From then on `send` raises, if `raises`.
    """

    leaves_after: int | None = None
    raises: bool = False
    messages: list[Message] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    listened: int = 0

    async def send(self, message: Message) -> None:
        if self.raises and self.gone.is_set():
            raise OSError("the client left")
        self.messages.append(message)
        if self.leaves_after is not None and len(self.chunks) >= self.leaves_after:
            self.gone.set()

    async def receive(self) -> Message:
        self.listened += 1
        await self.gone.wait()
        return {"type": "http.disconnect"}

    @property
    def chunks(self) -> list[bytes]:
        return [message["body"] for message in self.messages if message.get("more_body")]

    @property
    def ended(self) -> bool:
        return self.messages[-1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]


async def stream(
    server: Server, body: Any, *, status: int = 200, headers: RawHeaders | None = None, listen: bool = True
) -> None:
    """Stream `body` to `server`, and check that no task is left behind."""
    before = asyncio.all_tasks()
    chunks = iterate_chunks(body, asyncio.to_thread)
    try:
        async with asyncio.timeout(PATIENCE):
            await send_stream(server.send, status, chunks, headers or [], server.receive if listen else None)
    finally:
        assert asyncio.all_tasks() == before


class Source:
    """Chunks in every form in which a handler may return them. `ended` is True once the `finally` ran."""

    def __init__(self, *chunks: object) -> None:
        self.chunks = chunks
        self.ended = False
        self.left = list(chunks)

    async def generator(self) -> AsyncIterator[object]:
        try:
            for chunk in self.chunks:
                yield chunk
        finally:
            self.ended = True

    def sync_generator(self) -> Iterator[object]:
        try:
            yield from self.chunks
        finally:
            self.ended = True

    async def forever(self) -> AsyncIterator[object]:
        try:
            while True:
                for chunk in self.chunks:
                    yield chunk
        finally:
            self.ended = True

    def sync_forever(self) -> Iterator[object]:
        try:
            while True:
                yield from self.chunks
        finally:
            self.ended = True


def failing(source: Source, error: BaseException) -> tuple[AsyncIterator[object], Iterator[object]]:
    async def body() -> AsyncIterator[object]:
        async for chunk in source.generator():
            yield chunk
        raise error

    def sync_body() -> Iterator[object]:
        yield from source.sync_generator()
        raise error

    return body(), sync_body()
