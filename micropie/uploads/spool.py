"""What of an upload does not stay in memory: the temporary file of a body, and a file that is being saved.

Blocking work on files is done by worker threads, one piece at a time. It knows bytes and positions, and nothing of
parts, forms or requests.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO, Final, TypeAlias, TypeVar

import msgspec

from .._utils.lazy_imports import asyncio, pathlib, secrets, tempfile
from ..errors import UploadError

T = TypeVar("T")

Refusal: TypeAlias = tuple[int, str]
"""Why something can no longer be read: the status and detail of the UploadError."""
OVER: Final[Refusal] = 400, "The request is over: an upload can only be read until its handler has answered"


async def run_off_loop(work: Callable[[], T]) -> T:
    """What `work` returns, done by a worker thread."""
    return await finished(asyncio.get_running_loop().run_in_executor(None, work))


async def finished(work: "asyncio.Future[T]") -> T:
    """What `work` results in. A caller that is cancelled waits for it all the same before it goes.

    Otherwise a file could still be written to after whoever had it written has cleaned up behind himself.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((work,))
        work.result()  # a failure is worth more to the caller than its cancellation
        raise


class SpooledRange(msgspec.Struct):
    """Unread bytes that are in the spool, from `start` to `end`."""

    start: int
    end: int


Block: TypeAlias = bytes | bytearray | memoryview
"""Unread bytes that are in memory; a bytearray is still growing."""


class Spool:
    """The temporary file of one body, made when it is first written to; used by one worker thread at a time."""

    def __init__(self) -> None:
        self._end = 0
        self._file: IO[bytes] | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def take_over(self, unload: Callable[[int], tuple[deque[Block], int]]) -> None:
        """Moves what a part holds in memory to the file, behind everything that is there.

        `unload` is told where that is; it gives up the blocks, and says where they will end.
        """
        async with self._turn:
            self._check()
            start = self._end
            blocks, self._end = unload(start)
            await run_off_loop(partial(self._write, start, blocks))

    async def read(self, start: int, size: int) -> bytes:
        """`size` bytes of the file from `start` on."""
        async with self._turn:
            self._check()
            return await run_off_loop(partial(self._read, start, size))

    async def close(self) -> None:
        """Removes the file, after whatever is being done to it; nothing can be done to it afterwards."""
        self._closed = True
        if self._file is not None or self._turn.locked():
            await finished(asyncio.ensure_future(self._remove()))

    async def _remove(self) -> None:
        async with self._turn:
            if self._file is not None:
                file, self._file = self._file, None
                await run_off_loop(file.close)

    def _check(self) -> None:
        if self._closed:
            raise UploadError(*OVER)

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="micropie-")  # it outlives this call
        return self._file

    def _write(self, start: int, blocks: deque[Block]) -> None:
        file = self._opened()
        file.seek(start)
        while blocks:
            file.write(blocks.popleft())  # and frees it: the next are arriving already
        file.flush()  # a full disk is to be heard of here, not by the next reader

    def _read(self, start: int, size: int) -> bytes:
        file = self._opened()
        file.seek(start)
        return file.read(size)


class Saved:
    """A file being written under another name in its own directory: it appears whole, or not at all."""

    def __init__(self, target: "pathlib.Path") -> None:
        self._target = target
        self._part = target.with_name(f".micropie-{secrets.token_hex(8)}.part")
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._part.open("xb")  # unlike `tempfile`'s, readable by whom the umask lets read it
        self._file.write(data)

    def commit(self) -> None:
        self.write(b"")
        self._close()
        self._part.replace(self._target)

    def discard(self) -> None:
        self._close()
        self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
