"""This module holds the rules of RFC 6455 and of ASGI's WebSocket messages: codes, limits, states and headers.

Each rule stands beside the section that defines it. `connection.py` applies them; nothing here keeps any state.
"""

from enum import Enum
from typing import Final

from ..config import SessionConfig
from ..errors import BadRequest, HTTPError, ResponseError
from ..responses.headers import encode_headers
from ..sessions.session_cookie import build_session_cookie
from ..sessions.state import require_strong_identifier
from ..types import HeaderItems, RawHeaders, Scope

# --- Close codes (RFC 6455 §7.4.1, and IANA's registry) --------------------------------------------------------------

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
UNSUPPORTED_DATA: Final = 1003
NO_STATUS: Final = 1005
"""Never sent. The client closed without a code; ASGI has the same default for a missing one."""
ABNORMAL: Final = 1006
"""Never sent. The connection broke without a close frame."""
INVALID_PAYLOAD: Final = 1007
"""A message does not match its kind, as a text message that is not UTF-8."""
POLICY_VIOLATION: Final = 1008
"""A refusal that no other code describes. micropie refuses handshakes with it."""
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
"""From IANA's registry. Servers send it, too, when they stop."""

PRIVATE_CODES: Final = range(3000, 5000)
"""RFC 6455 §7.4.2: these belong to libraries and applications."""

# 1004, 1005, 1006 and 1015 must not be sent; 1012 to 1014 come from IANA's registry.
SENDABLE_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *PRIVATE_CODES})


def make_code_private(code: int) -> int:
    """Return the private code that stands for `code`, as 4008 for 1008.

    daphne closes with 1000 and with private codes only. Given any other code, it does not close at all.
    """
    return code + PRIVATE_CODES.start


def choose_close(error: HTTPError) -> tuple[int, str]:
    """Return the close code and the reason for `error`: 1008 for a fault of the client, 1011 for one of the server."""
    reason = error.detail if isinstance(error, BadRequest) else str(error)
    return POLICY_VIOLATION if error.status < 500 else INTERNAL_ERROR, reason


# --- Close reasons ---------------------------------------------------------------------------------------------------

MAX_REASON: Final = 123
"""Bytes of a close reason: a control frame holds 125 (RFC 6455 §5.5), and two of them are the code."""


def cut_reason(reason: str) -> str:
    """Return `reason`, or as many of its characters, each whole, as fit into a close frame."""
    return reason.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")


class ConnectionClosed(Exception):
    """An error for a WebSocket that either side has closed, with its `code` and `reason` (RFC 6455 §7.1.5, §7.1.6).

    `code` is 1005 when the client gave none, and 1006 when the connection broke.
    """

    def __init__(self, code: int = NO_STATUS, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"The WebSocket is closed ({self.code}{self.reason and ': ' + self.reason})"


# --- The state table -------------------------------------------------------------------------------------------------


class State(Enum):
    """The states of a connection, as error messages name them."""

    CONNECTING = "still connecting"
    HANDSHAKE = "not accepted"  # the server has announced the client, and the app has not replied yet
    OPEN = "open"
    CLOSED = "closed"


# Bound to names: asking an Enum for a member takes as long as a call.
CONNECTING: Final[State] = State.CONNECTING
OPEN: Final[State] = State.OPEN
CLOSED: Final[State] = State.CLOSED

# The state that follows each event. Events are named after the ASGI message that causes them, and an event without a
# row is refused. A connection that breaks is a disconnect, whichever side notices it. A client that leaves during its
# handshake is noticed when the app replies.
TRANSITIONS: Final = {
    (CONNECTING, "websocket.connect"): State.HANDSHAKE,
    (CONNECTING, "websocket.disconnect"): CLOSED,
    (CONNECTING, "websocket.close"): CLOSED,
    (State.HANDSHAKE, "websocket.accept"): OPEN,
    (State.HANDSHAKE, "websocket.close"): CLOSED,
    (OPEN, "websocket.receive"): OPEN,
    (OPEN, "websocket.send"): OPEN,
    (OPEN, "websocket.disconnect"): CLOSED,
    (OPEN, "websocket.close"): CLOSED,
}

# How a handler can repair an order that is refused, by the event that it asked for. Any other event that is refused
# comes from a server that breaks ASGI's order.
REMEDIES: Final = {
    "websocket.accept": "accept it once, before anything else",
    "websocket.receive": "call `await ws.accept()` first",
    "websocket.send": "call `await ws.accept()` first",
}


# --- The handshake's headers -----------------------------------------------------------------------------------------

_SET_BY_SERVER: Final = frozenset(
    {b"connection", b"upgrade", b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol"}
)
"""The headers that the server itself sends in reply to the handshake (RFC 6455 §4.2.2)."""

_PLAIN_COOKIE: Final = SessionConfig()


def encode_handshake_headers(headers: HeaderItems) -> RawHeaders:
    """Return `headers` as ASGI wants them. Raises ValueError, which names the header and never shows its value."""
    try:
        raw = encode_headers(headers)
    except ResponseError as error:
        raise ValueError(str(error)) from None
    for name, _ in raw:
        if name in _SET_BY_SERVER:
            raise ValueError(
                f"Only the server sets the header {name.decode()!r}; pass a subprotocol by accept(subprotocol=...)"
            )
    return raw


def build_plain_session_cookie(session_id: str) -> tuple[str, str]:
    """Return the documented header that gives the client `session_id`.

    Raises ValueError for an identifier that could be guessed, and for one that is none.
    """
    require_strong_identifier(session_id)
    return build_session_cookie(_PLAIN_COOKIE, session_id, secure=False)


def parse_subprotocols(scope: Scope) -> tuple[str, ...]:
    """Return the subprotocols that the client offers, in its order.

    Some servers list the lines of the header (RFC 6455 §11.3.4), of which each may hold several names.
    """
    return tuple(name.strip() for line in scope.get("subprotocols") or () for name in line.split(","))
