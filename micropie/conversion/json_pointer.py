"""This module writes JSON pointers (RFC 6901)."""


def escape_token(key: object) -> str:
    """Return `key` as a reference token of a JSON pointer (RFC 6901 §3)."""
    return str(key).replace("~", "~0").replace("/", "~1")
