"""This module explains what an app would do with a request, up to the call of the handler, which is not made.

It uses the app's routing and binding (`routing.match`, `compile_binder`), and tells besides where each argument comes
from. No handler, dependency, middleware, error handler, session store or startup function is called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import unquote

from ..app.application import App
from ..app.http import receive_parts
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
from ..websockets.protocol import choose_close
from .route_trace import Candidate, resolve_route, trace_route
from .url_list import list_parameters

OPTIONS: Final = "micropie.options"
"""The name of the route of the automatic response to OPTIONS."""

_FROM_FRAMEWORK: Final = {Role.REQUEST: "the request itself", Role.WEBSOCKET: "the connection"}
"""The parameters that the framework fills without a source."""


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """A request that is to be explained."""

    method: str
    """`""` for a WebSocket."""
    target: str
    """The path and the query, percent-encoded, as a client sends them (RFC 9112 §3.2)."""
    headers: Sequence[tuple[str, str]] = ()
    """Names and values; bytes that are not UTF-8 are surrogates (PEP 383)."""
    body: bytes = b""
    session: Mapping[str, Any] = field(default_factory=dict)
    """The data that the session would hold."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of the handler, and the value that it gets."""

    parameter: Parameter
    source: Source | None
    """None if the value is a default, comes from the framework, or is missing."""
    origin: str
    """The source in words."""
    sent: str | None
    """The text in the source, as the client sent it."""
    value: object | Unset
    """The converted value; UNSET if it is missing, or a dependency returns it."""
    errors: tuple[str, ...] = ()
    dependency: str = ""
    """The name of the dependency that takes the parameter; empty for the handler itself."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response that the client gets in place of the handler's."""

    status: int
    """An HTTP status; for a WebSocket the close code."""
    reason: str
    """The reason phrase; for a WebSocket the reason of the close."""
    headers: HeaderItems
    body: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A description of what the app would do with a request."""

    candidates: Sequence[Candidate]
    """All that could answer the path, in the order in which the router asks it."""
    endpoint: Route | Mount | None
    arguments: Sequence[Argument] = ()
    response: Response | None = None
    notes: Sequence[str] = ()
    """Sentences on what could change the result, or was perhaps not meant."""


async def explain_request(app: App, asked: AskedRequest) -> Explanation:
    """Return what `app` would do with the request `asked`."""
    scope = _build_scope(asked)
    endpoint: Route | Mount | None = None
    candidates: list[Candidate] = []
    trail: Trail = app._trail
    try:
        while True:
            segments = split_path(scope)
            candidates += trace_route(app._trail, segments, asked.method)
            endpoint, values, trail = resolve_route(app._trail, segments, asked.method)
            if not isinstance(endpoint, Mount) or not isinstance(endpoint.app, App):
                break
            app, scope = endpoint.app, build_mounted_scope(scope, split_prefix(scope, values))
    except HTTPError as error:
        request = _build_request(app, scope, asked)
        return Explanation(candidates, None, (), _build_response(request, error), _note_apps(trail, error))
    request = _build_request(app, scope, asked)
    if isinstance(endpoint, Mount):
        return Explanation(candidates, endpoint)
    if endpoint.name == OPTIONS:
        status, _, headers = endpoint.handler()
        response = Response(status, reason_phrase(status), headers, "")
        return Explanation(candidates, None, (), response, _note_apps(trail, None))
    return await _explain_arguments(request, candidates, endpoint, values, trail)


async def _explain_arguments(
    request: Request, candidates: Sequence[Candidate], route: Route, values: Sequence[str], trail: Trail
) -> Explanation:
    """Bind the parameters of `route`, and return the explanation with its arguments or its error."""
    request.path_params = values
    arguments: list[Argument] = []
    response: Response | None = None
    error: Exception | None = None
    try:
        await _receive_body(request, route, values)
        for name, parameter in list_parameters(route):
            arguments.append(replace(_explain_argument(parameter, request, values, route), dependency=name))
        _bind(route, request, values)
    except Exception as raised:  # noqa: BLE001  (a type of the user's may raise anything, which is then a 500)
        error = raised
        response = _build_response(request, raised if isinstance(raised, HTTPError) else HTTPError(500))
    finally:
        if request.multipart is not None:
            await request.multipart.close()
    notes = [*_note_apps(trail, error), *_note_unread_names(request, route)]
    return Explanation(candidates, route, arguments, response, notes)


def _bind(route: Route, request: Request, values: Sequence[str]) -> None:
    """Bind the dependencies and the handler, as the app does before it calls any of them. Raises HTTPError."""
    signature = route.signature
    for dependency in signature.dependencies():
        compile_binder(dependency.signature, dependency.name, signature).bind(_return_arguments, request, values)
    compile_binder(signature, route.name).bind(_return_arguments, request, values)


def _return_arguments(*args: object, **kwargs: object) -> tuple[tuple[object, ...], dict[str, object]]:
    """Return the arguments; the binder calls this in place of the handler."""
    return args, kwargs


# The request


def _build_scope(asked: AskedRequest) -> Scope:
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


def _build_request(app: App, scope: Scope, asked: AskedRequest) -> Request:
    messages: list[Message] = [{"type": "http.request", "body": asked.body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Drop the message, since no client is connected."""

    request = Request(scope, receive, app.limits)
    if not asked.method:
        request = WebSocketRequest(scope, receive, app.limits)
        request.websocket = WebSocket(receive, send, scope=scope)
    if asked.session:
        request.session = dict(asked.session)
    return request


