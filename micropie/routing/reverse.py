"""Handler to URL: `routing.match`, run backwards.

Where a method stands in the tree of an app is worked out when it is first asked for, and kept. Every URL is led back
through `match` before it is handed out, so that none goes anywhere else: to a method that comes first, to nothing.
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

_LINKS: Final = "_links"
_AS_IT_IS: Final = ":@"
"""What of a path's characters stays as it is beside letters, digits and `-._~` (RFC 3986 §3.3)."""


class Place(msgspec.Struct, frozen=True, eq=False):
    """A route, and where it is."""

    trail: Trail
    """The nodes from the app that is asked down to that of the handler's object."""
    prefix: tuple[str, ...]
    """The segments on that way."""
    route: Route
    method: str
    """An HTTP method that it answers; `""` for a WebSocket."""

    @property
    def owner(self) -> Tree:
        """The object whose method it is."""
        owner: Tree = self.trail[-1].owner
        return owner

    def __str__(self) -> str:
        return "/".join(["", *self.prefix]) + self.route.path or "/"


Links: TypeAlias = dict[Any, list[Place]]
"""Places, by the functions whose places they are."""


def build_url(asking: Tree, handler: object, args: Sequence[object], kwargs: Mapping[str, object]) -> str:
    """The URL of `handler` for these arguments, as something in the app of `asking` would call it.

    While a request is answered it begins with the request's `root_path`. Raises LookupError for a handler that has no
    URL there, or several; TypeError and ValueError as `drafting.draft` does, and ValueError for a URL that would lead
    elsewhere.
    """
    request = request_variable.get(None)
    called: Any = request.root_app if request is not None else None
    root = called if called is not None and _holds(get_node(called), asking, []) else asking
    if root is asking and not asking._builds_itself:
        raise LookupError(f"{type(asking).__qualname__} is part of an app, which alone knows its URLs: use app.url")
    place = find_place(root, handler, asking)
    path, query = write_url(root, place, draft_request(place.route, args, kwargs, to_url=True))
    base = request.scope.get("root_path", "").rstrip("/") if request is not None and root is called else ""
    return quote(base, safe="/" + _AS_IT_IS) + path + (f"?{query}" if query else "")


def find_place(root: Tree, handler: object, asking: object = None) -> Place:
    """Where `handler`, a method of a class or of an object, is in the tree of `root`.

    Of several objects with that method `asking` goes first, then what it holds; where one object is held several times,
    the first of its places is meant. Raises LookupError.
    """
    links: Links = vars(root).get(_LINKS, {})
    places = _candidates(links, handler)
    if not places or not all(map(_stands, places)):  # first asked, or changed since then
        links = {}
        for function, place in _walk((get_node(root),), ()):
            links.setdefault(function, []).append(place)
        object.__setattr__(root, _LINKS, links)  # it may be a frozen dataclass
        places = _candidates(links, handler)
    name = getattr(handler, "__qualname__", repr(handler))
    if not places:
        of_another = ": it is the method of an object that is not part of it" if _function(handler) in links else ""
        raise LookupError(f"{name} is at no URL of {type(root).__qualname__}{of_another}")
    own = [place for place in places if place.owner is asking]
    below = [place for place in places if any(node.owner is asking for node in place.trail)]
    preferred = own or below or places
    if any(place.owner is not preferred[0].owner for place in preferred):
        found = " and ".join(map(str, preferred))
        raise LookupError(f"{name} is at {found}: say whose it is, as in app.todos.get instead of Todos.get")
    return preferred[0]


def _candidates(links: Links, handler: Any) -> list[Place]:
    receiver = getattr(handler, "__self__", None)
    places = links.get(_function(handler), [])
    return [place for place in places if place.owner is receiver] if isinstance(receiver, Tree) else places


def _function(handler: Any) -> Any:
    """What is behind a method of an object; a function is itself."""
    return getattr(handler, "__func__", handler)


def _walk(trail: Trail, prefix: tuple[str, ...]) -> Iterator[tuple[Any, Place]]:
    """Every route at the end of `trail` and below, by each function that it is known by."""
    node = trail[-1]
    for table, plain in ((node.http, "GET"), (node.sockets, "")):
        for route in table.routes():
            method = min(route.methods - {"HEAD"} or route.methods) if route.methods else plain
            place = Place(trail, prefix, route, method)
            for function in _functions(node.owner, route):
                yield function, place
    for names, below in _held(node):
        if below not in trail:
            yield from _walk((*trail, below), (*prefix, *names))


def _held(node: Node) -> Iterator[tuple[Sequence[str], Node]]:
    """What an owner holds, and what of ours is mounted in it, each by its segments."""
    yield from (((name,), child) for name, child in node.children.items())
    mounted = ((names, _node_in(app)) for names, app in node.mounts.items())
    yield from ((names, below) for names, below in mounted if below is not None)


def _node_in(app: object) -> Node | None:
    """The node of a mounted application, where it is one of ours."""
    return get_node(app) if isinstance(app, Tree) else None


def _functions(owner: Tree, route: Route) -> list[Any]:
    """The handler's function, and those of the same name that it overrides."""
    inherited = [vars(cls).get(route.attribute) for cls in type(owner).__mro__]
    known = [_function(one) for one in (route.handler, *inherited) if one is not None]
    return list(dict.fromkeys(one for one in known if callable(one)))


def _stands(place: Place) -> bool:
    """Whether the place is still what it was when it was found."""
    way = all(any(one is held for _, held in _held(node)) for node, one in pairwise(place.trail))
    node = place.trail[-1]
    return way and any(place.route in table.routes() for table in (node.http, node.sockets))


def _holds(node: Node, wanted: Tree, seen: list[Node]) -> bool:
    if node.owner is wanted:
        return True
    if any(node is one for one in seen):
        return False
    seen.append(node)
    return any(_holds(child, wanted, seen) for child in node.children.values())


def write_url(root: Tree, place: Place, made: RequestDraft) -> tuple[str, str]:
    """The path from `root` on, and the query, percent-encoded. Raises ValueError for a path that leads elsewhere."""
    values = [*made.path.values(), *made.rest]
    segments = list(place.prefix)
    for segment in place.route.path.rstrip("/").split("/")[1:]:
        if segment.startswith("{*"):
            segments += made.rest
        elif segment.startswith("{"):
            segments += [made.path[segment[1:-1]]] if segment[1:-1] in made.path else []
        else:
            segments.append(segment)
    path = "/" + "/".join(quote(segment, safe=_AS_IT_IS) for segment in segments)
    if segments and not segments[-1]:
        path += "/"  # the last slash is ignored
    if path.startswith("//"):  # RFC 3986 §4.2: a reference to another host
        raise ValueError(f"{place}: the path cannot begin with an empty value")
    if not _leads_to(place.route, values, get_node(root), path, place.method):
        raise ValueError(f"{place}: {path} does not lead there, as something else answers it")
    return path, urlencode(made.query)


def _leads_to(route: Route, values: list[str], node: Node, path: str, method: str) -> bool:
    """Whether a request for `path` reaches `route` with these path values."""
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
        mounted = _node_in(found.app)
        if mounted is None:
            return False
        trail = (mounted,)
