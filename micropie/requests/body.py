"""What a body is and how its bytes become names and values: media types, urlencoded text, JSON's top-level keys.

Reading bytes under limits is `receiving.py`'s, multipart is `uploads.py`'s; which handler wants what is nobody's here.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

import msgspec

from .._utils.lazy_imports import asyncio, urls
from ..config import Limits
from ..errors import BadRequest, HTTPError, Invalid, Source
from ..uploads.multipart import MultipartBody
from .body_stream import BodyStream


class Media(Enum):
    """What kind of body came."""

    NONE = auto()
    JSON = auto()
    FORM = auto()
    MULTIPART = auto()
    OTHER = auto()


_MEDIA: Final[Mapping[str, Media]] = {
    "application/json": Media.JSON,
    "application/x-www-form-urlencoded": Media.FORM,
    "multipart/form-data": Media.MULTIPART,
}


def media_of(content_type: str) -> Media:
    """The kind of body that a Content-Type announces; JSON is also whatever ends in `+json` (RFC 6839 §3.1)."""
    known = _MEDIA.get(content_type)
    if known is not None:
        return known
    essence = content_type.partition(";")[0].strip().lower()
    known = _MEDIA.get(essence)
    if known is not None:
        return known
    return Media.JSON if essence.endswith("+json") and "/" in essence else Media.OTHER


async def read_whole(stream: BodyStream) -> bytes:
    """The body in one piece. Raises what `BodyStream.read` raises."""
    first = await stream.read()
    if stream.ended:
        return first
    pieces = [first]
    while piece := await stream.read():
        pieces.append(piece)
    return b"".join(pieces)


def parse_urlencoded(data: bytes, source: Source, limit: int) -> dict[str, list[str]]:
    """Names and their values, in order, of `application/x-www-form-urlencoded` data (WHATWG URL §5.1), strictly UTF-8.

    Raises HTTPError 400 for more than `limit` names, and for bytes that are no UTF-8 or hold NUL.
    """
    if data.count(b"&") >= limit:
        raise HTTPError(400, f"More than {limit} names in the {source}")
    try:
        text = data.decode("utf-8")
        if "%00" in text or "\0" in text:
            raise ValueError("NUL")
        return _pairs(text)
    except ValueError:
        raise BadRequest([Invalid(f"The {source} is not valid UTF-8 text", source)]) from None


def _pairs(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    # Percent signs are left after the split alone: what they stand for may be `&` or `=`.
    encoded = "%" in text
    for pair in text.replace("+", " ").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            if encoded:
                name, value = _decoded(name), _decoded(value)
            if name in found:
                found[name].append(value)
            else:
                found[name] = [value]
    return found


def _decoded(text: str) -> str:
    return urls.unquote(text, errors="strict") if "%" in text else text


def decode_segment(segment: bytes) -> str:
    """A path segment, percent-decoded. Raises HTTPError 400 for what is no UTF-8 or holds NUL."""
    try:
        text = urls.unquote(segment.decode("utf-8"), errors="strict")
    except ValueError:
        raise HTTPError(400, "The path is not valid UTF-8 text") from None
    if "\0" in text:
        raise HTTPError(400, "The path holds a NUL")
    return text


_decode_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder().decode


def bad_json() -> BadRequest:
    """The answer to a body that is no JSON."""
    return BadRequest([Invalid("Bad JSON", pointer="")])


def check_encoding(body: bytes) -> None:
    """Raises BadRequest for a JSON body that is not UTF-8 throughout (RFC 8259 §8.1): msgspec looks where it reads."""
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            raise bad_json() from None


def json_keys(body: bytes) -> dict[str, msgspec.Raw]:
    """The top-level keys of a JSON object, each value still as it was sent; none for another kind of JSON value.

    The last of repeated keys wins. Raises BadRequest for malformed JSON.
    """
    try:
        return _decode_keys(body)
    except msgspec.ValidationError:
        decode_json(body)
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_json() from None


def decode_json(body: bytes) -> Any:
    """The JSON value in `body`. Raises BadRequest for malformed JSON: no UTF-8, or nested too deeply, too."""
    try:
        return _decode_any(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise bad_json() from None


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """The pairs of a Cookie header in order (RFC 6265 §4.2), without nameless ones and without quotes around values."""
    pairs = []
    for item in header.split(";"):
        name, equals, value = item.strip().partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name:
            continue
        if len(value) >= 2 and value[0] == value[-1] == '"':
            value = value[1:-1]
        pairs.append((name, value))
    return pairs


_NUL: Final = 0
_QUOTE: Final = ord('"')


def plain_cookie(header: bytes, name: str) -> str | None:
    """The value that `parse_cookies` would find for `name`, if that is seen at once; else None.

    It is where the name stands there just once, at its place, in a header of ASCII text without quotes.
    """
    if not header.isascii() or _NUL in header or _QUOTE in header:
        return None
    text = header.decode()
    before, found, after = text.partition(name)
    if not found or not after.startswith("=") or name in after or (before and before[-2:] != "; "):
        return None
    end = after.find(";")
    return (after[1:] if end < 0 else after[1:end]).strip()


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
