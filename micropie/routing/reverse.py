"""This module finds the URL of a handler: it runs `match.py` backwards.

The places of an app's handlers are listed at the first call and kept. Every URL is sent through `match_path` before it
is returned, so that no URL leads to another route or to none. The arguments are written by `request_from_call.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote, urlencode

import msgspec

from ..errors import HTTPError
from ..requests.context import request_variable
from .discovery import Tree, get_node
from .match import match_path
from .paths import split_path
from .request_from_call import RequestDraft, draft_request
from .route import Route
from .table import Node, Trail

_PLACES: Final = "_places"
"""The attribute of an app in which the places of its handlers are kept."""
_UNESCAPED: Final = ":@"
"""The characters of a path that are not escaped, besides letters, digits and `-._~` (RFC 3986 §3.3)."""


class Place(msgspec.Struct, frozen=True, eq=False):
    """A route, and its place in the tree of an app."""

    trail: Trail
    """The nodes from the app down to that of the handler's object."""
    prefix: tuple[str, ...]
    """The segments of that way."""
    route: Route
    method: str
    """An HTTP method that it answers; `""` for a WebSocket."""

    @property
    def owner(self) -> Tree:
        """The object whose method the handler is."""
        owner: Tree = self.trail[-1].owner
        return owner

    def __str__(self) -> str:
        return "/".join(["", *self.prefix]) + self.route.path or "/"


Places: TypeAlias = dict[Any, list[Place]]
"""The places of each handler, by its function."""


