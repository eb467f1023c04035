"""This module holds every limit and every session setting, each with its unit and its default.

Both groups are frozen. An `App` takes one of each and hands it to the modules that need it.
"""

from dataclasses import dataclass
from typing import Final, Literal

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

SESSION_TIMEOUT: Final = 8 * 3600
"""How long a saved session lives, in seconds: a working day."""

MAX_ERROR_RESPONSE: Final = 64 * KIB
"""Bytes of a response, or of a reply to a WebSocket message, that lists errors. Errors beyond that are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits for one client. Sizes are bytes, times are seconds, the rest are counts.

    A request over a size limit gets 413, over a time limit 408, over a count 400 or 413.
    """

    body: int = 10 * MIB
    """Bytes of a JSON, urlencoded or raw body, which is held in memory whole."""
    multipart: int = GIB
    """Bytes of a multipart body, all parts and headers together, or of a streamed body. Neither is held in memory."""
    line: int = MIB
    """Bytes of one line of a JSON Lines body."""
    field: int = MIB
    """Bytes of one text field of a multipart body."""
    fields: int = 1000
    """Names in a query string, names in a form, parts in a multipart body. Each of the three is counted by itself."""
    query: int = 64 * KIB
    """Bytes of the query string."""
    part_memory: int = 2 * MIB
    """Bytes of an uploaded file that are kept in memory; a larger file moves to a temporary file."""
    read_timeout: float = 30.0
    """Seconds between two chunks of a body."""
    body_timeout: float = 120.0
    """Seconds for a whole JSON, urlencoded or raw body."""
    multipart_timeout: float = 3600.0
    """Seconds for a whole multipart body, counted only while waiting for the client."""
    ping: float = 15.0
    """Seconds between two comments in a stream of server-sent events, which keep proxies from closing it."""
    websocket_message: int = MIB
    """Bytes of one WebSocket message; a larger one closes 1009."""
    threads: int = 40
    """Worker threads for sync handlers and sync generators, per App."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """The settings of the session cookie, and how long a session lives."""

    cookie: str = "session_id"
    """The cookie's name."""
    timeout: int = SESSION_TIMEOUT
    """Seconds that a session lives after it was last saved."""
    path: str = "/"
    """The cookie's Path."""
    domain: str | None = None
    """The cookie's Domain; None keeps it to the host that set it."""
    same_site: Literal["Lax", "Strict", "None"] = "Lax"
    """The cookie's SameSite."""
    secure: bool | None = None
    """The cookie's Secure; None sets it except on plain http to a loopback host."""
    explicit: bool = False
    """True to load a session only for handlers with a `Session()` parameter, or by `await request.load_session()`."""
    store_timeout: float = 2.0
    """Seconds that the store may take to load a session, and again to save it. A request that waits longer gets 503."""


DEFAULT_LIMITS: Final = Limits()
"""The limits of an App that has no others. A nested App with these very ones has none of its own."""
DEFAULT_SESSIONS: Final = SessionConfig()
"""The session settings of an App that has no others; as DEFAULT_LIMITS."""
