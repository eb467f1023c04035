"""At which URLs, and for which methods, a route is documented.

A route may answer many more: a plain method answers seven HTTP methods, and a value that its path leaves out is looked
for in the query. The rules here pick what its users would call its URLs; what the router would give to another route
is left out, and the router itself is asked for that.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from ..binding.signature import FROM_BODY, TAKES_BODY, Kind, Parameter, is_pinned
from ..errors import HTTPError
from ..requests.request import BODY_METHODS
from ..routing.match import match_path
from ..routing.route import Route
from ..routing.table import Trail

_SAMPLE: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands for a path value when the router is asked: no path has it, and so no literal segment."""


class Found(msgspec.Struct, frozen=True, eq=False):
    """A route, and where it was found."""

    route: Route
    trail: Trail
    """The way from the app to what holds the route."""
    holders: tuple[str, ...]
    """The attributes by which that way goes."""
    is_template: bool
    """Whether its URL was written with `@route`."""

    @property
    def owner(self) -> Any:
        """The App or Resource that holds the route."""
        return self.trail[-1].owner

    @property
    def name(self) -> str:
        """The way to it in one name: `todos_read`."""
        return "_".join((*self.holders, self.route.attribute))


class Url(msgspec.Struct, frozen=True, eq=False):
    """One URL of a route: its segments, of which those that are parameters are values."""

    segments: tuple[str | Parameter, ...]

    @property
    def values(self) -> list[Parameter]:
        """The parameters in it, in order."""
        return [segment for segment in self.segments if isinstance(segment, Parameter)]

    def template(self, names: Sequence[str] | None = None) -> str:
        """`/users/{id}`, with the parameters' own names or with `names`."""
        given = iter(names if names is not None else [value.name for value in self.values])
        parts = (quote(part) if isinstance(part, str) else f"{{{next(given)}}}" for part in self.segments)
        return "/" + "/".join(parts)


def find_routes(trail: Trail, *, websocket: bool = False, holders: tuple[str, ...] = ()) -> Iterator[Found]:
    """Every route at the end of `trail` and below."""
    node = trail[-1]
    table = node.sockets if websocket else node.http
    templates = table.template_routes()
    for route in table.routes():
        yield Found(route, trail, holders, route in templates)
    for name, child in node.children.items():
        if child not in trail:
            yield from find_routes((*trail, child), websocket=websocket, holders=(*holders, name))


def list_methods(route: Route) -> list[str]:
    """The methods that are documented: those that were declared, HEAD left out beside GET.

    A method without declared ones is a POST where it takes what only a body can bring; a GET, too, where it can do
    without that; and a GET where it takes nothing of the kind.
    """
    if route.methods is not None:
        return sorted(route.methods - {"HEAD"} if "GET" in route.methods else route.methods)
    of_body = [one for one in route.signature.inputs() if needs_body(one)]
    if not of_body:
        return ["GET"]
    return ["POST"] if any(one.required for one in of_body) else ["GET", "POST"]


def needs_body(parameter: Parameter) -> bool:
    """Whether only a body can bring the parameter."""
    return bool(parameter.sources) and FROM_BODY.issuperset(parameter.sources)


def keys_go_to_body(route: Route, method: str) -> bool:
    """Whether values that may be anywhere are documented as parts of the body: it has one, and nothing takes it all."""
    return method in BODY_METHODS and not any(map(takes_whole_body, route.signature.inputs()))


def takes_whole_body(parameter: Parameter) -> bool:
    """Whether it leaves nothing of the body for others."""
    return needs_body(parameter) and (parameter.whole or parameter.role in TAKES_BODY)


def list_operation_urls(found: Found, method: str) -> Iterator[Url]:
    """The URLs of a route: one for each number of path values; `method` is `""` for a WebSocket.

    A value that is required is in the path, an optional one is there or not. Where the body may bring it, it is not,
    unless it is pinned to the path.
    """
    values = [one for one in found.route.signature.inputs() if one.index is not None]
    single = sorted((one for one in values if one.kind is not Kind.VAR_POSITIONAL), key=lambda one: one.index or 0)
    rest = tuple(one for one in values if one.kind is Kind.VAR_POSITIONAL)
    if found.is_template:
        by_name = {one.name: one for one in values}
        written = [part for part in found.route.path.split("/")[1:] if part and not part.startswith("{*")]
        start = tuple(by_name[part[1:-1]] if part.startswith("{") else part for part in written)
        counts, tail = [0], tuple[Parameter, ...]()
    else:
        literal = found.route.path.partition("{")[0].strip("/")
        start, tail = ((literal,) if literal else ()), tuple(single)
        if keys_go_to_body(found.route, method):
            pinned = [one for one in single if is_pinned(one)]
            most = _reach(pinned)
            least = _reach([one for one in pinned if one.required])
        else:
            most, least = len(single), _reach([one for one in single if one.required])
        counts = [*range(least, most + 1)]
    prefix = (*found.holders, *start)
    for count in counts:
        yield Url((*prefix, *tail[:count]))
    if rest:
        yield Url((*prefix, *tail, *rest))


def _reach(parameters: Sequence[Parameter]) -> int:
    """How many path values there must be for all of `parameters` to have theirs."""
    return max(((one.index or 0) + 1 for one in parameters), default=0)


def is_answered(trail: Trail, found: Found, url: Url, method: str) -> bool:
    """Whether the router gives `url` to the route, and not to another one that goes before it."""
    segments: Sequence[str] = [part if isinstance(part, str) else _SAMPLE for part in url.segments]
    here: Any = trail
    try:
        while isinstance(here, tuple):
            here, segments = match_path(here, segments, method)
    except HTTPError:
        return False
    return here is found.route
