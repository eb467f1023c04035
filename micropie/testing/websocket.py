"""WebSocket sessions with an ASGI app, without a socket: both ways in order, each message one ASGI event."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, TypeVar, overload

import httpx2
import msgspec

from ..types import ASGIApp, Message, Scope
from .exchange import Closed, Conversation, Live, grace_period
from .portal import Portal

T = TypeVar("T")

CAPACITY: Final = 1024
"""Messages that may wait for the other side, each way, before the sender does: the part of a socket's buffers."""

NORMAL: Final = frozenset({1000, 1001})  # RFC 6455 §7.4.1: done, and going away
ABNORMAL: Final = 1006  # RFC 6455 §7.4.1: no close frame came


class WebSocketRefused(Exception):
    """The app refused the handshake: with a close `code` and `reason`, or with an HTTP answer of `status`.

    A refusal by code is status 403, as servers make it; one by HTTP answer is code 1006, its body the reason.
    """

    def __init__(self, code: int, reason: str, status: int, headers: httpx2.Headers | None = None) -> None:
        super().__init__(code, reason, status)
        self.code = code
        self.reason = reason
        self.status = status
        self.headers = httpx2.Headers() if headers is None else headers


class WebSocketClosed(Exception):
    """The connection is closed, with this `code` and `reason`; 1006 when the app ended without closing it."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class AsyncWebSocketSession:
    """An open WebSocket: `async with client.websocket_connect("/chat") as ws`.

    Every receiving method waits for the app's next message. It raises WebSocketClosed once the app has closed, what the
    app raised if it failed, and httpx2.ReadTimeout when nothing came in the client's `timeout`; after that the session
    goes on.
    """

    accepted_subprotocol: str | None
    """The subprotocol that the app chose."""
    response: httpx2.Response
    """The handshake's answer: 101, with the app's headers."""

    def __init__(self, app: ASGIApp, scope: Scope, *, patience: float | None, raise_errors: bool, live: Live) -> None:
        self._title = f"WebSocket {scope['path']}"
        self._patience = patience
        self._raise_errors = raise_errors
        self._live = live
        farewell = {"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""}
        self._talk = Conversation(app, scope, capacity=CAPACITY, farewell=farewell, watch=self._note_close)
        live.add(self.close)

    @classmethod
    async def open(
        cls,
        app: ASGIApp,
        scope: Scope,
        request: httpx2.Request,
        *,
        patience: float | None,
        raise_errors: bool,
        live: Live,
    ) -> "AsyncWebSocketSession":
        """Shake hands with `app`. Raises WebSocketRefused, what the app raised, or httpx2.ReadTimeout."""
        session = cls(app, scope, patience=patience, raise_errors=raise_errors, live=live)
        try:
            answer = await session._shake_hands()
        except BaseException as error:
            await session._leave({"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""})
            if isinstance(error, WebSocketRefused):
                session._raise_error()  # it refused, and then failed
            raise
        session.accepted_subprotocol = answer.get("subprotocol")
        session.response = httpx2.Response(101, headers=answer["headers"], request=request)
        return session

    @property
    def headers(self) -> httpx2.Headers:
        """The headers with which the app accepted."""
        return self.response.headers

    async def send_text(self, text: str) -> None:
        """Send a text message. Raises WebSocketClosed, or httpx2.WriteTimeout when the app does not read."""
        await self.send({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message. Raises as `send_text` does."""
        await self.send({"type": "websocket.receive", "bytes": data})

    async def send_json(self, value: object) -> None:
        """Send `value` (anything that msgspec encodes) as JSON text. Raises as `send_text` does."""
        await self.send_text(msgspec.json.encode(value).decode())

    async def send(self, message: Message) -> None:
        """Give the app a raw ASGI event. Raises as `send_text` does."""
        if message["type"] == "websocket.disconnect":
            await self._leave(message)
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._talk.to_app.put(message)
        except Closed:
            self._raise_error()
            raise self._closed() from None
        except TimeoutError:
            raise httpx2.WriteTimeout(
                f"{self._title}: {CAPACITY} messages wait, and the app read none for {self._patience:g} s"
            ) from None

    async def receive_text(self) -> str:
        """The app's next message, which must be text: ValueError otherwise."""
        data = _data(await self.receive())
        if isinstance(data, bytes):
            raise ValueError("The app sent a binary message, not text")
        return data

    async def receive_bytes(self) -> bytes:
        """The app's next message, which must be binary: ValueError otherwise."""
        data = _data(await self.receive())
        if isinstance(data, str):
            raise ValueError("The app sent a text message, not a binary one")
        return data

    @overload
    async def receive_json(self, type: type[T]) -> T: ...
    @overload
    async def receive_json(self, type: Any = ...) -> Any: ...
    async def receive_json(self, type: Any = Any) -> Any:
        """The app's next message decoded from JSON as `type`. Raises msgspec.DecodeError when it is not that."""
        return msgspec.json.decode(_data(await self.receive()), type=type)

    async def receive(self) -> Message:
        """The app's next `websocket.send`, as it is."""
        message = await self._next()
        if message is None:
            self._raise_error()
        elif message["type"] == "websocket.send":
            return message
        raise self._closed()

    async def next_data(self) -> str | bytes | None:
        """The app's next message, or None once it has closed with 1000 or 1001."""
        try:
            return _data(await self.receive())
        except WebSocketClosed as closed:
            if closed.code in NORMAL:
                return None
            raise

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The app's messages until it closes with 1000 or 1001; any other close raises WebSocketClosed."""
        while (data := await self.next_data()) is not None:
            yield data

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Leave, with this code and reason, and wait until the app has ended. Raises what it raised.

        The app still gets what was sent before; then `websocket.disconnect`, and OSError from `send`.
        """
        await self._leave({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._raise_error()

    async def _leave(self, farewell: Message) -> None:
        if self.close in self._live:
            self._live.discard(self.close)
            if self._talk.state != "closed":
                self._talk.farewell = farewell
            self._talk.hang_up(discard=False)
            await self._talk.finish(grace_period(self._patience))

    async def _shake_hands(self) -> Message:
        self._talk.to_app.push({"type": "websocket.connect"})
        answer = await self._next()
        if answer is None:
            self._raise_error()
            raise WebSocketRefused(ABNORMAL, "The app ended without answering the handshake", 500)
        if answer["type"] == "websocket.close":
            closed = self._closed()
            raise WebSocketRefused(closed.code, closed.reason, 403)
        if answer["type"] == "websocket.http.response.start":
            body = bytearray()
            while (part := await self._next()) is not None:
                body += part.get("body", b"")
            headers = httpx2.Headers(answer["headers"])
            raise WebSocketRefused(ABNORMAL, body.decode("utf-8", "replace"), answer["status"], headers)
        return answer

    async def _next(self) -> Message | None:
        try:
            async with asyncio.timeout(self._patience):
                return await self._talk.from_app.get()
        except Closed:
            return None
        except TimeoutError:
            raise httpx2.ReadTimeout(f"{self._title}: the app sent nothing for {self._patience:g} s") from None

    def _note_close(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            code, reason = message.get("code", 1000), message.get("reason") or ""
            self._talk.farewell = {"type": "websocket.disconnect", "code": code, "reason": reason}

    def _closed(self) -> WebSocketClosed:
        return WebSocketClosed(self._talk.farewell["code"], self._talk.farewell["reason"])

    def _raise_error(self) -> None:
        error = self._talk.take_error()
        if error is not None and self._raise_errors:
            raise error


def _data(message: Message) -> str | bytes:
    text: str | None = message.get("text")
    data: bytes | str = message["bytes"] if text is None else text
    return data


class WebSocketSession:
    """An open WebSocket in a plain test: `with client.websocket_connect("/chat") as ws`. See AsyncWebSocketSession."""

    def __init__(self, session: AsyncWebSocketSession, portal: Portal) -> None:
        self._session = session
        self._call = portal.call

    @property
    def accepted_subprotocol(self) -> str | None:
        """The subprotocol that the app chose."""
        return self._session.accepted_subprotocol

    @property
    def headers(self) -> httpx2.Headers:
        """The headers with which the app accepted."""
        return self._session.headers

    def send_text(self, text: str) -> None:
        """Send a text message. Raises WebSocketClosed, or httpx2.WriteTimeout when the app does not read."""
        self._call(self._session.send_text, text)

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message. Raises as `send_text` does."""
        self._call(self._session.send_bytes, data)

    def send_json(self, value: object) -> None:
        """Send `value` (anything that msgspec encodes) as JSON text. Raises as `send_text` does."""
        self._call(self._session.send_json, value)

    def send(self, message: Message) -> None:
        """Give the app a raw ASGI event. Raises as `send_text` does."""
        self._call(self._session.send, message)

    def receive_text(self) -> str:
        """The app's next message, which must be text: ValueError otherwise."""
        return self._call(self._session.receive_text)

    def receive_bytes(self) -> bytes:
        """The app's next message, which must be binary: ValueError otherwise."""
        return self._call(self._session.receive_bytes)

    @overload
    def receive_json(self, type: type[T]) -> T: ...
    @overload
    def receive_json(self, type: Any = ...) -> Any: ...
    def receive_json(self, type: Any = Any) -> Any:
        """The app's next message decoded from JSON as `type`. Raises msgspec.DecodeError when it is not that."""
        return msgspec.json.decode(_data(self.receive()), type=type)

    def receive(self) -> Message:
        """The app's next `websocket.send`, as it is."""
        return self._call(self._session.receive)

    def __iter__(self) -> Iterator[str | bytes]:
        """The app's messages until it closes with 1000 or 1001; any other close raises WebSocketClosed."""
        while (data := self._call(self._session.next_data)) is not None:
            yield data

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Leave, with this code and reason, and wait until the app has ended. Raises what it raised."""
        self._call(self._session.close, code, reason)
