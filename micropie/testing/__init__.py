"""This package holds test clients for ASGI apps: real requests, streams and WebSocket sessions, without sockets.

`TestClient` is for plain tests and `AsyncTestClient` for async tests. Both are httpx2 clients, and they differ only in
`await`. `ASGITransport` connects them to the app, and also fits any `httpx2.AsyncClient`. The package depends on ASGI
alone, not on micropie's `App`, so it can test any ASGI 3 app.

    from micropie.testing import TestClient

    def test_greeting() -> None:
        with TestClient(app) as client:                      # runs the app's lifespan
            assert client.get("/greet/Ann").text == "Hello, Ann!"

- `clients`: the two test clients
- `transport`: HTTP requests and responses, streaming both ways
- `websocket`: WebSocket sessions, sync and async
- `lifespan`: startup and shutdown of the app
- `exchange`: one call of the app, held to the rules of ASGI
- `portal`: the event loop behind a plain test
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
