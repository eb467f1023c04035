"""This module holds WebSocket sessions with an ASGI app, without a socket. Each message is one ASGI event, in order."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, TypeVar, overload

import httpx2
import msgspec

from ..types import ASGIApp, Message, Scope
from .exchange import Closed, Closers, Exchange, get_grace_period
from .portal import Portal

T = TypeVar("T")

CAPACITY: Final = 1024
"""Messages that may wait for the other side, each way, before the sender must wait, as for a socket's buffers."""

# Close codes (RFC 6455 §7.4.1), repeated here because the test clients must not import micropie's WebSockets.
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
ABNORMAL: Final = 1006

ORDERLY_CODES: Final = frozenset({NORMAL, GOING_AWAY})
"""The close codes that end an iteration over messages without an error."""


class WebSocketRefused(Exception):
    """An error for a refused handshake: the app sent a close `code` and `reason`, or an HTTP response of `status`.

    A refusal by code has the status 403, as servers send it. A refusal by HTTP response has the code 1006, and its body
    is the reason.
    """

    def __init__(self, code: int, reason: str, status: int, headers: httpx2.Headers | None = None) -> None:
        super().__init__(code, reason, status)
        self.code = code
        self.reason = reason
        self.status = status
        self.headers = httpx2.Headers() if headers is None else headers


