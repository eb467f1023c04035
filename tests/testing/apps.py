"""This module holds hand-written ASGI apps for the tests of the test clients. They use no framework."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from micropie.types import ASGIApp, Message, Receive, Scope, Send

T = TypeVar("T")


SOON = 0.05
"""A short `timeout`, in seconds, for tests in which it passes."""


def run(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an async test, and check that it leaves no task behind."""

    async def run_and_check() -> T:
        result = await test()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(run_and_check())


async def start(send: Send, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers or []})


async def body(send: Send, chunk: bytes = b"", more: bool = False) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": more})


def sends(*messages: Message) -> ASGIApp:
    """Build an app that sends these messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def answers(status: int = 200, chunk: bytes = b"", *headers: tuple[bytes, bytes]) -> ASGIApp:
    """Build an app that sends the same response to every request."""
    return sends(
        {"type": "http.response.start", "status": status, "headers": list(headers)},
        {"type": "http.response.body", "body": chunk},
    )


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Send the request's body back, a chunk for each `http.request`."""
    await start(send)
    while True:
        message = await receive()
        await body(send, message["body"], message["more_body"])
        if not message["more_body"]:
            return


class Recorder:
    """An app that answers 200 and keeps the scopes of its calls."""

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
    """An app that streams numbers until the client leaves. It records how many it sent and how it noticed the end."""

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
    """An app whose lifespan puts a pool into the state. It answers requests with the state in their scope."""

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
    """Build an app that receives the handshake, sends these messages, and raises `error` if it is given."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "websocket.connect"}
        await sends(*messages)(scope, receive, send)
        if error is not None:
            raise error

    return app


ACCEPT: Message = {"type": "websocket.accept"}


class Echo:
    """An app that accepts with the last offered subprotocol, echoes, and keeps what it received."""

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
