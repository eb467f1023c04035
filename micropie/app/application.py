"""`App` and `Resource`: what a user subclasses, and the way of one request through it.

A request comes by `__call__` to `_asgi_app_http`, which finds the route and has its binder call the handler, or leaves
that to `_answer` where something has to arrive first; the result leaves by `send_response`. Everything that one could
know beforehand was decided when the routes were made. WebSockets go the same way by `_asgi_app_websocket`.
"""

import os
from abc import ABCMeta
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import NoneType
from typing import Any, ClassVar, Final, Self, TypeVar

from .._utils.caching import BoundedCache
from .._utils.worker_threads import WorkerThreads
from ..binding.handler import BoundHandler, Function, Mode
from ..config import Limits, SessionConfig
from ..errors import ClientDisconnected, report_setup_problems
from ..media_types import Media
from ..middleware.base import HttpMiddleware, WebSocketMiddleware
from ..middleware.compose import apply_hook_result, run_after_request
from ..requests.context import reset_current_request, set_current_request
from ..requests.request import Request
from ..responses.handler_results import Reply, split_result
from ..responses.headers import VARY
from ..responses.send import build_messages, send_response
from ..responses.streaming import BrokenResponse
from ..routing.discovery import RouteBuilder, find_chosen_route, get_node, list_routes
from ..routing.match import find_route, match_path
from ..routing.paths import split_prefix
from ..routing.route import Route
from ..routing.table import Mount, Node, Trail
from ..sentinels import UNSET, Unset
from ..sessions import InMemorySessionBackend, SessionBackend
from ..sessions.lifecycle import load_session, save_after_response, save_session, try_load_session
from ..types import ASGIApp, HeaderItems, Receive, Scope, Send
from .error_handling import ErrorHandler, call_error_handler, log_failure, respond_to_unhandled
from .lifespan import Hook, run_app_lifespan, run_lifespan, serve_lifespan
from .mounting import Mounted, build_mounted_scope, run_mounted
from .overrides import merge_overrides
from .templates import Templates
from .toolbox import Handlers, Toolbox
from .websocket import serve_websocket

T = TypeVar("T")


def _is_body(cls: type) -> bool:
    """Whether what is of a class is a body as it stands: nothing that one would await or `split` looks into."""
    return cls is not tuple and cls is not NoneType and not hasattr(cls, "__await__")


_bodies: Final = BoundedCache(_is_body)


class Resource(Handlers):
    """One thing at one URL: its methods `get`, `post`, `put`, `patch` and `delete` answer the HTTP methods.

    Held as an attribute of an App or of another Resource, whose URL it continues. Its other public methods are URLs
    below it, as an App's are.
    """

    _verbs = True


class _AppType(ABCMeta):
    """Builds the routes of an App once its `__init__`, whoever wrote it, is done."""

    def __call__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        made: Any = type.__call__(cls, *args, **kwargs)
        made._build()
        app: T = made
        return app


