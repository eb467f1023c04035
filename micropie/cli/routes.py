"""`micropie routes`: every URL of an app, what answers it, and what that takes and returns."""

from collections.abc import Iterator
from typing import Any, Final

import click

from .._utils.callables import locate_function
from ..binding.signature import Parameter, Role
from ..inspection.type_text import (
    format_default,
    format_parameter_type,
    format_return_type,
    format_type,
    get_class_name,
    read_meta,
)
from ..inspection.url_list import STARS, Entry, list_parameters, list_urls
from ..routing.methods import METHODS
from ..routing.route import Route
from . import target_options
from .loading import load_micropie_app
from .output import emit, emit_json, faint, format_columns, heading, indent_lines, style

GIVEN: Final = {Role.REQUEST: "the request", Role.WEBSOCKET: "the connection"}
"""What comes from no source."""


@click.command
@target_options
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def routes(target: str, factory: bool, app_dir: str, form: str) -> None:
    """List the URLs of TARGET with their handlers.

    TARGET is module:app, an App instance or a subclass of App.
    """
    entries = list_urls(load_micropie_app(target, factory=factory, app_dir=app_dir))
    if form == "json":
        emit_json([_as_json(entry) for entry in entries])
    elif entries:
        emit("\n".join(_as_table(entries)))
    else:
        emit(f"{target} has no URLs.")


# For people


def _as_table(entries: list[Entry]) -> Iterator[str]:
    titles = [heading(title) for title in ("METHODS", "URL", "HANDLER", "RETURNS")]
    lines = iter(format_columns([titles, *map(_row, entries)]))
    yield next(lines)
    for entry, line in zip(entries, lines, strict=True):
        yield line
        if isinstance(entry.answer, Route):
            rows = [
                (faint(_named(*one)), _typed(one[1]), faint(sources_text(one[1])))
                for one in list_parameters(entry.answer)
            ]
            yield from indent_lines(format_columns(rows), by=2)


def _row(entry: Entry) -> tuple[str, ...]:
    if not isinstance(entry.answer, Route):
        return (style("MOUNT", colour="magenta"), heading(entry.url), get_class_name(entry.answer.app))
    answer = entry.answer
    return (methods_text(entry), heading(entry.url), answer.name, format_return_type(answer))


def methods_text(entry: Entry) -> str:
    """The methods of `entry` in short: `any` for all of them, and HEAD left out where it is GET's."""
    if entry.protocol == "websocket":
        return style("WEBSOCKET", colour="magenta")
    shown = [method for method in entry.methods if method != "HEAD" or "GET" not in entry.methods]
    return style(", ".join(shown), colour="green") if shown else faint("any")


def _named(function: str, parameter: Parameter) -> str:
    of = f"{function.rpartition('.')[2]}." if function else ""
    return STARS.get(parameter.kind, "") + of + parameter.name


def _typed(parameter: Parameter) -> str:
    default = format_default(parameter)
    written = format_parameter_type(parameter)
    if default is None:
        return written
    return f"{written} = {default}" if written else f"= {default}"


def sources_text(parameter: Parameter) -> str:
    """Where a parameter's value is looked for, in order, and under which name if not its own."""
    if not parameter.sources:
        return GIVEN.get(parameter.role, parameter.role.name.lower())
    sources = ", ".join(parameter.sources)
    return sources if parameter.alias == parameter.name or parameter.whole else f"{sources} as {parameter.alias}"


# For programs


def _as_json(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"url": entry.url, "protocol": entry.protocol}
    if not isinstance(entry.answer, Route):
        return {**found, "app": get_class_name(entry.answer.app)}
    route = entry.answer
    file, line = locate_function(route.handler)
    if entry.protocol == "http":
        found["methods"] = list(entry.methods or METHODS)
    found |= {"handler": route.name, "file": file, "line": line}
    found["parameters"] = [_parameter_as_json(*one) for one in list_parameters(route)]
    if entry.protocol == "websocket":
        receives, sends = route.messages
        return {**found, "receives": format_type(receives), "sends": format_type(sends)}
    return {**found, "returns": format_return_type(route) or None}


def _parameter_as_json(function: str, parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "dependency": function or None,
        "alias": parameter.alias,
        "kind": parameter.kind.name.lower(),
        "type": format_type(parameter.annotation) or None,
        "constraints": read_meta(parameter),
        "sources": list(parameter.sources),
        "required": parameter.required,
        "default": format_default(parameter),
    }
