"""To be described."""

from typing import Final


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


def find_plain_cookie(header: bytes, name: str) -> str | None:
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
