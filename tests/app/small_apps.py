"""This module holds what the tests of apps share: apps that do one thing, and what their handlers return."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from msgspec import Struct

from micropie import App

HTML = "text/html; charset=utf-8"


class Todo(Struct):
    title: str
    priority: int = 3


def app_returning(result: Callable[[], Any], *, sync: bool = False) -> App:
    """Create an app whose every path returns or raises what `result` returns or raises."""

    def blocking(self: App, *path: str) -> Any:
        return result()

    async def waiting(self: App, *path: str) -> Any:
        return result()

    app: App = type("Returning", (App,), {"index": blocking if sync else waiting})()
    return app


async def send_two_chunks() -> AsyncIterator[str]:
    yield "a"
    await asyncio.sleep(0)
    yield "b"
