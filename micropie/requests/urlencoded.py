"""To be described."""

from .._utils.lazy_imports import urls
from ..errors import BadRequest, HTTPError, Invalid, Source


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
