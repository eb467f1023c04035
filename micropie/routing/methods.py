"""HTTP methods: those that a handler answers, and the `Allow` field that names them."""

from typing import Final

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""The methods that a plain handler answers (SPEC 2), in the order in which `Allow` names them."""

ANY_METHOD: Final = frozenset((*METHODS, ""))
"""All of `METHODS`, and `""` for a WebSocket."""


def allow_field(answered: frozenset[str]) -> str:
    """Return the `Allow` field for a URL that answers the methods in `answered` (RFC 9110 §10.2.1).

    OPTIONS is always allowed, and HEAD wherever GET is.
    """
    names = answered | {"OPTIONS"} | ({"HEAD"} if "GET" in answered else set())
    return ", ".join(name for name in sorted(names) if name)
