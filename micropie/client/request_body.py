"""This module writes the body of a request: JSON, a form, a multipart form with files, or a stream.

A `RequestDraft` says what the body holds. Here it becomes bytes and a Content-Type.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from mimetypes import guess_type
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlencode

import msgspec

from ..routing.request_from_call import RequestDraft
from ..sentinels import UNSET
from ..uploads.upload_file import UploadFile

_PIECE_SIZE: Final = 64 * 1024
"""Bytes of a file that are read and sent at a time."""


class _Upload:
    """A file that is sent as an argument."""

    def __init__(self, source: bytes | Path, filename: str, content_type: str) -> None:
        self.source = source
        self.filename = filename
        self.content_type = content_type


def upload(
    source: bytes | os.PathLike[str], *, filename: str | None = None, content_type: str | None = None
) -> UploadFile:
    """Return a file that `Client.call` takes as an argument: bytes, or a path that is read while it is sent.

    The result can only be sent; it cannot be read. `filename` defaults to the path's name, and `content_type` to the
    media type for that name. Raises ValueError for a `content_type` with characters that a header cannot hold.
    """
    content = source if isinstance(source, bytes) else Path(source)
    name = filename or (content.name if isinstance(content, Path) else "upload")
    media_type = content_type or guess_type(name)[0] or "application/octet-stream"
    if not (media_type.isascii() and media_type.isprintable()):
        raise ValueError(
            f"content_type={content_type!r} is not a media type: expected printable ASCII, as in 'image/png'"
        )
    return cast("UploadFile", _Upload(content, name, media_type))


def write_body(draft: RequestDraft) -> tuple[bytes | AsyncIterator[bytes] | None, str]:
    """Return the body of a request and its Content-Type; `(None, "")` for a request without a body."""
    if draft.content is not UNSET:
        if isinstance(draft.content, bytes | bytearray | memoryview):
            return bytes(draft.content), "application/octet-stream"
        return _write_stream(draft.content), "application/jsonl" if draft.is_lines else "application/octet-stream"
    if isinstance(draft.json, bytes):
        return draft.json, "application/json"
    if draft.files:
        boundary = secrets.token_hex(16)
        return _write_multipart(draft, boundary), f"multipart/form-data; boundary={boundary}"
    return (urlencode(draft.form).encode(), "application/x-www-form-urlencoded") if draft.form else (None, "")


async def _write_stream(content: AsyncIterator[object]) -> AsyncIterator[bytes]:
    """Yield bytes as they are, and anything else as a line of JSON."""
    async for piece in content:
        yield piece if isinstance(piece, bytes) else msgspec.json.encode(piece) + b"\n"


async def _write_multipart(draft: RequestDraft, boundary: str) -> AsyncIterator[bytes]:
    """Yield a multipart/form-data body piece by piece (RFC 7578 §4)."""
    for name, text in draft.form:
        yield _write_part_head(boundary, f'name="{_escape_name(name)}"') + text.encode() + b"\r\n"
    for name, argument in draft.files:
        file: Any = upload(argument) if isinstance(argument, bytes | os.PathLike) else argument
        disposition = f'name="{_escape_name(name)}"; filename="{_escape_name(file.filename)}"'
        yield _write_part_head(boundary, disposition, file.content_type)
        async for piece in _read_file(file):
            yield piece
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _write_part_head(boundary: str, disposition: str, content_type: str = "") -> bytes:
    type_line = f"Content-Type: {content_type}\r\n" if content_type else ""
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n{type_line}\r\n".encode()


def _escape_name(name: str) -> str:
    """Escape a name for a part's header as browsers do (HTML §4.10.21.8)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


async def _read_file(file: Any) -> AsyncIterator[bytes]:
    """Yield the content of a file that `upload` made, or of an `UploadFile` that the app itself received."""
    if not isinstance(file, _Upload):
        async for piece in file:
            yield piece
    elif isinstance(file.source, bytes):
        yield file.source
    else:
        path = file.source
        with await asyncio.to_thread(lambda: path.open("rb")) as opened:
            while piece := await asyncio.to_thread(opened.read, _PIECE_SIZE):
                yield piece
