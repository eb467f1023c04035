"""`App` and `Resource`: what a user subclasses, and the way of one request through it.

A request goes from `__call__` to `_asgi_app_http` to `_answer`, which matches the route, lets arrive what its
signature asks for, and has the route's binder call the handler; the result leaves by `send_response`. Everything that
one could know beforehand was decided when the routes were made. WebSockets go the same way by `_asgi_app_websocket`.
"""

import asyncio
import contextvars
import logging
import os
from abc import ABCMeta
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

from .bodies import Media, media_of, parse_cookies, parse_multipart
from .config import Limits, SessionConfig
from .debug import traceback_page
from .discovery import Builder, Tree, list_routes
from .errors import BadRequest, ClientDisconnected, HTTPError, SetupError
from .lifespan import Hook, lifespan_of, living, serve_lifespan
from .middleware.base import HttpMiddleware, WebSocketMiddleware
from .middleware.compose import Reply, after_http, through_http, through_websocket
from .mounting import Mounted, mounted_scope, run_mounted
from .requests import Request, WebSocketRequest, current, current_request
from .responses import error_response, prefers_problem, redirect, send_response, split
from .routing import Mode, Node, Route, split_path
from .session_exchange import identifying, open_session, save_late, session_headers
from .sessions import InMemorySessionBackend, SessionBackend
from .streaming import BrokenResponse
from .templates import Templates
from .types import ASGIApp, HeaderItems, Receive, Scope, Send
from .websockets import ConnectionClosed, WebSocket

if TYPE_CHECKING:
    import jinja2

T = TypeVar("T")
logger = logging.getLogger("micropie")

ErrorHandler: TypeAlias = Callable[[Request, Any], Any]
"""Called with the request and the exception; returns, or awaits to, anything that a handler may return."""

POLICY_VIOLATION: Final = 1008
INTERNAL_ERROR: Final = 1011


class Resource(Tree):
    """One thing at one URL: its methods `get`, `post`, `put`, `patch` and `delete` answer the HTTP methods.

    Held as an attribute of an App or of another Resource, whose URL it continues. Its other public methods are URLs
    below it, as an App's are.
    """

    _verbs = True

    @property
    def request(self) -> Request:
        """The request that is being answered. Raises RuntimeError outside of one."""
        return current_request()


class _AppType(ABCMeta):
    """Builds the routes of an App once its `__init__`, whoever wrote it, is done."""

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        made: Any = type.__call__(cls, *args, **kwargs)
        made._build()
        app: T = made
        return app


