"""Multipart bodies: the parts of one request, as they arrive.

Nothing runs in the background. A body is received and parsed piece by piece, and only while somebody waits for
something in it: a slow reader slows the client down, and what nobody asks for is never received. Data goes straight
to whoever waits for it. Data that arrives while something else is waited for is held in memory up to a limit and
then moved to one anonymous temporary file, the spool, which all parts of a body share: any number of them costs one
descriptor.

It owns boundaries (RFC 2046 §5.1.1), form parts (RFC 7578) and the spool. It refuses to know how bytes arrive (a
`Stream` gives them), what a request is, and what a handler asked for.
"""

import copy
import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from .._utils import http_grammar
from .._utils.lazy_imports import asyncio, lazy_pattern
from ..config import KIB, MIB, Limits
from ..errors import ClientDisconnected, HTTPError, MissingDependency, UploadError
from .spool import OVER, Refusal, Spool

if TYPE_CHECKING:
    from multipart import MultipartSegment

from .upload_file import BROKEN, PIECE, UploadFile

T = TypeVar("T")

_MESSAGE: Final = 512 * KIB
"""Most bytes parsed at once, which is more than servers deliver at once: what is cut must be copied."""
_FINISHED: Final = 2
"""Finished parts may together hold this many times `Limits.part_memory`; the ones after that go to disk as they end."""

