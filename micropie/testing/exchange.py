"""This module runs one call of an ASGI app from the server's side and enforces the rules of ASGI.

The app runs in its own task, between two bounded channels. Tables say which messages the app may send in which state,
and which fields they have. A message that breaks a rule raises an error in the app, where the app sent it. What HTTP,
WebSocket and lifespan clients do with the messages is left to the modules named after them.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeAlias, TypeVar

from msgspec import UNSET, UnsetType

from .._utils import http_grammar
from ..types import ASGIApp, Message, Scope

T = TypeVar("T")

Closers: TypeAlias = set[Callable[[], Awaitable[None]]]
"""The close methods of everything that is open on a transport."""

GRACE: Final = 5.0
"""Seconds an app gets, at most, to end after its client has left, and again after it was cancelled."""

FIRST_STATES: Final[Mapping[str, str]] = {"http": "idle", "websocket": "connecting", "lifespan": "starting"}
"""Scope type → the state in which its exchange begins."""

TRANSITIONS: Final[Mapping[tuple[str, str], str]] = {
    # ASGI HTTP: one start, then bodies; "+" marks a body with more to come.
    ("idle", "http.response.start"): "answering",
    ("answering", "http.response.body+"): "answering",
    ("answering", "http.response.body"): "complete",
    # ASGI WebSocket: accept, close (which refuses), or a refusal by the HTTP response extension.
    ("connecting", "websocket.accept"): "open",
    ("connecting", "websocket.close"): "closed",
    ("connecting", "websocket.http.response.start"): "denying",
    ("denying", "websocket.http.response.body+"): "denying",
    ("denying", "websocket.http.response.body"): "denied",
    ("open", "websocket.send"): "open",
    ("open", "websocket.close"): "closed",
    # ASGI lifespan.
    ("starting", "lifespan.startup.complete"): "running",
    ("starting", "lifespan.startup.failed"): "failed",
    ("running", "lifespan.shutdown.complete"): "stopped",
    ("running", "lifespan.shutdown.failed"): "stopped",
}
"""(state, message that the app sends) → the next state. Any other message is an error in the app."""

FINAL_STATES: Final = frozenset({"complete", "closed", "denied", "failed", "stopped"})
"""The states in which an app may send nothing more."""

FIELDS: Final[Mapping[str, Mapping[str, tuple[type, ...]]]] = {
    "http.response.start": {"status": (int,), "trailers": (bool, UnsetType)},
    "http.response.body": {"body": (bytes, UnsetType), "more_body": (bool, UnsetType)},
    "websocket.accept": {"subprotocol": (str, type(None), UnsetType)},
    "websocket.send": {"text": (str, type(None), UnsetType), "bytes": (bytes, type(None), UnsetType)},
    "websocket.close": {"code": (int, UnsetType), "reason": (str, type(None), UnsetType)},
    "websocket.http.response.start": {"status": (int,)},
    "websocket.http.response.body": {"body": (bytes, UnsetType), "more_body": (bool, UnsetType)},
    "lifespan.startup.complete": {},
    "lifespan.startup.failed": {"message": (str, UnsetType)},
    "lifespan.shutdown.complete": {},
    "lifespan.shutdown.failed": {"message": (str, UnsetType)},
}
"""Message type → its fields and their types; `UnsetType` marks a field that may be absent."""

HEADER_NAME: Final = re.compile(http_grammar.TOKEN.encode())
UNSAFE_IN_HEADER_VALUE: Final = re.compile(http_grammar.UNSAFE_IN_FIELD_VALUE.encode())


class Closed(Exception):
    """An error for a channel that takes and holds no more items."""


class ClientLeft(OSError):
    """The error that `send` raises once the client has left (ASGI HTTP and WebSocket specs, 2.4)."""


class UnexpectedMessage(RuntimeError):
    """An error for a message that ASGI does not allow the app to send in its state."""


class Channel(Generic[T]):
    """A bounded queue that can be closed. `get` and `put` may be cancelled without losing an item."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._changed = asyncio.Event()
        self.closed = False

    async def put(self, item: T) -> None:
        """Add `item` as soon as the channel has space. Raises Closed."""
        while len(self._items) >= self._capacity and not self.closed:
            await self._changed.wait()
        self.push(item)

    def push(self, item: T) -> None:
        """Add `item` even if the channel is full. Raises Closed."""
        if self.closed:
            raise Closed
        self._items.append(item)
        self._wake()

    async def get(self) -> T:
        """Return the next item. Raises Closed when no further item will come."""
        while not self._items:
            if self.closed:
                raise Closed
            await self._changed.wait()
        item = self._items.popleft()
        self._wake()
        return item

    def close(self, *, discard: bool = False) -> None:
        """Refuse further items. The items inside can still be taken, unless `discard` is True."""
        self.closed = True
        if discard:
            self._items.clear()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def check_message(message: Message) -> Message:
    """Return a copy of `message` with its headers as a list.

    Raises TypeError or ValueError for a field that ASGI does not allow.
    """
    kind: str = message["type"]
    for field, types in FIELDS[kind].items():
        value = message.get(field, UNSET)
        if not isinstance(value, types):
            actual = "missing" if value is UNSET else type(value).__name__
            raise TypeError(f"{kind}: {field!r} must be {types[0].__name__}, not {actual}")
    if kind == "websocket.send" and (message.get("text") is None) == (message.get("bytes") is None):
        raise ValueError("websocket.send: exactly one of 'text' and 'bytes' must be given")
    headers = [(name, value) for name, value in message.get("headers", ())]
    for name, value in headers:
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise TypeError(f"{kind}: header names and values must be bytes, not {name!r}: {value!r}")
        if not HEADER_NAME.fullmatch(name) or UNSAFE_IN_HEADER_VALUE.search(value):
            raise ValueError(f"{kind}: {name!r}: {value!r} cannot be sent as a header")
    return {**message, "headers": headers}


