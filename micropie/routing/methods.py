"""This module lists the HTTP methods that handlers answer, and writes the `Allow` field."""

from collections.abc import Mapping
from typing import Final, TypeVar

T = TypeVar("T")

METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""The methods that a handler without `@route(methods=…)` answers (SPEC 2), in the order of `Allow`."""

ANY_METHOD: Final = frozenset((*METHODS, ""))
"""All of `METHODS`, and `""` for a WebSocket."""


def allow_field(answered: frozenset[str]) -> str:
    """Return the `Allow` field for a URL that answers the methods in `answered` (RFC 9110 §10.2.1).

    OPTIONS is always allowed, and HEAD wherever GET is.
    """
    names = answered | {"OPTIONS"} | ({"HEAD"} if "GET" in answered else set())
    return ", ".join(name for name in sorted(names) if name)


def choose_by_method(routes: Mapping[str, T], method: str) -> T | None:
    """Return the route for `method`: its own, for HEAD that of GET, else the one for all methods, whose key is `""`."""
    return routes.get(method) or (routes.get("GET") if method == "HEAD" else None) or routes.get("")
