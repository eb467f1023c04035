"""This module holds `App`: what a user subclasses, configures and hands to an ASGI server.

An App builds its routes when it is made; a request only executes what was decided then. The way of a request is written
in `app/http`, that of a WebSocket connection in `app/websocket`, start and stop in `app/lifespan`.
"""

import os
from abc import ABCMeta
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from .._utils.lazy_imports import asyncio
from .._utils.worker_threads import WorkerThreads
from ..binding.handler import Function
from ..config import Limits, SessionConfig
from ..errors import report_setup_problems
from ..middleware.base import HttpMiddleware, WebSocketMiddleware
from ..requests.context import request_variable
from ..requests.cookies import parse_cookies
from ..requests.request import Request
from ..responses.send import send_response
from ..routing.discovery import RouteBuilder, get_node, list_routes
from ..routing.route import Route
from ..routing.table import Node, Trail
from ..sentinels import UNSET, Unset
from ..sessions import InMemorySessionBackend, SessionBackend
from ..types import ASGIApp, HeaderItems, Receive, Scope, Send
from ..uploads.multipart import parse_multipart
from ..websockets.connection import WebSocket
from .error_handling import ErrorHandler
from .http import serve
from .lifespan import Hook, run_app_lifespan, run_lifespan, serve_lifespan
from .resource import HandlerOwner
from .templates import Templates
from .websocket import serve_websocket

if TYPE_CHECKING:
    import jinja2

T = TypeVar("T")


class _AppType(ABCMeta):
    """Builds the routes of an App once its `__init__`, whoever wrote it, is done."""

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        made: Any = type.__call__(cls, *args, **kwargs)
        made._build()
        app: T = made
        return app


