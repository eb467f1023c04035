"""This module holds `App`: what a user subclasses, configures and hands to an ASGI server.

An App builds its routes when it is made; a request only executes what was decided then. The way of a request is written
in `app/http`, that of a WebSocket connection in `app/websocket`, start and stop in `app/lifespan`.
"""

import os
from abc import ABCMeta
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from .._utils.lazy_imports import asyncio
from .._utils.worker_threads import WorkerThreads
from ..binding.handler import Function
from ..config import DEFAULT_LIMITS, DEFAULT_SESSIONS, Limits, SessionConfig
from ..errors import report_setup_problems
from ..middleware.base import HttpMiddleware, WebSocketMiddleware
from ..requests.context import request_variable
from ..requests.cookies import parse_cookies
from ..requests.request import Request
from ..responses.send import send_response
from ..routing.discovery import RouteBuilder, get_node, list_routes
from ..routing.route import Route
from ..routing.table import Trail
from ..sentinels import UNSET, Unset
from ..sessions import InMemorySessionBackend, SessionBackend
from ..types import ASGIApp, HeaderItems, Hook, Receive, Scope, Send
from ..websockets.connection import WebSocket
from .error_handling import ErrorHandler
from .http import serve
from .resource import HandlerOwner
from .templates import Templates

if TYPE_CHECKING:
    import jinja2

T = TypeVar("T")


class _AppType(ABCMeta):
    """A metaclass that builds the routes of an App after its `__init__`, even if a subclass's calls no other."""

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        app: Any = type.__call__(cls, *args, **kwargs)
        app._build()
        built: T = app
        return built


