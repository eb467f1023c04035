"""Middleware: the two abstract bases. Each middleware that is shipped has a file of its own beside them."""

from .base import CloseDict, HttpMiddleware, ResponseDict, WebSocketMiddleware

__all__ = ["CloseDict", "HttpMiddleware", "ResponseDict", "WebSocketMiddleware"]
