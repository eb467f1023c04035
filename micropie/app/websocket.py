"""This module takes one WebSocket connection through an app: middleware, route, handler, and the close at the end.

It does for WebSockets what `app/http` does for HTTP. The connection is a `websockets.connection.WebSocket`, and its
session is loaded and saved by `sessions/lifecycle`.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

from .._utils.lazy_imports import asyncio, logging
from ..binding.handler import BoundHandler
from ..config import Limits, SessionConfig
from ..errors import ClientDisconnected, HTTPError
from ..middleware.base import WebSocketMiddleware
from ..middleware.compose import run_websocket_middleware, split_early
from ..requests.context import request_variable
from ..requests.request import WebSocketRequest
from ..routing.discovery import find_chosen_route
from ..routing.match import match_path
from ..routing.paths import split_path, split_prefix
from ..routing.route import Route
from ..routing.table import Mount, Trail
from ..sessions import SessionBackend
from ..sessions.lifecycle import load_session, save_after_response, save_and_build_headers
from ..sessions.state import UnloadedSession
from ..types import Receive, Scope, Send
from ..websockets.connection import WebSocket
from ..websockets.messages import InvalidMessage
from ..websockets.protocol import INTERNAL_ERROR, SERVICE_RESTART, ConnectionClosed, choose_close
from .mounting import build_mounted_scope
from .overrides import merge_overrides
from .settings import apply_settings_below, find_session_config, is_session_wanted

T = TypeVar("T")

FAREWELL: Final = 1.0
"""Seconds that the close may take when the server stops: a client that does not read must not delay the stop."""


class WebSocketApp(Protocol):
    """An App, as far as serving WebSockets needs it."""

    ws_middlewares: list[WebSocketMiddleware]
    session_backend: SessionBackend
    session_config: SessionConfig
    limits: Limits

    def _run_sync(self, function: Callable[[], T]) -> Awaitable[T]: ...


async def serve_websocket(app: WebSocketApp, trail: Trail, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection to `app`, whose own node is the only one in `trail`."""
    request = WebSocketRequest(scope, receive, app.limits)
    request.micropie_app = app
    apply_settings_below(request, trail, None, "")
    request.websocket = _make_connection(app, request, send)
    token = request_variable.set(request)
    try:
        try:
            await _enter(app, request, send, trail, None)
        finally:
            if request.micropie_session is not None:
                await save_after_response(request, app.session_backend, find_session_config(app, request))
    except (ConnectionClosed, ClientDisconnected):
        pass
    except asyncio.CancelledError:
        # The server stops and has waited long enough. Without this close the server may send 1011, an internal error.
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await request.websocket.close(SERVICE_RESTART, "The server stops")
        raise
    except Exception as error:
        await _close_for(request, error)
    finally:
        try:
            if request.micropie_needs_cleanup:
                await request.micropie_clean_up()
        finally:
            request_variable.reset(token)


async def _close_for(request: WebSocketRequest, error: Exception) -> None:
    """Close the connection with the code and the reason that `error` has for the client."""
    if isinstance(error, HTTPError):
        await request.websocket.close(*choose_close(error))
        return
    if isinstance(error, InvalidMessage):  # the client sent it
        await request.websocket.close(error.code, error.detail)
        return
    logging.getLogger("micropie").error("Failed: WEBSOCKET %r", request.scope["path"], exc_info=error)
    await request.websocket.close(INTERNAL_ERROR, "Internal Server Error")


def _make_connection(app: WebSocketApp, request: WebSocketRequest, send: Send) -> WebSocket[Any, Any]:
    """Return the connection of `request`. Its route sets the types of its messages later."""

    async def on_accept(session_id: str | None) -> list[tuple[str, str]]:
        """Return the handshake's headers about the session.

        They give the client the identifier that the handler chose, or that of a session that began.
        """
        if session_id is None and request.micropie_session is None:
            return []
        headers = await save_and_build_headers(
            request, app.session_backend, find_session_config(app, request), session_id
        )
        request.websocket.session_id = session_id or request.session_state.identifier
        return headers

    limit = request.limits.websocket_message
    return WebSocket(request.receive, send, max_message=limit, on_accept=on_accept, scope=request.scope)


def _enter(
    app: WebSocketApp, request: WebSocketRequest, send: Send, trail: Trail, segments: Sequence[str] | None
) -> Awaitable[None]:
    """Return the awaitable that runs the middleware of the app at the end of `trail` around what serves `segments`.

    `segments` are the path below that app; None stands for the whole path. `_enter` and `_dispatch` are plain functions
    that return an awaitable, so that an idle connection keeps no frame of theirs in memory.
    """
    early, late = split_early(trail[-1].owner.ws_middlewares)
    if not (early or late):
        return _dispatch(app, request, send, trail, segments)

    async def inner() -> None:
        await _dispatch(app, request, send, trail, segments)

    async def refuse(code: int, reason: str) -> None:
        await request.websocket.close(code, reason)

    async def run_late() -> None:
        if isinstance(request.micropie_session, UnloadedSession):
            request.micropie_session = None
        if not apply_settings_below(request, trail, segments, ""):
            request.micropie_session = request.micropie_session or UnloadedSession()
        elif late and not find_session_config(app, request).explicit:
            await _load_session(app, request)
        await run_websocket_middleware(late, request, inner, refuse)

    if not early:
        return run_late()
    request.micropie_session = request.micropie_session or UnloadedSession()
    return run_websocket_middleware(early, request, run_late, refuse)


async def _load_session(app: WebSocketApp, request: WebSocketRequest) -> None:
    """Load the session of the connection, unless that was done before."""
    await load_session(request, app.session_backend, find_session_config(app, request))
    if request.micropie_session is not None:
        request.websocket.session_id = request.micropie_session.identifier


def _dispatch(
    app: WebSocketApp, request: WebSocketRequest, send: Send, trail: Trail, segments: Sequence[str] | None
) -> Awaitable[None]:
    """Return the awaitable of what serves `segments` below `trail`: a handler, a mounted app or a nested one."""
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
        return _enter(app, request, send, found, values)
    bound: BoundHandler = found
    if found.prepare is not None:
        bound = found.prepare(request, app._run_sync, merge_overrides(trail))
    request.websocket.set_types(*found.messages)
    return _run_handler(app, request, found, bound, values)


async def _run_handler(
    app: WebSocketApp, request: WebSocketRequest, route: Route, bound: BoundHandler, values: Sequence[str]
) -> None:
    if not route.loads_session:
        request.micropie_session = request.micropie_session or UnloadedSession()
    elif is_session_wanted(request, route, find_session_config(app, request)):
        await _load_session(app, request)
    request.path_params = values
    await bound.bind(bound.call, request, values)
    await request.websocket.close()
