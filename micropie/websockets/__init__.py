"""This package owns WebSocket connections after routing: their states, their messages, their end.

- `connection`: `WebSocket`, the connection that a handler works with
- `messages`: values as text, binary and JSON messages, and the errors of a message that does not fit
- `protocol`: the rules of RFC 6455, namely close codes, the state table and the handshake's headers
"""

from .connection import WebSocket
from .messages import InvalidMessage
from .protocol import ConnectionClosed

__all__ = ["ConnectionClosed", "InvalidMessage", "WebSocket"]
