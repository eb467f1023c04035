"""`micropie explain` shows what an app would do with one request, and why. It does not call the handler."""

import asyncio
import inspect
import re
import string
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
import msgspec

from .._utils import http_grammar
from .._utils.callables import locate_function
from ..app.application import App
from ..inspection.explain import Argument, AskedRequest, Explanation, explain_request
from ..inspection.route_trace import Candidate
from ..inspection.type_text import format_parameter_type, get_class_name
from ..inspection.url_list import list_urls
from ..routing.route import Route
from ..routing.table import Mount
from ..sentinels import UNSET
from . import target_options
from .loading import PROBLEMS, format_path, load_micropie_app, redirect_prints
from .output import emit, emit_json, format_columns, indent_lines, style, style_faint, style_heading
from .suggestions import find_close, suggest

WEBSOCKET: Final = "WEBSOCKET"

_ADDRESS: Final = re.compile(r"(?P<scheme>https?|wss?):(?://(?P<host>[^/?#]*))?(?P<target>.*)", re.IGNORECASE)
_HEADER: Final = re.compile(rf"({http_grammar.TOKEN}):[ \t]*(.*?)[ \t]*", re.DOTALL)
_UNSAFE: Final = re.compile(http_grammar.UNSAFE_IN_FIELD_VALUE)

METHODS_WITH_BODY: Final = ("POST", "PUT", "PATCH")
"""Methods with which clients send a Content-Length even for an empty body (RFC 9110 §8.6)."""
ERRORS: Final = 400
"""The first status that is an error (RFC 9110 §15.5). All close codes of WebSockets are above it."""
LONGEST: Final = 200
"""The longest value that is shown in full, in characters."""


def _encode(argument: str) -> bytes:
    """Return the bytes that were typed. Python keeps bytes outside the locale's encoding as surrogates (PEP 383)."""
    return argument.encode("utf-8", "surrogateescape")


