"""This module writes JSON pointers (RFC 6901)."""

from ..errors import shorten_name


def escape_token(key: object) -> str:
    """Return `key` as a reference token of a JSON pointer (RFC 6901 §3); a long one is cut."""
    return shorten_name(str(key)).replace("~", "~0").replace("/", "~1")
