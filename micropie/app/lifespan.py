"""The lifespan protocol (ASGI lifespan 2.0), from both sides: served to a server, and driven for a mounted app.

What has to start and stop is given as context managers; their order and the server's messages are kept here.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, TypeAlias, cast

from .._utils.lazy_imports import asyncio, logging, traceback
from ..types import ASGIApp, Message, Receive, Scope, Send

Hook: TypeAlias = Callable[[], Awaitable[object] | object]
"""A startup or shutdown handler: called, and awaited if need be."""


async def serve_lifespan(
    scope: Scope,
    receive: Receive,
    send: Send,
    parts: Sequence[AbstractAsyncContextManager[Mapping[str, Any] | None]],
) -> None:
    """Enter `parts` at startup and leave them, in reverse, at shutdown.

    What a part yields is put into the server's state, which requests see. A part that cannot start stops the server
    with the reason, after those that had started were left again.
    """
    await receive()  # lifespan.startup
    stage = "startup"
    try:
        async with AsyncExitStack() as stack:
            for part in parts:
                state = await stack.enter_async_context(part)
                if state:
                    scope.setdefault("state", {}).update(state)
            await send({"type": "lifespan.startup.complete"})
            await receive()  # lifespan.shutdown
            stage = "shutdown"
    except Exception as error:
        logging.getLogger("micropie").exception("The app failed at %s", stage)
        reason = "".join(traceback.format_exception_only(error)).strip()
        await send({"type": f"lifespan.{stage}.failed", "message": reason})
        return
    await send({"type": "lifespan.shutdown.complete"})


class Lives(Protocol):
    """What has a startup and a shutdown: an App."""

    startup_handlers: list[Hook]
    shutdown_handlers: list[Hook]

    def lifespan(self) -> AbstractAsyncContextManager[Mapping[str, Any] | None]: ...


@asynccontextmanager
async def run_app_lifespan(app: Lives) -> AsyncGenerator[Mapping[str, Any] | None]:
    """One app between its startup and its shutdown: its `lifespan` around its handlers."""
    surrounding: object = app.lifespan()
    if not isinstance(surrounding, AbstractAsyncContextManager):
        raise TypeError("lifespan must be decorated with contextlib.asynccontextmanager")
    async with surrounding as state:
        for hook in app.startup_handlers:
            await _call(hook)
        try:
            yield state
        finally:
            await _shut_down(app.shutdown_handlers)


async def _shut_down(hooks: Sequence[Hook]) -> None:
    """Call every shutdown handler, whatever becomes of the others. Raises what failed."""
    failures: list[Exception] = []
    for hook in hooks:
        try:
            await _call(hook)
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0] if len(failures) == 1 else ExceptionGroup("shutdown handlers failed", failures)


async def _call(hook: Hook) -> None:
    result = hook()
    if hasattr(result, "__await__"):
        await cast("Awaitable[object]", result)


@asynccontextmanager
async def run_lifespan(app: ASGIApp, state: dict[str, Any]) -> AsyncGenerator[None]:
    """Run the lifespan of another ASGI application around the block. One that has none is left in peace.

    Raises RuntimeError with the application's own words when it cannot start or stop.
    """
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}

    async def run() -> None:
        try:
            await app(scope, inbox.get, outbox.put)
        except Exception:
            logging.getLogger("micropie").debug("A mounted app has no lifespan", exc_info=True)
        finally:
            outbox.put_nowait({"type": "ended"})

    async def tell(event: str) -> None:
        inbox.put_nowait({"type": f"lifespan.{event}"})
        answer = await outbox.get()
        if answer["type"] == "ended":
            outbox.put_nowait(answer)  # it will not say anything else
        elif answer["type"] == f"lifespan.{event}.failed":
            raise RuntimeError(f"A mounted app failed at {event}: {answer.get('message', '')}")

    task = asyncio.create_task(run(), name="lifespan of a mounted app")
    try:
        await tell("startup")
        try:
            yield
        finally:
            await tell("shutdown")
    finally:
        task.cancel()
        await asyncio.wait([task])
