"""A WebSocket connection as a state table.

`WebSocket[In, Out]` owns the order of things: which ASGI message may follow which, RFC 6455's close codes and limits.
How a type travels is known to `messages.py`. It knows nothing of routes, sessions or origins: what belongs into the
handshake besides the documented cookie is handed in as `on_accept`.

Servers differ in what they leave out (`code`, `reason`, the unused one of `text` and `bytes`), in how they say that the
client is gone (an OSError, a RuntimeError, silence), and in whether a close may overtake a pending receive. All of that
is evened out here.
"""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, overload

import msgspec

from .._utils import http_grammar
from .._utils.lazy_imports import asyncio, lazy_pattern
from ..config import Limits
from ..errors import ResponseError
from ..responses.headers import encode_headers
from ..types import HeaderItems, Message, RawHeaders, Receive, Scope, Send
from .messages import (
    InvalidMessage,
    OnInvalid,
    WrongMessageKind,
    check_policy,
    find_plain_type,
    make_json_message_decoder,
    make_message_decoder,
    make_message_encoder,
    read_bytes,
    read_text,
)
from .protocol import (
    _CLOSED,
    _CONNECTING,
    _OPEN,
    _PRIVATE,
    _REMEDIES,
    _SENDABLE_CODES,
    _TRANSITIONS,
    ABNORMAL,
    MESSAGE_TOO_BIG,
    NO_STATUS,
    NORMAL,
    _cut,
    _State,
)

T = TypeVar("T")
if TYPE_CHECKING:
    import typing_extensions

    In = typing_extensions.TypeVar("In", default=str)
    Out = typing_extensions.TypeVar("Out", default=str)
else:
    # The standard library's TypeVar has no defaults before 3.13: `WebSocket.__class_getitem__` fills them in.
    In = TypeVar("In")
    Out = TypeVar("Out")

# --- RFC 6455: close codes and close reasons -------------------------------------------------------------------------


MAX_MESSAGE: Final = Limits().websocket_message
"""Bytes of one incoming message, unless the app says otherwise."""


# --- The state table -------------------------------------------------------------------------------------------------


# How `send` fails when the client is gone, once it was accepted. ASGI asks for OSError; uvicorn raises RuntimeError for
# what follows a close of its own (1009, a ping without an answer), and the table above leaves it no other reason to.
_GONE: Final = (OSError, RuntimeError)


