"""To be described."""

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from .._utils.lazy_imports import asyncio, pathlib
from ..config import KIB
from ..errors import ClientDisconnected, UploadError
from .spool import Block, Refusal, Saved, SpooledRange, run_off_loop

if TYPE_CHECKING:
    from .chunk_queue import ChunkQueue
    from .multipart import MultipartBody

PIECE: Final = 64 * KIB
"""What larger messages are cut into, and smaller ones gathered to while nobody reads."""
BROKEN: Final[Refusal] = 500, "The upload could not be received"

_BATCH: Final = 256 * KIB
"""Bytes moved to or from disk at once: from here on the hop to a worker thread costs less than the disk."""


_AHEAD: Final = 16 * KIB
"""Bytes fetched from disk for a reader that wants fewer: enough for many small reads, little for many files."""


_SMALL: Final = 4 * KIB
"""Held data arriving in pieces smaller than this is gathered: a piece alone costs some 50 bytes more than it holds."""


class UploadFile:
    """One file of a multipart body: read it in chunks, in pieces of a size, or straight into a file.

    Reading takes: what one reader got, no other gets. It may begin before the file has arrived, and waits for what is
    still on its way. Everything that reads raises UploadError when the upload ends before its end (truncated or
    malformed 400, stalled 408, over a limit 413), then and ever after; it never looks like a shorter file.
    """

    def __init__(self, body: "MultipartBody", name: str, filename: str, content_type: str) -> None:
        self.name = name
        """The form field's name."""
        self.filename = filename
        """The file's name on the client's machine, without directories. The client chose it: never trust it."""
        self.content_type = content_type
        """The media type that the client claims, in lower case and without parameters."""
        self.size = 0
        """Bytes received so far; all of them once `complete`."""
        self.complete = False
        """Whether the whole file has been received."""
        self._body = body
        self._unread: deque[Block | SpooledRange] = deque()
        self._held = 0
        self._reading = asyncio.Lock()
        self._awaited = False
        self._max_size: int | None = None
        self._refusal: Refusal | None = None
        self._content: ChunkQueue | None = None

    def __repr__(self) -> str:
        state = "complete" if self.complete else "so far"
        return f"<UploadFile {self.name!r}: {self.filename!r}, {self.content_type}, {self.size} bytes {state}>"

    async def read(self, n: int = -1) -> bytes:
        """The next `n` bytes, fewer only at the end of the file, where it is `b""`; all that is left when `n` < 0."""
        taken: list[bytes | memoryview] = []
        left = n
        self._check()  # at once, not after another reader that is still waiting
        async with self._reading:
            try:
                while left and (block := await self._next(left)):
                    if 0 < left < len(block):
                        self._give_back(memoryview(block)[left:])
                        block = memoryview(block)[:left]
                    taken.append(block)
                    left -= len(block)
            except asyncio.CancelledError:
                self._give_back(memoryview(b"".join(taken)))
                raise
        return b"".join(taken)

    def __aiter__(self) -> "UploadFile":
        """The chunks of the file as they come, none of them empty."""
        return self

    async def __anext__(self) -> bytes:
        self._check()
        async with self._reading:
            if chunk := await self._next(_BATCH):
                return bytes(chunk)
        raise StopAsyncIteration

    async def save(self, path: str | os.PathLike[str]) -> int:
        """Writes what was not read yet to `path` and returns how many bytes that were.

        The file appears under its name once it is whole, and replaces one that was there. When the upload fails, the
        disk does (OSError) or the caller is cancelled, nothing is left behind. The event loop never waits for the disk.
        """
        saved = Saved(pathlib.Path(path))
        written = 0
        try:
            while chunk := await self.read(_BATCH):
                written += len(chunk)
                await run_off_loop(partial(saved.write, chunk))
            await run_off_loop(saved.commit)
        except BaseException:  # cancellation too must leave nothing behind
            await run_off_loop(saved.discard)
            raise
        return written

    def mapping(self) -> dict[str, Any]:
        """The documented form: `filename`, `content_type`, and `content`, an `asyncio.Queue` of chunks, then None."""
        if self._content is None:
            from .chunk_queue import ChunkQueue

            self._content = ChunkQueue(self)
        return {"filename": self.filename, "content_type": self.content_type, "content": self._content}

    def restrict(self, *, max_size: int | None = None, content_types: Sequence[str] = ()) -> None:
        """Refuses the file unless it has at most `max_size` bytes and one of `content_types` (`image/*`: any image).

        Raises UploadError 415 for another type and 413 when too much has arrived already; what arrives too much later
        makes reading raise that, and is not kept.
        """
        if content_types and not any(_accepts(wanted.lower(), self.content_type) for wanted in content_types):
            raise UploadError(415, f"Expected a file of type {' or '.join(content_types)}")
        self._max_size = max_size
        self._enforce_size()
        self._check()

    # What the body and the spool do to a part.

    def _receive(self, data: bytes) -> None:
        if not self.size and not self.filename:
            self._body._list(self)
        self.size += len(data)
        self._enforce_size()
        if self._refusal is not None:
            return
        last = self._unread[-1] if self._unread else None
        if isinstance(last, bytearray) and len(last) < PIECE:
            last += data
        else:
            self._unread.append(bytearray(data) if len(data) < _SMALL else data)
        self._hold(len(data))

    def _end(self) -> None:
        self.complete = True
        self._body._ended.append(self)

    def _refuse(self, refusal: Refusal) -> None:
        """Makes every later read raise, and drops what was not read."""
        if self._refusal is None:
            self._refusal = refusal
        self._unread.clear()
        self._hold(-self._held)

    def _unload(self, start: int) -> tuple[deque[Block], int]:
        """Gives up what is held in memory, to be written to the spool from `start` on; also returns where that ends."""
        blocks: deque[Block] = deque()
        while self._unread and not isinstance(last := self._unread[-1], SpooledRange):
            blocks.appendleft(last)
            self._unread.pop()
        size = sum(map(len, blocks))
        if size:
            self._unread.append(SpooledRange(start, start + size))
            self._hold(-size)
        return blocks, start + size

    # How a reader is served. The caller of `_next` has `_reading`.

    async def _next(self, wanted: int) -> bytes | memoryview:
        """The oldest bytes that nobody has read, once there are some; empty only at the end of the file.

        It may be more or fewer than `wanted`, which only says how much to fetch from the spool.
        """
        self._check()
        if not self._has_news():
            await self._wait()
            self._check()
        if self._unread and isinstance(first := self._unread[0], SpooledRange):
            return await self._fetch(first, _BATCH if wanted < 0 else max(wanted, _AHEAD))
        return self._shift()

    def _has_news(self) -> bool:
        return bool(self._unread) or self.complete or self._refusal is not None

    async def _wait(self) -> None:
        self._awaited = True
        try:
            with suppress(ClientDisconnected):  # the reader is told by `_check`, in a way that can be answered
                await self._body.read_until(self._has_news)
        finally:
            self._awaited = False

    async def _fetch(self, stretch: SpooledRange, wanted: int) -> bytes:
        size = min(wanted, _BATCH, stretch.end - stretch.start)
        try:
            data = await self._body._spool.read(stretch.start, size)
        except OSError:
            self._refuse(BROKEN)
            raise
        self._check()
        stretch.start += size
        if stretch.start == stretch.end:
            self._unread.popleft()
        return data

    def _shift(self) -> bytes | memoryview:
        if not self._unread:
            return b""
        block = cast("Block", self._unread.popleft())  # the caller has looked: it is no stretch
        self._hold(-len(block))
        return bytes(block) if isinstance(block, bytearray) else block

    def _give_back(self, rest: memoryview) -> None:
        """Puts `rest` before everything that is unread."""
        if rest:
            self._unread.appendleft(rest)
            self._hold(len(rest))

    def _ready(self) -> int:
        """How many chunks can be had without waiting, the end of the file being one, and so being refused."""
        if self._refusal is not None:
            return 1
        if self._reading.locked():
            return 0
        for count, block in enumerate(self._unread):
            if isinstance(block, SpooledRange):
                return count
        return len(self._unread) + self.complete

    def _take_ready(self) -> bytes:
        self._check()
        return bytes(self._shift())

    def _hold(self, more: int) -> None:
        self._held += more
        self._body._held += more

    def _enforce_size(self) -> None:
        if self._max_size is not None and self.size > self._max_size:
            self._refuse((413, f"The file is larger than {self._max_size} bytes"))

    def _check(self) -> None:
        if self._refusal is not None:
            raise UploadError(*self._refusal)


def _accepts(wanted: str, content_type: str) -> bool:
    return wanted in (content_type, "*/*") or (wanted.endswith("/*") and content_type.startswith(wanted[:-1]))
