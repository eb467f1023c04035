"""This module keeps uploads on disk: in a body's temporary file, and in a file that a handler saves.

Worker threads do the blocking work on files, one piece at a time. The module works on bytes and positions, and does not
depend on parts, forms or requests.
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
"""Why an upload can no longer be read: the status and detail of the UploadError."""
OVER: Final[Refusal] = 400, "The request is over: an upload can only be read until its handler returns"


async def run_in_executor(work: Callable[[], T]) -> T:
    """Run `work` in a worker thread and return what it returns. A caller that is cancelled waits for it first."""
    return await wait_until_done(asyncio.get_running_loop().run_in_executor(None, work))


async def wait_until_done(work: "asyncio.Future[T]") -> T:
    """Return the result of `work`. A caller that is cancelled waits for the end of `work` before it goes.

    Otherwise `work` could still write to a file after the caller has cleaned up.
    """
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((work,))
        work.result()  # a failure tells the caller more than its cancellation
        raise


class SpooledRange(msgspec.Struct):
    """Unread bytes that are in the spool, from `start` to `end`."""

    start: int
    end: int


Block: TypeAlias = bytes | bytearray | memoryview
"""Unread bytes that are in memory; a bytearray is still growing."""


class Spool:
    """The temporary file of one body, which is made when it is first written to.

    One worker thread at a time uses it.
    """

    def __init__(self) -> None:
        self._end = 0
        self._file: IO[bytes] | None = None
        self._lock = asyncio.Lock()
        self._closed = False

    async def take_over(self, unload: Callable[[int], tuple[deque[Block], int]]) -> None:
        """Move what a part holds in memory to the end of the file.

        `unload` takes the position where that is. It returns the blocks, and the position where they will end.
        """
        async with self._lock:
            self._check()
            start = self._end
            blocks, self._end = unload(start)
            await run_in_executor(partial(self._write, start, blocks))

    async def read(self, start: int, size: int) -> bytes:
        """Return `size` bytes of the file from `start` on."""
        async with self._lock:
            self._check()
            return await run_in_executor(partial(self._read, start, size))

    async def close(self) -> None:
        """Remove the file, once no thread uses it any more. Every later use raises UploadError."""
        self._closed = True
        if self._file is not None or self._lock.locked():
            await wait_until_done(asyncio.ensure_future(self._remove()))

    async def _remove(self) -> None:
        async with self._lock:
            if self._file is not None:
                file, self._file = self._file, None
                await run_in_executor(file.close)

    def _check(self) -> None:
        if self._closed:
            raise UploadError(*OVER)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="micropie-")
        return self._file

    def _write(self, start: int, blocks: deque[Block]) -> None:
        file = self._open()
        file.seek(start)
        while blocks:
            file.write(blocks.popleft())  # which frees the block, as the next ones are already arriving
        file.flush()  # so that a full disk raises here, not in the next reader

    def _read(self, start: int, size: int) -> bytes:
        file = self._open()
        file.seek(start)
        return file.read(size)


class SavedFile:
    """A file that is written under another name in its own directory, and so appears whole or not at all.

    All methods block.
    """

    def __init__(self, target: "pathlib.Path") -> None:
        self._target = target
        self._part = target.with_name(f".micropie-{secrets.token_hex(8)}.part")
        self._file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        """Append `data` to the file."""
        if self._file is None:
            self._file = self._part.open("xb")  # the umask says who may read it; `tempfile` would let only its owner
        self._file.write(data)

    def commit(self) -> None:
        """Give the file its name, in place of an older file."""
        self.write(b"")
        self._close()
        self._part.replace(self._target)

    def discard(self) -> None:
        """Remove the file."""
        self._close()
        self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
