"""A WebSocket handshake that does not fit is refused with the reason."""

from datetime import date
from typing import Annotated

import pytest

from micropie import App, Header, WebSocket
from tests.support.asgi import (
    RawHeaders,
    call_socket,
)

from .bad_input import SECRET


@pytest.mark.parametrize(
    ("path", "headers", "reason"),
    [
        ("/chat/x", (), "Invalid path parameter 'room': Expected an integer"),
        ("/chat/1?page=1_000", (), "Invalid query parameter 'page': Expected an integer"),
        ("/chat/1?page=%ff", (), "Invalid query parameter 'page': Expected UTF-8 text"),
        ("/chat", (), "Missing required parameter 'room'"),
        ("/chat/1", ((b"x-since", SECRET.encode()),), "Invalid header parameter 'X-Since': Expected an RFC 3339 date"),
    ],
)
def test_handshake_that_does_not_fit_is_refused_with_the_reason(path: str, headers: RawHeaders, reason: str) -> None:
    class Api(App):
        async def ws_chat(
            self, ws: WebSocket, room: int, page: int = 0, x_since: Annotated[date | None, Header()] = None
        ) -> None:
            calls.append(room)
            await ws.accept()

    calls: list[object] = []
    (message,) = call_socket(Api(), path, headers=headers)
    assert (message["type"], message["code"], message["reason"], calls) == ("websocket.close", 1008, reason, [])
