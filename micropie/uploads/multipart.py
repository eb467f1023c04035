"""This module reads multipart bodies: the parts of one request, as they arrive.

Nothing runs in the background. A body is received and parsed piece by piece, and only while a reader waits for
something in it: a slow reader slows the client down, and what no reader asks for is never received. Data goes straight
to a reader that waits for it. Data that arrives while a reader waits for something else is held in memory up to a
limit, and then moved to an anonymous temporary file, the spool. All parts of a body share one spool, so that any number
of them costs one descriptor.

The module owns boundaries (RFC 2046 §5.1.1) and form parts (RFC 7578). It takes bytes from a `Stream`, and does not
depend on requests or handlers.
"""

import copy
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from .._utils import http_grammar
from .._utils.lazy_imports import asyncio, lazy_pattern
from ..config import KIB, MIB, Limits
from ..errors import ClientDisconnected, HTTPError, MissingDependency, UploadError
from .spool import OVER, Refusal, Spool
from .upload_file import BROKEN, PIECE, FileBuffer, UploadFile

if TYPE_CHECKING:
    from multipart import MultipartSegment


_MESSAGE: Final = 512 * KIB
"""Most bytes parsed at once. Servers deliver less at once, so that messages are rarely cut, which copies them."""
_FINISHED: Final = 2
"""Finished files may together hold this many times `Limits.part_memory`; those after that go to disk as they end."""

