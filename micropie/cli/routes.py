"""`micropie routes` lists every URL of an app with its handler, and what the handler takes and returns."""

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
from .output import emit, emit_json, format_columns, indent_lines, style, style_faint, style_heading

OBJECTS: Final = {Role.REQUEST: "the request", Role.WEBSOCKET: "the connection"}
"""The names of parameters that are objects of the framework and come from no source."""


@click.command
@target_options
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def routes(target: str, factory: bool, app_dir: str, form: str) -> None:
    """List the URLs of TARGET with their handlers.

    TARGET is module:app: an App instance or a subclass of App.
    """
    entries = list_urls(load_micropie_app(target, factory=factory, app_dir=app_dir))
    if form == "json":
        emit_json([_build_document(entry) for entry in entries])
    elif entries:
        emit("\n".join(_format_table(entries)))
    else:
        emit(f"{target} has no URLs.")


# For people


def _format_table(entries: list[Entry]) -> Iterator[str]:
    titles = [style_heading(title) for title in ("METHODS", "URL", "HANDLER", "RETURNS")]
    lines = iter(format_columns([titles, *map(_build_row, entries)]))
    yield next(lines)
    for entry, line in zip(entries, lines, strict=True):
        yield line
        if isinstance(entry.endpoint, Route):
            rows = [
                (
                    style_faint(_format_name(function, parameter)),
                    _format_type_and_default(parameter),
                    style_faint(format_sources(parameter)),
                )
                for function, parameter in list_parameters(entry.endpoint)
            ]
            yield from indent_lines(format_columns(rows), levels=2)


def _build_row(entry: Entry) -> tuple[str, ...]:
    if not isinstance(entry.endpoint, Route):
        return (style("MOUNT", colour="magenta"), style_heading(entry.url), get_class_name(entry.endpoint.app))
    route = entry.endpoint
    return (format_methods(entry), style_heading(entry.url), route.name, format_return_type(route))


def format_methods(entry: Entry) -> str:
    """Format the methods of `entry` in short: `any` for all of them, and HEAD left out beside GET."""
    if entry.protocol == "websocket":
        return style("WEBSOCKET", colour="magenta")
    shown = [method for method in entry.methods if method != "HEAD" or "GET" not in entry.methods]
    return style(", ".join(shown), colour="green") if shown else style_faint("any")


def _format_name(function: str, parameter: Parameter) -> str:
    prefix = f"{function.rpartition('.')[2]}." if function else ""
    return STARS.get(parameter.kind, "") + prefix + parameter.name


def _format_type_and_default(parameter: Parameter) -> str:
    default = format_default(parameter)
    type_text = format_parameter_type(parameter)
    if default is None:
        return type_text
    return f"{type_text} = {default}" if type_text else f"= {default}"


def format_sources(parameter: Parameter) -> str:
    """Format the sources in which the parameter is looked up, in order, with its alias if it has one."""
    if not parameter.sources:
        return OBJECTS.get(parameter.role, parameter.role.name.lower())
    sources = ", ".join(parameter.sources)
    return sources if parameter.alias == parameter.name or parameter.whole else f"{sources} as {parameter.alias}"


# For programs


def _build_document(entry: Entry) -> dict[str, Any]:
    document: dict[str, Any] = {"url": entry.url, "protocol": entry.protocol}
    if not isinstance(entry.endpoint, Route):
        return {**document, "app": get_class_name(entry.endpoint.app)}
    route = entry.endpoint
    file, line = locate_function(route.handler)
    if entry.protocol == "http":
        document["methods"] = list(entry.methods or METHODS)
    document |= {"handler": route.name, "file": file, "line": line}
    document["parameters"] = [_build_parameter(*parameter) for parameter in list_parameters(route)]
    if entry.protocol == "websocket":
        receives, sends = route.messages
        return {**document, "receives": format_type(receives), "sends": format_type(sends)}
    return {**document, "returns": format_return_type(route) or None}


def _build_parameter(function: str, parameter: Parameter) -> dict[str, Any]:
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
