"""To be described."""

from .connection import ConnectionClosed, WebSocket
from .messages import InvalidMessage

__all__ = ["ConnectionClosed", "InvalidMessage", "WebSocket"]
