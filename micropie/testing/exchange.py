"""One call of an ASGI app, seen from the server's side: what the app is told, what it answers, how it ends.

The app runs in a task of its own, between two bounded channels. What it may send, and when, stands in tables; a message
that breaks them is an error in the app, raised where the app sent it. Nothing here knows of HTTP clients.
"""

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeAlias, TypeVar

from .._utils import http_grammar
from ..sentinels import UNSET, Unset
from ..types import ASGIApp, Message, Scope

T = TypeVar("T")

Live: TypeAlias = set[Callable[[], Awaitable[None]]]
"""What is open on a transport: how to close each."""

GRACE: Final = 5.0
"""Seconds an app gets, at most, to end after its client has left, and again after it was cancelled."""

FIRST: Final[Mapping[str, str]] = {"http": "idle", "websocket": "connecting", "lifespan": "starting"}
"""Scope type → the state its conversation begins in."""

MOVES: Final[Mapping[tuple[str, str], str]] = {
    # ASGI HTTP: one start, then bodies; "+" marks a body with more to come.
    ("idle", "http.response.start"): "answering",
    ("answering", "http.response.body+"): "answering",
    ("answering", "http.response.body"): "complete",
    # ASGI WebSocket: accept, close (which refuses), or the extension's own refusal.
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
"""(state, what the app sends) → the next state. What is not here is an error in the app."""

LAST: Final = frozenset({"complete", "closed", "denied", "failed", "stopped"})
"""The states in which an app has nothing more to say."""

FIELDS: Final[Mapping[str, Mapping[str, tuple[type, ...]]]] = {
    "http.response.start": {"status": (int,), "trailers": (bool, Unset)},
    "http.response.body": {"body": (bytes, Unset), "more_body": (bool, Unset)},
    "websocket.accept": {"subprotocol": (str, type(None), Unset)},
    "websocket.send": {"text": (str, type(None), Unset), "bytes": (bytes, type(None), Unset)},
    "websocket.close": {"code": (int, Unset), "reason": (str, type(None), Unset)},
    "websocket.http.response.start": {"status": (int,)},
    "websocket.http.response.body": {"body": (bytes, Unset), "more_body": (bool, Unset)},
    "lifespan.startup.complete": {},
    "lifespan.startup.failed": {"message": (str, Unset)},
    "lifespan.shutdown.complete": {},
    "lifespan.shutdown.failed": {"message": (str, Unset)},
}
"""Message type → its fields and their types; `Unset` marks a field that may be absent."""

TOKEN: Final = re.compile(http_grammar.TOKEN.encode())
UNSAFE: Final = re.compile(http_grammar.UNSAFE_IN_FIELD_VALUE.encode())


class Closed(Exception):
    """Nothing more goes into this channel, or comes out of it."""


class ClientLeft(OSError):
    """What `send` raises once the client has left (ASGI HTTP and WebSocket specs, 2.4)."""


class UnexpectedMessage(RuntimeError):
    """The app sent a message that ASGI does not allow at this point."""


class Channel(Generic[T]):
    """A bounded queue with an end. `get` and `put` may be cancelled without losing an item."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._changed = asyncio.Event()
        self.closed = False

    async def put(self, item: T) -> None:
        """Add `item` as soon as there is room. Raises Closed."""
        while len(self._items) >= self._capacity and not self.closed:
            await self._changed.wait()
        self.push(item)

    def push(self, item: T) -> None:
        """Add `item`, room or not. Raises Closed."""
        if self.closed:
            raise Closed
        self._items.append(item)
        self._wake()

    async def get(self) -> T:
        """The next item. Raises Closed when there will not be one."""
        while not self._items:
            if self.closed:
                raise Closed
            await self._changed.wait()
        item = self._items.popleft()
        self._wake()
        return item

    def close(self, *, discard: bool = False) -> None:
        """Take nothing more. What is inside may still be taken, unless `discard`."""
        self.closed = True
        if discard:
            self._items.clear()
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def check_message(message: Message) -> Message:
    """A copy of `message`, its headers as a list. Raises TypeError or ValueError unless its fields are ASGI's."""
    kind: str = message["type"]
    for field, wanted in FIELDS[kind].items():
        value = message.get(field, UNSET)
        if not isinstance(value, wanted):
            found = "missing" if value is UNSET else type(value).__name__
            raise TypeError(f"{kind}: {field!r} must be {wanted[0].__name__}, not {found}")
    if kind == "websocket.send" and (message.get("text") is None) == (message.get("bytes") is None):
        raise ValueError("websocket.send: exactly one of 'text' and 'bytes' must be given")
    headers = [(name, value) for name, value in message.get("headers", ())]
    for name, value in headers:
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise TypeError(f"{kind}: header names and values must be bytes, not {name!r}: {value!r}")
        if not TOKEN.fullmatch(name) or UNSAFE.search(value):
            raise ValueError(f"{kind}: {name!r}: {value!r} cannot be sent as a header")
    return {**message, "headers": headers}


def grace_period(patience: float | None) -> float:
    """Seconds for an app to end by itself where the client waits `patience` for a message."""
    return GRACE if patience is None else min(patience, GRACE)


def nothing_to_watch(message: Message) -> None:
    """The `watch` of a conversation that needs none."""


class Conversation:
    """Runs `app` for `scope` in a task, and stands between it and whoever speaks to it.

    `to_app` and `from_app` hold at most `capacity` messages each; `heard` says whether the app has received one.
    `farewell` is what the app's `receive` gives once nothing else will come; `watch` sees each message that the app
    sends and may raise into the app.
    """

    def __init__(
        self,
        app: ASGIApp,
        scope: Scope,
        *,
        capacity: int,
        farewell: Message,
        watch: Callable[[Message], None] = nothing_to_watch,
    ) -> None:
        self.to_app: Channel[Message] = Channel(capacity)
        self.from_app: Channel[Message] = Channel(capacity)
        self.farewell = farewell
        self.state = FIRST[scope["type"]]
        self.heard = False
        self._watch = watch
        self._capacity = capacity
        self._left = False
        self._void = 0
        self._stopped = False
        self._error: BaseException | None = None
        self._task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the test: see take_error
            self._error = error
        finally:
            self.to_app.close(discard=True)
            self.from_app.close()

    async def _receive(self) -> Message:
        try:
            message = await self.to_app.get()
        except Closed:
            self._void = 0
            message = dict(self.farewell)
        self.heard = True
        return message

    async def _send(self, message: Message) -> None:
        self._refuse_the_dead()
        kind: str = message["type"]
        after = MOVES.get((self.state, f"{kind}+" if message.get("more_body") else kind))
        if after is None:
            raise UnexpectedMessage(f"The app sent {kind!r} while the conversation was {self.state!r}")
        message = check_message(message)
        self._watch(message)
        self.state = after
        if after in LAST:
            self.to_app.close(discard=True)
        try:
            await self.from_app.put(message)
        except Closed:
            self._refuse_the_dead()
            self._void -= 1
        if after in LAST:
            self.from_app.close()

    def _refuse_the_dead(self) -> None:
        if self._left and not self._void:
            raise ClientLeft("The client has left")

    def hang_up(self, *, discard: bool) -> None:
        """The client leaves: `receive` gives what it said (unless `discard`), then the farewell; then `send` fails.

        Until the app hears the farewell it may answer what it hears, into the void as over a socket, but not endlessly.
        """
        self._left = True
        self._void = 0 if discard else self._capacity
        self.to_app.close(discard=discard)
        self.from_app.close(discard=True)

    async def finish(self, seconds: float | None) -> bool:
        """Wait until the app has ended, cancelling it after `seconds`; False if that was needed.

        Raises RuntimeError when it does not end even then.
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
                raise RuntimeError("The app ignores that it was cancelled; its task cannot be ended")
        return in_time

    def take_error(self) -> Exception | None:
        """What the app raised, once: None when asked again, and for what only says that it was stopped."""
        error, self._error = self._error, None
        if error is None or (self._left and follows_from_leaving(error)):
            return None
        if isinstance(error, Exception):
            return error
        if self._stopped and isinstance(error, asyncio.CancelledError):
            return None
        # SystemExit and KeyboardInterrupt would end the event loop, the app's own cancellation would be the test's.
        wrapped = RuntimeError(f"The app raised {error!r}")
        wrapped.__cause__ = error
        return wrapped


def follows_from_leaving(error: BaseException) -> bool:
    """Whether `error` is nothing but `send`'s complaint that the client left, perhaps wrapped."""
    if isinstance(error, BaseExceptionGroup):
        return all(follows_from_leaving(each) for each in error.exceptions)
    if isinstance(error, ClientLeft):
        return True
    return error.__cause__ is not None and follows_from_leaving(error.__cause__)
