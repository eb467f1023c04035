"""This module reads a JSON Lines body as values, one per line, and receives no more than the handler takes.

The format is that of jsonlines.org. None of its media types is registered, so that all of the usual names are accepted.
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


def make_lines_reader(converter: Converter) -> Callable[[Request], AsyncIterator[Any]]:
    """Return the function from a request to the items of its body, which `converter` reads.

    That function raises HTTPError 415 for a body of another media type.
    """

    def read_lines(request: Request) -> AsyncIterator[Any]:
        if request.has_body and request.content_type.partition(";")[0].strip().lower() not in JSON_LINES_TYPES:
            raise HTTPError(415, "The request body must be application/jsonl")
        return JsonLines(request, converter)

    return read_lines


class JsonLines(AsyncIterator[T]):
    """An iterator over the items of a body. Blank lines are skipped; the last line needs no line end.

    Each step raises BadRequest for a line that does not fit, with its number (from 1) and the place in it; the next
    step goes on after that line. A step raises HTTPError 413 for a line of more than `Limits.line` bytes, and what
    `BodyStream.read` raises.
    """

    def __init__(self, request: Request, converter: Converter) -> None:
        self._stream = request.micropie_body_stream
        self._received_body = request.body
        """The body, if it was received before the handler ran."""
        self._converter = converter
        self._limit = request.limits.line
        self._line_number = 0
        self._whole_lines: Iterator[bytes] = iter(())
        """The lines that have arrived to their ends and are not read yet."""
        self._partial_line = bytearray()
        """The start of the line after them."""
        self._ended = False

    async def __anext__(self) -> T:
        while True:
            for line in self._whole_lines:
                self._line_number += 1
                if len(line) > self._limit:
                    raise self._make_length_error(self._line_number)
                if line.strip(_BLANKS):
                    return self._read_line(line)
            if self._ended:
                raise StopAsyncIteration
            if len(self._partial_line) > self._limit:
                raise self._make_length_error(self._line_number + 1)
            self._split_lines(await self._receive())

    async def _receive(self) -> bytes:
        """Return the next piece of the body, or `b""` once it has ended."""
        # Request.stream will not do: it is a generator, which ends when a timeout around one step cancels it.
        if self._stream is not None:
            return await self._stream.read()
        piece, self._received_body = self._received_body, b""
        return piece

    def _split_lines(self, piece: bytes) -> None:
        """Add the next `piece` of the body to the lines. An empty piece ends the last line."""
        self._ended = not piece
        head, line_end, rest = piece.partition(b"\n")
        self._partial_line += head
        if line_end or self._ended:
            *lines, partial_line = rest.split(b"\n")
            self._whole_lines = iter([bytes(self._partial_line), *lines])
            self._partial_line = bytearray(partial_line)

    def _make_length_error(self, number: int) -> HTTPError:
        return HTTPError(413, f"Line {number} of the request body is longer than {self._limit} bytes")

    def _read_line(self, line: bytes) -> T:
        try:
            require_utf8(line)
            value: T = self._converter.from_json(line)
        except BadRequest as bad:
            errors = bad.errors
        except CONVERSION_ERRORS:
            errors = self._converter.find_json_errors(line, "")
        else:
            return value
        place = f"Line {self._line_number}"
        raise BadRequest([replace(error, detail=f"{place}: {error.detail}") for error in errors]) from None
