"""This module sends a file as a response: all of it, a part of it, or nothing because the client has it already.

Everything that touches the disk happens in worker threads, in as few hops as possible. The first hop opens the file,
examines it, decides the response and reads the first piece, which for most files is all of it. The file is closed with
its last piece, or when the response ends early. A `Path` from a handler is trusted: this module does not check that the
file is in a folder that may be served.
"""

import errno
import os
import stat
from collections.abc import AsyncIterator
from contextlib import ExitStack
from io import FileIO
from typing import Final

import msgspec

from .._utils.lazy_imports import mimetypes, pathlib
from .._utils.worker_threads import BlockingCalls
from ..errors import HTTPError
from ..types import RawHeaders, Receive, RunSync, Scope, Send
from .etags import build_file_validators, evaluate_preconditions, read_conditional_fields
from .headers import CONTENT, FRAMING, add_missing_headers, remove_headers
from .ranges import select_range
from .streaming import send_stream

PIECE: Final = 768 * 1024
"""Bytes read at a time. A hop to a thread and back costs about as much as sending 128 KiB to a client nearby."""

# The errors of a path that names no file.
_MISSING: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO))
# A compressed file is sent as a compressed file. With Content-Encoding the client would unpack it.
_COMPRESSED: Final = {
    "br": "application/x-brotli",
    "bzip2": "application/x-bzip2",
    "compress": "application/x-compress",
    "gzip": "application/gzip",
    "xz": "application/x-xz",
}
_UNKNOWN: Final = "application/octet-stream"  # RFC 2046 §4.5.1


def guess_content_type(path: "pathlib.Path") -> str:
    """Return the media type that the name of `path` suggests, with `charset=utf-8` for text."""
    media_type, encoding = mimetypes.guess_type(path.name)
    if encoding is not None:
        return _COMPRESSED.get(encoding, _UNKNOWN)
    if media_type is None:
        return _UNKNOWN
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


async def send_file(
    scope: Scope,
    send: Send,
    status: int,
    path: "pathlib.Path",
    headers: RawHeaders,
    receive: Receive | None,
    run_sync: RunSync,
) -> None:
    """Send the file at `path`, or the part of it that the request asks for. `headers` win over those of the file.

    Conditions and ranges count for GET and HEAD only, and only if `status` is 200. `receive` is as for `send_stream`,
    and so is what happens when the client leaves. Raises HTTPError before anything is sent: 404 if `path` is not a
    regular file, and 412 and 416 as in RFC 9110. Raises OSError if the file cannot be opened for another reason.
    """
    download = _Download(path, run_sync)
    try:
        response = await download.begin(scope, status, remove_headers(headers, FRAMING))
        if response.has_more:
            await send_stream(send, response.status, download, response.headers, receive)
            return
        try:
            await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
            if response.whole_path is None:
                await send({"type": "http.response.body", "body": response.piece})
            else:
                await send({"type": "http.response.pathsend", "path": response.whole_path})
        except OSError:  # ASGI HTTP 2.4: the client left
            return
    finally:
        await download.aclose()


class _FileResponse(msgspec.Struct, frozen=True):
    """The status and headers to send, and the first piece of the content (all of it unless `has_more`)."""

    status: int
    headers: RawHeaders
    piece: bytes = b""
    has_more: bool = False
    whole_path: str | None = None
    """The file that the server itself should send."""


class _Download(AsyncIterator[object]):
    """A file on its way to the client."""

    def __init__(self, path: "pathlib.Path", run_sync: RunSync) -> None:
        self._path = path
        self._calls = BlockingCalls(run_sync)
        self._exit_stack = ExitStack()
        self._file: FileIO
        self._piece = b""
        self._bytes_left = 0
        self._closed = False

    async def begin(self, scope: Scope, status: int, headers: RawHeaders) -> _FileResponse:
        """Open the file and decide the response. Raises HTTPError 404, 412 or 416."""
        return await self._calls.run(lambda: self._begin(scope, status, headers))

    async def __anext__(self) -> object:
        piece, self._piece = self._piece, b""
        if piece:
            return piece
        if not self._bytes_left:
            raise StopAsyncIteration
        return await self._calls.run(self._read)

    async def aclose(self) -> None:
        """Close the file, unless it is closed already."""
        if not self._closed:
            await self._calls.run(self._close)

    # The rest runs in worker threads.

    def _begin(self, scope: Scope, status: int, headers: RawHeaders) -> _FileResponse:
        if self._closed:  # the caller was cancelled before a thread was free, so that nothing would close the file
            raise ValueError("the download is closed")
        try:
            return self._build_response(scope, status, headers)
        finally:
            if not self._bytes_left:
                self._close()

    def _build_response(self, scope: Scope, status: int, handler_headers: RawHeaders) -> _FileResponse:
        file, file_stat = self._open()
        size = file_stat.st_size
        content_type = guess_content_type(self._path).encode("latin-1")
        headers = add_missing_headers(handler_headers, [(b"content-type", content_type)])
        part: range | None = None
        if status == 200 and scope["method"] in ("GET", "HEAD"):
            current = build_file_validators(handler_headers, file_stat.st_mtime_ns, size)
            headers = add_missing_headers(headers, [*current.headers(), (b"accept-ranges", b"bytes")])
            fields = read_conditional_fields(scope)
            match evaluate_preconditions(fields, current):
                case 412:
                    raise HTTPError(412)
                case 304:
                    return _FileResponse(304, remove_headers(headers, CONTENT))
                case _:
                    # Range is defined for GET alone (RFC 9110 §14.2).
                    part = select_range(fields, current, size) if scope["method"] == "GET" else None
        selected = range(size) if part is None else part
        if part is not None:
            status = 206
            headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, size)))
        headers.append((b"content-length", b"%d" % len(selected)))
        if scope["method"] == "HEAD":
            return _FileResponse(status, headers)
        if part is None and "http.response.pathsend" in (scope.get("extensions") or ()):
            return _FileResponse(status, headers, whole_path=str(self._path.absolute()))
        file.seek(selected.start)
        self._bytes_left = len(selected)
        self._piece = self._read() if self._bytes_left else b""
        return _FileResponse(status, headers, self._piece, has_more=self._bytes_left > 0)

    def _open(self) -> tuple[FileIO, os.stat_result]:
        try:
            self._file = file = self._exit_stack.enter_context(FileIO(self._path, opener=_open_without_waiting))
        except ValueError:  # a NUL in the path
            raise HTTPError(404) from None
        except OSError as error:
            if error.errno in _MISSING:
                raise HTTPError(404) from None
            raise
        file_stat = os.fstat(file.fileno())
        if not stat.S_ISREG(file_stat.st_mode):
            raise HTTPError(404)
        return file, file_stat

    def _read(self) -> bytes:
        piece = self._file.read(min(PIECE, self._bytes_left))
        if not piece:
            raise EOFError(f"{self._path} became shorter while it was being sent")
        self._bytes_left -= len(piece)
        if not self._bytes_left:
            self._close()
        return piece

    def _close(self) -> None:
        self._closed = True
        self._exit_stack.close()


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a named pipe would wait for its writer. The flag changes nothing for a regular file.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
