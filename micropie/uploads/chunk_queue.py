"""An uploaded file as the documented queue of its chunks. A room of its own, as being an `asyncio.Queue` needs asyncio.

Where the chunks come from is `uploads.py`'s.
"""

import asyncio
from typing import Protocol


class Chunks(Protocol):
    """A file that is arriving: its chunks as they come, and what can be had of it without waiting."""

    async def __anext__(self) -> bytes: ...

    def _ready(self) -> int:
        """How many items `_take_ready` has, the end among them."""
        ...

    def _take_ready(self) -> bytes:
        """The next chunk that is in memory, or `b""` at the end."""
        ...


class ChunkQueue(asyncio.Queue[bytes | None]):
    """Chunks, then None, and None again for whoever asks again.

    Only `get` waits for data and fetches what went to disk; the others speak of what is in memory.
    """

    def __init__(self, chunks: Chunks) -> None:
        super().__init__()
        self._chunks = chunks
        self._end_taken = False

    async def get(self) -> bytes | None:
        chunk = await anext(self._chunks, None)
        self._end_taken = chunk is None
        return chunk

    def get_nowait(self) -> bytes | None:
        if self.empty():
            raise asyncio.QueueEmpty
        chunk = self._chunks._take_ready() or None
        self._end_taken = chunk is None
        return chunk

    def qsize(self) -> int:
        return self._chunks._ready() - self._end_taken

    def empty(self) -> bool:
        return self.qsize() == 0

    def put_nowait(self, item: bytes | None) -> None:  # noqa: ARG002  # the queue's own signature
        raise TypeError("An upload's content can only be read: the client puts it there")

    def task_done(self) -> None:
        """Nothing: what arrives next does not depend on it."""
