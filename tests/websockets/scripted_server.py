"""This module plays the server side of a WebSocket: it follows a script and records what the app sends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from micropie.types import Message
from micropie.websockets.connection import WebSocket
from micropie.websockets.protocol import ConnectionClosed

T = TypeVar("T")
CONNECT: Message = {"type": "websocket.connect"}
LEAVE: Message = {"type": "websocket.disconnect", "code": 4001, "reason": "done"}


def text(data: str) -> Message:
    return {"type": "websocket.receive", "text": data}


def binary(data: bytes) -> Message:
    return {"type": "websocket.receive", "bytes": data}


class Server:
    """A server that sends the messages of `script`, records what the app sends, and then waits for ever."""

    def __init__(self, *script: Message) -> None:
        self.script = list(script)
        self.sent: list[Message] = []
        self.fails: dict[str, Exception] = {}
        """The error that `send` raises, by the type of the message."""
        self.waiting = asyncio.Event()
        """Set when the app waits for a message that does not come."""
        self.cancelled = False

    async def receive(self) -> Message:
        if self.script:
            return self.script.pop(0)
        self.waiting.set()
        try:
            return await asyncio.Future()
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    async def send(self, message: Message) -> None:
        if message["type"] in self.fails:
            raise self.fails[message["type"]]
        self.sent.append(message)

    @property
    def closes(self) -> list[tuple[int, str]]:
        return [(sent["code"], sent["reason"]) for sent in self.sent if sent["type"] == "websocket.close"]


async def open_connection(server: Server, **options: Any) -> WebSocket[Any, Any]:
    server.script.insert(0, CONNECT)
    ws: WebSocket[Any, Any] = WebSocket(server.receive, server.send, **options)
    await ws.accept()
    server.sent.clear()
    return ws


async def collect(ws: WebSocket[Any, Any]) -> list[Any]:
    return [message async for message in ws]


Call = Callable[[WebSocket[Any, Any]], Awaitable[object]]
CALLS: dict[str, Call] = {
    "accept": lambda ws: ws.accept(),
    "receive": lambda ws: ws.receive(),
    "receive_text": lambda ws: ws.receive_text(),
    "receive_bytes": lambda ws: ws.receive_bytes(),
    "receive_json": lambda ws: ws.receive_json(),
    "next": lambda ws: anext(ws),
    "send": lambda ws: ws.send("out"),
    "send_text": lambda ws: ws.send_text("out"),
    "send_bytes": lambda ws: ws.send_bytes(b"out"),
    "send_json": lambda ws: ws.send_json("out"),
    "close": lambda ws: ws.close(),
}


async def create_connection(server: Server) -> WebSocket[Any, Any]:
    server.script.insert(0, CONNECT)
    return WebSocket(server.receive, server.send)


async def not_accepted(server: Server) -> WebSocket[Any, Any]:
    ws = await create_connection(server)
    with pytest.raises(ValueError, match="name"):
        await ws.accept(headers=[("no name", "")])
    return ws


async def refused(server: Server) -> WebSocket[Any, Any]:
    ws = await create_connection(server)
    await ws.close(1008)
    return ws


async def closed_by_us(server: Server) -> WebSocket[Any, Any]:
    ws = await open_connection(server)
    await ws.close(1000)
    return ws


async def closed_by_client(server: Server) -> WebSocket[Any, Any]:
    ws = await open_connection(server)
    server.script.insert(0, LEAVE)
    with pytest.raises(ConnectionClosed):
        await ws.receive_text()
    return ws
