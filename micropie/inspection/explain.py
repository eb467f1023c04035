"""What an app would do with one request, up to the call of its handler, which is not made.

Routing and binding are the app's own (`routing.match`, `Route.bind`); what is told besides is how each argument came
about. No handler, middleware, error handler, session store or startup is called, and the request is nobody's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote

from ..app.application import App
from ..app.mounting import build_mounted_scope
from ..binding.binder_compiler import compile_binder
from ..binding.readers import LOOKUPS
from ..binding.signature import Kind, Parameter, Role, Signature
from ..errors import BadRequest, HTTPError, Source, reason_phrase
from ..media_types import Media
from ..requests.request import Request, WebSocketRequest
from ..responses.error_responses import build_error_response
from ..routing.paths import split_path, split_prefix
from ..routing.route import Route
from ..routing.table import Mount, Trail
from ..sentinels import UNSET, Unset
from ..types import HeaderItems, Message, Scope
from ..websockets.connection import WebSocket
from ..websockets.protocol import POLICY_VIOLATION
from .route_trace import Candidate, resolve_route, trace_route
from .url_list import list_parameters

OPTIONS: Final = "micropie.options"
"""The route of the framework's own answer to OPTIONS."""

GIVEN: Final = {Role.REQUEST: "the request itself", Role.WEBSOCKET: "the connection"}
"""What the framework gives, from no source."""


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """The request to be explained."""

    method: str
    """`""` for a WebSocket."""
    target: str
    """Path and query as they are sent: percent-encoded."""
    headers: Sequence[tuple[str, str]] = ()
    """Bytes that are no UTF-8 as surrogates (PEP 383)."""
    body: bytes = b""
    session: Mapping[str, Any] = field(default_factory=dict)
    """What the session would hold."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of the handler, and what it gets."""

    parameter: Parameter
    source: Source | None
    """None where the value is a default, is given by the framework, or is missing."""
    origin: str
    """The same in words."""
    sent: str | None
    """What was found there, as it was sent."""
    value: object | Unset
    """What it becomes; UNSET where there is no value, or none yet."""
    errors: tuple[str, ...] = ()
    dependency: str = ""
    """The function that takes it; empty for the handler itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets in place of the handler's answer."""

    status: int
    """An HTTP status; for a WebSocket the code of the close."""
    reason: str
    """For a WebSocket the reason of the close."""
    headers: HeaderItems
    body: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would happen."""

    candidates: Sequence[Candidate]
    """Everything that could have answered, in the order in which it is asked."""
    found: Route | Mount | None
    arguments: Sequence[Argument] = ()
    answer: Answer | None = None
    notes: Sequence[str] = ()
    """What could make it happen otherwise, or was perhaps not meant."""


async def explain_request(app: App, asked: AskedRequest) -> Explanation:
    """What `app` would do with `asked`."""
    scope = _scope(asked)
    found: Route | Mount | None = None
    candidates: list[Candidate] = []
    trail: Trail = app._trail
    try:
        while True:
            segments = split_path(scope)
            candidates += trace_route(app._trail, segments, asked.method)
            found, values, trail = resolve_route(app._trail, segments, asked.method)
            if not isinstance(found, Mount) or not isinstance(found.app, App):
                break
            app, scope = found.app, build_mounted_scope(scope, split_prefix(scope, values))
    except HTTPError as error:
        request = _request(app, scope, asked)
        return Explanation(candidates, None, (), _answer(request, error), _about_apps(trail, error))
    request = _request(app, scope, asked)
    if isinstance(found, Mount):
        return Explanation(candidates, found)
    if found.name == OPTIONS:
        status, _, headers = found.handler()
        return Explanation(
            candidates, None, (), Answer(status, reason_phrase(status), headers, ""), _about_apps(trail, None)
        )
    return await _bound(request, Explanation(candidates, found), found, values, trail)


async def _bound(
    request: Request, so_far: Explanation, route: Route, values: Sequence[str], trail: Trail
) -> Explanation:
    """`so_far`, with what `route` would be called with."""
    request.path_params = values
    arguments: list[Argument] = []
    answer: Answer | None = None
    error: Exception | None = None
    try:
        await _receive_body(request, route, values)
        for name, one in list_parameters(route):
            arguments.append(replace(_argument(one, request, values, route), dependency=name))
        _bind(route, request, values)
    except Exception as raised:  # noqa: BLE001  (a type of the user's may raise anything: then it is a 500)
        error = raised
        answer = _answer(request, raised if isinstance(raised, HTTPError) else HTTPError(500))
    finally:
        if request.multipart is not None:
            await request.multipart.close()
    notes = [*_about_apps(trail, error), *_unread(request, route)]
    return Explanation(so_far.candidates, route, arguments, answer, notes)


def _bind(route: Route, request: Request, values: Sequence[str]) -> None:
    """Bind what the handler depends on, and the handler, as is done before any of them is called. Raises HTTPError."""
    signature = route.signature
    for one in signature.dependencies():
        compile_binder(one.signature, one.name, signature).bind(_call, request, values)
    compile_binder(signature, route.name).bind(_call, request, values)


def _call(*args: object, **kwargs: object) -> tuple[tuple[object, ...], dict[str, object]]:
    """In place of the handler."""
    return args, kwargs


# The request


def _scope(asked: AskedRequest) -> Scope:
    raw_path, _, query = asked.target.partition("?")
    scope: Scope = {
        "type": "http" if asked.method else "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if asked.method else "ws",
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in asked.headers
        ],
    }
    return {**scope, "method": asked.method} if asked.method else scope


def _request(app: App, scope: Scope, asked: AskedRequest) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": asked.body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Nobody is there."""

    request = Request(scope, receive, app.limits)
    if not asked.method:
        request = WebSocketRequest(scope, receive, app.limits)
        request.websocket = WebSocket(receive, send, scope=scope)
    if asked.session:
        request.session = dict(asked.session)
    return request


