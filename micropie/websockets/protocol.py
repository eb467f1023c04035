"""To be described."""

from enum import Enum
from typing import Final

NORMAL: Final = 1000


NO_STATUS: Final = 1005  # never sent: the client closed without a code (and ASGI's default for a missing one)


ABNORMAL: Final = 1006  # never sent: the connection broke without a close frame


MESSAGE_TOO_BIG: Final = 1009


# RFC 6455 §7.4.1 and IANA's registry (1012 to 1014); 1004, 1005, 1006 and 1015 must not be sent. §7.4.2: 3000 to 4999
# belong to libraries and applications.
_SENDABLE_CODES: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})


_PRIVATE: Final = 3000
"""What makes 1008 into 4008 for daphne, which closes with 1000 and 3000 to 4999 only, and otherwise not at all."""


_REASON_BYTES: Final = 123
"""Bytes of a close reason: a control frame holds 125 (RFC 6455 §5.5), and two of them are the code."""


def _cut(reason: str) -> str:
    """`reason`, or as many whole characters of it as fit into a close frame."""
    return reason.encode("utf-8", "replace")[:_REASON_BYTES].decode("utf-8", "ignore")


class _State(Enum):
    CONNECTING = "still connecting"
    HANDSHAKE = "not accepted"  # the server has told of the client, nobody has answered it
    OPEN = "open"
    CLOSED = "closed"


_CONNECTING: Final[_State] = _State.CONNECTING


_OPEN: Final[_State] = _State.OPEN


_CLOSED: Final[_State] = _State.CLOSED


# What may happen when, and what comes of it. Events are named after the ASGI message that causes them. A connection
# that breaks is a disconnect, whoever notices. What has no row is refused. (A client that leaves in its handshake is
# noticed by the answer.)
_TRANSITIONS: Final = {
    (_CONNECTING, "websocket.connect"): _State.HANDSHAKE,
    (_CONNECTING, "websocket.disconnect"): _CLOSED,
    (_CONNECTING, "websocket.close"): _CLOSED,
    (_State.HANDSHAKE, "websocket.accept"): _OPEN,
    (_State.HANDSHAKE, "websocket.close"): _CLOSED,
    (_OPEN, "websocket.receive"): _OPEN,
    (_OPEN, "websocket.send"): _OPEN,
    (_OPEN, "websocket.disconnect"): _CLOSED,
    (_OPEN, "websocket.close"): _CLOSED,
}


# Refusals that a handler can mend, by the event it asked for. Any other comes from a server that breaks ASGI's order.
_REMEDIES: Final = {
    "websocket.accept": "accept it once, before anything else",
    "websocket.receive": "call `await ws.accept()` first",
    "websocket.send": "call `await ws.accept()` first",
}
