"""This package holds middleware: hooks that run around the handlers of an app.

- `base`: the two abstract classes that users subclass, and what their hooks may return
- `compose`: the order in which hooks run, and what becomes of the mapping that a hook returns
"""

from .base import CloseDict, HttpMiddleware, ResponseDict, WebSocketMiddleware

__all__ = ["CloseDict", "HttpMiddleware", "ResponseDict", "WebSocketMiddleware"]
