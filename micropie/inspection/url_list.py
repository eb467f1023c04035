"""This module lists every URL of an app as data: the commands that list, check or explain an app start from it.

It reads the tables that were built with the app, and decides nothing. The command line formats the list.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from ..app.application import App
from ..binding.signature import Kind, Parameter
from ..routing.route import Route
from ..routing.table import Mount, Table, Trail

Protocol: TypeAlias = Literal["http", "websocket", "mount"]

STARS: Final = {Kind.VAR_POSITIONAL: "*", Kind.VAR_KEYWORD: "**"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A URL, and the route or mounted app that answers it."""

    url: str
    """The URL from the outermost app, path values in braces."""
    protocol: Protocol
    endpoint: Route | Mount
    trail: Trail
    """The nodes from the outermost app down to the App or Resource that holds the endpoint."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that it answers; empty for all methods, for WebSockets and for mounted apps."""
        return tuple(sorted(self.endpoint.methods or ())) if isinstance(self.endpoint, Route) else ()

    @property
    def owner(self) -> Any:
        """The App or Resource that holds the endpoint."""
        return self.trail[-1].owner


def list_urls(app: App) -> list[Entry]:
    """Return the URLs of `app`, of the apps that it holds and of the micropie apps mounted in it, sorted."""
    entries = _walk(app._trail, "", (app,))
    return sorted(entries, key=lambda entry: (entry.url, entry.protocol, entry.methods))


def _walk(trail: Trail, prefix: str, mounted_in: tuple[object, ...]) -> Iterator[Entry]:
    node = trail[-1]
    tables: tuple[tuple[Protocol, Table], ...] = (("http", node.http), ("websocket", node.sockets))
    for protocol, table in tables:
        for route in table.routes():
            yield Entry((prefix + route.path.rstrip("/")) or "/", protocol, route, trail)
    for name, child in node.children.items():
        if child not in trail:
            yield from _walk((*trail, child), f"{prefix}/{name}", mounted_in)
    for segments, mounted in node.mounts.items():
        url = "/".join((prefix, *segments))
        yield Entry(url or "/", "mount", Mount(mounted), trail)
        if isinstance(mounted, App) and all(mounted is not outer for outer in mounted_in):
            yield from _walk(mounted._trail, url, (*mounted_in, mounted))


def list_parameters(route: Route) -> list[tuple[str, Parameter]]:
    """Return the parameters of a handler with `""`, then those of its dependencies, each with the dependency's name."""
    own = [("", parameter) for parameter in route.signature.parameters]
    of_dependencies = [
        (dependency.name, parameter)
        for dependency in route.signature.dependencies()
        for parameter in dependency.signature.parameters
        if parameter.sources
    ]
    return own + of_dependencies
