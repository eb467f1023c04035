"""This module speaks the lifespan protocol (ASGI lifespan 2.0) from both sides.

It serves the protocol to the server, and it drives it for a mounted application. What must start and stop is given as
context managers; this module keeps their order and exchanges the messages.
"""

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, cast

from .._utils.lazy_imports import asyncio, logging, traceback
from ..routing.table import Node
from ..types import ASGIApp, Hook, Message, Receive, Scope, Send


async def serve_lifespan(
    scope: Scope,
    receive: Receive,
    send: Send,
    parts: Sequence[AbstractAsyncContextManager[Mapping[str, Any] | None]],
) -> None:
    """Enter `parts` at startup and leave them, in reverse, at shutdown.

    What a part yields is put into the server's state, which requests see. If a part cannot start, the parts that had
    started are left again and the server gets the reason.
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


def collect_lifespans(node: Node, state: dict[str, Any]) -> list[AbstractAsyncContextManager[Mapping[str, Any] | None]]:
    """Return what starts and stops with the server: the app of `node`, the apps that it holds, those mounted."""
    apps = _list_apps(node, [])
    app_ids = {id(app.owner) for app in apps}
    mounted = {id(other): other for app in apps for other in app.mounts.values() if id(other) not in app_ids}
    return [
        *(run_app_lifespan(app.owner) for app in apps),
        *(run_lifespan(other, state) for other in mounted.values()),
    ]


def _list_apps(node: Node, seen: list[Node]) -> list[Node]:
    """Return the nodes of the apps at `node` and below, each once, the outermost first."""
    if any(node is visited for visited in seen):
        return []
    seen.append(node)
    apps = [node] if node.owner._builds_itself else []
    for child in node.children.values():
        apps += _list_apps(child, seen)
    return apps


class LifespanApp(Protocol):
    """An App, as far as starting and stopping needs it."""

    startup_handlers: list[Hook]
    shutdown_handlers: list[Hook]

    def lifespan(self) -> AbstractAsyncContextManager[Mapping[str, Any] | None]: ...


@asynccontextmanager
async def run_app_lifespan(app: LifespanApp) -> AsyncGenerator[Mapping[str, Any] | None]:
    """Run one app around the block: enter its `lifespan`, call its startup handlers, later its shutdown handlers."""
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
    """Call every shutdown handler, even if another one fails. Raises what they raised."""
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
    """Run the lifespan of another ASGI application around the block. Applications without lifespan support are ignored.

    Raises RuntimeError with the application's message when it cannot start or stop.
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

    async def announce(event: str) -> None:
        inbox.put_nowait({"type": f"lifespan.{event}"})
        reply = await outbox.get()
        if reply["type"] == "ended":
            outbox.put_nowait(reply)  # the application sends nothing more
        elif reply["type"] == f"lifespan.{event}.failed":
            raise RuntimeError(f"A mounted app failed at {event}: {reply.get('message', '')}")

    task = asyncio.create_task(run(), name="lifespan of a mounted app")
    try:
        await announce("startup")
        try:
            yield
        finally:
            await announce("shutdown")
    finally:
        task.cancel()
        await asyncio.wait([task])