class WebSocketClosed(Exception):
    """An error for a closed connection, with its `code` and `reason`: 1006 if the app ended without closing it."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class AsyncWebSocketSession:
    """An open WebSocket that talks to the app: `async with client.websocket_connect("/chat") as ws`.

    Every receiving method waits for the app's next message. It raises WebSocketClosed once the app has closed, and what
    the app raised if it failed. It raises httpx2.ReadTimeout if no message comes within the client's `timeout`; the
    session can be used after that.
    """

    accepted_subprotocol: str | None
    """The subprotocol that the app chose."""
    response: httpx2.Response
    """The response to the handshake: 101, with the app's headers."""

    def __init__(
        self, app: ASGIApp, scope: Scope, *, message_timeout: float | None, raise_errors: bool, closers: Closers
    ) -> None:
        self._title = f"WebSocket {scope['path']}"
        self._timeout = message_timeout
        self._raise_errors = raise_errors
        self._closers = closers
        disconnect = {"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""}
        self._exchange = Exchange(app, scope, capacity=CAPACITY, final_message=disconnect, on_send=self._note_close)
        closers.add(self.close)

    @classmethod
    async def open(
        cls,
        app: ASGIApp,
        scope: Scope,
        request: httpx2.Request,
        *,
        message_timeout: float | None,
        raise_errors: bool,
        closers: Closers,
    ) -> "AsyncWebSocketSession":
        """Open a session by a handshake with `app`. Raises WebSocketRefused, what the app raised, or ReadTimeout."""
        session = cls(app, scope, message_timeout=message_timeout, raise_errors=raise_errors, closers=closers)
        try:
            accept = await session._shake_hands()
        except BaseException as error:
            await session._leave({"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""})
            if isinstance(error, WebSocketRefused):
                session._raise_error()  # the app refused, and then failed
            raise
        session.accepted_subprotocol = accept.get("subprotocol")
        session.response = httpx2.Response(101, headers=accept["headers"], request=request)
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
        """Send the app a raw ASGI event. Raises as `send_text` does."""
        if message["type"] == "websocket.disconnect":
            await self._leave(message)
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._exchange.to_app.put(message)
        except Closed:
            self._raise_error()
            raise self._build_closed() from None
        except TimeoutError:
            raise httpx2.WriteTimeout(
                f"{self._title}: {CAPACITY} messages wait, and the app received none for {self._timeout:g} s"
            ) from None

    async def receive_text(self) -> str:
        """Return the app's next message. Raises ValueError unless it is text."""
        data = _get_data(await self.receive())
        if isinstance(data, bytes):
            raise ValueError("The app sent a binary message, not text")
        return data

    async def receive_bytes(self) -> bytes:
        """Return the app's next message. Raises ValueError unless it is binary."""
        data = _get_data(await self.receive())
        if isinstance(data, str):
            raise ValueError("The app sent a text message, not a binary one")
        return data

    @overload
    async def receive_json(self, type: type[T]) -> T: ...
    @overload
    async def receive_json(self, type: Any = ...) -> Any: ...
    async def receive_json(self, type: Any = Any) -> Any:
        """Return the app's next message, decoded from JSON as `type`. Raises msgspec.DecodeError if it does not fit."""
        return msgspec.json.decode(_get_data(await self.receive()), type=type)

    async def receive(self) -> Message:
        """Return the app's next `websocket.send` event as it is."""
        message = await self._receive_message()
        if message is None:
            self._raise_error()
        elif message["type"] == "websocket.send":
            return message
        raise self._build_closed()

    async def next_data(self) -> str | bytes | None:
        """Return the app's next message, or None once the app has closed with 1000 or 1001."""
        try:
            return _get_data(await self.receive())
        except WebSocketClosed as closed:
            if closed.code in ORDERLY_CODES:
                return None
            raise

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield the app's messages until it closes with 1000 or 1001. Raises WebSocketClosed for any other close."""
        while (data := await self.next_data()) is not None:
            yield data

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Leave with this code and reason, and wait until the app has ended. Raises what the app raised.

        The app first receives what was sent before, then `websocket.disconnect`. After that its `send` raises OSError.
        """
        await self._leave({"type": "websocket.disconnect", "code": code, "reason": reason})
        self._raise_error()

    async def _leave(self, disconnect: Message) -> None:
        if self.close in self._closers:
            self._closers.discard(self.close)
            if self._exchange.state != "closed":
                self._exchange.final_message = disconnect
            self._exchange.hang_up(discard=False)
            await self._exchange.finish(get_grace_period(self._timeout))

    async def _shake_hands(self) -> Message:
        self._exchange.to_app.push({"type": "websocket.connect"})
        reply = await self._receive_message()
        if reply is None:
            self._raise_error()
            raise WebSocketRefused(ABNORMAL, "The app ended without accepting or refusing the handshake", 500)
        if reply["type"] == "websocket.close":
            closed = self._build_closed()
            raise WebSocketRefused(closed.code, closed.reason, 403)
        if reply["type"] == "websocket.http.response.start":
            body = bytearray()
            while (message := await self._receive_message()) is not None:
                body += message.get("body", b"")
            headers = httpx2.Headers(reply["headers"])
            raise WebSocketRefused(ABNORMAL, body.decode("utf-8", "replace"), reply["status"], headers)
        return reply

    async def _receive_message(self) -> Message | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange.from_app.get()
        except Closed:
            return None
        except TimeoutError:
            raise httpx2.ReadTimeout(f"{self._title}: the app sent nothing for {self._timeout:g} s") from None

    def _note_close(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            code, reason = message.get("code", NORMAL), message.get("reason") or ""
            self._exchange.final_message = {"type": "websocket.disconnect", "code": code, "reason": reason}

    def _build_closed(self) -> WebSocketClosed:
        return WebSocketClosed(self._exchange.final_message["code"], self._exchange.final_message["reason"])

    def _raise_error(self) -> None:
        error = self._exchange.take_error()
        if error is not None and self._raise_errors:
            raise error


def _get_data(message: Message) -> str | bytes:
    text: str | None = message.get("text")
    data: bytes | str = message["bytes"] if text is None else text
    return data


class WebSocketSession:
    """An open WebSocket that a plain test can use: `with client.websocket_connect("/chat") as ws`.

    Its methods raise as those of AsyncWebSocketSession do.
    """

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
        """Send the app a raw ASGI event. Raises as `send_text` does."""
        self._call(self._session.send, message)

    def receive_text(self) -> str:
        """Return the app's next message. Raises ValueError unless it is text."""
        return self._call(self._session.receive_text)

    def receive_bytes(self) -> bytes:
        """Return the app's next message. Raises ValueError unless it is binary."""
        return self._call(self._session.receive_bytes)

    @overload
    def receive_json(self, type: type[T]) -> T: ...
    @overload
    def receive_json(self, type: Any = ...) -> Any: ...
    def receive_json(self, type: Any = Any) -> Any:
        """Return the app's next message, decoded from JSON as `type`. Raises msgspec.DecodeError if it does not fit."""
        return msgspec.json.decode(_get_data(self.receive()), type=type)

    def receive(self) -> Message:
        """Return the app's next `websocket.send` event as it is."""
        return self._call(self._session.receive)

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield the app's messages until it closes with 1000 or 1001. Raises WebSocketClosed for any other close."""
        while (data := self._call(self._session.next_data)) is not None:
            yield data

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Leave with this code and reason, and wait until the app has ended. Raises what the app raised."""
        self._call(self._session.close, code, reason)