async def _receive_body(request: Request, route: Route, values: Sequence[str]) -> None:
    """Read the body as the app does for this handler. Raises HTTPError."""
    if request.has_body:
        await request.read_body(raw=route.wants.raw, streaming=route.wants.streaming)
        await receive_parts(request, route, values)


# The arguments


def _explain_argument(parameter: Parameter, request: Request, values: Sequence[str], route: Route) -> Argument:
    if not parameter.sources:
        function = parameter.dependency.name if parameter.dependency is not None else "a dependency"
        origin = _FROM_FRAMEWORK.get(parameter.role, f"{function}, which is not called here")
        return Argument(parameter, None, origin, None, UNSET)
    try:
        source, origin, sent = _find_value(parameter, request, values)
    except (BadRequest, ValueError):  # the source cannot be read; the binder's error below says why
        source, origin, sent = None, "", None
    binder = compile_binder(Signature((parameter,), None), f"{route.name}, {parameter.name}")
    try:
        args, kwargs = binder.bind(_return_arguments, request, values)
    except BadRequest as bad:
        return Argument(parameter, source, origin, sent, UNSET, tuple(error.line() for error in bad.errors))
    except Exception as error:  # noqa: BLE001  (as in `_explain_arguments`)
        shown = str(error) if isinstance(error, HTTPError) else f"{type(error).__name__}: {error}"
        return Argument(parameter, source, origin, sent, UNSET, (shown,))
    return Argument(parameter, source, origin, sent, _get_value(parameter, args, kwargs))


def _get_value(parameter: Parameter, args: Sequence[object], kwargs: Mapping[str, object]) -> object:
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


def _find_value(parameter: Parameter, request: Request, values: Sequence[str]) -> tuple[Source | None, str, str | None]:
    """Return the source of a value, the same in words, and what the client sent. Raises BadRequest and ValueError."""
    if parameter.kind is Kind.VAR_POSITIONAL:
        return "path", "the other path segments", "/".join(values[parameter.index or 0 :])
    if parameter.kind is Kind.VAR_KEYWORD:
        return parameter.sources[0], f"the other names of the {' and the '.join(parameter.sources)}", None
    if parameter.whole:
        return _find_whole_value(parameter, request)
    for source in parameter.sources:
        sent = LOOKUPS[source](parameter, request, values)
        if sent is not UNSET:
            index = (parameter.index or 0) + 1
            origin = f"path segment {index}" if source == "path" else _ORIGINS[source].format(parameter.alias)
            return source, origin, _format_sent(source, sent)
    return None, _describe_missing(parameter), None


def _describe_missing(parameter: Parameter) -> str:
    return "nowhere" if parameter.required else "its default"


def _find_whole_value(parameter: Parameter, request: Request) -> tuple[Source | None, str, str | None]:
    source = parameter.sources[0]
    if source in ("form", "body"):
        if parameter.role is Role.STREAM:
            return source, "the body as a stream", None
        if parameter.role is Role.RAW:
            return source, "the body, not decoded", _text(request.body)
        if request.media is Media.JSON:
            return source, "the JSON body", _text(request.body)
        return (
            (source, _describe_missing(parameter), None) if request.media is Media.NONE else ("form", "the form", None)
        )
    return source, _WHOLE[source], None


def _format_sent(source: Source, sent: Any) -> str:
    if source == "body":
        return _text(bytes(sent))
    if source == "file":
        return ", ".join(str(file.filename) for file in sent)
    return repr(sent) if source == "session" else ", ".join(sent)


def _text(sent: bytes) -> str:
    return sent.decode("utf-8", "backslashreplace")


# The response, and the notes


def _build_response(request: Request, error: HTTPError) -> Response:
    if isinstance(request, WebSocketRequest):
        code, reason = choose_close(error)
        return Response(code, reason, (), reason)
    accept = request.headers.get("accept", "")
    status, body, headers = build_error_response(error, request.content_type, accept)
    return Response(status, reason_phrase(status), headers, _text(body))


def _note_apps(trail: Trail, error: Exception | None) -> list[str]:
    """Describe what the middleware and error handlers of the apps on the way could change."""
    apps = [node.owner for node in trail if isinstance(node.owner, App)]
    middlewares = [type(hook).__name__ for app in apps for hook in (*app.middlewares, *app.ws_middlewares)]
    notes = []
    if middlewares:
        notes.append(
            f"Middleware is not run here; it may respond first or choose another route: {', '.join(middlewares)}."
        )
    handled = [cls.__name__ for app in apps for cls in app.error_handlers if isinstance(error, cls)]
    if handled:
        notes.append(f"The error handler for {handled[-1]} is not called here; its response would replace this one.")
    return notes


def _note_unread_names(request: Request, route: Route) -> list[str]:
    """Describe the names in the query and the form that no parameter takes."""
    inputs = route.signature.inputs()
    read = {parameter.alias for parameter in inputs}
    notes = []
    sources: tuple[Source, ...] = ("query", "form")
    for source in sources:
        read_from: set[Source] = {"query"} if source == "query" else {"form", "body"}
        takers = [parameter for parameter in inputs if not read_from.isdisjoint(parameter.sources)]
        if any(parameter.whole or parameter.kind is Kind.VAR_KEYWORD for parameter in takers):
            continue
        try:
            sent = request.query_params if source == "query" else request.form_params
        except HTTPError:
            continue
        unread = [repr(name) for name in sent if name not in read]
        if unread:
            notes.append(f"No parameter takes {', '.join(unread)} from the {source}.")
    return notes