async def _receive_body(request: Request, route: Route, values: Sequence[str]) -> None:
    """Let arrive what the handler asks for, as the app does. Raises HTTPError."""
    if not request.has_body:
        return
    if route.wants.streaming:
        await request.read_body(streaming=True)
        return
    await request.read_body(raw=route.wants.raw)
    if request.multipart is not None:
        await request.multipart.read_until(lambda: route.wants.arrived(request, values))


# The arguments


def _argument(parameter: Parameter, request: Request, values: Sequence[str], route: Route) -> Argument:
    if not parameter.sources:
        of = parameter.dependency.name if parameter.dependency is not None else "a function of its own"
        origin = GIVEN.get(parameter.role, f"{of}, which is not called here")
        return Argument(parameter, None, origin, None, UNSET)
    try:
        source, origin, sent = _found(parameter, request, values)
    except (BadRequest, ValueError):  # the source cannot be read, which binding says better
        source, origin, sent = None, "", None
    alone = compile_binder(Signature((parameter,), None), f"{route.name}, {parameter.name}")
    try:
        args, kwargs = alone.bind(_call, request, values)
    except BadRequest as bad:
        return Argument(parameter, source, origin, sent, UNSET, tuple(error.line() for error in bad.errors))
    except Exception as error:  # noqa: BLE001  (as in `_bound`)
        shown = str(error) if isinstance(error, HTTPError) else f"{type(error).__name__}: {error}"
        return Argument(parameter, source, origin, sent, UNSET, (shown,))
    return Argument(parameter, source, origin, sent, _value(parameter, args, kwargs))