def build_url(asking: Tree, handler: object, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    """Return the URL of `handler` for these arguments, as `asking`, an App or Resource, would link to it.

    During a request it begins with the request's `root_path`. Raises LookupError for a handler that has no URL in the
    app, or several; TypeError and ValueError as `draft_request` does; and ValueError if another route, or none, answers
    the URL.
    """
    request = request_variable.get()
    called: Any = request.micropie_app if request is not None else None
    root = called if called is not None and _holds(get_node(called), asking, []) else asking
    if root is asking and not asking._builds_itself:
        name = type(asking).__qualname__
        raise LookupError(f"{name} is a Resource, whose URLs depend on the app that holds it: call app.url")
    place = find_place(root, handler, asking)
    path, query = write_url(root, place, draft_request(place.route, args, kwargs, to_url=True))
    base = request.scope.get("root_path", "").rstrip("/") if request is not None and root is called else ""
    return quote(base, safe="/" + _UNESCAPED) + path + (f"?{query}" if query else "")


def find_place(root: Tree, handler: object, asking: object = None) -> Place:
    """Return the place of `handler`, a method of a class or of an object, in the tree of `root`.

    If several objects have the method, `asking` goes first, then the objects that it holds. Of an object that is held
    several times the first place counts. Raises LookupError.
    """
    known: Places = vars(root).get(_PLACES, {})
    places = _list_candidates(known, handler)
    if not places or not all(map(_is_current, places)):  # the first call, or the tree has changed
        known = {}
        for function, place in _walk((get_node(root),), ()):
            known.setdefault(function, []).append(place)
        object.__setattr__(root, _PLACES, known)  # the app may be a frozen dataclass
        places = _list_candidates(known, handler)
    name = getattr(handler, "__qualname__", repr(handler))
    if not places:
        of_another = ": its object is not part of the app" if _unbind(handler) in known else ""
        raise LookupError(f"{name} has no URL in {type(root).__qualname__}{of_another}")
    own = [place for place in places if place.owner is asking]
    below = [place for place in places if any(node.owner is asking for node in place.trail)]
    preferred = own or below or places
    if any(place.owner is not preferred[0].owner for place in preferred):
        urls = " and ".join(map(str, preferred))
        raise LookupError(f"{name} is at {urls}: pass the method of one object, app.todos.get instead of Todos.get")
    return preferred[0]


def _list_candidates(known: Places, handler: Any) -> list[Place]:
    """Return the places of the handler's function; of a bound method only those of its object."""
    receiver = getattr(handler, "__self__", None)
    places = known.get(_unbind(handler), [])
    return [place for place in places if place.owner is receiver] if isinstance(receiver, Tree) else places


def _unbind(handler: Any) -> Any:
    """Return the function of a bound method; return a function unchanged."""
    return getattr(handler, "__func__", handler)


def _walk(trail: Trail, prefix: tuple[str, ...]) -> Iterator[tuple[Any, Place]]:
    """Yield the place of every route at the end of `trail` and below, with each function that stands for it."""
    node = trail[-1]
    for table, plain in ((node.http, "GET"), (node.sockets, "")):
        for route in table.routes():
            method = min(route.methods - {"HEAD"} or route.methods) if route.methods else plain
            place = Place(trail, prefix, route, method)
            for function in _list_functions(node.owner, route):
                yield function, place
    for names, below in _list_held(node):
        if below not in trail:
            yield from _walk((*trail, below), (*prefix, *names))


def _list_held(node: Node) -> Iterator[tuple[Sequence[str], Node]]:
    """Yield the nodes of held Apps and Resources and of mounted micropie apps, each with its segments."""
    yield from (((name,), child) for name, child in node.children.items())
    mounted = ((names, _get_mounted_node(app)) for names, app in node.mounts.items())
    yield from ((names, below) for names, below in mounted if below is not None)


def _get_mounted_node(app: object) -> Node | None:
    """Return the node of a mounted micropie app; None for another application."""
    return get_node(app) if isinstance(app, Tree) else None


def _list_functions(owner: Tree, route: Route) -> list[Any]:
    """Return the handler's function, and the functions of base classes that it overrides."""
    inherited = [vars(cls).get(route.attribute) for cls in type(owner).__mro__]
    functions = [_unbind(handler) for handler in (route.handler, *inherited) if handler is not None]
    return list(dict.fromkeys(function for function in functions if callable(function)))


def _is_current(place: Place) -> bool:
    """Return True if the tree still holds the route at that place."""
    is_held = all(any(child is held for _, held in _list_held(node)) for node, child in pairwise(place.trail))
    node = place.trail[-1]
    return is_held and any(place.route in table.routes() for table in (node.http, node.sockets))


def _holds(node: Node, wanted: Tree, seen: list[Node]) -> bool:
    if node.owner is wanted:
        return True
    if any(node is other for other in seen):
        return False
    seen.append(node)
    return any(_holds(child, wanted, seen) for child in node.children.values())


def write_url(root: Tree, place: Place, draft: RequestDraft) -> tuple[str, str]:
    """Return the path from `root`, and the query, both percent-encoded.

    Raises ValueError for a path that another route, or none, answers.
    """
    values = [*draft.path.values(), *draft.rest]
    segments = list(place.prefix)
    for segment in place.route.path.rstrip("/").split("/")[1:]:
        if segment.startswith("{*"):
            segments += draft.rest
        elif segment.startswith("{"):
            segments += [draft.path[segment[1:-1]]] if segment[1:-1] in draft.path else []
        else:
            segments.append(segment)
    path = "/" + "/".join(quote(segment, safe=_UNESCAPED) for segment in segments)
    if segments and not segments[-1]:
        path += "/"  # the router ignores the last slash
    if path.startswith("//"):  # RFC 3986 §4.2: a reference to another host
        raise ValueError(f"{place}: the path cannot begin with an empty value")
    if not _leads_to(place.route, values, get_node(root), path, place.method):
        raise ValueError(f"{place}: a request for {path} reaches another route, or none")
    return path, urlencode(draft.query)


def _leads_to(route: Route, values: list[str], node: Node, path: str, method: str) -> bool:
    """Return True if a request for `path` reaches `route` with these path values."""
    trail: Trail = (node,)
    segments: Sequence[str] = split_path({"path": unquote(path), "raw_path": path.encode()})
    while True:
        try:
            found, segments = match_path(trail, segments, method)
        except HTTPError:
            return False
        if isinstance(found, Route):
            return found is route and list(segments) == values
        if isinstance(found, tuple):
            trail = found
            continue
        mounted = _get_mounted_node(found.app)
        if mounted is None:
            return False
        trail = (mounted,)
