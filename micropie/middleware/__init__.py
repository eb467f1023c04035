"""This package holds middleware: hooks that run around the handlers of an app.

- `base`: the two abstract classes that users subclass, and what their hooks may return
- `compose`: applies what an HTTP hook returns, and runs WebSocket middleware around a connection

`app/http` runs the hooks of HTTP middleware.
"""

from .base import CloseDict, HttpMiddleware, ResponseDict, WebSocketMiddleware

__all__ = ["CloseDict", "HttpMiddleware", "ResponseDict", "WebSocketMiddleware"]
