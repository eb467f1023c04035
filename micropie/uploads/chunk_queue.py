"""This module gives the documented queue of an uploaded file's chunks.

It is separate from `upload_file` because an `asyncio.Queue` subclass imports asyncio at once.
"""

import asyncio
from typing import Protocol


class Chunks(Protocol):
    """The chunks of a file as they arrive."""

    async def __anext__(self) -> bytes: ...


class ReadyChunks(Protocol):
    """The chunks of a file that a reader can have without waiting."""

    def count_ready(self) -> int:
        """Count the items that `take_ready` has; the end of the file is one of them."""
        ...

    def take_ready(self) -> bytes:
        """Return the next chunk that is in memory, or `b""` at the end."""
        ...


class ChunkQueue(asyncio.Queue[bytes | None]):
    """A queue of chunks, then None, then None again each time it is asked.

    Only `get` waits for data and fetches what went to disk. The other methods see only what is in memory.
    """

    def __init__(self, chunks: Chunks, ready: ReadyChunks) -> None:
        super().__init__()
        self._chunks = chunks
        self._ready = ready
        self._end_taken = False

    async def get(self) -> bytes | None:
        """Return the next chunk, or None at the end. Raises UploadError when the upload failed."""
        chunk = await anext(self._chunks, None)
        self._end_taken = chunk is None
        return chunk

    def get_nowait(self) -> bytes | None:
        """Return the next chunk that is in memory, or None at the end. Raises QueueEmpty when there is neither."""
        if self.empty():
            raise asyncio.QueueEmpty
        chunk = self._ready.take_ready() or None
        self._end_taken = chunk is None
        return chunk

    def qsize(self) -> int:
        """Count the items that `get_nowait` would return."""
        return self._ready.count_ready() - self._end_taken

    def empty(self) -> bool:
        """Return True if `get_nowait` would raise QueueEmpty."""
        return self.qsize() == 0

    def put_nowait(self, item: bytes | None) -> None:  # noqa: ARG002  # the signature of `asyncio.Queue`
        """Raise TypeError: only the client adds to an upload."""
        raise TypeError("An upload's content can only be read: the client puts it there")

    def task_done(self) -> None:
        """Do nothing: what arrives next does not depend on it."""