_BOUNDARY: Final = lazy_pattern(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")  # RFC 2046 §5.1.1
_PARAMETER: Final = lazy_pattern(r'[ \t]*;[ \t]*(?:([^\s;="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?')  # RFC 9110 §5.6.6
_MEDIA_TYPE: Final = lazy_pattern(f"{http_grammar.TOKEN}/{http_grammar.TOKEN}")  # RFC 9110 §8.3.1
_UNSAFE: Final = lazy_pattern(http_grammar.UNSAFE_IN_FIELD_VALUE)
_CONTROL: Final = lazy_pattern(r"[\x00-\x1f\x7f]")
_DEFAULT_TYPE: Final = "application/octet-stream"

# glibc returns the memory of each large message to the system, and maps it again page by page for the next message,
# until the program has freed a block at least as large (mallopt(3), M_MMAP_THRESHOLD). Hence this block: without it,
# mapping memory took half the time of a large upload.
bytes(MIB)

_DISCONNECTED: Final[Refusal] = 400, "The client disconnected before its upload was whole"


class Stream(Protocol):
    """A source that a body is read from, such as `requests.body_stream.BodyStream`."""

    async def read(self) -> bytes:
        """Return the next piece, which is not empty, or `b""` once the body has ended."""
        ...


def parse_boundary(content_type: str) -> str | None:
    """Return the boundary that a Content-Type header declares, or None if it declares no valid one (RFC 2046 §5.1.1).

    Two boundaries count as none. To choose one would be a guess, and a proxy in front may guess differently.
    """
    position = content_type.find(";")
    boundaries: list[str] = []
    while 0 <= position < len(content_type) and (parameter := _PARAMETER.match(content_type, position)):
        name, quoted, plain = parameter.groups()
        if name is not None and name.lower() == "boundary":
            boundaries.append(plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = parameter.end()
    return boundaries[0] if len(boundaries) == 1 and _BOUNDARY.fullmatch(boundaries[0]) else None


class _TextFields:
    """The text fields of one body: those that have arrived, and the one that is arriving."""

    def __init__(self, limits: Limits) -> None:
        self.values: dict[str, list[str]] = {}
        """The values of the fields that have arrived, by name."""
        self.name = ""
        """The name of the field that is arriving."""
        self._arriving = bytearray()
        self._size = 0
        self._max_field = limits.field
        self._max_size = limits.body  # as for any other body that is held in memory

    def receive(self, data: bytes) -> None:
        """Append `data` to the field that is arriving. Raises UploadError 413 over a limit."""
        self._arriving += data
        self._size += len(data)
        if len(self._arriving) > self._max_field:
            raise UploadError(413, f"A form field is larger than {self._max_field} bytes")
        if self._size > self._max_size:
            raise UploadError(413, f"The form fields together are larger than {self._max_size} bytes")

    def end(self) -> None:
        """Add the field that has arrived to `values`: UnreadableTexts if it is not text."""
        text = self._arriving.decode("utf-8", "surrogateescape")
        if "\0" in text or not text.isascii():  # it may not be text
            from ..unreadable_texts import find_text_fault, replace_unreadable

            if find_text_fault(text) is not None:
                self.values |= replace_unreadable({self.name: [text]}, "form")
        self._arriving.clear()
        if self.name in self.values:
            self.values[self.name].append(text)
        else:
            self.values[self.name] = [text]


class MultipartBody:
    """The multipart body of one request, which is parsed as far as readers ask for, and never further.

    Raises MissingDependency without the package `multipart`, and UploadError 400 if `boundary` cannot be a boundary.
    """

    def __init__(self, stream: Stream, boundary: bytes | str, limits: Limits) -> None:
        try:
            from multipart import MultipartError, ParserLimitReached, PushMultipartParser
        except ImportError:
            raise MissingDependency("multipart", "Reading multipart/form-data", "standard") from None
        if isinstance(boundary, bytes):
            boundary = boundary.decode("latin-1")
        if not _BOUNDARY.fullmatch(boundary):
            raise UploadError(400, "Invalid boundary")
        self._texts = _TextFields(limits)
        self.fields = self._texts.values
        """The values of the text fields that have arrived completely, by name."""
        self.files: dict[str, list[UploadFile]] = {}
        """The files whose headers have arrived, by name. A file input that was left empty is not among them."""
        self.complete = False
        """True once the closing boundary has arrived. Data after it is ignored."""
        self.held = 0
        """Bytes that the buffers of all files together hold in memory."""
        self.ended_files: deque[FileBuffer] = deque()
        """The files that have ended since memory was last relieved."""
        self.spool = Spool()
        self._stream = stream
        self._limits = limits
        self._buffers: list[FileBuffer] = []
        self._lock = asyncio.Lock()
        self._rest = memoryview(b"")
        self._preamble: bytes | None = b"\r\n"
        self._delimiter = b"\r\n--" + boundary.encode()
        self._tail = len(self._delimiter) + 1  # all but the last byte of a delimiter and the two bytes that follow it
        # Strict: a part must have a name, and folded headers are refused, as joining them costs far more than sending.
        self._parser = PushMultipartParser(
            boundary, max_segment_count=limits.fields, max_segment_size=limits.multipart, strict=True
        )
        self._malformed: type[Exception] = MultipartError
        self._over_limit: type[Exception] = ParserLimitReached
        self._part: FileBuffer | _TextFields = self._texts  # between two parts it is `_texts`, too
        self._segment: MultipartSegment | None = None
        """The parser's state of the file that is arriving, if the parser need not see all of its content."""
        self._flowing = False
        """True if the parser keeps nothing back of the content that it saw last."""
        self._refusal: Refusal | None = None

    async def advance(self) -> bool:
        """Receive and parse one more piece of the body, and return False once it is complete.

        Raises UploadError when the body is malformed, truncated, over a limit or stalled, and ClientDisconnected when
        the client left. Every later call raises the same again.
        """
        if not self.complete:
            self._check()  # before the lock, so as not to wait for another reader first
            async with self._lock:
                if not self.complete:
                    await self._step()
        return not self.complete

    async def read_until(self, is_ready: Callable[[], bool]) -> None:
        """Receive and parse the body until `is_ready()`, or until it is complete. Raises what `advance` raises."""
        while not self._has_reached(is_ready):
            self._check()
            async with self._lock:
                if not self._has_reached(is_ready):  # another reader may have brought it meanwhile
                    await self._step()

    def _has_reached(self, is_ready: Callable[[], bool]) -> bool:
        return self.complete or is_ready()

    async def close(self) -> None:
        """Remove the temporary file and drop what was not read. Every later read raises UploadError."""
        self._fail(OVER)
        self._rest = memoryview(b"")
        for buffer in self._buffers:
            buffer.refuse(OVER)
        await self.spool.close()

    async def _step(self) -> None:
        self._check()
        try:
            piece = await self._receive()
            self._check()  # the body may have been closed meanwhile
            self._parse(piece)
            await self._relieve_memory()
        except ClientDisconnected:
            self._fail(_DISCONNECTED)
            raise
        except HTTPError as error:
            self._fail((error.status, error.detail))
            raise UploadError(error.status, error.detail, error.headers) from None
        except Exception:  # a piece is lost, and the parts must not seem whole without it
            self._fail(BROKEN)
            raise

    async def _receive(self) -> bytes:
        if not self._rest:
            piece = await self._stream.read()
            if len(piece) <= _MESSAGE:
                return piece
            self._rest = memoryview(piece)
        piece, self._rest = bytes(self._rest[:PIECE]), self._rest[PIECE:]
        return piece

    def _parse(self, piece: bytes) -> None:
        if not piece:
            raise UploadError(400, "Malformed multipart body: it ends before its closing boundary")
        if self._preamble is not None:
            piece = self._skip_preamble(self._preamble + piece)
            if not piece:
                return
        part = self._part
        if self._flowing and self._segment is not None and self._is_content(piece, self._segment):
            self._segment.bytes_received += len(piece)
            part.receive(piece)
            return
        try:
            for event in self._parser.parse(piece):
                if event is None:
                    part.end()
                    part = self._part = self._texts
                elif isinstance(event, bytes):
                    part.receive(event)
                else:
                    part = self._part = self._begin_part(event)
        except self._over_limit as error:
            raise UploadError(413, f"Multipart body over a limit: {error.args[0]}") from None
        except self._malformed as error:
            raise UploadError(400, f"Malformed multipart body: {error.args[0]}") from None
        # The parser keeps back what follows a CR until it can tell whether a delimiter begins there.
        self._flowing = isinstance(part, FileBuffer) and len(piece) > self._tail and b"\r" not in piece[-self._tail :]
        self.complete = part is self._texts and self._is_closed()

    def _is_content(self, piece: bytes, segment: "MultipartSegment") -> bool:
        """Return True if `piece` is content of `segment` from end to end. The parser must keep nothing back before it.

        The parser need not see such a piece. `rfind` looks for a delimiter in half the time of the parser's search.
        """
        last = piece.rfind(b"\r", -self._tail)  # the only CR of a delimiter is its first byte
        return (
            (last < 0 or not self._delimiter.startswith(piece[last:]))
            and piece.rfind(self._delimiter) < 0
            and segment.bytes_received + len(piece) <= self._limits.multipart
        )

    def _skip_preamble(self, seen: bytes) -> bytes:
        """Return what follows the preamble: text before the first boundary, to be ignored (RFC 2046 §5.1.1).

        If the parser did this, what counts as preamble would depend on how the network cut the body.
        """
        start = seen.find(self._delimiter)
        if start < 0:
            self._preamble = seen[1 - len(self._delimiter) :]
            return b""
        self._preamble = None
        return seen[start:]

    def _begin_part(self, segment: "MultipartSegment") -> FileBuffer | _TextFields:
        for _, value in segment.headerlist:
            if not value.isprintable() and _UNSAFE.search(value):
                raise UploadError(400, "Malformed multipart body: control character in a part's header")
        name = segment.name or ""
        if segment.filename is None:
            self._texts.name = name
            return self._texts
        content_type = segment.content_type or ""
        if not _MEDIA_TYPE.fullmatch(content_type):
            content_type = _DEFAULT_TYPE
        self._segment = segment if segment.header("Content-Length") is None else None  # the parser checks the length
        return self._begin_file(name, _get_base_name(segment.filename), content_type)

    def _begin_file(self, name: str, filename: str, content_type: str) -> FileBuffer:
        def announce() -> None:
            self.files.setdefault(name, []).append(UploadFile(buffer, name, filename, content_type))

        # Without a name and without data it is a file input that was left empty.
        buffer = FileBuffer(self, None if filename else announce)
        self._buffers.append(buffer)
        if filename:
            announce()
        return buffer

    def _is_closed(self) -> bool:
        # Only `close` tells whether the parser has seen the closing boundary. So a copy of the parser is closed.
        try:
            copy.copy(self._parser).close()
        except self._malformed:
            return False
        return True

    async def _relieve_memory(self) -> None:
        """Move to disk what exceeds the memory for files that no reader waits for."""
        limit = self._limits.part_memory
        while self.ended_files:
            if self.held > _FINISHED * limit and not self.ended_files[0].is_awaited:
                await self.spool.take_over(self.ended_files[0].unload)
            self.ended_files.popleft()
        if isinstance(part := self._part, FileBuffer) and part.held > limit and not part.is_awaited:
            await self.spool.take_over(part.unload)

    def _fail(self, refusal: Refusal) -> None:
        if self._refusal is None:
            self._refusal = refusal
        if isinstance(self._part, FileBuffer):
            self._part.refuse(refusal)

    def _check(self) -> None:
        if self._refusal is _DISCONNECTED:
            raise ClientDisconnected
        if self._refusal is not None:
            raise UploadError(*self._refusal)


def _get_base_name(filename: str) -> str:
    """Return `filename` without directories, as any system writes them. Raises UploadError 400 if no name is left."""
    base = filename.replace("\\", "/").rpartition("/")[2]
    if _CONTROL.search(base) or base in (".", "..") or (filename and not base):
        raise UploadError(400, "Invalid file name")
    return base


class _ReaderStream:
    """A StreamReader as the stream that a `MultipartBody` reads."""

    def __init__(self, reader: "asyncio.StreamReader") -> None:
        self._reader = reader

    async def read(self) -> bytes:
        return await self._reader.read(64 * 1024)


async def parse_multipart(
    reader: "asyncio.StreamReader", boundary: bytes, limits: Limits
) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
    """Read multipart/form-data from `reader` to its end, and return its text fields and its files.

    The files are in the documented form, the first of each name. Raises UploadError for a malformed or truncated body,
    and MissingDependency without the package `multipart`.
    """
    body = MultipartBody(_ReaderStream(reader), boundary, limits)
    while await body.advance():
        pass
    return body.fields, {name: files[0].mapping() for name, files in body.files.items()}