_BOUNDARY: Final = lazy_pattern(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")  # RFC 2046 §5.1.1
_PARAMETER: Final = lazy_pattern(r'[ \t]*;[ \t]*(?:([^\s;="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?')  # RFC 9110 §5.6.6
_MEDIA_TYPE: Final = lazy_pattern(f"{http_grammar.TOKEN}/{http_grammar.TOKEN}")  # RFC 9110 §8.3.1
_UNSAFE: Final = lazy_pattern(http_grammar.UNSAFE_IN_FIELD_VALUE)
_CONTROL: Final = lazy_pattern(r"[\x00-\x1f\x7f]")
_DEFAULT_TYPE: Final = "application/octet-stream"

# glibc gives the memory of each large message back to the system, and gets it anew page by page for the next one, until
# a block at least as large was freed once (mallopt(3), M_MMAP_THRESHOLD). That took half the time of a large upload.
bytes(MIB)

_LEFT: Final[Refusal] = 400, "The client disconnected before its upload was whole"


class Stream(Protocol):
    """Where a body comes from: a `receiving.BodyStream`, or anything that reads like one."""

    async def read(self) -> bytes:
        """The next non-empty piece, or `b""` once the body has ended."""
        ...


def parse_boundary(content_type: str) -> str | None:
    """The boundary that a Content-Type header declares, or None where there is no valid one (RFC 2046 §5.1.1).

    Two boundaries are none: which of them counts would be a guess, and a proxy in front may guess differently.
    """
    position = content_type.find(";")
    found: list[str] = []
    while 0 <= position < len(content_type) and (parameter := _PARAMETER.match(content_type, position)):
        name, quoted, plain = parameter.groups()
        if name is not None and name.lower() == "boundary":
            found.append(plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = parameter.end()
    return found[0] if len(found) == 1 and _BOUNDARY.fullmatch(found[0]) else None


class _Texts:
    """The text fields of one body: those that have arrived, and the one that is arriving."""

    def __init__(self, limits: Limits) -> None:
        self.fields: dict[str, list[str]] = {}
        self.name = ""
        """Of the field that is arriving."""
        self._value = bytearray()
        self._size = 0
        self._most = limits.field
        self._most_together = limits.body  # as of any other body that is held in memory

    def _receive(self, data: bytes) -> None:
        self._value += data
        self._size += len(data)
        if len(self._value) > self._most:
            raise UploadError(413, f"A form field is larger than {self._most} bytes")
        if self._size > self._most_together:
            raise UploadError(413, f"The form fields together are larger than {self._most_together} bytes")

    def _end(self) -> None:
        try:
            text = self._value.decode()
        except UnicodeDecodeError:
            raise UploadError(400, "A form field is not valid UTF-8") from None
        if "\0" in text:
            raise UploadError(400, "A form field holds a NUL character")
        self._value.clear()
        if self.name in self.fields:
            self.fields[self.name].append(text)
        else:
            self.fields[self.name] = [text]


class MultipartBody:
    """The multipart body of one request: parsed as far as somebody asked for, never further.

    Raises MissingDependency without the package `multipart`, UploadError 400 when `boundary` cannot be one.
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
        self._texts = _Texts(limits)
        self.fields = self._texts.fields
        """The values of the text fields that have arrived completely, by name."""
        self.files: dict[str, list[UploadFile]] = {}
        """The files whose headers have arrived, by name; a file input that was left empty is not among them."""
        self.complete = False
        """Whether the closing boundary was seen: nothing more will come."""
        self._stream = stream
        self._limits = limits
        self._lock = asyncio.Lock()
        self._rest = memoryview(b"")
        self._preamble: bytes | None = b"\r\n"
        self._delimiter = b"\r\n--" + boundary.encode()
        self._tail = len(self._delimiter) + 1  # all but the last byte of a delimiter and the two that follow it
        # Strict: a part must have a name, and headers are not folded, which costs far more to join than to send.
        self._parser = PushMultipartParser(
            boundary, max_segment_count=limits.fields, max_segment_size=limits.multipart, strict=True
        )
        self._malformed: type[Exception] = MultipartError
        self._over_limit: type[Exception] = ParserLimitReached
        self._part: UploadFile | _Texts = self._texts  # which also stands for none
        self._segment: MultipartSegment | None = None
        """Of the file that is arriving, where what is in it need not all be parsed."""
        self._flowing = False
        self._ended: deque[UploadFile] = deque()
        self._refusal: Refusal | None = None
        self._spool = Spool()
        self._held = 0

    async def advance(self) -> bool:
        """Receives and parses one more piece of the body, and returns False once it is complete.

        Raises UploadError when the body is malformed, truncated, over a limit or stalled, ClientDisconnected when the
        client left, and the same again each time it is asked after that.
        """
        if not self.complete:
            self._check()  # at once, not after another reader that is still waiting
            async with self._lock:
                if not self.complete:
                    await self._step()
        return not self.complete

    async def read_until(self, ready: Callable[[], bool]) -> None:
        """Advances until `ready()`, or until the body is complete. Raises what `advance` raises."""
        while not self._reached(ready):
            self._check()
            async with self._lock:
                if not self._reached(ready):  # another reader may have brought it
                    await self._step()

    def _reached(self, ready: Callable[[], bool]) -> bool:
        return self.complete or ready()

    async def close(self) -> None:
        """Removes the temporary file and drops what was not read: every later read raises UploadError."""
        self._fail(OVER)
        self._rest = memoryview(b"")
        for files in self.files.values():
            for file in files:
                file._refuse(OVER)
        await self._spool.close()

    async def _step(self) -> None:
        self._check()
        try:
            piece = await self._receive()
            self._check()  # somebody may have closed it meanwhile
            self._parse(piece)
            await self._relieve()
        except ClientDisconnected:
            self._fail(_LEFT)
            raise
        except HTTPError as error:
            self._fail((error.status, error.detail))
            raise UploadError(error.status, error.detail, error.headers) from None
        except Exception:  # whatever it was: a piece is lost, and the parts must not seem whole without it
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
            piece = self._after_preamble(self._preamble + piece)
            if not piece:
                return
        part = self._part
        if self._flowing and self._segment is not None and self._is_content(piece, self._segment):
            self._segment.bytes_received += len(piece)
            part._receive(piece)
            return
        try:
            for event in self._parser.parse(piece):
                if event is None:
                    part._end()
                    part = self._part = self._texts
                elif isinstance(event, bytes):
                    part._receive(event)
                else:
                    part = self._part = self._begin(event)
        except self._over_limit as error:
            raise UploadError(413, f"Multipart body over a limit: {error.args[0]}") from None
        except self._malformed as error:
            raise UploadError(400, f"Malformed multipart body: {error.args[0]}") from None
        # The parser keeps what follows a CR, of which it does not know yet whether it ends the part.
        self._flowing = isinstance(part, UploadFile) and len(piece) > self._tail and b"\r" not in piece[-self._tail :]
        self.complete = part is self._texts and self._is_closed()

    def _is_content(self, piece: bytes, segment: "MultipartSegment") -> bool:
        """Whether `piece`, before which the parser keeps nothing, is content of `segment` from end to end.

        Then the parser need not see it. To look for a delimiter from the end takes half the time of its own search.
        """
        last = piece.rfind(b"\r", -self._tail)  # a delimiter has one CR, which begins it
        return (
            (last < 0 or not self._delimiter.startswith(piece[last:]))
            and piece.rfind(self._delimiter) < 0
            and segment.bytes_received + len(piece) <= self._limits.multipart
        )

    def _after_preamble(self, seen: bytes) -> bytes:
        """What follows the text that may precede the first boundary and means nothing (RFC 2046 §5.1.1).

        Left to the parser, what counts as preamble would depend on how the network cut it.
        """
        start = seen.find(self._delimiter)
        if start < 0:
            self._preamble = seen[1 - len(self._delimiter) :]
            return b""
        self._preamble = None
        return seen[start:]

    def _begin(self, segment: "MultipartSegment") -> UploadFile | _Texts:
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
        self._segment = segment if segment.header("Content-Length") is None else None  # else its size is checked
        file = UploadFile(self, name, _base_name(segment.filename), content_type)
        if file.filename:
            self._list(file)
        return file

    def _is_closed(self) -> bool:
        # The parser only tells whether it has seen the closing boundary when it is closed: so a copy of it is.
        try:
            copy.copy(self._parser).close()
        except self._malformed:
            return False
        return True

    async def _relieve(self) -> None:
        """Moves to disk what is more than memory should hold of the parts that nobody is waiting for."""
        limit = self._limits.part_memory
        while self._ended:
            if self._held > _FINISHED * limit and not self._ended[0]._awaited:
                await self._spool.take_over(self._ended[0]._unload)
            self._ended.popleft()
        if isinstance(part := self._part, UploadFile) and part._held > limit and not part._awaited:
            await self._spool.take_over(part._unload)

    def _list(self, file: UploadFile) -> None:
        self.files.setdefault(file.name, []).append(file)

    def _fail(self, refusal: Refusal) -> None:
        if self._refusal is None:
            self._refusal = refusal
        if isinstance(self._part, UploadFile):
            self._part._refuse(refusal)

    def _check(self) -> None:
        if self._refusal is _LEFT:
            raise ClientDisconnected
        if self._refusal is not None:
            raise UploadError(*self._refusal)


def _base_name(filename: str) -> str:
    """`filename` without directories, as any system writes them. Raises UploadError 400 where that is not a name."""
    base = filename.replace("\\", "/").rpartition("/")[2]
    if _CONTROL.search(base) or base in (".", "..") or (filename and not base):
        raise UploadError(400, "Invalid file name")
    return base


class _ReaderStream:
    """A StreamReader as the stream that a multipart reader takes."""

    def __init__(self, reader: "asyncio.StreamReader") -> None:
        self._reader = reader

    async def read(self) -> bytes:
        return await self._reader.read(64 * 1024)


async def parse_multipart(
    reader: "asyncio.StreamReader", boundary: bytes, limits: Limits
) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
    """The text fields and the files of multipart/form-data that `reader` brings to its end.

    Raises UploadError for a malformed or truncated body, MissingDependency without the package `multipart`.
    """
    body = MultipartBody(_ReaderStream(reader), boundary, limits)
    while await body.advance():
        pass
    return body.fields, {name: found[0].mapping() for name, found in body.files.items()}
