"""The lifespan of an app under test: startup before the first request, shutdown after the last.

An app without lifespan support is left in peace; one whose startup fails says so in the test.
"""

import asyncio
from typing import Any, Literal

import httpx2

from ..types import ASGIApp, Message
from .exchange import Closed, Conversation, UnexpectedMessage


class LifespanFailed(Exception):
    """The app answered `lifespan.startup.failed` or `lifespan.shutdown.failed`; the message is the app's."""


class Lifespan:
    """Runs the lifespan of `app`, which fills `state`. `patience` is the seconds that each of its answers may take."""

    def __init__(self, app: ASGIApp, state: dict[str, Any], patience: float | None) -> None:
        self._app = app
        self._state = state
        self._patience = patience
        self._talk: Conversation | None = None

    async def startup(self) -> None:
        """Start the app up. Raises what the app raised, else LifespanFailed, or httpx2.ReadTimeout."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        talk = Conversation(self._app, scope, capacity=1, farewell={"type": "lifespan.shutdown"})
        talk.to_app.push({"type": "lifespan.startup"})
        answer = await self._answer(talk, "startup")
        if answer is not None and answer["type"] == "lifespan.startup.complete":
            self._talk = talk
            return
        await self._end(talk, "startup")
        error = talk.take_error()
        if answer is not None:
            raise error or LifespanFailed(answer.get("message", ""))
        # ASGI lets an app raise on a scope that it does not know. One that had already heard "startup" did know it.
        if error is not None and talk.heard and not isinstance(error, UnexpectedMessage):
            raise error

    async def shutdown(self) -> None:
        """Shut the app down, if it was started up. Raises as `startup` does."""
        talk, self._talk = self._talk, None
        if talk is None:
            return
        talk.to_app.close()
        answer = await self._answer(talk, "shutdown")
        await self._end(talk, "shutdown")
        error = talk.take_error()
        if error is not None:
            raise error
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            raise LifespanFailed(answer.get("message", ""))

    async def _answer(self, talk: Conversation, event: Literal["startup", "shutdown"]) -> Message | None:
        try:
            async with asyncio.timeout(self._patience):
                return await talk.from_app.get()
        except Closed:
            return None
        except BaseException as error:
            await talk.finish(0)
            if isinstance(error, TimeoutError):
                raise self._too_slow(event) from None
            raise

    async def _end(self, talk: Conversation, event: Literal["startup", "shutdown"]) -> None:
        if not await talk.finish(self._patience):
            raise self._too_slow(event)

    def _too_slow(self, event: Literal["startup", "shutdown"]) -> httpx2.ReadTimeout:
        return httpx2.ReadTimeout(f"lifespan.{event}: the app was not through with it after {self._patience:g} s")
