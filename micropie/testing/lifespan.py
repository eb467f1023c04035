"""This module runs the lifespan of an app under test: startup before the first request, shutdown after the last.

An app without lifespan support is served without it. An app whose startup or shutdown fails makes the test fail.
"""

import asyncio
from typing import Any, Literal

import httpx2

from ..types import ASGIApp, Message
from .exchange import Closed, Exchange, UnexpectedMessage


class LifespanFailed(Exception):
    """An error for an app that sent `lifespan.startup.failed` or `lifespan.shutdown.failed`. Its text is the app's."""


class Lifespan:
    """A runner of `app`'s lifespan, which fills `state`. `timeout` is the seconds that each of its events may take."""

    def __init__(self, app: ASGIApp, state: dict[str, Any], timeout: float | None) -> None:
        self._app = app
        self._state = state
        self._timeout = timeout
        self._exchange: Exchange | None = None

    async def startup(self) -> None:
        """Start the app. Raises what the app raised, else LifespanFailed, or httpx2.ReadTimeout."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        exchange = Exchange(self._app, scope, capacity=1, final_message={"type": "lifespan.shutdown"})
        exchange.to_app.push({"type": "lifespan.startup"})
        reply = await self._get_reply(exchange, "startup")
        if reply is not None and reply["type"] == "lifespan.startup.complete":
            self._exchange = exchange
            return
        await self._end(exchange, "startup")
        error = exchange.take_error()
        if reply is not None:
            raise error or LifespanFailed(reply.get("message", ""))
        # ASGI lets an app raise on a scope that it does not support. An app that received "startup" supports it.
        if error is not None and exchange.has_received and not isinstance(error, UnexpectedMessage):
            raise error

    async def shutdown(self) -> None:
        """Shut the app down, if it was started. Raises as `startup` does."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        exchange.to_app.close()
        reply = await self._get_reply(exchange, "shutdown")
        await self._end(exchange, "shutdown")
        error = exchange.take_error()
        if error is not None:
            raise error
        if reply is not None and reply["type"] == "lifespan.shutdown.failed":
            raise LifespanFailed(reply.get("message", ""))

    async def _get_reply(self, exchange: Exchange, event: Literal["startup", "shutdown"]) -> Message | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await exchange.from_app.get()
        except Closed:
            return None
        except BaseException as error:
            await exchange.finish(0)
            if isinstance(error, TimeoutError):
                raise self._build_timeout_error(event) from None
            raise

    async def _end(self, exchange: Exchange, event: Literal["startup", "shutdown"]) -> None:
        if not await exchange.finish(self._timeout):
            raise self._build_timeout_error(event)

    def _build_timeout_error(self, event: Literal["startup", "shutdown"]) -> httpx2.ReadTimeout:
        return httpx2.ReadTimeout(f"lifespan.{event}: the app did not complete it within {self._timeout:g} s")