class ConnectionClosed(Exception):
    """The WebSocket is closed, by either side. `code` and `reason` say how (RFC 6455 §7.1.5 and §7.1.6).

    `code` is 1005 when the client gave none, and 1006 when the connection broke.
    """

    def __init__(self, code: int = NO_STATUS, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"The WebSocket is closed ({self.code}{self.reason and ': ' + self.reason})"


_WIDEST: Final = 4
"""Bytes of a character, at most (RFC 3629 §3): so a short text need not be measured."""


def _size(data: str | bytes) -> int:
    """Bytes of a message on the wire."""
    if isinstance(data, bytes) or data.isascii():
        return len(data)
    return len(data.encode("utf-8", "surrogatepass"))


# --- The handshake's headers -----------------------------------------------------------------------------------------

_COOKIE_VALUE = lazy_pattern(f"{http_grammar.COOKIE_OCTET}+")

_SERVERS_OWN: Final = frozenset(
    {b"connection", b"upgrade", b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol"}
)
"""What the server answers the handshake with itself (RFC 6455 §4.2.2)."""


def _handshake_headers(headers: HeaderItems) -> RawHeaders:
    """`headers` as ASGI wants them. Raises ValueError, which names the header and not its value."""
    try:
        raw = encode_headers(headers)
    except ResponseError as error:
        raise ValueError(str(error)) from None
    for name, _ in raw:
        if name in _SERVERS_OWN:
            raise ValueError(f"Header {name.decode()!r} is the server's own; a subprotocol is accept(subprotocol=...)")
    return raw


def _subprotocols(scope: Scope) -> tuple[str, ...]:
    # Some servers list each line of the header (RFC 6455 §11.3.4), and a line may hold several.
    return tuple(name.strip() for line in scope.get("subprotocols") or () for name in line.split(","))


def _session_cookie(session_id: str) -> tuple[str, str]:
    return "Set-Cookie", f"session_id={session_id}; Path=/; HttpOnly; SameSite=Lax"


# --- The connection --------------------------------------------------------------------------------------------------


def _second_reader() -> RuntimeError:
    return RuntimeError("Another task is receiving from this WebSocket: let one task read for all")


class WebSocket(Generic[In, Out]):
    """One WebSocket connection that receives `In` and sends `Out`, both `str` unless said otherwise.

        async def ws_chat(self, ws: WebSocket[Join | Say, Said]) -> None:
            await ws.accept()
            async for message in ws:
                ...
                await ws.send(Said(...))

    `str` and `bytes` travel as they are, as text and binary messages; any other type that msgspec knows as JSON.
    A message that does not fit `In` closes the connection, 1007 when it is not JSON or not UTF-8, 1008 otherwise, with
    the reason, unless `on_invalid` says otherwise. A message of more than `max_message` bytes closes it 1009. Anything
    asked of a closed connection raises ConnectionClosed; anything asked of one that is not accepted yet, RuntimeError.

    `receive` and `send` are the server's. `incoming` and `outgoing` are `In` and `Out` once more, for the run time.
    `on_accept` is awaited with the session identifier given to `accept` and returns headers for the handshake, in place
    of the plain session cookie. `scope` tells which subprotocols the client offers; without it none is checked.
    """

    __slots__ = (
        "__weakref__",
        "_current_task",
        "_decode",
        "_encode",
        "_loop",
        "_max_message",
        "_offered",
        "_on_accept",
        "_on_invalid",
        "_plain_in",
        "_plain_out",
        "_reader",
        "_receive",
        "_send",
        "_state",
        "close_code",
        "close_reason",
        "session_id",
        "subprotocol",
    )

    def __class_getitem__(cls, types: Any) -> Any:
        """`WebSocket[In]` is `WebSocket[In, str]`."""
        given = types if isinstance(types, tuple) else (types,)
        missing = 2 - len(given) if cls is WebSocket else 0
        return super().__class_getitem__(given + (str,) * missing)  # type: ignore[misc]  # typeshed leaves it out

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        incoming: Any = str,
        outgoing: Any = str,
        max_message: int = MAX_MESSAGE,
        on_accept: Callable[[str | None], Awaitable[HeaderItems]] | None = None,
        scope: Scope | None = None,
    ) -> None:
        self._receive = receive
        self._send = send
        self.speak(incoming, outgoing)
        self._max_message = max_message
        self._on_accept = on_accept
        self._offered: tuple[str, ...] | None = None if scope is None else _subprotocols(scope)
        self._state = _CONNECTING
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._on_invalid: OnInvalid[Out] = "close"
        self.session_id: str | None = None
        """The session identifier that `accept` was given."""
        self.subprotocol: str | None = None
        """The subprotocol that `accept` was given."""
        self.close_code: int | None = None
        """The code the connection was closed with, by either side; None while it is not closed."""
        self.close_reason = ""
        """The reason that came with the code."""

    def speak(self, incoming: Any, outgoing: Any) -> None:
        """Receive `incoming` and send `outgoing` from here on."""
        self._decode: Callable[[str | bytes], In] = make_message_decoder(incoming)
        self._encode: Callable[[Out], str | bytes] = make_message_encoder(outgoing)
        self._plain_in = find_plain_type(incoming)
        self._plain_out = find_plain_type(outgoing)

    # State

    @property
    def accepted(self) -> bool:
        """Whether messages can be exchanged: True from `accept` until the connection is closed."""
        return self._state is _OPEN

    @property
    def closed(self) -> bool:
        """Whether the connection is over, closed or refused by either side."""
        return self._state is _CLOSED

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """The subprotocols that the client offers, the one it likes best first."""
        return self._offered or ()

    @property
    def on_invalid(self) -> OnInvalid[Out]:
        """What becomes of a message that does not fit `In`.

        `"close"`, unless said otherwise, closes the connection with the reason. With the others reading goes on:
        `"skip"` drops the message; `"reply"` answers `{"type": "invalid", "errors": [...]}`, each error with `detail`
        and `pointer` as over HTTP; a function is called with the InvalidMessage, and awaited if need be, and what it
        returns is sent, unless it is None. Raises ValueError for anything else.
        """
        return self._on_invalid

    @on_invalid.setter
    def on_invalid(self, wanted: OnInvalid[Out]) -> None:
        self._on_invalid = check_policy(wanted)

    def _after(self, event: str) -> _State:
        """The state that `event` leads to. Raises ConnectionClosed or RuntimeError when it may not happen now."""
        after = _TRANSITIONS.get((self._state, event))
        if after is not None:
            return after
        if self._state is _CLOSED:
            raise self._closed()
        remedy = _REMEDIES.get(event, f"{event!r} from the server is out of order")
        raise RuntimeError(f"The WebSocket is {self._state.value}: {remedy}")

    def _end(self, event: str, code: int, reason: str) -> None:
        self._state = self._after(event)
        self._on_accept = None
        self.close_code = code
        self.close_reason = reason

    def _closed(self) -> ConnectionClosed:
        return ConnectionClosed(NO_STATUS if self.close_code is None else self.close_code, self.close_reason)

    # The two directions

    def _lost(self) -> ConnectionClosed:
        """The client was found to be gone."""
        if not self.closed:
            self._end("websocket.disconnect", ABNORMAL, "")
        return self._closed()

    async def _connected(self) -> None:
        """Wait for the server's first message. Raises ConnectionClosed when it is the last one."""
        if self._reader is not None:
            raise _second_reader()
        self._loop = asyncio.get_running_loop()  # kept, as asking for it costs more than all else about a message
        self._current_task = asyncio.current_task
        reader = self._reader = asyncio.current_task()
        cancels = reader.cancelling() if reader else 0
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            self._interrupted(reader, cancels)
            raise
        finally:
            self._reader = None
        self._arrived(message)

    async def _next(self, decode: Callable[[str | bytes], T], plain: type[T] | None, iterating: bool = False) -> T:
        """The next message that `decode` can make sense of; content of the type `plain` is a value as it is.

        Every message passes here: what they have in common is in this one function, and what is rare in others.
        """
        try:
            if iterating and self._state is not _OPEN:
                await self.accept()
            while True:
                if self._state is not _OPEN or self._reader is not None:
                    self._after("websocket.receive")
                    raise _second_reader()
                reader = self._reader = self._current_task(self._loop)
                cancels = reader.cancelling() if reader else 0
                try:
                    message = await self._receive()
                except asyncio.CancelledError:
                    self._interrupted(reader, cancels)
                    raise
                finally:
                    self._reader = None
                if self._state is not _OPEN or message["type"] != "websocket.receive":
                    self._arrived(message)
                data: Any = message.get("text")
                if data is None:
                    data = bytes(message.get("bytes") or b"")
                if len(data) * _WIDEST > self._max_message and _size(data) > self._max_message:
                    await self.close(MESSAGE_TOO_BIG, f"Message larger than {self._max_message} bytes")
                    raise self._closed()
                if type(data) is plain:
                    return data
                try:
                    return decode(data)
                except InvalidMessage as error:
                    await self._reject(error)
        except ConnectionClosed:
            if iterating:
                raise StopAsyncIteration from None
            raise

    def _interrupted(self, reader: "asyncio.Task[Any] | None", cancels: int) -> None:
        """What is to be done about a cancellation. Raises ConnectionClosed when `close` is all that it came from."""
        # As in asyncio.timeout: it is only `close` that cancelled the task if no cancellation is left without it.
        if reader is not None and self._reader is not reader and reader.uncancel() <= cancels:
            raise self._closed() from None

    def _arrived(self, message: Message) -> None:
        """Take the transition of the server's `message`. Raises ConnectionClosed when it is the last one."""
        event = message["type"]
        if event != "websocket.disconnect":
            self._state = self._after(event)
            return
        code = message.get("code")
        self._end(event, NO_STATUS if code is None else int(code), message.get("reason") or "")
        raise self._closed()

    async def _reject(self, invalid: InvalidMessage) -> None:
        """Do about an invalid message what `on_invalid` says. Raises ConnectionClosed when that was the end."""
        if isinstance(invalid, WrongMessageKind):  # it is whoever asked for the kind that has to know
            raise invalid
        policy = self._on_invalid
        if callable(policy):
            answer: Any = policy(invalid)
            if isawaitable(answer):
                answer = await answer
            if answer is not None:
                await self.send(answer)
        elif policy == "reply":
            await self.send_json(invalid.problem())
        elif policy == "close":
            await self.close(invalid.code, invalid.detail)
            raise self._closed() from invalid

    # Opening and closing

    async def accept(
        self,
        subprotocol: str | None = None,
        session_id: str | None = None,
        headers: HeaderItems = (),
        *,
        on_invalid: OnInvalid[Out] | None = None,
    ) -> None:
        """Answer the handshake: messages can be exchanged from here on.

        `subprotocol` is one of those the client offers, `session_id` is set as the session cookie, and `headers` are
        added to the handshake; `on_invalid` is set as the attribute is. Raises ValueError for a subprotocol that was
        not offered and for what cannot be sent in a header (nothing is sent then), RuntimeError when accepted before,
        ConnectionClosed when the client left.
        """
        if on_invalid is not None:
            self.on_invalid = on_invalid
        if self._state is _CONNECTING:
            await self._connected()
        self._after("websocket.accept")
        if subprotocol is not None and self._offered is not None and subprotocol not in self._offered:
            raise ValueError(f"The client does not offer the subprotocol {subprotocol!r}, only {list(self._offered)}")
        if session_id is not None and not _COOKIE_VALUE.fullmatch(session_id):
            raise ValueError("The session identifier has characters that a cookie cannot hold (RFC 6265 §4.1.1)")
        raw = _handshake_headers(headers)
        raw += _handshake_headers(await self._session_headers(session_id))
        self._state = self._after("websocket.accept")
        self.subprotocol, self.session_id = subprotocol, session_id
        self._on_accept = None
        try:
            await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw})
        except OSError as error:
            raise self._lost() from error

    async def _session_headers(self, session_id: str | None) -> HeaderItems:
        if self._on_accept is not None:
            return await self._on_accept(session_id)
        return [] if session_id is None else [_session_cookie(session_id)]

    async def close(self, code: int = NORMAL, reason: str | None = None) -> None:
        """Close the connection; before `accept`, refuse the handshake. Once it is closed this does nothing.

        `reason` is cut to the 123 bytes of UTF-8 that fit. A task that waits in one of the receiving methods gets
        ConnectionClosed (and its iteration ends). Raises ValueError for a code that must not be sent (RFC 6455 §7.4).
        """
        if code not in _SENDABLE_CODES:
            raise ValueError(f"{code} cannot be sent as a close code: use 1000 to 1003, 1007 to 1014 or 3000 to 4999")
        if self.closed:
            return
        self._end("websocket.close", code, _cut(reason or ""))
        if self._reader is not None:
            # Granian lets no close overtake a pending receive, and the others leave it waiting for the client.
            self._reader.cancel()
            self._reader = None
        await self._send_close(code)

    async def _send_close(self, code: int) -> None:
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": self.close_reason})
        except _GONE:
            pass  # the client was faster: closed is closed
        except Exception:  # daphne raises nothing narrower
            if not NORMAL < code < 3000:
                raise
            await self._send_close(code + _PRIVATE)

    # Receiving. `receive`, `send` and iteration hand on what is to be awaited: that spares every message a frame.

    def receive(self) -> Coroutine[Any, Any, In]:
        """The next message, decoded and checked. Raises ConnectionClosed when there is none, or it was not valid."""
        return self._next(self._decode, self._plain_in)

    async def receive_text(self) -> str:
        """The next message, which is text. Raises ConnectionClosed, and ValueError for a binary message."""
        return await self._next(read_text, str)

    async def receive_bytes(self) -> bytes:
        """The next message, which is binary. Raises ConnectionClosed, and ValueError for a text message."""
        return await self._next(read_bytes, bytes)

    @overload
    async def receive_json(self) -> Any: ...
    @overload
    async def receive_json(self, type: type[T]) -> T: ...
    @overload
    async def receive_json(self, type: Any) -> Any: ...  # a union, an Annotated: no `type[T]` to a type checker
    async def receive_json(self, type: Any = Any) -> Any:
        """The next message as JSON, text or binary, decoded and checked as `type`. Otherwise the same as `receive`."""
        return await self._next(make_json_message_decoder(type), None)

    def __aiter__(self) -> Self:
        """Every message, decoded and checked, until the connection is closed by either side. Accepts it if need be."""
        return self

    def __anext__(self) -> Coroutine[Any, Any, In]:
        return self._next(self._decode, self._plain_in, iterating=True)

    # Sending

    def send(self, out: Out) -> Coroutine[Any, Any, None]:
        """Send `out`: str as text, bytes as a binary message, anything else as JSON. Raises as `send_text` does."""
        return self._send_data(out if type(out) is self._plain_out else self._encode(out))

    async def send_text(self, data: str) -> None:
        """Send a text message. Raises RuntimeError before `accept`, ConnectionClosed after the end."""
        await self._send_data(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message. Raises RuntimeError before `accept`, ConnectionClosed after the end."""
        await self._send_data(data)

    async def send_json(self, value: object) -> None:
        """Send `value` as JSON in a text message. Raises as `send_text` does, and TypeError for what is not JSON."""
        await self._send_data(msgspec.json.encode(value).decode())

    async def _send_data(self, data: Any) -> None:
        if self._state is not _OPEN:
            self._after("websocket.send")
        try:
            await self._send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})
        except _GONE as error:
            raise self._lost() from error
