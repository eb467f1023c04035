"""What a body is and how its bytes become names and values: media types, urlencoded text, JSON's top-level keys.

Reading bytes under limits is `receiving.py`'s, multipart is `uploads.py`'s; which handler wants what is nobody's here.
"""

from typing import Any

import msgspec

from ..errors import BadRequest, Invalid
from .body_stream import BodyStream


async def read_whole_body(stream: BodyStream) -> bytes:
    """The body in one piece. Raises what `BodyStream.read` raises."""
    first = await stream.read()
    if stream.ended:
        return first
    pieces = [first]
    while piece := await stream.read():
        pieces.append(piece)
    return b"".join(pieces)


_decode_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder().decode


def bad_json_error() -> BadRequest:
    """The answer to a body that is no JSON."""
    return BadRequest([Invalid("Bad JSON", pointer="")])


def require_utf8(body: bytes) -> None:
    """Raises BadRequest for a JSON body that is not UTF-8 throughout (RFC 8259 §8.1): msgspec looks where it reads."""
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            raise bad_json_error() from None


def parse_json_keys(body: bytes) -> dict[str, msgspec.Raw]:
    """The top-level keys of a JSON object, each value still as it was sent; none for another kind of JSON value.

    The last of repeated keys wins. Raises BadRequest for malformed JSON.
    """
    try:
        return _decode_keys(body)
    except msgspec.ValidationError:
        decode_json(body)
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_json_error() from None


def decode_json(body: bytes) -> Any:
    """The JSON value in `body`. Raises BadRequest for malformed JSON: no UTF-8, or nested too deeply, too."""
    try:
        return _decode_any(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise bad_json_error() from None