class App(HandlerOwner, metaclass=_AppType):
    """An ASGI application. Subclass it, and every public method is a URL (see "Routing" in the documentation).

    Args:
        session_backend: The store of the sessions. The default keeps them in memory.
        limits: What one client may ask of the server. Those of a nested App hold for its URLs.
        sessions: The session cookie and the life of a session. Those of a nested App hold for its URLs.
        debug: Show pages with tracebacks, and check results against return annotations.
        templates: The directory of the templates.
        docs: Serve `/openapi.json`, `/asyncapi.json` and the page `/docs`.
        openapi_path: Another path for the OpenAPI document; None leaves it out.
        docs_path: Another path for the page; None leaves it out.

    Raises SetupError, which names every handler that cannot work with the fix for each, and ValueError for a path
    without a leading slash.
    """

    _hooks = ("lifespan",)
    _builds_itself: ClassVar[bool] = True

    middlewares: list[HttpMiddleware]
    """Middleware for every HTTP request: runs in this order before the handler, in reverse after it."""
    ws_middlewares: list[WebSocketMiddleware]
    """Middleware for every WebSocket connection, in the same order."""
    startup_handlers: list[Hook]
    """Functions that run before the first request. An awaitable result is awaited."""
    shutdown_handlers: list[Hook]
    """Functions that run after the last request. An awaitable result is awaited."""
    error_handlers: dict[type[Exception], ErrorHandler]
    """Functions that turn an exception into a response, by the exception's class or its nearest base class."""
    overrides: dict[Function, Function]
    """For tests: `overrides[function] = other` makes handlers depend on `other` in place of `function`."""
    session_backend: SessionBackend
    session_config: SessionConfig
    limits: Limits
    debug: bool
    check_returns: bool
    """True if results are checked against return annotations: in debug mode and under the test client."""
    _templates: Templates
    _workers: WorkerThreads
    _trail: Trail
    _documents: tuple[str | None, str | None]
    """The paths of the OpenAPI document and of the page that shows it; None for one that is not served."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        # Not in __init__: a subclass may be a dataclass, whose __init__ calls no other, and it may be frozen.
        self = super().__new__(cls)
        defaults: dict[str, Any] = {
            "middlewares": [],
            "ws_middlewares": [],
            "startup_handlers": [],
            "shutdown_handlers": [],
            "error_handlers": {},
            "overrides": {},
            "session_backend": InMemorySessionBackend(),
            "limits": DEFAULT_LIMITS,
            "session_config": DEFAULT_SESSIONS,
            "debug": False,
            "check_returns": False,
            "_templates": Templates(),
            "_workers": WorkerThreads(),
            "_documents": (None, None),
            "_trail": (get_node(self),),
        }
        # A separate dictionary. CPython 3.11 reads the shared-key dictionary of an instance slowly after `vars()`
        # has touched it, which cost 4 % of a small request. The plain form is `vars(self).update(defaults)`.
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
        served_docs_path = docs_path or ("/docs" if docs and docs_path is UNSET else None)
        served_openapi_path = openapi_path or (
            "/openapi.json" if (docs or served_docs_path) and openapi_path is UNSET else None
        )
        self._documents = (served_openapi_path, served_docs_path)

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[Mapping[str, Any] | None]:
        """Surround the app's life. Override it, decorated with `contextlib.asynccontextmanager`.

        It is entered before the startup handlers run and left after the shutdown handlers. A mapping that it yields
        becomes part of every request's `state`.
        """
        yield None

    def mount(self, prefix: str, app: ASGIApp) -> None:
        """Hand every request below the path `prefix` to another ASGI application, and run its lifespan.

        The application sees `root_path` and `path` as ASGI defines them. An application at `/` gets the requests that
        no route takes. Raises ValueError for a prefix without a leading slash.
        """
        if not prefix.startswith("/") or "//" in prefix:
            raise ValueError(f"mount({prefix!r}): a prefix must start with '/' and contain no '//', as in '/static'")
        self._node.mounts[tuple(prefix.strip("/").split("/")) if prefix.strip("/") else ()] = app
        self._node.forget_paths()

    @property
    def routes(self) -> Mapping[str, Route]:
        """All routes by their keys: `/greet/{name}`, `GET /todos` where the method matters, `WEBSOCKET /chat`.

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
        """Return the OpenAPI 3.1 document: the handlers of the app and of what it holds, and every type they name."""
        from ..openapi import document

        return document(self)

    def asyncapi(self) -> dict[str, Any]:
        """Return the AsyncAPI 3.0 document: the WebSocket handlers of the app and of what it holds, and their types."""
        from ..openapi import asyncapi

        return asyncapi.document(self)

    def _intercepts(self, scope_type: str, /) -> bool:
        """Return True if this app, held by another one, changes something for the requests to its URLs."""
        around = self.error_handlers or self.middlewares if scope_type == "http" else self.ws_middlewares
        has_settings = self.limits is not DEFAULT_LIMITS or self.session_config is not DEFAULT_SESSIONS
        return bool(has_settings or around or self.overrides)

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
            await self._serve_lifespan(scope, receive, send)
        else:
            raise ValueError(f"micropie cannot serve the scope type {kind!r}: it serves http, websocket and lifespan")

    # The function itself, since a method that calls it would be one more coroutine: 3 % of a small response.
    _asgi_app_http = serve

    async def _asgi_app_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket connection."""
        from .websocket import serve_websocket

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
        """Return the template `name`, rendered with `context`. Values are escaped in markup.

        Raises jinja2.TemplateNotFound, and MissingDependency without Jinja2.
        """
        return await self._templates.render(name, context)

    async def _run_sync(self, function: Callable[[], T]) -> T:
        """Run a blocking function in one of the app's worker threads, with the caller's context variables."""
        return await self._workers.run(function, self.limits.threads)

    async def _send_response(
        self, send: Send, status_code: int, body: object, extra_headers: HeaderItems | None = None
    ) -> None:
        """Send a response by hand. Raises ResponseError for what cannot be sent."""
        request = request_variable.get() or Request({"type": "http", "method": "GET", "headers": []})
        headers = extra_headers or ()
        await send_response(request.scope, request.receive, send, status_code, body, headers, run_sync=self._run_sync)

    async def _send_websocket_close(self, send: Send, code: int, reason: str) -> None:
        """Close a WebSocket by hand, or refuse one that was not accepted."""
        disconnected = Request({"type": "websocket", "headers": []})
        await WebSocket(disconnected.receive, send).close(code, reason)

    def _parse_cookies(self, cookie_header: str) -> dict[str, str]:
        """Return the names and values of a Cookie header. The first of several cookies with one name wins."""
        return dict(reversed(parse_cookies(cookie_header)))

    async def _parse_multipart(
        self, reader: "asyncio.StreamReader", boundary: bytes
    ) -> tuple[dict[str, list[str]], dict[str, dict[str, Any]]]:
        """Parse multipart/form-data from `reader`. Return the text fields, and the files as `Request.files` has them.

        Raises UploadError for a malformed or truncated body, MissingDependency without the package `multipart`.
        """
        from ..uploads.multipart import parse_multipart

        return await parse_multipart(reader, boundary, self.limits)

    # --- lifespan ---

    async def _serve_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start the app when the server starts, and stop it when the server stops."""
        from .lifespan import collect_lifespans, serve_lifespan

        try:
            await serve_lifespan(scope, receive, send, collect_lifespans(self._node, scope.setdefault("state", {})))
        finally:
            self._workers.stop()
