"""This module reads `application/x-www-form-urlencoded` data: query strings and simple forms."""

from .._utils.lazy_imports import urls
from ..errors import BadRequest, HTTPError, Invalid, Source


def parse_urlencoded(data: bytes, source: Source, limit: int) -> dict[str, list[str]]:
    """Return the names in urlencoded `data`, each with its values in order (WHATWG URL §5.1). It must be UTF-8.

    Raises HTTPError 400 for more than `limit` names, and BadRequest for bytes that are not UTF-8 or hold NUL.
    """
    if data.count(b"&") >= limit:
        raise HTTPError(400, f"More than {limit} names in the {source}")
    try:
        text = data.decode("utf-8")
        if "%00" in text or "\0" in text:
            raise ValueError("NUL")
        return _parse_pairs(text)
    except ValueError:
        raise BadRequest([Invalid(f"The {source} is not valid UTF-8 text", source)]) from None


def _parse_pairs(text: str) -> dict[str, list[str]]:
    values_by_name: dict[str, list[str]] = {}
    # Percent signs are decoded after the split, since they may encode `&` or `=`.
    encoded = "%" in text
    for pair in text.replace("+", " ").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            if encoded:
                name, value = _unquote(name), _unquote(value)
            if name in values_by_name:
                values_by_name[name].append(value)
            else:
                values_by_name[name] = [value]
    return values_by_name


def _unquote(text: str) -> str:
    return urls.unquote(text, errors="strict") if "%" in text else text
