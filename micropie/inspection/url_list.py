"""Every URL of an app as data, and types as people write them: what lists, checks or explains an app starts from.

It reads what was built when the app was made and decides nothing itself. How it is printed is the command line's.
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
    """One URL, and what answers it."""

    url: str
    """From the outermost app on, path values in braces."""
    protocol: Protocol
    answer: Route | Mount
    trail: Trail
    """The way from the outermost app to the App or Resource that holds it."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that it answers; none where it answers all, or where that is not its to say."""
        return tuple(sorted(self.answer.methods or ())) if isinstance(self.answer, Route) else ()

    @property
    def owner(self) -> Any:
        """The App or Resource that holds it."""
        return self.trail[-1].owner


def list_urls(app: App) -> list[Entry]:
    """Every URL of `app`, of the apps it holds and of the micropie apps mounted in it, by URL."""
    found = _below(app._trail, "", (app,))
    return sorted(found, key=lambda entry: (entry.url, entry.protocol, entry.methods))


def _below(trail: Trail, prefix: str, mounted_in: tuple[object, ...]) -> Iterator[Entry]:
    node = trail[-1]
    tables: tuple[tuple[Protocol, Table], ...] = (("http", node.http), ("websocket", node.sockets))
    for protocol, table in tables:
        for made in table.routes():
            yield Entry((prefix + made.path.rstrip("/")) or "/", protocol, made, trail)
    for name, child in node.children.items():
        if child not in trail:
            yield from _below((*trail, child), f"{prefix}/{name}", mounted_in)
    for segments, mounted in node.mounts.items():
        url = "/".join((prefix, *segments))
        yield Entry(url or "/", "mount", Mount(mounted), trail)
        if isinstance(mounted, App) and all(mounted is not one for one in mounted_in):
            yield from _below(mounted._trail, url, (*mounted_in, mounted))


def list_parameters(route: Route) -> list[tuple[str, Parameter]]:
    """The parameters of a handler, then what the functions that it depends on take, each with that function's name."""
    own, others = route.signature.parameters, route.signature.dependencies()
    of_others = [(one.name, parameter) for one in others for parameter in one.signature.parameters if parameter.sources]
    return [*(("", parameter) for parameter in own), *of_others]