def _value(parameter: Parameter, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
    if parameter.kind is Kind.VAR_POSITIONAL:
        return tuple(args)
    if parameter.kind is Kind.VAR_KEYWORD:
        return dict(kwargs)
    return kwargs[parameter.name] if parameter.kind is Kind.KEYWORD else args[0]


_ORIGINS: Final[Mapping[Source, str]] = {
    "query": "the query's {!r}",
    "form": "the form's {!r}",
    "body": "the JSON body's {!r}",
    "file": "the file {!r}",
    "header": "the header {}",
    "cookie": "the cookie {!r}",
    "session": "the session's {!r}",
}

_WHOLE: Final[Mapping[Source, str]] = {
    "query": "the query",
    "form": "the form",
    "header": "the headers",
    "cookie": "the cookies",
    "session": "the session",
}


def _found(parameter: Parameter, request: Request, values: Sequence[str]) -> tuple[Source | None, str, str | None]:
    """Where a value is: the source, the same in words, and what is there. Raises BadRequest and ValueError."""
    if parameter.kind is Kind.VAR_POSITIONAL:
        return "path", "the other path segments", "/".join(values[parameter.index or 0 :])
    if parameter.kind is Kind.VAR_KEYWORD:
        return parameter.sources[0], f"the other names of the {' and the '.join(parameter.sources)}", None
    if parameter.whole:
        return _found_whole(parameter, request)
    for source in parameter.sources:
        there = LOOKUPS[source](parameter, request, values)
        if there is not UNSET:
            index = (parameter.index or 0) + 1
            origin = f"path segment {index}" if source == "path" else _ORIGINS[source].format(parameter.alias)
            return source, origin, _sent(source, there)
    return None, _nowhere(parameter), None


def _nowhere(parameter: Parameter) -> str:
    return "nowhere" if parameter.required else "its default"


def _found_whole(parameter: Parameter, request: Request) -> tuple[Source | None, str, str | None]:
    source = parameter.sources[0]
    if source in ("form", "body"):
        if parameter.role is Role.STREAM:
            return source, "the body as it comes", None
        if parameter.role is Role.RAW:
            return source, "the body as it came", _text(request.body)
        if request.media is Media.JSON:
            return source, "the JSON body", _text(request.body)
        return (source, _nowhere(parameter), None) if request.media is Media.NONE else ("form", "the form", None)
    return source, _WHOLE[source], None


def _sent(source: Source, there: Any) -> str:
    if source == "body":
        return _text(bytes(there))
    if source == "file":
        return ", ".join(str(file.filename) for file in there)
    return repr(there) if source == "session" else ", ".join(there)


def _text(sent: bytes) -> str:
    return sent.decode("utf-8", "backslashreplace")


# What the client gets, and what else there is to say


def _answer(request: Request, error: HTTPError) -> Answer:
    if isinstance(request, WebSocketRequest):
        reason = error.detail if isinstance(error, BadRequest) else str(error)
        return Answer(POLICY_VIOLATION, reason, (), reason)
    accept = request.headers.get("accept", "")
    status, body, headers = build_error_response(error, request.content_type, accept)
    return Answer(status, reason_phrase(status), headers, _text(body))


def _about_apps(trail: Trail, error: Exception | None) -> list[str]:
    """What the apps on the way could do otherwise."""
    apps = [node.owner for node in trail if isinstance(node.owner, App)]
    middlewares = [type(one).__name__ for app in apps for one in (*app.middlewares, *app.ws_middlewares)]
    notes = []
    if middlewares:
        notes.append(f"Middleware is not run here, and may answer first or route elsewhere: {', '.join(middlewares)}.")
    handled = [cls.__name__ for app in apps for cls in app.error_handlers if isinstance(error, cls)]
    if handled:
        notes.append(f"The error handler for {handled[-1]} is not called here, and answers in place of this.")
    return notes


def _unread(request: Request, route: Route) -> list[str]:
    """The names in the query and the form that no parameter takes."""
    inputs = route.signature.inputs()
    read = {one.alias for one in inputs}
    notes = []
    sources: tuple[Source, ...] = ("query", "form")
    for source in sources:
        brought: set[Source] = {"query"} if source == "query" else {"form", "body"}
        takers = [one for one in inputs if not brought.isdisjoint(one.sources)]
        if any(one.whole or one.kind is Kind.VAR_KEYWORD for one in takers):
            continue
        try:
            there = request.query_params if source == "query" else request.form_params
        except HTTPError:
            continue
        unread = [repr(name) for name in there if name not in read]
        if unread:
            notes.append(f"No parameter takes {', '.join(unread)} from the {source}.")
    return notes