class App(HandlerOwner, metaclass=_AppType):
    """An ASGI application: subclass it, and every public method is a URL (see the documentation's "Routing").

    `session_backend` keeps the sessions, in memory unless another is given. Everything else is keyword-only:
    `limits` on what clients may send, `sessions` for the session cookie, `debug` for pages with tracebacks and for
    results that are checked, `templates` for their directory, `docs` for `/openapi.json` and `/docs`, which
    `openapi_path` and `docs_path` move, or leave out where they are None. Raises SetupError, naming every handler that
    cannot work, with the remedy, and ValueError for a path without a leading slash.
    """

    _hooks = ("lifespan",)
    _builds_itself: ClassVar[bool] = True

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
    overrides: dict[Function, Function]
    """For tests: what is called in place of a function that handlers depend on, `overrides[function] = other`."""
    session_backend: SessionBackend
    session_config: SessionConfig
    limits: Limits
    debug: bool
    check_returns: bool
    """Whether results are held against return annotations: in debug mode and under the test client."""
    _templates: Templates
    _workers: WorkerThreads
    _trail: Trail
    _documents: tuple[str | None, str | None]
    """Where the OpenAPI document and the page that shows it are, if they are anywhere."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        # Not in __init__: a subclass may be a dataclass, whose __init__ calls no other, and may be frozen.
        self = super().__new__(cls)
        defaults: dict[str, Any] = {
            "middlewares": [],
            "ws_middlewares": [],
            "startup_handlers": [],
            "shutdown_handlers": [],
            "error_handlers": {},
            "overrides": {},
            "session_backend": InMemorySessionBackend(),
            "limits": Limits(),
            "session_config": SessionConfig(),
            "debug": False,
            "check_returns": False,
            "_templates": Templates(),
            "_workers": WorkerThreads(),
            "_documents": (None, None),
            "_trail": (get_node(self),),
        }
        # A dictionary of its own, as one that the class's instances share is read slowly once somebody looked at it.
        object.__setattr__(self, "__dict__", {**vars(self), **defaults})
        return self

    def __init__(
        self,
        session_backend: SessionBackend | None = None,
        *,
        limits: Limits | None = None,
        sessions: SessionConfig | None = None,
        debug: bool = False,
        templates: str | os.PathLike[str] = "templates",
        docs: bool = False,
        openapi_path: str | Unset | None = UNSET,
        docs_path: str | Unset | None = UNSET,
    ) -> None:
        if session_backend is not None:
            self.session_backend = session_backend
        self.limits = limits or self.limits
        self.session_config = sessions or self.session_config
        self.debug = self.check_returns = debug
        self._templates = Templates(templates)
        at_docs = docs_path or ("/docs" if docs and docs_path is UNSET else None)
        at_openapi = openapi_path or ("/openapi.json" if (docs or at_docs) and openapi_path is UNSET else None)
        self._documents = (at_openapi, at_docs)

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[Mapping[str, Any] | None]:
        """Override it, decorated with `contextlib.asynccontextmanager`: what surrounds all requests.

        It is entered before the startup handlers and left after the shutdown handlers. A mapping that it yields is
        put into every request's `state`.
        """
        yield None

    def mount(self, prefix: str, app: ASGIApp) -> None:
        """Hand every request below the path `prefix` to another ASGI application, whose lifespan is run too.

        It sees `root_path` and `path` as ASGI has them. At `/` it gets what nothing else answers. Raises ValueError for
        a prefix without a leading slash.
        """
        if not prefix.startswith("/") or "//" in prefix:
            raise ValueError(f"mount({prefix!r}): a prefix starts with '/', as in '/static'")
        self._node.mounts[tuple(prefix.strip("/").split("/")) if prefix.strip("/") else ()] = app
        self._node.forget_paths()

    @property
    def routes(self) -> Mapping[str, Route]:
        """Every route by its key: `/greet/{name}`, `GET /todos` where the method matters, `WEBSOCKET /chat`.

        `routes[key].source` is the generated code that binds its requests.
        """
        return dict(list_routes(self._trail))

    def _build(self) -> None:
        problems = RouteBuilder(self).build()
        if any(self._documents):
            from ..openapi.serving import add_pages

            problems += add_pages(self, *self._documents)
        report_setup_problems(list(dict.fromkeys(problems)))

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document of the app: its handlers, those of what it holds, and every type they name."""
        from ..openapi import document

        return document(self)

    def asyncapi(self) -> dict[str, Any]:
        """The AsyncAPI 3.0 document of the app: its WebSocket handlers and those of what it holds, and their types."""
        from ..openapi import asyncapi

        return asyncapi.document(self)

    def _intercepts(self, scope_type: str) -> bool:
        """Whether, held by another app, it has something to do around that one's requests."""
        around = self.error_handlers or self.middlewares if scope_type == "http" else self.ws_middlewares
        return bool(around or self.overrides)

    # --- ASGI ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope: an HTTP request, a WebSocket connection, or the lifespan of the server.

        Raises ValueError for any other scope type.
        """
        kind = scope["type"]
        if kind == "http":
            await self._asgi_app_http(scope, receive, send)
        elif kind == "websocket":
            await self._asgi_app_websocket(scope, receive, send)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        else:
            raise ValueError(f"micropie cannot serve the scope type {kind!r}: it serves http, websocket and lifespan")

    # A method that forwards would be one more coroutine for every request: 3 % of a small response.
    _asgi_app_http = serve

    async def _asgi_app_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket connection."""
        await serve_websocket(self, self._trail, scope, receive, send)

    # --- templates, worker threads, and the documented ways to do things by hand ---

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

    async def _run_sync(self, function: Callable[[], T]) -> T:
        """Run what blocks in one of the app's worker threads, with the context variables of the caller."""
        return await self._workers.run(function, self.limits.threads)

    async def _send_response(
        self, send: Send, status_code: int, body: object, extra_headers: HeaderItems | None = None
    ) -> None:
        """Send a response by hand. Raises ResponseError for what cannot be sent."""
        request = request_variable.get(None) or Request({"type": "http", "method": "GET", "headers": []})
        headers = extra_headers or ()
        await send_response(request.scope, request.receive, send, status_code, body, headers, run_sync=self._run_sync)

    async def _send_websocket_close(self, send: Send, code: int, reason: str) -> None:
        """Close a WebSocket by hand, or refuse one that was not accepted."""
        nobody = Request({"type": "websocket", "headers": []})
        await WebSocket(nobody.receive, send).close(code, reason)

    def _parse_cookies(self, cookie_header: str) -> dict[str, str]:
        """The names and values of a Cookie header; of several with one name the first."""
        return dict(reversed(parse_cookies(cookie_header)))

    async def _parse_multipart(
        self, reader: "asyncio.StreamReader", boundary: bytes
    ) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
        """Parse multipart/form-data from `reader`: the text fields, and the files as `Request.files` has them.

        Raises UploadError for a malformed or truncated body, MissingDependency without the package `multipart`.
        """
        return await parse_multipart(reader, boundary, self.limits)

    # --- lifespan ---

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop with the server."""
        try:
            await serve_lifespan(scope, receive, send, self._lifespan_parts(scope))
        finally:
            self._workers.stop()

    def _lifespan_parts(self, scope: Scope) -> list[AbstractAsyncContextManager[Mapping[str, Any] | None]]:
        """What starts and stops with the server: this app, those it holds, those mounted."""
        state: dict[str, Any] = scope.setdefault("state", {})
        apps = _held_apps(self._node, [])
        mounted = {
            id(app): app for one in apps for app in one._node.mounts.values() if all(app is not one for one in apps)
        }
        return [*(run_app_lifespan(one) for one in apps), *(run_lifespan(app, state) for app in mounted.values())]


def _held_apps(node: Node, seen: list[Node]) -> list["App"]:
    """The apps at `node` and below, each once, outermost first."""
    if any(node is one for one in seen):
        return []
    seen.append(node)
    apps = [node.owner] if isinstance(node.owner, App) else []
    for child in node.children.values():
        apps += _held_apps(child, seen)
    return apps
