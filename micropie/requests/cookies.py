"""This module reads Cookie headers: all pairs of one, or the value of a single name."""

from typing import Final

from ..sentinels import UNSET, Unset

_BLANKS: Final = " \t"
"""What may stand around names and values (RFC 6265 §5.2). Other white space, such as U+00A0, is part of a value."""


def parse_cookies(header: str) -> list[tuple[str, str]]:
    """Return the pairs of a Cookie header in order (RFC 6265 §4.2).

    Quotes around values are removed, and pairs without a name are left out.
    """
    pairs = []
    for item in header.split(";"):
        name, equals, value = item.partition("=")
        name, value = name.strip(_BLANKS), value.strip(_BLANKS)
        if not equals or not name:
            continue
        if len(value) >= 2 and value[0] == value[-1] == '"':
            value = value[1:-1]
        pairs.append((name, value))
    return pairs


_NUL: Final = 0
_QUOTE: Final = ord('"')


def find_plain_cookie(header: bytes, name: str) -> str | None:
    """Return the value of `name` as `parse_cookies` reads it, if a quick look suffices; else None.

    It suffices for a header of ASCII text without quotes that holds the name once, at the start of a pair.
    """
    if not header.isascii() or _NUL in header or _QUOTE in header:
        return None
    text = header.decode()
    before, match, after = text.partition(name)
    if not match or not after.startswith("=") or name in after or (before and before[-2:] != "; "):
        return None
    end = after.find(";")
    return (after[1:] if end < 0 else after[1:end]).strip(_BLANKS)


def find_unanimous_cookie(header: bytes, name: str) -> str | Unset | None:
    """Return the one value that all cookies called `name` have, whatever bytes other cookies hold.

    Return None without such a cookie, and UNSET for several different values. Bytes are read as latin-1, so that each
    of them is a character.
    """
    values = {value for key, value in parse_cookies(header.decode("latin-1")) if key == name}
    return UNSET if len(values) > 1 else values.pop() if values else None
