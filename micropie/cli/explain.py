"""`micropie explain`: what an app would do with one request, and why. The handler is not called."""

import asyncio
import difflib
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
from .loading import PROBLEMS, load_micropie_app, redirect_prints, relative_path
from .output import emit, emit_json, faint, format_columns, heading, indent_lines, style

WEBSOCKET: Final = "WEBSOCKET"

_ADDRESS: Final = re.compile(r"(?P<scheme>https?|wss?):(?://(?P<host>[^/?#]*))?(?P<target>.*)", re.IGNORECASE)
_HEADER: Final = re.compile(rf"({http_grammar.TOKEN}):[ \t]*(.*?)[ \t]*", re.DOTALL)
_UNSAFE: Final = re.compile(http_grammar.UNSAFE_IN_FIELD_VALUE)

EXPECTED_TO_HAVE_ONE: Final = ("POST", "PUT", "PATCH")
"""Methods with which clients say that there is no body, too (RFC 9110 §8.6)."""
ERRORS: Final = 400
"""The first status that is an error (RFC 9110 §15.5); the codes of a close are all above it."""
LONGEST: Final = 200
"""Characters of a value that are shown."""


def _bytes(argument: str) -> bytes:
    """What was typed, byte by byte: Python keeps what is not in the locale's encoding as surrogates (PEP 383)."""
    return argument.encode("utf-8", "surrogateescape")


