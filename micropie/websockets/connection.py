"""This module owns `WebSocket`, one connection: it sends and receives ASGI messages in the order that is allowed.

The rules of RFC 6455 and the state table are in `protocol.py`, and how types travel is in `messages.py`. Routes,
sessions and origins are left to the app, which adds its own headers to the handshake through `on_accept`.

Servers differ in what they leave out (`code`, `reason`, the unused one of `text` and `bytes`). They differ in how they
report that the client left (an OSError, a RuntimeError, silence), and in whether a close may overtake a pending
receive. This module evens out all of that.

It is longer than 400 lines because it holds a single class, all of whose methods share one state.
"""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar, overload

import msgspec

from .._utils.lazy_imports import asyncio
from ..config import Limits
from ..types import HeaderItems, Message, Receive, Scope, Send
from .messages import (
    MAX_CHARACTER_BYTES,
    InvalidMessage,
    OnInvalid,
    WrongMessageKind,
    check_policy,
    find_plain_type,
    make_json_message_decoder,
    make_message_decoder,
    make_message_encoder,
    measure_message,
    read_bytes,
    read_text,
)
from .protocol import (
    ABNORMAL,
    CLOSED,
    CONNECTING,
    MESSAGE_TOO_BIG,
    NO_STATUS,
    NORMAL,
    OPEN,
    PRIVATE_CODES,
    REMEDIES,
    SENDABLE_CODES,
    TRANSITIONS,
    ConnectionClosed,
    State,
    build_plain_session_cookie,
    cut_reason,
    encode_handshake_headers,
    make_code_private,
    parse_subprotocols,
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

MAX_MESSAGE: Final = Limits().websocket_message
"""Bytes of one incoming message, unless the app sets another limit."""

# What `send` raises when the client left after `accept`. ASGI asks for OSError. uvicorn raises RuntimeError for what
# follows a close by the server itself (1009, an unanswered ping); the state table excludes any other reason for that.
_CLIENT_LEFT: Final = (OSError, RuntimeError)


def _build_second_reader_error() -> RuntimeError:
    return RuntimeError("Another task is receiving from this WebSocket: let one task read for all")


class WebSocket(Generic[In, Out]):
    """A WebSocket connection that receives `In` and sends `Out`, both of which default to `str`.

        async def ws_chat(self, ws: WebSocket[Join | Say, Said]) -> None:
            await ws.accept()
            async for message in ws:
                ...
                await ws.send(Said(...))

    `str` and `bytes` travel as they are, as text and binary messages. Any other type that msgspec supports travels as
    JSON. By default, a message that does not fit `In` closes the connection with the reason: with code 1007 when it is
    not JSON or not UTF-8, and with 1008 otherwise. `on_invalid` sets another policy. A message of more than
    `max_message` bytes closes the connection with 1009. Every call on a closed connection raises ConnectionClosed.
    Every call that needs an accepted connection raises RuntimeError before `accept`.

    `receive` and `send` are the server's. `incoming` and `outgoing` repeat `In` and `Out` for the run time.
    `on_accept` is awaited with the session identifier that `accept` was given. It returns headers for the handshake,
    which replace the plain session cookie. `scope` lists the subprotocols that the client offers; without a scope,
    `accept` takes any subprotocol.
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
        """Return `WebSocket[In, str]` for `WebSocket[In]`."""
        arguments = types if isinstance(types, tuple) else (types,)
        missing = 2 - len(arguments) if cls is WebSocket else 0
        return super().__class_getitem__(arguments + (str,) * missing)  # type: ignore[misc]  # typeshed leaves it out

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
        self.set_types(incoming, outgoing)
        self._max_message = max_message
        self._on_accept = on_accept
        self._offered: tuple[str, ...] | None = None if scope is None else parse_subprotocols(scope)
        self._state = CONNECTING
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader: asyncio.Task[Any] | None = None
        self._on_invalid: OnInvalid[Out] = "close"
        self.session_id: str | None = None
        """The identifier of the client's session, or the one that `accept` was given; None without a session."""
        self.subprotocol: str | None = None
        """The subprotocol that `accept` was given."""
        self.close_code: int | None = None
        """The code that either side closed the connection with; None while it is not closed."""
        self.close_reason = ""
        """The reason that came with the code."""

    def set_types(self, incoming: Any, outgoing: Any) -> None:
        """Receive `incoming` and send `outgoing` from here on."""
        self._decode: Callable[[str | bytes], In] = make_message_decoder(incoming)
        self._encode: Callable[[Out], str | bytes] = make_message_encoder(outgoing)
        self._plain_in: type[In] | None = find_plain_type(incoming)
        self._plain_out = find_plain_type(outgoing)

    # State

    @property
    def accepted(self) -> bool:
        """True from `accept` until either side closes the connection: messages can be exchanged."""
        return self._state is OPEN

    @property
    def closed(self) -> bool:
        """True once either side has closed or refused the connection."""
        return self._state is CLOSED

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """The subprotocols that the client offers, its first choice first."""
        return self._offered or ()

    @property
    def on_invalid(self) -> OnInvalid[Out]:
        """The policy for messages that do not fit `In`; setting it raises ValueError for anything but these four.

        `"close"`, the default, closes the connection with the reason. After any other policy, the handler goes on
        reading. `"skip"` drops the message. `"reply"` sends `{"type": "invalid", "errors": [...]}`, each error with
        `detail` and `pointer` as over HTTP. A function is called with the InvalidMessage and may be async; what it
        returns is sent, unless it is None.
        """
        return self._on_invalid

    @on_invalid.setter
    def on_invalid(self, policy: OnInvalid[Out]) -> None:
        self._on_invalid = check_policy(policy)

    def _get_next_state(self, event: str) -> State:
        """Return the state that `event` leads to. Raises ConnectionClosed or RuntimeError if it may not happen now."""
        state = TRANSITIONS.get((self._state, event))
        if state is not None:
            return state
        if self._state is CLOSED:
            raise self._build_closed_error()
        remedy = REMEDIES.get(event, f"{event!r} from the server is out of order")
        raise RuntimeError(f"The WebSocket is {self._state.value}: {remedy}")

    def _enter_closed(self, event: str, code: int, reason: str) -> None:
        self._state = self._get_next_state(event)
        self._on_accept = None
        self.close_code = code
        self.close_reason = reason

    def _build_closed_error(self) -> ConnectionClosed:
        return ConnectionClosed(NO_STATUS if self.close_code is None else self.close_code, self.close_reason)

    def _note_loss(self) -> ConnectionClosed:
        """Close after the client left without a close frame, and return the error to raise."""
        if not self.closed:
            self._enter_closed("websocket.disconnect", ABNORMAL, "")
        return self._build_closed_error()

    # Receiving

    async def _await_connect(self) -> None:
        """Wait for the server's first message. Raises ConnectionClosed if it is also the last one."""
        if self._reader is not None:
            raise _build_second_reader_error()
        # Kept: asking for the loop costs more than all the rest of receiving a message.
        self._loop = asyncio.get_running_loop()
        self._current_task = asyncio.current_task
        reader = self._reader = asyncio.current_task()
        cancels = reader.cancelling() if reader else 0
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            self._check_cancellation(reader, cancels)
            raise
        finally:
            self._reader = None
        self._apply(message)

    async def _receive_message(
        self, decode: Callable[[str | bytes], T], plain: type[T] | None, iterating: bool = False
    ) -> T:
        """Return the next message that `decode` accepts; content of the type `plain` is returned as it is.

        Every message passes through here, so the common case is written out in this function, without calls. Rare
        cases have their own functions.
        """
        try:
            if iterating and self._state is not OPEN:
                await self.accept()
            while True:
                if self._state is not OPEN or self._reader is not None:
                    self._get_next_state("websocket.receive")
                    raise _build_second_reader_error()
                reader = self._reader = self._current_task(self._loop)
                cancels = reader.cancelling() if reader else 0
                try:
                    message = await self._receive()
                except asyncio.CancelledError:
                    self._check_cancellation(reader, cancels)
                    raise
                finally:
                    self._reader = None
                if self._state is not OPEN or message["type"] != "websocket.receive":
                    self._apply(message)
                data: Any = message.get("text")
                if data is None:
                    data = bytes(message.get("bytes") or b"")
                if len(data) * MAX_CHARACTER_BYTES > self._max_message and measure_message(data) > self._max_message:
                    await self.close(MESSAGE_TOO_BIG, f"Message larger than {self._max_message} bytes")
                    raise self._build_closed_error()
                if type(data) is plain:
                    # `data` is a T here: mypy and pyright see it, ty and pyrefly do not.
                    return data  # ty: ignore[invalid-explicit-return]  # pyrefly: ignore[bad-return]
                try:
                    return decode(data)
                except InvalidMessage as error:
                    await self._handle_invalid(error)
        except ConnectionClosed:
            if iterating:
                raise StopAsyncIteration from None
            raise

    def _check_cancellation(self, reader: "asyncio.Task[Any] | None", cancels: int) -> None:
        """Raise ConnectionClosed if `close` alone cancelled the task `reader`; else do nothing."""
        # As in asyncio.timeout: `close` alone cancelled the task if no cancellation is left without that one.
        if reader is not None and self._reader is not reader and reader.uncancel() <= cancels:
            raise self._build_closed_error() from None

    def _apply(self, message: Message) -> None:
        """Take the transition of the server's `message`. Raises ConnectionClosed if it ends the connection."""
        event = message["type"]
        if event != "websocket.disconnect":
            self._state = self._get_next_state(event)
            return
        code = message.get("code")
        self._enter_closed(event, NO_STATUS if code is None else int(code), message.get("reason") or "")
        raise self._build_closed_error()

    async def _handle_invalid(self, invalid: InvalidMessage) -> None:
        """Apply the `on_invalid` policy to a message. Raises ConnectionClosed if the policy closed the connection."""
        if isinstance(invalid, WrongMessageKind):  # for the handler, which asked for this kind of message
            raise invalid
        policy = self._on_invalid
        if callable(policy):
            reply: Any = policy(invalid)
            if isawaitable(reply):
                reply = await reply
            if reply is not None:
                await self.send(reply)
        elif policy == "reply":
            await self.send_json(invalid.problem())
        elif policy == "close":
            await self.close(invalid.code, invalid.detail)
            raise self._build_closed_error() from invalid

    # Opening and closing

    async def accept(
        self,
        subprotocol: str | None = None,
        session_id: str | None = None,
        headers: HeaderItems = (),
        *,
        on_invalid: OnInvalid[Out] | None = None,
    ) -> None:
        """Accept the handshake, so that messages can be exchanged.

        `subprotocol` is one that the client offers. `session_id` is sent as the session cookie, and the session is kept
        under it. `headers` are added to the handshake. `on_invalid` is set as the attribute is. Raises ValueError for a
        subprotocol that the client does not offer, an identifier that could be guessed and a header that cannot be
        sent, and sends nothing then. Raises RuntimeError if the connection was accepted before, and ConnectionClosed if
        the client left.
        """
        if on_invalid is not None:
            self.on_invalid = on_invalid
        if self._state is CONNECTING:
            await self._await_connect()
        self._get_next_state("websocket.accept")
        if subprotocol is not None and self._offered is not None and subprotocol not in self._offered:
            raise ValueError(f"The client does not offer the subprotocol {subprotocol!r}, only {list(self._offered)}")
        raw = encode_handshake_headers(headers)
        raw += encode_handshake_headers(await self._build_session_headers(session_id))
        self._state = self._get_next_state("websocket.accept")
        self.subprotocol = subprotocol
        if session_id is not None:
            self.session_id = session_id
        self._on_accept = None
        try:
            await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw})
        except OSError as error:
            raise self._note_loss() from error

    async def _build_session_headers(self, session_id: str | None) -> HeaderItems:
        plain = [] if session_id is None else [build_plain_session_cookie(session_id)]  # raises for a bad identifier
        return plain if self._on_accept is None else await self._on_accept(session_id)

    async def close(self, code: int = NORMAL, reason: str | None = None) -> None:
        """Close the connection, or refuse the handshake before `accept`. Do nothing if the connection is closed.

        `reason` is cut to the 123 bytes of UTF-8 that fit. A task that waits in a receiving method gets
        ConnectionClosed, and an iteration there ends. Raises ValueError for a code that must not be sent (RFC 6455
        §7.4).
        """
        if code not in SENDABLE_CODES:
            raise ValueError(f"{code} cannot be sent as a close code: use 1000 to 1003, 1007 to 1014 or 3000 to 4999")
        if self.closed:
            return
        self._enter_closed("websocket.close", code, cut_reason(reason or ""))
        if self._reader is not None:
            # Granian lets no close overtake a pending receive. Other servers leave the receive waiting for the client.
            self._reader.cancel()
            self._reader = None
        await self._send_close(code)

    async def _send_close(self, code: int) -> None:
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": self.close_reason})
        except _CLIENT_LEFT:
            pass  # the client closed first
        except Exception:  # daphne raises nothing narrower
            if not NORMAL < code < PRIVATE_CODES.start:
                raise
            await self._send_close(make_code_private(code))

    # `receive`, `send` and iteration return the inner coroutine, which saves every message a frame.

    def receive(self) -> Coroutine[Any, Any, In]:
        """Return the next message, decoded and checked.

        Raises ConnectionClosed at the end of the connection, which an invalid message may bring about.
        """
        return self._receive_message(self._decode, self._plain_in)

    async def receive_text(self) -> str:
        """Return the next message, a text message. Raises ConnectionClosed, and ValueError for a binary message."""
        return await self._receive_message(read_text, str)

    async def receive_bytes(self) -> bytes:
        """Return the next message, a binary message. Raises ConnectionClosed, and ValueError for a text message."""
        return await self._receive_message(read_bytes, bytes)

    @overload
    async def receive_json(self) -> Any: ...
    @overload
    async def receive_json(self, type: type[T]) -> T: ...
    @overload
    async def receive_json(self, type: Any) -> Any: ...  # a union or an Annotated, which is not a `type[T]`
    async def receive_json(self, type: Any = Any) -> Any:
        """Return the next message, text or binary, decoded from JSON and checked as `type`. Raises as `receive`."""
        return await self._receive_message(make_json_message_decoder(type), None)

    def __aiter__(self) -> Self:
        """Iterate over the decoded and checked messages until either side closes. Accept the connection if need be."""
        return self

    def __anext__(self) -> Coroutine[Any, Any, In]:
        return self._receive_message(self._decode, self._plain_in, iterating=True)

    # Sending

    def send(self, out: Out) -> Coroutine[Any, Any, None]:
        """Send `out`: str as text, bytes as a binary message, anything else as JSON. Raises as `send_text`."""
        return self._send_data(out if type(out) is self._plain_out else self._encode(out))

    async def send_text(self, data: str) -> None:
        """Send a text message. Raises RuntimeError before `accept`, and ConnectionClosed after the end."""
        await self._send_data(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message. Raises RuntimeError before `accept`, and ConnectionClosed after the end."""
        await self._send_data(data)

    async def send_json(self, value: object) -> None:
        """Send `value` as JSON in a text message. Raises as `send_text`, and TypeError for what JSON cannot express."""
        await self._send_data(msgspec.json.encode(value).decode())

    async def _send_data(self, data: Any) -> None:
        if self._state is not OPEN:
            self._get_next_state("websocket.send")
        try:
            await self._send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})
        except _CLIENT_LEFT as error:
            raise self._note_loss() from error
