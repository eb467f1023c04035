"""Test clients for ASGI apps: real requests, real streams, real WebSocket sessions, no sockets.

`TestClient` is for plain tests, `AsyncTestClient` for async ones; both are httpx2 clients and differ in nothing but
`await`. `ASGITransport` carries them and may be given to any `httpx2.AsyncClient`. Nothing here knows of micropie's
`App`: any ASGI 3 app will do.

    from micropie.testing import TestClient

    def test_greeting() -> None:
        with TestClient(app) as client:                      # runs the app's lifespan
            assert client.get("/greet/Ann").text == "Hello, Ann!"

The rooms: `conversation.py` is one call of the app and the rules of ASGI; `transport.py` makes HTTP of it,
`lifespan.py` and `websocket.py` what their names say; `portal.py` is the event loop behind a plain test; `clients.py`
is the front.
"""

from ..errors import MissingDependency

try:
    import httpx2 as _httpx2
except ModuleNotFoundError:
    raise MissingDependency("httpx2", "micropie.testing", "client") from None

from .clients import AsyncTestClient, TestClient
from .lifespan import LifespanFailed
from .transport import ASGITransport
from .websocket import AsyncWebSocketSession, WebSocketClosed, WebSocketRefused, WebSocketSession

__all__ = [
    "ASGITransport",
    "AsyncTestClient",
    "AsyncWebSocketSession",
    "LifespanFailed",
    "TestClient",
    "WebSocketClosed",
    "WebSocketRefused",
    "WebSocketSession",
]

del _httpx2
