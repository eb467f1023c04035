"""This module holds an uploaded file as its readers see it, `UploadFile`, and the buffer that lies behind it.

The parser of the body appends to the buffer as data arrives, the readers take from the front, and the spool takes what
memory should not hold. `multipart` receives and parses the body. This module never imports it, and sees the body
through the protocol `FileSource`.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from .._utils.lazy_imports import asyncio, pathlib
from ..config import KIB
from ..errors import ClientDisconnected, UploadError
from .spool import Block, Refusal, SavedFile, Spool, SpooledRange, run_in_executor

if TYPE_CHECKING:
    from .chunk_queue import ChunkQueue

PIECE: Final = 64 * KIB
"""The body cuts larger messages into pieces of this size, and a buffer gathers smaller ones up to it."""
BROKEN: Final[Refusal] = 500, "The upload could not be received"

_BATCH: Final = 256 * KIB
"""Bytes moved to or from disk at once: from this size on, the hop to a worker thread costs less than the disk."""
_AHEAD: Final = 16 * KIB
"""Bytes fetched from disk for a reader that wants fewer: enough for many small reads, little for many files."""
_SMALL: Final = 4 * KIB
"""Pieces smaller than this are copied into one growing block: a block costs some 50 bytes more than it holds."""


class FileSource(Protocol):
    """A body that files arrive in, as far as their buffers need it."""

    held: int
    """Bytes that the buffers of all files together hold in memory."""
    ended_files: "deque[FileBuffer]"
    """The files that have ended since the body last looked whether memory holds too much."""
    spool: Spool

    async def read_until(self, is_ready: Callable[[], bool]) -> None:
        """Receive and parse the body until `is_ready()`, or until it is complete."""
        ...


class FileBuffer:
    """The bytes of one file that have arrived and that no reader has taken, in memory or on disk.

    `announce` is called before the first data. Once the file is refused, every read raises the same UploadError.
    """

    def __init__(self, source: FileSource, announce: Callable[[], None] | None = None) -> None:
        self.size = 0
        """Bytes received so far; all of them once `complete`."""
        self.complete = False
        """True once the whole file has been received."""
        self.held = 0
        """Unread bytes that are in memory."""
        self.is_awaited = False
        """True while a reader waits for the next data, which then need not go to disk."""
        self.reading = asyncio.Lock()
        """The lock that a reader holds while it takes from the buffer."""
        self._source = source
        self._announce = announce
        self._unread: deque[Block | SpooledRange] = deque()
        self._max_size: int | None = None
        self._refusal: Refusal | None = None

    # What the body and the spool do.

    def receive(self, data: bytes) -> None:
        """Append `data` to what is unread, unless the file was refused."""
        if not self.size and self._announce is not None:
            self._announce()
        self.size += len(data)
        self._enforce_max_size()
        if self._refusal is not None:
            return
        last = self._unread[-1] if self._unread else None
        if isinstance(last, bytearray) and len(last) < PIECE:
            last += data
        else:
            self._unread.append(bytearray(data) if len(data) < _SMALL else data)
        self._hold(len(data))

    def end(self) -> None:
        """Mark the file as complete."""
        self.complete = True
        self._source.ended_files.append(self)

    def refuse(self, refusal: Refusal) -> None:
        """Make every later read raise the first refusal, and drop what is unread."""
        if self._refusal is None:
            self._refusal = refusal
        self._unread.clear()
        self._hold(-self.held)

    def unload(self, start: int) -> tuple[deque[Block], int]:
        """Give up the bytes in memory, to be spooled from the position `start` on. Return them, and where they end."""
        blocks: deque[Block] = deque()
        while self._unread and not isinstance(last := self._unread[-1], SpooledRange):
            blocks.appendleft(last)
            self._unread.pop()
        size = sum(map(len, blocks))
        if size:
            self._unread.append(SpooledRange(start, start + size))
            self._hold(-size)
        return blocks, start + size

    # What readers do. The caller of `take` and `give_back` holds `reading`.

    async def take(self, wanted: int) -> bytes | memoryview:
        """Return the oldest unread bytes as soon as there are any, and none only at the end of the file.

        There may be more or fewer than `wanted`, which only tells how much to fetch from the spool. Negative means all.
        """
        self.check()
        if not self._has_news():
            await self._wait()
            self.check()
        if self._unread and isinstance(first := self._unread[0], SpooledRange):
            return await self._fetch(first, _BATCH if wanted < 0 else max(wanted, _AHEAD))
        return self._shift()

    def give_back(self, rest: memoryview) -> None:
        """Put `rest` before everything that is unread."""
        if rest:
            self._unread.appendleft(rest)
            self._hold(len(rest))

    def check(self) -> None:
        """Raise UploadError if the file was refused."""
        if self._refusal is not None:
            raise UploadError(*self._refusal)

    def limit_size(self, max_size: int | None) -> None:
        """Refuse the file as soon as more than `max_size` bytes of it have arrived."""
        self._max_size = max_size
        self._enforce_max_size()

    def count_ready(self) -> int:
        """Count the chunks that `take_ready` has; the end of the file is one, and so is a refusal."""
        if self._refusal is not None:
            return 1
        if self.reading.locked():
            return 0
        for count, block in enumerate(self._unread):
            if isinstance(block, SpooledRange):
                return count
        return len(self._unread) + self.complete

    def take_ready(self) -> bytes:
        """Return the next chunk, which is in memory, or `b""` at the end."""
        self.check()
        return bytes(self._shift())

    def _has_news(self) -> bool:
        return bool(self._unread) or self.complete or self._refusal is not None

    async def _wait(self) -> None:
        self.is_awaited = True
        try:
            with suppress(ClientDisconnected):  # `check` raises it as an UploadError, which has a response
                await self._source.read_until(self._has_news)
        finally:
            self.is_awaited = False

    async def _fetch(self, spooled: SpooledRange, wanted: int) -> bytes:
        size = min(wanted, _BATCH, spooled.end - spooled.start)
        try:
            data = await self._source.spool.read(spooled.start, size)
        except OSError:
            self.refuse(BROKEN)
            raise
        self.check()
        spooled.start += size
        if spooled.start == spooled.end:
            self._unread.popleft()
        return data

    def _shift(self) -> bytes | memoryview:
        if not self._unread:
            return b""
        block = cast("Block", self._unread.popleft())  # the caller has made sure that it is not a SpooledRange
        self._hold(-len(block))
        return bytes(block) if isinstance(block, bytearray) else block

    def _hold(self, more: int) -> None:
        self.held += more
        self._source.held += more

    def _enforce_max_size(self) -> None:
        if self._max_size is not None and self.size > self._max_size:
            self.refuse((413, f"The file is larger than {self._max_size} bytes"))


class UploadFile:
    """One file of a multipart body, to be read in chunks, in pieces of a size, or straight into a file.

    Reading takes: bytes that one reader got, no other reader gets. Reading may begin before the file has arrived, and
    waits for data that is still on its way. If the upload breaks off (truncated or malformed 400, stalled 408, over a
    limit 413), every way of reading raises UploadError from then on. Such a file never looks like a shorter one.
    """

    def __init__(self, buffer: FileBuffer, name: str, filename: str, content_type: str) -> None:
        self.name = name
        """The form field's name."""
        self.filename = filename
        """The file's name on the client's machine, without directories. The client chose it: never trust it."""
        self.content_type = content_type
        """The media type that the client claims, in lower case and without parameters."""
        self._buffer = buffer
        self._content: ChunkQueue | None = None

    @property
    def size(self) -> int:
        """Bytes received so far; all of them once `complete`."""
        return self._buffer.size

    @property
    def complete(self) -> bool:
        """True once the whole file has been received."""
        return self._buffer.complete

    def __repr__(self) -> str:
        state = "complete" if self.complete else "so far"
        return f"<UploadFile {self.name!r}: {self.filename!r}, {self.content_type}, {self.size} bytes {state}>"

    async def read(self, n: int = -1) -> bytes:
        """Return the next `n` bytes, or all that is left when `n` < 0.

        There are fewer only at the end of the file, and none after it.
        """
        taken: list[bytes | memoryview] = []
        left = n
        buffer = self._buffer
        buffer.check()  # before the lock, so as not to wait for another reader first
        async with buffer.reading:
            try:
                while left and (block := await buffer.take(left)):
                    if 0 < left < len(block):
                        buffer.give_back(memoryview(block)[left:])
                        block = memoryview(block)[:left]
                    taken.append(block)
                    left -= len(block)
            except asyncio.CancelledError:
                buffer.give_back(memoryview(b"".join(taken)))
                raise
        return b"".join(taken)

    def __aiter__(self) -> "UploadFile":
        """Iterate over the chunks of the file as they arrive, none of them empty."""
        return self

    async def __anext__(self) -> bytes:
        buffer = self._buffer
        buffer.check()
        async with buffer.reading:
            if chunk := await buffer.take(_BATCH):
                return bytes(chunk)
        raise StopAsyncIteration

    async def save(self, path: str | os.PathLike[str]) -> int:
        """Write what has not been read yet to `path`, and return the number of bytes written.

        The file appears under its name once it is whole, and replaces an older one. When the upload fails, the disk
        fails (OSError) or the caller is cancelled, nothing is left behind. The event loop never waits for the disk.
        """
        saved = SavedFile(pathlib.Path(path))
        written = 0
        try:
            while chunk := await self.read(_BATCH):
                written += len(chunk)
                await run_in_executor(partial(saved.write, chunk))
            await run_in_executor(saved.commit)
        except BaseException:  # a cancellation, too, must leave nothing behind
            await run_in_executor(saved.discard)
            raise
        return written

    def mapping(self) -> dict[str, Any]:
        """Return the documented mapping: `filename`, `content_type` and `content`.

        `content` is an `asyncio.Queue` of chunks that None ends; it is the same queue each time.
        """
        if self._content is None:
            from .chunk_queue import ChunkQueue

            self._content = ChunkQueue(self, self._buffer)
        return {"filename": self.filename, "content_type": self.content_type, "content": self._content}

    def restrict(self, *, max_size: int | None = None, content_types: Sequence[str] = ()) -> None:
        """Refuse the file unless it has at most `max_size` bytes and one of `content_types` (`image/*`: any image).

        Raises UploadError 415 for another type, and 413 when too much has arrived already. Data that arrives later and
        exceeds `max_size` is dropped, and reading raises that 413.
        """
        if content_types and not any(_is_accepted(self.content_type, accepted.lower()) for accepted in content_types):
            raise UploadError(415, f"Expected a file of type {' or '.join(content_types)}")
        self._buffer.limit_size(max_size)
        self._buffer.check()


def _is_accepted(content_type: str, accepted: str) -> bool:
    return accepted in (content_type, "*/*") or (accepted.endswith("/*") and content_type.startswith(accepted[:-1]))
