"""Hand-written ASGI apps that the tests of the test clients call: no framework is involved."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from micropie.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")


SOON = 0.05
"""A `timeout` for tests that want to see it pass."""


def run(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an async test, and hold it to leaving no task behind."""

    async def alone() -> T:
        result = await test()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(alone())


async def start(send: Send, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers or []})


async def body(send: Send, chunk: bytes = b"", more: bool = False) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": more})


def sends(*messages: Message) -> ASGIApp:
    """An app that sends just these."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def answers(status: int = 200, chunk: bytes = b"", *headers: tuple[bytes, bytes]) -> ASGIApp:
    """An app with one answer for everything."""
    return sends(
        {"type": "http.response.start", "status": status, "headers": list(headers)},
        {"type": "http.response.body", "body": chunk},
    )


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it was sent, one chunk for each `http.request`."""
    await start(send)
    while True:
        message = await receive()
        await body(send, message["body"], message["more_body"])
        if not message["more_body"]:
            return


class Recorder:
    """Answers 200 and keeps the scopes it was called with."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.scopes: list[Scope] = []
        self.headers = list(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept", "headers": self.headers})
        else:
            await start(send, headers=self.headers)
            await body(send)


class Endless:
    """Streams numbers until its client leaves; notes how far it came and how it heard of the end."""

    def __init__(self, *, polite: bool = False) -> None:
        self.polite = polite
        self.sent = 0
        self.end: object = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await start(send)
        try:
            while True:
                if self.polite and self.sent == 3:
                    self.end = (await receive())["type"]
                    return
                await body(send, b"%d\n" % self.sent, more=True)
                self.sent += 1
        except OSError as error:
            self.end = type(error).__mro__[1]


class Lifespan:
    """Has a lifespan that puts a pool into the state; answers with what its scope has of that."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.events.append((await receive())["type"])
            scope["state"]["pool"] = ["connection"]
            await send({"type": "lifespan.startup.complete"})
            self.events.append((await receive())["type"])
            await send({"type": "lifespan.shutdown.complete"})
        else:
            self.events.append(scope["type"])
            await start(send)
            await body(send, repr(scope["state"]).encode())
            scope["state"]["mine"] = True


class Broken(Exception):
    pass


def fails_after(*messages: Message, error: BaseException | None = None) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(*messages)(scope, receive, send)
        raise error or Broken("in the app")

    return app


STARTED: Message = {"type": "http.response.start", "status": 200, "headers": []}


PART: Message = {"type": "http.response.body", "body": b"part", "more_body": True}


WHOLE: Message = {"type": "http.response.body", "body": b"whole"}


async def sleeps(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(60)


def sleeps_after(*messages: Message) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await sends(*messages)(scope, receive, send)
        await asyncio.sleep(60)

    return app


def ws(*messages: Message, error: Exception | None = None) -> ASGIApp:
    """An app that hears the handshake, sends these, and perhaps fails."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "websocket.connect"}
        await sends(*messages)(scope, receive, send)
        if error is not None:
            raise error

    return app


ACCEPT: Message = {"type": "websocket.accept"}


class Echo:
    """Accepts with the last subprotocol offered, echoes, and keeps what it received."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.received: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.received.append(await receive())
        chosen = (scope["subprotocols"] or [None])[-1]
        await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-echo", b"yes")]})
        while self.received[-1]["type"] != "websocket.disconnect":
            self.received.append(await receive())
            if self.received[-1]["type"] == "websocket.receive":
                await send({**self.received[-1], "type": "websocket.send"})