def get_grace_period(timeout: float | None) -> float:
    """Return the seconds that an app gets to end by itself, where the client waits `timeout` for a message."""
    return GRACE if timeout is None else min(timeout, GRACE)


def ignore_message(message: Message) -> None:
    """Accept any message: the default `on_send` of an exchange."""


class Exchange:
    """A call of `app` for `scope`, run in a task, with a channel of messages each way.

    `to_app` and `from_app` hold at most `capacity` messages each. `has_received` is True once the app has received a
    message. `final_message` is what the app's `receive` returns once nothing else will come. `on_send` is called with
    each message that the app sends; what it raises is raised in the app.
    """

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        *,
        capacity: int,
        final_message: Message,
        on_send: Callable[[Message], None] = ignore_message,
    ) -> None:
        self.to_app: Channel[Message] = Channel(capacity)
        self.from_app: Channel[Message] = Channel(capacity)
        self.final_message = final_message
        self.state = FIRST_STATES[scope["type"]]
        self.has_received = False
        self._on_send = on_send
        self._capacity = capacity
        self._client_left = False
        self._unread_sends_left = 0
        """How many messages the app may still send after the client has left."""
        self._stopped = False
        self._error: BaseException | None = None
        self._task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except BaseException as error:  # noqa: BLE001  the test gets every exception: see take_error
            self._error = error
        finally:
            self.to_app.close(discard=True)
            self.from_app.close()

    async def _receive(self) -> Message:
        try:
            message = await self.to_app.get()
        except Closed:
            self._unread_sends_left = 0
            message = dict(self.final_message)
        self.has_received = True
        return message

    async def _send(self, message: Message) -> None:
        self._raise_if_client_left()
        kind: str = message["type"]
        next_state = TRANSITIONS.get((self.state, f"{kind}+" if message.get("more_body") else kind))
        if next_state is None:
            raise UnexpectedMessage(f"The app sent {kind!r} in the state {self.state!r}{self._describe_allowed()}")
        message = check_message(message)
        self._on_send(message)
        self.state = next_state
        if next_state in FINAL_STATES:
            self.to_app.close(discard=True)
        try:
            await self.from_app.put(message)
        except Closed:
            self._raise_if_client_left()
            self._unread_sends_left -= 1
        if next_state in FINAL_STATES:
            self.from_app.close()

    def _describe_allowed(self) -> str:
        allowed = dict.fromkeys(repr(kind.rstrip("+")) for state, kind in TRANSITIONS if state == self.state)
        return f"; expected {' or '.join(allowed)}" if allowed else "; expected nothing more"

    def _raise_if_client_left(self) -> None:
        if self._client_left and not self._unread_sends_left:
            raise ClientLeft("The client has left")

    def hang_up(self, *, discard: bool) -> None:
        """Make the client leave: the app receives `final_message`, and then its `send` raises ClientLeft.

        Unless `discard` is True, the app first receives what the client sent before. Until it receives the final
        message it may go on sending, as over a socket that nothing reads, but at most `capacity` messages.
        """
        self._client_left = True
        self._unread_sends_left = 0 if discard else self._capacity
        self.to_app.close(discard=discard)
        self.from_app.close(discard=True)

    async def finish(self, seconds: float | None) -> bool:
        """Wait until the app has ended. Cancel it after `seconds`, and return False if that was necessary.

        Raises RuntimeError when the app does not end even then.
        """
        try:
            await asyncio.wait({self._task}, timeout=seconds)
        finally:
            in_time = self._task.done()
            if not in_time:
                self._stopped = True
                self._task.cancel()
        if not in_time:
            await asyncio.wait({self._task}, timeout=GRACE)
            if not self._task.done():
                raise RuntimeError("The app ignored its cancellation; its task cannot be ended")
        return in_time

    def take_error(self) -> Exception | None:
        """Return the exception that the app raised, the first time only.

        Return None for an exception that only reports that the client left or that the app was cancelled.
        """
        error, self._error = self._error, None
        if error is None or (self._client_left and is_caused_by_leaving(error)):
            return None
        if isinstance(error, Exception):
            return error
        if self._stopped and isinstance(error, asyncio.CancelledError):
            return None
        # SystemExit and KeyboardInterrupt would end the event loop; the app's own CancelledError would cancel the test.
        wrapped = RuntimeError(f"The app raised {error!r}")
        wrapped.__cause__ = error
        return wrapped


def is_caused_by_leaving(error: BaseException) -> bool:
    """Return True if `error` is, or was raised from, nothing but the ClientLeft of `send`."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_caused_by_leaving, error.exceptions))
    if isinstance(error, ClientLeft):
        return True
    return error.__cause__ is not None and is_caused_by_leaving(error.__cause__)