class App(Toolbox, metaclass=_AppType):
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
    debug: bool
    check_returns: bool
    """Whether results are held against return annotations: in debug mode and under the test client."""
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
        """The ASGI entry point. Raises ValueError for a scope type that ASGI 3 does not know."""
        kind = scope["type"]
        if kind == "http":
            await self._asgi_app_http(scope, receive, send)
        elif kind == "websocket":
            await self._asgi_app_websocket(scope, receive, send)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        else:
            raise ValueError(f"micropie does not speak {kind!r}: it answers http, websocket and lifespan scopes")

    async def _asgi_app_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        request = Request(scope, receive, self.limits)
        request.root_app = self
        token = set_current_request(request)
        try:
            try:
                if self.middlewares:
                    reply = await self._through(request, self._trail, None)
                else:
                    found, values = find_route(self._node, scope, request.method)
                    begun = None if request.has_body else self._begin(request, found, values)
                    if begun is None:
                        reply = await self._answer(request, self._trail, found, values)
                    else:
                        result = await begun
                        reply = 200, result, []
                        if not _bodies[type(result)]:
                            reply = split_result(await result if hasattr(result, "__await__") else result)
            except ClientDisconnected:
                return
            except Exception as error:
                reply = await self._failed(request, error, self._trail)
            session = request.current_session
            if session is None:
                messages = build_messages(scope, reply)
            elif session.settle(self.session_config.timeout):
                messages = build_messages(scope, reply, VARY if session.touched else ())
            else:
                messages = None
            if messages is None:
                await self._finish(request, send, reply)
                return
            try:
                await send(messages[0])
                await send(messages[1])
            except OSError:  # ASGI HTTP 2.4: the client left
                return
        except ClientDisconnected:
            return
        except BaseException as error:
            request.record_failure(error)
            raise
        finally:
            try:
                if request.needs_cleanup:
                    await request.clean_up()
            finally:
                reset_current_request(token)

    def _begin(self, request: Request, found: Route | Trail | Mount, values: Sequence[str]) -> Awaitable[Any] | None:
        """Call the handler of a request without a body, if all that it needs is there; None where `_answer` has to."""
        if type(found) is not Route or not found.is_plain or self.check_returns:
            return None
        if request.cookie_header and not try_load_session(request, self.session_backend, self.session_config):
            return None
        request.path_params = values
        begun: Awaitable[Any] = found.bind(found.call, request, values)
        return begun

    async def _answer(
        self, request: Request, trail: Trail, found: Route | Trail | Mount, values: Sequence[str]
    ) -> Reply:
        """What the handler that was found, with the path `values`, returned, in normal form.

        Raises what refuses the request.
        """
        if not isinstance(found, Route):
            return await self._elsewhere(request, found, values)
        bound: BoundHandler = found
        if found.prepare is not None:
            bound = found.prepare(request, self._run_sync, merge_overrides(trail))
        request.path_params = values
        if request.cookie_header and not try_load_session(request, self.session_backend, self.session_config):
            await load_session(request, self.session_backend, self.session_config)
        if request.has_body:
            if bound.wants.streaming:
                await request.read_body(streaming=True)
            else:
                await request.read_body(raw=bound.wants.raw)
                if request.needs_cleanup:
                    await _receive_parts(request, bound, values)
        result = bound.bind(bound.call, request, values)
        if bound.awaited:
            result = await result
        elif bound.mode is Mode.THREAD:
            result = await self._run_sync(result)
        reply: Reply = (200, result, [])
        if not _bodies[type(result)]:
            reply = split_result(await result if hasattr(result, "__await__") else result)
        if found.stream_type is not None:
            reply = _described(reply, found.stream_type)
        if self.check_returns and found.signature.returns is not None:
            found.signature.returns.check(reply[0], reply[1])
            reply = reply[0], found.signature.returns.watched(reply[1]), reply[2]
        return reply

    async def _elsewhere(self, request: Request, found: Trail | Mount, below: Sequence[str]) -> Reply:
        """The answer of another app: one that is held by this one, or one that is mounted."""
        if isinstance(found, Mount):
            return 200, Mounted(found.app, build_mounted_scope(request.scope, split_prefix(request.scope, below))), []
        return await self._through(request, found, below)

    async def _through(self, request: Request, trail: Trail, segments: Sequence[str] | None) -> Reply:
        """The reply for `segments` (None: the whole path) as the middleware of the app that ends `trail` leaves it."""
        # One that is added meanwhile is for the next request.
        middlewares: list[HttpMiddleware] = [*trail[-1].owner.middlewares]
        due = middlewares
        found: Route | Trail | Mount
        try:
            if middlewares and (request.cookie_header or request.has_body):
                await self._prepare(request)  # all are due where this fails
            due = []
            for middleware in middlewares:
                given = await middleware.before_request(request)
                if given:
                    reply = apply_hook_result((200, "", []), given)
                    break
                due.append(middleware)
            else:
                if request._route_handler is not None:
                    found, values = find_chosen_route(trail[-1], request, request.method)
                elif segments is None:
                    found, values = find_route(trail[-1], request.scope, request.method)
                else:
                    found, values = match_path(trail, segments, request.method)
                begun = None if request.has_body else self._begin(request, found, values)
                if begun is None:
                    reply = await self._answer(request, trail, found, values)
                else:
                    result = await begun
                    reply = 200, result, []
                    if not _bodies[type(result)]:
                        reply = split_result(await result if hasattr(result, "__await__") else result)
        except ClientDisconnected:
            raise
        except Exception as error:
            reply = await self._failed(request, error, trail)
        due.reverse()
        request.passed_middleware = [*request.passed_middleware, *due] if request.passed_middleware else due
        if type(reply[1]) is Mounted:  # it is seen when it begins
            return reply
        for middleware in due:  # as `run_after_request` does, which every request would pay for
            try:
                status, body, headers = reply
                given = await middleware.after_request(request, status, body, headers)
                if given:
                    reply = apply_hook_result(reply, given)
            except Exception as error:
                reply = await self._failed(request, error, trail)
        return reply

    async def _prepare(self, request: Request) -> None:
        """What middleware may look at without waiting: the session, and a JSON or urlencoded body."""
        if request.cookie_header and not try_load_session(request, self.session_backend, self.session_config):
            await load_session(request, self.session_backend, self.session_config)
        if request.has_body and request.announced_media in (Media.JSON, Media.FORM):
            await request.read_body()

    async def _failed(self, request: Request, error: Exception, trail: Trail) -> Reply:
        """The answer to what was raised at the end of `trail`, in an app there or in one that holds it."""
        request.record_failure(error)
        apps = [node.owner.error_handlers for node in reversed(trail) if isinstance(node.owner, App)]
        return await call_error_handler(request, error, apps, debug=self.debug)

    async def _finish(self, request: Request, send: Send, reply: Reply) -> None:
        """Send a reply of any kind, and keep the session."""
        added: HeaderItems = ()
        session = request.current_session
        if session is not None:
            try:
                changes = session.freeze_changes() if session.unsaved is None else session.unsaved
                if changes is not None:
                    added = await save_session(request, self.session_backend, self.session_config, changes, reply[2])
                elif session.touched:
                    added = VARY
                session.sealed = True
            except Exception as error:
                reply = await self._replaced(request, error)
        await self._respond(request, send, reply, added)
        if request.current_session is not None and _outlives_its_start(reply[1]):
            await self._keep_session_late(request)

    async def _replaced(self, request: Request, error: Exception) -> Reply:
        """The answer in place of one that cannot be given after all; middleware sees this one too."""
        failed = partial(self._failed, request, trail=self._trail)
        return await run_after_request(request.passed_middleware, request, await failed(error), failed)

    async def _keep_session_late(self, request: Request) -> None:
        """Save what was changed while the response was sent. Nobody can be told of a failure but the log."""
        try:
            await save_after_response(request, self.session_backend, self.session_config)
        except Exception as error:
            log_failure(request, error)

    async def _respond(
        self, request: Request, send: Send, reply: Reply, added: HeaderItems = (), *, failures: int = 0
    ) -> None:
        """Send a reply with the headers `added`; one that turns out impossible to send becomes a 500.

        Raises BrokenResponse once it had begun.
        """
        status, body, headers = reply
        if added:
            headers = [*headers, *added]
        try:
            if type(body) is Mounted:
                failed = partial(self._failed, request, trail=self._trail)
                await run_mounted(body, request, send, headers, failed, partial(self._respond, request, send))
            else:
                listen = request.body_ended
                await send_response(
                    request.scope, request.receive, send, status, body, headers, listen=listen, run_sync=self._run_sync
                )
        except BrokenResponse as broken:
            if broken.__cause__ is None:  # logged by an app that is mounted here
                raise
            # The server must hear of it and break the connection off; but not every server logs why.
            request.record_failure(broken.__cause__)
            log_failure(request, broken.__cause__)
            raise BrokenResponse(str(broken)) from None
        except Exception as error:
            if type(body) is Mounted or failures == 2:
                raise
            if failures == 0:
                reply = await self._replaced(request, error)
            else:  # so an error handler's own reply cannot be sent either
                reply = respond_to_unhandled(request, error, debug=self.debug)
            await self._respond(request, send, reply, added, failures=failures + 1)

    async def _asgi_app_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket connection."""
        await serve_websocket(self, self._trail, scope, receive, send)

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


def _described(reply: Reply, content_type: str) -> Reply:
    """`reply` with that Content-Type, if it is a stream and says nothing else: it may turn out to be empty."""
    status, body, headers = reply
    if not isinstance(body, AsyncIterable | Iterator) or any(name.lower() == "content-type" for name, _ in headers):
        return reply
    return status, body, [*headers, ("Content-Type", content_type)]


def _outlives_its_start(body: object) -> bool:
    """Whether the user's code goes on running once the response has started."""
    return isinstance(body, Mounted | AsyncIterable | Iterator)


async def _receive_parts(request: Request, bound: BoundHandler, values: Sequence[str]) -> None:
    """Let arrive what of a multipart body the handler asks for."""
    if request.multipart is not None:
        await request.multipart.read_until(lambda: bound.wants.arrived(request, values))


def _held_apps(node: Node, seen: list[Node]) -> list["App"]:
    """The apps at `node` and below, each once, outermost first."""
    if any(node is one for one in seen):
        return []
    seen.append(node)
    apps = [node.owner] if isinstance(node.owner, App) else []
    for child in node.children.values():
        apps += _held_apps(child, seen)
    return apps
