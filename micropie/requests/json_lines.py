"""A JSON Lines body as values, one for each line: as many lines as the handler asks for, and no more than it takes.

The format is that of jsonlines.org, whose media type is registered nowhere, so that each of its usual names will do.
It knows one body and the type of its items; which parameter asked for them is none of its business.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from ..conversion.converter import Converter
from ..conversion.exceptions import CONVERSION_ERRORS
from ..errors import BadRequest, HTTPError
from ..media_types import JSON_LINES_TYPES
from .body import require_utf8
from .request import Request

T = TypeVar("T")

_BLANKS: Final = b" \t\r"


def make_lines_reader(reads: Converter) -> Callable[[Request], AsyncIterator[Any]]:
    """What gives the items of a request's body, read by `reads`. Raises HTTPError 415 for another kind of body."""

    def lines_of(request: Request) -> AsyncIterator[Any]:
        if request.has_body and request.content_type.partition(";")[0].strip().lower() not in JSON_LINES_TYPES:
            raise HTTPError(415, "The request body must be application/jsonl")
        return JsonLines(request, reads)

    return lines_of


class JsonLines(AsyncIterator[T]):
    """The items of a body. The end of the last line may be missing; lines of blanks are passed over.

    A line that does not fit is told as BadRequest, by its number (from 1) and where in it; the next step goes on behind
    it. One of more than `Limits.line` bytes is HTTPError 413. Besides, a step raises what `BodyStream.read` does.
    """

    def __init__(self, request: Request, reads: Converter) -> None:
        self._stream = request.body_stream
        self._read_already = request.body
        self._reads = reads
        self._limit = request.limits.line
        self._number = 0
        self._whole: Iterator[bytes] = iter(())
        """Lines that have arrived, to their ends."""
        self._begun = bytearray()
        """What there is of the line after them."""
        self._ended = False

    async def __anext__(self) -> T:
        while True:
            for line in self._whole:
                self._number += 1
                if len(line) > self._limit:
                    raise self._too_long(self._number)
                if line.strip(_BLANKS):
                    return self._value(line)
            if self._ended:
                raise StopAsyncIteration
            if len(self._begun) > self._limit:
                raise self._too_long(self._number + 1)
            self._split(await self._receive())

    async def _receive(self) -> bytes:
        """The next piece of the body, or `b""` once it has ended."""
        # Not by Request.stream: a generator that was cancelled, as by a timeout around one step, is at its end.
        if self._stream is not None:
            return await self._stream.read()
        piece, self._read_already = self._read_already, b""
        return piece

    def _split(self, piece: bytes) -> None:
        """Go on behind the lines that `piece` ends; without a piece, all lines have ended."""
        self._ended = not piece
        head, end, rest = piece.partition(b"\n")
        self._begun += head
        if end or self._ended:
            *more, begun = rest.split(b"\n")
            self._whole = iter([bytes(self._begun), *more])
            self._begun = bytearray(begun)

    def _too_long(self, number: int) -> HTTPError:
        return HTTPError(413, f"Line {number} of the request body is longer than {self._limit} bytes")

    def _value(self, line: bytes) -> T:
        try:
            require_utf8(line)
            value: T = self._reads.from_json(line)
        except BadRequest as bad:
            found = bad.errors
        except CONVERSION_ERRORS:
            found = self._reads.json_errors(line, "")
        else:
            return value
        raise BadRequest([replace(error, detail=f"Line {self._number}: {error.detail}") for error in found]) from None