def _parse_object(_ctx: click.Context, _parameter: click.Parameter, written: str) -> dict[str, Any]:
    """Parse a JSON object."""
    try:
        return msgspec.json.decode(_encode(written), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        example = """'{"user": "ann"}'"""
        raise click.BadParameter(f"{written!r} is not a JSON object such as {example}: {error}") from None


@click.command
@target_options
@click.argument("request_line", metavar="REQUEST")
@click.option(
    "-d",
    "--data",
    multiple=True,
    metavar="BODY",
    help="The body, or @FILE to read it from a file (@- for standard input).",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; may be repeated.")
@click.option(
    "--session", callback=_parse_object, default="{}", metavar="JSON", help="The data of the session, a JSON object."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def explain(
    ctx: click.Context,
    target: str,
    factory: bool,
    app_dir: str,
    request_line: str,
    data: tuple[str, ...],
    headers: tuple[str, ...],
    session: dict[str, Any],
    form: str,
) -> None:
    """Show what TARGET would do with REQUEST, and why.

    TARGET is module:app. REQUEST is "METHOD /path?query". METHOD may be omitted: it is GET, or POST with -d. For a
    WebSocket write "WEBSOCKET /path". Neither the handler nor middleware is called.
    """
    asked = _parse_request(request_line, data, headers, session)
    app = load_micropie_app(target, factory=factory, app_dir=app_dir)
    with redirect_prints():
        explanation = asyncio.run(explain_request(app, asked))
    if form == "json":
        emit_json(_build_document(asked, explanation))
    else:
        emit("\n".join(_format_text(app, asked, explanation)))
    response = explanation.response
    ctx.exit(PROBLEMS if response is not None and response.status >= ERRORS else 0)


# From the command line to a request


def _parse_request(
    request_line: str, data: Sequence[str], headers: Sequence[str], session: dict[str, Any]
) -> AskedRequest:
    fields = [_parse_header(header) for header in headers]
    body = b"&".join(_read_data(argument) for argument in data)
    method, target, host = _parse_request_line(request_line, "POST" if data else "GET")
    if data and not method:
        raise click.UsageError("A WebSocket handshake has no body. Remove -d.")
    if body:
        fields = _add_default("Content-Type", _guess_media_type(body), fields)
    if body or method in METHODS_WITH_BODY:
        fields = _add_default("Content-Length", str(len(body)), fields)
    return AskedRequest(method, target, _add_default("Host", host, fields), body, session)


def _add_default(name: str, value: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return `headers`, with `name` added unless it is among them."""
    is_set = any(other.lower() == name.lower() for other, _ in headers)
    return headers if is_set else [*headers, (name, value)]


def _parse_request_line(written: str, default: str) -> tuple[str, str, str]:
    """Parse `METHOD /path` into method (`""` for a WebSocket), target and host. `default` is the method if omitted."""
    words = written.split()
    if len(words) > 2:
        raise _build_usage_error(written, "Write a space in a path as %20.")
    if not words:
        raise _build_usage_error(written)
    method = words[0].upper() if len(words) == 2 else default
    target, host = words[-1], "localhost"
    address = _ADDRESS.fullmatch(target)
    if address is not None:
        target, host = address["target"], address["host"] or host
        target = target if target.startswith("/") or not address["host"] else f"/{target}"
        method = WEBSOCKET if address["scheme"].lower().startswith("ws") else method
    if not target.startswith("/"):
        raise _build_usage_error(written, suggest(repr(f"{method} /{target}")) if len(words) == 2 else "")
    if not re.fullmatch(http_grammar.TOKEN, method):
        raise _build_usage_error(written, f"{method!r} is not a method.")
    target = quote(_encode(target.partition("#")[0]), safe=string.punctuation)
    return "" if method == WEBSOCKET else method, target, host


def _build_usage_error(written: str, remedy: str = "") -> click.UsageError:
    return click.UsageError(f"{written!r} is not a request such as 'POST /todos/3?x=1'. {remedy}".rstrip())


def _parse_header(written: str) -> tuple[str, str]:
    match = _HEADER.fullmatch(written)
    if match is None or _UNSAFE.search(written):
        raise click.BadParameter(f"{written!r} is not a header such as 'Accept: text/plain'.", param_hint="-H")
    return match[1], match[2]


def _read_data(written: str) -> bytes:
    if not written.startswith("@"):
        return _encode(written)
    if written == "@-":
        if sys.stdin is None:
            raise click.BadParameter("standard input is closed.", param_hint="-d")
        return sys.stdin.buffer.read()
    try:
        return Path(written[1:]).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{written[1:]!r} cannot be read: {error.strerror}.", param_hint="-d") from None


def _guess_media_type(body: bytes) -> str:
    """Return the media type of `body`: JSON if it can be decoded as JSON, else a form."""
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "application/x-www-form-urlencoded"
    return "application/json"


# For people


def _format_text(app: App, asked: AskedRequest, explanation: Explanation) -> Iterator[str]:
    yield style_heading(f"{asked.method or WEBSOCKET} {asked.target}")
    yield from _format_route(app, asked, explanation)
    yield from _format_others(asked, explanation)
    if explanation.arguments:
        yield from ("", style_heading("Arguments"))
        yield from indent_lines(_format_arguments(explanation.arguments))
    yield from ("", style_heading("Result"))
    yield from indent_lines(_format_result(asked, explanation))
    if explanation.notes:
        yield from ("", style_heading("Notes"))
        yield from indent_lines(explanation.notes)
    if isinstance(explanation.endpoint, Route):
        yield from ("", style_heading("Binder"))
        yield from indent_lines(explanation.endpoint.source.splitlines())


def _format_route(app: App, asked: AskedRequest, explanation: Explanation) -> Iterator[str]:
    yield from ("", style_heading("Route"))
    chosen = next((candidate for candidate in reversed(explanation.candidates) if candidate.outcome != "lost"), None)
    if chosen is None:
        yield from indent_lines(["No route answers this path." + _suggest_url(app, asked)])
        return
    file, line = _locate(chosen.endpoint)
    where = style_faint(f"{format_path(file)}:{line}") if file is not None else ""
    yield from indent_lines(format_columns([(_format_methods(asked, chosen), chosen.url, chosen.name, where)]))
    verdict = "It answers" if chosen.outcome == "chosen" else "It matches the path, but does not answer this method"
    yield from indent_lines([f"{verdict}: {chosen.why}."])


def _locate(endpoint: Route | Mount) -> tuple[str, int] | tuple[None, None]:
    """Return where a handler is written, or a mounted function; not the `__call__` of a framework's object."""
    function = endpoint.handler if isinstance(endpoint, Route) else endpoint.app
    return locate_function(function) if isinstance(endpoint, Route) or inspect.isroutine(function) else (None, None)


def _suggest_url(app: App, asked: AskedRequest) -> str:
    close = find_close(asked.target.partition("?")[0], [entry.url for entry in list_urls(app)])
    return f" {suggest(close)}" if close else ""


def _format_methods(asked: AskedRequest, candidate: Candidate) -> str:
    if not asked.method:
        return WEBSOCKET
    methods = [method for method in candidate.methods if method != "HEAD" or "GET" not in candidate.methods]
    return ", ".join(methods) or "any"


def _format_others(asked: AskedRequest, explanation: Explanation) -> Iterator[str]:
    lost = [candidate for candidate in explanation.candidates if candidate.outcome == "lost"]
    near = [candidate for candidate in lost if candidate.near]
    if not near:
        return
    rows = [
        (_format_methods(asked, candidate), candidate.url, candidate.name, style_faint(candidate.why))
        for candidate in near
    ]
    yield from ("", style_heading("Why not another"))
    yield from indent_lines(format_columns(rows))
    if len(near) < len(lost):
        yield from indent_lines([style_faint(f"{len(lost) - len(near)} more have a URL that begins differently.")])


def _format_arguments(arguments: Sequence[Argument]) -> list[str]:
    rows = []
    for argument in arguments:
        sent = f": {_shorten(argument.sent)}" if argument.sent is not None else ""
        value = "" if argument.value is UNSET else _shorten(repr(argument.value))
        type_text = style_faint(format_parameter_type(argument.parameter))
        if argument.errors:
            value = style("; ".join(argument.errors), colour="red")
        function = argument.dependency.rpartition(".")[2]
        name = f"{function}.{argument.parameter.name}" if function else argument.parameter.name
        rows.append((name, type_text, f"{argument.origin}{sent}", f"→ {value}" if value else ""))
    return format_columns(rows)


def _format_result(asked: AskedRequest, explanation: Explanation) -> Iterator[str]:
    response, endpoint = explanation.response, explanation.endpoint
    if response is None and isinstance(endpoint, Mount):
        yield f"{get_class_name(endpoint.app)}, which is mounted here, would be called."
    elif response is None and isinstance(endpoint, Route):
        yield style(f"{endpoint.name} would be called with these arguments.", colour="green")
    elif response is not None and not asked.method:
        yield style(f"The handshake is refused: {response.status} {response.reason}", colour="red")
    elif response is not None:
        colour = "red" if response.status >= ERRORS else "green"
        yield style(f"The client gets {response.status} {response.reason}:", colour=colour)
        yield from (style_faint(f"{name}: {value}") for name, value in response.headers)
        yield from response.body.splitlines()


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


# For programs


def _build_document(asked: AskedRequest, explanation: Explanation) -> dict[str, Any]:
    answering = [candidate for candidate in explanation.candidates if candidate.outcome != "lost"]
    others = [candidate for candidate in explanation.candidates if candidate.outcome == "lost"]
    headers = [(name, _encode(value).decode("utf-8", "backslashreplace")) for name, value in asked.headers]
    return {
        "request": {"method": asked.method or WEBSOCKET, "target": asked.target, "headers": headers},
        "route": _build_candidate(answering[-1]) if answering else None,
        "others": [_build_candidate(candidate) for candidate in others],
        "arguments": [_build_argument(argument) for argument in explanation.arguments],
        "answer": None if explanation.response is None else msgspec.to_builtins(explanation.response),
        "notes": list(explanation.notes),
        "binder": explanation.endpoint.source if isinstance(explanation.endpoint, Route) else None,
    }


def _build_candidate(candidate: Candidate) -> dict[str, Any]:
    names = ("url", "methods", "name", "outcome", "why")
    return {name: getattr(candidate, name) for name in names}


def _build_argument(argument: Argument) -> dict[str, Any]:
    return {
        "name": argument.parameter.name,
        "dependency": argument.dependency or None,
        "type": format_parameter_type(argument.parameter) or None,
        "source": argument.source,
        "origin": argument.origin,
        "sent": argument.sent,
        "value": None if argument.value is UNSET else repr(argument.value),
        "errors": list(argument.errors),
    }
