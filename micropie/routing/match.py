"""Path to route: the table of URLs under one App or Resource, and how a path finds its way through it.

A `Node` holds what one owner answers; nested owners have nodes of their own, so a handler or a sub-tree set late is
one dictionary entry. Which attributes of an owner are URLs is `discovery.py`'s; calling a handler is the app's.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from ..binding.signature import Signature
from ..errors import HTTPError
from ..types import Scope
from .methods import allow_field
from .paths import PERCENT, split_path, split_plain_path
from .route import Route, make_route
from .table import Mount, Node, Table, Trail

_MOST_KNOWN: Final = 10_000
"""Paths that a node remembers: /a-b, /a_b and /a_b/ are three, and clients choose."""


Found: TypeAlias = tuple[Route | Trail | Mount, Sequence[str]]
"""What answers a path, and which of its segments are left as path values."""


def find_route(node: Node, scope: Scope, method: str) -> Found:
    """What answers the path of `scope` in the app of `node`, and the path values: `match`, with a memory.

    A path without values always leads to the same route, so it is looked up once; so does the first segment of a path
    with values, where nothing but a method of that name begins so. Raises what `split_path` and `match` raise.
    """
    if PERCENT in (scope.get("raw_path") or b"") or scope.get("root_path"):
        # Then one path can be two lists of segments.
        return match_path((node,), split_path(scope), method)
    path = scope["path"]
    known, begun = node.known, node.begun
    route = known.get((method, path))
    if route is not None:
        return route, []
    segments = split_plain_path(path)
    if segments:
        route = begun.get((method, segments[0]))
        if route is not None and len(segments) - 1 <= route.path_values:
            return route, segments[1:]
    found, values = match_path((node,), segments, method)
    if isinstance(found, Route):
        if values and len(begun) < _MOST_KNOWN and _is_only(node, segments[0], found):
            begun[method, segments[0]] = found
        elif not values and len(known) < _MOST_KNOWN and _is_steady(node, segments):
            known[method, path] = found
    return found, values


def _is_only(node: Node, name: str, route: Route) -> bool:
    """Whether every path that begins with `name`, and has no more values than `route` takes, leads to `route`."""
    table = node.http
    is_literal = table.templates is not None and name in table.templates.literals
    named = table.named.get(name) or table.named.get(name.replace("-", "_"))
    return named is route and not (node.mounts or is_literal)


def _is_steady(node: Node, segments: Sequence[str]) -> bool:
    """Whether only a change of the tree can make these segments lead elsewhere.

    A nested app may be given middleware at any time, which then has to be asked first.
    """
    place = node
    for segment in segments:
        child = place.children.get(segment) or place.children.get(segment.replace("-", "_"))
        if child is None:
            break
        if child.owner._builds_itself:
            return False
        place = child
    return True


def match_path(trail: Trail, segments: Sequence[str], method: str) -> Found:
    """What answers `segments` below the last node of `trail`, and which of them are left as path values.

    `method` is an HTTP method, or `""` for a WebSocket. Of the things that could answer, the first of these does: a
    mounted application, a `@route` path that begins literally, a method's own URL, what the owner holds, a `@route`
    path that begins with a value, `index`, an application mounted at `/`. A nested app that wants to be asked before
    its handlers is returned as the trail to it. Raises HTTPError 404, and 405 with `Allow`.
    """
    start, count = 0, len(segments)
    while True:
        node = trail[-1]
        table = node.http if method else node.sockets
        templates = table.templates
        route = None
        if start < count:
            if node.mounts and (mounted := node.find_mount(segments, start)) is not None:
                return Mount(mounted[0]), segments[mounted[1] :]
            name = segments[start]
            if templates is not None and (literal := templates.literals.get(name)) is not None:
                found = literal.find(segments, start + 1)
                if found is not None:
                    return _choose_by_method(found[0], method), found[1]
            route = table.named.get(name)
            if route is None and "-" in name and name not in node.children:
                name = name.replace("-", "_")  # /sign-up is sign_up where nothing is called just so
                route = table.named.get(name)
            if route is not None and count - start - 1 <= route.path_values:
                return (route if method in route.answers else _answer_unmatched(method, route.answers)), segments[
                    start + 1 :
                ]
            child = node.children.get(name)
            if child is not None and child not in trail:  # else it is a way back up, which is no URL
                trail, start = (*trail, child), start + 1
                if child.owner._intercepts("http" if method else "websocket"):
                    return trail, segments[start:]
                continue
        if templates is not None:
            found = templates.find(segments, start)
            if found is not None:
                return _choose_by_method(found[0], method), found[1]
        rest = segments[start:]
        if route is None:
            answer = _verb(table.verbs, method, rest) if table.verbs else _index(table, method, rest)
            if answer is not None:
                return answer, rest
        if () in node.mounts:
            return Mount(node.mounts[()]), rest
        raise HTTPError(404)


def _index(table: Table, method: str, values: Sequence[str]) -> Route | None:
    """`index`, where it has room for the path values. Raises HTTPError 405."""
    route = table.named.get("index")
    return _require_method(route, method) if route is not None and len(values) <= route.path_values else None


def _verb(verbs: Mapping[str, Route], method: str, values: Sequence[str]) -> Route | None:
    """A Resource's answer: the verb whose signature has room for the path values. Raises HTTPError 405."""
    candidates = {verb: route for verb, route in verbs.items() if len(values) <= route.path_values}
    route = candidates.get(method) or (candidates.get("GET") if method == "HEAD" else None)
    return route or (_answer_unmatched(method, frozenset(candidates)) if candidates else None)


def require_fit(route: Route | None, values: Sequence[str], method: str) -> Route:
    """`route`, found by other means than its URL, if it takes `values` and answers `method`.

    Raises HTTPError 404 and 405.
    """
    if route is None or len(values) > route.path_values:
        raise HTTPError(404)
    return _require_method(route, method)


def _require_method(route: Route, method: str) -> Route:
    """`route` if it answers `method`. Raises HTTPError 405."""
    return route if method in route.answers else _answer_unmatched(method, route.answers)


def _choose_by_method(routes: Mapping[str, Route], method: str) -> Route:
    route = routes.get(method) or (routes.get("GET") if method == "HEAD" else None) or routes.get("")
    if route is not None:
        return _require_method(route, method)
    return _answer_unmatched(method, frozenset(routes))


def _answer_unmatched(method: str, allowed: frozenset[str]) -> Route:
    """The automatic answer to OPTIONS (RFC 9110 §9.3.7). Raises HTTPError 405 for any other method (§15.5.6)."""
    allow = allow_field(allowed)
    if method != "OPTIONS":
        raise HTTPError(405, headers=[("Allow", allow)])
    return _options_route(allow)


@lru_cache(maxsize=256)
def _options_route(allow: str) -> Route:
    def options() -> tuple[int, None, list[tuple[str, str]]]:
        return 204, None, [("Allow", allow)]

    return make_route(options, Signature((), None), path="", name="micropie.options", threaded=False)