class App(Tree, metaclass=_AppType):
    """An ASGI application: subclass it, and every public method is a URL (see the documentation's "Routing").

    `session_backend` keeps the sessions, in memory unless another is given. Everything else is keyword-only:
    `limits` on what clients may send, `sessions` for the session cookie, `debug` for pages with tracebacks and for
    results that are checked, `templates` for their directory. Raises SetupError, naming every handler that cannot
    work, with the remedy.
    """

    _hooks = ("lifespan",)

    middlewares: list[HttpMiddleware]
    """Run for every HTTP request: in this order before the handler, in reverse after it."""
    ws_middlewares: list[WebSocketMiddleware]
    """The same for WebSockets."""
    startup_handlers: list[Hook]
    """Called, and awaited if need be, before the first request."""
    shutdown_handlers: list[Hook]
    """Called, and awaited if need be, after the last request."""
    error_handlers: dict[type[Exception], ErrorHandler]
    """What answers an exception, by its class or the nearest one above it."""
    session_backend: SessionBackend
    limits: Limits
    session_config: SessionConfig
    debug: bool
    check_returns: bool
    """Whether results are held against return annotations: in debug mode and under the test client."""
    _mounts: dict[tuple[str, ...], ASGIApp]
    _templates: Templates
    _threads: ThreadPoolExecutor | None

    def __new__(cls, *_: Any, **__: Any) -> Self:
        # Not in __init__: a subclass may be a dataclass, whose __init__ calls no other, and may be frozen.
        self = super().__new__(cls)
        defaults: dict[str, Any] = {
            "middlewares": [],
            "ws_middlewares": [],
            "startup_handlers": [],
            "shutdown_handlers": [],
            "error_handlers": {},
            "session_backend": InMemorySessionBackend(),
            "limits": Limits(),
            "session_config": SessionConfig(),
            "debug": False,
            "check_returns": False,
            "_templates": Templates(),
            "_mounts": {},
            "_threads": None,
        }
        for name, value in defaults.items():
            object.__setattr__(self, name, value)
        return self

    def __init__(
        self,
        session_backend: SessionBackend | None = None,
        *,
        limits: Limits | None = None,
        sessions: SessionConfig | None = None,
        debug: bool = False,
        templates: str | os.PathLike[str] = "templates",
    ) -> None:
        if session_backend is not None:
            self.session_backend = session_backend
        self.limits = limits or self.limits
        self.session_config = sessions or self.session_config
        self.debug = self.check_returns = debug
        self._templates = Templates(templates)

    # --- what handlers use ---

    @property
    def request(self) -> Request:
        """The request that is being answered. Raises RuntimeError outside of one."""
        return current_request()

    @property
    def env(self) -> "jinja2.Environment":
        """The Jinja2 environment of `_render_template`. Raises MissingDependency without Jinja2."""
        return self._templates.env

    @env.setter
    def env(self, env: "jinja2.Environment") -> None:
        self._templates.env = env

    async def _render_template(self, name: str, /, **context: object) -> str:
        """The template `name`, rendered with `context`; values are escaped in markup.

        Raises jinja2.TemplateNotFound, and MissingDependency without Jinja2.
        """
        return await self._templates.render(name, context)

    def _redirect(
        self, location: str, extra_headers: HeaderItems | None = None, *, external: bool = False
    ) -> tuple[int, str, list[tuple[str, str]]]:
        """A redirection (302) to `location`, to be returned by a handler; `extra_headers` go with it.

        Raises ValueError for what leads elsewhere than it seems (`//host`, `javascript:`), unless `external`.
        """
        return redirect(location, extra_headers or (), external=external)

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[Mapping[str, Any] | None]:
        """Override it, decorated with `contextlib.asynccontextmanager`: what surrounds all requests.

        It is entered before the startup handlers and left after the shutdown handlers. A mapping that it yields is
        put into every request's `state`.
        """
        yield None

    def mount(self, prefix: str, app: ASGIApp) -> None:
        """Hand every request below the path `prefix` to another ASGI application, whose lifespan is run too.

        It sees `root_path` and `path` as ASGI has them. Raises ValueError for a prefix without a leading slash.
        """
        if not prefix.startswith("/") or "//" in prefix:
            raise ValueError(f"mount({prefix!r}): a prefix starts with '/', as in '/static'")
        self._mounts[tuple(prefix.strip("/").split("/")) if prefix.strip("/") else ()] = app

    @property
    def routes(self) -> Mapping[str, Route]:
        """Every route by its key: `/greet/{name}`, `GET /todos` where the method matters, `WEBSOCKET /chat`.

        `routes[key].source` is the generated code that binds its requests.
        """
        return dict(list_routes(self._node))

    def _build(self) -> None:
        problems = Builder(self).build()
        self._node.mounts = self._mounts
        self._node.intercepts = self._intercepts
        if problems:
            raise SetupError(problems)

    def _intercepts(self, scope_type: str) -> bool:
        """Whether an app that is held by another has something to do around its requests."""
        middlewares = self.middlewares if scope_type == "http" else self.ws_middlewares
        return bool(middlewares or self._mounts or self.error_handlers)

    # --- ASGI ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point. Raises ValueError for a scope type that ASGI 3 does not know."""
        kind = scope["type"]
        if kind == "http":
            await self._asgi_app_http(scope, receive, send)
        elif kind == "websocket":
            await self._asgi_app_websocket(scope, receive, send)
        elif kind == "lifespan":
            await serve_lifespan(scope, receive, send, self._lifespan_parts(scope))
            self._stop_threads()
        else:
            raise ValueError(f"micropie does not speak {kind!r}: it answers http, websocket and lifespan scopes")

    async def _asgi_app_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive, self.limits)
        token = current.set(request)
        try:
            if self.middlewares:
                status, body, headers = await self._through(self, request, None)
            else:
                try:
                    status, body, headers = await self._answer(request, self._node, split_path(scope))
                except ClientDisconnected:
                    return
                except Exception as error:
                    status, body, headers = await self._failed(request, error, self)
            if request._session is None:
                await self._respond(request, send, status, body, headers)
            else:
                await self._respond_with_session(request, send, status, body, headers)
        except ClientDisconnected:
            return
        finally:
            current.reset(token)
            if request.multipart is not None:
                await request.multipart.close()

    async def _answer(self, request: Request, node: Node, segments: Sequence[str]) -> Reply:
        """What the handler for `segments` below `node` returned, in normal form. Raises what refuses the request."""
        if node.mounts:
            mount = node.find_mount(segments)
            if mount is not None:
                return 200, Mounted(mount[1], mounted_scope(request.scope, mount[0])), []
        if request._route_handler is None:
            found, values = node.match(segments, request.method)
            if isinstance(found, Node):
                return await self._through(found.owner, request, (found, values))
        else:
            found, values = _named_route(node, request._route_handler), [str(value) for value in request.path_params]
        request.path_params = values
        if request._cookie_header:
            await open_session(request, self.session_backend, self.session_config)
        if request.has_body:
            await _receive_body(request, found, values)
        result = found.bind(found.call, request, values)
        if found.mode is Mode.ASYNC:
            result = await result
        elif found.mode is Mode.THREAD:
            result = await self._run_sync(result)
        if hasattr(result, "__await__"):
            result = await result
        reply = split(result)
        if self.check_returns and found.signature.returns is not None:
            found.signature.returns.check(reply[0], reply[1])
        return reply

    async def _through(self, app: "App", request: Request, below: tuple[Node, Sequence[str]] | None) -> Reply:
        """The reply as the middleware of `app` leaves it: this app, or one held by it that answers at `below`."""

        async def inner() -> Reply:
            node, segments = below or (self._node, split_path(request.scope))
            return await self._answer(request, node, segments)

        failed = partial(self._failed, request, app=app)
        due: Sequence[HttpMiddleware]
        try:
            if below is None:
                await self._prepare(request)
        except ClientDisconnected:
            raise
        except Exception as error:
            reply, due = await failed(error), tuple(reversed(app.middlewares))
        else:
            reply, due = await through_http(app.middlewares, request, inner, failed)
        if isinstance(reply[1], Mounted):
            reply[1].due.extend(due)
            return reply
        return await after_http(due, request, reply, failed)

    async def _prepare(self, request: Request) -> None:
        """What middleware may look at without waiting: the session, and a JSON or urlencoded body."""
        if request._cookie_header:
            await open_session(request, self.session_backend, self.session_config)
        if request.has_body and media_of(request.content_type) in (Media.JSON, Media.FORM):
            await request.read_body()

    async def _failed(self, request: Request, error: Exception, app: "App") -> Reply:
        """The answer to what a handler, a middleware or the request itself raised."""
        for one in dict.fromkeys((id(app), id(self))):
            handlers = (app if one == id(app) else self).error_handlers
            handler = next((handlers[cls] for cls in type(error).__mro__ if cls in handlers), None)
            if handler is not None:
                try:
                    result = handler(request, error)
                    return split(await result if hasattr(result, "__await__") else result)
                except Exception as again:
                    error = again
        if not isinstance(error, HTTPError):
            logger.error("Failed: %s %s", request.method, request.scope["path"], exc_info=error)
            if self.debug:
                page = traceback_page(error, request.method, request.scope["path"])
                return 500, page, [("Content-Type", "text/html; charset=utf-8")]
            error = HTTPError(500)
        as_problem = prefers_problem(request.content_type, request.headers.get("accept", ""))
        return error_response(error, as_problem=as_problem)

    async def _respond(self, request: Request, send: Send, status: int, body: object, headers: HeaderItems) -> None:
        """Send a reply; what turns out impossible to send becomes a 500. Raises BrokenResponse once it had begun."""
        scope, receive = request.scope, request.receive
        try:
            if type(body) is Mounted:
                failed = partial(self._failed, request, app=self)
                return await run_mounted(body, request, send, list(headers), failed)
            listen = request.body_ended
            await send_response(scope, receive, send, status, body, headers, listen=listen, run_sync=self._run_sync)
        except (BrokenResponse, ClientDisconnected):
            raise
        except Exception as error:
            if type(body) is Mounted:
                raise
            status, body, headers = await self._failed(request, error, self)
            await send_response(scope, receive, send, status, body, headers)

    async def _respond_with_session(
        self, request: Request, send: Send, status: int, body: object, headers: HeaderItems
    ) -> None:
        """Save the session, then send the reply; what a stream changed after that is saved at its end."""
        try:
            added = await session_headers(request, self.session_backend, self.session_config, headers)
            headers = [*headers, *added]
        except Exception as error:
            status, body, headers = await self._failed(request, error, self)
        await self._respond(request, send, status, body, headers)
        if hasattr(body, "__anext__") or hasattr(body, "__next__"):
            await save_late(request, self.session_backend, self.session_config)

    async def _run_sync(self, function: Callable[[], T]) -> T:
        """Run what blocks in one of the app's worker threads, with the context variables of the caller."""
        if self._threads is None:
            threads = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="micropie")
            object.__setattr__(self, "_threads", threads)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, function)

    def _stop_threads(self) -> None:
        threads = self._threads
        if threads is not None:
            object.__setattr__(self, "_threads", None)
            threads.shutdown(wait=False, cancel_futures=True)

    async def _send_response(
        self, send: Send, status_code: int, body: object, extra_headers: HeaderItems | None = None
    ) -> None:
        """Send a response by hand. Raises ResponseError for what cannot be sent."""
        request = current.get(None)
        scope: Scope = request.scope if request is not None else {"type": "http", "method": "GET"}
        receive = request.receive if request is not None else _never
        await send_response(scope, receive, send, status_code, body, extra_headers or (), run_sync=self._run_sync)

    def _parse_cookies(self, cookie_header: str) -> dict[str, str]:
        """The names and values of a Cookie header; of several with one name the first."""
        return dict(reversed(parse_cookies(cookie_header)))

    async def _parse_multipart(
        self, reader: asyncio.StreamReader, boundary: bytes
    ) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
        """Parse multipart/form-data from `reader`: the text fields, and the files as `Request.files` has them.

        Raises UploadError for a malformed or truncated body, MissingDependency without the package `multipart`.
        """
        return await parse_multipart(reader, boundary, self.limits)

    # --- WebSockets ---

    async def _asgi_app_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket connection."""
        request = WebSocketRequest(scope, receive, self.limits)
        request.websocket = WebSocket(receive, send, scope=scope)
        token = current.set(request)
        try:
            await self._socket_through(self, request, send, None)
        except (ConnectionClosed, ClientDisconnected):
            pass
        except HTTPError as error:
            await self._end_socket(request, POLICY_VIOLATION, _reason(error))
        except Exception:
            logger.exception("Failed: WEBSOCKET %s", scope["path"])
            await self._end_socket(request, INTERNAL_ERROR, "Internal Server Error")
        finally:
            try:
                if request._session is not None:
                    await save_late(request, self.session_backend, self.session_config)
            finally:
                current.reset(token)

    async def _socket_through(
        self, app: "App", request: WebSocketRequest, send: Send, below: tuple[Node, Sequence[str]] | None
    ) -> None:
        async def inner() -> None:
            node, segments = below or (self._node, split_path(request.scope))
            await self._serve_socket(request, send, node, segments)

        if below is None and request._cookie_header:
            await open_session(request, self.session_backend, self.session_config)
        await through_websocket(app.ws_middlewares, request, inner, partial(self._end_socket, request))

    async def _serve_socket(
        self, request: WebSocketRequest, send: Send, node: Node, segments: Sequence[str]
    ) -> None:
        mount = node.find_mount(segments) if node.mounts else None
        if mount is not None:
            await mount[1](mounted_scope(request.scope, mount[0]), request.receive, send)
            return
        found, values = node.match(segments, "")
        if isinstance(found, Node):
            await self._socket_through(found.owner, request, send, (found, values))
            return
        request.path_params = values
        incoming, outgoing = found.messages
        request.websocket = socket = WebSocket(
            request.receive,
            send,
            incoming=incoming,
            outgoing=outgoing,
            max_message=self.limits.websocket_message,
            on_accept=partial(self._accept_headers, request),
            scope=request.scope,
        )
        await found.bind(found.call, request, values)
        await socket.close()

    async def _accept_headers(self, request: Request, session_id: str | None) -> list[tuple[str, str]]:
        """The handshake's headers about the session: one that the handler began, or the identifier that it gives."""
        if session_id is not None:
            return [identifying(request, self.session_config, session_id)]
        if request._session is None:
            return []
        return await session_headers(request, self.session_backend, self.session_config)

    async def _end_socket(self, request: WebSocketRequest, code: int, reason: str) -> None:
        await request.websocket.close(code, reason)

    async def _send_websocket_close(self, send: Send, code: int, reason: str) -> None:
        """Close a WebSocket by hand, or refuse one that was not accepted."""
        await WebSocket(_never, send).close(code, reason)

    # --- lifespan ---

    def _lifespan_parts(self, scope: Scope) -> list[AbstractAsyncContextManager[Mapping[str, Any] | None]]:
        """What starts and stops with the server: this app, those it holds, those mounted."""
        state: dict[str, Any] = scope.setdefault("state", {})
        apps = list(_held_apps(self._node, []))
        mounted = {id(app): app for one in apps for app in one._mounts.values()}
        return [*(living(one) for one in apps), *(lifespan_of(app, state) for app in mounted.values())]


async def _never() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def _receive_body(request: Request, route: Route, values: Sequence[str]) -> None:
    """Let arrive what the route's handler asks for. Raises HTTPError, and ClientDisconnected when it never will."""
    if route.wants.streaming:
        request.open_body(streaming=True)
        return
    await request.read_body(raw=route.wants.raw)
    if request.multipart is not None:
        await request.multipart.read_until(lambda: route.wants.arrived(request, values))


def _named_route(node: Node, name: str) -> Route:
    """The route that middleware chose by the handler's name. Raises HTTPError 404."""
    route = node.http.by_handler(name)
    if route is None:
        raise HTTPError(404)
    return route


def _reason(error: HTTPError) -> str:
    return "; ".join(invalid.line() for invalid in error.errors) if isinstance(error, BadRequest) else str(error)


def _held_apps(node: Node, seen: list[Node]) -> list["App"]:
    """The apps at `node` and below, each once, outermost first."""
    if any(node is one for one in seen):
        return []
    seen.append(node)
    apps = [node.owner] if isinstance(node.owner, App) else []
    for child in node.children.values():
        apps += _held_apps(child, seen)
    return apps
