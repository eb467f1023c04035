"""This module decides at which URLs, and for which methods, a route is documented.

A route may answer many more: a plain method answers seven HTTP methods, and a value that is missing from the path is
looked for in the query. The rules here pick the URLs that users would expect. A URL that the router gives to another
route is left out.
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
"""The path value with which the router is asked. No path has it, and so no literal segment equals it."""


class Endpoint(msgspec.Struct, frozen=True, eq=False):
    """A route at its place in the tree of Apps and Resources."""

    route: Route
    trail: Trail
    """The nodes from the app to the one that holds the route."""
    holders: tuple[str, ...]
    """The names of the attributes that lead there."""
    is_template: bool
    """True if the URL was written with `@route`."""

    @property
    def owner(self) -> Any:
        """The App or Resource that holds the route."""
        return self.trail[-1].owner

    @property
    def name(self) -> str:
        """The attributes that lead to the handler, in one name: `todos_read`."""
        return "_".join((*self.holders, self.route.attribute))


class Url(msgspec.Struct, frozen=True, eq=False):
    """One URL of a route, as segments: text, or the parameter whose value stands there."""

    segments: tuple[str | Parameter, ...]

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters in the URL, in order."""
        return [segment for segment in self.segments if isinstance(segment, Parameter)]

    def render(self, names: Sequence[str] | None = None) -> str:
        """Return the URL as a template, `/users/{id}`. `names` replace the parameters' own names."""
        remaining = iter(names if names is not None else [parameter.name for parameter in self.parameters])
        parts = (quote(part) if isinstance(part, str) else f"{{{next(remaining)}}}" for part in self.segments)
        return "/" + "/".join(parts)


def find_endpoints(trail: Trail, *, websocket: bool = False, holders: tuple[str, ...] = ()) -> Iterator[Endpoint]:
    """Yield every route at the end of `trail` and below."""
    node = trail[-1]
    table = node.sockets if websocket else node.http
    templates = list(table.template_routes())
    for route in dict.fromkeys(table.routes()):
        yield Endpoint(route, trail, holders, route in templates)
    for name, child in node.children.items():
        if child not in trail:
            yield from find_endpoints((*trail, child), websocket=websocket, holders=(*holders, name))


def list_methods(route: Route) -> list[str]:
    """List the methods under which `route` is documented.

    They are the methods that the route declares, without HEAD beside GET. A route that declares none is documented as
    POST if it requires something that only a body can bring, as GET and POST if that is optional, and else as GET.
    """
    if route.methods is not None:
        return sorted(route.methods - {"HEAD"} if "GET" in route.methods else route.methods)
    in_body = [parameter for parameter in route.signature.inputs() if needs_body(parameter)]
    if not in_body:
        return ["GET"]
    return ["POST"] if any(parameter.required for parameter in in_body) else ["GET", "POST"]


def needs_body(parameter: Parameter) -> bool:
    """Return True if only a body can bring the parameter."""
    return bool(parameter.sources) and FROM_BODY.issuperset(parameter.sources)


def keys_go_to_body(parameters: Sequence[Parameter], method: str) -> bool:
    """Return True if values that may come from anywhere are documented as keys of the body.

    They are if the method has a body and none of `parameters`, the inputs of the handler, takes the whole body.
    """
    return method in BODY_METHODS and not any(map(_takes_whole_body, parameters))


def _takes_whole_body(parameter: Parameter) -> bool:
    return needs_body(parameter) and (parameter.whole or parameter.role in TAKES_BODY)


def list_urls(endpoint: Endpoint, method: str) -> Iterator[Url]:
    """Yield the URLs of a route, one for each number of path values. For a WebSocket `method` is `""`.

    Every URL holds the required values. For each optional value there is a URL with it and one without it. A value that
    the body may bring is not in the path, unless it is pinned to it.
    """
    values = [parameter for parameter in endpoint.route.signature.inputs() if parameter.index is not None]
    rest = tuple(parameter for parameter in values if parameter.kind is Kind.VAR_POSITIONAL)
    if endpoint.is_template:
        start, tail, counts = _read_template(endpoint.route, values), tuple[Parameter, ...](), range(1)
    else:
        literal = endpoint.route.path.partition("{")[0].strip("/")
        single = [parameter for parameter in values if parameter.kind is not Kind.VAR_POSITIONAL]
        start, tail = ((literal,) if literal else ()), tuple(sorted(single, key=_get_index))
        counts = _count_values(endpoint.route, method, tail)
    prefix = (*endpoint.holders, *start)
    for count in counts:
        yield Url((*prefix, *tail[:count]))
    if rest:
        yield Url((*prefix, *tail, *rest))


def _read_template(route: Route, values: Sequence[Parameter]) -> tuple[str | Parameter, ...]:
    by_name = {parameter.name: parameter for parameter in values}
    parts = [part for part in route.path.split("/")[1:] if part and not part.startswith("{*")]
    return tuple(by_name[part[1:-1]] if part.startswith("{") else part for part in parts)


def _count_values(route: Route, method: str, single: Sequence[Parameter]) -> range:
    """Return the numbers of path values with which the route is documented."""
    if keys_go_to_body(route.signature.inputs(), method):
        in_path: Sequence[Parameter] = [parameter for parameter in single if is_pinned(parameter)]
        most = _count_up_to(in_path)
    else:
        in_path, most = single, len(single)
    return range(_count_up_to([parameter for parameter in in_path if parameter.required]), most + 1)


def _count_up_to(parameters: Sequence[Parameter]) -> int:
    """Return how many path values there must be so that each of `parameters` has its value."""
    return max((_get_index(parameter) + 1 for parameter in parameters), default=0)


def _get_index(parameter: Parameter) -> int:
    return parameter.index or 0


def is_answered(trail: Trail, endpoint: Endpoint, url: Url, method: str) -> bool:
    """Return True if the router gives `url` to this route, and not to another one that comes first."""
    segments: Sequence[str] = [part if isinstance(part, str) else _SAMPLE for part in url.segments]
    target: Any = trail
    try:
        while isinstance(target, tuple):
            target, segments = match_path(target, segments, method)
    except HTTPError:
        return False
    return target is endpoint.route
