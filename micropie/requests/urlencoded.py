"""This module reads `application/x-www-form-urlencoded` data: query strings and simple forms."""

from collections.abc import Callable

from .._utils.lazy_imports import urls
from ..errors import HTTPError, Source


def parse_urlencoded(data: bytes, source: Source, limit: int) -> dict[str, list[str]]:
    """Return the names in urlencoded `data`, each with its values in order (WHATWG URL §5.1).

    A name with bytes that are not UTF-8, or with NUL, has UnreadableTexts: reading them raises BadRequest. Raises
    HTTPError 400 for more than `limit` names.
    """
    if data.count(b"&") >= limit:
        raise HTTPError(400, f"More than {limit} names in the {source}")
    try:
        text = data.decode("utf-8")
        if "%00" not in text and "\0" not in text:
            return _parse_pairs(text, _unquote)
    except UnicodeDecodeError:
        pass
    from ..unreadable_texts import replace_unreadable

    return replace_unreadable(_parse_pairs(data.decode("utf-8", "surrogateescape"), _unquote_lossless), source)


def _parse_pairs(text: str, unquote: Callable[[str], str]) -> dict[str, list[str]]:
    values_by_name: dict[str, list[str]] = {}
    # Percent signs are decoded after the split, since they may encode `&` or `=`.
    encoded = "%" in text
    for pair in text.replace("+", " ").split("&"):
        if pair:
            name, _, value = pair.partition("=")
            if encoded:
                name, value = unquote(name), unquote(value)
            if name in values_by_name:
                values_by_name[name].append(value)
            else:
                values_by_name[name] = [value]
    return values_by_name


def _unquote(text: str) -> str:
    return urls.unquote(text, errors="strict") if "%" in text else text


def _unquote_lossless(text: str) -> str:
    return urls.unquote(text, errors="surrogateescape")
