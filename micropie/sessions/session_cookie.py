"""This module writes the session's cookie, and decides whether it is Secure."""

import re
from typing import Final

from .._utils import http_grammar
from .._utils.lazy_imports import lazy_pattern
from ..config import SessionConfig

_COOKIE_VALUE: Final = lazy_pattern(f"{http_grammar.COOKIE_OCTET}*")


_PLAIN_SCHEMES: Final = frozenset({"http", "ws"})


# localhost and the names below it (RFC 6761 §6.3), 127/8 (RFC 1122 §3.2.1.3), ::1 (RFC 4291 §2.5.3), with an optional
# port. ASCII, because with IGNORECASE alone "ſ" would match "s".
_LOOPBACK: Final = lazy_pattern(
    r"""(?: (?: [a-z0-9_-]+ \. )* localhost \.?
          | 127 (?: \. (?: 25[0-5] | 2[0-4][0-9] | 1?[0-9]?[0-9] ) ){3}
          | \[::1\]
        ) (?: : [0-9]* )?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


def build_session_cookie(config: SessionConfig, identifier: str | None, *, secure: bool) -> tuple[str, str]:
    """Return the response header that gives the client `identifier`, or with None removes its cookie.

    `secure` is the result of `is_secure_cookie`; a `config.secure` that is not None overrides it. Raises ValueError
    when `identifier` has a character that a cookie cannot carry (RFC 6265 §4.1.1).
    """
    value = identifier or ""
    if not _COOKIE_VALUE.fullmatch(value):
        raise ValueError('A session identifier cannot have spaces, controls, non-ASCII text or any of " , ; \\')
    is_secure = secure if config.secure is None else config.secure
    attributes = (
        (f"{config.cookie}={value}", True),
        (f"Path={config.path}", True),
        (f"Domain={config.domain}", config.domain is not None),
        ("Max-Age=0", identifier is None),
        ("HttpOnly", True),
        (f"SameSite={config.same_site}", True),
        ("Secure", is_secure or config.same_site == "None"),  # browsers drop SameSite=None without Secure
    )
    return "Set-Cookie", "; ".join(text for text, is_present in attributes if is_present)


def is_secure_cookie(scheme: str, host: str) -> bool:
    """Return True if the cookie must be Secure: always, except over an unencrypted `scheme` to a loopback host.

    `scheme` is ASGI's; `host` is a Host header (RFC 9110 §7.2), with or without its port.
    """
    return scheme not in _PLAIN_SCHEMES or _LOOPBACK.fullmatch(host) is None