def _object(_ctx: click.Context, _parameter: click.Parameter, written: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        return msgspec.json.decode(_bytes(written), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        example = """'{"user": "ann"}'"""
        raise click.BadParameter(f"{written!r} is no JSON object such as {example}: {error}") from None


@click.command
@target_options
@click.argument("request_line", metavar="REQUEST")
@click.option(
    "-d",
    "--data",
    multiple=True,
    metavar="BODY",
    help="The body, or @FILE for what is in a file (@- for standard input).",
)
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; may be repeated.")
@click.option(
    "--session", callback=_object, default="{}", metavar="JSON", help="What the session holds: a JSON object."
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

    TARGET is module:app. REQUEST is "METHOD /path?query"; without METHOD it is GET, or POST with -d. For a WebSocket
    write "WEBSOCKET /path". The handler is not called, and neither is middleware.
    """
    asked = _asked(request_line, data, headers, session)
    app = load_micropie_app(target, factory=factory, app_dir=app_dir)
    with redirect_prints():
        explanation = asyncio.run(explain_request(app, asked))
    if form == "json":
        emit_json(_as_json(asked, explanation))
    else:
        emit("\n".join(_as_text(app, asked, explanation)))
    answer = explanation.answer
    ctx.exit(PROBLEMS if answer is not None and answer.status >= ERRORS else 0)


# What was written on the command line


def _asked(request_line: str, data: Sequence[str], headers: Sequence[str], session: dict[str, Any]) -> AskedRequest:
    given = [_header(header) for header in headers]
    body = b"&".join(_contents(one) for one in data)
    method, target, host = _request_line(request_line, "POST" if data else "GET")
    if data and not method:
        raise click.UsageError("A WebSocket handshake has no body: leave out -d.")
    if body:
        given = _with("Content-Type", _guessed(body), given)
    if body or method in EXPECTED_TO_HAVE_ONE:
        given = _with("Content-Length", str(len(body)), given)
    return AskedRequest(method, target, _with("Host", host, given), body, session)


def _with(name: str, value: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """`headers`, and that one if it is not among them."""
    return headers if any(given.lower() == name.lower() for given, _ in headers) else [*headers, (name, value)]


def _request_line(written: str, default: str) -> tuple[str, str, str]:
    """Method (`""` for a WebSocket), target and host."""
    words = written.split()
    if len(words) > 2:
        raise _not_a_request(written, "A space in a path is written %20.")
    if not words:
        raise _not_a_request(written)
    method = words[0].upper() if len(words) == 2 else default
    target, host = words[-1], "localhost"
    address = _ADDRESS.fullmatch(target)
    if address is not None:
        target, host = address["target"], address["host"] or host
        target = target if target.startswith("/") or not address["host"] else f"/{target}"
        method = WEBSOCKET if address["scheme"].lower().startswith("ws") else method
    if not target.startswith("/"):
        raise _not_a_request(written, f"Did you mean {f'{method} /{target}'!r}?" if len(words) == 2 else "")
    if not re.fullmatch(http_grammar.TOKEN, method):
        raise _not_a_request(written, f"{method!r} is no method.")
    target = quote(_bytes(target.partition("#")[0]), safe=string.punctuation)
    return "" if method == WEBSOCKET else method, target, host


def _not_a_request(written: str, remedy: str = "") -> click.UsageError:
    return click.UsageError(f"{written!r} is no request such as 'POST /todos/3?x=1'. {remedy}".rstrip())


def _header(written: str) -> tuple[str, str]:
    found = _HEADER.fullmatch(written)
    if found is None or _UNSAFE.search(written):
        raise click.BadParameter(f"{written!r} is no header such as 'Accept: text/plain'.", param_hint="-H")
    return found[1], found[2]


def _contents(written: str) -> bytes:
    if not written.startswith("@"):
        return _bytes(written)
    if written == "@-":
        if sys.stdin is None:
            raise click.BadParameter("standard input is closed.", param_hint="-d")
        return sys.stdin.buffer.read()
    try:
        return Path(written[1:]).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{written[1:]!r} cannot be read: {error.strerror}.", param_hint="-d") from None


def _guessed(body: bytes) -> str:
    """The media type that `body` looks like."""
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "application/x-www-form-urlencoded"
    return "application/json"


# For people


def _as_text(app: App, asked: AskedRequest, found: Explanation) -> Iterator[str]:
    yield heading(f"{asked.method or WEBSOCKET} {asked.target}")
    yield from _route(app, asked, found)
    yield from _others(asked, found)
    if found.arguments:
        yield from ("", heading("Arguments"))
        yield from indent_lines(_arguments(found.arguments))
    yield from ("", heading("Result"))
    yield from indent_lines(_result(asked, found))
    if found.notes:
        yield from ("", heading("Notes"))
        yield from indent_lines(found.notes)
    if isinstance(found.found, Route):
        yield from ("", heading("Binder"))
        yield from indent_lines(found.found.source.splitlines())


def _route(app: App, asked: AskedRequest, found: Explanation) -> Iterator[str]:
    yield from ("", heading("Route"))
    chosen = next((one for one in reversed(found.candidates) if one.outcome != "lost"), None)
    if chosen is None:
        yield from indent_lines(["Nothing answers this path." + _similar(app, asked)])
        return
    file, line = _locate(chosen.answer)
    where = faint(f"{relative_path(file)}:{line}") if file is not None else ""
    yield from indent_lines(format_columns([(_methods(asked, chosen), chosen.url, chosen.name, where)]))
    what = "It answers" if chosen.outcome == "chosen" else "It fits, but does not answer this method"
    yield from indent_lines([f"{what}: {chosen.why}."])


def _locate(answer: Route | Mount) -> tuple[str, int] | tuple[None, None]:
    """Return where a handler is written, or a mounted function; not the `__call__` of a framework's object."""
    function = answer.handler if isinstance(answer, Route) else answer.app
    return locate_function(function) if isinstance(answer, Route) or inspect.isroutine(function) else (None, None)


def _similar(app: App, asked: AskedRequest) -> str:
    urls = [entry.url for entry in list_urls(app)]
    close = difflib.get_close_matches(asked.target.partition("?")[0], urls, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _methods(asked: AskedRequest, candidate: Candidate) -> str:
    if not asked.method:
        return WEBSOCKET
    named = [method for method in candidate.methods if method != "HEAD" or "GET" not in candidate.methods]
    return ", ".join(named) or "any"


def _others(asked: AskedRequest, found: Explanation) -> Iterator[str]:
    lost = [one for one in found.candidates if one.outcome == "lost"]
    near = [one for one in lost if one.near]
    if not near:
        return
    yield from ("", heading("Why not another"))
    yield from indent_lines(format_columns((_methods(asked, one), one.url, one.name, faint(one.why)) for one in near))
    if len(near) < len(lost):
        yield from indent_lines([faint(f"{len(lost) - len(near)} more have a URL that begins otherwise.")])


def _arguments(arguments: Sequence[Argument]) -> list[str]:
    rows = []
    for one in arguments:
        sent = f": {_short(one.sent)}" if one.sent is not None else ""
        value = "" if one.value is UNSET else _short(repr(one.value))
        typed = faint(format_parameter_type(one.parameter))
        if one.errors:
            value = style("; ".join(one.errors), colour="red")
        function = one.dependency.rpartition(".")[2]
        name = f"{function}.{one.parameter.name}" if function else one.parameter.name
        rows.append((name, typed, f"{one.origin}{sent}", f"→ {value}" if value else ""))
    return format_columns(rows)


def _result(asked: AskedRequest, found: Explanation) -> Iterator[str]:
    answer = found.answer
    if answer is None and isinstance(found.found, Mount):
        yield f"{get_class_name(found.found.app)} would be called: it is an app of its own."
    elif answer is None and isinstance(found.found, Route):
        yield style(f"{found.found.name} would be called with these arguments.", colour="green")
    elif answer is not None and not asked.method:
        yield style(f"The handshake is refused: {answer.status} {answer.reason}", colour="red")
    elif answer is not None:
        colour = "red" if answer.status >= ERRORS else "green"
        yield style(f"The client gets {answer.status} {answer.reason}:", colour=colour)
        yield from (faint(f"{name}: {value}") for name, value in answer.headers)
        yield from answer.body.splitlines()


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


# For programs


def _as_json(asked: AskedRequest, found: Explanation) -> dict[str, Any]:
    answering = [one for one in found.candidates if one.outcome != "lost"]
    headers = [(name, _bytes(value).decode("utf-8", "backslashreplace")) for name, value in asked.headers]
    return {
        "request": {"method": asked.method or WEBSOCKET, "target": asked.target, "headers": headers},
        "route": _candidate(answering[-1]) if answering else None,
        "others": [_candidate(one) for one in found.candidates if one.outcome == "lost"],
        "arguments": [_argument(one) for one in found.arguments],
        "answer": None if found.answer is None else msgspec.to_builtins(found.answer),
        "notes": list(found.notes),
        "binder": found.found.source if isinstance(found.found, Route) else None,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    names = ("url", "methods", "name", "outcome", "why")
    return {name: getattr(candidate, name) for name in names}


def _argument(argument: Argument) -> dict[str, Any]:
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
