"""One WebSocket's way through an app: middleware, route, handler, and how the connection ends.

A connection is `websockets.py`'s, a session `session_exchange.py`'s; this puts them together as `app.py` does for HTTP.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from .._utils.lazy_imports import asyncio, logging
from ..binding.handler import BoundHandler
from ..config import Limits, SessionConfig
from ..errors import BadRequest, ClientDisconnected, HTTPError
from ..middleware.base import WebSocketMiddleware
from ..middleware.compose import run_websocket_middleware
from ..requests.context import request_variable
from ..requests.request import WebSocketRequest
from ..routing.discovery import find_chosen_route
from ..routing.match import match_path
from ..routing.paths import split_path, split_prefix
from ..routing.route import Route
from ..routing.table import Mount, Trail
from ..sessions import SessionBackend
from ..sessions.lifecycle import build_identifier_header, load_session, save_after_response, save_and_build_headers
from ..types import Receive, Scope, Send
from ..websockets.connection import WebSocket
from ..websockets.messages import InvalidMessage
from ..websockets.protocol import INTERNAL_ERROR, POLICY_VIOLATION, SERVICE_RESTART, ConnectionClosed
from .mounting import build_mounted_scope
from .overrides import merge_overrides

T = TypeVar("T")

FAREWELL: Final = 1.0
"""Seconds that a close may take when there is no time left: a client that does not read must not hold up the end."""


class Connects(Protocol):
    """What serves WebSockets: an App."""

    ws_middlewares: list[WebSocketMiddleware]
    session_backend: SessionBackend
    session_config: SessionConfig
    limits: Limits

    def _run_sync(self, function: Callable[[], T]) -> Awaitable[T]: ...


async def serve_websocket(app: Connects, trail: Trail, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection to `app`, whose own node is `trail`."""
    request = WebSocketRequest(scope, receive, app.limits)
    request.root_app = app
    request.websocket = _connection(app, request, send)
    token = request_variable.set(request)
    try:
        try:
            await load_session(request, app.session_backend, app.session_config)
            await _through(app, request, send, trail, None)
        finally:
            if request.current_session is not None:
                await save_after_response(request, app.session_backend, app.session_config)
    except (ConnectionClosed, ClientDisconnected):
        pass
    except asyncio.CancelledError:
        # The server stops, and has waited long enough. Left to itself it may say 1011, which it is not.
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await request.websocket.close(SERVICE_RESTART, "The server stops")
        raise
    except Exception as error:
        await _fail(request, error)
    finally:
        try:
            if request.needs_cleanup:
                await request.clean_up()
        finally:
            request_variable.reset(token)


async def _fail(request: WebSocketRequest, error: Exception) -> None:
    """Close with what `error` means to the client."""
    if isinstance(error, HTTPError):
        reason = error.detail if isinstance(error, BadRequest) else str(error)
        await request.websocket.close(POLICY_VIOLATION if error.status < 500 else INTERNAL_ERROR, reason)
        return
    if isinstance(error, InvalidMessage):  # the client's doing
        await request.websocket.close(error.code, error.detail)
        return
    logging.getLogger("micropie").error("Failed: WEBSOCKET %r", request.scope["path"], exc_info=error)
    await request.websocket.close(INTERNAL_ERROR, "Internal Server Error")


def _connection(app: Connects, request: WebSocketRequest, send: Send) -> WebSocket[Any, Any]:
    """The connection of `request`; what it receives and sends is for its route to say."""

    async def on_accept(session_id: str | None) -> list[tuple[str, str]]:
        """The handshake's headers about the session: one that was begun, or the identifier that the handler gives."""
        if session_id is not None:
            return [build_identifier_header(request, app.session_config, session_id)]
        if request.current_session is None:
            return []
        return await save_and_build_headers(request, app.session_backend, app.session_config)

    limit = app.limits.websocket_message
    return WebSocket(request.receive, send, max_message=limit, on_accept=on_accept, scope=request.scope)


def _through(
    app: Connects, request: WebSocketRequest, send: Send, trail: Trail, segments: Sequence[str] | None
) -> Awaitable[None]:
    """What lets the middleware at the end of `trail` around what serves `segments` below it; None for the whole path.

    It and `_serve` choose, and hand on what is to be awaited: an idle connection keeps no frame of theirs.
    """
    middlewares = trail[-1].owner.ws_middlewares
    if not middlewares:
        return _serve(app, request, send, trail, segments)

    async def inner() -> None:
        await _serve(app, request, send, trail, segments)

    async def refuse(code: int, reason: str) -> None:
        await request.websocket.close(code, reason)

    return run_websocket_middleware(middlewares, request, inner, refuse)


def _serve(
    app: Connects, request: WebSocketRequest, send: Send, trail: Trail, segments: Sequence[str] | None
) -> Awaitable[None]:
    if segments is None:
        segments = split_path(request.scope)
    found: Route | Trail | Mount
    if request._route_handler is None:
        found, values = match_path(trail, segments, "")
    else:
        found, values = find_chosen_route(trail[-1], request, "")
    if isinstance(found, Mount):
        return found.app(build_mounted_scope(request.scope, split_prefix(request.scope, values)), request.receive, send)
    if isinstance(found, tuple):
        return _through(app, request, send, found, values)
    bound: BoundHandler = found
    if found.prepare is not None:
        bound = found.prepare(request, app._run_sync, merge_overrides(trail))
    request.websocket.set_types(*found.messages)
    return _run(request, bound, values)


async def _run(request: WebSocketRequest, bound: BoundHandler, values: Sequence[str]) -> None:
    request.path_params = values
    await bound.bind(bound.call, request, values)
    await request.websocket.close()
