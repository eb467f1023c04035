"""To be described."""

from .request import Headers, Request, WebSocketRequest

__all__ = ["Headers", "Request", "WebSocketRequest"]
