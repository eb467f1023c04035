"""This module keeps responses that depend on a session away from shared caches (RFC 9111).

The sessions choose one of the constants, and `add_session_headers` adds it to the headers of a response.
"""

from typing import Final

from .._utils.lazy_imports import logging
from ..types import HeaderItems, RawHeaders
from .headers import encode_headers, recall_encoded_headers, remove_headers

VARY: Final = (("Vary", "Cookie"),)
"""The header of a response for which a session was consulted (RFC 9110 §12.5.5)."""
PRIVATE: Final = (*VARY, ("Cache-Control", "private, no-store"))
"""The headers of a response for which there was a session, or which sets its cookie (RFC 9111 §5.2.2)."""

_CACHE_CONTROL: Final = frozenset({b"cache-control"})
_OF_CACHES: Final = _CACHE_CONTROL | {b"vary"}
_NO_STORE: Final = (b"cache-control", b"no-store")


def add_session_headers(headers: RawHeaders, added: HeaderItems, path: str) -> RawHeaders:
    """Return encoded `headers` with `added`: VARY or PRIVATE, and perhaps a Set-Cookie.

    A Cache-Control among `headers` stays, and replaces that of `added`. There are two exceptions. One that is `public`
    is replaced by that of PRIVATE, with a warning in the log that names `path`. A response that sets the cookie is
    always `no-store`.
    """
    raw = recall_encoded_headers(added) or encode_headers(added)
    values = [value.lower() for name, value in headers if name in _CACHE_CONTROL]
    directives = [directive.strip() for value in values for directive in value.split(b",")]
    if not directives:
        return headers + raw
    if b"public" in directives:
        logging.getLogger("micropie").warning(
            "The response to %r is `Cache-Control: public` but used the session: it was sent as `private, no-store`. "
            "Keep the session out of responses that caches may share",
            path,
        )
        return remove_headers(headers, _CACHE_CONTROL) + encode_headers(PRIVATE) + remove_headers(raw, _OF_CACHES)
    sets_cookie = any(name == b"set-cookie" for name, _ in raw)
    needed = [_NO_STORE] if sets_cookie and b"no-store" not in directives else []
    return headers + remove_headers(raw, _CACHE_CONTROL) + needed
