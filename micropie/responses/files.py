"""A file as a response: whole, in part, or not at all because the client has it already.

Everything that touches the disk happens in worker threads, in as few hops as can be: one opens the file, looks at it,
decides the answer and reads the first piece, which for most files is all of it. The file is closed with its last piece,
or when the response ends early. This room knows nothing of roots and traversal: a `Path` from a handler is trusted.
"""

import errno
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from io import FileIO
from typing import Final, TypeVar

import msgspec

from .._utils.lazy_imports import mimetypes, pathlib, threading
from ..errors import HTTPError
from ..types import RawHeaders, Receive, RunSync, Scope, Send
from .etags import Validators, evaluate_preconditions, parse_http_date, read_conditional_fields
from .headers import CONTENT, FRAMING, add_missing_headers, remove_headers
from .ranges import select_range
from .streaming import send_stream

T = TypeVar("T")

PIECE: Final = 768 * 1024
"""Bytes read at a time: a hop to a thread and back costs about as much as to send 128 KiB to a client nearby."""

# A file that is not there, in any of the ways a path can fail to name one.
_MISSING: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO))
# A compressed file is sent as what it is. Content-Encoding would have the client unpack what it asked for packed.
_COMPRESSED: Final = {
    "br": "application/x-brotli",
    "bzip2": "application/x-bzip2",
    "compress": "application/x-compress",
    "gzip": "application/gzip",
    "xz": "application/x-xz",
}
_UNKNOWN: Final = "application/octet-stream"  # RFC 2046 §4.5.1


def _opener(path: str, flags: int) -> int:
    # Opening a named pipe must not wait for its writer. For a file the flag changes nothing.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def guess_content_type(path: "pathlib.Path") -> str:
    """The media type that a file's name tells, with `charset=utf-8` for text."""
    kind, encoding = mimetypes.guess_type(path.name)
    if encoding is not None:
        return _COMPRESSED.get(encoding, _UNKNOWN)
    if kind is None:
        return _UNKNOWN
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


class _Answer(msgspec.Struct, frozen=True):
    """What to send: the head, and the first piece of the content (all of it when `more` is false)."""

    status: int
    headers: RawHeaders
    piece: bytes = b""
    more: bool = False
    whole_path: str | None = None
    """The file that the server itself should send."""


class _Download(AsyncIterator[object]):
    """One file on its way. The lock makes `aclose` wait for a thread whose caller was cancelled."""

    def __init__(self, path: "pathlib.Path", run_sync: RunSync) -> None:
        self._path = path
        self._run_sync = run_sync
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._file: FileIO
        self._piece = b""
        self._left = 0
        self._closed = False

    async def begin(self, scope: Scope, status: int, given: RawHeaders) -> _Answer:
        """Open the file and decide the answer. Raises HTTPError 404, 412 or 416."""
        return await self._in_thread(lambda: self._begin(scope, status, given))

    async def __anext__(self) -> object:
        piece, self._piece = self._piece, b""
        if piece:
            return piece
        if not self._left:
            raise StopAsyncIteration
        return await self._in_thread(self._read)

    async def aclose(self) -> None:
        """Close the file, where that has not happened yet."""
        if not self._closed:
            await self._in_thread(self._close)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        def alone() -> T:
            with self._lock:
                return function()

        return await self._run_sync(alone)

    def _begin(self, scope: Scope, status: int, given: RawHeaders) -> _Answer:
        if self._closed:  # the caller was cancelled before a thread was free, and nobody would close what is opened now
            raise ValueError("the download is closed")
        try:
            return self._decide(scope, status, given)
        finally:
            if not self._left:
                self._close()

    def _decide(self, scope: Scope, status: int, given: RawHeaders) -> _Answer:
        file, found = self._open()
        size = found.st_size
        headers = add_missing_headers(given, [(b"content-type", guess_content_type(self._path).encode("latin-1"))])
        part: range | None = None
        if status == 200 and scope["method"] in ("GET", "HEAD"):
            current = _validators(given, found)
            headers = add_missing_headers(headers, [*current.headers(), (b"accept-ranges", b"bytes")])
            fields = read_conditional_fields(scope)
            match evaluate_preconditions(fields, current):
                case 412:
                    raise HTTPError(412)
                case 304:
                    return _Answer(304, remove_headers(headers, CONTENT))
                case _:
                    # Range is defined for GET alone (RFC 9110 §14.2).
                    part = select_range(fields, current, size) if scope["method"] == "GET" else None
        wanted = range(size) if part is None else part
        if part is not None:
            status = 206
            headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, size)))
        headers.append((b"content-length", b"%d" % len(wanted)))
        if scope["method"] == "HEAD":
            return _Answer(status, headers)
        if part is None and "http.response.pathsend" in (scope.get("extensions") or ()):
            return _Answer(status, headers, whole_path=str(self._path.absolute()))
        file.seek(wanted.start)
        self._left = len(wanted)
        self._piece = self._read() if self._left else b""
        return _Answer(status, headers, self._piece, more=self._left > 0)

    def _open(self) -> tuple[FileIO, os.stat_result]:
        try:
            self._file = file = self._opened.enter_context(FileIO(self._path, opener=_opener))
        except ValueError:  # a NUL in the path
            raise HTTPError(404) from None
        except OSError as error:
            if error.errno in _MISSING:
                raise HTTPError(404) from None
            raise
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise HTTPError(404)
        return file, found

    def _read(self) -> bytes:
        piece = self._file.read(min(PIECE, self._left))
        if not piece:
            raise EOFError(f"{self._path} became shorter while it was being sent")
        self._left -= len(piece)
        if not self._left:
            self._close()
        return piece

    def _close(self) -> None:
        self._closed = True
        self._opened.close()


def _validators(given: RawHeaders, found: os.stat_result) -> Validators:
    """What the handler said of the file's state, else what the file system says."""
    said = dict(given)
    etag = said.get(b"etag", b'"%x-%x"' % (found.st_mtime_ns, found.st_size))
    modified = parse_http_date(said.get(b"last-modified", b""))
    return Validators(etag, int(found.st_mtime) if modified is None else modified)


async def send_file(
    scope: Scope,
    send: Send,
    status: int,
    path: "pathlib.Path",
    headers: RawHeaders,
    receive: Receive | None,
    run_sync: RunSync,
) -> None:
    """Answer with the file at `path`, or the part of it that `scope` asks for. `headers` win over those of the file.

    Conditions and ranges are looked at for GET and HEAD, and only when `status` is 200. `receive` and what happens when
    the client leaves are as for `send_stream`. Raises HTTPError before anything is sent: 404 when `path` is not a
    regular file, 412 and 416 as RFC 9110 has them. Raises OSError when the file cannot be opened for another reason.
    """
    download = _Download(path, run_sync)
    try:
        answer = await download.begin(scope, status, remove_headers(headers, FRAMING))
        if answer.more:
            await send_stream(send, answer.status, download, answer.headers, receive)
            return
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            if answer.whole_path is None:
                await send({"type": "http.response.body", "body": answer.piece})
            else:
                await send({"type": "http.response.pathsend", "path": answer.whole_path})
        except OSError:
            return  # the client left, told as ASGI HTTP 2.4 does
    finally:
        await download.aclose()
