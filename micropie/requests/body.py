"""This module reads a body that is held in memory: it joins the pieces, and decodes JSON.

Limits and time-outs are in `body_stream.py`, urlencoded text is in `urlencoded.py`, and multipart is in `uploads/`.
"""

from typing import Any

import msgspec

from ..conversion.error_wording import BAD_JSON, describe_undecodable
from ..errors import BadRequest, Invalid
from .body_stream import BodyStream


async def read_whole_body(stream: BodyStream) -> bytes:
    """Return the body in one piece. Raises what `BodyStream.read` raises."""
    first = await stream.read()
    if stream.ended:
        return first
    pieces = [first]
    while piece := await stream.read():
        pieces.append(piece)
    return b"".join(pieces)


_decode_keys = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder().decode


def build_bad_json_error() -> BadRequest:
    """Return the error for a body that is not JSON."""
    return BadRequest([Invalid(BAD_JSON, pointer="")])


def require_utf8(body: bytes) -> None:
    """Raise BadRequest for a JSON body that is not UTF-8 (RFC 8259 §8.1). msgspec checks only the text that it uses."""
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            raise build_bad_json_error() from None


def parse_json_keys(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the top-level keys of a JSON object, each with its value as it was sent.

    Other JSON values have no keys. The last of repeated keys wins. Raises BadRequest for malformed JSON.
    """
    try:
        return _decode_keys(body)
    except msgspec.ValidationError:
        decode_json(body)
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise build_bad_json_error() from None


def refuse_non_object(body: bytes) -> None:
    """Raise BadRequest if the JSON `body` is not an object."""
    if not body.lstrip(b" \t\r\n").startswith(b"{"):
        from ..conversion.converter import get_converter

        raise BadRequest(get_converter(dict[str, Any]).find_json_errors(body, ""))


def decode_json(body: bytes | msgspec.Raw) -> Any:
    """Return the JSON value in `body`. Raises BadRequest for malformed JSON, other than UTF-8, and too deep nesting."""
    try:
        return _decode_any(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest([Invalid(describe_undecodable(error), pointer="")]) from None


def decode_json_text(value: msgspec.Raw) -> str:
    """Return the text that the JSON `value` is, or the JSON itself for any other value. Raises BadRequest."""
    decoded = decode_json(value)
    return decoded if isinstance(decoded, str) else bytes(value).decode("utf-8")
